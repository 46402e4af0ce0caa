# The lab's own client in C; the rest of the lab is Python.
LAB_OBJ := $(call obj,$(sort $(wildcard tools/lab/*.c)))
$(B)/lab-load: $(LAB_OBJ) $(call lib,client net cql base)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ $(ldlibs.client)
lab-tools: build/lab-load
.PHONY: lab-tools
