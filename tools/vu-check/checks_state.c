/* SPDX-License-Identifier: MIT */
/* The state of a device that moves (vhost-user "Migrating back-end state"). */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checks.h"

enum { DIRECTION_LOAD = 1, NO_DIRECTION = 7 };

/* Saved of a device that served a request and stopped; *bytes are to be freed. */
static int save(struct probe *p, void **bytes, size_t *len)
{
	int ret = probe_start(p, NULL);

	if (!ret && p->type)
		ret = probe_serve(p, 1);
	if (!ret)
		ret = peer_stop(p->peer);
	return ret ? ret : frontend_save_state(probe_frontend(p), bytes, len);
}

enum verdict check_state_save(struct probe *p)
{
	void *bytes;
	size_t len;

	if (save(p, &bytes, &len))
		return probe_failed(p, "saving the state");
	free(bytes);
	if (!len)
		return probe_fail(p, "the state has no bytes");
	return probe_pass(p, "%zu bytes, and it says that they are all", len);
}

/* As QEMU does at the destination: before features, memory and rings. */
static int load(struct probe *p, const void *bytes, size_t len)
{
	int ret = probe_open(p, NULL);

	/* Who is refused in the middle finds the pipe closed. */
	signal(SIGPIPE, SIG_IGN);
	if (!ret)
		ret = peer_negotiate(p->peer);
	return ret ? ret : frontend_load_state(probe_frontend(p), bytes, len);
}

enum verdict check_state_load(struct probe *p)
{
	void *bytes;
	size_t len;
	int ret;

	if (save(p, &bytes, &len))
		return probe_failed(p, "saving the state");
	ret = load(p, bytes, len);
	free(bytes);
	if (!ret)
		ret = peer_set_driver(p->peer);
	if (!ret)
		ret = peer_start_rings(p->peer);
	if (!ret && p->type)
		ret = probe_serve(p, 1);
	if (ret)
		return probe_failed(p, "loading what was saved, and going on");
	return probe_pass(p, "%zu bytes loaded%s", len, p->type ? ", and a request served" : "");
}

enum verdict check_hostile_state(struct probe *p)
{
	unsigned char bytes[999];
	uint64_t value;
	int pipe_fds[2], own = -1;

	memset(bytes, 0xa5, sizeof(bytes));
	if (p->check->variant == 0) {
		(void)load(p, bytes, sizeof(bytes));
		return probe_survived(p);
	}
	if (probe_open(p, NULL) || peer_negotiate(p->peer) || pipe(pipe_fds) < 0)
		return probe_failed(p, "negotiation");
	if (p->check->variant == 1) /* a direction that there is not */
		(void)frontend_set_device_state_fd(probe_frontend(p), NO_DIRECTION, 0, pipe_fds[1],
						   &value, &own);
	else /* and the state of which nobody writes a byte */
		(void)frontend_set_device_state_fd(probe_frontend(p), DIRECTION_LOAD, 0,
						   pipe_fds[0], &value, &own);
	if (p->check->variant == 2 && own < 0) {
		close(pipe_fds[1]);
		pipe_fds[1] = -1;
		(void)frontend_check_device_state(probe_frontend(p));
	}
	if (own >= 0)
		close(own);
	close(pipe_fds[0]);
	if (pipe_fds[1] >= 0)
		close(pipe_fds[1]);
	return probe_survived(p);
}
