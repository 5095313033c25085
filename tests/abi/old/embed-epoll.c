/* SPDX-License-Identifier: MIT */
/*
 * A device inside a program that has a loop of its own: no runner, no vu_program, one fd to
 * watch and one function to call.  embed-epoll PATH
 */
#include <libvu/vu.h>

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void queue_ready(struct vu_queue *queue, void *opaque)
{
	struct vu_req *req;

	while (vu_queue_next(queue, &req) == 1) {
		char bytes[256];
		ssize_t n = getrandom(bytes, sizeof(bytes), 0);

		vu_req_complete(req, vu_req_write(req, 0, bytes, n > 0 ? (size_t)n : 0));
	}
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
		return -1;
	strcpy(address.sun_path, path);
	/* Before it has a name: only our user may connect. */
	if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 1) < 0)
		return -1;
	return fd;
}

static int watch(int epoll, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev);
}

/* One front-end at a time: who comes while another is served is turned away. */
static void take_front_end(struct vu_device *dev, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0 && vu_device_attach(dev, fd) != 0)
		close(fd);
}

static void loop(struct vu_device *dev, int listener, int epoll)
{
	for (;;) {
		struct epoll_event ev;

		if (epoll_wait(epoll, &ev, 1, -1) != 1)
			continue;
		if (ev.data.fd == listener)
			take_front_end(dev, listener);
		else /* If there is more to do, it stays readable. */
			vu_device_process(dev);
	}
}

int main(int argc, char **argv)
{
	const struct vu_ops ops = {.size = sizeof(ops), .queue_ready = queue_ready};
	const struct vu_device_info info = {
		.size = sizeof(info),
		.name = "rng",
		.device_id = 4,
		.n_queues = 1,
		.log_level = VU_LOG_INFO,
	};
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct vu_device *dev;
	int listener;

	if (argc != 2) {
		fprintf(stderr, "usage: %s PATH\n", argv[0]);
		return 2;
	}
	listener = listen_at(argv[1]);
	if (listener < 0 || epoll < 0 || vu_device_new(&info, &ops, NULL, &dev) != 0 ||
	    vu_device_guard(dev) != 0 || /* a front-end may truncate its memory */
	    watch(epoll, listener) != 0 || watch(epoll, vu_device_fd(dev)) != 0) {
		fprintf(stderr, "%s: cannot be served\n", argv[1]);
		return 1;
	}
	loop(dev, listener, epoll);
}
