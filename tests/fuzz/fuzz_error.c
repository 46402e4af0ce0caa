/* Any body as an ERROR and as an EVENT: what reads is written to the same bytes, if the version has the code. */
#include "fuzz.h"

#include "cql/error.h"

static void error(uint8_t version, struct cql_view body)
{
	struct cql_server_error e, again;
	struct cql_writer w = SINK, older = SINK;
	struct cql_error err = {0};

	if (!cql_error_read(version, body, &e, &err)) {
		MUST(err.why && err.offset <= body.n);
		return;
	}
	MUST(inside(e.message, body) && inside(e.id, body) && inside(e.failures, body) &&
		inside(e.arg_types, body));
	cql_error_write(&w, version, &e);
	MUST(cql_error_read(version, sink_view(&w), &again, &err));
	if (again.code == e.code)
		MUST(w.len <= body.n && !memcmp(w.p, body.p, w.len));
	for (uint8_t v = CQL_V3; v <= CQL_V5; v++) {
		older.len = 0;
		cql_error_write(&older, v, &e);
		MUST(cql_error_read(v, sink_view(&older), &again, &err));
		MUST(cql_view_equal(again.message, e.message));
	}
	MUST(cql_error_name(e.code));
	free(w.p);
	free(older.p);
}

static void event(struct cql_view body)
{
	struct cql_error err = {0};
	struct cql_writer w = SINK;
	struct cql_event e;

	if (!cql_event_read(body, &e, &err)) {
		MUST(err.why && err.offset <= body.n);
		return;
	}
	cql_event_write(&w, &e);
	MUST(w.len <= body.n && !memcmp(w.p, body.p, w.len));
	free(w.p);
}

/* The second byte chooses a code that exists, or leaves what is there. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const types[] = {"TOPOLOGY_CHANGE", "STATUS_CHANGE", "SCHEMA_CHANGE"};
	static const uint16_t codes[] = {
		0x1000, 0x1100, 0x1200, 0x1300, 0x1400, 0x1500, 0x1600, 0x1700, 0x2400, 0x2500};
	struct cql_writer w = SINK;
	struct cql_view body;

	if (size < 2)
		return 0;
	body = tight(data + 2, size - 2);
	event(body);
	if (data[1] < 10 && body.n >= 4) {
		uint8_t *p = (uint8_t *)body.p;

		p[0] = p[1] = 0;
		p[2] = (uint8_t)(codes[data[1]] >> 8);
		p[3] = (uint8_t)codes[data[1]];
	}
	error((uint8_t)(CQL_V3 + data[0] % 3), body);
	cql_write_string(&w, cql_view_of(types[data[0] / 3 % 3]));
	cql_write_view(&w, body);
	event(sink_view(&w));
	w.len = 0;
	cql_unsupported_version_write(&w, data[0], data[1]);
	error(CQL_V4, sink_view(&w));
	free(w.p);
	tight_free(body);
	return 0;
}
