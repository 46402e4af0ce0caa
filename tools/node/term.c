#include "term.h"
#include "uuid.h"
#include "value.h"
#include <errno.h>
#include <string.h>

/* Native functions of values; names without underscores are the older ones (Cassandra's TimeFcts). */
enum function {
	FN_NONE,
	FN_NOW,
	FN_UUID,
	FN_TIMESTAMP,
	FN_DATE,
	FN_TIME,
	FN_TO_TIMESTAMP,
	FN_TO_DATE,
	FN_TO_UNIX,
	FN_MIN,
	FN_MAX,
};
static const struct {
	const char *name;
	enum function fn;
	int args;
	enum cql_type_id type;
} functions[] = {
	{"now", FN_NOW, 0, CQL_T_TIMEUUID},
	{"currenttimeuuid", FN_NOW, 0, CQL_T_TIMEUUID},
	{"current_timeuuid", FN_NOW, 0, CQL_T_TIMEUUID},
	{"uuid", FN_UUID, 0, CQL_T_UUID},
	{"currenttimestamp", FN_TIMESTAMP, 0, CQL_T_TIMESTAMP},
	{"current_timestamp", FN_TIMESTAMP, 0, CQL_T_TIMESTAMP},
	{"currentdate", FN_DATE, 0, CQL_T_DATE},
	{"current_date", FN_DATE, 0, CQL_T_DATE},
	{"currenttime", FN_TIME, 0, CQL_T_TIME},
	{"current_time", FN_TIME, 0, CQL_T_TIME},
	{"totimestamp", FN_TO_TIMESTAMP, 1, CQL_T_TIMESTAMP},
	{"to_timestamp", FN_TO_TIMESTAMP, 1, CQL_T_TIMESTAMP},
	{"dateof", FN_TO_TIMESTAMP, 1, CQL_T_TIMESTAMP},
	{"todate", FN_TO_DATE, 1, CQL_T_DATE},
	{"to_date", FN_TO_DATE, 1, CQL_T_DATE},
	{"tounixtimestamp", FN_TO_UNIX, 1, CQL_T_BIGINT},
	{"to_unix_timestamp", FN_TO_UNIX, 1, CQL_T_BIGINT},
	{"unixtimestampof", FN_TO_UNIX, 1, CQL_T_BIGINT},
	{"mintimeuuid", FN_MIN, 1, CQL_T_TIMEUUID},
	{"min_timeuuid", FN_MIN, 1, CQL_T_TIMEUUID},
	{"maxtimeuuid", FN_MAX, 1, CQL_T_TIMEUUID},
	{"max_timeuuid", FN_MAX, 1, CQL_T_TIMEUUID},
};

static int find(const struct term *t)
{
	for (size_t i = 0; i < ARRAY_LEN(functions); i++)
		if (cql_view_is(t->text, functions[i].name))
			return (int)i;
	return -1;
}

const struct type *term_call_type(const struct term *t)
{
	int i = find(t);

	return i < 0 ? NULL : type_of_id(functions[i].type);
}

/* What a converter's argument is, from how it is written; a bare marker could be several types. */
static const struct type *argument_type(const struct term *t)
{
	if (t->kind == TERM_CAST)
		return t->cast;
	if (t->kind == TERM_CALL)
		return term_call_type(t);
	if (t->kind == TERM_NUMBER && t->text.n == 36)
		return type_of_id(CQL_T_TIMEUUID);
	if (t->kind == TERM_STRING || t->kind == TERM_NUMBER)
		return type_of_id(CQL_T_TIMESTAMP);
	return NULL;
}

static int resolve_call(
	struct stmt *s, struct term *t, const struct type *type, struct arena *a, struct problem *why)
{
	int i = find(t);

	if (i < 0)
		return problem_invalid(why, "Unknown function '%.*s'", PV(t->text));
	if ((int)t->n != functions[i].args)
		return problem_invalid(
			why, "Invalid number of arguments in call to function %.*s", PV(t->text));
	const struct type *r = type_of_id(functions[i].type);

	if (type && r != type && !(r->id == CQL_T_TIMEUUID && type->id == CQL_T_UUID))
		return problem_invalid(why,
			"Type error: cannot assign result of function system.%.*s (type %s) to type %s",
			PV(t->text), r->name, type->name);
	if (!t->n || t->items[0]->kind == TERM_WORD)
		return 0;
	const struct type *at =
		functions[i].fn >= FN_MIN ? type_of_id(CQL_T_TIMESTAMP) : argument_type(t->items[0]);

	if (!at)
		return problem_invalid(why,
			"Ambiguous call to function system.%.*s: use type casts to disambiguate",
			PV(t->text));
	return term_resolve(s, t->items[0], "arg0", at, a, why);
}

static int resolve_items(
	struct stmt *s, struct term *t, const struct type *type, struct arena *a, struct problem *why)
{
	bool fits = t->kind == TERM_LIST    ? type->id == CQL_T_LIST
		    : t->kind == TERM_MAP   ? type->id == CQL_T_MAP
		    : t->kind == TERM_TUPLE ? type->id == CQL_T_TUPLE && t->n <= type->n
					    : type->id == CQL_T_SET || (t->n == 0 && type->id == CQL_T_MAP);

	if (!fits)
		return problem_invalid(why, "Invalid literal for type %s", type->name);
	for (uint32_t i = 0; i < t->n; i++) {
		const struct type *et = type->sub[t->kind == TERM_TUPLE ? i
						  : t->kind == TERM_MAP ? i % 2
									: 0];

		if (t->items[i]->kind == TERM_MARKER && t->kind != TERM_TUPLE)
			return problem_invalid(
				why, "bind variables are not supported inside collection literals");
		if (term_resolve(s, t->items[i], "field", et, a, why) < 0)
			return -EINVAL;
	}
	return 0;
}

int term_resolve(struct stmt *s, struct term *t, const char *name, const struct type *type, struct arena *a,
	struct problem *why)
{
	switch (t->kind) {
	case TERM_MARKER:
		s->markers[t->marker].name = t->text.n ? t->text : arena_copy(a, cql_view_of(name));
		s->markers[t->marker].type = type;
		return 0;
	case TERM_CALL:
		return resolve_call(s, t, type, a, why);
	case TERM_CAST:
		if (type && t->cast != type && !(t->cast->id == CQL_T_TIMEUUID && type->id == CQL_T_UUID))
			return problem_invalid(why, "Cannot assign a value of type %s to %s of type %s",
				t->cast->name, name, type->name);
		return term_resolve(s, t->items[0], name, t->cast, a, why);
	case TERM_LIST:
	case TERM_SET:
	case TERM_MAP:
	case TERM_TUPLE:
		return resolve_items(s, t, type, a, why);
	case TERM_WORD:
		if (cql_view_is(t->text, "true") || cql_view_is(t->text, "false") ||
			cql_view_is(t->text, "nan") || cql_view_is(t->text, "infinity"))
			return 0;
		return problem_syntax(why, "line 1:0 no viable alternative at input '%.*s'", PV(t->text));
	case TERM_NULL:
	case TERM_STRING:
	case TERM_NUMBER:
	default:
		return 0;
	}
}

static struct cql_value number(const struct exec *x, int64_t v, size_t n)
{
	uint8_t b[8];

	value_put_i64(b, v);
	return (struct cql_value){.view = arena_copy(x->a, (struct cql_view){b + 8 - n, n})};
}

/* The argument of toTimestamp and its like, in ms. 1: it is null. */
static int argument_ms(const struct exec *x, const struct term *t, int64_t *ms)
{
	const struct type *type = argument_type(t->items[0]);
	struct cql_value v = {.state = CQL_VALUE_NULL};

	if (t->items[0]->kind == TERM_WORD) {
		if (!x->column || !x->column(x->column_ctx, t->items[0]->text, &type, &v))
			return problem_invalid(x->why, "Undefined column name %.*s", PV(t->items[0]->text));
	} else if (!type) {
		type = type_of_id(CQL_T_TIMESTAMP);
	}
	if (t->items[0]->kind != TERM_WORD && term_value(x, t->items[0], type, "arg0", &v) < 0)
		return -EINVAL;
	if (v.state != CQL_VALUE_SET || v.view.n == 0)
		return 1;
	if (type->id == CQL_T_TIMEUUID && v.view.n == 16)
		*ms = uuid_unix_ms(v.view.p);
	else if (type->id == CQL_T_DATE)
		*ms = ((value_i64(v.view) & 0xffffffff) - (1ll << 31)) * 86400000;
	else if (type->id == CQL_T_TIMESTAMP)
		*ms = value_i64(v.view);
	else
		return problem_invalid(x->why, "Invalid call to function %.*s: its argument is of type %s",
			PV(t->text), type->name);
	return 0;
}

static int64_t day_of(int64_t ms)
{
	return (ms >= 0 ? ms : ms - 86399999) / 86400000 + (1ll << 31);
}

static int call(const struct exec *x, const struct term *t, struct cql_value *out)
{
	int i = find(t), r;
	uint8_t id[16];
	int64_t ms = 0;

	if (i < 0)
		return problem_invalid(x->why, "Unknown function '%.*s'", PV(t->text));
	if (functions[i].args) {
		r = argument_ms(x, t, &ms);
		if (r < 0)
			return r;
		if (r > 0) {
			*out = (struct cql_value){.state = CQL_VALUE_NULL};
			return 0;
		}
	}
	switch (functions[i].fn) {
	case FN_TIMESTAMP:
		*out = number(x, x->now_us / 1000, 8);
		return 0;
	case FN_DATE:
		*out = number(x, day_of(x->now_us / 1000), 4);
		return 0;
	case FN_TIME:
		*out = number(x, x->now_us % 86400000000 * 1000, 8);
		return 0;
	case FN_TO_TIMESTAMP:
	case FN_TO_UNIX:
		*out = number(x, ms, 8);
		return 0;
	case FN_TO_DATE:
		*out = number(x, day_of(ms), 4);
		return 0;
	case FN_UUID:
		uuid_random(id);
		break;
	case FN_MIN:
	case FN_MAX:
		uuid_bound(id, ms, functions[i].fn == FN_MAX);
		break;
	case FN_NOW:
	case FN_NONE:
	default:
		uuid_time(id, x->now_us);
	}
	*out = (struct cql_value){.view = arena_copy(x->a, (struct cql_view){id, 16})};
	return 0;
}

static int tuple(const struct exec *x, const struct term *t, const struct type *type, const char *column,
	struct cql_value *out)
{
	struct cql_writer w = BUFFER_INIT;
	int err = 0;

	for (uint32_t i = 0; i < t->n && err == 0; i++) {
		struct cql_value v;

		err = term_value(x, t->items[i], type->sub[i], column, &v);
		if (err == 0 && v.state == CQL_VALUE_SET)
			cql_write_bytes(&w, v.view);
		else
			cql_write_null(&w);
	}
	*out = (struct cql_value){.view = arena_copy(x->a, (struct cql_view){w.p, w.len})};
	buffer_free(&w);
	return err;
}

static int collection(const struct exec *x, const struct term *t, const struct type *type, const char *column,
	struct cql_value *out)
{
	uint32_t step = type->id == CQL_T_MAP ? 2 : 1;
	struct cql_view *items = ARENA_ARRAY(x->a, struct cql_view, t->n + 1);

	for (uint32_t i = 0; i < t->n; i++) {
		struct cql_value v;

		if (term_value(x, t->items[i], type->sub[i % step], column, &v) < 0)
			return -EINVAL;
		if (v.state != CQL_VALUE_SET)
			return problem_invalid(x->why, "null is not supported inside collections");
		items[i] = v.view;
	}
	*out = (struct cql_value){.view = value_collect(type, items, t->n / step, x->a)};
	return 0;
}

int term_value(const struct exec *x, const struct term *t, const struct type *type, const char *column,
	struct cql_value *out)
{
	*out = (struct cql_value){.state = CQL_VALUE_NULL};
	switch (t->kind) {
	case TERM_NULL:
		return 0;
	case TERM_MARKER:
		*out = x->values[t->marker];
		return out->state == CQL_VALUE_SET ? value_check(type, &out->view, x->a, column, x->why) : 0;
	case TERM_CALL:
		return call(x, t, out);
	case TERM_CAST:
		return term_value(x, t->items[0], t->cast, column, out);
	case TERM_TUPLE:
		if (type->id == CQL_T_TUPLE)
			return tuple(x, t, type, column, out);
		break;
	case TERM_LIST:
	case TERM_SET:
	case TERM_MAP:
		if (type_is_collection(type))
			return collection(x, t, type, column, out);
		break;
	case TERM_STRING:
	case TERM_NUMBER:
	case TERM_WORD:
	default:
		if (type->n)
			break;
		out->state = CQL_VALUE_SET;
		if (term_literal(x, t, type, column, &out->view) < 0)
			return -EINVAL;
		return value_check(type, &out->view, x->a, column, x->why);
	}
	return problem_invalid(x->why, "Invalid literal for \"%s\" of type %s", column, type->name);
}

int term_integer(const struct exec *x, const struct term *t, const struct type *type, const char *what,
	int64_t *out, bool *set)
{
	struct cql_value v;

	*set = false;
	if (!t)
		return 0;
	if (term_value(x, t, type, what, &v) < 0)
		return -EINVAL;
	if (v.state == CQL_VALUE_UNSET)
		return 0;
	if (v.state == CQL_VALUE_NULL || v.view.n == 0)
		return problem_invalid(x->why, "Invalid null value of %s", what);
	*out = value_i64(v.view);
	*set = true;
	return 0;
}
