/* SELECT: rows of one page, as a RESULT body. */
#pragma once
#include "exec.h"

#define SELECT_MAX_BYTES (192u << 20) /* of one answer; more is refused, as the frame's bound is 256 MiB */

/* `known_id`: v5, the metadata id the client holds (empty: not from EXECUTE). */
int select_run(struct exec *x, struct stmt *s, struct cql_view known_id, struct cql_writer *body) must_check;
