#include "ctl/units.h"

#include <errno.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

static int parse(const char *text, const struct unit *units, uint64_t *out)
{
	uint64_t n = 0;
	const char *p = text;

	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(n, 10u, &n) || __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
			return -ERANGE;
	if (p == text)
		return -EINVAL;
	for (; units->name; units++)
		if (!strcmp(p, units->name))
			return __builtin_mul_overflow(n, units->factor, out) ? -ERANGE : 0;
	return -EINVAL;
}

int units_duration(const char *text, uint64_t *ms)
{
	static const struct unit units[] = {{"ms", 1}, {"s", 1000}, {"min", 60000}, {"h", 3600000}, {0}};
	uint64_t n;
	int err = parse(text, units, &n);

	if (!err)
		*ms = n;
	return err;
}

int units_size(const char *text, uint64_t *bytes)
{
	static const struct unit units[] = {
		{"B", 1}, {"KiB", 1u << 10}, {"MiB", 1u << 20}, {"GiB", 1u << 30}, {0}};
	uint64_t n;
	int err = parse(text, units, &n);

	if (!err)
		*bytes = n;
	return err;
}

int units_percent(const char *text, uint64_t *percent)
{
	static const struct unit units[] = {{"%", 1}, {0}};
	uint64_t n;
	int err = parse(text, units, &n);

	if (!err && n > 100)
		err = -ERANGE;
	if (!err)
		*percent = n;
	return err;
}

int units_number(const char *text, uint64_t *n)
{
	static const struct unit units[] = {{"", 1}, {0}};
	uint64_t v;
	int err = parse(text, units, &v);

	if (!err)
		*n = v;
	return err;
}
