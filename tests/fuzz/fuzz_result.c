/* Any body as any result: all that is in it can be walked, and nothing else. */
#include "fuzz.h"

#include "cql/result.h"

static void check_metadata(const struct cql_metadata *m, struct cql_view body)
{
	struct cql_column c;
	struct cql_reader r;
	int32_t n = 0;

	MUST(inside(m->columns, body) && inside(m->pk_indexes, body) && m->n_columns >= 0);
	cql_reader_init(&r, m->columns);
	for (; cql_column_next(m, &r, &c); n++)
		MUST(inside(c.name, body) && inside(c.type, body) && inside(c.keyspace, body) &&
			inside(c.table, body));
	MUST(cql_reader_ok(&r) && n == (m->flags & CQL_M_NO_METADATA ? 0 : m->n_columns));
	MUST(cql_metadata_equal(m, m));
}

static void rows(uint8_t version, struct cql_view body)
{
	struct cql_error err = {0};
	struct cql_value cells[3];
	struct cql_rows got;
	struct cql_reader r;
	int64_t n = 0;

	if (!cql_rows_read(version, body, &got, &err)) {
		MUST(err.why && err.offset <= body.n);
		return;
	}
	check_metadata(&got.metadata, body);
	cql_rows_column(&got, "a");
	cql_reader_init(&r, got.cells);
	for (; cql_row_next(&got, &r, cells, 3); n++)
		for (int32_t i = 0; i < 3 && i < got.metadata.n_columns; i++)
			MUST(inside(cells[i].view, body));
	MUST(n <= (int64_t)body.n);
}

static void prepared(uint8_t version, struct cql_view body)
{
	struct cql_error err = {0};
	struct cql_prepared got;

	if (!cql_prepared_read(version, body, &got, &err)) {
		MUST(err.why && err.offset <= body.n);
		return;
	}
	MUST(inside(got.id, body) && inside(got.result_metadata_id, body));
	check_metadata(&got.bind, body);
	check_metadata(&got.result, body);
	cql_metadata_equal(&got.bind, &got.result);
}

static void others(struct cql_view body)
{
	struct cql_schema_change c, again;
	struct cql_writer w = SINK;
	struct cql_error err = {0};
	struct cql_view ks;

	if (cql_set_keyspace_read(body, &ks, &err)) {
		MUST(cql_result_kind(body) == CQL_SET_KEYSPACE);
		cql_set_keyspace_write(&w, ks);
		MUST(w.len <= body.n && !memcmp(w.p, body.p, w.len));
	}
	w.len = 0;
	if (cql_schema_change_read(body, &c, &err)) {
		cql_schema_change_write(&w, true, &c);
		MUST(w.len <= body.n && !memcmp(w.p, body.p, w.len));
		MUST(cql_schema_change_read(sink_view(&w), &again, &err) &&
			cql_view_equal(c.args, again.args));
	}
	free(w.p);
}

/* The first byte is the version; the second the kind, since few inputs would begin with one. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cql_view body;
	uint8_t *p;

	if (size < 2)
		return 0;
	body = tight(data + 2, size - 2);
	p = (uint8_t *)body.p;
	if (body.n >= 4) {
		memset(p, 0, 3);
		p[3] = data[1] % 6;
	}
	rows((uint8_t)(CQL_V3 + data[0] % 3), body);
	prepared((uint8_t)(CQL_V3 + data[0] % 3), body);
	others(body);
	tight_free(body);
	return 0;
}
