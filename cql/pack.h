/*
 * Compression and checksums come from outside: cql/ does no more than call them, so that it needs no library
 * (user/client/pack.c gives lz4, snappy and zlib).
 *
 * All of them: return bytes written, or -1 (does not fit, corrupt, or more than out_cap). `crc32` is zlib's, with its conventions.
 */
#pragma once
#include "cql/bytes.h"

struct cql_pack {
	uint32_t (*crc32)(uint32_t crc, const uint8_t *p, size_t n);
	int (*lz4_pack)(
		const uint8_t *in, size_t n, uint8_t *out, size_t out_cap); /* a bare block, no size prefix */
	int (*lz4_unpack)(const uint8_t *in, size_t n, uint8_t *out, size_t out_cap);
	int (*snappy_pack)(const uint8_t *in, size_t n, uint8_t *out, size_t out_cap);
	int (*snappy_unpack)(const uint8_t *in, size_t n, uint8_t *out, size_t out_cap);
	int64_t (*snappy_unpacked_size)(const uint8_t *in, size_t n); /* -1: corrupt */
};

enum cql_compression { CQL_COMPRESSION_NONE, CQL_COMPRESSION_LZ4, CQL_COMPRESSION_SNAPPY };

/* The STARTUP option's value ("lz4", "snappy" in any case; empty is none). -1: unknown. */
int cql_compression_from_name(struct cql_view name);
const char *cql_compression_name(enum cql_compression c); /* "lz4"; "none" */

/*
 * v3/v4 body compression (spec §5): LZ4 = 4-byte big-endian size of the plain body, then the block; snappy = raw snappy.
 * Appends the plain (or packed) body to `out`. `max` bounds the plain size. False: *err says why.
 */
bool cql_body_unpack(const struct cql_pack *k, enum cql_compression c, struct cql_view body, size_t max,
	struct cql_writer *out, struct cql_error *err);
bool cql_body_pack(
	const struct cql_pack *k, enum cql_compression c, struct cql_view body, struct cql_writer *out);
