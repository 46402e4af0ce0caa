fuzz_config.sources := $(addprefix user/ctl/,config.c schema.c units.c credentials.c phases.c)
fuzz_config.libs := -lyaml
