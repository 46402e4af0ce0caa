#include "ctl/phases.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static const char *const NAMES[] = {[PHASES_PASSTHROUGH] = "passthrough", [PHASES_DUAL_WRITE] = "dual-write"};
static const char *const LATER[] = {"observe", "shadow-read", "target-read", "target-only"};

const char *phases_name(enum phases_id p)
{
	return NAMES[p];
}

int phases_parse(const char *word, enum phases_id *out)
{
	for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
		if (!strcmp(word, NAMES[i])) {
			*out = (enum phases_id)i;
			return 0;
		}
	for (size_t i = 0; i < sizeof LATER / sizeof LATER[0]; i++)
		if (!strcmp(word, LATER[i]))
			return -ENOTSUP;
	return -EINVAL;
}

bool phases_mirrors(enum phases_id p)
{
	return p == PHASES_DUAL_WRITE;
}

const char *phases_authority(enum phases_id p)
{
	(void)p; /* the phases that move it come with later versions */
	return "origin";
}
