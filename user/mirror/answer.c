/* What the app gets. Errors of Seam's own: only those that every driver survives (semantics §4). */
#include "mirror/session.h"

#include "client/out.h"

#include <string.h>

void answer_reply(struct session *s, int16_t stream, const struct cql_header *h, struct cql_view body)
{
	struct cql_header mine = *h;

	mine.stream = stream;
	pipe_send(&s->front, &mine, body);
}

static void send_error(struct session *s, int16_t stream, const struct cql_server_error *e)
{
	struct cql_writer w = OUT_EMPTY;
	struct cql_header h = {
		.version = s->version, .response = true, .opcode = CQL_ERROR, .stream = stream};

	cql_error_write(&w, s->version, e);
	if (!w.failed)
		pipe_send(&s->front, &h, (struct cql_view){w.p, w.len});
	else
		s->front.out.failed = true;
	out_free(&w);
}

void answer_error(struct session *s, int16_t stream, int32_t code, const char *text)
{
	STAT_ADD(s->stats->failed, 1);
	send_error(s, stream, &(struct cql_server_error){.code = code, .message = cql_view_of(text)});
}

void answer_unprepared(struct session *s, int16_t stream, struct cql_view id)
{
	/* Not counted as failed: the driver prepares again and the request goes through. */
	send_error(s, stream,
		&(struct cql_server_error){.code = CQL_E_UNPREPARED,
			.message = cql_view_of("Prepared statement is not known here"),
			.id = id});
}

/* How many replicas the consistency asks for, as far as it can be told without the replication factor. */
static int32_t block_for(uint16_t consistency)
{
	switch (consistency) {
	case CQL_TWO:
	case CQL_QUORUM:
	case CQL_LOCAL_QUORUM:
	case CQL_EACH_QUORUM:
	case CQL_SERIAL:
	case CQL_LOCAL_SERIAL:
		return 2;
	case CQL_THREE:
	case CQL_ALL:
		return 3;
	default:
		return 1;
	}
}

static const char *write_type(const struct inflight *r)
{
	static const char *const BATCH[] = {"BATCH", "UNLOGGED_BATCH", "COUNTER"};

	if (r->opcode == CQL_BATCH)
		return BATCH[r->batch_type <= CQL_BATCH_COUNTER ? r->batch_type : CQL_BATCH_LOGGED];
	return r->plan.lwt ? "CAS" : "SIMPLE";
}

void answer_timeout(struct inflight *r)
{
	struct cql_server_error e = {
		.consistency = r->consistency,
		.block_for = block_for(r->consistency),
		.received = block_for(r->consistency) - 1,
	};

	switch (r->plan.kind) {
	case REQUEST_READ:
		e.code = CQL_E_READ_TIMEOUT;
		e.message = cql_view_of("Operation timed out: no answer from the cluster in time");
		break;
	case REQUEST_WRITE:
		e.code = CQL_E_WRITE_TIMEOUT;
		e.message = cql_view_of("Operation timed out: not acknowledged by both clusters in time");
		e.write_type = cql_view_of(write_type(r));
		break;
	case REQUEST_OTHER:
	case REQUEST_KINDS:
		e.code = CQL_E_OVERLOADED;
		e.message = cql_view_of("No answer from the cluster in time");
		break;
	}
	STAT_ADD(r->s->stats->failed, 1);
	send_error(r->s, r->client_stream, &e);
}

void answer_version(struct session *s, uint8_t asked)
{
	struct cql_writer w = OUT_EMPTY;
	struct site *const *on = s->app->site;
	struct cql_header h = {.response = true, .opcode = CQL_ERROR, .version = CQL_V5};

	/* Drivers take the frame's version for the highest that they may try next. */
	while (h.version > CQL_V3 &&
		!(site_speaks(on[ORIGIN], h.version) && site_speaks(on[TARGET], h.version)))
		h.version--;
	cql_unsupported_version_write(&w, asked, h.version);
	if (!w.failed)
		pipe_send(&s->front, &h, (struct cql_view){w.p, w.len});
	out_free(&w);
}
