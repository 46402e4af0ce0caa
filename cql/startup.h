/* The handshake: STARTUP, SUPPORTED, AUTHENTICATE, AUTH_RESPONSE and the like (spec §4.1, §4.2). */
#pragma once
#include "cql/frame.h"
#include "cql/pack.h"

struct cql_startup {
	struct cql_view cql_version, compression, driver_name, driver_version, throw_on_overload;
	struct cql_view options; /* the encoded [string map], to be sent on elsewhere */
};
/* `body` is the body proper (no compression: drivers never pack STARTUP). False: *err. */
bool cql_startup_read(struct cql_view body, struct cql_startup *out, struct cql_error *err);
/* A STARTUP of Seam's own. compression NONE leaves the option out. driver_* may be empty. */
void cql_startup_write(struct cql_writer *w, enum cql_compression c, struct cql_view driver_name,
	struct cql_view driver_version);

/* SUPPORTED: walk [string multimap]. */
struct cql_supported {
	struct cql_reader r;
	uint16_t left;
};
bool cql_supported_open(struct cql_view body, struct cql_supported *it, struct cql_error *err);
/* 1: next option, `values` is an encoded [string list]; 0: end; -1: *err. */
int cql_supported_next(
	struct cql_supported *it, struct cql_view *name, struct cql_view *values, struct cql_error *err);
bool cql_string_list_has(
	struct cql_view list, struct cql_view word); /* list is an encoded [string list] that was checked */
/*
 * What both clusters can do: `a` (Origin's SUPPORTED, whose other options stand) with COMPRESSION and PROTOCOL_VERSIONS cut to what `b` has too,
 * and options that begin with SCYLLA_ taken out. COMPRESSION stays even when empty: the Python driver needs the key. A `b` that names no
 * PROTOCOL_VERSIONS leaves a's.
 */
bool cql_supported_intersect(
	struct cql_view a, struct cql_view b, struct cql_writer *w, struct cql_error *err);
void cql_supported_write(
	struct cql_writer *w, uint8_t max_version); /* what seam-node says: versions 3..max, lz4, snappy */

bool cql_authenticate_read(struct cql_view body, struct cql_view *authenticator, struct cql_error *err);
/* AUTH_RESPONSE, AUTH_CHALLENGE, AUTH_SUCCESS: one token, which can be null. */
bool cql_auth_token_read(struct cql_view body, struct cql_value *token, struct cql_error *err);
/* SASL PLAIN (RFC 4616): NUL user NUL password. */
bool cql_plain_read(struct cql_view token, struct cql_view *user, struct cql_view *password);
void cql_plain_write(struct cql_writer *w, struct cql_view user,
	struct cql_view password); /* a whole AUTH_RESPONSE body: [bytes] */
/* REGISTER body with the three event types. */
void cql_register_write(struct cql_writer *w);
bool cql_register_read(
	struct cql_view body, struct cql_view *types, struct cql_error *err); /* an encoded [string list] */
