#include "client/peers.h"

#include <errno.h>
#include <string.h>

#define MAX_COLUMNS 64

bool peers_address(struct cql_view v, uint8_t ip[16])
{
	if (v.n == 16) {
		memcpy(ip, v.p, 16);
		return true;
	}
	if (v.n != 4)
		return false;
	memset(ip, 0, 10);
	ip[10] = ip[11] = 0xff;
	memcpy(ip + 12, v.p, 4);
	return true;
}

struct row {
	const struct cql_rows *rows;
	const struct cql_value *cells;
};

static struct cql_view cell(const struct row *r, const char *name)
{
	int i = cql_rows_column(r->rows, name);

	return i < 0 || i >= MAX_COLUMNS || r->cells[i].state != CQL_VALUE_SET ? (struct cql_view){0}
									       : r->cells[i].view;
}

static void copy_text(char out[TOPOLOGY_NAME], struct cql_view v)
{
	size_t n = v.n < TOPOLOGY_NAME - 1 ? v.n : TOPOLOGY_NAME - 1;

	if (n)
		memcpy(out, v.p, n);
	out[n] = 0;
}

/* An [int] column that holds a port; 0: none. */
static uint16_t cell_port(const struct row *r, const char *name)
{
	struct cql_view v = cell(r, name);

	return v.n == 4 && !v.p[0] && !v.p[1] ? (uint16_t)(v.p[2] << 8 | v.p[3]) : 0;
}

static bool is_any(const uint8_t ip[16])
{
	static const uint8_t ANY6[16], ANY4[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	return !memcmp(ip, ANY6, 16) || !memcmp(ip, ANY4, 16);
}

static int append(struct topology_node **nodes, size_t *n, const struct topology_node *node)
{
	if (*n == TOPOLOGY_NODES)
		return 0;
	if (!(*n & (*n - 1)) || !*n) {
		struct topology_node *more = realloc(*nodes, (*n ? *n * 2 : 1) * sizeof *more);
		if (!more)
			return -ENOMEM;
		*nodes = more;
	}
	(*nodes)[(*n)++] = *node;
	return 0;
}

int peers_read_local(uint8_t version, struct cql_view result, const struct endpoint *at, uint16_t port,
	struct topology_view *v, struct topology_node **nodes, size_t *n)
{
	struct cql_rows rows;
	struct cql_error err;
	struct cql_reader r;
	struct cql_value cells[MAX_COLUMNS];
	struct topology_node node = {.at = *at, .up = true};
	struct row row = {&rows, cells};

	if (!cql_rows_read(version, result, &rows, &err))
		return -EBADMSG;
	cql_reader_init(&r, rows.cells);
	if (!cql_row_next(&rows, &r, cells, MAX_COLUMNS))
		return -EBADMSG;
	copy_text(v->cluster_name, cell(&row, "cluster_name"));
	copy_text(v->release, cell(&row, "release_version"));
	copy_text(v->datacenter, cell(&row, "data_center"));
	copy_text(node.datacenter, cell(&row, "data_center"));
	if (peers_address(cell(&row, "rpc_address"), node.at.ip) && !is_any(node.at.ip))
		node.at.port = cell_port(&row, "rpc_port") ? cell_port(&row, "rpc_port") : port;
	else
		node.at = *at;
	return append(nodes, n, &node);
}

int peers_read(
	uint8_t version, struct cql_view result, uint16_t port, struct topology_node **nodes, size_t *n)
{
	struct cql_rows rows;
	struct cql_error error;
	struct cql_reader r;
	struct cql_value cells[MAX_COLUMNS];
	struct row row = {&rows, cells};

	if (!cql_rows_read(version, result, &rows, &error))
		return -EBADMSG;
	cql_reader_init(&r, rows.cells);
	while (cql_row_next(&rows, &r, cells, MAX_COLUMNS)) {
		struct topology_node node = {.up = true};
		struct cql_view native = cell(&row, "native_address");
		bool v2 = peers_address(native, node.at.ip);
		if (!v2 && !peers_address(cell(&row, "rpc_address"), node.at.ip))
			continue; /* a row being written: it has no address yet */
		if (is_any(node.at.ip) && !peers_address(cell(&row, "peer"), node.at.ip))
			continue;
		node.at.port = v2 && cell_port(&row, "native_port") ? cell_port(&row, "native_port") : port;
		copy_text(node.datacenter, cell(&row, "data_center"));
		int err = append(nodes, n, &node);
		if (err)
			return err;
	}
	return cql_reader_ok(&r) ? 0 : -EBADMSG;
}
