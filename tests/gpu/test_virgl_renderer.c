/* SPDX-License-Identifier: MIT */
/*
 * vu-gpu and a renderer that came into a guest's hands (bad_renderer.c): nothing of what it says is
 * believed, nobody waits for it, and it goes with its session.
 */
#include "bad.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kit/counts.h"

enum { LOG_ALL = 26 };

static void a_renderer_that_says_what_it_should_not_is_ended(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;

	three_start(rig, NULL);
	bad_begin(rig, &memory);
	for (uint32_t what = BAD_NOTHING + 1; what < BAD_ENDED; what++) {
		bad_offer(rig, what);
		bad_expect_ended(rig);
		bad_begin_again(rig, &memory);
	}
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "renderer: it says what it was not asked for"),
			 BAD_ENDED - 1);
}

static void what_a_renderer_writes_elsewhere_is_not_written(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;

	three_start(rig, NULL);
	bad_begin(rig, &memory);
	bad_offer(rig, BAD_PLACES);
	assert_null(rig_wait(rig, GPU_CONTROL, NULL));
	for (uint32_t i = 0; i < BAD_MEMORY; i++)
		assert_int_equal(memory.data[i], RIG_UNTOUCHED);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "renderer: "), 0);
}

/* The card writes to memory of resources, where no dirty log has it. */
static void a_guest_with_3d_is_not_moved(void **state)
{
	static const char *const options[] = {"--virgl", NULL};
	struct rig *rig = *state;

	for (uint32_t three = 0; three < 2; three++) {
		gpu_start(rig, three ? options : NULL);
		assert_int_equal(rig->peer->frontend.offered_features >> LOG_ALL & 1, !three);
		rig_stop(rig);
	}
}

/*
 * Region 1 goes while bytes are on their way to it, and comes back before they do.  What comes
 * meanwhile is for nobody; the request, whose own memory is elsewhere, is answered.
 */
static void what_comes_when_its_memory_is_gone_is_let_go(void **state)
{
	static const struct guest_region regions[] = {
		{.gpa = 0, .size = 8 << 20, .uva = UINT64_C(0x100000000)},
		{.gpa = 16 << 20, .size = 1 << 20, .uva = UINT64_C(0x200000000)}};
	const uint64_t gpa = 16 << 20;
	const struct virtio_gpu_mem_entry entry = gpu_entry(gpa, PICTURE_BYTES);
	const struct virtio_gpu_transfer_host_3d get = {
		.hdr = {.type = htole32(VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D)},
		.box = {.w = htole32(PICTURE), .h = htole32(PICTURE), .d = htole32(1)},
		.resource_id = htole32(7)};
	struct rig *rig = *state;
	struct rig_buffer memory;

	rig->config.n_regions = 2;
	rig->config.regions = regions;
	three_start(rig, NULL);
	bad_begin(rig, &memory);
	gpu_ok(three_try_create(7, (struct virtio_gpu_resource_create_3d){.target = TARGET_2D}));
	gpu_ok(gpu_try_attach(7, &entry, 1));
	for (uint32_t back = 0; back < 2; back++) {
		struct frontend *f = &rig->peer->frontend;
		const struct guest_region *region = &rig->peer->guest->regions[1];
		unsigned char *bytes = guest_ptr(rig->peer->guest, gpa, PICTURE_BYTES);
		int pid = three_renderer(rig, 0);

		memset(bytes, 0x55, PICTURE_BYTES);
		assert_return_code(kill(pid, SIGSTOP), errno);
		bad_offer_command(rig, &get, sizeof(get));
		rig_expect_nothing(rig, GPU_CONTROL);
		rig_check(rig, frontend_rem_mem_reg(f, region));
		if (back)
			rig_check(rig, frontend_add_mem_reg(f, region));
		assert_return_code(kill(pid, SIGCONT), errno);
		assert_null(rig_wait(rig, GPU_CONTROL, NULL));
		/* The renderer's are zeroes. */
		for (uint32_t i = 0; i < PICTURE_BYTES; i++)
			assert_int_equal(bytes[i], back ? 0 : 0x55);
		if (!back) {
			assert_int_equal(three_try_transfer(VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D, 0,
							    7, three_all(), 0, 0),
					 VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
			rig_check(rig, frontend_add_mem_reg(f, region));
		}
	}
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "renderer: "), 0);
}

/* Of which only level 0 is there. */
static void levels_that_there_are_not_are_refused(void **state)
{
	static const uint32_t targets[] = {TARGET_2D, 3};
	struct virtio_gpu_transfer_host_3d c = {
		.hdr = {.type = htole32(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D)},
		.box = {.w = htole32(1), .h = htole32(1), .d = htole32(1)},
		.resource_id = htole32(7)};
	struct rig *rig = *state;
	struct rig_buffer memory;

	three_start(rig, NULL);
	bad_begin(rig, &memory);
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		const struct virtio_gpu_resource_create_3d create = {
			.target = targets[i], .width = 8, .height = 8, .depth = 1};
		const struct virtio_gpu_mem_entry entry = gpu_entry(memory.gpa, BAD_MEMORY);

		gpu_ok(three_try_create(7, create));
		gpu_ok(gpu_try_attach(7, &entry, 1));
		for (uint32_t level = 1; level; level *= 2) {
			c.level = htole32(level);
			assert_int_equal(gpu_command(GPU_CONTROL, &c, sizeof(c), NULL, 0),
					 VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
		}
		gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, 7));
	}
	rig_stop(rig);
}

/* What it is sent does not fit into its socket. */
static void fill_its_socket(struct rig *rig)
{
	enum { PUTS = 4, BYTES = 1 << 20 };
	const struct virtio_gpu_transfer_host_3d put = {
		.hdr = {.type = htole32(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D)},
		.box = {.w = htole32(BYTES), .h = htole32(1), .d = htole32(1)},
		.resource_id = htole32(7)};

	for (uint32_t i = 0; i < PUTS; i++)
		bad_offer_command(rig, &put, sizeof(put));
}

static void begin_large(struct rig *rig)
{
	const struct virtio_gpu_resource_create_3d create = {
		.bind = BIND_VERTEX, .format = FORMAT_R8, .width = 1 << 20};
	struct virtio_gpu_mem_entry entry;
	struct rig_buffer memory;

	rig_buffer(rig, &memory, 1 << 20);
	entry = gpu_entry(memory.gpa, 1 << 20);
	gpu_ok(three_try_create(7, create));
	gpu_ok(gpu_try_attach(7, &entry, 1));
}

static void nobody_waits_for_a_renderer_that_does_not_stop(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	int pid = 0;

	three_start(rig, NULL);
	bad_begin(rig, &memory);
	for (uint32_t what = BAD_FLOOD; what < BAD_ALL; what++) {
		pid = three_renderer(rig, pid);
		begin_large(rig);
		bad_offer(rig, what);
		fill_its_socket(rig);
		gpu_expect_state(0, "resource 0");
		rig_expect_nothing(rig, GPU_CONTROL);
		peer_disconnect(rig->peer);
		bad_begin_again(rig, &memory);
		assert_int_equal(kill(pid, 0), -1);
	}
	/* And it ends when it is told to, whatever the last one does. */
	for (uint32_t what = BAD_FLOOD; what < BAD_ALL; what++) {
		begin_large(rig);
		bad_offer(rig, what);
		fill_its_socket(rig);
		gpu_expect_state(0, "resource 0");
		pid = three_renderer(rig, 0);
		rig_stop(rig);
		while (!kill(pid, 0))
			assert_return_code(usleep(1000), errno);
		if (what + 1 < BAD_ALL) {
			three_start(rig, NULL);
			bad_begin(rig, &memory);
		}
	}
}

/* --- what is left --- */

/* The fourth of stat's words: a name has no blanks here. */
static pid_t parent_of(pid_t pid)
{
	char path[64];
	int parent = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%*d %*s %*c %d", &parent), 1);
	fclose(file);
	return parent;
}

static void a_hundred_sessions_leave_nothing_open(void **state)
{
	enum { SESSIONS = 100, FIRST = 5 };
	int device = 0, spawner = 0;
	struct rig *rig = *state;
	struct rig_buffer memory;
	pid_t parent = 0;
	int pid = 0;

	three_start(rig, NULL);
	bad_begin(rig, &memory);
	for (uint32_t i = 0; i < SESSIONS; i++) {
		pid = three_renderer(rig, pid);
		if (i == FIRST) {
			parent = parent_of(pid);
			device = count_fds_of(rig->program.pid);
			spawner = count_fds_of(parent);
		}
		if (i % 2) {
			bad_offer(rig, BAD_KIND);
			bad_expect_ended(rig);
		} else {
			peer_disconnect(rig->peer);
		}
		bad_begin_again(rig, &memory);
	}
	pid = three_renderer(rig, 0);
	assert_int_equal(parent_of(pid), parent);
	assert_int_equal(count_fds_of(rig->program.pid), device);
	assert_int_equal(count_fds_of(parent), spawner);
	rig_stop(rig);
}

static void who_makes_renderers_may_die_and_that_is_told_once(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;

	three_start(rig, NULL);
	bad_begin(rig, &memory);
	assert_return_code(kill(parent_of(three_renderer(rig, 0)), SIGKILL), errno);
	bad_offer(rig, BAD_SILENT);
	bad_expect_ended(rig);
	/* What there is without 3D there still is. */
	rig_connect(rig);
	gpu_begin(rig);
	assert_int_equal(three_try_context(VIRTIO_GPU_CMD_CTX_CREATE, 1),
			 VIRTIO_GPU_RESP_ERR_UNSPEC);
	gpu_picture(&memory, 1);
	gpu_create(5, &memory);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "renderer: no other one can be had"), 1);
}

static bool is_there(pid_t pid)
{
	char path[64], state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "r");
	if (!file)
		return false;
	/* Nobody may be there who waits for it. */
	if (fscanf(file, "%*d %*s %c", &state) != 1)
		state = 0;
	fclose(file);
	return state && state != 'Z' && state != 'X';
}

static void a_device_that_is_killed_leaves_no_renderer(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	pid_t spawner;
	int pid;

	for (uint32_t what = BAD_FLOOD; what < BAD_ALL; what++) {
		three_start(rig, NULL);
		bad_begin(rig, &memory);
		pid = three_renderer(rig, 0);
		spawner = parent_of(pid);
		bad_offer(rig, what);
		gpu_expect_state(0, "resource 0");
		assert_return_code(kill(rig->program.pid, SIGKILL), errno);
		while (is_there(pid) || is_there(spawner))
			assert_return_code(usleep(1000), errno);
		peer_disconnect(rig->peer);
		spawn_wait(&rig->program);
		rig->program.pid = 0;
		assert_int_equal(rig->program.status, 1000 + SIGKILL);
	}
}

/* What the program was started with may be its connection to the front-end. */
static void a_renderer_has_no_descriptor_of_the_devices(void **state)
{
	struct rig *rig = *state;
	int pair[2], before = dup(STDIN_FILENO);
	char path[64], what[64];
	struct stat st;
	ssize_t n;

	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), errno);
	assert_return_code(dup2(pair[0], STDIN_FILENO), errno);
	three_start(rig, NULL);
	snprintf(path, sizeof(path), "/proc/%d/fd/0", three_renderer(rig, 0));
	n = readlink(path, what, sizeof(what) - 1);
	assert_true(n > 0);
	what[n] = '\0';
	assert_string_equal(what, "/dev/null");
	/* Its own socket, and three that lead nowhere. */
	snprintf(path, sizeof(path), "/proc/%d/fd/4", three_renderer(rig, 0));
	assert_int_equal(stat(path, &st), -1);
	rig_stop(rig);
	dup2(before, STDIN_FILENO);
	close(before);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GPU_TEST(a_renderer_that_says_what_it_should_not_is_ended),
		GPU_TEST(what_a_renderer_writes_elsewhere_is_not_written),
		GPU_TEST(a_guest_with_3d_is_not_moved),
		GPU_TEST(what_comes_when_its_memory_is_gone_is_let_go),
		GPU_TEST(levels_that_there_are_not_are_refused),
		GPU_TEST(nobody_waits_for_a_renderer_that_does_not_stop),
		GPU_TEST(a_hundred_sessions_leave_nothing_open),
		GPU_TEST(a_device_that_is_killed_leaves_no_renderer),
		GPU_TEST(a_renderer_has_no_descriptor_of_the_devices),
		GPU_TEST(who_makes_renderers_may_die_and_that_is_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
