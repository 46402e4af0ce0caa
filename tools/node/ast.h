/* Statements as trees. Names are folded already (lower case unless quoted); everything lies in the statement's arena. */
#pragma once
#include "type.h"

#define AST_MAX_NAMES 256   /* columns, selectors, relations of one statement */
#define AST_MAX_ITEMS 65535 /* elements of a literal, children of a batch */

enum term_kind {
	TERM_NULL,
	TERM_STRING, /* text: unquoted */
	TERM_NUMBER, /* text: as written, without the sign; integers, floats, blobs, uuids, durations */
	TERM_WORD,   /* true, false, NaN, Infinity; in a select list also a column (folded) */
	TERM_MARKER, /* ? or :name */
	TERM_LIST,
	TERM_SET, /* also {} */
	TERM_MAP, /* items: key, value, key, value … */
	TERM_TUPLE,
	TERM_CALL, /* text: the function's name */
	TERM_CAST, /* (type) item */
};
struct term {
	enum term_kind kind;
	bool negative; /* a number's sign */
	struct cql_view text;
	uint16_t marker; /* its place among the statement's */
	uint32_t n;
	struct term **items;
	const struct type *cast;
};

enum relation_op { OP_EQ, OP_LT, OP_LE, OP_GT, OP_GE, OP_NE, OP_IN };
struct column;
struct relation {
	enum relation_op op;
	bool token; /* token(names…) op value */
	struct cql_view *names;
	uint32_t n_names;            /* 1 unless token */
	struct term *value;          /* IN: a TERM_LIST of the alternatives, or one marker */
	const struct column *column; /* set when it is resolved */
};

struct assignment {
	struct cql_view name;
	struct term *value;
	char op; /* '=', '+' or '-' (col = col + value) */
	const struct column *column;
};

enum selector_kind { SELECT_COLUMN, SELECT_WRITETIME, SELECT_TTL, SELECT_COUNT, SELECT_TOKEN, SELECT_TERM };
struct selector {
	enum selector_kind kind;
	struct cql_view name;  /* the column */
	struct cql_view label; /* what the result calls it */
	struct term *term;     /* SELECT_TERM: a call over columns and literals */
	const struct column *column;
	const struct type *type;
};

struct with_option { /* WITH name = value; maps as pairs */
	struct cql_view name;
	struct term *value;
};

struct column_def {
	struct cql_view name;
	const struct type *type;
	bool is_static;
};

enum stmt_kind {
	STMT_SELECT,
	STMT_INSERT,
	STMT_UPDATE,
	STMT_DELETE,
	STMT_BATCH,
	STMT_USE,
	STMT_TRUNCATE,
	STMT_CREATE_KEYSPACE,
	STMT_ALTER_KEYSPACE,
	STMT_DROP_KEYSPACE,
	STMT_CREATE_TABLE,
	STMT_ALTER_TABLE,
	STMT_DROP_TABLE,
	STMT_CREATE_INDEX,
	STMT_DROP_INDEX,
};

struct table;
struct marker {
	struct cql_view given; /* :name; empty for ? */
	/* set when it is resolved */
	struct cql_view name;
	const struct type *type;
	const struct table *table;
};

struct where;
struct stmt {
	enum stmt_kind kind;
	struct cql_view keyspace,
		name; /* of the table (keyspace empty: the connection's); of USE and CREATE KEYSPACE: keyspace alone */
	struct table *table; /* set when it is resolved */
	struct marker *markers;
	uint16_t n_markers;

	/* SELECT */
	struct selector *selectors;
	uint32_t n_selectors; /* 0: * */
	bool distinct, filtering, descending, aggregate;
	struct cql_view *order;
	bool *order_desc;
	uint32_t n_order;
	struct term *limit, *partition_limit;

	/* WHERE, of SELECT, UPDATE, DELETE */
	struct relation *where;
	uint32_t n_where;
	struct where *plan; /* set when it is resolved (where.h) */

	/* INSERT: assignments of all columns; UPDATE: SET; DELETE: the columns (value NULL) */
	struct assignment *set;
	uint32_t n_set;
	struct term *timestamp, *ttl;
	bool if_exists, if_not_exists;
	struct relation *conditions; /* IF col = value … */
	uint32_t n_conditions;

	/* BATCH */
	uint8_t batch_type; /* enum cql_batch_type */
	struct stmt **children;
	uint32_t n_children;

	/* DDL */
	struct with_option *options;
	uint32_t n_options;
	struct column_def *columns; /* CREATE TABLE, ALTER TABLE ADD */
	uint32_t n_columns;
	struct cql_view *names; /* DROP columns; RENAME from, to, …; the index's column */
	uint32_t n_names;
	struct cql_view *partition_key, *clustering;
	uint32_t n_partition_key, n_clustering;
	struct cql_view index; /* its name */
	bool drop, rename;
};

static inline bool stmt_is_write(const struct stmt *s)
{
	return s->kind == STMT_INSERT || s->kind == STMT_UPDATE || s->kind == STMT_DELETE ||
	       s->kind == STMT_BATCH;
}
static inline bool stmt_is_conditional(const struct stmt *s)
{
	return s->if_exists || s->if_not_exists || s->n_conditions;
}
