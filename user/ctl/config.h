/* seam.yaml: every key of the file, checked. Times in ms, sizes in bytes. Strings and arrays belong to the config. */
#pragma once
#include "base/endpoint.h"
#include "base/log.h"
#include "base/reason.h"
#include "ctl/phases.h"

#define CONFIG_FILE      "/etc/seam/seam.yaml"
#define CONFIG_RUN_DIR   "/run/seam"
#define CONFIG_STATE_DIR "/var/lib/seam"
#define CONFIG_APP_NAME  64 /* most bytes of an app's or cluster's name */

struct config_cluster {
	char *name;
	char **contact_points; /* "host:port", "1.2.3.4:9042", "[::1]:9042" */
	size_t n_contact_points;
	struct endpoint *endpoints;
	size_t n_endpoints;
	uint64_t port;
	char *datacenter;      /* NULL: the contact points' own */
	char *credentials;     /* path, or NULL */
	char *user, *password; /* NULL without credentials, or when not asked for */
};

enum config_follower { CONFIG_FOLLOWER_COUNT, CONFIG_FOLLOWER_FAIL };
enum config_auth { CONFIG_AUTH_SEAM, CONFIG_AUTH_FORWARD };
enum config_schema { CONFIG_SCHEMA_BOTH, CONFIG_SCHEMA_ORIGIN };
enum config_data_path { CONFIG_DATA_AUTO, CONFIG_DATA_TCP };

struct config_match {
	char *unit, *cgroup; /* at most one */
};

struct config_app {
	size_t line; /* of the file */
	char *name, *origin, *target;
	struct config_match match;
	int phase; /* enum phases_id; the words of the file that this version has */
	int existing, data_path, follower_failure, target_auth, schema;
	uint64_t follower_wait, request_timeout;
	char **exclude; /* "ks" or "ks.table" */
	size_t n_exclude;
	struct {
		uint64_t sample;
	} shadow;
	struct {
		uint64_t max_size, warn_at;
		int at_limit;
	} journal;
	struct {
		uint64_t session_buffer, frame, prepared;
	} limits;
};

struct config {
	char *run_dir, *state_dir;
	uint64_t workers; /* 0: one a CPU */
	uint64_t stop_timeout, memory;
	struct {
		int format, level; /* enum log_format, enum log_level */
	} log;
	struct config_cluster *clusters;
	size_t n_clusters;
	struct config_app *apps;
	size_t n_apps;
};

enum config_secrets {
	CONFIG_WITH_SECRETS, /* credentials files are read and checked */
	CONFIG_NO_SECRETS,   /* not touched: for tools of users who may not read them */
};

/* -EINVAL with "FILE:LINE: what, expected what". */
int config_load(
	const char *file, enum config_secrets secrets, struct config **out, struct reason *why) must_check;
void config_free(struct config *c);
const struct config_app *config_app(const struct config *c, const char *name); /* NULL: unknown */
const struct config_cluster *config_cluster(const struct config *c, const char *name);
