/*
 * An ordered set: a treap of nodes that lie inside their objects. Nodes leave only all together (tombstones stay in the store), so there is no
 * removal. The comparison of an object with a key is the caller's.
 */
#pragma once
#include "base/attr.h"

struct tree_node {
	struct tree_node *left, *right, *parent;
	uint32_t priority;
};
struct tree {
	struct tree_node *root;
};
/* Where a missing key would hang; valid until the tree changes. */
struct tree_slot {
	struct tree_node *parent, **link;
};
/* Below 0: the node stands before the key; 0: it is it; above: behind it. */
typedef int tree_compare(const struct tree_node *n, const void *key);

/* NULL and *slot (if not NULL) when there is none. */
struct tree_node *tree_find(struct tree *t, tree_compare *cmp, const void *key, struct tree_slot *slot);
void tree_insert(struct tree *t, struct tree_node *n, const struct tree_slot *slot);
/* The first node that does not stand before the key; the last one that does not stand behind it. */
struct tree_node *tree_ceil(const struct tree *t, tree_compare *cmp, const void *key);
struct tree_node *tree_floor(const struct tree *t, tree_compare *cmp, const void *key);
struct tree_node *tree_first(const struct tree *t);
struct tree_node *tree_next(const struct tree_node *n);
struct tree_node *tree_prev(const struct tree_node *n);
/* Every node once, children before parents, so that `free_node` may free it. */
void tree_clear(struct tree *t, void (*free_node)(struct tree_node *n, void *ctx), void *ctx);
