#include "type.h"
#include "arena.h"
#include <string.h>

static const struct native {
	struct type type;
	uint8_t since;     /* protocol version */
	const char *class; /* what older versions get */
} natives[] = {
	{{.id = CQL_T_ASCII, .name = "ascii"}, 3, NULL},
	{{.id = CQL_T_BIGINT, .name = "bigint"}, 3, NULL},
	{{.id = CQL_T_BLOB, .name = "blob"}, 3, NULL},
	{{.id = CQL_T_BOOLEAN, .name = "boolean"}, 3, NULL},
	{{.id = CQL_T_COUNTER, .name = "counter"}, 3, NULL},
	{{.id = CQL_T_DECIMAL, .name = "decimal"}, 3, NULL},
	{{.id = CQL_T_DOUBLE, .name = "double"}, 3, NULL},
	{{.id = CQL_T_FLOAT, .name = "float"}, 3, NULL},
	{{.id = CQL_T_INT, .name = "int"}, 3, NULL},
	{{.id = CQL_T_TIMESTAMP, .name = "timestamp"}, 3, NULL},
	{{.id = CQL_T_UUID, .name = "uuid"}, 3, NULL},
	{{.id = CQL_T_VARCHAR, .name = "text"}, 3, NULL},
	{{.id = CQL_T_VARINT, .name = "varint"}, 3, NULL},
	{{.id = CQL_T_TIMEUUID, .name = "timeuuid"}, 3, NULL},
	{{.id = CQL_T_INET, .name = "inet"}, 3, NULL},
	{{.id = CQL_T_DATE, .name = "date"}, 4, "org.apache.cassandra.db.marshal.SimpleDateType"},
	{{.id = CQL_T_TIME, .name = "time"}, 4, "org.apache.cassandra.db.marshal.TimeType"},
	{{.id = CQL_T_SMALLINT, .name = "smallint"}, 4, "org.apache.cassandra.db.marshal.ShortType"},
	{{.id = CQL_T_TINYINT, .name = "tinyint"}, 4, "org.apache.cassandra.db.marshal.ByteType"},
	{{.id = CQL_T_DURATION, .name = "duration"}, 5, "org.apache.cassandra.db.marshal.DurationType"},
};
static struct type *made;

const struct type *type_native(struct cql_view name)
{
	if (cql_view_is(name, "varchar"))
		return type_of_id(CQL_T_VARCHAR);
	for (size_t i = 0; i < ARRAY_LEN(natives); i++)
		if (cql_view_is(name, natives[i].type.name))
			return &natives[i].type;
	return NULL;
}

const struct type *type_of_id(enum cql_type_id id)
{
	for (size_t i = 0; i < ARRAY_LEN(natives); i++)
		if (natives[i].type.id == id)
			return &natives[i].type;
	return NULL;
}

static const char *constructor(enum cql_type_id id)
{
	return id == CQL_T_LIST ? "list" : id == CQL_T_SET ? "set" : id == CQL_T_MAP ? "map" : "tuple";
}

static char *name_of(enum cql_type_id id, bool frozen, const struct type *const *sub, uint8_t n)
{
	struct cql_writer w = BUFFER_INIT;

	if (frozen)
		cql_write_view(&w, cql_view_of("frozen<"));
	cql_write_view(&w, cql_view_of(constructor(id)));
	for (int i = 0; i < n; i++) {
		cql_write_view(&w, cql_view_of(i ? ", " : "<"));
		cql_write_view(&w, cql_view_of(sub[i]->name));
	}
	cql_write_view(&w, cql_view_of(frozen ? ">>" : ">"));
	cql_write_u8(&w, 0);
	return (char *)w.p;
}

const struct type *type_make(enum cql_type_id id, bool frozen, const struct type *const *sub, uint8_t n)
{
	bool fz = frozen || id == CQL_T_TUPLE;
	char *name = name_of(id, fz, sub, n);

	for (struct type *t = made; t; t = t->next)
		if (strcmp(t->name, name) == 0) {
			free(name);
			return t;
		}
	const struct type **copy = must_alloc(n * sizeof(*copy));
	struct type *t = must_alloc(sizeof(*t));

	memcpy(copy, sub, n * sizeof(*copy));
	*t = (struct type){.id = id, .frozen = fz, .n = n, .sub = copy, .name = name, .next = made};
	made = t;
	return t;
}

bool type_is_collection(const struct type *t)
{
	return t->id == CQL_T_LIST || t->id == CQL_T_SET || t->id == CQL_T_MAP;
}

bool type_is_multicell(const struct type *t)
{
	return type_is_collection(t) && !t->frozen;
}

void type_write(struct cql_writer *w, const struct type *t, uint8_t version)
{
	if (t->n == 0) {
		const struct native *nt = container_of(t, struct native, type);

		if (version >= nt->since) {
			cql_write_u16(w, (uint16_t)t->id);
		} else {
			cql_write_u16(w, CQL_T_CUSTOM);
			cql_write_string(w, cql_view_of(nt->class));
		}
		return;
	}
	cql_write_u16(w, (uint16_t)t->id);
	if (t->id == CQL_T_TUPLE)
		cql_write_u16(w, t->n);
	for (int i = 0; i < t->n; i++)
		type_write(w, t->sub[i], version);
}

void type_free_all(void)
{
	while (made) {
		struct type *t = made;

		made = t->next;
		free((void *)t->sub);
		free((void *)t->name);
		free(t);
	}
}
