/* Dates, times of day, timestamps, durations: text as CQL has it, and back for dumps. All UTC unless the text names an offset. */
#pragma once
#include "cql/bytes.h"

struct moment_duration {
	int32_t months, days;
	int64_t nanoseconds;
};

bool moment_timestamp(
	struct cql_view text, int64_t *ms); /* "2026-01-02", "2026-01-02 03:04:05.678+0100", with T */
bool moment_date(struct cql_view text, uint32_t *days); /* "2026-01-02": days + 2^31 */
bool moment_time(struct cql_view text, int64_t *ns);    /* "01:02:03[.123456789]" */
bool moment_duration(
	struct cql_view text, bool negative, struct moment_duration *out); /* "1y2mo3w4d5h6m7s8ms9us10ns" */
void moment_date_format(uint32_t days, char out[40]);
/* The three vints of a serialised duration (spec §6, zig-zag). False: malformed. */
bool moment_duration_read(struct cql_view v, struct moment_duration *out);
size_t moment_duration_write(const struct moment_duration *d, uint8_t out[27]);
