/*
 * A client's connection: frames in, frames out. Answers collect in `out` and leave when the input at hand is done; while more than
 * CONN_PAUSE bytes wait for the client nothing more is read from it.
 */
#pragma once
#include "cluster.h"
#include "cql/decoder.h"
#include "cql/encoder.h"
#include "cql/event.h"

#define CONN_WHOLE 65536
#define CONN_PAUSE (4u << 20)
#define CONN_BACKLOG                                                                                         \
	(512u << 20) /* answers that a client may leave unread: CONN_PAUSE, and what one read asked for */
#define CONN_SLOW      1024 /* bytes that slow_read takes at a time */
#define HELD_MAX       100000
#define HELD_MAX_BYTES (256ull << 20)

enum conn_state { CONN_NEW, CONN_AUTH, CONN_READY, CONN_DEAF /* whatever comes is thrown away */ };
enum { CONN_TOPOLOGY = 1, CONN_STATUS = 2, CONN_SCHEMA = 4 };

struct conn {
	struct list link; /* of the node's */
	uv_tcp_t tcp;
	struct node *node;
	struct endpoint client;
	enum conn_state state;
	uint8_t version; /* 0 until the first frame */
	enum cql_compression compression;
	uint8_t events;
	char *keyspace;
	uint8_t *unpacked; /* the decoder's scratch, v5 with lz4 */
	struct cql_decoder decoder;
	struct cql_encoder encoder;
	struct cql_writer in;     /* bytes that wait for more of them */
	struct cql_writer gather; /* an envelope that comes in pieces */
	struct cql_writer out;
	size_t sending;   /* bytes that libuv holds */
	struct list held; /* requests that a fault delays */
	uv_timer_t slow;
	bool reading, slow_armed, frozen, slow_read, slow_tick, close_after, closing;
	uint32_t slow_ms;
	int handles; /* still to be closed */
};

void conn_open(struct node *n, uv_stream_t *listener);
void conn_close(struct conn *c);         /* at once */
void conn_close_flushed(struct conn *c); /* when what is written has left */
/* One answer. `tracing`: 16 bytes, or empty. */
void conn_answer(
	struct conn *c, int16_t stream, uint8_t opcode, struct cql_view tracing, struct cql_view body);
void conn_event(struct conn *c, const struct cql_event *e);
void conn_flush(struct conn *c);
void conn_use_segments(struct conn *c); /* v5, behind READY or AUTHENTICATE */
void conn_set_frozen(struct conn *c, bool frozen);
void conn_set_slow(struct conn *c, uint32_t ms); /* 0: off */

/* handshake.c: STARTUP, OPTIONS, AUTH_RESPONSE, REGISTER. False: not one of these. */
bool handshake_handle(struct conn *c, const struct cql_header *h, struct cql_view body);
uint8_t handshake_max_version(struct conn *c);
void handshake_refuse_version(struct conn *c, uint8_t asked);
/* request.c: everything; `body` is whole, maybe packed. */
void request_handle(struct conn *c, const struct cql_header *h, struct cql_view body);
void request_forget_held(struct conn *c);
/* An ERROR without more fields than code and text. */
void request_error(struct conn *c, int16_t stream, int32_t code, const char *text);
/* server.c: to all that registered for it, on all nodes. */
void server_broadcast(struct cluster *c, uint8_t kind, const struct cql_event *e);
