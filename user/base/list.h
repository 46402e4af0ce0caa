/* Intrusive doubly linked list, head is a link itself; counters come from the lists' owners. */
#pragma once
#include "base/attr.h"
#include <stdbool.h>

struct list {
	struct list *prev, *next;
};

static inline void list_init(struct list *l)
{
	l->prev = l->next = l;
}
static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}
static inline void list_push(struct list *head, struct list *l) /* at the end */
{
	l->prev = head->prev;
	l->next = head;
	head->prev->next = l;
	head->prev = l;
}
static inline void list_del(struct list *l) /* leaves l empty: deleting twice is harmless */
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	list_init(l);
}
#define list_entry(l, type, member) container_of(l, type, member)
#define list_for_each(it, head)     for (struct list *it = (head)->next; it != (head); it = it->next)
#define list_for_each_safe(it, head)                                                                         \
	for (struct list *it = (head)->next, *it##_next = it->next; it != (head);                            \
		it = it##_next, it##_next = it->next)
