#include "paging.h"
#include <string.h>

#define MAGIC 0x5ea1

int paging_read(struct cql_view state, struct paging *out, struct problem *why)
{
	struct cql_reader r;

	cql_reader_init(&r, state);
	uint16_t magic = cql_read_u16(&r);
	uint8_t flags = cql_read_u8(&r);

	out->in_partition = flags & 1;
	out->has_row = flags & 2;
	out->left = cql_read_i32(&r);
	out->given = cql_read_i32(&r);
	out->key = cql_read_short_bytes(&r);
	out->row = cql_read_raw(&r, cql_reader_ok(&r) ? (uint32_t)cql_read_i32(&r) : 0);
	if (!cql_reader_end(&r) || magic != MAGIC || flags > 3 || out->left <= 0 || out->given < 0)
		return problem_set(why, CQL_E_PROTOCOL, "Invalid value for the paging state");
	return 0;
}

struct cql_view paging_write(const struct paging *p, struct arena *a)
{
	struct cql_writer w = BUFFER_INIT;

	cql_write_u16(&w, MAGIC);
	cql_write_u8(&w, (uint8_t)(p->in_partition | p->has_row << 1));
	cql_write_i32(&w, p->left);
	cql_write_i32(&w, p->given);
	cql_write_short_bytes(&w, p->key);
	cql_write_i32(&w, (int32_t)p->row.n);
	cql_write_view(&w, p->row);
	struct cql_view v = arena_copy(a, (struct cql_view){w.p, w.len});

	buffer_free(&w);
	return v;
}

bool paging_row_fits(const struct paging *p, uint16_t n_clustering)
{
	size_t at = 0;

	for (int i = 0; i < n_clustering; i++) {
		uint32_t n;

		if (p->row.n - at < 4)
			return false;
		memcpy(&n, p->row.p + at, 4);
		if (p->row.n - at - 4 < n)
			return false;
		at += 4 + n;
	}
	return at == p->row.n;
}
