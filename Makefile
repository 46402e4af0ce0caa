# Seam. `make help` lists what can be done. Each folder is one archive; layers are checked by `make check`.
SHELL := /bin/bash
.DEFAULT_GOAL := all
MAKEFLAGS += --no-builtin-rules --no-print-directory
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-5s %s\n' '$(1)' '$(2)';)

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1.0)
CC      := gcc
CLANG   ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
PREFIX  ?= /usr

# MODE=release is what users run; MODE=debug carries ASan and UBSan and is what every test runs.
MODE ?= release
B := build/$(MODE)
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum -Wvla -Wformat=2 -Werror
SAN  := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
OPT.release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong
OPT.debug   := -O1 -g $(SAN) -DSEAM_DEBUG
CPPFLAGS := -I. -Iuser -Ibuild -D_GNU_SOURCE -DSEAM_VERSION='"$(VERSION)"'
CFLAGS    = -std=gnu17 $(WARN) $(OPT.$(MODE)) -fno-strict-aliasing -ffunction-sections -fdata-sections
LDFLAGS   = $(if $(filter debug,$(MODE)),$(SAN)) -Wl,--gc-sections -pthread

# ---- archives: one a folder, in link order (each may use those to its right: tests/check/layers.txt)
dir.cql := cql
dir.base := user/base
dir.kern := user/kern
dir.net := user/net
dir.client := user/client
dir.mirror := user/mirror
dir.ctl := user/ctl
dir.node := tools/node
dir.seam := tools/seam
ARCHIVES := cql base kern net client mirror ctl node seam

src = $(filter-out %/main.c,$(sort $(wildcard $(dir.$(1))/*.c)))
obj = $(patsubst %.c,$(B)/%.o,$(1))
lib = $(patsubst %,$(B)/lib%.a,$(1))

define archive
$(B)/lib$(1).a: $(call obj,$(call src,$(1)))
	$$(call say,AR,$$@)rm -f $$@ && ar rcsD $$@ $$^
endef
$(foreach a,$(ARCHIVES),$(eval $(call archive,$(a))))

needs.cql    :=
needs.base   := base
needs.kern   := kern base
needs.net    := net base
needs.client := client net cql base
needs.mirror := mirror client net cql base
needs.ctl    := ctl net base
needs.node   := node client net cql base
needs.seam   := seam kern client net cql base
ldlibs.kern   := -lbpf -lelf -lz
ldlibs.net    := -luv
ldlibs.client := -llz4 -lsnappy -lz -luv
ldlibs.mirror := -ljansson -llz4 -lsnappy -lz -luv
ldlibs.ctl    := -ljansson -lyaml -luv
ldlibs.node   := -ljansson -llz4 -lsnappy -lz -luv
ldlibs.seam   := -ljansson -lyaml -lbpf -lelf -llz4 -lsnappy -lz -luv

# ---- BPF: objects embed as skeletons; no clang at run time
SKEL := $(patsubst bpf/%.bpf.c,build/bpf/%.skel.h,$(wildcard bpf/*.bpf.c))
ARCH := $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')
build/bpf/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h)
	@mkdir -p $(@D)
	$(call say,BPF,$@)$(CLANG) -g -O2 -Wall -Werror -target bpf -D__TARGET_ARCH_$(ARCH) -I. \
	  -I/usr/include/$(shell $(CC) -dumpmachine) -c $< -o $@
build/bpf/%.skel.h: build/bpf/%.bpf.o
	$(call say,SKEL,$@)$(BPFTOOL) gen skeleton $< name $*_bpf > $@.tmp && mv $@.tmp $@
$(call obj,$(call src,kern)): | $(SKEL)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

# ---- programs
PROGRAMS := seamd seam seam-node
all: $(addprefix build/,$(PROGRAMS)) ## build seamd, seam and seam-node into build/
$(B)/seamd: $(B)/user/main.o $(call lib,ctl mirror kern client net cql base)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ $(ldlibs.mirror) $(ldlibs.ctl) $(ldlibs.kern)
$(B)/seam: $(B)/tools/seam/main.o $(call lib,seam ctl kern client net cql base)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ $(ldlibs.seam)
$(B)/seam-node: $(B)/tools/node/main.o $(call lib,node client net cql base)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ $(ldlibs.node)
build/%: build/release/%
	$(call say,CP,$@)cp -f $< $@
debug-programs: ; $(Q)$(MAKE) MODE=debug $(addprefix build/debug/,$(PROGRAMS)) ## the same with ASan and UBSan, in build/debug/

include tools/lab/lab.mk
# Whatever lies in build/debug/ is made in that mode, also when it is asked for by name.
ifneq ($(MODE),debug)
build/debug/%: FORCE ; $(Q)$(MAKE) MODE=debug $@
FORCE:
endif

include tests/tests.mk

# ---- what a user types
deps: ## install what is missing, from the distribution's packages (root)
	$(Q)tools/deps
lab: ; $(Q)tools/deps $(if $(CASSANDRA),test,lab) && $(MAKE) -j$$(nproc) all lab-tools && tools/lab/lab $(if $(CASSANDRA),--cassandra $(CASSANDRA)) ## the whole journey in one command (CASSANDRA=5.0 for real clusters)
install: all ## into DESTDIR, PREFIX
	install -D -m 755 build/seamd $(DESTDIR)$(PREFIX)/sbin/seamd
	install -D -m 755 build/seam $(DESTDIR)$(PREFIX)/bin/seam
	install -D -m 644 tools/seamd.service $(DESTDIR)/lib/systemd/system/seamd.service
	install -D -m 644 tools/seam.yaml $(DESTDIR)$(PREFIX)/share/doc/seam/seam.yaml
clean: ; $(Q)rm -rf build ## remove build/
help: ## this list
	@awk -F' ## ' '/^[a-z-]+:.* ## /{split($$1,t,":"); printf "  make %-16s %s\n", t[1], $$2}' $(MAKEFILE_LIST)

.PHONY: all debug-programs deps lab install clean help
.SECONDARY:
-include $(shell find build -name '*.d' 2>/dev/null)
