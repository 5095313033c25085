/* SPDX-License-Identifier: MIT */
/*
 * A hostile front-end.  What becomes of its session is the back-end's business; the next front-end
 * is served as if nothing had happened.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "checks.h"

enum { MANY_FDS = 28 };

/* Sent after negotiation; payload is as much as there is of size bytes. */
static const struct hostile_message {
	uint32_t request, flags, size, sent;
	uint64_t payload[6];
} messages[N_HOSTILE_MESSAGES] = {
	/* no such request */
	{.request = 9999, .flags = WIRE_VERSION, .size = 8, .sent = 8},
	/* a payload that is too short */
	{.request = WIRE_SET_FEATURES, .flags = WIRE_VERSION, .size = 4, .sent = 4},
	/* ... of 4 GiB */
	{.request = WIRE_SET_FEATURES, .flags = WIRE_VERSION, .size = UINT32_MAX, .sent = 48},
	/* another version */
	{.request = WIRE_GET_FEATURES, .flags = 2},
	/* a reply to nothing */
	{.request = WIRE_GET_FEATURES, .flags = WIRE_VERSION | WIRE_REPLY, .size = 8, .sent = 8},
	/* queues that there are not: NUM, ADDR */
	{.request = WIRE_SET_VRING_NUM,
	 .flags = WIRE_VERSION,
	 .size = 8,
	 .sent = 8,
	 .payload = {UINT64_C(0x10fffffff0)}},
	{.request = WIRE_SET_VRING_ADDR,
	 .flags = WIRE_VERSION,
	 .size = 40,
	 .sent = 40,
	 .payload = {UINT32_MAX, 1, 2, 3, 4}},
	/* a piece of configuration space that ends beyond all numbers */
	{.request = WIRE_GET_CONFIG,
	 .flags = WIRE_VERSION,
	 .size = 20,
	 .sent = 20,
	 .payload = {UINT64_C(0x10fffffff8)}},
};

/* Let it look at what was sent: a reply, or that it hung up, or nothing for a moment. */
static void give_time(struct probe *p)
{
	poll(&(struct pollfd){probe_frontend(p)->fd, POLLIN, 0}, 1, CHECK_QUIET_MS);
}

enum verdict check_hostile_message(struct probe *p)
{
	const struct hostile_message *m = &messages[p->check->variant];
	const struct wire_header header = {m->request, m->flags, m->size};

	if (probe_open(p, NULL) || peer_negotiate(p->peer))
		return probe_failed(p, "negotiation");
	/* It may hang up while this is being sent. */
	(void)frontend_send_raw(probe_frontend(p), &header, m->payload, m->sent, NULL, 0);
	give_time(p);
	return probe_survived(p);
}

enum verdict check_half_message(struct probe *p)
{
	const struct wire_header header = {WIRE_SET_MEM_TABLE, WIRE_VERSION, 40};

	if (probe_open(p, NULL) || peer_negotiate(p->peer))
		return probe_failed(p, "negotiation");
	(void)frontend_send_raw(probe_frontend(p), &header, "half", 4, NULL, 0);
	give_time(p);
	return probe_survived(p);
}

enum verdict check_many_fds(struct probe *p)
{
	int fds[MANY_FDS], fd = eventfd(0, EFD_CLOEXEC);
	const uint64_t index = 0;

	if (fd < 0)
		return probe_fail(p, "eventfd: %s", strerror(errno));
	for (int i = 0; i < MANY_FDS; i++)
		fds[i] = fd;
	if (probe_open(p, NULL) || peer_negotiate(p->peer)) {
		close(fd);
		return probe_failed(p, "negotiation");
	}
	(void)frontend_send(probe_frontend(p), WIRE_SET_VRING_KICK, 0, &index, sizeof(index), fds,
			    MANY_FDS);
	close(fd);
	give_time(p);
	return probe_survived(p);
}

#define TIB (UINT64_C(1) << 40)

/* Tables of memory that cannot be; the file has 1 MiB. */
static const struct hostile_memory {
	uint32_t n_regions, n_fds;
	struct wire_region regions[2];
} memories[N_HOSTILE_MEMORY] = {
	/* no descriptor for a region */
	{1, 0, {{0, 1 << 20, 0x1000, 0}}},
	/* more regions than the message has */
	{200, 1, {{0, 1 << 20, 0x1000, 0}}},
	/* a region that ends beyond all addresses */
	{1, 1, {{UINT64_MAX - 0xfff, 1 << 20, 0x1000, 0}}},
	/* ... that is in no place of the file */
	{1, 1, {{0, 1 << 20, 0x1000, UINT64_MAX - 0xfff}}},
	/* two of them at the same addresses */
	{2, 2, {{0, 1 << 20, 0x1000, 0}, {0x1000, 1 << 20, 0x2000, 0}}},
	/* an empty one */
	{1, 1, {{0, 0, 0x1000, 0}}},
};

enum verdict check_hostile_memory(struct probe *p)
{
	const struct hostile_memory *m = &memories[p->check->variant];
	struct wire_mem_table table = {.n_regions = m->n_regions};
	uint32_t n = m->n_regions > 2 ? 1 : m->n_regions;
	int fd = memfd_create("guest", MFD_CLOEXEC);
	const int fds[2] = {fd, fd};

	memcpy(table.regions, m->regions, sizeof(m->regions));
	if (fd < 0 || ftruncate(fd, 1 << 20) < 0 || probe_open(p, NULL) ||
	    peer_negotiate(p->peer)) {
		if (fd >= 0)
			close(fd);
		return probe_failed(p, "negotiation");
	}
	(void)frontend_send(probe_frontend(p), WIRE_SET_MEM_TABLE, 0, &table,
			    8 + n * (uint32_t)sizeof(table.regions[0]), fds, m->n_fds);
	close(fd);
	give_time(p);
	return probe_survived(p);
}
