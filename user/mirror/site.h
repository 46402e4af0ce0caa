/*
 * A site: what the workers may know about one configured cluster. The main thread's discovery writes it, workers read copies.
 */
#pragma once
#include "client/topology.h"
#include "mirror/policy.h"
#include <pthread.h>

struct site {
	char name[NAME_CAP];
	char *user, *password;     /* Seam's own login, NULL: none */
	char datacenter[NAME_CAP]; /* that Target legs stay in; "" until known */
	bool datacenter_fixed;     /* by the config */
	struct topology *topology; /* main thread only */
	void *discovery;           /* what its callback gets; on the heap, freed with the site */
	pthread_mutex_t lock;
	bool known, connected;
	struct endpoint *nodes; /* of the datacenter, live first */
	size_t n_nodes, n_live;
	bool versions[8];
	uint8_t *supported; /* body of SUPPORTED */
	size_t supported_n;
	atomic_uint rotor;
};

struct site *site_new(const char *name, const char *user, const char *password, const char *datacenter);
void site_free(struct site *s);
void site_update(struct site *s, const struct topology_view *v);
/*
 * The node to dial next: round robin over the live ones, then over those that were told to be down. `tried` counts from 0 within one
 * attempt, `start` is what site_rotor() gave for it. False: every node was tried, or none is known.
 */
unsigned site_rotor(struct site *s);
bool site_node(struct site *s, unsigned start, unsigned tried, struct endpoint *out);
/* Does it speak this version, as far as is known? Unknown: yes. */
bool site_speaks(struct site *s, uint8_t version);
/* A copy of SUPPORTED's body on the heap, or NULL. */
uint8_t *site_supported(struct site *s, size_t *n);
