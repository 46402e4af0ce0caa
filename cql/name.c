#include "cql/name.h"
#include <string.h>

/* One byte of the name, folded; *at goes on. */
static inline uint8_t next_folded(const struct cql_name *n, size_t *at)
{
	uint8_t c = n->text.p[(*at)++];

	if (n->quoted && c == '"' && *at < n->text.n && n->text.p[*at] == '"')
		++*at;
	else if (!n->quoted && c >= 'A' && c <= 'Z')
		c |= 0x20;
	return c;
}

bool cql_name_is(struct cql_name n, const char *folded)
{
	size_t at = 0;

	while (at < n.text.n && *folded)
		if (next_folded(&n, &at) != (uint8_t)*folded++)
			return false;
	return at == n.text.n && !*folded;
}

bool cql_name_equal(const struct cql_name *a, const struct cql_name *b)
{
	size_t i = 0, k = 0;

	if (!a->quoted && !b->quoted && a->text.n != b->text.n)
		return false;
	while (i < a->text.n && k < b->text.n)
		if (next_folded(a, &i) != next_folded(b, &k))
			return false;
	return i == a->text.n && k == b->text.n;
}

size_t cql_name_fold(struct cql_name n, char *out, size_t cap)
{
	size_t at = 0, len = 0;

	while (at < n.text.n) {
		uint8_t c = next_folded(&n, &at);

		if (len + 1 < cap)
			out[len] = (char)c;
		len++;
	}
	if (cap)
		out[len < cap ? len : cap - 1] = '\0';
	return len;
}

bool cql_keyspace_is_system(const char *folded)
{
	static const char *const names[] = {
		/* Cassandra 3.11 to 6: SchemaConstants, VirtualSchemaKeyspace, SystemViewsKeyspace, ClusterMetadata, Accord */
		"system",
		"system_schema",
		"system_auth",
		"system_distributed",
		"system_traces",
		"system_views",
		"system_virtual_schema",
		"system_metrics",
		"system_cluster_metadata",
		"system_accord",
		"system_accord_debug",
		"system_accord_debug_remote",
		/* DSE 5.1 to 6.9 */
		"dse_system",
		"dse_system_local",
		"dse_security",
		"dse_perf",
		"dse_leases",
		"dse_analytics",
		"dse_advrep",
		"dse_audit",
		"dse_insights",
		"dse_insights_local",
		"dsefs",
		"solr_admin",
		"system_backups",
		/* Scylla */
		"system_distributed_everywhere",
		"system_replicated_keys",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(folded, names[i]))
			return true;
	return false;
}
