/* STARTUP, OPTIONS, AUTH_RESPONSE, REGISTER (conn.h). */
#include "conn.h"
#include "cql/startup.h"
#include <stdio.h>
#include <string.h>

#define AUTHENTICATOR "org.apache.cassandra.auth.PasswordAuthenticator"

static void reply(struct conn *c, int16_t stream, uint8_t opcode, const struct cql_writer *body)
{
	conn_answer(c, stream, opcode, (struct cql_view){0}, (struct cql_view){body->p, body->len});
}

uint8_t handshake_max_version(struct conn *c)
{
	uint8_t max = c->node->cluster->o.max_version;

	list_for_each (it, &c->node->cluster->faults.list) {
		const struct fault *f = list_entry(it, struct fault, link);

		if (f->kind == FAULT_REFUSE_VERSION && fault_fits(f, c->node, &c->client) &&
			f->code > CQL_V3 && f->code <= max)
			max = (uint8_t)(f->code - 1);
	}
	return max;
}

/* On stream 0, in a frame of the highest version: the form that makes each driver step down (cql/error.h). */
void handshake_refuse_version(struct conn *c, uint8_t asked)
{
	uint8_t max = handshake_max_version(c);
	struct cql_writer *body = &c->node->cluster->body;

	body->len = 0;
	cql_unsupported_version_write(body, asked, max);
	c->version = max;
	reply(c, 0, CQL_ERROR, body);
	c->version = 0;
}

static void startup(struct conn *c, const struct cql_header *h, struct cql_view body)
{
	struct cql_startup s;
	struct cql_error err;
	struct cql_writer *out = &c->node->cluster->body;

	if (!cql_startup_read(body, &s, &err)) {
		request_error(c, h->stream, CQL_E_PROTOCOL, err.why);
		return;
	}
	int compression = cql_compression_from_name(s.compression);

	if (!s.cql_version.n) {
		request_error(c, h->stream, CQL_E_PROTOCOL, "Missing value CQL_VERSION in STARTUP message");
	} else if (compression < 0) {
		request_error(c, h->stream, CQL_E_PROTOCOL, "Unknown compression algorithm");
	} else if (compression == CQL_COMPRESSION_SNAPPY && c->version >= CQL_V5) {
		request_error(
			c, h->stream, CQL_E_PROTOCOL, "Snappy compression is not supported in protocol V5");
	} else {
		bool auth = c->node->cluster->o.user != NULL;

		out->len = 0;
		if (auth)
			cql_write_string(out, cql_view_of(AUTHENTICATOR));
		reply(c, h->stream, auth ? CQL_AUTHENTICATE : CQL_READY, out);
		c->state = auth ? CONN_AUTH : CONN_READY;
		c->compression = (enum cql_compression)compression;
		conn_use_segments(c);
	}
}

static void auth_response(struct conn *c, const struct cql_header *h, struct cql_view body)
{
	const struct cluster_opts *o = &c->node->cluster->o;
	struct cql_view user = {0}, password = {0};
	struct cql_writer *out = &c->node->cluster->body;
	struct cql_reader r;
	char text[160];

	cql_reader_init(&r, body);
	struct cql_value token = cql_read_bytes(&r);

	if (c->state != CONN_AUTH) {
		request_error(c, h->stream, CQL_E_PROTOCOL, "Unexpected message AUTH_RESPONSE");
		return;
	}
	if (!cql_reader_end(&r) || !cql_plain_read(token.view, &user, &password)) {
		request_error(c, h->stream, CQL_E_BAD_CREDENTIALS, "not a SASL PLAIN token");
		return;
	}
	if (!cql_view_is(user, o->user) || !cql_view_is(password, o->password)) {
		snprintf(
			text, sizeof(text), "Provided username %.*s and/or password are incorrect", PV(user));
		request_error(c, h->stream, CQL_E_BAD_CREDENTIALS, text);
		return;
	}
	out->len = 0;
	cql_write_null(out);
	c->state = CONN_READY;
	reply(c, h->stream, CQL_AUTH_SUCCESS, out);
}

static void registers(struct conn *c, const struct cql_header *h, struct cql_view body)
{
	struct cql_writer *out = &c->node->cluster->body;
	struct cql_reader r;

	cql_reader_init(&r, body);
	uint16_t n = cql_read_u16(&r);

	for (int i = 0; i < n && cql_reader_ok(&r); i++) {
		struct cql_view type = cql_read_string(&r);

		if (cql_view_is(type, "TOPOLOGY_CHANGE"))
			c->events |= CONN_TOPOLOGY;
		else if (cql_view_is(type, "STATUS_CHANGE"))
			c->events |= CONN_STATUS;
		else if (cql_view_is(type, "SCHEMA_CHANGE"))
			c->events |= CONN_SCHEMA;
		else
			cql_reader_fail(&r, "Invalid value for event type");
	}
	if (!cql_reader_end(&r)) {
		request_error(c, h->stream, CQL_E_PROTOCOL, r.error.why);
		return;
	}
	out->len = 0;
	reply(c, h->stream, CQL_READY, out);
}

bool handshake_handle(struct conn *c, const struct cql_header *h, struct cql_view body)
{
	struct cql_writer *out = &c->node->cluster->body;

	switch (h->opcode) {
	case CQL_OPTIONS:
		out->len = 0;
		cql_supported_write(out, handshake_max_version(c));
		reply(c, h->stream, CQL_SUPPORTED, out);
		return true;
	case CQL_STARTUP:
		if (c->state == CONN_NEW)
			startup(c, h, body);
		else
			request_error(c, h->stream, CQL_E_PROTOCOL,
				"Unexpected message STARTUP, expecting no second one");
		return true;
	case CQL_AUTH_RESPONSE:
		auth_response(c, h, body);
		return true;
	default:
		break;
	}
	if (c->state != CONN_READY) {
		request_error(c, h->stream, CQL_E_PROTOCOL,
			c->state == CONN_AUTH ? "Unexpected message, expecting AUTH_RESPONSE"
					      : "Unexpected message, expecting STARTUP or OPTIONS");
		return true;
	}
	if (h->opcode != CQL_REGISTER)
		return false;
	registers(c, h, body);
	return true;
}
