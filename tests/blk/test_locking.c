/* SPDX-License-Identifier: MIT */
/* Who may have an image at the same time: other vu-blk, and QEMU's programs. */
#include "rig.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "loop.h"
#include "run/forbid.h"

static const char in_use[] = "in use by another process";

struct other {
	char socket[96];
	struct spawned program;
};

/* Another vu-blk; its first arguments. */
#define OTHER(o, image, ...)                                                                       \
	(const char *const[])                                                                      \
	{                                                                                          \
		getenv("VU_BLK"), "--socket-path", (o)->socket, "--blk-file", image, __VA_ARGS__,  \
			NULL                                                                       \
	}

static void other_init(struct other *o, const struct disk_rig *rig)
{
	snprintf(o->socket, sizeof(o->socket), "%s/other", rig->base.dir);
}

static void other_is_refused(struct other *o, const char *const *argv, const char *why)
{
	spawn_run(&o->program, argv);
	if (o->program.status != 1 || !strstr(o->program.err, why))
		fail_msg("status %d: %s", o->program.status, o->program.err);
	spawn_free(&o->program);
}

static void other_serves(struct other *o, const char *const *argv)
{
	spawn_start(&o->program, argv, NULL);
	spawn_wait_listening(o->socket);
}

static void other_stop(struct other *o)
{
	spawn_stop(&o->program);
	spawn_free(&o->program);
	unlink(o->socket);
}

static void a_second_program_does_not_get_an_image_that_is_written_to(void **state)
{
	struct disk_rig *rig = *state;
	struct other o;

	other_init(&o, rig);
	disk_start(rig, NULL);
	other_is_refused(&o, OTHER(&o, rig->image, NULL), in_use);
	other_is_refused(&o, OTHER(&o, rig->image, "--read-only"), "which writes to it");
	other_is_refused(&o, OTHER(&o, rig->image, "--direct"), in_use);
	disk_expect_alive(rig);
	rig_stop(&rig->base);
	other_serves(&o, OTHER(&o, rig->image, NULL));
	other_stop(&o);
}

static void a_link_to_an_image_is_the_image(void **state)
{
	struct disk_rig *rig = *state;
	struct other o;
	const char *path = rig_file(&rig->base, "link", NULL);

	other_init(&o, rig);
	disk_start(rig, NULL);
	assert_return_code(link(rig->image, path), errno);
	other_is_refused(&o, OTHER(&o, path, NULL), in_use);
	rig_stop(&rig->base);
}

static void two_sockets_do_not_get_the_same_image_to_write_to(void **state)
{
	struct disk_rig *rig = *state;
	struct other o;

	other_init(&o, rig);
	image_make(rig->image, DISK_IMAGE);
	other_is_refused(&o, OTHER(&o, rig->image, "--socket-path", rig->base.socket),
			 "another socket of this one");
	other_is_refused(
		&o,
		OTHER(&o, rig->image, "--socket-path", rig->base.socket, "--blk-file", rig->image),
		"another socket of this one");
}

static void readers_share_an_image(void **state)
{
	struct disk_rig *rig = *state;
	struct other o;

	other_init(&o, rig);
	disk_start(rig, (const char *[]){"--read-only", NULL});
	other_serves(&o, OTHER(&o, rig->image, "--read-only"));
	disk_expect(rig, 0, 4096);
	other_stop(&o);
	other_is_refused(&o, OTHER(&o, rig->image, NULL), in_use);
	rig_stop(&rig->base);
}

static void locking_off_neither_takes_nor_sees_locks(void **state)
{
	struct disk_rig *rig = *state;
	struct other o;

	other_init(&o, rig);
	disk_start(rig, (const char *[]){"--locking=on", NULL});
	other_serves(&o, OTHER(&o, rig->image, "--locking=off"));
	other_stop(&o);
	rig_stop(&rig->base);

	other_serves(&o, OTHER(&o, rig->image, "--locking=off"));
	disk_spawn_file(rig, NULL);
	disk_connect(rig);
	disk_expect(rig, 0, 4096);
	rig_stop(&rig->base);
	other_stop(&o);
}

static void a_block_device_is_locked_as_well(void **state)
{
	struct disk_rig *rig = *state;
	struct loop loop;
	struct other o;

	other_init(&o, rig);
	disk_open_loop(rig, &loop);
	rig_spawn(&rig->base, (const char *[]){"--blk-file", loop.path, NULL});
	disk_connect(rig);
	other_is_refused(&o, OTHER(&o, loop.path, NULL), in_use);
	rig_stop(&rig->base);
	loop_close(&loop);
}

/* Requests are on their way: the kernel has the file for longer than the program. */
static void the_successor_of_a_killed_program_gets_the_image(void **state)
{
	struct disk_rig *rig = *state;
	struct disk_io io[32];
	struct other o;

	other_init(&o, rig);
	disk_start(rig, (const char *[]){"--direct", NULL});
	for (int i = 0; i < 32; i++) {
		disk_io_new(rig, &io[i], 65536);
		disk_add(rig, 0, &io[i], VIRTIO_BLK_T_IN, (uint64_t)i * 128, 65536);
	}
	driver_publish(rig->base.peer->queues[0]);
	driver_kick(rig->base.peer->queues[0]);
	kill(rig->base.program.pid, SIGKILL);
	other_serves(&o, OTHER(&o, rig->image, NULL));
	other_stop(&o);
	spawn_wait(&rig->base.program);
	assert_int_equal(rig->base.program.status, 1000 + SIGKILL);
	rig->base.program.pid = 0;
	unlink(rig->base.socket);
}

static void a_successor_waits_for_one_that_is_ending(void **state)
{
	struct disk_rig *rig = *state;
	struct other o;

	other_init(&o, rig);
	disk_start(rig, NULL);
	spawn_start(&o.program, OTHER(&o, rig->image, NULL), NULL);
	rig_stop(&rig->base);
	spawn_wait_listening(o.socket);
	other_stop(&o);
}

/* --- QEMU's programs --- */

/* The path of a program; skips without it. */
static const char *need(const char *name, char path[64])
{
	char dirs[2048], *save = NULL, *dir;

	snprintf(dirs, sizeof(dirs), "%s", getenv("PATH") ? getenv("PATH") : "/usr/bin");
	for (dir = strtok_r(dirs, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
		snprintf(path, 64, "%s/%s", dir, name);
		if (access(path, X_OK) == 0)
			return path;
	}
	print_message("[  SKIP  ] %s is not installed\n", name);
	skip();
	return NULL;
}

static void qemu_and_vu_blk_keep_each_other_from_an_image(void **state)
{
	struct disk_rig *rig = *state;
	char path[64], node[160], export[256];
	struct other daemon, o;
	const char *const argv[] = {
		need("qemu-storage-daemon", path), "--blockdev", node, "--export", export, NULL};

	other_init(&o, rig);
	snprintf(daemon.socket, sizeof(daemon.socket), "%s/daemon", rig->base.dir);
	snprintf(node, sizeof(node), "driver=file,node-name=n,filename=%s", rig->image);
	snprintf(export, sizeof(export),
		 "type=vhost-user-blk,id=e,node-name=n,addr.type=unix,addr.path=%s,writable=on",
		 daemon.socket);
	disk_start(rig, NULL);
	other_is_refused(&daemon, argv, "lock");
	rig_stop(&rig->base);
	other_serves(&daemon, argv);
	other_is_refused(&o, OTHER(&o, rig->image, NULL), in_use);
	other_is_refused(&o, OTHER(&o, rig->image, "--read-only"), "which writes to it");
	other_stop(&daemon);
	other_serves(&o, OTHER(&o, rig->image, NULL));
	other_stop(&o);
}

static void qemu_img_does_not_resize_an_image_that_is_served(void **state)
{
	struct disk_rig *rig = *state;
	char path[64];
	struct other img;
	const char *const resize[] = {
		need("qemu-img", path), "resize", "-f", "raw", rig->image, "32M", NULL};
	const char *const info[] = {path, "info", "-f", "raw", rig->image, NULL};

	disk_start(rig, (const char *[]){"--read-only", NULL});
	other_is_refused(&img, resize, "lock");
	spawn_run(&img.program, info);
	assert_int_equal(img.program.status, 0);
	spawn_free(&img.program);
	rig_stop(&rig->base);
	disk_start(rig, NULL);
	other_is_refused(&img, resize, "lock");
	rig_stop(&rig->base);
	spawn_run(&img.program, resize);
	assert_int_equal(img.program.status, 0);
	spawn_free(&img.program);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DISK_TEST(a_second_program_does_not_get_an_image_that_is_written_to),
		DISK_TEST(a_link_to_an_image_is_the_image),
		DISK_TEST(two_sockets_do_not_get_the_same_image_to_write_to),
		DISK_TEST(readers_share_an_image),
		DISK_TEST(locking_off_neither_takes_nor_sees_locks),
		DISK_TEST(a_block_device_is_locked_as_well),
		DISK_TEST(the_successor_of_a_killed_program_gets_the_image),
		DISK_TEST(a_successor_waits_for_one_that_is_ending),
		DISK_TEST(qemu_and_vu_blk_keep_each_other_from_an_image),
		DISK_TEST(qemu_img_does_not_resize_an_image_that_is_served),
	};

	io_uring_or_skip();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
