/*
 * The control socket: a client sends one JSON object a line, and gets any number of {"progress":TEXT} lines, then
 * {"exit":N,"data":…,"message":TEXT|null}. Then it may send the next. Mode 0660, root:seam where that group exists.
 *
 * Bounds: CONTROL_CLIENTS at a time (the oldest that has asked nothing goes first), CONTROL_LINE bytes a request, CONTROL_PATIENCE_MS
 * for a request to come or an answer to be taken. All calls from the loop's thread.
 */
#pragma once
#include "base/reason.h"
#include <jansson.h>
#include <uv.h>

#define CONTROL_CLIENTS     32
#define CONTROL_LINE        65536
#define CONTROL_PATIENCE_MS 10000

struct control;
struct control_request;

struct control_opts {
	const char *path;
	/* `request` is an object, borrowed. The callee answers `r` exactly once, now or later, also when the client has gone. */
	void (*on_request)(void *ctx, struct control_request *r, const json_t *request);
	void *ctx;
};

/* An old socket of that path is replaced: the caller holds run_dir's lock. */
int control_open(
	uv_loop_t *loop, const struct control_opts *o, struct control **out, struct reason *why) must_check;
void control_progress(struct control_request *r, const char *text);
/* Ends `r`. Steals `data` (NULL: null). `message` may be NULL. */
void control_answer(struct control_request *r, int exit, json_t *data, const char *message);
/* Closes the socket and its clients and unlinks the path; requests that are still open may be answered later, into the void. */
void control_close(struct control *c);
