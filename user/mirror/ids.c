#include "mirror/ids.h"

#include <string.h>

static void **slot(const struct ids *t, int id)
{
	void **page = t->page[id / IDS_PAGE];

	return page ? &page[id % IDS_PAGE] : NULL;
}

static bool is_free(const struct ids *t, int id)
{
	void **s = slot(t, id);

	return !s || !*s;
}

int ids_take(struct ids *t, int wish, void *owner)
{
	int id = wish;

	if (t->used == IDS_PAGE * IDS_PAGES)
		return -1;
	if (id < 0 || !is_free(t, id)) {
		/* Numbers near the rotor, so that a leg with few requests touches few pages. */
		for (id = t->rotor; !is_free(t, id); id = (id + 1) % (IDS_PAGE * IDS_PAGES))
			;
		t->rotor = (uint16_t)((id + 1) % (IDS_PAGE * IDS_PAGES));
	}
	if (!t->page[id / IDS_PAGE]) {
		t->page[id / IDS_PAGE] = calloc(IDS_PAGE, sizeof(void *));
		if (!t->page[id / IDS_PAGE])
			return -1;
	}
	*slot(t, id) = owner;
	t->used++;
	return id;
}

void *ids_owner(const struct ids *t, int id)
{
	void **s = id < 0 ? NULL : slot(t, id);

	return s ? *s : NULL;
}

void ids_change(struct ids *t, int id, void *owner)
{
	*slot(t, id) = owner;
}

void ids_free(struct ids *t, int id)
{
	void **s = slot(t, id);

	if (!s || !*s)
		return;
	*s = NULL;
	if (--t->used)
		return;
	/* Nothing outstanding: an idle leg gives its memory back, but for the page that the next request will want. */
	for (unsigned i = 0; i < IDS_PAGES; i++)
		if (i != (unsigned)id / IDS_PAGE)
			free(TAKE_PTR(t->page[i]));
	t->rotor = (uint16_t)(id / IDS_PAGE * IDS_PAGE);
}

void ids_each(struct ids *t, void (*fn)(void *ctx, int id, void *owner), void *ctx)
{
	for (int id = 0; id < IDS_PAGE * IDS_PAGES; id++) {
		if (!t->page[id / IDS_PAGE]) {
			id += IDS_PAGE - 1;
			continue;
		}
		void *owner = ids_owner(t, id);
		if (owner)
			fn(ctx, id, owner);
	}
}

void ids_fini(struct ids *t)
{
	for (unsigned i = 0; i < IDS_PAGES; i++)
		free(t->page[i]);
	memset(t, 0, sizeof *t);
}
