# Fuzzers: tests/fuzz/fuzz_NAME.c, each a program in build/fuzz/. What one needs beyond cql/, user/base/ and user/client/pack.c:
#   fuzz_NAME.sources (files), fuzz_NAME.libs (linker flags), in tests/fuzz/fuzz_NAME.mk.
SECONDS := 10
FUZZ := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_FLAGS := -std=gnu17 -g -O1 -fno-omit-frame-pointer -fno-strict-aliasing -Wall -Wextra -Werror \
  -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
FUZZ_COMMON := $(wildcard cql/*.c user/base/*.c) user/client/pack.c
-include $(wildcard tests/fuzz/fuzz_*.mk)

build/fuzz/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CLANG) $(CPPFLAGS) -Itests/fuzz $(FUZZ_FLAGS) -MMD -MP -c $< -o $@
define fuzzer
build/fuzz/$(1): $(patsubst %.c,build/fuzz/obj/%.o,tests/fuzz/$(1).c $(FUZZ_COMMON) $($(1).sources))
	$$(call say,FUZZ,$$@)$$(CLANG) $$(FUZZ_FLAGS) -o $$@ $$^ -llz4 -lsnappy -lz -pthread $($(1).libs)
endef
$(foreach f,$(notdir $(FUZZ)),$(eval $(call fuzzer,$(f))))

fuzz: $(FUZZ) ## every fuzzer for SECONDS (10) each
	$(Q)tests/fuzz/run $(SECONDS) $(FUZZ)
.PHONY: fuzz
