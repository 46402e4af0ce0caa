/* Values for dumps (value.h). */
#include "value.h"
#include "moment.h"
#include "number.h"
#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static json_t *hex(const char *prefix, struct cql_view v)
{
	char *text = must_alloc(v.n * 2 + strlen(prefix) + 1), *p = text + sprintf(text, "%s", prefix);

	for (size_t i = 0; i < v.n; i++)
		p += sprintf(p, "%02x", v.p[i]);
	json_t *j = json_string(text);
	free(text);
	return j;
}

static json_t *uuid(struct cql_view v)
{
	char text[37], *p = text;

	for (int i = 0; i < 16; i++)
		p += sprintf(p, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", v.p[i]);
	return json_string(text);
}

static json_t *real(const struct type *t, struct cql_view v)
{
	int64_t bits = value_i64(v);
	uint32_t b32 = (uint32_t)bits;
	double d;
	float f;

	memcpy(&d, &bits, 8);
	if (t->id == CQL_T_FLOAT) {
		memcpy(&f, &b32, 4);
		d = (double)f;
	}
	if (isfinite(d))
		return json_real(d);
	return json_string(isnan(d) ? "NaN" : d > 0 ? "Infinity" : "-Infinity");
}

static json_t *decimal(struct cql_view v)
{
	char *digits = number_format((struct cql_view){v.p + 4, v.n - 4});
	size_t cap = strlen(digits) + 16;
	char *text = must_alloc(cap);

	snprintf(text, cap, "%sE%lld", digits, -(long long)value_i64((struct cql_view){v.p, 4}));
	json_t *j = json_string(text);
	free(digits);
	free(text);
	return j;
}

static json_t *varint(struct cql_view v)
{
	char *digits = number_format(v);
	json_t *j = json_string(digits);

	free(digits);
	return j;
}

static json_t *duration(struct cql_view v)
{
	struct moment_duration d = {0};

	moment_duration_read(v, &d);
	return json_pack("{s:i,s:i,s:I}", "months", d.months, "days", d.days, "nanoseconds",
		(json_int_t)d.nanoseconds);
}

static json_t *elements(const struct type *t, struct cql_view v)
{
	json_t *out = json_array(), *pair = NULL;
	struct cql_value e;
	size_t at = 0;

	for (uint32_t i = 0;
		t->id == CQL_T_TUPLE ? i < t->n && value_component(v, &at, &e) : value_element(v, &at, &e);
		i++) {
		const struct type *et = t->sub[t->id == CQL_T_TUPLE ? i : t->id == CQL_T_MAP ? i % 2 : 0];
		json_t *j = e.state == CQL_VALUE_SET ? value_json(et, e.view) : json_null();

		if (t->id != CQL_T_MAP) {
			json_array_append_new(out, j);
		} else if (i % 2 == 0) {
			pair = json_array();
			json_array_append_new(pair, j);
		} else {
			json_array_append_new(pair, j);
			json_array_append_new(out, pair);
		}
	}
	return out;
}

json_t *value_json(const struct type *t, struct cql_view v)
{
	char text[INET6_ADDRSTRLEN];

	if (v.n == 0 && t->id != CQL_T_VARCHAR && t->id != CQL_T_ASCII && t->id != CQL_T_BLOB)
		return json_string("");
	switch ((int)t->id) {
	case CQL_T_VARCHAR:
	case CQL_T_ASCII:
		return json_stringn_nocheck((const char *)v.p, v.n);
	case CQL_T_BLOB:
		return hex("0x", v);
	case CQL_T_BOOLEAN:
		return json_boolean(v.p[0]);
	case CQL_T_UUID:
	case CQL_T_TIMEUUID:
		return uuid(v);
	case CQL_T_FLOAT:
	case CQL_T_DOUBLE:
		return real(t, v);
	case CQL_T_VARINT:
		return varint(v);
	case CQL_T_DECIMAL:
		return decimal(v);
	case CQL_T_INET:
		inet_ntop(v.n == 4 ? AF_INET : AF_INET6, v.p, text, sizeof(text));
		return json_string(text);
	case CQL_T_DATE:
		moment_date_format((uint32_t)value_i64(v), text);
		return json_string(text);
	case CQL_T_DURATION:
		return duration(v);
	case CQL_T_LIST:
	case CQL_T_SET:
	case CQL_T_MAP:
	case CQL_T_TUPLE:
		return elements(t, v);
	default:
		return json_integer(value_i64(v));
	}
}
