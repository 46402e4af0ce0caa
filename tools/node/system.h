/* Tables of the system, between system.c and system_schema.c: what CREATE TABLE would make them, and who fills them. */
#pragma once
#include "cluster.h"

typedef void system_fill(struct cluster *c, struct node *n, struct table *t);
struct system_table {
	const char *cql; /* CREATE TABLE … */
	system_fill *fill;
};
extern const struct system_table system_schema_tables[];
extern const size_t system_schema_count;
