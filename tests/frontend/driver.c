/* SPDX-License-Identifier: MIT */
/* What both ring layouts share on the driver's side: memory, notifiers, kicks. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frontend/driver.h"

static int driver_open_fds(struct driver_fds *fds, bool socket)
{
	int pair[2];

	if (socket) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
			return -errno;
		fds->driver = pair[0];
		fds->device = pair[1];
		return 0;
	}
	fds->driver = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fds->driver < 0)
		return -errno;
	fds->device = fds->driver;
	return 0;
}

static void driver_close_fds(struct driver_fds *fds)
{
	if (fds->driver >= 0)
		close(fds->driver);
	if (fds->device >= 0 && fds->device != fds->driver)
		close(fds->device);
}

static int driver_open_notifiers(struct driver_ring *r, enum driver_notifier notifier)
{
	int ret;

	if (notifier == DRIVER_NO_KICKS)
		return 0;
	ret = driver_open_fds(&r->kick, false);
	if (ret == 0)
		ret = driver_open_fds(&r->call, notifier == DRIVER_SOCKET);
	if (ret == 0)
		ret = driver_open_fds(&r->err, false);
	return ret;
}

static int driver_alloc_tables(struct driver_ring *r)
{
	uint64_t bytes = (uint64_t)r->size * r->max_indirect * sizeof(struct driver_split_desc);

	if (!bytes)
		return 0;
	r->tables_gpa = guest_alloc(r->guest, bytes, 16);
	if (r->tables_gpa == GUEST_NONE)
		return -ENOMEM;
	r->tables = guest_ptr(r->guest, r->tables_gpa, bytes);
	return 0;
}

int driver_new(const struct driver_config *config, struct driver_ring **ring)
{
	struct driver_ring *r = calloc(1, sizeof(*r));
	int ret = -ENOMEM;

	if (!r)
		return -ENOMEM;
	r->layout = config->packed ? &driver_layout_packed : &driver_layout_split;
	r->guest = config->guest;
	r->index = config->index;
	r->size = config->size;
	r->mask = config->size - 1;
	r->event_idx = config->event_idx;
	r->max_indirect = config->max_indirect;
	r->kick = r->call = r->err = (struct driver_fds){-1, -1};
	r->slots = calloc(config->size, sizeof(*r->slots));
	if (r->slots)
		ret = r->layout->init(r);
	if (ret == 0)
		ret = driver_alloc_tables(r);
	if (ret == 0)
		ret = driver_open_notifiers(r, config->notifier);
	if (ret < 0) {
		driver_free(r);
		return ret;
	}
	driver_reset(r);
	*ring = r;
	return 0;
}

void driver_free(struct driver_ring *r)
{
	if (!r)
		return;
	driver_close_fds(&r->kick);
	driver_close_fds(&r->call);
	driver_close_fds(&r->err);
	free(r->slots);
	free(r);
}

void driver_reset(struct driver_ring *r)
{
	uint64_t count;
	uint32_t i;

	for (i = 0; i < r->size; i++)
		r->slots[i] = (struct driver_slot){.next = i + 1};
	r->free_head = 0;
	r->n_free = r->size;
	r->base = 0;
	r->interrupts = true;
	driver_take_calls(r);
	driver_take_errs(r);
	if (r->kick.driver >= 0 && read(r->kick.driver, &count, sizeof(count)) < 0)
		count = 0; /* nothing was in it */
	r->layout->reset(r);
}

int driver_add_indirect(struct driver_ring *r, const struct driver_seg *segs, uint32_t n,
			void *cookie)
{
	uint64_t offset = (uint64_t)r->free_head * r->max_indirect;

	if (n > r->max_indirect)
		return -EINVAL;
	if (!r->n_free)
		return -ENOSPC;
	/* The table of the slot that the descriptor will take. */
	r->layout->write_table(r, r->tables + offset, segs, n);
	return r->layout->add_table(r, NULL, 0, r->tables_gpa + offset * sizeof(*r->tables),
				    n * (uint32_t)sizeof(*r->tables), cookie);
}

int driver_write_table(struct driver_ring *r, uint64_t gpa, const struct driver_seg *segs,
		       uint32_t n)
{
	struct driver_split_desc *table = guest_ptr(r->guest, gpa, (uint64_t)n * sizeof(*table));

	if (!table)
		return -EFAULT;
	r->layout->write_table(r, table, segs, n);
	return 0;
}

int driver_kick_always(struct driver_ring *r)
{
	uint64_t one = 1;

	if (r->kick.driver < 0)
		return 0;
	return write(r->kick.driver, &one, sizeof(one)) < 0 ? -errno : 0;
}

int driver_kick(struct driver_ring *r)
{
	int ret;

	driver_publish(r);
	if (!driver_wants_kick(r))
		return 0;
	ret = driver_kick_always(r);
	return ret < 0 ? ret : 1;
}

static uint64_t driver_drain(const struct driver_fds *fds)
{
	char buf[4096];
	uint64_t count;
	ssize_t n;

	if (fds->driver < 0)
		return 0;
	if (fds->driver == fds->device)
		return read(fds->driver, &count, sizeof(count)) == sizeof(count) ? count : 0;
	n = recv(fds->driver, buf, sizeof(buf), MSG_DONTWAIT);
	return n > 0 ? (uint64_t)n : 0;
}

uint64_t driver_take_calls(struct driver_ring *r)
{
	return driver_drain(&r->call);
}

uint64_t driver_take_errs(struct driver_ring *r)
{
	return driver_drain(&r->err);
}
