#include "token.h"
#include <string.h>

#define C1 0x87c37b91114253d5ull
#define C2 0x4cf5ad432745937full

static uint64_t rotl(uint64_t x, int r)
{
	return x << r | x >> (64 - r);
}

static uint64_t fmix(uint64_t k)
{
	k ^= k >> 33;
	k *= 0xff51afd7ed558ccdull;
	k ^= k >> 33;
	k *= 0xc4ceb9fe1a85ec53ull;
	return k ^ k >> 33;
}

static uint64_t little_endian(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? v : __builtin_bswap64(v);
}

static uint64_t mix1(uint64_t k)
{
	return rotl(k * C1, 31) * C2;
}

static uint64_t mix2(uint64_t k)
{
	return rotl(k * C2, 33) * C1;
}

int64_t token_of(struct cql_view key)
{
	uint64_t h1 = 0, h2 = 0, k1 = 0, k2 = 0;
	size_t blocks = key.n / 16, rest = key.n % 16;
	const uint8_t *tail = key.p + blocks * 16;

	if (key.n == 0)
		return INT64_MIN;
	for (size_t i = 0; i < blocks; i++) {
		h1 ^= mix1(little_endian(key.p + i * 16));
		h1 = (rotl(h1, 27) + h2) * 5 + 0x52dce729;
		h2 ^= mix2(little_endian(key.p + i * 16 + 8));
		h2 = (rotl(h2, 31) + h1) * 5 + 0x38495ab5;
	}
	for (size_t i = 0; i < rest; i++) {
		uint64_t byte = (uint64_t)(int64_t)(int8_t)tail[i];

		if (i < 8)
			k1 ^= byte << (8 * i);
		else
			k2 ^= byte << (8 * (i - 8));
	}
	h2 ^= mix2(k2);
	h1 ^= mix1(k1);
	h1 ^= key.n;
	h2 ^= key.n;
	h1 += h2;
	h2 += h1;
	h1 = fmix(h1);
	h2 = fmix(h2);
	h1 += h2;
	return h1 == (uint64_t)INT64_MIN ? INT64_MAX : (int64_t)h1;
}
