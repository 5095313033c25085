/* SPDX-License-Identifier: MIT */
/* Copies size-prefixed structs from callers built against other versions of the headers. */
#include "base/size_struct.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The part that both know, then zeros.  -E2BIG: what only the caller knows is in use. */
static int size_copy(void *dst, size_t dst_size, const void *src, size_t size)
{
	const unsigned char *bytes = src;
	size_t known = size < dst_size ? size : dst_size;

	for (size_t i = dst_size; i < size; i++)
		if (bytes[i])
			return -E2BIG;
	memcpy(dst, src, known);
	memset((unsigned char *)dst + known, 0, dst_size - known);
	return 0;
}

int size_struct_copy(void *dst, size_t dst_size, const void *src, size_t v1_size)
{
	size_t size;
	int err;

	memcpy(&size, src, sizeof(size));
	if (size < v1_size || size > SIZE_STRUCT_MAX)
		return -EINVAL;
	err = size_copy(dst, dst_size, src, size);
	if (!err)
		memcpy(dst, &dst_size, sizeof(dst_size));
	return err;
}

const char *size_struct_why(char *buf, size_t len, const char *name, const void *src,
			    size_t dst_size, size_t v1_size)
{
	const unsigned char *bytes = src;
	size_t size, at = dst_size;

	memcpy(&size, src, sizeof(size));
	if (size < v1_size || size > SIZE_STRUCT_MAX) {
		snprintf(buf, len,
			 "%s says size %zu, and has at least %zu bytes: set .size = sizeof(%s)",
			 name, size, v1_size, name);
		return buf;
	}
	while (at < size && !bytes[at])
		at++;
	snprintf(buf, len,
		 "%s has something set at byte %zu, and this library knows %zu bytes of it: the "
		 "program was built for a newer one",
		 name, at, dst_size);
	return buf;
}

int size_struct_take(struct log *log, void *dst, size_t dst_size, const void *src, size_t v1_size,
		     const char *name)
{
	int err = size_struct_copy(dst, dst_size, src, v1_size);
	char why[192];

	if (err)
		log_error(log, "%s",
			  size_struct_why(why, sizeof(why), name, src, dst_size, v1_size));
	return err;
}

int size_table_copy(void **dst, size_t dst_row, const void *src, size_t src_row, size_t v1_row)
{
	const unsigned char *from = src;
	unsigned char *rows;
	const void *first;
	size_t n = 0;
	int err = 0;

	if (src_row < v1_row || src_row > SIZE_STRUCT_MAX)
		return -EINVAL;
	do
		memcpy(&first, from + src_row * n++, sizeof(first));
	while (first);
	rows = calloc(n, dst_row);
	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < n && !err; i++)
		err = size_copy(rows + i * dst_row, dst_row, from + i * src_row, src_row);
	if (err) {
		free(rows);
		return err;
	}
	*dst = rows;
	return 0;
}
