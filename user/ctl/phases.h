/* The phases of an app's migration, as far as this version has them, and what follows from each. */
#pragma once
#include <stdbool.h>

enum phases_id { PHASES_PASSTHROUGH, PHASES_DUAL_WRITE };

#define PHASES_WORDS "passthrough dual-write"
#define PHASES_LATER "observe shadow-read target-read target-only"

const char *phases_name(enum phases_id p);
/* 0; -ENOTSUP: a phase that is not in this version; -EINVAL: no phase. */
int phases_parse(const char *word, enum phases_id *out);
bool phases_mirrors(enum phases_id p);          /* writes go to both clusters */
const char *phases_authority(enum phases_id p); /* "origin" */
