/* SPDX-License-Identifier: MIT */
/* See client.h. */
#include "client.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kit/child.h"

enum { SEGS = 4 };

const char *const rig_program = "VU_FS";

void client_open(struct client *c, const char *where)
{
	assert_int_equal(rig_open(&c->rig, where), 0);
	c->rig.has_sandbox = true;
	snprintf(c->share, sizeof(c->share), "%s/share", c->rig.dir);
	assert_int_equal(mkdir(c->share, 0755), 0);
}

int client_setup(void **state)
{
	struct client *c = calloc(1, sizeof(*c));
	const char *where = getenv("VU_FS_DIR");

	client_open(c, where ? where : folder_quick());
	*state = c;
	return 0;
}

int client_teardown(void **state)
{
	struct client *c = *state;
	int ret;

	folder_clear(c->share);
	/* From its sandbox the program cannot remove the socket's file. */
	unlink(c->rig.socket);
	if (c->log > 0)
		close(c->log);
	ret = rig_close(&c->rig);
	free(c);
	return ret;
}

bool client_has_namespaces(void)
{
	pid_t child = child_fork();
	int status;

	if (!child)
		_exit(unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return !status;
}

void client_need_root(const char *why)
{
	/* In a container it may be root without the rights that matter here. */
	if (!geteuid() && prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) > 0 &&
	    prctl(PR_CAPBSET_READ, CAP_DAC_READ_SEARCH, 0, 0, 0) > 0)
		return;
	print_message("skipped: %s\n", why);
	skip();
}

void client_spawn(struct client *c, const char *const *args)
{
	const char *all[RIG_MAX_ARGS + 1] = {"--shared-dir", c->share};

	for (int i = 0; args && args[i]; i++) {
		assert_true(2 + i < RIG_MAX_ARGS);
		all[2 + i] = args[i];
	}
	rig_spawn(&c->rig, all);
}

static void client_configure(struct client *c, uint32_t request_queues)
{
	c->memory = (struct guest_region){.size = CLIENT_MEMORY};
	c->rig.config.n_queues = 1 + request_queues;
	c->rig.config.n_regions = 1;
	c->rig.config.regions = &c->memory;
}

static void client_place_buffers(struct client *c)
{
	for (uint32_t i = 0; i < CLIENT_QUEUES; i++) {
		struct rig_buffer out, in;

		rig_buffer(&c->rig, &out, CLIENT_HEAD + CLIENT_DATA);
		rig_buffer(&c->rig, &in, CLIENT_HEAD + CLIENT_DATA);
		c->io[i] = (struct client_io){out.data, in.data, out.gpa, in.gpa, 0};
	}
}

void client_connect(struct client *c, uint32_t request_queues)
{
	client_configure(c, request_queues);
	rig_connect(&c->rig);
	client_place_buffers(c);
}

void client_kill(struct client *c)
{
	assert_return_code(kill(c->rig.program.pid, SIGKILL), errno);
	spawn_wait(&c->rig.program);
	assert_int_equal(c->rig.program.status, 1000 + SIGKILL);
}

void client_reconnect(struct client *c)
{
	struct peer *peer = c->rig.peer;

	peer_disconnect(peer);
	rig_check(&c->rig, peer_connect(peer, c->rig.socket));
	rig_check(&c->rig, peer_negotiate(peer));
	rig_check(&c->rig, peer_set_driver(peer));
	if (c->log < 0) {
		c->inflight = (struct wire_inflight){
			.n_queues = (uint16_t)c->rig.config.n_queues,
			.queue_size = PEER_QUEUE_SIZE,
		};
		rig_check(&c->rig,
			  frontend_get_inflight_fd(&peer->frontend, &c->inflight, &c->log));
	}
	rig_check(&c->rig, frontend_set_inflight_fd(&peer->frontend, &c->inflight, c->log));
	rig_check(&c->rig, peer_start_rings(peer));
}

void client_connect_logged(struct client *c, uint32_t request_queues)
{
	client_configure(c, request_queues);
	peer_free(c->rig.peer);
	c->rig.peer = NULL;
	if (c->log > 0)
		close(c->log);
	c->log = -1;
	assert_ok(peer_new(&c->rig.config, &c->rig.peer));
	client_reconnect(c);
	client_place_buffers(c);
}

void client_save(struct client *c, void **state, size_t *len)
{
	rig_check(&c->rig, peer_stop(c->rig.peer));
	rig_check(&c->rig, frontend_save_state(&c->rig.peer->frontend, state, len));
}

int client_connect_with(struct client *c, const void *state, size_t len)
{
	struct rig *rig = &c->rig;
	int ret;

	client_configure(c, 1);
	peer_free(rig->peer);
	rig->peer = NULL;
	assert_ok(peer_new(&rig->config, &rig->peer));
	rig_check(rig, peer_connect(rig->peer, rig->socket));
	rig_check(rig, peer_negotiate(rig->peer));
	ret = frontend_load_state(&rig->peer->frontend, state, len);
	if (ret) {
		assert_int_equal(ret, -EREMOTEIO);
		peer_disconnect(rig->peer);
		return ret;
	}
	rig_check(rig, peer_set_driver(rig->peer));
	rig_check(rig, peer_start_rings(rig->peer));
	client_place_buffers(c);
	return 0;
}

int client_init(struct client *c, uint64_t flags)
{
	struct fuse_init_in in = {
		.major = 7,
		.minor = 45,
		.max_readahead = 128 << 10,
		.flags = (uint32_t)flags,
		.flags2 = (uint32_t)(flags >> 32),
	};

	return client_ask(c, FUSE_INIT, 0, &in, sizeof(in), NULL, 0, &c->init, sizeof(c->init));
}

void client_start(struct client *c, const char *const *args)
{
	client_spawn(c, args);
	client_connect(c, 1);
	assert_int_equal(client_init(c, CLIENT_ALL_FLAGS), sizeof(c->init));
}

void client_stop(struct client *c)
{
	rig_stop(&c->rig);
}

/* --- requests --- */

/* The segments of a request whose bytes are in place: in two parts each, as Linux has them. */
static uint32_t client_segs(const struct client_io *io, uint32_t out_len, uint32_t in_len,
			    struct driver_seg segs[SEGS])
{
	uint32_t head =
		out_len < sizeof(struct fuse_in_header) ? out_len : sizeof(struct fuse_in_header);
	uint32_t in_head =
		in_len < sizeof(struct fuse_out_header) ? in_len : sizeof(struct fuse_out_header);
	uint32_t n = 0;

	if (head)
		segs[n++] = (struct driver_seg){.gpa = io->out_gpa, .len = head};
	if (out_len > head)
		segs[n++] = (struct driver_seg){.gpa = io->out_gpa + head, .len = out_len - head};
	if (in_head)
		segs[n++] = (struct driver_seg){.gpa = io->in_gpa, .len = in_head, .write = true};
	if (in_len > in_head)
		segs[n++] = (struct driver_seg){
			.gpa = io->in_gpa + in_head, .len = in_len - in_head, .write = true};
	return n;
}

uint32_t client_raw(struct client *c, uint32_t queue, const void *out, uint32_t out_len,
		    uint32_t in_len)
{
	struct client_io *io = &c->io[queue];
	struct driver_seg segs[SEGS];

	memcpy(io->out, out, out_len);
	memset(io->in, RIG_UNTOUCHED, 64);
	return rig_do(&c->rig, queue, segs, client_segs(io, out_len, in_len, segs));
}

static uint32_t client_fill(struct client *c, struct client_io *io, uint32_t opcode,
			    uint64_t nodeid, const void *args, uint32_t args_len, const void *more,
			    uint32_t more_len)
{
	struct fuse_in_header hdr = {
		.len = (uint32_t)sizeof(hdr) + args_len + more_len,
		.opcode = opcode,
		.unique = ++c->unique,
		.nodeid = nodeid,
		.uid = c->uid,
		.gid = c->gid,
		.pid = 1,
		.total_extlen = c->extlen,
	};

	assert_true(hdr.len <= CLIENT_HEAD + CLIENT_DATA);
	io->unique = hdr.unique;
	memcpy(io->out, &hdr, sizeof(hdr));
	if (args_len)
		memcpy(io->out + sizeof(hdr), args, args_len);
	if (more_len)
		memcpy(io->out + sizeof(hdr) + args_len, more, more_len);
	return hdr.len;
}

void client_offer(struct client *c, uint32_t queue, uint32_t opcode, uint64_t nodeid,
		  const void *args, uint32_t args_len, const void *more, uint32_t more_len,
		  uint32_t in_len)
{
	struct client_io *io = &c->io[queue];
	struct driver_seg segs[SEGS];
	uint32_t len = client_fill(c, io, opcode, nodeid, args, args_len, more, more_len);
	uint32_t room = opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET
				? 0
				: (uint32_t)sizeof(struct fuse_out_header) + in_len;

	rig_offer(&c->rig, queue, segs, client_segs(io, len, room, segs), io);
}

int client_wait(struct client *c, uint32_t queue, void *in, uint32_t in_len)
{
	struct client_io *io = &c->io[queue];
	struct fuse_out_header hdr;

	assert_ptr_equal(rig_wait(&c->rig, queue, &c->used_len), io);
	if (!c->used_len) /* nobody wants to know */
		return 0;
	assert_true(c->used_len >= sizeof(hdr));
	memcpy(&hdr, io->in, sizeof(hdr));
	assert_int_equal(hdr.unique, io->unique);
	/* A read that failed may have written all the same, and says so. */
	if (!hdr.error)
		assert_int_equal(hdr.len, c->used_len);
	if (hdr.error) {
		assert_int_equal(hdr.len, sizeof(hdr));
		assert_true(hdr.error < 0 && hdr.error > -512);
		return hdr.error;
	}
	assert_true(hdr.len - sizeof(hdr) <= in_len);
	if (in)
		memcpy(in, io->in + sizeof(hdr), hdr.len - sizeof(hdr));
	return (int)(hdr.len - sizeof(hdr));
}

int client_ask_on(struct client *c, uint32_t queue, uint32_t opcode, uint64_t nodeid,
		  const void *args, uint32_t args_len, const void *more, uint32_t more_len,
		  void *in, uint32_t in_len)
{
	client_offer(c, queue, opcode, nodeid, args, args_len, more, more_len, in_len);
	return client_wait(c, queue, in, in_len);
}

int client_ask(struct client *c, uint32_t opcode, uint64_t nodeid, const void *args,
	       uint32_t args_len, const void *more, uint32_t more_len, void *in, uint32_t in_len)
{
	return client_ask_on(c, 1, opcode, nodeid, args, args_len, more, more_len, in, in_len);
}

void client_tell(struct client *c, uint32_t opcode, uint64_t nodeid, const void *args,
		 uint32_t args_len)
{
	client_offer(c, 0, opcode, nodeid, args, args_len, NULL, 0, 0);
	client_wait(c, 0, NULL, 0);
	assert_int_equal(c->used_len, 0);
}
