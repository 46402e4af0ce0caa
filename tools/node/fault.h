/* What the control socket breaks on purpose. Faults are looked at in the order in which they were set; the first that fits takes the request. */
#pragma once
#include "base/endpoint.h"
#include "base/list.h"
#include "cql/bytes.h"

struct node;

enum fault_kind {
	FAULT_NONE,
	FAULT_DELAY,         /* the request is held for ms, then runs */
	FAULT_HANG,          /* it is never answered */
	FAULT_ERROR,         /* it is answered with `code`, and does not run */
	FAULT_DROP,          /* its connection is closed */
	FAULT_FREEZE,        /* the node, or connections that fit, neither read nor write */
	FAULT_SLOW_READ,     /* connections read a little each ms */
	FAULT_REFUSE_VERSION /* versions from `code` on are not spoken */
};
struct fault {
	struct list link;
	enum fault_kind kind;
	uint32_t ms;
	int32_t code;
	struct node *node;      /* NULL: all */
	struct endpoint client; /* port 0 and no address: all */
	bool has_client;
	char *match;    /* NULL: all */
	uint32_t times; /* left; UINT32_MAX: until cleared */
	bool executed;  /* hang, error and drop come after the request has run: "unknown outcome" */
};
struct fault_list {
	struct list list;
};

void fault_init(struct fault_list *l);
void fault_add(struct fault_list *l, const struct fault *f); /* copies; match too */
void fault_clear(struct fault_list *l);
static inline bool fault_any(const struct fault_list *l)
{
	return !list_empty(&l->list);
}
/* Is the word in the text, in any case, not inside a longer word? */
bool fault_has_word(struct cql_view text, const char *word);
/* Does the fault concern that connection? */
bool fault_fits(const struct fault *f, const struct node *n, const struct endpoint *client);
/* A use of it: when its times are used up it is gone. */
void fault_use(struct fault *f);
