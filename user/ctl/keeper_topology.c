/* What the mirror found out about clusters: which addresses an app's Origin has, and who speaks which protocol version. */
#include "ctl/keeper_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SEAM_VERSIONS (1u << 3 | 1u << 4 | 1u << 5)
/* Released versions of Apache Cassandra. Betas (6) and DSE's (0x41, 0x42) are stepped down from by every driver. */
#define RELEASED      (1u << 1 | 1u << 2 | 1u << 3 | 1u << 4 | 1u << 5)
#define ENDPOINTS_MAX 4096

static struct keeper_cluster *find(struct keeper *k, const char *name)
{
	for (size_t i = 0; name && i < k->config->n_clusters; i++)
		if (!strcmp(k->config->clusters[i].name, name))
			return &k->clusters[i];
	return NULL;
}

static int take_endpoints(struct keeper_cluster *c, const json_t *list)
{
	size_t n = json_array_size(list), i;
	struct endpoint *e;
	json_t *v;

	if (!n || n > ENDPOINTS_MAX)
		return -EINVAL;
	e = calloc(n, sizeof *e);
	if (!e)
		return -ENOMEM;
	json_array_foreach (list, i, v)
		if (!json_is_string(v) || endpoint_parse(json_string_value(v), 0, &e[i]) || !e[i].port) {
			free(e);
			return -EINVAL;
		}
	free(c->endpoints);
	c->endpoints = e;
	c->n_endpoints = n;
	return 0;
}

static void take_versions(struct keeper *k, struct keeper_cluster *c, const json_t *list)
{
	unsigned versions = 0;
	size_t i;
	json_t *v;

	json_array_foreach (list, i, v) {
		json_int_t n = json_integer_value(v);
		if (n > 0 && n < 31)
			versions |= 1u << n;
	}
	struct state_cluster *s = state_cluster(k->state, c->c->name);
	if (!versions || !s)
		return;
	c->versions = versions;
	if (s->versions != versions) {
		s->versions = versions;
		keeper_save_or_log(k);
	}
}

/* Said once for each kind of trouble: the mirror tries again and again. */
static void trouble(struct keeper_cluster *c, const char *error)
{
	if (strcmp(c->error, error))
		log_warn("cluster_unreachable", "cluster=%s error=" LOGV, c->c->name, log_quote(error));
	snprintf(c->error, sizeof c->error, "%s", error);
}

static void retarget(struct keeper_app *a)
{
	struct endpoint *e = NULL;
	size_t n = 0;
	int err = keeper_endpoints(a, &e, &n);

	if (!err)
		err = a->k->env->targets_replace(a->capture, e, n);
	if (err)
		log_error("endpoints_not_set", "app=%s error=" LOGV, a->c->name, log_quote(strerror(-err)));
	free(e);
}

void keeper_topology(struct keeper *k, const json_t *message)
{
	struct keeper_cluster *c = find(k, json_string_value(json_object_get(message, "cluster")));
	const char *error = json_string_value(json_object_get(message, "error"));

	if (!c)
		return;
	c->heard = true;
	if (!json_is_true(json_object_get(message, "ok"))) {
		trouble(c, error ? error : "unknown error");
	} else if (take_endpoints(c, json_object_get(message, "endpoints"))) {
		trouble(c, "its list of nodes makes no sense");
	} else {
		c->error[0] = 0;
		take_versions(k, c, json_object_get(message, "versions"));
		log_debug("topology", "cluster=%s endpoints=%zu", c->c->name, c->n_endpoints);
	}
	for (size_t i = 0; i < k->config->n_apps; i++) {
		struct keeper_app *a = &k->apps[i];
		if (a->origin == c && a->capture && c->n_endpoints)
			retarget(a);
		if (a->origin == c || a->target == c)
			keeper_app_step(a);
	}
}

int keeper_endpoints(const struct keeper_app *a, struct endpoint **out, size_t *n)
{
	const struct config_cluster *c = a->origin->c;
	size_t total = a->origin->n_endpoints + c->n_endpoints;
	struct endpoint *e = calloc(total + 1, sizeof *e);

	if (!e)
		return -ENOMEM;
	if (a->origin->n_endpoints)
		memcpy(e, a->origin->endpoints, a->origin->n_endpoints * sizeof *e);
	if (c->n_endpoints)
		memcpy(e + a->origin->n_endpoints, c->endpoints, c->n_endpoints * sizeof *e);
	*out = e;
	*n = total;
	return 0;
}

static void list_versions(unsigned versions, char out[64])
{
	size_t n = 0;

	out[0] = 0;
	for (unsigned v = 1; v < 31; v++)
		if (versions & 1u << v)
			n += (size_t)snprintf(out + n, 64 - n, "%sv%u", n ? " " : "", v);
}

int keeper_versions(struct keeper_app *a, struct reason *why)
{
	const struct state_cluster *target = state_cluster(a->k->state, a->target->c->name);
	char missing[64], there[64];

	if (!target || !target->versions)
		return reason_set(why, a->target->heard ? -EPERM : -EAGAIN,
			"the protocol versions of %s (Target) have never been known: %s", a->target->c->name,
			a->target->heard ? a->target->error : "it is being asked");
	if (!a->origin->versions)
		return reason_set(why, a->origin->heard ? -EPERM : -EAGAIN,
			"the protocol versions of %s (Origin) are not known: %s", a->origin->c->name,
			a->origin->heard ? a->origin->error : "it is being asked");
	unsigned lacking = a->origin->versions & RELEASED & ~(target->versions & SEAM_VERSIONS);
	if (!lacking)
		return 0;
	list_versions(lacking, missing);
	list_versions(target->versions & SEAM_VERSIONS, there);
	return reason_set(why, -EPERM,
		"Origin speaks %s, which Target and Seam together do not (they have %s): a driver that "
		"negotiated it could not come back; "
		"--force attaches anyway",
		missing, there);
}
