/* SPDX-License-Identifier: MIT */
/*
 * The test peer against a back-end that is not ours: a block device of qemu-storage-daemon.
 * If this passes, a failure against libvu is libvu's.  Skips where the program is not installed.
 */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/peer.h"
#include "kit/child.h"
#include "kit/folder.h"
#include "kit/patience.h"
#include "kit/test.h"

enum { EXIT_SKIP = 77, BLOCK = 4096, QUEUES = 2 };

enum { BLK_T_IN = 0, BLK_T_OUT = 1, BLK_S_OK = 0 };

struct blk_header {
	uint32_t type;
	uint32_t reserved;
	uint64_t sector;
};

struct daemon {
	pid_t pid;
	char dir[FOLDER_PATH];
	char socket[96];
	char image[96];
};

static bool is_installed(const char *name)
{
	char path[2048], *save = NULL, *dir;
	const char *env = getenv("PATH");
	bool found = false;

	snprintf(path, sizeof(path), "%s", env ? env : "/usr/bin");
	for (dir = strtok_r(path, ":", &save); dir && !found; dir = strtok_r(NULL, ":", &save)) {
		char file[2200];

		snprintf(file, sizeof(file), "%s/%s", dir, name);
		found = access(file, X_OK) == 0;
	}
	return found;
}

/* An image whose every 8 bytes hold their own offset. */
static void make_image(const char *path)
{
	FILE *file = fopen(path, "w");
	uint64_t i;

	assert_non_null(file);
	for (i = 0; i < 1 << 20; i += sizeof(i))
		assert_int_equal(fwrite(&i, sizeof(i), 1, file), 1);
	assert_int_equal(fclose(file), 0);
}

static int daemon_start(void **state)
{
	static struct daemon d;
	char node[256], export[256];

	folder_make(d.dir, "test-qsd");
	snprintf(d.socket, sizeof(d.socket), "%s/socket", d.dir);
	snprintf(d.image, sizeof(d.image), "%s/image", d.dir);
	make_image(d.image);
	snprintf(node, sizeof(node), "driver=file,node-name=n,filename=%s", d.image);
	snprintf(export, sizeof(export),
		 "type=vhost-user-blk,id=e,node-name=n,addr.type=unix,addr.path=%s,writable=on,"
		 "num-queues=%d",
		 d.socket, QUEUES);
	d.pid = child_fork();
	assert_true(d.pid >= 0);
	if (d.pid == 0) {
		execlp("qemu-storage-daemon", "qemu-storage-daemon", "--blockdev", node, "--export",
		       export, (char *)NULL);
		_exit(127);
	}
	*state = &d;
	return 0;
}

static int daemon_stop(void **state)
{
	struct daemon *d = *state;

	kill(d->pid, SIGTERM);
	waitpid(d->pid, NULL, 0);
	unlink(d->socket);
	unlink(d->image);
	return folder_remove(d->dir);
}

static void connect_when_it_listens(struct peer *peer, const struct daemon *d)
{
	int ret = -1;

	for (int waited = 0; waited < HANG_MS && ret < 0; waited += 10) {
		ret = peer_connect(peer, d->socket);
		if (ret < 0)
			poll(NULL, 0, 10);
	}
	if (ret < 0)
		fail_msg("qemu-storage-daemon: %s", peer->frontend.error);
}

/* One request; header, data and status as Linux lays them out.  Returns the data. */
static void *transfer(struct peer *peer, uint32_t queue, uint32_t type, uint64_t sector,
		      bool indirect)
{
	uint64_t header_gpa = guest_alloc(peer->guest, sizeof(struct blk_header), 16);
	uint64_t data_gpa = guest_alloc(peer->guest, BLOCK, BLOCK);
	uint64_t status_gpa = guest_alloc(peer->guest, 1, 1);
	const struct driver_seg segs[] = {
		{header_gpa, sizeof(struct blk_header), false},
		{data_gpa, BLOCK, type == BLK_T_IN},
		{status_gpa, 1, true},
	};
	struct blk_header *header = guest_ptr(peer->guest, header_gpa, sizeof(*header));
	unsigned char *status = guest_ptr(peer->guest, status_gpa, 1);
	unsigned char *data = guest_ptr(peer->guest, data_gpa, BLOCK);
	struct driver_used used;
	int id;

	*header = (struct blk_header){.type = htole32(type), .sector = htole64(sector)};
	*status = 0xff;
	if (type == BLK_T_OUT)
		memset(data, 0x5a, BLOCK);
	id = indirect ? driver_add_indirect(peer->queues[queue], segs, 3, data)
		      : driver_add(peer->queues[queue], segs, 3, data);
	assert_true(id >= 0);
	if (peer_wait_used(peer, queue, &used) < 0)
		fail_msg("%s", peer->frontend.error);
	assert_int_equal(used.id, id);
	assert_ptr_equal(used.cookie, data);
	assert_int_equal(*status, BLK_S_OK);
	return data;
}

static struct peer *peer_of(const struct daemon *d, uint64_t features, uint64_t protocol_features)
{
	const struct peer_config config = {
		.n_queues = QUEUES,
		.queue_size = 128,
		.max_indirect = 8,
		.features = features,
		.protocol_features = protocol_features,
	};
	struct peer *peer;

	assert_int_equal(peer_new(&config, &peer), 0);
	connect_when_it_listens(peer, d);
	if (peer_start(peer) < 0)
		fail_msg("%s", peer->frontend.error);
	return peer;
}

static void check_block(const uint64_t *data, uint64_t sector)
{
	for (uint64_t i = 0; i < BLOCK / sizeof(*data); i++)
		assert_int_equal(data[i], sector * 512 + i * sizeof(*data));
}

static void a_block_is_read_with_every_feature_it_offers(void **state)
{
	struct peer *peer = peer_of(*state, 0, 0);
	uint64_t capacity;

	assert_true(peer->queues[0]->event_idx);
	assert_true(frontend_has(&peer->frontend, WIRE_PF_CONFIGURE_MEM_SLOTS));
	assert_int_equal(frontend_get_config(&peer->frontend, 0, &capacity, sizeof(capacity)), 0);
	assert_int_equal(le64toh(capacity), (1 << 20) / 512);
	check_block(transfer(peer, 0, BLK_T_IN, 64, false), 64);
	check_block(transfer(peer, 1, BLK_T_IN, 128, true), 128);
	if (peer_stop(peer) < 0)
		fail_msg("%s", peer->frontend.error);
	assert_int_equal(peer->queues[0]->base, 1);
	assert_int_equal(peer->queues[1]->base, 1);
	peer_free(peer);
}

static void a_block_is_read_with_no_feature_but_version_1(void **state)
{
	struct peer *peer = peer_of(*state, UINT64_C(1) << 32, PEER_NONE);

	assert_false(peer->queues[0]->event_idx);
	check_block(transfer(peer, 0, BLK_T_IN, 8, false), 8);
	peer_free(peer);
}

static void a_written_block_is_read_back_many_times_round_the_ring(void **state)
{
	struct peer *peer = peer_of(*state, 0, 0);
	const unsigned char *data;
	int i;

	transfer(peer, 0, BLK_T_OUT, 256, false);
	data = transfer(peer, 1, BLK_T_IN, 256, true);
	for (i = 0; i < BLOCK; i++)
		assert_int_equal(data[i], 0x5a);
	for (i = 0; i < 300; i++)
		check_block(transfer(peer, i & 1, BLK_T_IN, (uint64_t)i % 200, i & 2),
			    (uint64_t)i % 200);
	peer_free(peer);
}

static void a_call_comes_for_a_used_chain(void **state)
{
	struct peer *peer = peer_of(*state, 0, 0);

	driver_take_calls(peer->queues[0]);
	transfer(peer, 0, BLK_T_IN, 0, false);
	if (peer_wait_call(peer, 0) < 0)
		fail_msg("%s", peer->frontend.error);
	peer_free(peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_is_read_with_every_feature_it_offers),
		cmocka_unit_test(a_block_is_read_with_no_feature_but_version_1),
		cmocka_unit_test(a_written_block_is_read_back_many_times_round_the_ring),
		cmocka_unit_test(a_call_comes_for_a_used_chain),
	};

	if (!is_installed("qemu-storage-daemon")) {
		fprintf(stderr, "skipped: qemu-storage-daemon is not installed (qemu-utils)\n");
		return EXIT_SKIP;
	}
	return cmocka_run_group_tests(tests, daemon_start, daemon_stop);
}
