#include "cql/pack.h"

#include <string.h>

int cql_compression_from_name(struct cql_view name)
{
	if (!name.n)
		return CQL_COMPRESSION_NONE;
	if (cql_view_is_word(name, "lz4"))
		return CQL_COMPRESSION_LZ4;
	if (cql_view_is_word(name, "snappy"))
		return CQL_COMPRESSION_SNAPPY;
	return -1;
}

const char *cql_compression_name(enum cql_compression c)
{
	switch (c) {
	case CQL_COMPRESSION_LZ4:
		return "lz4";
	case CQL_COMPRESSION_SNAPPY:
		return "snappy";
	case CQL_COMPRESSION_NONE:
		break;
	}
	return "none";
}

static bool refuse(struct cql_error *err, const char *why, uint32_t offset)
{
	*err = (struct cql_error){.why = why, .offset = offset};
	return false;
}

bool cql_body_unpack(const struct cql_pack *k, enum cql_compression c, struct cql_view body, size_t max,
	struct cql_writer *out, struct cql_error *err)
{
	bool lz4 = c == CQL_COMPRESSION_LZ4;
	struct cql_view block = body;
	int64_t size;

	if (c == CQL_COMPRESSION_NONE)
		return refuse(err, "packed body on a connection without compression", 0);
	if (lz4) {
		struct cql_reader r;

		cql_reader_init(&r, body);
		size = (uint32_t)cql_read_i32(&r);
		if (!cql_reader_ok(&r))
			return refuse(err, "packed body without its size", 0);
		block = cql_read_raw(&r, cql_reader_left(&r));
	} else {
		size = k->snappy_unpacked_size(body.p, body.n);
	}
	if (size < 0)
		return refuse(err, "corrupt snappy body", 0);
	if ((uint64_t)size > max)
		return refuse(err, "packed body is too long unpacked", 0);
	if (!cql_writer_reserve(out, size ? (size_t)size : 1))
		return refuse(err, "no memory for the unpacked body", 0);
	if ((lz4 ? k->lz4_unpack : k->snappy_unpack)(block.p, block.n, out->p + out->len, (size_t)size) !=
		size)
		return refuse(err, lz4 ? "corrupt lz4 body" : "corrupt snappy body", lz4 ? 4 : 0);
	out->len += (size_t)size;
	return true;
}

bool cql_body_pack(
	const struct cql_pack *k, enum cql_compression c, struct cql_view body, struct cql_writer *out)
{
	bool lz4 = c == CQL_COMPRESSION_LZ4;
	size_t start = out->len;
	/* What the two libraries can need at worst: LZ4_COMPRESSBOUND and snappy's MaxCompressedLength. */
	size_t bound = lz4 ? body.n + body.n / 255 + 16 : 32 + body.n + body.n / 6;
	int n;

	if (c == CQL_COMPRESSION_NONE || body.n > INT32_MAX || !cql_writer_reserve(out, 4 + bound))
		return false;
	if (lz4)
		cql_write_i32(out, (int32_t)body.n);
	n = (lz4 ? k->lz4_pack : k->snappy_pack)(body.p, body.n, out->p + out->len, bound);
	if (n < 0) {
		out->len = start;
		return false;
	}
	out->len += (size_t)n;
	return true;
}
