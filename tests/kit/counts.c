/* SPDX-License-Identifier: MIT */
/* See counts.h. */
#include "kit/counts.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

int count_entries(const char *folder)
{
	DIR *dir = opendir(folder);
	int n = 0;

	if (!dir)
		return -1;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

int count_fds(void)
{
	return count_entries("/proc/self/fd");
}

int count_fds_of(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	return count_entries(path);
}

int count_mappings_of(const char *text)
{
	/* No buffer of the allocator's, which would be a mapping, too. */
	static char line[512];
	FILE *maps = fopen("/proc/self/maps", "re");
	int n = 0;

	if (!maps)
		return -1;
	while (fgets(line, sizeof(line), maps))
		n += strstr(line, text) != NULL;
	fclose(maps);
	return n;
}

int count_guest_mappings(void)
{
	return count_mappings_of("/memfd:guest");
}
