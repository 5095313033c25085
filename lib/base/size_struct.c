/* SPDX-License-Identifier: MIT */
/* Copies size-prefixed structs from callers built against other versions of the headers. */
#include "base/size_struct.h"

#include <errno.h>
#include <string.h>

int size_struct_copy(void *dst, size_t dst_size, const void *src, size_t v1_size)
{
	const unsigned char *bytes = src;
	size_t size, known;

	memcpy(&size, src, sizeof(size));
	if (size < v1_size)
		return -EINVAL;
	for (size_t i = dst_size; i < size; i++)
		if (bytes[i])
			return -E2BIG;
	known = size < dst_size ? size : dst_size;
	memcpy(dst, src, known);
	memset((unsigned char *)dst + known, 0, dst_size - known);
	memcpy(dst, &dst_size, sizeof(dst_size));
	return 0;
}
