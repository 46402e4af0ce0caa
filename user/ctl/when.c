#include "ctl/when.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

const char *when_format(int64_t wall_us, char out[WHEN_TEXT])
{
	time_t s = wall_us / 1000000;
	struct tm tm;
	char day[24];

	gmtime_r(&s, &tm);
	strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out, WHEN_TEXT, "%s.%03dZ", day, (int)(wall_us % 1000000 / 1000));
	return out;
}

int when_parse(const char *text, int64_t *wall_us)
{
	struct tm tm = {0};
	int ms, n = 0;

	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
		    &tm.tm_min, &tm.tm_sec, &ms, &n) != 7 ||
		!n || text[n])
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	time_t s = timegm(&tm);
	if (s < 0)
		return -EINVAL;
	*wall_us = (int64_t)s * 1000000 + ms * 1000;
	return 0;
}
