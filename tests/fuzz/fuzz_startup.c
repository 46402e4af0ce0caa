/* Any body as the handshake's: STARTUP, SUPPORTED of two clusters, tokens; and as a packed body. */
#include "fuzz.h"

#include "client/pack.h"
#include "cql/startup.h"

static void supported(struct cql_view a, struct cql_view b)
{
	struct cql_view name, values;
	struct cql_writer w = SINK;
	struct cql_supported it;
	struct cql_error err = {0};
	int r;

	cql_write_u8(&w, 7);
	if (!cql_supported_intersect(a, b, &w, &err)) {
		MUST(err.why && w.len == 1);
		free(w.p);
		return;
	}
	MUST(cql_supported_open((struct cql_view){w.p + 1, w.len - 1}, &it, &err));
	while ((r = cql_supported_next(&it, &name, &values, &err)) > 0)
		MUST(name.n < 7 || memcmp(name.p, "SCYLLA_", 7) != 0);
	MUST(r == 0 && cql_reader_end(&it.r));
	free(w.p);
}

static void packed(enum cql_compression c, struct cql_view body)
{
	struct cql_writer plain = SINK, again = SINK;
	struct cql_error err = {0};

	if (!cql_body_unpack(pack_libs(), c, body, 1 << 16, &plain, &err)) {
		MUST(err.why && plain.len == 0);
	} else {
		struct cql_writer back = SINK;

		MUST(cql_body_pack(pack_libs(), c, sink_view(&plain), &again));
		MUST(cql_body_unpack(pack_libs(), c, sink_view(&again), 1 << 16, &back, &err));
		MUST(cql_view_equal(sink_view(&back), sink_view(&plain)));
		free(back.p);
	}
	free(plain.p);
	free(again.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cql_view body, other, user, password, list;
	struct cql_startup s;
	struct cql_value token;
	struct cql_error err = {0};
	size_t cut;

	if (size < 2)
		return 0;
	cut = data[1] < size - 2 ? data[1] : size - 2;
	other = tight(data + 2, cut);
	body = tight(data + 2 + cut, size - 2 - cut);
	if (cql_startup_read(body, &s, &err))
		MUST(inside(s.options, body) && inside(s.compression, body) && inside(s.driver_name, body));
	else
		MUST(err.why && err.offset <= body.n);
	supported(body, other);
	supported(body, body);
	if (cql_register_read(body, &list, &err))
		cql_string_list_has(list, other);
	if (cql_auth_token_read(body, &token, &err))
		MUST(inside(token.view, body));
	if (cql_authenticate_read(body, &user, &err))
		MUST(inside(user, body));
	if (cql_plain_read(body, &user, &password))
		MUST(user.n && inside(user, body) && inside(password, body));
	packed(data[0] % 2 ? CQL_COMPRESSION_LZ4 : CQL_COMPRESSION_SNAPPY, body);
	tight_free(body);
	tight_free(other);
	return 0;
}
