/* ERROR bodies (spec §9; per-version layouts in reference to each code). */
#pragma once
#include "cql/event.h"

enum cql_error_code {
	CQL_E_SERVER = 0x0000,
	CQL_E_PROTOCOL = 0x000a,
	CQL_E_BAD_CREDENTIALS = 0x0100,
	CQL_E_UNAVAILABLE = 0x1000,
	CQL_E_OVERLOADED = 0x1001,
	CQL_E_BOOTSTRAPPING = 0x1002,
	CQL_E_TRUNCATE = 0x1003,
	CQL_E_WRITE_TIMEOUT = 0x1100,
	CQL_E_READ_TIMEOUT = 0x1200,
	CQL_E_READ_FAILURE = 0x1300,
	CQL_E_FUNCTION_FAILURE = 0x1400,
	CQL_E_WRITE_FAILURE = 0x1500,
	CQL_E_CDC_WRITE_FAILURE = 0x1600,
	CQL_E_CAS_WRITE_UNKNOWN = 0x1700,
	CQL_E_SYNTAX = 0x2000,
	CQL_E_UNAUTHORIZED = 0x2100,
	CQL_E_INVALID = 0x2200,
	CQL_E_CONFIG = 0x2300,
	CQL_E_ALREADY_EXISTS = 0x2400,
	CQL_E_UNPREPARED = 0x2500,
};

struct cql_server_error {
	int32_t code;
	struct cql_view message;
	uint16_t consistency;           /* UNAVAILABLE, *_TIMEOUT, *_FAILURE, CAS_WRITE_UNKNOWN */
	int32_t received, block_for;    /* likewise; alive and required of UNAVAILABLE */
	struct cql_view write_type;     /* WRITE_* */
	uint8_t data_present;           /* READ_* */
	struct cql_view id;             /* UNPREPARED */
	struct cql_view keyspace, name; /* ALREADY_EXISTS, FUNCTION_FAILURE */
	int32_t n_failures;             /* *_FAILURE: how many replicas failed … */
	struct cql_view failures;       /* … and from v5 on n_failures × ([inetaddr] [short]), encoded */
	struct cql_view arg_types;      /* FUNCTION_FAILURE: encoded [string list] */
	uint16_t contentions;           /* v5 WRITE_TIMEOUT of CAS */
};
/* Body proper. A code that the version does not have reads as code and message. False: *err. */
bool cql_error_read(
	uint8_t version, struct cql_view body, struct cql_server_error *out, struct cql_error *err);
/* Writes the fields that the code has in that version. A code that it does not have goes as the one that Cassandra puts in its place. */
void cql_error_write(struct cql_writer *w, uint8_t version, const struct cql_server_error *e);
const char *cql_error_name(int32_t code); /* "WRITE_TIMEOUT"; "UNKNOWN" */
/*
 * The refusal of a version, as Cassandra words it, since drivers step down by its text (Java, C++, Node, Python) or by the frame's version byte (Go,
 * Node): the body of a PROTOCOL error; send it on stream 0 in a frame marked `highest`.
 */
void cql_unsupported_version_write(struct cql_writer *w, uint8_t asked, uint8_t highest);
