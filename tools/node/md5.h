/* MD5 (RFC 1321): statement ids are it (Cassandra's QueryProcessor.computeId), nothing here relies on it for safety. */
#pragma once
#include "cql/bytes.h"

struct md5 {
	uint32_t state[4];
	uint64_t length;
	uint8_t block[64];
};
void md5_init(struct md5 *m);
void md5_add(struct md5 *m, struct cql_view v);
void md5_end(struct md5 *m, uint8_t out[16]);
