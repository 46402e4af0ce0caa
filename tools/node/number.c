#include "number.h"
#include <string.h>

struct cql_view number_parse(struct cql_view digits, bool negative, struct arena *a)
{
	size_t cap = digits.n / 2 + 2;
	uint8_t *p = arena_alloc(a, cap);

	for (size_t i = 0; i < digits.n; i++) {
		unsigned carry = digits.p[i] - '0';

		for (size_t k = cap; k-- > 0;) {
			carry += p[k] * 10u;
			p[k] = (uint8_t)carry;
			carry >>= 8;
		}
	}
	if (negative) {
		unsigned carry = 1;

		for (size_t k = cap; k-- > 0;) {
			carry += (uint8_t)~p[k];
			p[k] = (uint8_t)carry;
			carry >>= 8;
		}
	}
	uint8_t fill = p[0] & 0x80 ? 0xff : 0;
	size_t at = 0;

	while (at + 1 < cap && p[at] == fill && (p[at + 1] & 0x80) == (fill & 0x80))
		at++;
	return (struct cql_view){p + at, cap - at};
}

char *number_format(struct cql_view v)
{
	bool negative = v.n && v.p[0] & 0x80;
	uint8_t *rest = must_alloc(v.n + 1);
	size_t cap = v.n * 3 + 3, at = cap - 1;
	char *out = must_alloc(cap);
	bool zero;

	if (v.n)
		memcpy(rest, v.p, v.n);
	if (negative) {
		unsigned carry = 1;

		for (size_t k = v.n; k-- > 0;) {
			carry += (uint8_t)~rest[k];
			rest[k] = (uint8_t)carry;
			carry >>= 8;
		}
	}
	do {
		unsigned carry = 0;

		zero = true;
		for (size_t k = 0; k < v.n; k++) {
			carry = carry << 8 | rest[k];
			rest[k] = (uint8_t)(carry / 10);
			carry %= 10;
			zero = zero && rest[k] == 0;
		}
		out[--at] = (char)('0' + carry);
	} while (!zero);
	if (negative)
		out[--at] = '-';
	memmove(out, out + at, cap - at);
	free(rest);
	return out;
}
