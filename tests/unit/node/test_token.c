/* Tokens: what a real server said of these keys. MD5: RFC 1321's suite. */
#include "tools/node/md5.h"
#include "tools/node/token.h"
#include "tools/node/where.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const struct {
	const char *key; /* hex */
	int64_t token;
} vectors[] = {
	{"00000000", -3485513579396041028},
	{"00000001", -4069959284402364209},
	{"00000002", -3248873570005575792},
	{"ffffffff", 7297452126230313552},
	{"7fffffff", -765994672030311617},
	{"61", -8839064797231613815},
	{"68656c6c6f", -3758069500696749310},
	{"63617373616e647261", 356242581507269238},
	{"68c3a96c6c6f", 4427587122518744475},
	{"e697a5e69cace8aa9e", 2587241856907040145},
	{"303132333435363738396162636465", -6472281833689111727},
	{"30313233343536373839616263646566", 5467490433528156583},
	{"30313233343536373839616263646566c3bf", 7337869414887686870},
	{"ff", -4442228696663692417},
	{"8081", 3479874077480803178},
	{"f0f1f2f3f4f5f6f7f8f9fafbfcfdfeffffffffffffffffffffffffffffffff", -7243906876085418308},
	{"00000000000000000000000000000000", 5457549051747178710},
	{"0004000000010000017800", 746584927563629270},
	{"00040000002a00000668c3a96c6c6f00", 2007574810046227403},
	{"0004ffffffff00000000", 6025991999186018540},
	{"00112233445566778899aabbccddeeff", 5713842290320563023},
	{"0000000000000001", 6292367497774912474},
	{"", INT64_MIN},
};

static void test_tokens(void **state)
{
	uint8_t key[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		size_t n = strlen(vectors[i].key) / 2;

		for (size_t k = 0; k < n; k++)
			assert_int_equal(sscanf(vectors[i].key + 2 * k, "%2hhx", &key[k]), 1);
		if (token_of((struct cql_view){key, n}) != vectors[i].token)
			fail_msg("token of %s", vectors[i].key);
	}
}

static void test_routing_keys(void **state)
{
	static const uint8_t want[] = {0, 4, 0, 0, 0, 1, 0, 0, 1, 'x', 0};
	struct arena a = {0};
	struct cql_view parts[2] = {{want + 2, 4}, {(const uint8_t *)"x", 1}};
	struct cql_view two = where_routing_key(&a, parts, 2), one = where_routing_key(&a, parts, 1);

	(void)state;
	assert_int_equal(two.n, sizeof(want));
	assert_memory_equal(two.p, want, sizeof(want));
	assert_true(cql_view_equal(one, parts[0]));
	arena_free(&a);
}

static void test_md5(void **state)
{
	static const struct {
		const char *text, *sum;
	} suite[] = {
		{"", "d41d8cd98f00b204e9800998ecf8427e"},
		{"a", "0cc175b9c0f1b6a831c399e269772661"},
		{"abc", "900150983cd24fb0d6963f7d28e17f72"},
		{"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
		{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
			"d174ab98d277d9f5a5611c2c9f419d9f"},
		{"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
			"57edf4a22be3c955ac49da2e2107b67a"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(suite); i++) {
		struct cql_view v = cql_view_of(suite[i].text);
		uint8_t out[16];
		char hex[33];
		struct md5 m;

		md5_init(&m);
		for (size_t k = 0; k < v.n; k++) /* byte by byte: across blocks */
			md5_add(&m, (struct cql_view){v.p + k, 1});
		md5_end(&m, out);
		for (int k = 0; k < 16; k++)
			snprintf(hex + 2 * k, 3, "%02x", out[k]);
		assert_string_equal(hex, suite[i].sum);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_routing_keys),
		cmocka_unit_test(test_md5),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
