/* The compression and checksum libraries behind cql/pack.h: lz4, snappy, zlib. */
#pragma once
#include "cql/pack.h"

const struct cql_pack *pack_libs(void);
