#include "problem.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int problem_set(struct problem *p, int32_t code, const char *fmt, ...)
{
	va_list ap;

	p->code = code;
	va_start(ap, fmt);
	vsnprintf(p->text, sizeof(p->text), fmt, ap);
	va_end(ap);
	return -EINVAL;
}
