#include "cql/classify.h"
#include "cql/lex_core.h"
#include <string.h>

/* Words that matter inside a write. */
enum word {
	W_NAME,
	W_INSERT,
	W_UPDATE,
	W_DELETE,
	W_INTO,
	W_FROM,
	W_SET,
	W_WHERE,
	W_IF,
	W_USING,
	W_AND,
	W_TIMESTAMP
};
/* What stands before the current token of a write, as far as the token's meaning depends on it. */
enum before {
	B_OTHER,
	B_OPERAND,    /* a literal or a closing bracket */
	B_NAME,       /* a column, a function, a word that doesn't matter */
	B_SYSTEM,     /* the name system */
	B_DOT,        /* name . */
	B_SYSTEM_DOT, /* system . */
	B_FUNCTION,   /* names a function that gives each cluster another value, if a parenthesis follows */
	B_BRACE,      /* } */
	B_USING,      /* USING, or AND in its clause */
};
enum clause { C_OTHER, C_USING, C_COLUMNS /* DELETE … FROM */, C_SET };

/*
 * The statement, its current token, and what is known so far. The long stretches (all of a write, the columns of a SELECT, the rest of anything)
 * run over cql_lex_step() with from and p in registers; the few tokens whose order matters are taken one by one.
 */
struct scan {
	const uint8_t *from, *p; /* the current token and its end */
	enum cql_token_kind kind;
	const uint8_t *end, *fence;
	struct cql_class *out;
	enum clause clause;
};

static void take(struct scan *s)
{
	const uint8_t *p = s->p, *from;

	s->kind = cql_lex_step(&p, s->end, s->fence, &from);
	s->p = p;
	s->from = from;
	if (s->kind == CQL_TOK_BAD)
		s->out->bad = true;
}

/* A word's letters without their case, as a number: n is a constant, at most 8. */
static inline __attribute__((always_inline)) uint64_t letters(const void *word, size_t n)
{
	uint64_t v = 0;

	memcpy(&v, word, n);
	return v | 0x2020202020202020;
}
#define SAME(word, lower) (letters(word, sizeof(lower) - 1) == letters(lower, sizeof(lower) - 1))

/* The word, in any case, is `lower`, of which all characters are letters. */
static inline bool same_word(const uint8_t *word, const uint8_t *end, const char *lower)
{
	for (; word < end; word++, lower++)
		if ((*word | 0x20) != *lower)
			return false;
	return !*lower;
}

static inline bool is_word(const struct scan *s, const char *lower)
{
	return s->kind == CQL_TOK_WORD && same_word(s->from, s->p, lower);
}

static inline bool is_symbol(const struct scan *s, uint8_t c)
{
	return s->kind == CQL_TOK_SYMBOL && *s->from == c;
}

static inline bool is_name(const struct scan *s)
{
	return s->kind == CQL_TOK_WORD || s->kind == CQL_TOK_QUOTED;
}

static bool take_word(struct scan *s, const char *lower)
{
	bool is = is_word(s, lower);

	if (is)
		take(s);
	return is;
}

static inline struct cql_name name(const uint8_t *from, const uint8_t *p, bool quoted)
{
	return (struct cql_name){{from + quoted, (size_t)(p - from) - 2 * quoted}, quoted};
}

static struct cql_name take_name(struct scan *s)
{
	struct cql_name n = name(s->from, s->p, s->kind == CQL_TOK_QUOTED);

	take(s);
	return n;
}

/* [keyspace .] name. False, and nothing taken, where none stands: the server will refuse the statement. */
static bool take_path(struct scan *s, struct cql_table *out)
{
	if (!is_name(s))
		return false;
	*out = (struct cql_table){.table = take_name(s)};
	if (is_symbol(s, '.')) {
		take(s);
		if (is_name(s)) {
			out->keyspace = out->table;
			out->table = take_name(s);
		}
	}
	if (!out->keyspace.text.n)
		s->out->needs_keyspace = true;
	return true;
}

static void add_table(struct cql_class *c, const struct cql_table *t)
{
	for (size_t i = 0; i < c->n_tables; i++)
		if (cql_name_equal(&c->tables[i].table, &t->table) &&
			cql_name_equal(&c->tables[i].keyspace, &t->keyspace))
			return;
	if (c->n_tables == CQL_MAX_TABLES)
		c->more_tables = true;
	else
		c->tables[c->n_tables++] = *t;
}

static void take_table(struct scan *s)
{
	struct cql_table t;

	if (take_path(s, &t))
		add_table(s->out, &t);
}

/* The table behind s->p; afterwards s->from is where to go on. Most are written word.word: that needs no tokens. */
static void read_table(struct scan *s)
{
	const uint8_t *p = s->p + (s->p < s->end && *s->p == ' '), *dot, *end;

	if (p < s->fence && cql_lex_begins[*p] == CQL_LEX_LETTER) {
		dot = cql_lex_word_end(p, s->end, s->fence);
		if (s->end - dot > 1 && *dot == '.' && cql_lex_begins[dot[1]] == CQL_LEX_LETTER) {
			end = cql_lex_word_end(dot + 1, s->end, s->fence);
			add_table(
				s->out, &(struct cql_table){name(p, dot, false), name(dot + 1, end, false)});
			s->from = s->p = end;
			return;
		}
	}
	take(s);
	take_table(s);
}

static enum word word_of(const uint8_t *p, size_t n)
{
	switch (n) {
	case 2:
		return SAME(p, "if") ? W_IF : W_NAME;
	case 3:
		return SAME(p, "and") ? W_AND : SAME(p, "set") ? W_SET : W_NAME;
	case 4:
		return SAME(p, "into") ? W_INTO : SAME(p, "from") ? W_FROM : W_NAME;
	case 5:
		return SAME(p, "using") ? W_USING : SAME(p, "where") ? W_WHERE : W_NAME;
	case 6:
		if (SAME(p, "insert"))
			return W_INSERT;
		return SAME(p, "update") ? W_UPDATE : SAME(p, "delete") ? W_DELETE : W_NAME;
	case 9:
		return SAME(p, "timestam") && SAME(p + 8, "p") ? W_TIMESTAMP : W_NAME;
	default:
		return W_NAME;
	}
}

/* The functions whose isPure() is false in Cassandra 3.11 to 5.0 (functions/TimeFcts, UuidFcts). */
static bool is_function(struct cql_name n)
{
	static const char *const current[] = {"currentdate", "currenttime", "current_date", "current_time",
		"currenttimeuuid", "currenttimestamp", "current_timeuuid", "current_timestamp"};

	if (n.text.n == 3 || n.text.n == 4)
		return cql_name_is(n, n.text.n == 3 ? "now" : "uuid");
	if (n.text.n < 11 || (*n.text.p | 0x20) != 'c')
		return false;
	for (size_t i = 0; i < sizeof(current) / sizeof(*current); i++)
		if (cql_name_is(n, current[i]))
			return true;
	return false;
}

static enum before write_name(struct cql_name n, enum before before)
{
	if (before == B_DOT)
		return B_NAME;
	if (n.text.n == 6 && cql_name_is(n, "system"))
		return B_SYSTEM;
	return is_function(n) ? B_FUNCTION : B_NAME;
}

/* Could the word be one of those that the functions above know? By length and first letter, since nearly none is. */
static inline bool may_matter(const uint8_t *word, size_t n)
{
#define FIRST(c) (1u << ((c)&31))
	static const uint32_t first[] = {
		[2] = FIRST('i'),
		[3] = FIRST('a') | FIRST('s') | FIRST('n'),
		[4] = FIRST('i') | FIRST('f') | FIRST('u'),
		[5] = FIRST('u') | FIRST('w'),
		[6] = FIRST('i') | FIRST('u') | FIRST('d') | FIRST('s'),
		[9] = FIRST('t'),
		[11] = FIRST('c'),
		[12] = FIRST('c'),
		[15] = FIRST('c'),
		[16] = FIRST('c'),
		[17] = FIRST('c'),
	};

	return n < sizeof(first) / sizeof(*first) && first[n] & FIRST(*word);
}

/* s->p stands behind the word; it moves on over the table's name where one follows. */
static enum before write_word(struct scan *s, const uint8_t *from, enum before before)
{
	enum word w = word_of(from, (size_t)(s->p - from));

	if (w == W_NAME || w == W_TIMESTAMP) {
		if (w == W_TIMESTAMP && before == B_USING)
			s->out->using_timestamp = true;
		return write_name(name(from, s->p, false), before);
	}
	if (w == W_SET && before == B_OTHER) /* a type: (set<int>) */
		return B_NAME;
	if (w == W_AND)
		return s->clause == C_USING ? B_USING : B_OTHER;
	s->clause = w == W_DELETE ? C_COLUMNS : w == W_USING ? C_USING : w == W_SET ? C_SET : C_OTHER;
	if (w == W_IF)
		s->out->lwt = true;
	if (w != W_UPDATE && w != W_INTO && w != W_FROM)
		return w == W_USING ? B_USING : B_OTHER;
	read_table(s);
	s->p = s->from;
	return B_NAME;
}

/* p stands behind an operator or a bracket that follows a name: not idempotent, unless { (sets, maps) or '…' (map keys) is next. */
static void doubt(struct scan *s, const uint8_t *p, bool bracket)
{
	s->p = p;
	do
		take(s);
	while (!bracket && is_symbol(s, '='));
	if (bracket ? s->kind != CQL_TOK_STRING : !is_symbol(s, '{'))
		s->out->index_or_append = true;
}

/* One of the rarer symbols; it ends at p. */
static enum before write_symbol(struct scan *s, const uint8_t *p, enum before before)
{
	switch (p[-1]) {
	case '(':
		if (before == B_FUNCTION)
			s->out->functions = true;
		return B_OTHER;
	case ')':
	case ']':
		return B_OPERAND;
	case '}':
		return B_BRACE;
	case '.':
		return before == B_SYSTEM ? B_SYSTEM_DOT : B_DOT;
	case '-':
		if (before == B_OTHER) /* a negative number */
			return B_OTHER;
		/* fall through */
	case '+':
		if (s->clause == C_SET && before != B_BRACE)
			doubt(s, p, false);
		return B_OTHER;
	case '[':
		if (s->clause >= C_COLUMNS && before != B_OTHER && before != B_OPERAND)
			doubt(s, p, true);
		return B_OTHER;
	default:
		return B_OTHER;
	}
}

/* One statement or all the children of a batch: separators between them are optional, their verbs are reserved words. */
static void read_write(struct scan *s)
{
	const uint8_t *const end = s->end, *const fence = s->fence;
	const uint8_t *p = s->from, *from;
	enum before before = B_OTHER;

	for (;;) {
		switch (cql_lex_step(&p, end, fence, &from)) {
		case CQL_TOK_WORD:
			if (!may_matter(from, (size_t)(p - from))) {
				before = B_NAME;
				break;
			}
			s->p = p;
			before = write_word(s, from, before);
			p = s->p;
			break;
		case CQL_TOK_SYMBOL:
			before = *from == ',' || *from == '=' ? B_OTHER : write_symbol(s, p, before);
			break;
		case CQL_TOK_MARKER:
		case CQL_TOK_NUMBER:
		case CQL_TOK_STRING:
			before = B_OPERAND;
			break;
		case CQL_TOK_QUOTED:
			before = write_name(name(from, p, true), before);
			break;
		case CQL_TOK_BAD:
			s->out->bad = true;
			before = B_OTHER;
			break;
		case CQL_TOK_END:
			s->from = end;
			return;
		}
	}
}

static enum cql_kind read_begin(struct scan *s)
{
	if (is_word(s, "transaction"))
		return CQL_KIND_OTHER;
	if (is_word(s, "counter"))
		s->out->counter_batch = true;
	else if (!is_word(s, "batch") && !is_word(s, "unlogged"))
		return CQL_KIND_UNKNOWN;
	read_write(s); /* BATCH itself is a word that doesn't matter */
	return CQL_KIND_WRITE;
}

/* To the table behind `word`, which stands outside parentheses: function arguments can't hide another FROM. */
static void read_table_after(struct scan *s, const char *word)
{
	const uint8_t *const end = s->end, *const fence = s->fence;
	const uint8_t *p = s->from, *from;
	int depth = 0;

	for (;;) {
		switch (cql_lex_step(&p, end, fence, &from)) {
		case CQL_TOK_WORD:
			if ((*from | 0x20) != *word || depth > 0 || !same_word(from, p, word))
				break;
			/* fall through */
		case CQL_TOK_END:
			s->p = p;
			read_table(s);
			return;
		case CQL_TOK_SYMBOL:
			if (*from == '(')
				depth++;
			else if (*from == ')')
				depth--;
			break;
		case CQL_TOK_BAD:
			s->out->bad = true;
			break;
		case CQL_TOK_QUOTED:
		case CQL_TOK_STRING:
		case CQL_TOK_NUMBER:
		case CQL_TOK_MARKER:
			break;
		}
	}
}

/* The rest decides nothing, but may be bad. */
static void read_rest(struct scan *s)
{
	const uint8_t *const end = s->end, *const fence = s->fence;
	const uint8_t *p = s->from, *from;
	enum cql_token_kind kind;

	do {
		kind = cql_lex_step(&p, end, fence, &from);
		if (kind == CQL_TOK_BAD)
			s->out->bad = true;
	} while (kind != CQL_TOK_END);
}

/* The words that decide, and what to read behind them. */
enum how {
	H_NOTHING,
	H_SELECT,
	H_WRITE,
	H_BEGIN,
	H_USE,
	H_TRUNCATE,
	H_CREATE,
	H_CHANGE, /* ALTER, DROP, ADD */
	H_TABLE,  /* below: objects of DDL */
	H_NAMED,
	H_INDEX,
	H_TRIGGER,
	H_VIEW,
};
struct meaning {
	const char *word;
	enum cql_kind kind;
	enum how how;
};

/* The last one, if none is it. */
static struct meaning find(const struct scan *s, const struct meaning *list)
{
	while (list->word && !is_word(s, list->word))
		list++;
	return *list;
}

/* [IF [NOT] EXISTS] name …, of the kind that `object` says. */
static void read_object(struct scan *s, enum how object, bool create)
{
	struct cql_table path;

	if (take_word(s, "if")) {
		take_word(s, "not");
		take_word(s, "exists");
	}
	if (object == H_TABLE)
		take_table(s);
	else if (object == H_TRIGGER || (object == H_INDEX && create)) /* lives in its table's keyspace */
		read_table_after(s, "on");
	else if (take_path(s, &path) && object == H_VIEW && create)
		read_table_after(s, "from");
}

/* The words behind CREATE, ALTER, DROP, ADD: the one for the thing decides. */
static enum cql_kind read_ddl(struct scan *s, bool create)
{
	static const struct meaning objects[] = {
		{"table", CQL_KIND_SCHEMA, H_TABLE},
		{"columnfamily", CQL_KIND_SCHEMA, H_TABLE},
		{"index", CQL_KIND_SCHEMA, H_INDEX},
		{"type", CQL_KIND_SCHEMA, H_NAMED},
		{"view", CQL_KIND_SCHEMA, H_VIEW},
		{"function", CQL_KIND_SCHEMA, H_NAMED},
		{"aggregate", CQL_KIND_SCHEMA, H_NAMED},
		{"trigger", CQL_KIND_SCHEMA, H_TRIGGER},
		{"keyspace", CQL_KIND_KEYSPACE, H_NOTHING},
		{"schema", CQL_KIND_KEYSPACE, H_NOTHING},
		{"role", CQL_KIND_ROLE, H_NOTHING},
		{"user", CQL_KIND_ROLE, H_NOTHING},
		{"identity", CQL_KIND_ROLE, H_NOTHING},
		{"generated", CQL_KIND_ROLE, H_NOTHING}, /* CREATE GENERATED ROLE (CEP-55) */
		{"search", CQL_KIND_OTHER, H_NOTHING},   /* DSE: SEARCH INDEX */
		{"rows", CQL_KIND_OTHER, H_NOTHING},     /* DSE */
		{"service", CQL_KIND_OTHER, H_NOTHING},  /* Scylla: SERVICE LEVEL */
		{NULL, CQL_KIND_UNKNOWN, H_NOTHING},
	};
	struct meaning m;

	if (take_word(s, "or"))
		take_word(s, "replace");
	else if (!take_word(s, "custom"))
		take_word(s, "materialized");
	m = find(s, objects);
	take(s);
	if (m.how != H_NOTHING)
		read_object(s, m.how, create);
	return m.kind;
}

static enum cql_kind read_statement(struct scan *s, struct meaning m)
{
	if (m.how == H_WRITE) {
		read_write(s);
		return m.kind;
	}
	take(s);
	switch (m.how) {
	case H_SELECT:
		read_table_after(s, "from");
		break;
	case H_BEGIN:
		return read_begin(s);
	case H_USE:
		if (is_name(s))
			s->out->use = take_name(s);
		break;
	case H_TRUNCATE:
		if (!take_word(s, "table"))
			take_word(s, "columnfamily");
		take_table(s);
		break;
	case H_CREATE:
		return read_ddl(s, true);
	case H_CHANGE:
		return read_ddl(s, false);
	case H_NOTHING:
	case H_WRITE:
	case H_TABLE:
	case H_NAMED:
	case H_INDEX:
	case H_TRIGGER:
	case H_VIEW:
		break;
	}
	return m.kind;
}

void cql_classify(struct cql_view text, struct cql_class *out)
{
	static const struct meaning verbs[] = {
		{"select", CQL_KIND_SELECT, H_SELECT},
		{"insert", CQL_KIND_WRITE, H_WRITE},
		{"update", CQL_KIND_WRITE, H_WRITE},
		{"delete", CQL_KIND_WRITE, H_WRITE},
		{"begin", CQL_KIND_WRITE, H_BEGIN},
		{"use", CQL_KIND_USE, H_USE},
		{"truncate", CQL_KIND_TRUNCATE, H_TRUNCATE},
		{"create", CQL_KIND_SCHEMA, H_CREATE},
		{"alter", CQL_KIND_SCHEMA, H_CHANGE},
		{"drop", CQL_KIND_SCHEMA, H_CHANGE},
		{"add", CQL_KIND_ROLE, H_CHANGE},
		{"grant", CQL_KIND_ROLE, H_NOTHING},
		{"revoke", CQL_KIND_ROLE, H_NOTHING},
		{"describe", CQL_KIND_DESCRIBE, H_NOTHING},
		{"desc", CQL_KIND_DESCRIBE, H_NOTHING},
		{"list", CQL_KIND_LIST, H_NOTHING},
		{"call", CQL_KIND_OTHER, H_NOTHING},    /* DSE */
		{"comment", CQL_KIND_OTHER, H_NOTHING}, /* Cassandra 6; so is security (label) */
		{"security", CQL_KIND_OTHER, H_NOTHING},
		{"commit", CQL_KIND_OTHER, H_NOTHING}, /* DSE: search indexes, rows */
		{"rebuild", CQL_KIND_OTHER, H_NOTHING},
		{"reload", CQL_KIND_OTHER, H_NOTHING},
		{"restrict", CQL_KIND_OTHER, H_NOTHING},
		{"unrestrict", CQL_KIND_OTHER, H_NOTHING},
		{"prune", CQL_KIND_OTHER, H_NOTHING}, /* Scylla: views, service levels */
		{"attach", CQL_KIND_OTHER, H_NOTHING},
		{"detach", CQL_KIND_OTHER, H_NOTHING},
		{NULL, CQL_KIND_UNKNOWN, H_NOTHING},
	};
	struct scan s = {.p = text.p, .end = text.p + text.n, .out = out};

	s.fence = cql_lex_fence(text.p, s.end);
	*out = (struct cql_class){.kind = CQL_KIND_UNKNOWN};
	take(&s);
	out->kind = read_statement(&s, find(&s, verbs));
	read_rest(&s);
}

const char *cql_kind_name(enum cql_kind k)
{
	static const char *const names[] = {
		[CQL_KIND_UNKNOWN] = "unknown",
		[CQL_KIND_SELECT] = "select",
		[CQL_KIND_WRITE] = "write",
		[CQL_KIND_USE] = "use",
		[CQL_KIND_TRUNCATE] = "truncate",
		[CQL_KIND_SCHEMA] = "schema",
		[CQL_KIND_KEYSPACE] = "keyspace",
		[CQL_KIND_ROLE] = "role",
		[CQL_KIND_DESCRIBE] = "describe",
		[CQL_KIND_LIST] = "list",
		[CQL_KIND_OTHER] = "other",
	};

	return (size_t)k < sizeof(names) / sizeof(*names) ? names[k] : "unknown";
}
