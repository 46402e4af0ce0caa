/*
 * Two clusters' outcomes become one answer: semantics §4 as a function. Pure: time comes in as outcomes (SILENT, LATE).
 */
#pragma once
#include "mirror/policy.h"
#include "mirror/route.h"

enum outcome {
	OUTCOME_PENDING,
	OUTCOME_OK,
	OUTCOME_INVALID, /* syntax, invalid, unauthorized, config …: the same however often it is tried; not applied */
	OUTCOME_REFUSED, /* unavailable, overloaded, bootstrapping, never sent: not applied */
	OUTCOME_UNKNOWN, /* timeout, failure, server error, connection lost: may have been applied */
	OUTCOME_SILENT,  /* nothing until request_timeout */
};

enum verdict { VERDICT_WAIT, VERDICT_AUTHORITY, VERDICT_FOLLOWER, VERDICT_TIMEOUT };

struct merge_in {
	enum rule rule;
	enum failure failure;
	enum outcome authority, follower;
	bool late; /* the follower is still pending follower_wait after the authority's answer; count only */
};

struct merge_out {
	enum verdict verdict;                /* what the app gets, if it has no answer yet */
	bool finished;                       /* nothing that still can come changes a count */
	bool failed_write, diverged, schema; /* to count and to flag, once, when finished */
};

struct merge_out merge_decide(const struct merge_in *in);
/* Class of an ERROR's code (spec §9). */
enum outcome merge_outcome(int32_t error_code);
