/* SPDX-License-Identifier: MIT */
/*
 * one-thread: any number of small devices, whose queues one thread serves.
 *
 * Each --socket-path is an entropy device (virtio 1.3 §5.4) of its own.  A thread for each would
 * mostly sleep; without any, one that is slow would hold up the messages of all others.  So there
 * is one group, which all of them give their queue to, and one worker that serves it.
 */
#include <libvu/vu.h>

#include <sys/random.h>

/* What the devices share. */
struct settings {
	struct vu_group *group;
};

struct rng {
	struct vu_device *dev;
	struct settings *settings;
};

/* On the worker's thread, whichever device it is: those that have requests take turns. */
static void queue_ready(struct vu_queue *queue, void *opaque)
{
	struct vu_req *req;

	while (vu_queue_next(queue, &req) == 1) {
		char bytes[256];
		ssize_t n = getrandom(bytes, sizeof(bytes), 0);

		vu_req_complete(req, vu_req_write(req, 0, bytes, n > 0 ? n : 0));
	}
}

static int make_group(struct settings *settings, struct vu_program *program)
{
	int ret = vu_group_new(&settings->group);

	return ret ? ret : vu_program_add_worker(program, settings->group);
}

static int create(struct vu_program *program, uint32_t index, void *state)
{
	const struct vu_ops ops = {.size = sizeof(ops), .queue_ready = queue_ready};
	const struct vu_device_info info = {.size = sizeof(info), .device_id = 4, .n_queues = 1};
	struct rng *rng = state;
	int ret;

	rng->settings = vu_program_settings(program);
	ret = vu_program_add_device(program, &info, &ops, rng, &rng->dev);
	if (!ret && !rng->settings->group)
		ret = make_group(rng->settings, program);
	if (!ret)
		ret = vu_queue_set_group(vu_device_queue(rng->dev, 0), rng->settings->group);
	return ret;
}

/* Queues that are left in the group go back to their devices: any order will do. */
static void destroy(void *state)
{
	struct rng *rng = state;

	vu_group_free(rng->settings->group);
	rng->settings->group = NULL;
}

int main(int argc, char **argv)
{
	struct settings settings = {.group = NULL};
	const struct vu_program_info info = {
		.size = sizeof(info),
		.name = "one-thread",
		.type = "rng",
		VU_PROGRAM_STATE(struct rng, create, destroy),
		.settings = &settings,
	};

	return vu_program_main(&info, argc, argv);
}
