/*
 * The 9-byte envelope header of v3, v4 and v5 (spec v3/v4 §2, v5 §2.3.1) and the numbers that stand in it.
 * Since v5 the envelope travels inside segments (segment.h); its header is the same.
 */
#pragma once
#include "cql/bytes.h"

#define CQL_HEADER_SIZE 9
#define CQL_MAX_BODY    (256u << 20) /* spec §2.4: 256 MB; servers may allow less */
#define CQL_V3          3
#define CQL_V4          4
#define CQL_V5          5

enum cql_opcode {
	CQL_ERROR = 0x00,
	CQL_STARTUP = 0x01,
	CQL_READY = 0x02,
	CQL_AUTHENTICATE = 0x03,
	CQL_OPTIONS = 0x05,
	CQL_SUPPORTED = 0x06,
	CQL_QUERY = 0x07,
	CQL_RESULT = 0x08,
	CQL_PREPARE = 0x09,
	CQL_EXECUTE = 0x0a,
	CQL_REGISTER = 0x0b,
	CQL_EVENT = 0x0c,
	CQL_BATCH = 0x0d,
	CQL_AUTH_CHALLENGE = 0x0e,
	CQL_AUTH_RESPONSE = 0x0f,
	CQL_AUTH_SUCCESS = 0x10,
};

/* Header flags. COMPRESSED only up to v4; PAYLOAD and WARNING from v4 on. */
enum {
	CQL_FLAG_COMPRESSED = 0x01,
	CQL_FLAG_TRACING = 0x02,
	CQL_FLAG_PAYLOAD = 0x04,
	CQL_FLAG_WARNING = 0x08,
	CQL_FLAG_BETA = 0x10,
};

enum cql_consistency {
	CQL_ANY = 0,
	CQL_ONE,
	CQL_TWO,
	CQL_THREE,
	CQL_QUORUM,
	CQL_ALL,
	CQL_LOCAL_QUORUM,
	CQL_EACH_QUORUM,
	CQL_SERIAL,
	CQL_LOCAL_SERIAL,
	CQL_LOCAL_ONE,
};

struct cql_header {
	uint8_t version; /* without the direction bit: 3, 4, 5; or what else the peer wrote (decoder.h) */
	bool response;
	uint8_t flags;
	int16_t stream; /* -1: an EVENT */
	uint8_t opcode;
	uint32_t length; /* of the body */
};

struct cql_header cql_header_read(const uint8_t p[CQL_HEADER_SIZE]);
void cql_header_write(uint8_t p[CQL_HEADER_SIZE], const struct cql_header *h);
/* Is this the first byte of a request of the native protocol: 1..6, or DSE's 0x41, 0x42? Anything else is not CQL. */
bool cql_is_request_version(uint8_t first_byte);
bool cql_opcode_is_request(uint8_t opcode);
bool cql_opcode_is_response(uint8_t opcode);
const char *cql_opcode_name(uint8_t opcode); /* "QUERY"; "UNKNOWN" */
const char *cql_consistency_name(uint16_t consistency);

/*
 * What may stand before a body (spec §2.2): in a request the custom payload; in a response the tracing id, then warnings, then
 * the custom payload. Returns the reader at the body proper; `body` is not compressed (any more).
 */
struct cql_prefix {
	struct cql_view tracing_id; /* 16 bytes, or empty */
	struct cql_view payload;    /* the encoded map, or empty */
	size_t size;                /* bytes before the body proper */
};
bool cql_prefix_read(const struct cql_header *h, struct cql_reader *r, struct cql_prefix *out);
