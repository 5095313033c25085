/* SPDX-License-Identifier: MIT */
/*
 * Instructions of a request, counted by callgrind.
 *
 * One process under callgrind runs all cases.  Between them it asks callgrind to write down
 * what was counted since, with the case's name, and to begin anew: so neither start, stop nor a
 * warm-up counts.  Outside callgrind, the files are read.
 */
#include "bench.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef HAVE_CALLGRIND
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_DUMP_STATS_AT(name) ((void)(name))
#endif

#include "kit/folder.h"

enum { WARM_UP = 512, COUNTED = 2048, NAME_MAX_LEN = 64, CASES_MAX = 128 };

static const struct way count_ways[] = {
	{.batch = 32},
	{.batch = 1},
	{.batch = 32, .packed = true},
	{.batch = 1, .packed = true},
	{.batch = 32, .use = true},
	{.batch = 1, .use = true},
	{.batch = 32, .packed = true, .use = true},
	{.batch = 1, .packed = true, .use = true},
	{.batch = 32, .use = true, .loop = true},
	{.batch = 1, .use = true, .loop = true},
	{.batch = 32, .packed = true, .use = true, .loop = true},
	{.batch = 1, .packed = true, .use = true, .loop = true},
	{.batch = 32, .block = true},
	{.batch = 1, .block = true},
	{.batch = 32, .log = true},
	{.batch = 1, .log = true},
	{.batch = 32, .packed = true, .log = true},
	{.batch = 1, .packed = true, .log = true},
};
enum { N_WAYS = sizeof(count_ways) / sizeof(count_ways[0]) };

static bool count_can(const struct target *target, const struct way *way)
{
	return (!way->packed || target->packed) && (!way->block || target->blocks) &&
	       (!way->log || target->logs) && (!way->loop || target->loops);
}

static const char *count_mode(const struct way *way)
{
	if (way->block)
		return "blocking";
	if (way->log)
		return "logging";
	if (way->loop)
		return "looping";
	return way->use ? "using" : "polling";
}

static void count_name(char *name, const struct shape *shape, const struct way *way)
{
	snprintf(name, NAME_MAX_LEN, "%s %s %s %u", shape->name, way->packed ? "packed" : "split",
		 count_mode(way), way->batch);
}

int count_cases(const struct target *target, bool block)
{
	for (int w = 0; w < N_WAYS; w++) {
		const struct way *way = &count_ways[w];

		if (way->block != block || !count_can(target, way))
			continue;
		for (uint32_t s = 0; s < bench_n_shapes; s++) {
			struct run *r = run_start(target, &bench_shapes[s], way);
			char name[NAME_MAX_LEN];

			count_name(name, &bench_shapes[s], way);
			run_requests(r, WARM_UP);
			CALLGRIND_DUMP_STATS_AT("warm-up");
			run_requests(r, COUNTED);
			CALLGRIND_DUMP_STATS_AT(name);
			run_stop(r);
		}
	}
	return 0;
}

struct counted {
	char name[NAME_MAX_LEN];
	double instructions;
};

struct counts {
	struct counted cases[CASES_MAX];
	int n;
};

/* A dump: its name and total. */
static void count_read(const char *path, struct counts *counts)
{
	static const char trigger[] = "desc: Trigger: Client Request: ";
	struct counted *c = &counts->cases[counts->n];
	unsigned long long total;
	FILE *file = fopen(path, "r");
	char line[512];
	bool named = false;

	while (file && fgets(line, sizeof(line), file)) {
		if (!strncmp(line, trigger, strlen(trigger))) {
			const char *what = line + strlen(trigger);
			size_t len = strcspn(what, "\n");

			if (len >= sizeof(c->name))
				continue;
			memcpy(c->name, what, len);
			c->name[len] = 0;
			named = strcmp(c->name, "warm-up") != 0;
		}
		if (sscanf(line, "summary: %llu", &total) == 1 && named && total &&
		    counts->n + 1 < CASES_MAX) {
			c->instructions = (double)total / COUNTED;
			counts->n++;
			break;
		}
	}
	if (file)
		fclose(file);
}

static void count_read_all(const char *folder, struct counts *counts)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	char path[512];

	while (dir && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "count.", 6))
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		count_read(path, counts);
	}
	if (dir)
		closedir(dir);
}

static void count_run(const struct target *target, const char *self, bool block,
		      struct counts *counts)
{
	char folder[FOLDER_PATH], command[1024];
	int before = counts->n, ret = folder_new(folder, "/tmp", "libvu-bench"), len;
	bool failed;

	if (ret)
		bench_die(folder, ret);
	len = snprintf(
		command, sizeof(command),
		"valgrind --tool=callgrind --toggle-collect=%s --callgrind-out-file=%s/count "
		"'%s' --cases %s >%s/log 2>&1 || { cat %s/log >&2; false; }",
		block ? target->block_symbol : target->process_symbol, folder, self,
		block ? "block" : "poll", folder, folder);
	failed = len >= (int)sizeof(command) || system(command);
	/* Whatever came of it, nothing is left there. */
	count_read_all(folder, counts);
	folder_clear(folder);
	if (failed) {
		fprintf(stderr, "bench: failed: %s\n", command);
		exit(1);
	}
	if (counts->n == before) {
		fprintf(stderr, "bench: callgrind counted nothing\n");
		exit(1);
	}
}

static double count_find(const struct counts *counts, const struct shape *shape,
			 const struct way *way)
{
	char name[NAME_MAX_LEN];

	count_name(name, shape, way);
	for (int i = 0; i < counts->n; i++)
		if (!strcmp(counts->cases[i].name, name))
			return counts->cases[i].instructions;
	return 0;
}

static void count_print_json(const struct target *target, const struct counts *counts)
{
	const char *comma = "";

	printf("{\"library\": \"%s\",\n \"compiler\": \"%s\",\n \"counts\": {", target->name,
	       __VERSION__);
	for (uint32_t s = 0; s < bench_n_shapes; s++)
		for (int w = 0; w < N_WAYS; w++) {
			double n = count_find(counts, &bench_shapes[s], &count_ways[w]);
			char name[NAME_MAX_LEN];

			count_name(name, &bench_shapes[s], &count_ways[w]);
			if (n > 0)
				printf("%s\n  \"%s\": %.1f", comma, name, n);
			comma = ",";
		}
	printf("\n }}\n");
}

static void count_print(const struct target *target, const struct counts *counts)
{
	printf("| request |");
	for (int w = 0; w < N_WAYS; w++)
		if (count_can(target, &count_ways[w]))
			printf(" %s, %s, batch %u |", count_ways[w].packed ? "packed" : "split",
			       count_mode(&count_ways[w]), count_ways[w].batch);
	printf("\n| --- |");
	for (int w = 0; w < N_WAYS; w++)
		if (count_can(target, &count_ways[w]))
			printf(" ---: |");
	printf("\n");
	for (uint32_t s = 0; s < bench_n_shapes; s++) {
		printf("| %s |", bench_shapes[s].what);
		for (int w = 0; w < N_WAYS; w++)
			if (count_can(target, &count_ways[w]))
				printf(" %.0f |",
				       count_find(counts, &bench_shapes[s], &count_ways[w]));
		printf("\n");
	}
}

int count_all(const struct target *target, const char *self, bool json)
{
	struct counts counts = {.n = 0};

#ifndef HAVE_CALLGRIND
	fprintf(stderr, "bench: built without <valgrind/callgrind.h>\n");
	return 77;
#endif
	count_run(target, self, false, &counts);
	if (target->blocks)
		count_run(target, self, true, &counts);
	if (json)
		count_print_json(target, &counts);
	else
		count_print(target, &counts);
	return 0;
}
