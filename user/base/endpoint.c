#include "base/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const uint8_t MAPPED[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool endpoint_is_v4(const struct endpoint *e)
{
	return memcmp(e->ip, MAPPED, sizeof MAPPED) == 0;
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

static int parse_port(const char *text, uint16_t *out)
{
	char *end;
	long port = strtol(text, &end, 10);

	if (end == text || *end || port < 1 || port > 65535)
		return -EINVAL;
	*out = (uint16_t)port;
	return 0;
}

int endpoint_parse(const char *text, uint16_t default_port, struct endpoint *out)
{
	char host[ENDPOINT_TEXT];
	const char *port = NULL, *colon = strchr(text, ':');
	struct endpoint e = {.port = default_port};
	size_t n = strlen(text);

	if (text[0] == '[') {
		const char *close = strchr(text, ']');
		if (!close || (close[1] && close[1] != ':'))
			return -EINVAL;
		port = close[1] ? close + 2 : NULL;
		n = (size_t)(close - ++text);
	} else if (colon && !strchr(colon + 1, ':')) {
		port = colon + 1;
		n = (size_t)(colon - text);
	}
	if (n >= sizeof host || (port && parse_port(port, &e.port)))
		return -EINVAL;
	memcpy(host, text, n);
	host[n] = 0;
	if (inet_pton(AF_INET, host, e.ip + 12) == 1)
		memcpy(e.ip, MAPPED, sizeof MAPPED);
	else if (inet_pton(AF_INET6, host, e.ip) != 1)
		return -EINVAL;
	*out = e;
	return 0;
}

int endpoint_from_sockaddr(const struct sockaddr *sa, struct endpoint *out)
{
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)sa;
		memcpy(out->ip, MAPPED, sizeof MAPPED);
		memcpy(out->ip + 12, &v4->sin_addr, 4);
		out->port = ntohs(v4->sin_port);
		return 0;
	}
	if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const void *)sa;
		memcpy(out->ip, &v6->sin6_addr, 16);
		out->port = ntohs(v6->sin6_port);
		return 0;
	}
	return -EAFNOSUPPORT;
}

socklen_t endpoint_to_sockaddr(const struct endpoint *e, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof *out);
	if (endpoint_is_v4(e)) {
		struct sockaddr_in *v4 = (void *)out;
		v4->sin_family = AF_INET;
		v4->sin_port = htons(e->port);
		memcpy(&v4->sin_addr, e->ip + 12, 4);
		return sizeof *v4;
	}
	struct sockaddr_in6 *v6 = (void *)out;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(e->port);
	memcpy(&v6->sin6_addr, e->ip, 16);
	return sizeof *v6;
}

const char *endpoint_format(const struct endpoint *e, char out[ENDPOINT_TEXT])
{
	char ip[INET6_ADDRSTRLEN];
	bool v4 = endpoint_is_v4(e);

	inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? e->ip + 12 : e->ip, ip, sizeof ip);
	snprintf(out, ENDPOINT_TEXT, v4 ? "%s:%u" : "[%s]:%u", ip, e->port);
	return out;
}
