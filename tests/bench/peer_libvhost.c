/* SPDX-License-Identifier: MIT */
/*
 * For comparison: QEMU's libvhost-user.  Built only where its source is (option libvhost_user),
 * which scripts/bench fetches from the distribution.  Used as it is meant to be: each element is
 * popped, filled, freed; a batch is flushed and notified once.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "libvhost-user.h"

struct libvhost {
	VuDev dev; /* first: what callbacks get */
	bool use;
	vu_watch_cb kick;
	void *kick_data;
};

static void libvhost_panic(VuDev *dev, const char *what)
{
	fprintf(stderr, "libvhost-user: %s\n", what);
	exit(1);
}

static void libvhost_serve(VuDev *dev, int index)
{
	const struct libvhost *l = (struct libvhost *)(void *)dev;
	VuVirtq *vq = vu_get_queue(dev, index);
	VuVirtqElement *element;
	unsigned int n = 0;

	while ((element = vu_queue_pop(dev, vq, sizeof(*element)))) {
		if (l->use)
			bench_use(element->out_sg, element->out_num, element->in_sg,
				  element->in_num);
		if (BATCHED) {
			vu_queue_fill(dev, vq, element, 0, n++);
		} else {
			vu_queue_push(dev, vq, element, 0);
			vu_queue_notify(dev, vq);
		}
		free(element);
	}
	if (n) {
		vu_queue_flush(dev, vq, n);
		vu_queue_notify(dev, vq);
	}
}

static void libvhost_set_watch(VuDev *dev, int fd, int condition, vu_watch_cb cb, void *data)
{
	struct libvhost *l = (struct libvhost *)(void *)dev;

	l->kick = cb;
	l->kick_data = data;
}

static void libvhost_remove_watch(VuDev *dev, int fd)
{
}

static void libvhost_started(VuDev *dev, int index, bool started)
{
	vu_set_queue_handler(dev, vu_get_queue(dev, index), started ? libvhost_serve : NULL);
}

static const VuDevIface libvhost_iface = {.queue_set_started = libvhost_started};

static int libvhost_open(struct peer *peer, const struct way *way, void **state)
{
	struct libvhost *l = calloc(1, sizeof(*l));
	int fd, err = peer_open(peer, &fd);

	if (err || !l)
		return err ? err : -1;
	*state = l;
	l->use = way->use;
	return vu_init(&l->dev, 1, fd, libvhost_panic, NULL, libvhost_set_watch,
		       libvhost_remove_watch, &libvhost_iface)
		       ? 0
		       : -1;
}

static void libvhost_pump(void *state)
{
	struct libvhost *l = state;
	struct pollfd pfd = {.fd = l->dev.sock, .events = POLLIN};

	while (poll(&pfd, 1, 0) > 0 && vu_dispatch(&l->dev))
		;
}

static int libvhost_start(void *state)
{
	return 0;
}

/* Not inlined: what callgrind counts. */
__attribute__((noinline)) static void libvhost_process(void *state)
{
	struct libvhost *l = state;

	libvhost_serve(&l->dev, 0);
}

__attribute__((noinline)) static void libvhost_block(void *state)
{
	struct libvhost *l = state;

	l->kick(&l->dev, POLLIN, l->kick_data);
}

static void libvhost_close(void *state)
{
	struct libvhost *l = state;

	vu_deinit(&l->dev);
	free(l);
}

static const struct target target = {
	.name = BATCHED ? "libvhost-user, batched" : "libvhost-user",
	.process_symbol = "libvhost_process",
	.block_symbol = "libvhost_block",
	.blocks = true,
	.open = libvhost_open,
	.pump = libvhost_pump,
	.start = libvhost_start,
	.process = libvhost_process,
	.block = libvhost_block,
	.close = libvhost_close,
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, &target);
}
