#include "client/pack.h"

#include <limits.h>
#include <lz4.h>
#include <snappy-c.h>
#include <zlib.h>

static uint32_t sum(uint32_t crc, const uint8_t *p, size_t n)
{
	return (uint32_t)crc32_z(crc, p, n);
}

static int lz4_pack(const uint8_t *in, size_t n, uint8_t *out, size_t out_cap)
{
	int got;

	if (n > LZ4_MAX_INPUT_SIZE)
		return -1;
	got = LZ4_compress_default(
		(const char *)in, (char *)out, (int)n, out_cap > INT_MAX ? INT_MAX : (int)out_cap);
	return got > 0 ? got : -1;
}

static int lz4_unpack(const uint8_t *in, size_t n, uint8_t *out, size_t out_cap)
{
	int got;

	if (n > INT_MAX)
		return -1;
	got = LZ4_decompress_safe(
		(const char *)in, (char *)out, (int)n, out_cap > INT_MAX ? INT_MAX : (int)out_cap);
	return got >= 0 ? got : -1;
}

static int snappy_pack(const uint8_t *in, size_t n, uint8_t *out, size_t out_cap)
{
	size_t len = out_cap;

	/* It writes without asking for room: all that it might need must be there. */
	if (n > INT_MAX || snappy_max_compressed_length(n) > out_cap ||
		snappy_compress((const char *)in, n, (char *)out, &len) != SNAPPY_OK)
		return -1;
	return (int)len;
}

static int64_t snappy_unpacked_size(const uint8_t *in, size_t n)
{
	size_t len;

	return snappy_uncompressed_length((const char *)in, n, &len) == SNAPPY_OK ? (int64_t)len : -1;
}

static int snappy_unpack(const uint8_t *in, size_t n, uint8_t *out, size_t out_cap)
{
	size_t len = out_cap;

	if (snappy_uncompress((const char *)in, n, (char *)out, &len) != SNAPPY_OK || len > INT_MAX)
		return -1;
	return (int)len;
}

const struct cql_pack *pack_libs(void)
{
	static const struct cql_pack libs = {
		.crc32 = sum,
		.lz4_pack = lz4_pack,
		.lz4_unpack = lz4_unpack,
		.snappy_pack = snappy_pack,
		.snappy_unpack = snappy_unpack,
		.snappy_unpacked_size = snappy_unpacked_size,
	};

	return &libs;
}
