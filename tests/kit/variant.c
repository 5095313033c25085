/* SPDX-License-Identifier: MIT */
/* See variant.h. */
#include "kit/variant.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kit/test.h"

bool on_packed_rings(void)
{
	return getenv("LIBVU_TEST_PACKED");
}

void needs_split_rings(void)
{
	if (on_packed_rings()) {
		print_message("[  SKIP  ] of split rings only\n");
		skip();
	}
}

void needs_second_mappings(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *first = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	void *second = mremap(first, 0, page, MREMAP_MAYMOVE);

	munmap(first, page);
	if (second != MAP_FAILED) {
		munmap(second, page);
		return;
	}
	print_message("[  SKIP  ] mremap(2) maps nothing a second time here; is this valgrind?\n");
	skip();
}

bool processes_once(void)
{
	return getenv("LIBVU_TEST_ONCE");
}
