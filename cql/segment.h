/*
 * v5 segments (spec v5 §2.1, §2.2): header, header CRC24, payload, CRC32; all little-endian.
 *
 *   plain: 3 bytes  = length:17 | self_contained:1
 *   lz4:   5 bytes  = packed_length:17 | plain_length:17 | self_contained:1     plain_length 0: the payload was left unpacked
 *                     (§2.3.2 of the spec names the wrong field; the server's code and §2.2 agree on this one)
 *   then CRC24 of the header (3 bytes), payload, CRC32 of the payload as on the wire.
 * The CRC32 is zlib's, fed FA 2D 55 CA first: not in the spec (org.apache.cassandra.net.Crc.initialBytes).
 */
#pragma once
#include "cql/pack.h"

#define CQL_SEGMENT_MAX_PAYLOAD 131071u
#define CQL_SEGMENT_HEADER      6 /* with its CRC24 */
#define CQL_SEGMENT_HEADER_LZ4  8
#define CQL_SEGMENT_TRAILER     4
#define CQL_SEGMENT_MAX         (CQL_SEGMENT_HEADER_LZ4 + CQL_SEGMENT_MAX_PAYLOAD + CQL_SEGMENT_TRAILER)

uint32_t cql_crc24(const uint8_t *p, size_t n);
uint32_t cql_segment_crc32(const struct cql_pack *k, const uint8_t *p, size_t n);

struct cql_segment {
	uint32_t wire_length;  /* payload bytes on the wire */
	uint32_t plain_length; /* of the payload when unpacked; = wire_length when it was not packed */
	bool packed, self_contained;
};

/* `p` has CQL_SEGMENT_HEADER (or _LZ4) bytes. False: *err (bad CRC24, lengths that can't be). */
bool cql_segment_header_read(const uint8_t *p, bool lz4, struct cql_segment *out, struct cql_error *err);
void cql_segment_header_write(uint8_t *p, bool lz4, const struct cql_segment *s);
