/*
 * Partition tokens as Cassandra's Murmur3Partitioner makes them: murmur3 x64_128, seed 0, first half, with the tail bytes sign-extended
 * (org.apache.cassandra.utils.MurmurHash), which other implementations don't do.
 */
#pragma once
#include "cql/bytes.h"

int64_t token_of(struct cql_view routing_key);
