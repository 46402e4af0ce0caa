/* Classifies its argument once: tests/check/cost counts the instructions. */
#include "cql/classify.h"
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	struct cql_class c;

	if (argc != 2)
		return 2;
	cql_classify((struct cql_view){(const uint8_t *)argv[1], strlen(argv[1])}, &c);
	printf("%s\n", cql_kind_name(c.kind));
	return 0;
}
