#include "fault.h"
#include "arena.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void fault_init(struct fault_list *l)
{
	list_init(&l->list);
}

void fault_add(struct fault_list *l, const struct fault *f)
{
	struct fault *copy = must_alloc(sizeof(*copy));

	*copy = *f;
	if (f->match)
		copy->match = must_copy(cql_view_of(f->match));
	list_init(&copy->link);
	list_push(&l->list, &copy->link);
}

static void fault_free(struct fault *f)
{
	list_del(&f->link);
	free(f->match);
	free(f);
}

void fault_clear(struct fault_list *l)
{
	list_for_each_safe (it, &l->list)
		fault_free(list_entry(it, struct fault, link));
}

static bool is_word_byte(uint8_t c)
{
	return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

bool fault_has_word(struct cql_view text, const char *word)
{
	size_t n = strlen(word);

	if (!n)
		return true;
	for (size_t i = 0; i + n <= text.n; i++) {
		if (strncasecmp((const char *)text.p + i, word, n) != 0)
			continue;
		bool begins = i == 0 || !is_word_byte(text.p[i - 1]) || !is_word_byte((uint8_t)word[0]);
		bool ends = i + n == text.n || !is_word_byte(text.p[i + n]) ||
			    !is_word_byte((uint8_t)word[n - 1]);

		if (begins && ends)
			return true;
	}
	return false;
}

bool fault_fits(const struct fault *f, const struct node *n, const struct endpoint *client)
{
	return (!f->node || f->node == n) && (!f->has_client || endpoint_equal(&f->client, client));
}

void fault_use(struct fault *f)
{
	if (f->times != UINT32_MAX && --f->times == 0)
		fault_free(f);
}
