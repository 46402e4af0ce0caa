/* Why a request is refused, as it goes to the client: an error code of the protocol and a text, worded as Cassandra words it where drivers read it. */
#pragma once
#include "base/attr.h"
#include "cql/error.h"

struct problem {
	int32_t code; /* enum cql_error_code */
	char text[512];
	char keyspace[64], name[64]; /* ALREADY_EXISTS */
	uint8_t id[16];              /* UNPREPARED */
	uint8_t id_len;
};

/* Always returns -EINVAL, so that one expression says both: return problem_set(...). */
int problem_set(struct problem *p, int32_t code, const char *fmt, ...) printf_like(3, 4);
#define problem_invalid(p, ...) problem_set(p, CQL_E_INVALID, __VA_ARGS__)
#define problem_syntax(p, ...)  problem_set(p, CQL_E_SYNTAX, __VA_ARGS__)
/* For %.*s of a view that somebody sent: cut to what fits a message. */
#define PV(v) (int)((v).n > 100 ? 100 : (v).n), (const char *)(v).p
