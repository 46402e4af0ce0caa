# Tests of the data path: the mirror between scripted clusters, no kernel part, no root.
build/debug/tests/mirror/rig: tests/mirror/rig.c $(patsubst %,build/debug/lib%.a,mirror client net cql base)
	@mkdir -p $(@D)
	$(call say,TEST,$@)$(CC) $(CPPFLAGS) -std=gnu17 $(WARN) $(OPT.debug) -MMD -MP -o $@ $(filter %.c %.a,$^) $(SAN) \
	  $(ldlibs.mirror) -pthread
mirror-build: ; $(Q)$(MAKE) MODE=debug build/debug/tests/mirror/rig
mirror-test: mirror-build ; $(Q)tests/mirror/run ## every row of what the mirror promises, against scripted clusters
.PHONY: mirror-build mirror-test
