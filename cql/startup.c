#include "cql/startup.h"

#include <string.h>

static bool report(const struct cql_reader *r, struct cql_error *err)
{
	if (cql_reader_ok(r))
		return true;
	*err = r->error;
	return false;
}

bool cql_startup_read(struct cql_view body, struct cql_startup *out, struct cql_error *err)
{
	struct cql_startup s = {.options = body};
	const struct {
		const char *name;
		struct cql_view *value;
	} known[] = {
		{"CQL_VERSION", &s.cql_version},
		{"COMPRESSION", &s.compression},
		{"DRIVER_NAME", &s.driver_name},
		{"DRIVER_VERSION", &s.driver_version},
		{"THROW_ON_OVERLOAD", &s.throw_on_overload},
	};
	struct cql_reader r;

	cql_reader_init(&r, body);
	for (uint32_t n = cql_read_u16(&r); n && cql_reader_ok(&r); n--) {
		struct cql_view name = cql_read_string(&r), value = cql_read_string(&r);

		for (size_t i = 0; i < sizeof known / sizeof *known; i++)
			if (cql_view_is(name, known[i].name))
				*known[i].value = value;
	}
	s.options.n = cql_reader_offset(&r);
	if (!report(&r, err))
		return false;
	*out = s;
	return true;
}

static void write_option(struct cql_writer *w, const char *name, struct cql_view value)
{
	cql_write_string(w, cql_view_of(name));
	cql_write_string(w, value);
}

void cql_startup_write(struct cql_writer *w, enum cql_compression c, struct cql_view driver_name,
	struct cql_view driver_version)
{
	cql_write_u16(w, (uint16_t)(1 + (c != CQL_COMPRESSION_NONE) + !!driver_name.n + !!driver_version.n));
	/* The only value that every server takes (spec §4.1.1). */
	write_option(w, "CQL_VERSION", cql_view_of("3.0.0"));
	if (c != CQL_COMPRESSION_NONE)
		write_option(w, "COMPRESSION", cql_view_of(cql_compression_name(c)));
	if (driver_name.n)
		write_option(w, "DRIVER_NAME", driver_name);
	if (driver_version.n)
		write_option(w, "DRIVER_VERSION", driver_version);
}

bool cql_supported_open(struct cql_view body, struct cql_supported *it, struct cql_error *err)
{
	struct cql_supported s;

	cql_reader_init(&s.r, body);
	s.left = cql_read_u16(&s.r);
	if (!report(&s.r, err))
		return false;
	*it = s;
	return true;
}

static struct cql_view read_string_list(struct cql_reader *r)
{
	const uint8_t *at = r->p;

	cql_skip_string_list(r);
	return (struct cql_view){at, (size_t)(r->p - at)};
}

int cql_supported_next(
	struct cql_supported *it, struct cql_view *name, struct cql_view *values, struct cql_error *err)
{
	struct cql_view n, v;

	if (!it->left)
		return 0;
	n = cql_read_string(&it->r);
	v = read_string_list(&it->r);
	if (!report(&it->r, err))
		return -1;
	it->left--;
	*name = n;
	*values = v;
	return 1;
}

bool cql_string_list_has(struct cql_view list, struct cql_view word)
{
	struct cql_reader r;
	uint32_t n;

	cql_reader_init(&r, list);
	for (n = cql_read_u16(&r); n && cql_reader_ok(&r); n--)
		if (cql_view_equal(cql_read_string(&r), word) && cql_reader_ok(&r))
			return true;
	return false;
}

/* 1: found. 0: `body` has no such option. -1: *err. */
static int find_option(
	struct cql_view body, struct cql_view name, struct cql_view *values, struct cql_error *err)
{
	struct cql_supported it;
	struct cql_view n, v;
	int r;

	if (!cql_supported_open(body, &it, err))
		return -1;
	while ((r = cql_supported_next(&it, &n, &v, err)) > 0) {
		if (cql_view_equal(n, name)) {
			*values = v;
			return 1;
		}
	}
	return r;
}

static void write_common(struct cql_writer *w, struct cql_view a, struct cql_view b)
{
	size_t at = w->len;
	struct cql_reader r;
	uint16_t n = 0;

	cql_write_u16(w, 0);
	cql_reader_init(&r, a);
	for (uint32_t left = cql_read_u16(&r); left && cql_reader_ok(&r); left--) {
		struct cql_view word = cql_read_string(&r);

		if (!cql_string_list_has(b, word))
			continue;
		cql_write_string(w, word);
		n++;
	}
	cql_patch_u16(w, at, n);
}

static bool begins(struct cql_view v, const char *with)
{
	size_t n = strlen(with);

	return v.n >= n && memcmp(v.p, with, n) == 0;
}

/* One option of `a` as both have it. 1: written. 0: left out. -1: *err. */
static int intersect_option(struct cql_view name, struct cql_view values, struct cql_view b,
	struct cql_writer *w, struct cql_error *err)
{
	static const uint8_t nothing[2];
	struct cql_view other;
	int found;

	if (begins(name, "SCYLLA_"))
		return 0;
	cql_write_string(w, name);
	if (!cql_view_is(name, "COMPRESSION") && !cql_view_is(name, "PROTOCOL_VERSIONS")) {
		cql_write_view(w, values);
		return 1;
	}
	found = find_option(b, name, &other, err);
	if (found < 0)
		return -1;
	if (found)
		write_common(w, values, other);
	else if (cql_view_is(name, "COMPRESSION"))
		cql_write_raw(w, nothing, sizeof nothing);
	else
		cql_write_view(w, values); /* servers before 3.10 do not say which versions they speak */
	return 1;
}

bool cql_supported_intersect(
	struct cql_view a, struct cql_view b, struct cql_writer *w, struct cql_error *err)
{
	size_t start = w->len;
	struct cql_supported it;
	struct cql_view name, values;
	uint16_t n = 0;
	int r;

	if (!cql_supported_open(a, &it, err))
		return false;
	cql_write_u16(w, 0);
	while ((r = cql_supported_next(&it, &name, &values, err)) > 0) {
		r = intersect_option(name, values, b, w, err);
		if (r < 0)
			break;
		n += (uint16_t)r;
	}
	if (r < 0) {
		w->len = start;
		return false;
	}
	cql_patch_u16(w, start, n);
	return true;
}

void cql_supported_write(struct cql_writer *w, uint8_t max_version)
{
	static const char *const versions[] = {"3/v3", "4/v4", "5/v5"};
	size_t n = max_version < CQL_V3 ? 0 : max_version > CQL_V5 ? 3 : max_version - CQL_V3 + 1u;

	cql_write_u16(w, 3);
	cql_write_string(w, cql_view_of("PROTOCOL_VERSIONS"));
	cql_write_u16(w, (uint16_t)n);
	for (size_t i = 0; i < n; i++)
		cql_write_string(w, cql_view_of(versions[i]));
	cql_write_string(w, cql_view_of("COMPRESSION"));
	cql_write_u16(w, 2);
	cql_write_string(w, cql_view_of("snappy"));
	cql_write_string(w, cql_view_of("lz4"));
	cql_write_string(w, cql_view_of("CQL_VERSION"));
	cql_write_u16(w, 1);
	cql_write_string(w, cql_view_of("3.4.7"));
}

bool cql_authenticate_read(struct cql_view body, struct cql_view *authenticator, struct cql_error *err)
{
	struct cql_reader r;
	struct cql_view name;

	cql_reader_init(&r, body);
	name = cql_read_string(&r);
	if (!report(&r, err))
		return false;
	*authenticator = name;
	return true;
}

bool cql_auth_token_read(struct cql_view body, struct cql_value *token, struct cql_error *err)
{
	struct cql_reader r;
	struct cql_value got;

	cql_reader_init(&r, body);
	got = cql_read_bytes(&r);
	if (!report(&r, err))
		return false;
	*token = got;
	return true;
}

bool cql_plain_read(struct cql_view token, struct cql_view *user, struct cql_view *password)
{
	const uint8_t *first = token.n ? memchr(token.p, 0, token.n) : NULL, *end = token.p + token.n,
		      *second;

	if (!first)
		return false;
	first++; /* an authorization identity before it is nobody's concern here */
	second = first < end ? memchr(first, 0, (size_t)(end - first)) : NULL;
	if (!second || second == first)
		return false;
	if (second + 1 < end && memchr(second + 1, 0, (size_t)(end - second - 1)))
		return false;
	*user = (struct cql_view){first, (size_t)(second - first)};
	*password = (struct cql_view){second + 1, (size_t)(end - second - 1)};
	return true;
}

void cql_plain_write(struct cql_writer *w, struct cql_view user, struct cql_view password)
{
	cql_write_i32(w, (int32_t)(2 + user.n + password.n));
	cql_write_u8(w, 0);
	cql_write_view(w, user);
	cql_write_u8(w, 0);
	cql_write_view(w, password);
}

void cql_register_write(struct cql_writer *w)
{
	cql_write_u16(w, 3);
	cql_write_string(w, cql_view_of("TOPOLOGY_CHANGE"));
	cql_write_string(w, cql_view_of("STATUS_CHANGE"));
	cql_write_string(w, cql_view_of("SCHEMA_CHANGE"));
}

bool cql_register_read(struct cql_view body, struct cql_view *types, struct cql_error *err)
{
	struct cql_reader r;
	struct cql_view list;

	cql_reader_init(&r, body);
	list = read_string_list(&r);
	if (!report(&r, err))
		return false;
	*types = list;
	return true;
}
