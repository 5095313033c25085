/* SPDX-License-Identifier: MIT */
/* See clocks.h.  Keeps nothing. */
#include "clocks.h"

#include <dirent.h>
#include <stdio.h>
#include <time.h>

uint64_t clocks_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t clocks_of_process(int pid)
{
	char path[300];
	uint64_t sum = 0, ns;
	struct dirent *d;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/schedstat", pid, d->d_name);
		f = d->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (f && fscanf(f, "%lu", &ns) == 1)
			sum += ns;
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
	return sum;
}
