/* The phases of an app's migration, as far as this version has them, and what follows from each. */
#pragma once
#include <stdbool.h>

enum phase { PHASE_PASSTHROUGH, PHASE_DUAL_WRITE };

#define PHASE_WORDS "passthrough dual-write"
#define PHASE_LATER "observe shadow-read target-read target-only"

const char *phase_name(enum phase p);
/* 0; -ENOTSUP: a phase that is not in this version; -EINVAL: no phase. */
int phase_parse(const char *word, enum phase *out);
bool phase_mirrors(enum phase p);          /* writes go to both clusters */
const char *phase_authority(enum phase p); /* "origin" */
