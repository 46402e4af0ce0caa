/* Any bytes as a statement: the lexer ends, its tokens lie in the text one behind the other, and the classifier agrees with itself. */
#include "cql/classify.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                                     \
	do                                                                                                   \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                      \
			abort();                                                                             \
		}                                                                                            \
	while (0)

static bool inside(struct cql_view part, struct cql_view text)
{
	return !part.n || (part.p >= text.p && part.p + part.n <= text.p + text.n);
}

/* Returns whether some token was bad. */
static bool check_lexer(struct cql_view text)
{
	struct cql_lexer l;
	size_t behind = 0;
	bool bad = false;

	cql_lexer_init(&l, text);
	for (;;) {
		struct cql_token t = cql_lex(&l);

		CHECK(t.at >= behind && t.at + t.size <= text.n);
		CHECK(inside(t.text, text) && t.text.n <= t.size);
		behind = t.at + t.size;
		bad |= t.kind == CQL_TOK_BAD;
		if (t.kind == CQL_TOK_END)
			break;
		CHECK(t.size);
	}
	CHECK(cql_lex(&l).kind == CQL_TOK_END);
	return bad;
}

static void check_class(struct cql_view text, const struct cql_class *c)
{
	CHECK(c->n_tables <= CQL_MAX_TABLES && (!c->more_tables || c->n_tables == CQL_MAX_TABLES));
	CHECK(!(c->lwt || c->functions || c->using_timestamp || c->index_or_append) ||
		c->kind == CQL_KIND_WRITE);
	CHECK(c->kind == CQL_KIND_USE || !c->use.text.n);
	CHECK(inside(c->use.text, text));
	for (size_t i = 0; i < c->n_tables; i++) {
		char folded[16];

		CHECK(inside(c->tables[i].table.text, text) && inside(c->tables[i].keyspace.text, text));
		CHECK(cql_name_fold(c->tables[i].table, folded, sizeof(folded)) <= c->tables[i].table.text.n);
		for (size_t k = 0; k < i; k++)
			CHECK(!cql_name_equal(&c->tables[i].table, &c->tables[k].table) ||
				!cql_name_equal(&c->tables[i].keyspace, &c->tables[k].keyspace));
	}
}

/* A newline behind the text ends a comment, else changes nothing: all but `bad` is the same. */
static void check_newline(struct cql_view text, const struct cql_class *c)
{
	uint8_t *longer = malloc(text.n + 1);
	struct cql_class d;

	CHECK(longer);
	memcpy(longer, text.p, text.n);
	longer[text.n] = '\n';
	cql_classify((struct cql_view){longer, text.n + 1}, &d);
	CHECK(d.kind == c->kind && d.lwt == c->lwt && d.functions == c->functions);
	CHECK(d.using_timestamp == c->using_timestamp && d.counter_batch == c->counter_batch);
	CHECK(d.index_or_append == c->index_or_append && d.needs_keyspace == c->needs_keyspace);
	CHECK(d.n_tables == c->n_tables && d.more_tables == c->more_tables);
	CHECK(c->bad || !d.bad);
	for (size_t i = 0; i < c->n_tables; i++)
		CHECK(d.tables[i].table.text.p - longer == c->tables[i].table.text.p - text.p);
	free(longer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cql_view text = {data, size};
	struct cql_class c;
	bool bad = check_lexer(text);

	cql_classify(text, &c);
	CHECK(c.bad == bad);
	check_class(text, &c);
	check_newline(text, &c);
	return 0;
}
