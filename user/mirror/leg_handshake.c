/* Seam's own handshake on a Target leg: the client's version and compression, Seam's login. */
#include "base/text.h"
#include "client/out.h"
#include "mirror/worker.h"

#include <string.h>

static void say(struct leg *l, uint8_t opcode, struct cql_writer *body)
{
	struct cql_header h = {.version = l->s->version, .opcode = opcode};

	if (body->failed)
		l->pipe.out.failed = true;
	else
		pipe_send(&l->pipe, &h, (struct cql_view){body->p, body->len});
	out_free(body);
}

void leg_handshake_begin(struct leg *l)
{
	struct cql_writer w = OUT_EMPTY;

	leg_set_state(l, LEG_STARTING);
	cql_startup_write(
		&w, l->s->compression, cql_view_of(l->s->driver), cql_view_of(l->s->driver_version));
	say(l, CQL_STARTUP, &w);
}

static void use_framing(struct leg *l)
{
	if (l->s->version >= CQL_V5)
		pipe_use_segments(&l->pipe, l->s->compression == CQL_COMPRESSION_LZ4);
}

static void log_in(struct leg *l)
{
	struct session *s = l->s;
	struct site *t = s->app->site[TARGET];
	struct cql_writer w = OUT_EMPTY;

	use_framing(l);
	if (s->policy->forward_auth) {
		if (!s->token) {
			l->login_refused = true; /* its own trouble: it rests, no other session is told */
			leg_target_lost(l, "wants a login and the client gave none to forward");
			return;
		}
		cql_write_bytes(&w, (struct cql_view){s->token, s->token_n});
	} else if (t->user) {
		cql_plain_write(&w, cql_view_of(t->user), cql_view_of(t->password));
	} else {
		leg_target_lost(l, "wants a login and no credentials are configured");
		return;
	}
	leg_set_state(l, LEG_AUTH);
	say(l, CQL_AUTH_RESPONSE, &w);
}

static void ready(struct leg *l)
{
	leg_set_state(l, LEG_READY);
	breaker_ok(&l->s->app->breaker);
	l->admitted = false;
	l->why[0] = 0;
	l->first_ns = 0;
	leg_sync_keyspace(l); /* the client may have moved on meanwhile; then what waited goes */
}

/* Logged in: first into the session's keyspace, then anything. */
static void logged_in(struct leg *l)
{
	struct cql_writer w = OUT_EMPTY;
	char text[TABLE_CAP];
	const struct cql_query_opts o = {.consistency = CQL_ONE};

	if (!l->s->keyspace[0]) {
		ready(l);
		return;
	}
	leg_set_state(l, LEG_KEYSPACE);
	leg_use_text(text, sizeof text, l->s->keyspace);
	text_copy(l->keyspace, sizeof l->keyspace, l->s->keyspace);
	cql_query_write(&w, l->s->version, cql_view_of(text), &o);
	say(l, CQL_QUERY, &w);
}

static void refused(struct leg *l, struct cql_view body)
{
	struct cql_server_error e;
	struct cql_error err;
	char why[sizeof l->why];

	if (!cql_error_read(l->s->version, body, &e, &err)) {
		leg_target_lost(l, "malformed ERROR in the handshake");
		return;
	}
	size_t n = e.message.n < sizeof why - 1 ? e.message.n : sizeof why - 1;
	memcpy(why, e.message.p, n);
	why[n] = 0;
	leg_target_lost(l, why);
}

void leg_handshake_envelope(struct leg *l, const struct cql_header *h, struct cql_view body)
{
	if (l->state == LEG_KEYSPACE) {
		/* Missing there: the leg serves what is qualified. Should the client have moved on, the leg follows once it is ready. */
		if (h->opcode != CQL_RESULT)
			leg_keyspace_missing(l);
		ready(l);
	} else if (h->opcode == CQL_ERROR) {
		l->login_refused = l->state == LEG_AUTH;
		refused(l, body);
	} else if (l->state == LEG_STARTING && h->opcode == CQL_READY) {
		use_framing(l);
		logged_in(l);
	} else if (l->state == LEG_STARTING && h->opcode == CQL_AUTHENTICATE) {
		log_in(l);
	} else if (l->state == LEG_AUTH && h->opcode == CQL_AUTH_SUCCESS) {
		logged_in(l);
	} else {
		leg_target_lost(l, "unexpected answer in the handshake");
	}
}
