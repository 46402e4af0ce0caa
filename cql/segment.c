#include "cql/segment.h"

uint32_t cql_crc24(const uint8_t *p, size_t n)
{
	/* The remainders of x^24 * i by the polynomial 0x1974F0B (spec v5 §2.1): four bits a step. */
	static const uint32_t steps[16] = {
		0x000000, 0x974f0b, 0xb9d11d, 0x2e9e16, 0xe4ed31, 0x73a23a, 0x5d3c2c, 0xca7327, //
		0x5e9569, 0xc9da62, 0xe74474, 0x700b7f, 0xba7858, 0x2d3753, 0x03a945, 0x94e64e, //
	};
	uint32_t crc = 0x875060;

	for (size_t i = 0; i < n; i++) {
		crc ^= (uint32_t)p[i] << 16;
		crc = (crc << 4 & 0xffffff) ^ steps[crc >> 20];
		crc = (crc << 4 & 0xffffff) ^ steps[crc >> 20];
	}
	return crc;
}

uint32_t cql_segment_crc32(const struct cql_pack *k, const uint8_t *p, size_t n)
{
	/* zlib's CRC32 after FA 2D 55 CA. Of nothing it is that, whatever zlib says to a NULL pointer. */
	const uint32_t seeded = 0x44777ed3;

	return n ? k->crc32(seeded, p, n) : seeded;
}

static uint64_t load_le(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | p[n];
	return v;
}

static void store_le(uint8_t *p, uint64_t v, unsigned n)
{
	for (unsigned i = 0; i < n; i++, v >>= 8)
		p[i] = (uint8_t)v;
}

bool cql_segment_header_read(const uint8_t *p, bool lz4, struct cql_segment *out, struct cql_error *err)
{
	unsigned n = lz4 ? 5 : 3;
	uint64_t v = load_le(p, n);
	struct cql_segment s = {.wire_length = v & CQL_SEGMENT_MAX_PAYLOAD};

	if (load_le(p + n, 3) != cql_crc24(p, n)) {
		*err = (struct cql_error){"wrong checksum of a segment header", n};
		return false;
	}
	if (lz4) {
		s.plain_length = v >> 17 & CQL_SEGMENT_MAX_PAYLOAD;
		s.packed = s.plain_length;
		v >>= 17;
	}
	s.self_contained = v >> 17 & 1;
	if (!s.packed)
		s.plain_length = s.wire_length;
	if (s.packed && !s.wire_length) {
		*err = (struct cql_error){"packed segment without a payload", 0};
		return false;
	}
	*out = s;
	return true;
}

void cql_segment_header_write(uint8_t *p, bool lz4, const struct cql_segment *s)
{
	unsigned n = lz4 ? 5 : 3;
	uint64_t v = s->wire_length;

	if (lz4)
		v |= (uint64_t)(s->packed ? s->plain_length : 0) << 17 | (uint64_t)s->self_contained << 34;
	else
		v |= (uint64_t)s->self_contained << 17;
	store_le(p, v, n);
	store_le(p + n, cql_crc24(p, n), 3);
}
