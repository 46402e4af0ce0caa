#include "ctl/phase.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static const char *const NAMES[] = {[PHASE_PASSTHROUGH] = "passthrough", [PHASE_DUAL_WRITE] = "dual-write"};
static const char *const LATER[] = {"observe", "shadow-read", "target-read", "target-only"};

const char *phase_name(enum phase p)
{
	return NAMES[p];
}

int phase_parse(const char *word, enum phase *out)
{
	for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
		if (!strcmp(word, NAMES[i])) {
			*out = (enum phase)i;
			return 0;
		}
	for (size_t i = 0; i < sizeof LATER / sizeof LATER[0]; i++)
		if (!strcmp(word, LATER[i]))
			return -ENOTSUP;
	return -EINVAL;
}

bool phase_mirrors(enum phase p)
{
	return p == PHASE_DUAL_WRITE;
}

const char *phase_authority(enum phase p)
{
	(void)p; /* the phases that move it come with later versions */
	return "origin";
}
