#include "ctl/config.h"
#include "ctl/units.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

static char dir[] = "/tmp/seam-test-config-XXXXXX";

static const char *path_of(const char *name)
{
	static char out[4][128];
	static unsigned turn;
	char *p = out[turn++ % 4];

	snprintf(p, sizeof out[0], "%s/%s", dir, name);
	return p;
}

static void put_file(const char *name, const char *text, mode_t mode)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static int load(const char *text, struct config **out, struct reason *why)
{
	put_file("seam.yaml", text, 0644);
	return config_load(path_of("seam.yaml"), CONFIG_WITH_SECRETS, out, why);
}

#define CLUSTERS "clusters:\n  old: {contact_points: [10.0.0.1]}\n  new: {contact_points: [10.1.0.1]}\n"
#define APP      CLUSTERS "apps:\n  shop:\n    origin: old\n    target: new\n" /* 7 lines */

static void whole_file(void **state)
{
	struct config *c = NULL;
	struct reason why = {""};
	char text[4096];

	(void)state;
	put_file("old.cred", "user: cassandra\npassword: a b:c#d\n", 0600);
	snprintf(text, sizeof text,
		"run_dir: /run/seam2\nstate_dir: /var/lib/seam2\nworkers: 3\nstop_timeout: 5min\nmemory: "
		"2GiB\nmetrics: off\n"
		"log: {format: json, level: debug}\nclusters:\n  old:\n"
		"    contact_points: [10.0.0.1, 10.0.0.2:9142, \"[2001:db8::7]:9042\", cass.example, "
		"\"b.example:1\"]\n"
		"    port: 9043\n    datacenter: dc1\n    endpoints: [10.0.0.9:9042, \"::1\"]\n    "
		"credentials: %s/old.cred\n"
		"  new: {contact_points: [10.1.0.1]}\napps:\n  shop:\n    origin: old\n    target: new\n"
		"    match: {unit: shop.service}\n    phase: dual-write\n    existing: leave\n    data_path: "
		"tcp\n"
		"    follower_failure: count\n    follower_wait: 70ms\n    target_auth: forward\n    "
		"exclude: [ks1, ks2.t]\n"
		"    request_timeout: 7s\n    schema: origin\n    shadow: {sample: 10%%}\n"
		"    journal: {max_size: 2GiB, warn_at: 40%%, at_limit: fail}\n"
		"    limits: {session_buffer: 1MiB, frame: 16MiB, prepared: 10}\n",
		dir);
	if (load(text, &c, &why))
		fail_msg("%s", why.text);
	assert_string_equal(c->run_dir, "/run/seam2");
	assert_string_equal(c->state_dir, "/var/lib/seam2");
	assert_int_equal(c->workers, 3);
	assert_int_equal(c->stop_timeout, 300000);
	assert_int_equal(c->memory, 2ull << 30);
	assert_int_equal(c->log.format, LOG_JSON);
	assert_int_equal(c->log.level, LOG_DEBUG);
	const struct config_cluster *old = config_cluster(c, "old");
	static const char *const points[] = {
		"10.0.0.1:9043", "10.0.0.2:9142", "[2001:db8::7]:9042", "cass.example:9043", "b.example:1"};
	assert_int_equal(old->n_contact_points, ARRAY_LEN(points));
	for (size_t i = 0; i < ARRAY_LEN(points); i++)
		assert_string_equal(old->contact_points[i], points[i]);
	assert_int_equal(old->n_endpoints, 2);
	char ip[ENDPOINT_TEXT];
	assert_string_equal(endpoint_format(&old->endpoints[0], ip), "10.0.0.9:9042");
	assert_string_equal(endpoint_format(&old->endpoints[1], ip), "[::1]:9043");
	assert_string_equal(old->datacenter, "dc1");
	assert_string_equal(old->user, "cassandra");
	assert_string_equal(old->password, "a b:c#d");
	const struct config_app *a = config_app(c, "shop");
	assert_string_equal(a->match.unit, "shop.service");
	assert_int_equal(a->phase, PHASES_DUAL_WRITE);
	assert_int_equal(a->data_path, CONFIG_DATA_TCP);
	assert_int_equal(a->follower_failure, CONFIG_FOLLOWER_COUNT);
	assert_int_equal(a->follower_wait, 70);
	assert_int_equal(a->target_auth, CONFIG_AUTH_FORWARD);
	assert_int_equal(a->n_exclude, 2);
	assert_string_equal(a->exclude[1], "ks2.t");
	assert_int_equal(a->request_timeout, 7000);
	assert_int_equal(a->schema, CONFIG_SCHEMA_ORIGIN);
	assert_int_equal(a->shadow.sample, 10);
	assert_int_equal(a->journal.warn_at, 40);
	assert_int_equal(a->limits.session_buffer, 1 << 20);
	assert_int_equal(a->limits.frame, 16 << 20);
	assert_int_equal(a->limits.prepared, 10);
	assert_null(config_app(c, "other"));
	config_free(c);
}

static void defaults(void **state)
{
	struct config *c = NULL;
	struct reason why;

	(void)state;
	assert_int_equal(load(APP, &c, &why), 0);
	assert_string_equal(c->run_dir, "/run/seam");
	assert_string_equal(c->state_dir, "/var/lib/seam");
	assert_int_equal(c->workers, 0);
	assert_int_equal(c->stop_timeout, 30000);
	assert_int_equal(c->memory, 1 << 30);
	assert_int_equal(c->log.level, LOG_INFO);
	assert_string_equal(c->clusters[0].contact_points[0], "10.0.0.1:9042");
	assert_null(c->clusters[0].user);
	const struct config_app *a = &c->apps[0];
	assert_int_equal(a->phase, PHASES_PASSTHROUGH);
	assert_int_equal(a->follower_failure, CONFIG_FOLLOWER_FAIL);
	assert_int_equal(a->follower_wait, 50);
	assert_int_equal(a->request_timeout, 12000);
	assert_int_equal(a->limits.frame, 256 << 20);
	assert_null(a->match.unit);
	config_free(c);
}

/* Each row: a file, the line that is blamed, and a word of the message. */
static const struct row {
	const char *text;
	unsigned line;
	const char *word;
} bad[] = {
	{"", 1, "empty"},
	{"a: [\n", 2, "expected YAML"},
	{"- a\n", 1, "a list"},
	{"nope: 1\n", 1, "unknown key \"nope\" in the file, expected run_dir"},
	{"workers: 0\n", 1, "auto or 1 to 64"},
	{"workers: 65\n", 1, "auto or 1 to 64"},
	{"workers: [1]\n", 1, "a list, expected a single value"},
	{"run_dir: here\n", 1, "absolute"},
	{"\nstate_dir: \"\"\n", 2, "no value"},
	{"stop_timeout: 30\n", 1, "expected a time such as"},
	{"stop_timeout: 30 s\n", 1, "expected a time such as"},
	{"memory: 1GB\n", 1, "expected a size such as"},
	{"memory: 1MiB\n", 1, "at least 16MiB"},
	{"memory: 99999999999999999999GiB\n", 1, "expected a size"},
	{"metrics: 127.0.0.1:9942\n", 1, "not in this version"},
	{"metrics: 127.0.0.1\n", 1, "ADDRESS:PORT or off"},
	{"log: {format: xml}\n", 1, "one of: logfmt json"},
	{"log: {colour: red}\n", 1, "unknown key \"colour\" in log"},
	{"log: {level: info}\nworkers: 1\nlog: {level: warn}\n", 3, "log stands twice"},
	{"clusters: {old: {}}\n", 1, "no contact_points"},
	{"clusters:\n  old: {contact_points: []}\n", 2, "no contact_points"},
	{"clusters:\n  old: {contact_points: [\"a b\"]}\n", 2, "contact point"},
	{"clusters:\n  old: {contact_points: [10.0.0.300]}\n", 2, "contact point"},
	{"clusters:\n  old: {contact_points: [\"h:0\"]}\n", 2, "contact point"},
	{"clusters:\n  old: {contact_points: [\"h:65536\"]}\n", 2, "contact point"},
	{"clusters:\n  old: {contact_points: 10.0.0.1}\n", 2, "expected a list"},
	{"clusters:\n  old: {contact_points: [h], port: 70000}\n", 2, "1 to 65535"},
	{"clusters:\n  old: {contact_points: [h], endpoints: [name.example]}\n", 2, "no name"},
	{"clusters:\n  \"a b\": {contact_points: [h]}\n", 2, "no name of a cluster"},
	{"clusters:\n  ../x: {contact_points: [h]}\n", 2, "no name of a cluster"},
	{"clusters:\n  old: {contact_points: [h]}\n  old: {contact_points: [h]}\n", 3, "twice"},
	{"clusters:\n  old: {contact_points: [h], hosts: [h]}\n", 2, "unknown key \"hosts\" in cluster old"},
	{CLUSTERS "apps:\n  shop: {origin: old}\n", 5, "no target"},
	{CLUSTERS "apps:\n  shop: {target: old}\n", 5, "no origin"},
	{CLUSTERS "apps:\n  shop: {origin: old, target: old}\n", 5, "expected two clusters"},
	{CLUSTERS "apps:\n  shop: {origin: old, target: neww}\n", 5, "names cluster \"neww\""},
	{CLUSTERS "apps:\n  shop:\n", 5, "single value, expected keys"},
	{APP "    match: {unit: a, cgroup: /b}\n", 8, "both"},
	{APP "    match: {}\n", 8, "nothing"},
	{APP "    match: {pid: 1}\n", 8, "unknown key \"pid\" in match"},
	{APP "    phase: observe\n", 8, "not in this version"},
	{APP "    phase: shadow-read\n", 8, "not in this version"},
	{APP "    phase: target-read\n", 8, "not in this version"},
	{APP "    phase: target-only\n", 8, "not in this version"},
	{APP "    phase: dual\n", 8, "one of: passthrough dual-write"},
	{APP "    existing: recycle\n", 8, "not in this version"},
	{APP "    existing: keep\n", 8, "one of: leave"},
	{APP "    data_path: sockmap\n", 8, "not in this version"},
	{APP "    data_path: udp\n", 8, "one of: auto tcp"},
	{APP "    follower_failure: journal\n", 8, "not in this version"},
	{APP "    follower_failure: ignore\n", 8, "one of: count fail"},
	{APP "    follower_wait: 0ms\n", 8, "1ms to 1h"},
	{APP "    target_auth: none\n", 8, "one of: seam forward"},
	{APP "    exclude: [a.b.c]\n", 8, "KEYSPACE.TABLE"},
	{APP "    exclude: [\"a b\"]\n", 8, "KEYSPACE.TABLE"},
	{APP "    exclude: ks\n", 8, "expected a list"},
	{APP "    request_timeout: 12sec\n", 8, "expected a time"},
	{APP "    request_timeout: 2h\n", 8, "10ms to 1h"},
	{APP "    schema: target\n", 8, "one of: both origin"},
	{APP "    shadow: {sample: 101%}\n", 8, "0% to 100%"},
	{APP "    shadow: {sample: 10}\n", 8, "0% to 100%"},
	{APP "    journal: {at_limit: drop}\n", 8, "one of: fail"},
	{APP "    limits: {frame: 1KiB}\n", 8, "128KiB to 1GiB"},
	{APP "    limits: {prepared: 0}\n", 8, "1 to 100000000"},
	{APP "    limits: {streams: 0}\n", 8, "unknown key \"streams\" in limits"},
	{APP "---\nworkers: 1\n", 9, "second document"},
	{"a: &x [*x]\n", 1, "unknown key"},
	{"log: &x {level: *x}\n", 1, "keys and values"},
	{"log: {\"level\\0x\": info}\n", 1, "unknown key"},
	{"log: {level: \"in\\0fo\"}\n", 1, "NUL"},
};

static void bad_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct config *c = NULL;
		struct reason why = {""};
		char where[160];
		int err = load(bad[i].text, &c, &why);
		snprintf(where, sizeof where, "%s/seam.yaml:%u: ", dir, bad[i].line);
		if (err != -EINVAL || c || strncmp(why.text, where, strlen(where)) ||
			!strstr(why.text, bad[i].word) || !(strstr(why.text, "expected")))
			fail_msg("row %zu: %s\ngot %d %s\nexpected %s… %s", i, bad[i].text, err, why.text,
				where, bad[i].word);
	}
}

static void bad_credentials(void **state)
{
	static const struct {
		const char *text;
		mode_t mode;
		const char *word;
	} rows[] = {
		{"user: a\npassword: b\n", 0640, "mode 0640, expected 0600"},
		{"user: a\npassword: b\n", 0604, "mode 0604, expected 0600"},
		{"user: a\n", 0600, "password is missing"},
		{"password: a\n", 0600, "user is missing"},
		{"user:\npassword: a\n", 0600, "user is missing"},
		{"user: a\nsecret: hunter2\n", 0600, "cred:2: neither"},
		{"user: a\nuser: b\npassword: c\n", 0600, "cred:2: neither"},
		{"", 0600, "user is missing"},
	};
	struct config *c = NULL;
	struct reason why;
	char text[512];

	(void)state;
	snprintf(text, sizeof text, "clusters:\n  old:\n    contact_points: [h]\n    credentials: %s/cred\n",
		dir);
	unlink(path_of("cred"));
	assert_int_equal(load(text, &c, &why), -EINVAL);
	assert_non_null(strstr(why.text, "seam.yaml:4: credentials file"));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		put_file("cred", rows[i].text, rows[i].mode);
		if (load(text, &c, &why) != -EINVAL || !strstr(why.text, rows[i].word) ||
			strstr(why.text, "hunter2"))
			fail_msg("row %zu: %s", i, why.text);
		assert_int_equal(config_load(path_of("seam.yaml"), CONFIG_NO_SECRETS, &c, &why), 0);
		config_free(c);
		c = NULL;
	}
	unlink(path_of("cred"));
	assert_int_equal(mkfifo(path_of("cred"), 0600), 0);
	assert_int_equal(load(text, &c, &why), -EINVAL);
	assert_non_null(strstr(why.text, "not a file"));
	unlink(path_of("cred"));
	assert_int_equal(config_load(path_of("absent.yaml"), CONFIG_WITH_SECRETS, &c, &why), -EINVAL);
	assert_non_null(strstr(why.text, "absent.yaml:1: cannot be opened"));
}

static void units(void **state)
{
	static const struct {
		int (*parse)(const char *, uint64_t *);
		const char *text;
		int err;
		uint64_t want;
	} rows[] = {
		{units_duration, "250ms", 0, 250},
		{units_duration, "12s", 0, 12000},
		{units_duration, "5min", 0, 300000},
		{units_duration, "1h", 0, 3600000},
		{units_duration, "1", -EINVAL, 7},
		{units_duration, "1m", -EINVAL, 7},
		{units_duration, "-1s", -EINVAL, 7},
		{units_duration, "1.5s", -EINVAL, 7},
		{units_duration, "s", -EINVAL, 7},
		{units_duration, "18446744073709551615s", -ERANGE, 7},
		{units_duration, "18446744073709551616ms", -ERANGE, 7},
		{units_size, "16MiB", 0, 16 << 20},
		{units_size, "1GiB", 0, 1 << 30},
		{units_size, "3KiB", 0, 3072},
		{units_size, "512B", 0, 512},
		{units_size, "1MB", -EINVAL, 7},
		{units_size, "1mib", -EINVAL, 7},
		{units_percent, "10%", 0, 10},
		{units_percent, "100%", 0, 100},
		{units_percent, "101%", -ERANGE, 7},
		{units_percent, "10", -EINVAL, 7},
		{units_number, "12", 0, 12},
		{units_number, "12x", -EINVAL, 7},
		{units_number, "", -EINVAL, 7},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t got = 7;
		if (rows[i].parse(rows[i].text, &got) != rows[i].err || got != rows[i].want)
			fail_msg("row %zu: %s gives %llu", i, rows[i].text, (unsigned long long)got);
	}
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(path_of("seam.yaml"));
	unlink(path_of("old.cred"));
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_file),
		cmocka_unit_test(defaults),
		cmocka_unit_test(bad_files),
		cmocka_unit_test(bad_credentials),
		cmocka_unit_test(units),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
