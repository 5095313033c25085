/* SPDX-License-Identifier: MIT */
/* Runs a fuzz target on files, or on all files of folders: fuzz_NAME PATH... */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

enum { INPUT_BYTES = 1 << 20 };

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rbe");
	uint8_t *data = malloc(INPUT_BYTES), *exact;
	size_t n;

	if (!f || !data) {
		perror(path);
		return -1;
	}
	n = fread(data, 1, INPUT_BYTES, f);
	fclose(f);
	/* Not a byte more than there is: reading on is seen. */
	exact = malloc(n ? n : 1);
	memcpy(exact, data, n);
	free(data);
	/* For whom it ends in the middle of. */
	fprintf(stderr, "%s: %zu bytes\n", path, n);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	return 1;
}

static int replay(const char *path)
{
	struct dirent **names;
	struct stat st;
	int total = 0, n;

	if (stat(path, &st) || !S_ISDIR(st.st_mode))
		return replay_file(path);
	n = scandir(path, &names, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		char file[4096];
		int done = 0;

		snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
		if (names[i]->d_name[0] != '.')
			done = replay_file(file);
		free(names[i]);
		total = done < 0 || total < 0 ? -1 : total + done;
	}
	free(names);
	return total;
}

int main(int argc, char **argv)
{
	int total = 0;

	for (int i = 1; i < argc; i++) {
		int n = replay(argv[i]);

		if (n < 0)
			return 1;
		total += n;
	}
	printf("%d inputs replayed\n", total);
	/* A corpus that was not found proves nothing. */
	return total ? 0 : 1;
}
