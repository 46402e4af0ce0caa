/* EVENT bodies (spec §4.2.6). */
#pragma once
#include "cql/frame.h"

struct cql_event {
	struct cql_view
		type; /* TOPOLOGY_CHANGE, STATUS_CHANGE, SCHEMA_CHANGE; of any other only this is read and written */
	struct cql_view change;  /* NEW_NODE, UP, CREATED … */
	struct cql_view address; /* 4 or 16 bytes; topology and status */
	int32_t port;
	struct cql_view target, keyspace, name; /* schema */
	struct cql_view args;                   /* of a FUNCTION or AGGREGATE: encoded [string list] */
};
bool cql_event_read(struct cql_view body, struct cql_event *out, struct cql_error *err);
void cql_event_write(struct cql_writer *w, const struct cql_event *e);
