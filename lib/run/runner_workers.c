/* SPDX-License-Identifier: MIT */
/*
 * A runner's workers: each serves one group while the runner runs, and belongs to it from
 * vu_runner_add_worker() to the end of the run.  Thread: the runner's.
 */
#include "run/runner_workers.h"

#include <errno.h>
#include <stdlib.h>

#include "run/runner.h"
#include "run/worker.h"

struct runner_worker {
	struct runner_worker *next;
	struct vu_worker *worker;
};

int runner_start_workers(struct vu_runner *runner)
{
	int ret = 0;

	for (struct runner_worker *r = runner->workers; r && !ret; r = r->next)
		ret = worker_start(r->worker);
	return ret;
}

void runner_stop_workers(struct vu_runner *runner)
{
	struct runner_worker *r;

	/* All are told before the first is waited for. */
	for (r = runner->workers; r; r = r->next)
		worker_tell(r->worker);
	for (r = runner->workers; r; r = r->next)
		worker_join(r->worker);
}

static void runner_forget_worker(struct runner_worker **link)
{
	struct runner_worker *r = *link;

	*link = r->next;
	vu_worker_free(r->worker);
	free(r);
}

void runner_forget_workers(struct vu_runner *runner)
{
	while (runner->workers)
		runner_forget_worker(&runner->workers);
	runner->n_workers = 0;
}

void runner_stand_in(struct vu_runner *runner)
{
	for (struct runner_worker *r = runner->workers; r; r = r->next)
		worker_stand_in(r->worker);
}

int vu_runner_add_worker(struct vu_runner *runner, struct vu_group *group,
			 const struct vu_worker_info *info)
{
	struct runner_worker *r = calloc(1, sizeof(*r));
	int ret;

	if (!r)
		return -ENOMEM;
	ret = worker_make(&runner->info, info, runner->n_workers, &r->worker);
	if (ret) {
		free(r);
		return ret;
	}
	ret = vu_worker_add_group(r->worker, group);
	if (!ret)
		ret = runner->running ? worker_start(r->worker) : worker_probe(r->worker);
	if (ret) {
		vu_worker_free(r->worker);
		free(r);
		return ret == -EBUSY ? -EEXIST : ret;
	}
	r->next = runner->workers;
	runner->workers = r;
	runner->n_workers++;
	return 0;
}

int vu_runner_remove_worker(struct vu_runner *runner, struct vu_group *group)
{
	struct runner_worker **link = &runner->workers;

	while (*link && !worker_has((*link)->worker, group))
		link = &(*link)->next;
	if (!*link)
		return -ENOENT;
	if (worker_is_here((*link)->worker))
		return -EDEADLK;
	runner_forget_worker(link);
	return 0;
}
