/*
 * A YAML file read against tables of keys. Whatever is unknown, doubled, of the wrong kind or out of bounds is an error
 * `FILE:LINE: what, expected what` in the reason, and -EINVAL.
 */
#pragma once
#include "base/reason.h"
#include <stdbool.h>
#include <yaml.h>

struct schema {
	const char *file;
	yaml_document_t *document;
	struct reason *why;
};

enum schema_kind {
	SCHEMA_DURATION, /* uint64_t, ms */
	SCHEMA_SIZE,     /* uint64_t, bytes */
	SCHEMA_PERCENT,  /* uint64_t */
	SCHEMA_NUMBER,   /* uint64_t */
	SCHEMA_WORD,     /* int: the word's place in `words` */
	SCHEMA_TEXT,     /* char *, not empty */
	SCHEMA_OBJECT,   /* struct at `at`, keys in `keys` */
	SCHEMA_OWN,      /* take() */
};

struct schema_key {
	const char *name; /* NULL ends a table */
	enum schema_kind kind;
	size_t at;         /* offset of the value in the object */
	uint64_t min, max; /* amounts; max 0: none */
	const char *words; /* "one two three" */
	const char *later; /* of these, the words of features that do not exist yet: "not in this version" */
	const struct schema_key *keys;
	int (*take)(struct schema *s, yaml_node_t *value, void *object);
	const char *expected; /* what an amount or text must be; for the message */
};

/* Reads `file` and hands its root to `take` (NULL for an empty file). */
int schema_read(const char *file, int (*take)(struct schema *s, yaml_node_t *root, void *ctx), void *ctx,
	struct reason *why) must_check;
/* `what` names the object in messages: "the file", "cluster old". `lines`, if not NULL, gets each key's line, in the table's order. */
int schema_object(struct schema *s, yaml_node_t *node, const char *what, const struct schema_key *keys,
	void *object, size_t *lines) must_check;
/* Calls `each` for every pair of a mapping whose keys are free names; -EINVAL for a doubled or empty name. */
int schema_names(struct schema *s, yaml_node_t *node, const char *what,
	int (*each)(struct schema *s, const char *name, size_t line, yaml_node_t *value, void *ctx),
	void *ctx) must_check;
/* Calls `each` for every item of a sequence of texts. */
int schema_texts(struct schema *s, yaml_node_t *node, const char *what,
	int (*each)(struct schema *s, const char *text, size_t line, void *ctx), void *ctx) must_check;
/* NULL (and the reason) unless it is a non-empty text. */
const char *schema_text(struct schema *s, yaml_node_t *node, const char *what);
size_t schema_line(const yaml_node_t *node);
int schema_error(struct schema *s, size_t line, const char *fmt, ...) printf_like(3, 4) must_check;
