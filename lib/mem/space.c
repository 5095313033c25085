/* SPDX-License-Identifier: MIT */
/* Look-ups for rings. */
#include "mem/space.h"

#include <errno.h>

static int space_find_in_table(const struct space *s, uint64_t addr, enum space_access access,
			       struct space_run *run)
{
	const struct span *span = table_find(s->table, s->kind, addr);

	(void)access;
	if (!span)
		return -EFAULT;
	run->span = *span;
	run->access = SPACE_BOTH;
	return 0;
}

void space_init(struct space *s, const struct table *table, enum table_space kind)
{
	s->find = space_find_in_table;
	s->table = table;
	s->kind = kind;
}

int space_translate(const struct space *s, uint64_t addr, uint64_t len, enum space_access access,
		    void **host)
{
	struct space_run run;
	int err = s->find(s, addr, access, &run);
	uint64_t offset;

	if (err)
		return err;
	offset = addr - run.span.start;
	if (len > run.span.size - offset)
		return -EFAULT;
	*host = run.span.host + offset;
	return 0;
}
