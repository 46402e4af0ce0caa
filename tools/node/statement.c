#include "statement.h"
#include "cluster.h"
#include "select.h"
#include "term.h"
#include <errno.h>

static int run_write(struct exec *x, struct stmt *s, struct cql_writer *body)
{
	struct mutations list = {0};

	if (mutation_make(x, s, x->timestamp, &list) < 0)
		return -EINVAL;
	if (stmt_is_conditional(s))
		return conditional_run(x, &list, false, body);
	if (mutation_apply(x, &list) < 0)
		return -EINVAL;
	cql_void_write(body);
	return 0;
}

int statement_batch_add(const struct exec *x, struct statement_batch *b, struct stmt *s, int64_t timestamp)
{
	if (s->kind != STMT_INSERT && s->kind != STMT_UPDATE && s->kind != STMT_DELETE)
		return problem_invalid(x->why,
			"Invalid statement in batch: only UPDATE, INSERT and DELETE statements are allowed.");
	b->conditional |= stmt_is_conditional(s);
	*(s->table->counter ? &b->counters : &b->plain) += 1;
	return mutation_make(x, s, timestamp, &b->list);
}

int statement_batch_run(struct exec *x, struct statement_batch *b, uint8_t type, struct cql_writer *body)
{
	if (b->counters && b->plain)
		return problem_invalid(
			x->why, "Counter and non-counter mutations cannot exist in the same batch");
	if (b->counters && type == CQL_BATCH_LOGGED)
		return problem_invalid(x->why, "Cannot include a counter statement in a logged batch");
	if (b->plain && type == CQL_BATCH_COUNTER)
		return problem_invalid(x->why, "Cannot include non-counter statement in a counter batch");
	if (b->conditional)
		return conditional_run(x, &b->list, true, body);
	if (mutation_apply(x, &b->list) < 0)
		return -EINVAL;
	cql_void_write(body);
	return 0;
}

static int run_batch(struct exec *x, struct stmt *s, struct cql_writer *body)
{
	struct statement_batch b = {0};
	int64_t timestamp = x->timestamp, v;
	bool set;

	if (term_integer(x, s->timestamp, type_of_id(CQL_T_BIGINT), "timestamp", &v, &set) < 0)
		return -EINVAL;
	if (set)
		timestamp = v;
	for (uint32_t i = 0; i < s->n_children; i++)
		if (statement_batch_add(x, &b, s->children[i], timestamp) < 0)
			return -EINVAL;
	if (s->timestamp && b.conditional)
		return problem_invalid(x->why, "Cannot provide custom timestamp for conditional BATCH");
	return statement_batch_run(x, &b, s->batch_type, body);
}

static int run_use(struct exec *x, struct stmt *s, struct cql_writer *body, struct outcome *o)
{
	if (!schema_keyspace(&x->cluster->schema, s->keyspace))
		return problem_invalid(x->why, "Keyspace '%.*s' does not exist", PV(s->keyspace));
	o->use = s->keyspace;
	cql_set_keyspace_write(body, s->keyspace);
	return 0;
}

static int run_schema(struct exec *x, struct stmt *s, struct cql_writer *body, struct outcome *o)
{
	int r = cluster_change_schema(x->cluster, s, x->keyspace, &o->event, x->why);

	if (r < 0)
		return r;
	if (r == 0) {
		cql_void_write(body);
		return 0;
	}
	struct cql_schema_change c = {.change = cql_view_of(o->event.change),
		.target = cql_view_of(o->event.target),
		.keyspace = o->event.keyspace,
		.name = o->event.name};

	cql_schema_change_write(body, true, &c);
	return 0;
}

int statement_run(
	struct exec *x, struct stmt *s, struct cql_view known_id, struct cql_writer *body, struct outcome *o)
{
	switch (s->kind) {
	case STMT_SELECT:
		return select_run(x, s, known_id, body);
	case STMT_INSERT:
	case STMT_UPDATE:
	case STMT_DELETE:
		return run_write(x, s, body);
	case STMT_BATCH:
		return run_batch(x, s, body);
	case STMT_USE:
		return run_use(x, s, body, o);
	case STMT_TRUNCATE:
		store_clear(&s->table->store);
		cql_void_write(body);
		return 0;
	case STMT_CREATE_KEYSPACE:
	case STMT_ALTER_KEYSPACE:
	case STMT_DROP_KEYSPACE:
	case STMT_CREATE_TABLE:
	case STMT_ALTER_TABLE:
	case STMT_DROP_TABLE:
	case STMT_CREATE_INDEX:
	case STMT_DROP_INDEX:
	default:
		return run_schema(x, s, body, o);
	}
}
