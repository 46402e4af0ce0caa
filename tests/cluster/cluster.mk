# Tests on real Apache Cassandra (fetched at test time) with the distribution's Python driver; root.
# SEAM_CACHE: where the servers are kept (build/cassandra). CLUSTER_ARGS: --pair 41, --only REGEX, --without-seam, --keep.
CLUSTER_PROGRAMS := seamd seam
cluster-test: ## the tests on real Cassandra 5.0 and 4.1 (root)
	$(Q)$(MAKE) MODE=debug $(addprefix build/debug/,$(CLUSTER_PROGRAMS))
	$(Q)SEAM_BIN=build/debug tests/cluster/run $(CLUSTER_ARGS)
.PHONY: cluster-test
