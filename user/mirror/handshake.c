/* Until READY: the client's own exchange with Origin passes, and Seam remembers what a Target leg will need. */
#include "client/out.h"
#include "client/pack.h"
#include "mirror/worker.h"

#include <string.h>

static void copy_text(char *out, size_t cap, struct cql_view v)
{
	size_t n = v.n < cap - 1 ? v.n : cap - 1;

	if (n)
		memcpy(out, v.p, n);
	out[n] = 0;
}

static void learn_startup(struct session *s, struct cql_view body)
{
	struct cql_startup st;
	struct cql_error err;

	if (!cql_startup_read(body, &st, &err))
		return; /* Origin says what is wrong with it */
	int c = cql_compression_from_name(st.compression);
	s->compression = c < 0 ? CQL_COMPRESSION_NONE : (enum cql_compression)c;
	copy_text(s->driver, sizeof s->driver, st.driver_name);
	copy_text(s->driver_version, sizeof s->driver_version, st.driver_version);
}

static void learn_token(struct session *s, struct cql_view body)
{
	struct cql_reader r;
	struct cql_view user, password;

	cql_reader_init(&r, body);
	struct cql_value token = cql_read_bytes(&r);
	if (!cql_reader_ok(&r) || token.state != CQL_VALUE_SET ||
		!cql_plain_read(token.view, &user, &password))
		return; /* another SASL mechanism: relayed, and nothing to forward */
	copy_text(s->user, sizeof s->user, user);
	if (!s->policy->forward_auth)
		return;
	if (s->token)
		explicit_bzero(s->token, s->token_n);
	free(s->token);
	s->token_n = 0;
	s->token = malloc(token.view.n);
	if (s->token) {
		memcpy(s->token, token.view.p, token.view.n);
		s->token_n = token.view.n;
	}
}

void handshake_request(struct session *s, const struct cql_header *h, struct cql_view body)
{
	const struct plan plan = {.rule = RULE_ORIGIN, .kind = REQUEST_OTHER};
	struct cql_reader rd;
	struct cql_prefix prefix;
	struct inflight *r;

	cql_reader_init(&rd, body);
	if (!(h->flags & CQL_FLAG_COMPRESSED) && cql_prefix_read(h, &rd, &prefix)) {
		struct cql_view proper = {body.p + prefix.size, body.n - prefix.size};
		if (h->opcode == CQL_STARTUP)
			learn_startup(s, proper);
		else if (h->opcode == CQL_AUTH_RESPONSE)
			learn_token(s, proper);
	}
	r = inflight_new(s, h, &plan);
	if (!r) {
		session_end(s, "out of memory");
		return;
	}
	STAT_ADD(s->stats->requests[REQUEST_OTHER], 1);
	r->part[ORIGIN].owed.kind = OWED_PART;
	r->part[ORIGIN].id = leg_send(&s->leg[ORIGIN], &r->part[ORIGIN].owed, h->stream, h, body);
	if (r->part[ORIGIN].id < 0) {
		session_end(s, "too many requests before READY");
		return;
	}
	session_pace(s);
}

void handshake_supported(struct session *s, int16_t stream, const struct cql_header *h, struct cql_view plain)
{
	struct cql_writer w = OUT_EMPTY;
	struct cql_header bare = *h;
	struct cql_error err;
	size_t n = 0;
	auto_free uint8_t *target = site_supported(s->app->site[TARGET], &n);

	bare.flags = 0;
	if (target && cql_supported_intersect(plain, (struct cql_view){target, n}, &w, &err) && !w.failed)
		answer_reply(s, stream, &bare, (struct cql_view){w.p, w.len});
	else
		answer_reply(s, stream, &bare, plain);
	out_free(&w);
}

/* From here on both sides of v5 speak in segments (spec v5 §2). */
static void use_framing(struct session *s)
{
	bool lz4 = s->compression == CQL_COMPRESSION_LZ4;

	if (s->version < CQL_V5)
		return;
	pipe_flush(&s->front);
	pipe_use_segments(&s->front, lz4);
	pipe_use_segments(&s->leg[ORIGIN].pipe, lz4);
}

void handshake_reply(struct session *s, int16_t stream, const struct cql_header *h, struct cql_view body,
	struct cql_view plain)
{
	if (h->opcode == CQL_SUPPORTED) {
		handshake_supported(s, stream, h, plain);
		return;
	}
	answer_reply(s, stream, h, body);
	if (h->opcode == CQL_READY) {
		use_framing(s);
		if (s->state == SESSION_HANDSHAKE) /* no memory may have ended it */
			session_ready(s);
	} else if (h->opcode == CQL_AUTHENTICATE) {
		use_framing(s);
	} else if (h->opcode == CQL_AUTH_SUCCESS) {
		session_ready(s);
	}
}
