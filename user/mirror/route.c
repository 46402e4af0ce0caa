#include "mirror/route.h"

#include <string.h>

const char *unmirrored_name(enum unmirrored u)
{
	static const char *const NAMES[UNMIRRORED_KINDS] = {
		[MIRRORED] = "",
		[UNMIRRORED_LWT] = "lwt",
		[UNMIRRORED_FUNCTIONS] = "functions",
		[UNMIRRORED_SCHEMA] = "schema",
		[UNMIRRORED_EXCLUDED] = "excluded",
		[UNMIRRORED_OTHER] = "other",
	};

	return NAMES[u];
}

/* Which of a statement's tables are left out of the migration, and which are a cluster's own. */
struct scope {
	unsigned excluded, system, mirrored;
};

static struct scope scope_of(const struct policy *p, const struct cql_class *c, const char *keyspace)
{
	struct scope s = {0};
	char ks[TABLE_CAP / 2], table[TABLE_CAP / 2];

	for (unsigned i = 0; i < c->n_tables; i++) {
		const struct cql_table *t = &c->tables[i];
		cql_name_fold(t->table, table, sizeof table);
		if (t->keyspace.text.n)
			cql_name_fold(t->keyspace, ks, sizeof ks);
		const char *in = t->keyspace.text.n ? ks : keyspace;
		if (cql_keyspace_is_system(in))
			s.system++;
		else if (policy_excludes(p, in, table))
			s.excluded++;
		else
			s.mirrored++;
	}
	return s;
}

static struct plan plan_write(const struct policy *p, const struct cql_class *c, const char *keyspace)
{
	struct plan plan = {.kind = REQUEST_WRITE, .lwt = c->lwt};
	struct scope s = scope_of(p, c, keyspace);

	if (s.excluded && s.mirrored) {
		plan.refused = true;
		return plan;
	}
	if (s.excluded && !c->more_tables) {
		plan.unmirrored = UNMIRRORED_EXCLUDED;
		return plan;
	}
	if (c->lwt) {
		plan.unmirrored = UNMIRRORED_LWT;
		return plan;
	}
	if (s.system || c->more_tables) {
		plan.unmirrored = UNMIRRORED_OTHER;
		return plan;
	}
	plan.rule = RULE_WRITE;
	plan.unmirrored = c->functions ? UNMIRRORED_FUNCTIONS : MIRRORED;
	plan.needs_keyspace = c->needs_keyspace;
	plan.stamp = true;
	return plan;
}

static struct plan plan_schema(const struct policy *p, const struct cql_class *c, const char *keyspace)
{
	struct plan plan = {.kind = REQUEST_OTHER, .slow = true};
	struct scope s = scope_of(p, c, keyspace);

	if (s.excluded || s.system) {
		plan.unmirrored = UNMIRRORED_EXCLUDED;
	} else if (!p->schema_both) {
		plan.unmirrored = UNMIRRORED_SCHEMA;
	} else {
		plan.rule = RULE_SCHEMA;
		plan.needs_keyspace = c->needs_keyspace;
	}
	return plan;
}

struct plan route_statement(const struct policy *p, const struct cql_class *c, const char *keyspace)
{
	struct plan plan = {.rule = RULE_ORIGIN, .kind = REQUEST_OTHER};

	plan.slow =
		c->kind == CQL_KIND_TRUNCATE || c->kind == CQL_KIND_SCHEMA || c->kind == CQL_KIND_KEYSPACE;
	plan.use = c->kind == CQL_KIND_USE;
	if (!policy_mirrors(p)) {
		plan.kind = c->kind == CQL_KIND_SELECT  ? REQUEST_READ
			    : c->kind == CQL_KIND_WRITE ? REQUEST_WRITE
							: REQUEST_OTHER;
		plan.lwt = c->kind == CQL_KIND_WRITE && c->lwt;
		return plan;
	}
	switch (c->kind) {
	case CQL_KIND_SELECT:
		plan.kind = REQUEST_READ;
		break;
	case CQL_KIND_WRITE:
		return plan_write(p, c, keyspace);
	case CQL_KIND_USE:
		plan.rule = RULE_USE;
		break;
	case CQL_KIND_TRUNCATE:
	case CQL_KIND_SCHEMA:
		return plan_schema(p, c, keyspace);
	case CQL_KIND_KEYSPACE:
	case CQL_KIND_ROLE:
		plan.unmirrored = UNMIRRORED_SCHEMA;
		break;
	case CQL_KIND_DESCRIBE:
	case CQL_KIND_LIST:
		break;
	case CQL_KIND_UNKNOWN:
	case CQL_KIND_OTHER:
		plan.unmirrored = UNMIRRORED_OTHER;
		break;
	}
	return plan;
}

void route_batch_begin(struct route_batch *b)
{
	*b = (struct route_batch){0};
}

void route_batch_child(
	struct route_batch *b, const struct policy *p, const struct cql_class *c, const char *keyspace)
{
	struct scope s = scope_of(p, c, keyspace);

	if (c->kind != CQL_KIND_WRITE || s.system || c->more_tables)
		b->other = true; /* the server refuses it, or it is Origin's own */
	b->lwt |= c->lwt;
	b->functions |= c->functions;
	b->excluded += s.excluded;
	b->mirrored += s.mirrored;
	b->plan.needs_keyspace |= c->needs_keyspace;
}

struct plan route_batch_end(const struct route_batch *b, const struct policy *p)
{
	struct plan plan = {.kind = REQUEST_WRITE, .lwt = b->lwt};

	if (!policy_mirrors(p))
		return plan;
	if (b->excluded && b->mirrored) {
		plan.refused = true;
	} else if (b->excluded) {
		plan.unmirrored = UNMIRRORED_EXCLUDED;
	} else if (b->other) {
		plan.unmirrored = UNMIRRORED_OTHER;
	} else if (b->lwt) {
		plan.unmirrored = UNMIRRORED_LWT;
	} else {
		plan.rule = RULE_WRITE;
		plan.unmirrored = b->functions ? UNMIRRORED_FUNCTIONS : MIRRORED;
		plan.needs_keyspace = b->plan.needs_keyspace;
		plan.stamp = true;
	}
	return plan;
}
