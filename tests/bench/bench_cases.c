/* SPDX-License-Identifier: MIT */
/* Shapes of requests. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ4K                                                                                     \
	{                                                                                          \
		.len = 4096, .write = true                                                         \
	}
#define READ4K4 READ4K, READ4K, READ4K, READ4K

const struct shape bench_shapes[] = {
	{"one", "1 descriptor", false, 1, {READ4K}},
	{"blk3",
	 "3 descriptors (16 bytes, 4 KiB, status)",
	 false,
	 3,
	 {{.len = 16}, READ4K, {.len = 1, .write = true}}},
	{"indirect3",
	 "the same through one indirect table",
	 true,
	 3,
	 {{.len = 16}, READ4K, {.len = 1, .write = true}}},
	{"chain18",
	 "2 readable + 16 writable descriptors",
	 false,
	 18,
	 {{.len = 16}, {.len = 64}, READ4K4, READ4K4, READ4K4, READ4K4}},
};
const uint32_t bench_n_shapes = sizeof(bench_shapes) / sizeof(bench_shapes[0]);

const struct shape *bench_find_shape(const char *name)
{
	for (uint32_t i = 0; i < bench_n_shapes; i++)
		if (!strcmp(bench_shapes[i].name, name))
			return &bench_shapes[i];
	fprintf(stderr, "no shape '%s'; there are:", name);
	for (uint32_t i = 0; i < bench_n_shapes; i++)
		fprintf(stderr, " %s", bench_shapes[i].name);
	fprintf(stderr, "\n");
	exit(2);
}
