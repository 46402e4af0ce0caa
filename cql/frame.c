#include "cql/frame.h"

#include <string.h>

struct cql_header cql_header_read(const uint8_t p[CQL_HEADER_SIZE])
{
	return (struct cql_header){
		.version = p[0] & 0x7f,
		.response = p[0] & 0x80,
		.flags = p[1],
		.stream = (int16_t)(p[2] << 8 | p[3]),
		.opcode = p[4],
		.length = (uint32_t)p[5] << 24 | (uint32_t)p[6] << 16 | (uint32_t)p[7] << 8 | p[8],
	};
}

void cql_header_write(uint8_t p[CQL_HEADER_SIZE], const struct cql_header *h)
{
	uint16_t stream = __builtin_bswap16((uint16_t)h->stream);
	uint32_t length = __builtin_bswap32(h->length);

	p[0] = h->version | (h->response ? 0x80 : 0);
	p[1] = h->flags;
	memcpy(p + 2, &stream, sizeof stream);
	p[4] = h->opcode;
	memcpy(p + 5, &length, sizeof length);
}

bool cql_is_request_version(uint8_t first_byte)
{
	return (first_byte >= 1 && first_byte <= 6) || first_byte == 0x41 || first_byte == 0x42;
}

#define BIT(op) (1u << (op))
static const uint32_t REQUESTS = BIT(CQL_STARTUP) | BIT(CQL_OPTIONS) | BIT(CQL_QUERY) | BIT(CQL_PREPARE) |
				 BIT(CQL_EXECUTE) | BIT(CQL_REGISTER) | BIT(CQL_BATCH) |
				 BIT(CQL_AUTH_RESPONSE);
static const uint32_t RESPONSES = BIT(CQL_ERROR) | BIT(CQL_READY) | BIT(CQL_AUTHENTICATE) |
				  BIT(CQL_SUPPORTED) | BIT(CQL_RESULT) | BIT(CQL_EVENT) |
				  BIT(CQL_AUTH_CHALLENGE) | BIT(CQL_AUTH_SUCCESS);

bool cql_opcode_is_request(uint8_t opcode)
{
	return opcode < 32 && (REQUESTS & BIT(opcode));
}

bool cql_opcode_is_response(uint8_t opcode)
{
	return opcode < 32 && (RESPONSES & BIT(opcode));
}

const char *cql_opcode_name(uint8_t opcode)
{
	static const char *const names[] = {
		[CQL_ERROR] = "ERROR",
		[CQL_STARTUP] = "STARTUP",
		[CQL_READY] = "READY",
		[CQL_AUTHENTICATE] = "AUTHENTICATE",
		[CQL_OPTIONS] = "OPTIONS",
		[CQL_SUPPORTED] = "SUPPORTED",
		[CQL_QUERY] = "QUERY",
		[CQL_RESULT] = "RESULT",
		[CQL_PREPARE] = "PREPARE",
		[CQL_EXECUTE] = "EXECUTE",
		[CQL_REGISTER] = "REGISTER",
		[CQL_EVENT] = "EVENT",
		[CQL_BATCH] = "BATCH",
		[CQL_AUTH_CHALLENGE] = "AUTH_CHALLENGE",
		[CQL_AUTH_RESPONSE] = "AUTH_RESPONSE",
		[CQL_AUTH_SUCCESS] = "AUTH_SUCCESS",
	};

	return opcode < sizeof names / sizeof *names && names[opcode] ? names[opcode] : "UNKNOWN";
}

const char *cql_consistency_name(uint16_t consistency)
{
	static const char *const names[] = {
		[CQL_ANY] = "ANY",
		[CQL_ONE] = "ONE",
		[CQL_TWO] = "TWO",
		[CQL_THREE] = "THREE",
		[CQL_QUORUM] = "QUORUM",
		[CQL_ALL] = "ALL",
		[CQL_LOCAL_QUORUM] = "LOCAL_QUORUM",
		[CQL_EACH_QUORUM] = "EACH_QUORUM",
		[CQL_SERIAL] = "SERIAL",
		[CQL_LOCAL_SERIAL] = "LOCAL_SERIAL",
		[CQL_LOCAL_ONE] = "LOCAL_ONE",
	};

	return consistency < sizeof names / sizeof *names ? names[consistency] : "UNKNOWN";
}

bool cql_prefix_read(const struct cql_header *h, struct cql_reader *r, struct cql_prefix *out)
{
	struct cql_prefix got = {0};
	const uint8_t *front = r->p, *at;
	uint8_t known =
		h->response ? CQL_FLAG_TRACING | CQL_FLAG_WARNING | CQL_FLAG_PAYLOAD : CQL_FLAG_PAYLOAD;
	uint8_t flags = h->flags & known;

	if (!flags) {
		*out = got;
		return cql_reader_ok(r);
	}
	/* Servers refuse these two before v4 rather than skip over them (Message.Decoder, Message.encode). */
	if (h->version < CQL_V4 && flags & (CQL_FLAG_WARNING | CQL_FLAG_PAYLOAD))
		cql_reader_fail(r, "warning or custom payload before v4");
	if (flags & CQL_FLAG_TRACING)
		got.tracing_id = cql_read_raw(r, 16);
	if (flags & CQL_FLAG_WARNING)
		cql_skip_string_list(r);
	at = r->p;
	if (flags & CQL_FLAG_PAYLOAD) {
		cql_skip_bytes_map(r);
		got.payload = (struct cql_view){at, (size_t)(r->p - at)};
	}
	if (!cql_reader_ok(r))
		return false;
	got.size = (size_t)(r->p - front);
	*out = got;
	return true;
}
