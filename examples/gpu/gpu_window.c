/* SPDX-License-Identifier: MIT */
/* See gpu_window.h. */
#include "gpu_window.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

struct window_piece {
	struct window_piece *next;
	struct window *window;
	uint64_t serial, at, len;
	int fd;
	bool asked;  /* the front-end is to say something of it */
	bool mapped; /* it has said so */
	bool again;  /* ... of before a pause: then it is asked once more */
	bool doomed; /* it is to be taken away as soon as that comes */
	void *job;
};

static void drop(struct window_piece *piece)
{
	struct window_piece **link = &piece->window->pieces;

	while (*link != piece)
		link = &(*link)->next;
	*link = piece->next;
	piece->window->n--;
	close(piece->fd);
	free(piece);
}

int window_init(struct window *window, struct vu_device *dev, uint64_t len, vu_shmem_lost_fn lost)
{
	const uint64_t lens[WINDOW_REGION + 1] = {[WINDOW_REGION] = len};
	const struct vu_shmem_info info = {
		.size = sizeof(info), .lens = lens, .n_lens = WINDOW_REGION + 1, .lost = lost};
	int ret = vu_device_set_shmem(dev, &info);

	window->dev = dev;
	window->len = ret ? 0 : len;
	return ret;
}

/*
 * Of memfds alone there are seals.  Neither call asks a file system that could keep us waiting: the
 * first fails with whatever else it is.
 */
static int check_memory(int fd, uint64_t len)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct statfs fs;
	struct stat st;

	if (seals < 0 || (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)))
		return -EBADF;
	if (!(seals & F_SEAL_SHRINK) && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0)
		return -EBADF;
	/* Pages of another size may run out when they are touched. */
	if (fstatfs(fd, &fs) < 0 || fs.f_type != TMPFS_MAGIC || fstat(fd, &st) < 0)
		return -EBADF;
	return (uint64_t)st.st_size < len ? -EBADF : 0;
}

static int ask(struct window_piece *piece);

static void on_mapped(struct vu_device *dev, int result, void *asked)
{
	struct window_piece *piece = asked;
	struct window *window = piece->window;
	void *job = piece->job;
	uint64_t serial = piece->serial;

	piece->job = NULL;
	piece->asked = false;
	piece->mapped = !result;
	if (!result && piece->doomed &&
	    vu_device_unmap_shmem(dev, WINDOW_REGION, piece->at, NULL, NULL))
		result = -ECANCELED; /* what cannot be taken away is gone already */
	/* The driver stopped before: when it starts again that is done again. */
	if (piece->doomed || (result && (job || result != -ECANCELED)))
		drop(piece);
	else if (result && piece->again)
		(void)!ask(piece);
	window->answered(window->opaque, job, serial, result);
}

static int ask(struct window_piece *piece)
{
	const struct vu_shmem_piece what = {
		.size = sizeof(what),
		.id = WINDOW_REGION,
		.flags = VU_SHMEM_WRITE,
		.offset = piece->at,
		.len = piece->len,
		.fd = piece->fd,
	};
	int ret = vu_device_map_shmem(piece->window->dev, &what, on_mapped, piece);

	piece->asked = !ret;
	piece->again = false;
	if (ret)
		drop(piece);
	return ret;
}

int window_map(struct window *window, uint64_t serial, uint64_t at, uint64_t len, int fd, void *job)
{
	struct window_piece *piece;
	int ret = check_memory(fd, len);

	if (ret)
		return ret;
	if (window->n == WINDOW_PIECES)
		return -E2BIG;
	piece = calloc(1, sizeof(*piece));
	if (!piece)
		return -ENOMEM;
	*piece = (struct window_piece){.next = window->pieces,
				       .window = window,
				       .serial = serial,
				       .at = at,
				       .len = len,
				       .fd = fcntl(fd, F_DUPFD_CLOEXEC, 0),
				       .job = job};
	if (piece->fd < 0) {
		free(piece);
		return -errno;
	}
	window->pieces = piece;
	window->n++;
	return ask(piece);
}

void window_unmap(struct window *window, uint64_t serial)
{
	struct window_piece *piece = window->pieces;

	while (piece && piece->serial != serial)
		piece = piece->next;
	if (!piece)
		return;
	if (piece->asked) {
		piece->doomed = true;
		return;
	}
	/* What the library does not know any more is gone. */
	if (piece->mapped)
		(void)!vu_device_unmap_shmem(window->dev, WINDOW_REGION, piece->at, NULL, NULL);
	drop(piece);
}

void window_lost(struct window *window)
{
	for (struct window_piece *piece = window->pieces; piece; piece = piece->next)
		piece->mapped = piece->again = false;
}

void window_restore(struct window *window)
{
	for (struct window_piece *piece = window->pieces, *next; piece; piece = next) {
		next = piece->next;
		if (piece->asked)
			piece->again = true;
		else if (!piece->mapped)
			(void)!ask(piece);
	}
}

void window_let_go(struct window *window, void (*fn)(void *opaque, void *job))
{
	for (struct window_piece *piece = window->pieces; piece; piece = piece->next) {
		void *job = piece->job;

		piece->job = NULL;
		if (job)
			fn(window->opaque, job);
	}
}
