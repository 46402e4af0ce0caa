#include "ctl/schema.h"
#include "ctl/units.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FILE_MAX  (1 << 20)
#define NAMES_MAX 1024

int schema_error(struct schema *s, size_t line, const char *fmt, ...)
{
	char text[REASON_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return reason_set(s->why, -EINVAL, "%s:%zu: %s", s->file, line, text);
}

size_t schema_line(const yaml_node_t *node)
{
	return node->start_mark.line + 1;
}

static yaml_node_t *node_at(struct schema *s, int i)
{
	return yaml_document_get_node(s->document, i);
}

static const char *kind_of(const yaml_node_t *n)
{
	return n->type == YAML_MAPPING_NODE    ? "keys and values"
	       : n->type == YAML_SEQUENCE_NODE ? "a list"
					       : "a single value";
}

/* A scalar without NUL inside; else NULL. */
static const char *scalar(const yaml_node_t *n)
{
	const char *text;

	if (n->type != YAML_SCALAR_NODE)
		return NULL;
	text = (const char *)n->data.scalar.value;
	return strlen(text) == n->data.scalar.length ? text : NULL;
}

const char *schema_text(struct schema *s, yaml_node_t *node, const char *what)
{
	const char *text = scalar(node);
	int err = 0;

	if (!text)
		err = schema_error(s, schema_line(node), "%s is %s, expected a single value", what,
			node->type == YAML_SCALAR_NODE ? "text with a NUL in it" : kind_of(node));
	else if (!*text)
		err = schema_error(s, schema_line(node), "%s has no value, expected one", what);
	return err ? NULL : text;
}

static void list_keys(const struct schema_key *keys, char *out, size_t size)
{
	size_t n = 0;

	out[0] = 0;
	for (; keys->name && n < size; keys++)
		n += (size_t)snprintf(out + n, size - n, "%s%s",
			n == 0         ? ""
			: keys[1].name ? ", "
				       : " or ",
			keys->name);
}

/* Place of `text` in the blank-separated `words`, or -1. */
static int word_place(const char *words, const char *text)
{
	size_t n = strlen(text);
	int place = 0;

	for (const char *w = words; w && *w; place++) {
		size_t len = strcspn(w, " ");
		if (len == n && !memcmp(w, text, n))
			return place;
		w += len;
		w += strspn(w, " ");
	}
	return -1;
}

static int take_word(struct schema *s, yaml_node_t *v, const struct schema_key *k, int *out)
{
	const char *text = schema_text(s, v, k->name);
	int place;

	if (!text)
		return -EINVAL;
	if (word_place(k->later, text) >= 0)
		return schema_error(s, schema_line(v), "%s: %s is not in this version, expected one of: %s",
			k->name, text, k->words);
	place = word_place(k->words, text);
	if (place < 0)
		return schema_error(
			s, schema_line(v), "%s is \"%s\", expected one of: %s", k->name, text, k->words);
	*out = place;
	return 0;
}

static int take_amount(struct schema *s, yaml_node_t *v, const struct schema_key *k, uint64_t *out)
{
	static int (*const parse[])(const char *, uint64_t *) = {
		[SCHEMA_DURATION] = units_duration,
		[SCHEMA_SIZE] = units_size,
		[SCHEMA_PERCENT] = units_percent,
		[SCHEMA_NUMBER] = units_number,
	};
	static const char *const forms[] = {
		[SCHEMA_DURATION] = "a time such as 250ms, 12s or 5min",
		[SCHEMA_SIZE] = "a size such as 16MiB or 1GiB",
		[SCHEMA_PERCENT] = "a share from 0% to 100%",
		[SCHEMA_NUMBER] = "a whole number",
	};
	const char *text = schema_text(s, v, k->name);
	uint64_t n;

	if (!text)
		return -EINVAL;
	int err = parse[k->kind](text, &n);
	if (err || n < k->min || (k->max && n > k->max))
		return schema_error(s, schema_line(v), "%s is \"%s\", expected %s%s%s%s", k->name, text,
			forms[k->kind], k->expected ? " (" : "", k->expected ? k->expected : "",
			k->expected ? ")" : "");
	*out = n;
	return 0;
}

static int take_text(struct schema *s, yaml_node_t *v, const struct schema_key *k, char **out)
{
	const char *text = schema_text(s, v, k->name);

	if (!text)
		return -EINVAL;
	free(*out);
	*out = strdup(text);
	return *out ? 0 : -ENOMEM;
}

static int take_value(struct schema *s, yaml_node_t *v, const struct schema_key *k, void *object)
{
	void *at = (char *)object + k->at;

	switch (k->kind) {
	case SCHEMA_DURATION:
	case SCHEMA_SIZE:
	case SCHEMA_PERCENT:
	case SCHEMA_NUMBER:
		return take_amount(s, v, k, at);
	case SCHEMA_WORD:
		return take_word(s, v, k, at);
	case SCHEMA_TEXT:
		return take_text(s, v, k, at);
	case SCHEMA_OBJECT:
		return schema_object(s, v, k->name, k->keys, at, NULL);
	case SCHEMA_OWN:
		break;
	}
	return k->take(s, v, object);
}

static int expect_mapping(struct schema *s, yaml_node_t *node, const char *what)
{
	if (node->type == YAML_MAPPING_NODE)
		return 0;
	return schema_error(s, schema_line(node), "%s is %s, expected keys and values", what, kind_of(node));
}

/* The first pair before `p` with the same key. */
static bool doubled(struct schema *s, yaml_node_t *node, const yaml_node_pair_t *p, const char *name)
{
	for (yaml_node_pair_t *q = node->data.mapping.pairs.start; q < p; q++) {
		const char *other = scalar(node_at(s, q->key));
		if (other && !strcmp(other, name))
			return true;
	}
	return false;
}

int schema_object(struct schema *s, yaml_node_t *node, const char *what, const struct schema_key *keys,
	void *object, size_t *lines)
{
	char list[300];
	int err = expect_mapping(s, node, what);

	for (yaml_node_pair_t *p = err ? NULL : node->data.mapping.pairs.start;
		p && p < node->data.mapping.pairs.top && !err; p++) {
		yaml_node_t *key = node_at(s, p->key), *value = node_at(s, p->value);
		const char *name = scalar(key);
		const struct schema_key *k = keys;
		while (k->name && (!name || strcmp(k->name, name)))
			k++;
		if (!k->name) {
			list_keys(keys, list, sizeof list);
			return schema_error(s, schema_line(key), "unknown key \"%.60s\" in %s, expected %s",
				name ? name : "?", what, list);
		}
		if (doubled(s, node, p, name))
			return schema_error(
				s, schema_line(key), "%s stands twice in %s, expected once", name, what);
		if (lines)
			lines[k - keys] = schema_line(value);
		err = take_value(s, value, k, object);
	}
	return err;
}

int schema_names(struct schema *s, yaml_node_t *node, const char *what,
	int (*each)(struct schema *s, const char *name, size_t line, yaml_node_t *value, void *ctx),
	void *ctx)
{
	int err = expect_mapping(s, node, what);

	for (yaml_node_pair_t *p = err ? NULL : node->data.mapping.pairs.start;
		p && p < node->data.mapping.pairs.top && !err; p++) {
		yaml_node_t *key = node_at(s, p->key);
		const char *name = schema_text(s, key, what);
		if (!name)
			return -EINVAL;
		if (p - node->data.mapping.pairs.start >= NAMES_MAX)
			return schema_error(
				s, schema_line(key), "more than %d %s, expected fewer", NAMES_MAX, what);
		if (doubled(s, node, p, name))
			return schema_error(
				s, schema_line(key), "%.60s stands twice in %s, expected once", name, what);
		err = each(s, name, schema_line(key), node_at(s, p->value), ctx);
	}
	return err;
}

int schema_texts(struct schema *s, yaml_node_t *node, const char *what,
	int (*each)(struct schema *s, const char *text, size_t line, void *ctx), void *ctx)
{
	int err = 0;

	if (node->type != YAML_SEQUENCE_NODE)
		return schema_error(s, schema_line(node), "%s is %s, expected a list", what, kind_of(node));
	for (yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top && !err;
		i++) {
		const char *text = schema_text(s, node_at(s, *i), what);
		err = text ? each(s, text, schema_line(node_at(s, *i)), ctx) : -EINVAL;
	}
	return err;
}

static int load(struct schema *s, yaml_parser_t *parser, FILE *f,
	int (*take)(struct schema *, yaml_node_t *, void *), void *ctx)
{
	yaml_document_t document, second;
	auto_free char *text = malloc(FILE_MAX + 1);
	int err;

	if (!text)
		return reason_set(s->why, -ENOMEM, "no memory");
	size_t n = fread(text, 1, FILE_MAX + 1, f);
	if (ferror(f))
		return schema_error(s, 1, "cannot be read: %s, expected a readable file", strerror(errno));
	if (n > FILE_MAX)
		return schema_error(s, 1, "larger than 1 MiB, expected a smaller file");
	yaml_parser_set_input_string(parser, (const unsigned char *)text, n);
	if (!yaml_parser_load(parser, &document))
		return schema_error(s, parser->problem_mark.line + 1, "%s, expected YAML",
			parser->problem ? parser->problem : "cannot be parsed");
	s->document = &document;
	err = take(s, yaml_document_get_root_node(&document), ctx);
	yaml_document_delete(&document);
	if (err)
		return err;
	/* Whatever follows must be the end of the stream: an ignored second document would be settings that do nothing. */
	if (!yaml_parser_load(parser, &second))
		return schema_error(s, parser->problem_mark.line + 1, "%s, expected YAML",
			parser->problem ? parser->problem : "cannot be parsed");
	yaml_node_t *more = yaml_document_get_root_node(&second);
	if (more)
		err = schema_error(s, schema_line(more), "a second document, expected one");
	yaml_document_delete(&second);
	return err;
}

int schema_read(const char *file, int (*take)(struct schema *s, yaml_node_t *root, void *ctx), void *ctx,
	struct reason *why)
{
	struct schema s = {.file = file, .why = why};
	yaml_parser_t parser;
	FILE *f = fopen(file, "re");
	int err;

	if (!f)
		return schema_error(&s, 1, "cannot be opened: %s, expected a readable file", strerror(errno));
	if (!yaml_parser_initialize(&parser)) {
		fclose(f);
		return reason_set(why, -ENOMEM, "no memory");
	}
	err = load(&s, &parser, f, take, ctx);
	yaml_parser_delete(&parser);
	fclose(f);
	return err;
}
