/* SPDX-License-Identifier: MIT */
/* See rig.h. */
#include "rig.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

int rig_setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	snprintf(rig->dir, sizeof(rig->dir), "/var/tmp/vu-blk-XXXXXX");
	if (!mkdtemp(rig->dir))
		return -1;
	snprintf(rig->socket, sizeof(rig->socket), "%s/sock", rig->dir);
	snprintf(rig->image, sizeof(rig->image), "%s/image", rig->dir);
	rig->memory.size = RIG_MEMORY;
	rig->memory.uva = UINT64_C(0x7f0000000000);
	rig->config.n_queues = 1;
	*state = rig;
	return 0;
}

int rig_teardown(void **state)
{
	struct rig *rig = *state;
	char mounted[64];
	int ret;

	peer_free(rig->peer);
	if (rig->program.pid > 0) { /* the test failed */
		kill(rig->program.pid, SIGKILL);
		spawn_wait(&rig->program);
		print_error("%s", rig->program.err);
		spawn_free(&rig->program);
		unlink(rig->socket);
	}
	unlink(rig->image);
	/* What a failed test may have left. */
	snprintf(mounted, sizeof(mounted), "%s/full", rig->dir);
	umount2(mounted, MNT_DETACH);
	rmdir(mounted);
	ret = rmdir(rig->dir);
	if (ret)
		print_error("%s: %s\n", rig->dir, strerror(errno));
	free(rig);
	return ret;
}

void rig_use_memory(struct rig *rig)
{
	snprintf(rig->image, sizeof(rig->image), "/dev/shm/%s", strrchr(rig->dir, '/') + 1);
}

unsigned char rig_byte(uint64_t sector)
{
	return (unsigned char)(1 + sector * 7 % 251);
}

void rig_fill(unsigned char *data, uint64_t sector, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		data[i] = rig_byte(sector + i / SECTOR);
}

void rig_make_image(struct rig *rig, const char *path, uint64_t size)
{
	unsigned char *data = malloc(size);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_non_null(data);
	assert_true(fd >= 0);
	rig_fill(data, 0, (uint32_t)size);
	assert_int_equal(pwrite(fd, data, size, 0), size);
	close(fd);
	free(data);
}

void rig_make_sparse_image(struct rig *rig, uint64_t size)
{
	int fd = open(rig->image, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_return_code(ftruncate(fd, (off_t)size), errno);
	close(fd);
}

void rig_read_image(const struct rig *rig, uint64_t offset, void *data, size_t len)
{
	int fd = open(rig->image, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, data, len, (off_t)offset), len);
	close(fd);
}

void rig_spawn(struct rig *rig, const char *const *args)
{
	const char *argv[RIG_MAX_ARGS + 4] = {getenv("VU_BLK"), "--socket-path", rig->socket};

	for (int i = 0; args && args[i]; i++) {
		assert_true(i < RIG_MAX_ARGS);
		argv[i + 3] = args[i];
	}
	spawn_start(&rig->program, argv, NULL);
	spawn_wait_listening(rig->socket);
}

void rig_spawn_file(struct rig *rig, const char *const *args)
{
	const char *argv[RIG_MAX_ARGS + 2] = {"--blk-file", rig->image};

	for (int i = 0; args && args[i]; i++) {
		assert_true(i + 2 < RIG_MAX_ARGS);
		argv[i + 2] = args[i];
	}
	rig_spawn(rig, argv);
}

void rig_check(struct rig *rig, int ret)
{
	if (ret < 0)
		fail_msg("%s: %s", strerror(-ret), rig->peer->frontend.error);
}

void rig_connect(struct rig *rig)
{
	rig->config.timeout_ms = SPAWN_TIMEOUT_MS;
	rig->config.n_regions = 1;
	rig->config.regions = &rig->memory;
	if (!rig->config.max_indirect)
		rig->config.max_indirect = 128;
	peer_free(rig->peer);
	rig->peer = NULL;
	assert_int_equal(peer_new(&rig->config, &rig->peer), 0);
	rig_check(rig, peer_connect(rig->peer, rig->socket));
	rig_check(rig, peer_start(rig->peer));
	rig_io_new(rig, &rig->io, RIG_DATA);
}

void rig_start(struct rig *rig, const char *const *args)
{
	rig_make_image(rig, rig->image, RIG_IMAGE);
	rig_spawn_file(rig, args);
	rig_connect(rig);
}

void rig_stop(struct rig *rig)
{
	if (rig->peer)
		peer_disconnect(rig->peer);
	spawn_stop(&rig->program);
	if (rig->program.status)
		print_error("%s", rig->program.err);
	assert_int_equal(rig->program.status, 0);
	spawn_free(&rig->program);
	rig->program.pid = 0;
}

void rig_get_config(struct rig *rig, struct virtio_blk_config *config)
{
	memset(config, 0, sizeof(*config));
	rig_check(rig, frontend_get_config(&rig->peer->frontend, 0, config,
					   offsetof(struct virtio_blk_config, unused1) + 3));
}

static void *rig_alloc(struct rig *rig, uint64_t size, uint64_t align, uint64_t *gpa)
{
	*gpa = guest_alloc(rig->peer->guest, size, align);
	assert_true(*gpa != GUEST_NONE);
	return guest_ptr(rig->peer->guest, *gpa, size);
}

void rig_io_new(struct rig *rig, struct rig_io *io, uint32_t len)
{
	io->header = rig_alloc(rig, HEADER, 16, &io->header_gpa);
	io->data = rig_alloc(rig, len, 4096, &io->data_gpa);
	io->status = rig_alloc(rig, 1, 1, &io->status_gpa);
}

static bool rig_is_from_device(uint32_t type)
{
	return type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
}

void rig_add(struct rig *rig, uint32_t queue, struct rig_io *io, uint32_t type, uint64_t sector,
	     uint32_t len)
{
	struct driver_seg segs[3] = {{io->header_gpa, HEADER, false}};
	uint32_t n = 1;

	*io->header = (struct virtio_blk_outhdr){.type = htole32(type), .sector = htole64(sector)};
	*io->status = NO_STATUS;
	io->sector = sector;
	if (len)
		segs[n++] = (struct driver_seg){io->data_gpa, len, rig_is_from_device(type)};
	segs[n++] = (struct driver_seg){io->status_gpa, 1, true};
	rig_check(rig, driver_add(rig->peer->queues[queue], segs, n, io));
}

struct rig_io *rig_wait(struct rig *rig, uint32_t queue)
{
	struct driver_ring *ring = rig->peer->queues[queue];
	struct driver_used used;
	int ret;

	driver_kick(ring);
	for (int ms = 0; ms < SPAWN_TIMEOUT_MS; ms++) {
		for (int spins = 0; spins < 1000; spins++) {
			ret = driver_collect(ring, &used, 1);
			assert_true(ret >= 0);
			if (ret) {
				rig->used_len = used.len;
				return used.cookie;
			}
		}
		poll(NULL, 0, 1);
	}
	fail_msg("queue %u: nothing was used", queue);
	return NULL;
}

void rig_chain(struct rig *rig, const struct driver_seg *segs, uint32_t n)
{
	rig_check(rig, driver_add(rig->peer->queues[0], segs, n, &rig->io));
	assert_ptr_equal(rig_wait(rig, 0), &rig->io);
}

uint8_t rig_do(struct rig *rig, uint32_t type, uint64_t sector, void *data, uint32_t len)
{
	bool in = rig_is_from_device(type);

	assert_true(len <= RIG_DATA);
	if (len && !in)
		memcpy(rig->io.data, data, len);
	else
		memset(rig->io.data, NO_STATUS, len);
	rig_add(rig, 0, &rig->io, type, sector, len);
	assert_ptr_equal(rig_wait(rig, 0), &rig->io);
	if (len && in && data)
		memcpy(data, rig->io.data, len);
	assert_int_equal(rig->used_len, in ? len + 1 : 1);
	return *rig->io.status;
}

uint8_t rig_do_range(struct rig *rig, uint32_t type, uint64_t sector, uint32_t sectors,
		     uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes range = {htole64(sector), htole32(sectors),
							htole32(flags)};

	return rig_do(rig, type, 0, &range, sizeof(range));
}

void rig_expect(struct rig *rig, uint64_t sector, uint32_t len)
{
	unsigned char *want = malloc(len);

	assert_non_null(want);
	rig_fill(want, sector, len);
	assert_int_equal(rig_do(rig, VIRTIO_BLK_T_IN, sector, NULL, len), VIRTIO_BLK_S_OK);
	assert_memory_equal(rig->io.data, want, len);
	free(want);
}

void rig_expect_zeros(struct rig *rig, uint64_t sector, uint32_t len)
{
	assert_int_equal(rig_do(rig, VIRTIO_BLK_T_IN, sector, NULL, len), VIRTIO_BLK_S_OK);
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(rig->io.data[i], 0);
}

void rig_write(struct rig *rig, uint64_t sector)
{
	unsigned char data[8 * SECTOR];

	rig_fill(data, sector, sizeof(data));
	assert_int_equal(rig_do(rig, VIRTIO_BLK_T_OUT, sector, data, sizeof(data)),
			 VIRTIO_BLK_S_OK);
}

void rig_expect_alive(struct rig *rig)
{
	unsigned char data[8 * SECTOR], got[8 * SECTOR];

	rig_fill(data, 1000, sizeof(data));
	assert_int_equal(rig_do(rig, VIRTIO_BLK_T_OUT, 24, data, sizeof(data)), VIRTIO_BLK_S_OK);
	assert_int_equal(rig_do(rig, VIRTIO_BLK_T_IN, 24, got, sizeof(got)), VIRTIO_BLK_S_OK);
	assert_memory_equal(got, data, sizeof(data));
	rig_fill(data, 24, sizeof(data));
	assert_int_equal(rig_do(rig, VIRTIO_BLK_T_OUT, 24, data, sizeof(data)), VIRTIO_BLK_S_OK);
}
