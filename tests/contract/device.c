/* SPDX-License-Identifier: MIT */
/*
 * The device of the contract in C; the other languages have the same.  device PATH
 *
 * Virtio device 42 with two queues, a configuration space of 8 bytes of which the driver may write
 * the first, feature bits 5 and 6, of which it vetoes 6.  The first letter of a request says what
 * to do:
 *
 *  e  answer with the rest of it
 *  2  answer "once", and complete it once more: was that refused?
 *  w  complete it with a byte more than there is room for: was that refused?  then answer "late"
 *  b  write beyond the configuration space: was that refused?
 *  ?  answer "refused" or "accepted", of the last of these three
 *  x  fail by what the language has for an error that nobody handles
 *  d  forget it;  f: keep it, return, and let go of it
 *  k  keep it, until "r", which answers "released", or until the queue stops: then answer "kept"
 *  t  answer "thread" from another thread, or as near to that as the language comes
 *  c  put the rest of it at the start of the configuration space
 *
 * What C cannot get wrong (x, d, f) it does right: the request is completed with 0 bytes.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <libvu/vu.h>

enum { KEPT = 16, COMMAND = 64, CONFIG = 8 };

struct device {
	struct vu_req *kept[KEPT];
	uint32_t n_kept;
	int refused;
};

static void answer(struct vu_req *req, const char *text)
{
	vu_req_complete(req, vu_req_write(req, 0, text, strlen(text)));
}

static void *answer_there(void *opaque)
{
	struct vu_req *req = opaque;

	vu_req_complete_remote(req, vu_req_write(req, 0, "thread", 6));
	return NULL;
}

static void answer_by_thread(struct vu_req *req)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, answer_there, req) == 0)
		pthread_detach(thread);
	else
		vu_req_complete(req, 0);
}

static void release(struct device *d)
{
	while (d->n_kept)
		answer(d->kept[--d->n_kept], "kept");
}

static void misuse(struct device *d, struct vu_device *dev, struct vu_req *req, char what)
{
	if (what == '2') {
		answer(req, "once");
		d->refused = vu_req_complete(req, 0) < 0;
	} else if (what == 'w') {
		d->refused = vu_req_complete(req, req->writable_len + 1) < 0;
		answer(req, "late");
	} else {
		d->refused = vu_config_set(dev, CONFIG - 1, "xx", 2) < 0;
		vu_req_complete(req, 0);
	}
}

static void serve(struct device *d, struct vu_device *dev, struct vu_req *req)
{
	char command[COMMAND];
	size_t n = vu_req_read(req, 0, command, sizeof(command));
	char what = n ? command[0] : 'd';

	if (what == 'e') {
		vu_req_complete(req, vu_req_write(req, 0, command + 1, n - 1));
	} else if (strchr("2wb", what)) {
		misuse(d, dev, req, what);
	} else if (what == '?') {
		answer(req, d->refused ? "refused" : "accepted");
	} else if (what == 'k' && d->n_kept < KEPT) {
		d->kept[d->n_kept++] = req;
	} else if (what == 'r') {
		release(d);
		answer(req, "released");
	} else if (what == 't') {
		answer_by_thread(req);
	} else if (what == 'c') {
		vu_req_complete(req, 0);
		if (vu_config_set(dev, 0, command + 1, (uint32_t)n - 1) < 0)
			fprintf(stderr, "no such configuration\n");
	} else {
		vu_req_complete(req, 0);
	}
}

static void queue_ready(struct vu_queue *queue, void *opaque)
{
	struct vu_req *req;

	while (vu_queue_next(queue, &req) == 1)
		serve(opaque, vu_queue_device(queue), req);
}

static void queue_stop(struct vu_queue *queue, void *opaque)
{
	release(opaque);
}

static int features_acked(struct vu_device *dev, uint64_t features, uint64_t high, void *opaque)
{
	return features >> 6 & 1 ? -EINVAL : 0;
}

/* For the signal handler, as it gets no argument. */
static struct vu_runner *serving;

static void on_signal(int number)
{
	vu_runner_stop(serving);
}

int main(int argc, char **argv)
{
	const unsigned char writable[CONFIG] = {0xff};
	const struct vu_ops ops = {.size = sizeof(ops),
				   .features_acked = features_acked,
				   .queue_ready = queue_ready,
				   .queue_stop = queue_stop};
	const struct vu_device_info info = {.size = sizeof(info),
					    .name = "contract",
					    .device_id = 42,
					    .n_queues = 2,
					    .features = 1 << 5 | 1 << 6,
					    .config = "contract",
					    .config_writable = writable,
					    .config_size = CONFIG};
	struct device device = {.n_kept = 0};
	struct vu_runner *runner;
	struct vu_device *dev;

	if (argc != 2 || vu_device_new(&info, &ops, &device, &dev) || vu_runner_new(NULL, &runner))
		return 2;
	serving = runner;
	signal(SIGTERM, on_signal);
	if (vu_runner_listen(runner, dev, argv[1], NULL) || vu_runner_run(runner))
		return 1;
	vu_runner_free(runner);
	vu_device_free(dev);
	return 0;
}
