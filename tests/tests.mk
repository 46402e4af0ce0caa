# Tests. `make check` needs no root and takes seconds; `make test` is everything. Each part's last line is `N passed, N failed, N skipped`.
# A unit test is tests/unit/AREA/test_NAME.c: cmocka, linked with AREA's archive and what that may use.
UNIT_SRC := $(sort $(wildcard tests/unit/*/test_*.c))
UNIT := $(patsubst tests/unit/%.c,build/debug/tests/unit/%,$(UNIT_SRC))
define unit_test
build/debug/tests/unit/$(1): tests/unit/$(1).c $$(patsubst %,build/debug/lib%.a,$$(needs.$(2)) $$(if $$(filter cql,$(2)),client net cql base))
	@mkdir -p $$(@D)
	$$(call say,TEST,$$@)$$(CC) $$(CPPFLAGS) -Itests -std=gnu17 $$(WARN) $$(OPT.debug) -MMD -MP -o $$@ $$< \
	  $$(filter %.a,$$^) $$(SAN) -lcmocka $$(if $$(filter cql,$(2)),$$(ldlibs.client),$$(ldlibs.$(2))) -pthread
endef
$(foreach t,$(UNIT_SRC),$(eval $(call unit_test,$(patsubst tests/unit/%.c,%,$(t)),$(word 3,$(subst /, ,$(t))))))
unit-build: ; $(Q)$(MAKE) MODE=debug $(UNIT)

# The rules read release objects (symbols, cost) and the skeletons (headers). What doesn't build is one failure each, not the end.
CHECK_BUILT := $(SKEL) build/release/libcql.a build/release/user/mirror/route.o build/release/user/mirror/merge.o
check: ## unit tests and the house's rules; no root, seconds
	$(Q)tools/deps check
	$(Q)export UNBUILT=; \
	$(MAKE) -s -k -j$$(nproc) MODE=debug $(UNIT) || UNBUILT=1; \
	$(MAKE) -s -k -j$$(nproc) MODE=release $(CHECK_BUILT) || UNBUILT=1; \
	tests/check/run $(CHECK_BUILT) $(UNIT)
.PHONY: unit-build check

include tests/kernel/kernel.mk tests/mirror/mirror.mk tests/node/node.mk tests/cluster/cluster.mk tests/fuzz/fuzz.mk
PARTS := check kernel-test mirror-test node-test fuzz-smoke cluster-test
fuzz-smoke: ; $(Q)$(MAKE) -j$$(nproc) fuzz SECONDS=1
test: ## everything: check, kernel, mirror, node, fuzz, real Cassandra (root)
	$(Q)tools/deps test
	$(Q)tests/run $(PARTS)
.PHONY: test fuzz-smoke
