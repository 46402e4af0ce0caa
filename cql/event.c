#include "cql/event.h"
#include "cql/result.h"

static bool has_address(struct cql_view type)
{
	return cql_view_is(type, "TOPOLOGY_CHANGE") || cql_view_is(type, "STATUS_CHANGE");
}

static void read_inet(struct cql_reader *r, struct cql_event *e)
{
	uint8_t n = cql_read_u8(r);

	if (n != 4 && n != 16)
		cql_reader_fail(r, "address that has neither 4 nor 16 bytes");
	e->address = cql_read_raw(r, n);
	e->port = cql_read_i32(r);
}

bool cql_event_read(struct cql_view body, struct cql_event *out, struct cql_error *err)
{
	struct cql_event e = {0};
	struct cql_schema_change c;
	struct cql_reader r;

	cql_reader_init(&r, body);
	e.type = cql_read_string(&r);
	if (has_address(e.type)) {
		e.change = cql_read_string(&r);
		read_inet(&r, &e);
	} else if (cql_view_is(e.type, "SCHEMA_CHANGE")) {
		c = cql_read_schema_change(&r);
		e.change = c.change;
		e.target = c.target;
		e.keyspace = c.keyspace;
		e.name = c.name;
		e.args = c.args;
	}
	if (!cql_reader_ok(&r)) {
		*err = r.error;
		return false;
	}
	*out = e;
	return true;
}

void cql_event_write(struct cql_writer *w, const struct cql_event *e)
{
	struct cql_schema_change c = {.change = e->change,
		.target = e->target,
		.keyspace = e->keyspace,
		.name = e->name,
		.args = e->args};

	if (cql_view_is(e->type, "SCHEMA_CHANGE")) {
		cql_schema_change_write(w, false, &c);
		return;
	}
	cql_write_string(w, e->type);
	if (!has_address(e->type))
		return;
	cql_write_string(w, e->change);
	cql_write_u8(w, (uint8_t)e->address.n);
	cql_write_view(w, e->address);
	cql_write_i32(w, e->port);
}
