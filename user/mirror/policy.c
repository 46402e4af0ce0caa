#include "mirror/policy.h"

#include <stdio.h>
#include <string.h>

static const char *const NAMES[PHASES] = {
	[PHASE_PASSTHROUGH] = "passthrough", [PHASE_DUAL_WRITE] = "dual-write"};

struct policy *policy_ref(struct policy *p)
{
	atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	return p;
}

void policy_unref(struct policy *p)
{
	if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) > 1)
		return;
	free(p->exclude);
	free(p);
}

const char *phase_name(enum phase p)
{
	return NAMES[p];
}

int phase_from_name(const char *name)
{
	for (int i = 0; i < PHASES; i++)
		if (!strcmp(name, NAMES[i]))
			return i;
	return -1;
}

bool policy_excludes(const struct policy *p, const char *keyspace, const char *table)
{
	char full[TABLE_CAP];

	if (!p->n_exclude)
		return false;
	snprintf(full, sizeof full, "%s.%s", keyspace, table);
	for (size_t i = 0; i < p->n_exclude; i++)
		if (!strcmp(p->exclude[i], keyspace) || !strcmp(p->exclude[i], full))
			return true;
	return false;
}
