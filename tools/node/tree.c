#include "tree.h"

/* Priorities need no secrecy, only to be unlike the keys' order. */
static uint32_t next_priority(void)
{
	static uint32_t state = 0x9e3779b9;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

struct tree_node *tree_find(struct tree *t, tree_compare *cmp, const void *key, struct tree_slot *slot)
{
	struct tree_node *parent = NULL, **link = &t->root;

	while (*link) {
		int c = cmp(*link, key);

		if (c == 0)
			return *link;
		parent = *link;
		link = c < 0 ? &parent->right : &parent->left;
	}
	if (slot)
		*slot = (struct tree_slot){parent, link};
	return NULL;
}

/* Put n, a child, where its parent is. */
static void rotate_up(struct tree *t, struct tree_node *n)
{
	struct tree_node *p = n->parent, *g = p->parent;

	if (p->left == n) {
		p->left = n->right;
		if (p->left)
			p->left->parent = p;
		n->right = p;
	} else {
		p->right = n->left;
		if (p->right)
			p->right->parent = p;
		n->left = p;
	}
	p->parent = n;
	n->parent = g;
	if (!g)
		t->root = n;
	else if (g->left == p)
		g->left = n;
	else
		g->right = n;
}

void tree_insert(struct tree *t, struct tree_node *n, const struct tree_slot *slot)
{
	*n = (struct tree_node){.parent = slot->parent, .priority = next_priority()};
	*slot->link = n;
	while (n->parent && n->parent->priority < n->priority)
		rotate_up(t, n);
}

struct tree_node *tree_ceil(const struct tree *t, tree_compare *cmp, const void *key)
{
	struct tree_node *best = NULL;

	for (struct tree_node *n = t->root; n;) {
		if (cmp(n, key) < 0) {
			n = n->right;
		} else {
			best = n;
			n = n->left;
		}
	}
	return best;
}

struct tree_node *tree_floor(const struct tree *t, tree_compare *cmp, const void *key)
{
	struct tree_node *best = NULL;

	for (struct tree_node *n = t->root; n;) {
		if (cmp(n, key) > 0) {
			n = n->left;
		} else {
			best = n;
			n = n->right;
		}
	}
	return best;
}

struct tree_node *tree_first(const struct tree *t)
{
	struct tree_node *n = t->root;

	while (n && n->left)
		n = n->left;
	return n;
}

struct tree_node *tree_next(const struct tree_node *n)
{
	struct tree_node *p;

	if (n->right) {
		for (p = n->right; p->left;)
			p = p->left;
		return p;
	}
	for (p = n->parent; p && p->right == n; p = p->parent)
		n = p;
	return p;
}

struct tree_node *tree_prev(const struct tree_node *n)
{
	struct tree_node *p;

	if (n->left) {
		for (p = n->left; p->right;)
			p = p->right;
		return p;
	}
	for (p = n->parent; p && p->left == n; p = p->parent)
		n = p;
	return p;
}

void tree_clear(struct tree *t, void (*free_node)(struct tree_node *n, void *ctx), void *ctx)
{
	struct tree_node *n = t->root;

	while (n) {
		if (n->left) {
			n = n->left;
		} else if (n->right) {
			n = n->right;
		} else {
			struct tree_node *p = n->parent;

			if (p && p->left == n)
				p->left = NULL;
			else if (p)
				p->right = NULL;
			free_node(n, ctx);
			n = p;
		}
	}
	t->root = NULL;
}
