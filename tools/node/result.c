#include "result.h"
#include "md5.h"

void result_metadata(struct cql_writer *w, uint8_t version, const struct table *t,
	const struct result_column *cols, uint32_t n, uint32_t flags, struct cql_view paging_state,
	struct cql_view new_id)
{
	struct cql_metadata m = {.flags = flags,
		.n_columns = (int32_t)n,
		.paging_state.view = paging_state,
		.new_metadata_id = new_id};

	if (t) {
		m.keyspace = cql_view_of(t->keyspace->name);
		m.table = cql_view_of(t->name);
	}
	cql_metadata_write(w, &m, false, version);
	if (flags & CQL_M_NO_METADATA)
		return;
	for (uint32_t i = 0; i < n; i++) {
		cql_write_string(w, cols[i].name);
		type_write(w, cols[i].type, version);
	}
}

void result_id(const struct table *t, const struct result_column *cols, uint32_t n, uint8_t out[16])
{
	struct md5 m;

	md5_init(&m);
	if (t) {
		md5_add(&m, cql_view_of(t->keyspace->name));
		md5_add(&m, cql_view_of(t->name));
	}
	for (uint32_t i = 0; i < n; i++) {
		md5_add(&m, cols[i].name);
		md5_add(&m, cql_view_of(cols[i].type->name));
	}
	md5_end(&m, out);
}

uint32_t result_columns(const struct stmt *s, struct arena *a, struct result_column **out)
{
	*out = NULL;
	if (s->kind != STMT_SELECT)
		return 0;
	*out = ARENA_ARRAY(a, struct result_column, s->n_selectors);
	for (uint32_t i = 0; i < s->n_selectors; i++)
		(*out)[i] = (struct result_column){s->selectors[i].label, s->selectors[i].type};
	return s->n_selectors;
}
