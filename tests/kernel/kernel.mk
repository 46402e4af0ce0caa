# Tests of the capture in a real kernel: root, own cgroups and network namespaces (tests/kernel/run says which are skipped without).
build/debug/tests/kernel/captor: tests/kernel/captor.c tests/kernel/stand_in.c tests/kernel/stand_in.h \
  build/debug/libkern.a build/debug/libbase.a
	@mkdir -p $(@D)
	$(call say,TEST,$@)$(CC) $(CPPFLAGS) -Itests/kernel -std=gnu17 $(WARN) $(OPT.debug) -o $@ $(filter %.c %.a,$^) $(SAN) \
	  $(ldlibs.kern) -pthread
kernel-build: ; $(Q)$(MAKE) MODE=debug build/debug/tests/kernel/captor
kernel-test: kernel-build ; $(Q)tests/kernel/run ## hooks, gate, pins and lifecycle against the running kernel (root)
.PHONY: kernel-build kernel-test
