# Tests of the data path: the mirror between scripted clusters, no kernel part, no root. The rig is built twice: as all tests with the sanitizers,
# and as users run it, for what is said of memory and time.
define mirror_rig
build/$(1)/tests/mirror/rig: tests/mirror/rig.c $(patsubst %,build/$(1)/lib%.a,mirror client net cql base)
	@mkdir -p $$(@D)
	$$(call say,TEST,$$@)$$(CC) $$(CPPFLAGS) $$(CFLAGS) $$(LDFLAGS) -MMD -MP -o $$@ $$(filter %.c %.a,$$^) $$(ldlibs.mirror)
endef
$(foreach m,debug release,$(eval $(call mirror_rig,$(m))))
FREEZE ?= 30 # seconds that a session is stuck in the isolation tests: what the promise says
mirror-build: ; $(Q)$(MAKE) MODE=debug build/debug/tests/mirror/rig && $(MAKE) MODE=release build/release/tests/mirror/rig
mirror-test: mirror-build ; $(Q)FREEZE=$(FREEZE) tests/mirror/run ## every row of what the mirror promises, against scripted clusters
.PHONY: mirror-build mirror-test
