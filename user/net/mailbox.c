#include "net/mailbox.h"

#include <errno.h>

struct letter {
	struct list link;
	mailbox_fn *fn;
	void *arg;
};

static struct letter *take(struct mailbox *m)
{
	pthread_mutex_lock(&m->lock);
	struct list *l = list_empty(&m->letters) ? NULL : m->letters.next;
	if (l)
		list_del(l);
	pthread_mutex_unlock(&m->lock);
	return l ? list_entry(l, struct letter, link) : NULL;
}

void mailbox_empty(struct mailbox *m)
{
	for (struct letter *l; (l = take(m));) {
		l->fn(m->owner, l->arg);
		free(l);
	}
}

static void on_async(uv_async_t *a)
{
	mailbox_empty(container_of(a, struct mailbox, async));
}

int mailbox_open(struct mailbox *m, uv_loop_t *loop, void *owner)
{
	list_init(&m->letters);
	m->owner = owner;
	int err = uv_async_init(loop, &m->async, on_async);
	return err ? err : -pthread_mutex_init(&m->lock, NULL);
}

int mailbox_post(struct mailbox *m, mailbox_fn *fn, void *arg)
{
	struct letter *l = calloc(1, sizeof *l);

	if (!l)
		return -ENOMEM;
	l->fn = fn;
	l->arg = arg;
	pthread_mutex_lock(&m->lock);
	list_push(&m->letters, &l->link);
	pthread_mutex_unlock(&m->lock);
	uv_async_send(&m->async);
	return 0;
}

void mailbox_close(struct mailbox *m)
{
	uv_close((uv_handle_t *)&m->async, NULL);
}

void mailbox_fini(struct mailbox *m)
{
	pthread_mutex_destroy(&m->lock);
}
