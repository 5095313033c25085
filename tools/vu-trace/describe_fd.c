/* SPDX-License-Identifier: MIT */
/*
 * What a descriptor is: /proc knows its name without asking a file system, which may be one in user
 * space.  No state.
 */
#include "describe_fd.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/printable.h"

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

/* An eventfd has a number of its own in fdinfo: the same one is seen to be the same. */
static void eventfd_name(int fd, struct fd_words *words)
{
	char path[40], line[128];
	FILE *info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = fopen(path, "re");
	while (info && fgets(line, sizeof(line), info))
		if (begins(line, "eventfd-id:"))
			snprintf(words->name, sizeof(words->name), "%ld",
				 strtol(line + strlen("eventfd-id:"), NULL, 10));
	if (info)
		fclose(info);
}

/* "anon_inode:[eventfd]", "socket:[123]", "pipe:[123]" */
static void name_in_brackets(const char *text, char *to, size_t size)
{
	const char *start = strchr(text, '[');
	size_t len = start ? strcspn(start + 1, "]") : 0;

	snprintf(to, size, "%.*s", (int)len, start ? start + 1 : "");
}

static void file_name(int fd, const char *target, struct fd_words *words)
{
	struct stat st;

	if (begins(target, "/memfd:")) {
		char *deleted;

		snprintf(words->kind, sizeof(words->kind), "memfd");
		printable(words->name, sizeof(words->name), target + strlen("/memfd:"));
		deleted = strstr(words->name, " (deleted)");
		if (deleted)
			*deleted = '\0';
	} else {
		snprintf(words->kind, sizeof(words->kind), "file");
		printable(words->name, sizeof(words->name), target);
	}
	if (descriptor_kind(fd) == DESCRIPTOR_MEMORY && !fstat(fd, &st) && st.st_size > 0)
		words->size = (uint64_t)st.st_size;
}

void describe_fd(int fd, struct fd_words *words)
{
	char path[40], target[PATH_MAX];
	ssize_t n;

	memset(words, 0, sizeof(*words));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	if (n <= 0) {
		snprintf(words->kind, sizeof(words->kind), "unknown");
	} else if (begins(target, "anon_inode:")) {
		char kind[FD_KIND];

		name_in_brackets(target, kind, sizeof(kind));
		printable(words->kind, sizeof(words->kind),
			  *kind ? kind : target + strlen("anon_inode:"));
		if (!strcmp(kind, "eventfd"))
			eventfd_name(fd, words);
	} else if (begins(target, "socket:") || begins(target, "pipe:")) {
		snprintf(words->kind, sizeof(words->kind), *target == 's' ? "socket" : "pipe");
		name_in_brackets(target, words->name, sizeof(words->name));
	} else {
		file_name(fd, target, words);
	}
}

void describe_fd_text(const struct fd_words *words, char *out, size_t size)
{
	bool is_memory = !strcmp(words->kind, "memfd");
	int n = snprintf(out, size, "%s%s%s", words->kind,
			 !*words->name ? ""
			 : is_memory   ? ":"
				       : " ",
			 words->name);

	if (words->size && n > 0 && (size_t)n < size)
		snprintf(out + n, size - (size_t)n, " of %llu bytes",
			 (unsigned long long)words->size);
}
