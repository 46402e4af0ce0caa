#include "mirror/merge.h"

#include "cql/error.h"

enum outcome merge_outcome(int32_t code)
{
	switch (code) {
	case CQL_E_UNAVAILABLE:
	case CQL_E_OVERLOADED:
	case CQL_E_BOOTSTRAPPING:
		return OUTCOME_REFUSED;
	case CQL_E_SYNTAX:
	case CQL_E_UNAUTHORIZED:
	case CQL_E_INVALID:
	case CQL_E_CONFIG:
	case CQL_E_ALREADY_EXISTS:
	case CQL_E_PROTOCOL:
	case CQL_E_BAD_CREDENTIALS:
	case CQL_E_FUNCTION_FAILURE:
		return OUTCOME_INVALID;
	default:
		return OUTCOME_UNKNOWN;
	}
}

static struct merge_out authority_ok(const struct merge_in *in)
{
	bool fail = in->failure == FAILURE_FAIL;
	struct merge_out out = {.verdict = VERDICT_AUTHORITY, .finished = true};

	switch (in->follower) {
	case OUTCOME_OK:
		break;
	case OUTCOME_PENDING:
		if (fail || !in->late)
			return (struct merge_out){.verdict = VERDICT_WAIT};
		out.failed_write = true;
		break;
	case OUTCOME_INVALID:
		out.failed_write = out.schema = true;
		out.verdict = fail ? VERDICT_FOLLOWER : VERDICT_AUTHORITY;
		break;
	case OUTCOME_REFUSED:
	case OUTCOME_UNKNOWN:
	case OUTCOME_SILENT:
		out.failed_write = true;
		out.verdict = fail ? VERDICT_TIMEOUT : VERDICT_AUTHORITY;
		break;
	}
	return out;
}

/* The app has the authority's error at once; whether the clusters now differ shows when the follower is done. */
static struct merge_out authority_error(const struct merge_in *in)
{
	struct merge_out out = {.verdict = VERDICT_AUTHORITY, .finished = in->follower != OUTCOME_PENDING};

	out.diverged = in->follower == OUTCOME_OK || in->follower == OUTCOME_UNKNOWN ||
		       in->follower == OUTCOME_SILENT;
	return out;
}

static bool not_applied(enum outcome o)
{
	return o == OUTCOME_INVALID || o == OUTCOME_REFUSED;
}

static struct merge_out decide_schema(const struct merge_in *in)
{
	struct merge_out out = {.verdict = VERDICT_AUTHORITY, .finished = true};

	if (in->authority == OUTCOME_PENDING || in->follower == OUTCOME_PENDING)
		return (struct merge_out){.verdict = VERDICT_WAIT};
	if (in->authority == OUTCOME_SILENT)
		out.verdict = VERDICT_TIMEOUT;
	out.schema = !(in->authority == OUTCOME_OK && in->follower == OUTCOME_OK) &&
		     !(not_applied(in->authority) && not_applied(in->follower));
	return out;
}

struct merge_out merge_decide(const struct merge_in *in)
{
	if (in->rule == RULE_SCHEMA)
		return decide_schema(in);
	if (in->rule != RULE_WRITE) {
		bool pending = in->authority == OUTCOME_PENDING;
		bool target_too = in->rule == RULE_PREPARE && in->follower == OUTCOME_PENDING;
		return (struct merge_out){
			.verdict = pending                           ? VERDICT_WAIT
				   : in->authority == OUTCOME_SILENT ? VERDICT_TIMEOUT
								     : VERDICT_AUTHORITY,
			.finished = !pending && !target_too,
		};
	}
	switch (in->authority) {
	case OUTCOME_PENDING:
		return (struct merge_out){.verdict = VERDICT_WAIT};
	case OUTCOME_OK:
		return authority_ok(in);
	case OUTCOME_SILENT:
		return (struct merge_out){.verdict = VERDICT_TIMEOUT, .finished = true, .diverged = true};
	case OUTCOME_INVALID:
	case OUTCOME_REFUSED:
	case OUTCOME_UNKNOWN:
		return authority_error(in);
	}
	return (struct merge_out){.verdict = VERDICT_WAIT};
}
