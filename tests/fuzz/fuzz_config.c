/* seam.yaml, any bytes: an error with its line, or a config that can be freed. */
#include "ctl/config.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	static char path[64];
	struct config *c = NULL;
	struct reason why = {""};

	if (fd < 0) {
		fd = memfd_create("seam.yaml", MFD_CLOEXEC);
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	}
	if (ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	/* No secrets: a fuzzer must not open files that it names itself. */
	if (!config_load(path, CONFIG_NO_SECRETS, &c, &why))
		config_free(c);
	else if (strncmp(why.text, path, strlen(path)))
		abort(); /* each error says where */
	return 0;
}
