/* RESULT bodies (spec §4.2.5), read as views and written for seam-node and the tests. `body` is the body proper (prefix skipped). */
#pragma once
#include "cql/frame.h"

enum cql_result_kind {
	CQL_VOID = 1,
	CQL_ROWS = 2,
	CQL_SET_KEYSPACE = 3,
	CQL_PREPARED = 4,
	CQL_SCHEMA_CHANGE = 5
};
enum { CQL_M_GLOBAL = 0x01, CQL_M_MORE_PAGES = 0x02, CQL_M_NO_METADATA = 0x04, CQL_M_CHANGED = 0x08 };

/* Option ids of [option], spec §4.2.5.2. */
enum cql_type_id {
	CQL_T_CUSTOM = 0x00,
	CQL_T_ASCII = 0x01,
	CQL_T_BIGINT = 0x02,
	CQL_T_BLOB = 0x03,
	CQL_T_BOOLEAN = 0x04,
	CQL_T_COUNTER = 0x05,
	CQL_T_DECIMAL = 0x06,
	CQL_T_DOUBLE = 0x07,
	CQL_T_FLOAT = 0x08,
	CQL_T_INT = 0x09,
	CQL_T_TIMESTAMP = 0x0b,
	CQL_T_UUID = 0x0c,
	CQL_T_VARCHAR = 0x0d,
	CQL_T_VARINT = 0x0e,
	CQL_T_TIMEUUID = 0x0f,
	CQL_T_INET = 0x10,
	CQL_T_DATE = 0x11,
	CQL_T_TIME = 0x12,
	CQL_T_SMALLINT = 0x13,
	CQL_T_TINYINT = 0x14,
	CQL_T_DURATION = 0x15,
	CQL_T_LIST = 0x20,
	CQL_T_MAP = 0x21,
	CQL_T_SET = 0x22,
	CQL_T_UDT = 0x30,
	CQL_T_TUPLE = 0x31,
};

struct cql_metadata {
	uint32_t flags;
	int32_t n_columns;
	struct cql_value paging_state;
	struct cql_view new_metadata_id; /* v5, CQL_M_CHANGED */
	struct cql_view keyspace, table; /* with CQL_M_GLOBAL */
	struct cql_view pk_indexes;      /* PREPARED bind metadata, v4+: n × u16 */
	struct cql_view columns;         /* encoded specs; empty with CQL_M_NO_METADATA */
};
struct cql_column {
	struct cql_view keyspace, table, name;
	struct cql_view type; /* encoded [option] */
};
struct cql_prepared {
	struct cql_view id, result_metadata_id; /* the latter v5 */
	struct cql_metadata bind, result;
};
struct cql_rows {
	struct cql_metadata metadata;
	int32_t n_rows;
	struct cql_view cells; /* n_rows × n_columns × [bytes] */
};
struct cql_schema_change {
	struct cql_view change, target, keyspace,
		name;         /* name: of the table, type, function …; empty for a keyspace */
	struct cql_view args; /* of a FUNCTION or AGGREGATE: encoded [string list] */
};

int cql_result_kind(struct cql_view body); /* -1: too short; else the number, known or not */
bool cql_prepared_read(
	uint8_t version, struct cql_view body, struct cql_prepared *out, struct cql_error *err);
bool cql_rows_read(uint8_t version, struct cql_view body, struct cql_rows *out, struct cql_error *err);
bool cql_set_keyspace_read(struct cql_view body, struct cql_view *keyspace, struct cql_error *err);
bool cql_schema_change_read(
	struct cql_view body, struct cql_schema_change *out, struct cql_error *err); /* a RESULT's body */
struct cql_schema_change cql_read_schema_change(
	struct cql_reader *r); /* what RESULT and EVENT have in common */

/* Columns of metadata that was read: start with a reader over m->columns; false at the end or on error. */
bool cql_column_next(const struct cql_metadata *m, struct cql_reader *r, struct cql_column *out);
void cql_type_skip(struct cql_reader *r); /* over one [option]; bounded depth */
/* Same columns by name and type in the same order, and the same pk indexes; ids, keyspace, table and paging do not count. */
bool cql_metadata_equal(const struct cql_metadata *a, const struct cql_metadata *b);
/* Index of a column by name, or -1. */
int cql_rows_column(const struct cql_rows *rows, const char *name);
/*
 * The row at the reader (init over rows->cells), which moves to the next one: its first max_cells cells. False at the end, and on cells that are
 * malformed (rows are not walked before they are asked for): cql_reader_ok() tells which.
 */
bool cql_row_next(
	const struct cql_rows *rows, struct cql_reader *r, struct cql_value *cells, size_t max_cells);

/* Writers: bodies proper. */
void cql_void_write(struct cql_writer *w);
void cql_set_keyspace_write(struct cql_writer *w, struct cql_view keyspace);
void cql_schema_change_write(struct cql_writer *w, bool as_result, const struct cql_schema_change *c);
/* Metadata with the global table spec (none without columns); the caller then writes n_columns × (name [string], type [option]). */
void cql_metadata_write(struct cql_writer *w, const struct cql_metadata *m, bool bind, uint8_t version);
