#include "cql/result.h"

/* Types nest as users write them; what nests deeper than this is an attack on the stack. */
#define MAX_DEPTH 64

static bool report(const struct cql_reader *r, struct cql_error *err)
{
	if (cql_reader_ok(r))
		return true;
	*err = r->error;
	return false;
}

int cql_result_kind(struct cql_view body)
{
	struct cql_reader r;
	int32_t kind;

	cql_reader_init(&r, body);
	kind = cql_read_i32(&r);
	return cql_reader_ok(&r) ? kind : -1;
}

/* Stands behind the kind, or fails. */
static void open(struct cql_reader *r, struct cql_view body, int32_t kind)
{
	cql_reader_init(r, body);
	if (cql_read_i32(r) != kind)
		cql_reader_fail(r, "another kind of result");
}

static void skip_type(struct cql_reader *r, unsigned depth)
{
	uint16_t id = cql_read_u16(r), n = 0;
	bool named = id == CQL_T_UDT;

	if (!cql_reader_ok(r))
		return;
	if (depth == MAX_DEPTH) {
		cql_reader_fail(r, "type nests too deep");
		return;
	}
	switch (id) {
	case CQL_T_CUSTOM:
		cql_read_string(r);
		break;
	case CQL_T_LIST:
	case CQL_T_SET:
		n = 1;
		break;
	case CQL_T_MAP:
		n = 2;
		break;
	case CQL_T_UDT:
		cql_read_string(r);
		cql_read_string(r);
		n = cql_read_u16(r);
		break;
	case CQL_T_TUPLE:
		n = cql_read_u16(r);
		break;
	default:
		if (id > CQL_T_DURATION)
			cql_reader_fail(r, "unknown type");
	}
	for (; n && cql_reader_ok(r); n--) {
		if (named)
			cql_read_string(r);
		skip_type(r, depth + 1);
	}
}

void cql_type_skip(struct cql_reader *r)
{
	skip_type(r, 0);
}

static void read_column(struct cql_reader *r, bool global, struct cql_column *c)
{
	const uint8_t *at;

	if (!global) {
		c->keyspace = cql_read_string(r);
		c->table = cql_read_string(r);
	}
	c->name = cql_read_string(r);
	at = r->p;
	cql_type_skip(r);
	c->type = (struct cql_view){at, (size_t)(r->p - at)};
}

static void read_columns(struct cql_reader *r, struct cql_metadata *m)
{
	bool global = m->flags & CQL_M_GLOBAL;
	struct cql_column c;
	const uint8_t *at;

	if (m->flags & CQL_M_NO_METADATA)
		return;
	if (global) {
		m->keyspace = cql_read_string(r);
		m->table = cql_read_string(r);
	}
	at = r->p;
	for (int32_t i = 0; i < m->n_columns && cql_reader_ok(r); i++)
		read_column(r, global, &c);
	m->columns = (struct cql_view){at, (size_t)(r->p - at)};
}

static void read_front(struct cql_reader *r, struct cql_metadata *m)
{
	m->flags = (uint32_t)cql_read_i32(r);
	m->n_columns = cql_read_i32(r);
	if (m->n_columns < 0)
		cql_reader_fail(r, "negative number of columns");
}

static void read_metadata(struct cql_reader *r, uint8_t version, struct cql_metadata *m)
{
	read_front(r, m);
	if (m->flags & CQL_M_MORE_PAGES)
		m->paging_state = cql_read_bytes(r);
	if (version >= CQL_V5 && m->flags & CQL_M_CHANGED)
		m->new_metadata_id = cql_read_short_bytes(r);
	read_columns(r, m);
}

static void read_bind_metadata(struct cql_reader *r, uint8_t version, struct cql_metadata *m)
{
	int32_t n;

	read_front(r, m);
	if (version >= CQL_V4) {
		n = cql_read_i32(r);
		if (n < 0)
			cql_reader_fail(r, "negative number of partition key indexes");
		m->pk_indexes = cql_read_raw(r, cql_reader_ok(r) ? 2 * (size_t)n : 0);
	}
	read_columns(r, m);
}

bool cql_prepared_read(uint8_t version, struct cql_view body, struct cql_prepared *out, struct cql_error *err)
{
	struct cql_prepared p = {0};
	struct cql_reader r;

	open(&r, body, CQL_PREPARED);
	p.id = cql_read_short_bytes(&r);
	if (version >= CQL_V5)
		p.result_metadata_id = cql_read_short_bytes(&r);
	read_bind_metadata(&r, version, &p.bind);
	read_metadata(&r, version, &p.result);
	if (!report(&r, err))
		return false;
	*out = p;
	return true;
}

bool cql_rows_read(uint8_t version, struct cql_view body, struct cql_rows *out, struct cql_error *err)
{
	struct cql_rows rows = {0};
	struct cql_reader r;

	open(&r, body, CQL_ROWS);
	read_metadata(&r, version, &rows.metadata);
	rows.n_rows = cql_read_i32(&r);
	/* A cell has four bytes at least: what could not be there is refused before anybody counts on it. */
	if (rows.n_rows < 0 || (uint64_t)rows.n_rows * (uint64_t)rows.metadata.n_columns >
				       cql_reader_left(&r) / sizeof(int32_t))
		cql_reader_fail(&r, "number of rows that their bytes belie");
	rows.cells = cql_read_raw(&r, cql_reader_left(&r));
	if (!report(&r, err))
		return false;
	*out = rows;
	return true;
}

bool cql_set_keyspace_read(struct cql_view body, struct cql_view *keyspace, struct cql_error *err)
{
	struct cql_reader r;
	struct cql_view name;

	open(&r, body, CQL_SET_KEYSPACE);
	name = cql_read_string(&r);
	if (!report(&r, err))
		return false;
	*keyspace = name;
	return true;
}

static bool takes_args(struct cql_view target)
{
	return cql_view_is(target, "FUNCTION") || cql_view_is(target, "AGGREGATE");
}

struct cql_schema_change cql_read_schema_change(struct cql_reader *r)
{
	struct cql_schema_change c = {.change = cql_read_string(r)};
	const uint8_t *at;

	c.target = cql_read_string(r);
	c.keyspace = cql_read_string(r);
	if (!cql_view_is(c.target, "KEYSPACE"))
		c.name = cql_read_string(r);
	if (takes_args(c.target)) {
		at = r->p;
		cql_skip_string_list(r);
		c.args = (struct cql_view){at, (size_t)(r->p - at)};
	}
	return c;
}

bool cql_schema_change_read(struct cql_view body, struct cql_schema_change *out, struct cql_error *err)
{
	struct cql_schema_change c;
	struct cql_reader r;

	open(&r, body, CQL_SCHEMA_CHANGE);
	c = cql_read_schema_change(&r);
	if (!report(&r, err))
		return false;
	*out = c;
	return true;
}

bool cql_column_next(const struct cql_metadata *m, struct cql_reader *r, struct cql_column *out)
{
	struct cql_column c = {.keyspace = m->keyspace, .table = m->table};

	if (!cql_reader_left(r))
		return false;
	read_column(r, m->flags & CQL_M_GLOBAL, &c);
	if (!cql_reader_ok(r))
		return false;
	*out = c;
	return true;
}

bool cql_metadata_equal(const struct cql_metadata *a, const struct cql_metadata *b)
{
	struct cql_column x, y;
	struct cql_reader ra, rb;

	if (a->n_columns != b->n_columns || (a->flags ^ b->flags) & CQL_M_NO_METADATA ||
		!cql_view_equal(a->pk_indexes, b->pk_indexes))
		return false;
	cql_reader_init(&ra, a->columns);
	cql_reader_init(&rb, b->columns);
	while (cql_column_next(a, &ra, &x)) {
		if (!cql_column_next(b, &rb, &y) || !cql_view_equal(x.name, y.name) ||
			!cql_view_equal(x.type, y.type))
			return false;
	}
	return true;
}

int cql_rows_column(const struct cql_rows *rows, const char *name)
{
	struct cql_column c;
	struct cql_reader r;

	cql_reader_init(&r, rows->metadata.columns);
	for (int i = 0; cql_column_next(&rows->metadata, &r, &c); i++)
		if (cql_view_is(c.name, name))
			return i;
	return -1;
}

bool cql_row_next(
	const struct cql_rows *rows, struct cql_reader *r, struct cql_value *cells, size_t max_cells)
{
	if (!cql_reader_left(r) || !rows->metadata.n_columns)
		return false;
	for (int32_t i = 0; i < rows->metadata.n_columns && cql_reader_ok(r); i++) {
		struct cql_value v = cql_read_bytes(r);

		if ((size_t)i < max_cells)
			cells[i] = v;
	}
	return cql_reader_ok(r);
}

void cql_void_write(struct cql_writer *w)
{
	cql_write_i32(w, CQL_VOID);
}

void cql_set_keyspace_write(struct cql_writer *w, struct cql_view keyspace)
{
	cql_write_i32(w, CQL_SET_KEYSPACE);
	cql_write_string(w, keyspace);
}

void cql_schema_change_write(struct cql_writer *w, bool as_result, const struct cql_schema_change *c)
{
	if (as_result)
		cql_write_i32(w, CQL_SCHEMA_CHANGE);
	else
		cql_write_string(w, cql_view_of("SCHEMA_CHANGE"));
	cql_write_string(w, c->change);
	cql_write_string(w, c->target);
	cql_write_string(w, c->keyspace);
	if (!cql_view_is(c->target, "KEYSPACE"))
		cql_write_string(w, c->name);
	if (!takes_args(c->target))
		return;
	if (c->args.n)
		cql_write_view(w, c->args);
	else
		cql_write_u16(w, 0);
}

/* A server writes no table of no columns (ResultSet.PreparedMetadata), nor of metadata that was left out. */
void cql_metadata_write(struct cql_writer *w, const struct cql_metadata *m, bool bind, uint8_t version)
{
	uint32_t kept =
		bind ? 0 : CQL_M_MORE_PAGES | CQL_M_NO_METADATA | (version >= CQL_V5 ? CQL_M_CHANGED : 0);
	uint32_t flags = m->flags & kept;

	if (m->n_columns && !(flags & CQL_M_NO_METADATA))
		flags |= CQL_M_GLOBAL;
	cql_write_i32(w, (int32_t)flags);
	cql_write_i32(w, m->n_columns);
	if (bind && version >= CQL_V4) {
		cql_write_i32(w, (int32_t)(m->pk_indexes.n / 2));
		cql_write_view(w, m->pk_indexes);
	}
	if (flags & CQL_M_MORE_PAGES)
		cql_write_bytes(w, m->paging_state.view);
	if (flags & CQL_M_CHANGED)
		cql_write_short_bytes(w, m->new_metadata_id);
	if (flags & CQL_M_GLOBAL) {
		cql_write_string(w, m->keyspace);
		cql_write_string(w, m->table);
	}
}
