#include "uuid.h"
#include <string.h>
#include <sys/random.h>
#include <stdlib.h>

#define EPOCH_100NS 122192928000000000ll /* from 1582-10-15 to 1970, RFC 4122 §4.1.4 */

static void random_bytes(uint8_t *p, size_t n)
{
	if (getrandom(p, n, 0) != (ssize_t)n) /* never short below 256 bytes once the pool is ready */
		abort();
}

void uuid_random(uint8_t out[16])
{
	static uint8_t pool[240];
	static size_t left;

	if (!left) {
		random_bytes(pool, sizeof(pool));
		left = sizeof(pool);
	}
	left -= 16;
	memcpy(out, pool + left, 16);
	out[6] = (out[6] & 0x0f) | 0x40;
	out[8] = (out[8] & 0x3f) | 0x80;
}

static void put_time(uint8_t out[16], uint64_t t)
{
	uint32_t low = (uint32_t)t;
	uint16_t mid = (uint16_t)(t >> 32), high = (uint16_t)(t >> 48 | 0x1000);

	for (int i = 0; i < 4; i++)
		out[i] = (uint8_t)(low >> (24 - 8 * i));
	out[4] = (uint8_t)(mid >> 8);
	out[5] = (uint8_t)mid;
	out[6] = (uint8_t)(high >> 8);
	out[7] = (uint8_t)high;
}

void uuid_time(uint8_t out[16], int64_t now_us)
{
	static uint64_t last;
	static uint8_t node[8];
	uint64_t t = (uint64_t)(now_us * 10 + EPOCH_100NS);

	if (!last) {
		random_bytes(node, sizeof(node));
		node[0] = (node[0] & 0x3f) | 0x80;
		node[2] |= 1; /* multicast: not a real card's address */
	}
	last = t > last ? t : last + 1;
	put_time(out, last);
	memcpy(out + 8, node, 8);
}

int64_t uuid_unix_ms(const uint8_t p[16])
{
	uint64_t t = (uint64_t)(p[6] & 0x0f) << 56 | (uint64_t)p[7] << 48;

	t |= (uint64_t)p[4] << 40 | (uint64_t)p[5] << 32;
	t |= (uint64_t)p[0] << 24 | (uint64_t)p[1] << 16 | (uint64_t)p[2] << 8 | p[3];
	return ((int64_t)t - EPOCH_100NS) / 10000;
}

void uuid_bound(uint8_t out[16], int64_t ms, int greatest)
{
	put_time(out, (uint64_t)(ms * 10000 + EPOCH_100NS + (greatest ? 9999 : 0)));
	memset(out + 8, greatest ? 0x7f : 0x80, 8);
}
