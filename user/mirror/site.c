#include "mirror/site.h"

#include "base/text.h"

#include <string.h>

struct site *site_new(const char *name, const char *user, const char *password, const char *datacenter)
{
	struct site *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	text_copy(s->name, sizeof s->name, name);
	s->user = user ? strdup(user) : NULL;
	s->password = password ? strdup(password) : NULL;
	if (datacenter)
		text_copy(s->datacenter, sizeof s->datacenter, datacenter);
	s->datacenter_fixed = datacenter != NULL;
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

void site_free(struct site *s)
{
	if (!s)
		return;
	topology_close(s->topology);
	pthread_mutex_destroy(&s->lock);
	free(s->discovery);
	free(s->nodes);
	free(s->supported);
	free(s->user);
	free(s->password);
	free(s);
}

void site_update(struct site *s, const struct topology_view *v)
{
	pthread_mutex_lock(&s->lock);
	s->connected = v->connected;
	if (!v->ok) {
		pthread_mutex_unlock(&s->lock);
		return;
	}
	if (!s->datacenter_fixed && !s->datacenter[0])
		memcpy(s->datacenter, v->datacenter,
			sizeof s->datacenter < sizeof v->datacenter ? sizeof s->datacenter
								    : sizeof v->datacenter);
	struct endpoint *nodes = calloc(v->n_nodes ? v->n_nodes : 1, sizeof *nodes);
	uint8_t *supported = malloc(v->supported.n ? v->supported.n : 1);
	if (nodes && supported) {
		size_t n = 0;
		for (int live = 1; live >= 0; live--) {
			for (size_t i = 0; i < v->n_nodes; i++)
				if (v->nodes[i].up == live && !strcmp(v->nodes[i].datacenter, s->datacenter))
					nodes[n++] = v->nodes[i].at;
			if (live)
				s->n_live = n;
		}
		s->n_nodes = n;
		memcpy(s->versions, v->versions, sizeof s->versions);
		if (v->supported.n)
			memcpy(supported, v->supported.p, v->supported.n);
		s->supported_n = v->supported.n;
		s->known = true;
		free(s->nodes);
		free(s->supported);
		s->nodes = TAKE_PTR(nodes);
		s->supported = TAKE_PTR(supported);
	}
	pthread_mutex_unlock(&s->lock);
	free(nodes);
	free(supported);
}

unsigned site_rotor(struct site *s)
{
	return atomic_fetch_add_explicit(&s->rotor, 1, memory_order_relaxed);
}

bool site_node(struct site *s, unsigned start, unsigned tried, struct endpoint *out)
{
	bool found = false;

	pthread_mutex_lock(&s->lock);
	if (tried < s->n_live) {
		*out = s->nodes[(start + tried) % s->n_live];
		found = true;
	} else if (tried < s->n_nodes) {
		*out = s->nodes[tried];
		found = true;
	}
	pthread_mutex_unlock(&s->lock);
	return found;
}

bool site_speaks(struct site *s, uint8_t version)
{
	pthread_mutex_lock(&s->lock);
	bool yes = !s->known || (version < sizeof s->versions && s->versions[version]);
	pthread_mutex_unlock(&s->lock);
	return yes;
}

uint8_t *site_supported(struct site *s, size_t *n)
{
	uint8_t *copy = NULL;

	pthread_mutex_lock(&s->lock);
	if (s->known && s->supported_n && (copy = malloc(s->supported_n))) {
		memcpy(copy, s->supported, s->supported_n);
		*n = s->supported_n;
	}
	pthread_mutex_unlock(&s->lock);
	return copy;
}
