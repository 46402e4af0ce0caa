# Tests. A unit test is tests/unit/AREA/test_NAME.c: cmocka, linked with AREA's archive and what that may use.
UNIT_SRC := $(sort $(wildcard tests/unit/*/test_*.c))
UNIT := $(patsubst tests/unit/%.c,build/debug/tests/unit/%,$(UNIT_SRC))
needs.tests.cql := cql client net base
define unit_test
build/debug/tests/unit/$(1): tests/unit/$(1).c $$(patsubst %,build/debug/lib%.a,$$(needs.$(2)) $$(if $$(filter cql,$(2)),client net cql base))
	@mkdir -p $$(@D)
	$$(call say,TEST,$$@)$$(CC) $$(CPPFLAGS) -Itests -std=gnu17 $$(WARN) $$(OPT.debug) -MMD -MP -o $$@ $$< \
	  $$(filter %.a,$$^) $$(SAN) -lcmocka $$(if $$(filter cql,$(2)),$$(ldlibs.client),$$(ldlibs.$(2))) -pthread
endef
$(foreach t,$(UNIT_SRC),$(eval $(call unit_test,$(patsubst tests/unit/%.c,%,$(t)),$(word 3,$(subst /, ,$(t))))))
UNIT_LIBS := $(sort $(foreach t,$(UNIT_SRC),$(needs.$(word 3,$(subst /, ,$(t))))) client net cql base)
unit-build: ; $(Q)$(MAKE) MODE=debug $(UNIT)
.PHONY: unit-build
