/* An IP address and a TCP port. IPv4 is kept v4-mapped, so that one address has one form whatever socket it came from. */
#pragma once
#include "base/attr.h"
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

struct endpoint {
	uint8_t ip[16]; /* network order; ::ffff:a.b.c.d for IPv4 */
	uint16_t port;  /* host order */
};

#define ENDPOINT_TEXT 64 /* room for "[v6]:port" and NUL */

bool endpoint_is_v4(const struct endpoint *e);
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);
/* "10.0.0.1", "10.0.0.1:9042", "[::1]:9042", "::1": an address, never a name. -EINVAL when it is none. */
int endpoint_parse(const char *text, uint16_t default_port, struct endpoint *out) must_check;
int endpoint_from_sockaddr(const struct sockaddr *sa, struct endpoint *out) must_check; /* -EAFNOSUPPORT */
/* An AF_INET sockaddr for IPv4, else AF_INET6. Returns its length. */
socklen_t endpoint_to_sockaddr(const struct endpoint *e, struct sockaddr_storage *out);
const char *endpoint_format(
	const struct endpoint *e, char out[ENDPOINT_TEXT]); /* "1.2.3.4:9042", "[::1]:9042" */
