#include "cql/error.h"

/* What follows the message, part by part; the order of the parts on the wire is the order of the bits (spec §9 of v3, v4; §8 of v5). */
enum {
	LEVEL = 1 << 0,  /* consistency, then two counts */
	ALIVE = 1 << 1,  /* … in the order required, alive */
	FAILED = 1 << 2, /* how many replicas failed; from v5 on which, and why */
	WRITE_TYPE = 1 << 3,
	CONTENTIONS = 1 << 4, /* v5, only of CAS */
	DATA_PRESENT = 1 << 5,
	KEYSPACE_NAME = 1 << 6,
	ARG_TYPES = 1 << 7,
	ID = 1 << 8,
};

static const struct layout {
	int32_t code;
	const char *name;
	uint16_t parts;
	uint8_t since; /* version; 0: all */
	int32_t before; /* what Cassandra sends in its place to older clients (ErrorMessage.getBackwardsCompatibleException) */
} layouts[] = {
	{CQL_E_SERVER, "SERVER_ERROR", 0, 0, 0},
	{CQL_E_PROTOCOL, "PROTOCOL_ERROR", 0, 0, 0},
	{CQL_E_BAD_CREDENTIALS, "BAD_CREDENTIALS", 0, 0, 0},
	{CQL_E_UNAVAILABLE, "UNAVAILABLE", LEVEL | ALIVE, 0, 0},
	{CQL_E_OVERLOADED, "OVERLOADED", 0, 0, 0},
	{CQL_E_BOOTSTRAPPING, "IS_BOOTSTRAPPING", 0, 0, 0},
	{CQL_E_TRUNCATE, "TRUNCATE_ERROR", 0, 0, 0},
	{CQL_E_WRITE_TIMEOUT, "WRITE_TIMEOUT", LEVEL | WRITE_TYPE | CONTENTIONS, 0, 0},
	{CQL_E_READ_TIMEOUT, "READ_TIMEOUT", LEVEL | DATA_PRESENT, 0, 0},
	{CQL_E_READ_FAILURE, "READ_FAILURE", LEVEL | FAILED | DATA_PRESENT, CQL_V4, CQL_E_READ_TIMEOUT},
	{CQL_E_FUNCTION_FAILURE, "FUNCTION_FAILURE", KEYSPACE_NAME | ARG_TYPES, CQL_V4, CQL_E_INVALID},
	{CQL_E_WRITE_FAILURE, "WRITE_FAILURE", LEVEL | FAILED | WRITE_TYPE, CQL_V4, CQL_E_WRITE_TIMEOUT},
	{CQL_E_CDC_WRITE_FAILURE, "CDC_WRITE_FAILURE", 0, CQL_V4, CQL_E_INVALID},
	{CQL_E_CAS_WRITE_UNKNOWN, "CAS_WRITE_UNKNOWN", LEVEL, CQL_V5, CQL_E_WRITE_TIMEOUT},
	{CQL_E_SYNTAX, "SYNTAX_ERROR", 0, 0, 0},
	{CQL_E_UNAUTHORIZED, "UNAUTHORIZED", 0, 0, 0},
	{CQL_E_INVALID, "INVALID", 0, 0, 0},
	{CQL_E_CONFIG, "CONFIG_ERROR", 0, 0, 0},
	{CQL_E_ALREADY_EXISTS, "ALREADY_EXISTS", KEYSPACE_NAME, 0, 0},
	{CQL_E_UNPREPARED, "UNPREPARED", ID, 0, 0},
};

static const struct layout *layout_of(int32_t code)
{
	for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
		if (layouts[i].code == code)
			return &layouts[i];
	return NULL;
}

const char *cql_error_name(int32_t code)
{
	const struct layout *l = layout_of(code);

	return l ? l->name : "UNKNOWN";
}

static void read_level(struct cql_reader *r, bool alive, struct cql_server_error *e)
{
	e->consistency = cql_read_u16(r);
	if (alive)
		e->block_for = cql_read_i32(r);
	e->received = cql_read_i32(r);
	if (!alive)
		e->block_for = cql_read_i32(r);
}

static void read_failures(struct cql_reader *r, uint8_t version, struct cql_server_error *e)
{
	const uint8_t *at;

	e->n_failures = cql_read_i32(r);
	if (e->n_failures < 0)
		cql_reader_fail(r, "negative number of failures");
	if (version < CQL_V5)
		return;
	at = r->p;
	for (int32_t n = e->n_failures; n > 0 && cql_reader_ok(r); n--) {
		cql_read_raw(r, cql_read_u8(r)); /* [inetaddr] */
		cql_read_u16(r);
	}
	e->failures = (struct cql_view){at, (size_t)(r->p - at)};
}

static struct cql_view read_string_list(struct cql_reader *r)
{
	const uint8_t *at = r->p;

	cql_skip_string_list(r);
	return (struct cql_view){at, (size_t)(r->p - at)};
}

static bool has_contentions(uint8_t version, const struct cql_server_error *e)
{
	return version >= CQL_V5 && cql_view_is(e->write_type, "CAS");
}

bool cql_error_read(
	uint8_t version, struct cql_view body, struct cql_server_error *out, struct cql_error *err)
{
	struct cql_server_error e = {0};
	const struct layout *l;
	struct cql_reader r;
	uint16_t parts;

	cql_reader_init(&r, body);
	e.code = cql_read_i32(&r);
	e.message = cql_read_string(&r);
	l = layout_of(e.code);
	parts = l && version >= l->since ? l->parts : 0;
	if (parts & LEVEL)
		read_level(&r, parts & ALIVE, &e);
	if (parts & FAILED)
		read_failures(&r, version, &e);
	if (parts & WRITE_TYPE)
		e.write_type = cql_read_string(&r);
	if (parts & CONTENTIONS && has_contentions(version, &e))
		e.contentions = cql_read_u16(&r);
	if (parts & DATA_PRESENT)
		e.data_present = cql_read_u8(&r);
	if (parts & KEYSPACE_NAME) {
		e.keyspace = cql_read_string(&r);
		e.name = cql_read_string(&r);
	}
	if (parts & ARG_TYPES)
		e.arg_types = read_string_list(&r);
	if (parts & ID)
		e.id = cql_read_short_bytes(&r);
	if (!cql_reader_ok(&r)) {
		*err = r.error;
		return false;
	}
	*out = e;
	return true;
}

static void write_level(struct cql_writer *w, bool alive, const struct cql_server_error *e)
{
	cql_write_u16(w, e->consistency);
	cql_write_i32(w, alive ? e->block_for : e->received);
	cql_write_i32(w, alive ? e->received : e->block_for);
}

static void write_failures(struct cql_writer *w, uint8_t version, const struct cql_server_error *e)
{
	/* A count from v4 cannot say in v5 which replicas they were. */
	bool unnamed = version >= CQL_V5 && !e->failures.n;

	cql_write_i32(w, unnamed ? 0 : e->n_failures);
	if (version >= CQL_V5)
		cql_write_view(w, e->failures);
}

static void write_string_list(struct cql_writer *w, struct cql_view list)
{
	if (list.n)
		cql_write_view(w, list);
	else
		cql_write_u16(w, 0);
}

void cql_error_write(struct cql_writer *w, uint8_t version, const struct cql_server_error *error)
{
	struct cql_server_error e = *error;
	const struct layout *l = layout_of(e.code);
	uint16_t parts;

	if (l && version < l->since) {
		if (e.code == CQL_E_CAS_WRITE_UNKNOWN)
			e.write_type = cql_view_of("CAS");
		e.code = l->before;
		l = layout_of(e.code);
	}
	parts = l ? l->parts : 0;
	cql_write_i32(w, e.code);
	cql_write_string(w, e.message);
	if (parts & LEVEL)
		write_level(w, parts & ALIVE, &e);
	if (parts & FAILED)
		write_failures(w, version, &e);
	if (parts & WRITE_TYPE)
		cql_write_string(w, e.write_type);
	if (parts & CONTENTIONS && has_contentions(version, &e))
		cql_write_u16(w, e.contentions);
	if (parts & DATA_PRESENT)
		cql_write_u8(w, e.data_present);
	if (parts & KEYSPACE_NAME) {
		cql_write_string(w, e.keyspace);
		cql_write_string(w, e.name);
	}
	if (parts & ARG_TYPES)
		write_string_list(w, e.arg_types);
	if (parts & ID)
		cql_write_short_bytes(w, e.id);
}

static void write_text(struct cql_writer *w, const char *text)
{
	cql_write_view(w, cql_view_of(text));
}

static void write_number(struct cql_writer *w, uint8_t v)
{
	if (v >= 100)
		cql_write_u8(w, '0' + v / 100);
	if (v >= 10)
		cql_write_u8(w, '0' + v / 10 % 10);
	cql_write_u8(w, '0' + v % 10);
}

void cql_unsupported_version_write(struct cql_writer *w, uint8_t asked, uint8_t highest)
{
	size_t at;

	cql_write_i32(w, CQL_E_PROTOCOL);
	at = w->len;
	cql_write_u16(w, 0);
	write_text(w, "Invalid or unsupported protocol version (");
	write_number(w, asked);
	write_text(w, "); supported versions are (");
	for (uint8_t v = CQL_V3; v <= highest && v <= CQL_V5; v++) {
		write_text(w, v == CQL_V3 ? "" : ", ");
		write_number(w, v);
		write_text(w, "/v");
		write_number(w, v);
	}
	write_text(w, ")");
	cql_patch_u16(w, at, (uint16_t)(w->len - at - 2));
}
