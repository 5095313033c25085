/* SPDX-License-Identifier: MIT */
/* The contract of structs that the caller fills: they start with `size_t size`. */
#ifndef BASE_SIZE_STRUCT_H
#define BASE_SIZE_STRUCT_H

#include <stddef.h>

#include "base/log.h"

/* Bytes that none of our structs reaches: a size beyond is one that nobody set. */
enum { SIZE_STRUCT_MAX = 4096 };

/*
 * Copy the caller's struct src into dst (dst_size bytes: today's struct).  v1_size is the struct's
 * size in the first release.  A shorter one is filled up with zeros.
 * Returns 0; -EINVAL below v1_size or beyond SIZE_STRUCT_MAX; -E2BIG for a longer one with anything
 * unknown set.
 */
int size_struct_copy(void *dst, size_t dst_size, const void *src, size_t v1_size);

/* What to tell the caller about -EINVAL or -E2BIG: "struct vu_x ...".  Returns buf. */
const char *size_struct_why(char *buf, size_t len, const char *name, const void *src,
			    size_t dst_size, size_t v1_size);

/* size_struct_copy(), with that line in the log if it fails. */
int size_struct_take(struct log *log, void *dst, size_t dst_size, const void *src, size_t v1_size,
		     const char *name);

/*
 * The same for a table, whose rows (src_row bytes each) begin with a pointer, NULL in the last.
 * *dst is a copy of rows of dst_row bytes, the last one, too; to be freed.  Also -ENOMEM.
 */
int size_table_copy(void **dst, size_t dst_row, const void *src, size_t src_row, size_t v1_row);

#endif
