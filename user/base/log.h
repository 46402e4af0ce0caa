/*
 * Log lines to stderr: one event a line, logfmt or JSON, journald priority prefix when stderr is the journal.
 *
 *   log_info("attached", "app=%s cgroup=%s", app, path);
 *   → ts=2026-01-01T00:00:00.000000Z level=info msg=attached app=shop cgroup=/sys/fs/cgroup/...
 *
 * `msg` is a fixed key of an event; the rest is a format that makes `key=value` pairs separated by one space, values that may hold
 * blanks or quotes in %s-quoted form: write them with LOGV, e.g. "error=" LOGV, log_quote(text). NULL when there are no pairs.
 * Never log statement values, credentials, or the text of role statements.
 * Lines are rate-limited by `msg`: after 20 within 10 s the rest is counted and one line says how many were left out.
 * Thread-safe. A line is one write(2), at most LOG_LINE_MAX bytes.
 */
#pragma once
#include "base/attr.h"
#include <stdbool.h>

#define LOG_LINE_MAX 4096

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

void log_setup(enum log_format format, enum log_level level);
void log_line(enum log_level level, const char *msg, const char *fmt, ...) printf_like(3, 4);
/* Say what was left out in windows that are over; a process that may fall silent calls it now and then. */
void log_flush(void);
/* Quote a value for logfmt when it needs quoting (JSON's escapes). Returns a thread-local buffer, one of eight used in turn. */
const char *log_quote(const char *value);

#define LOGV           "%s"
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
