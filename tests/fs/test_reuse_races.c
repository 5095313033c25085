/* SPDX-License-Identifier: MIT */
/* Descriptors of files that were released just now (test_reuse.c), by several at once. */
#include "client.h"
#include "kit/counts.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

enum { ROUNDS = 800 };

struct race {
	atomic_bool stop;
	char share[RIG_PATH + 8];
};

static void two_queues_open_and_release_the_same_file(void **state)
{
	static const char *const args[] = {"--num-request-queues=2", NULL};
	const struct fuse_open_in in = {.flags = O_RDONLY};
	struct fuse_release_in release = {0};
	struct fuse_open_out out[2];
	struct client *c = *state;
	uint64_t file;

	client_make_file(c, "file", "hello");
	client_spawn(c, args);
	client_connect(c, 2);
	assert_int_equal(client_init(c, CLIENT_ALL_FLAGS), sizeof(c->init));
	file = client_walk(c, "file");
	for (int i = 0; i < ROUNDS; i++) {
		for (uint32_t q = 0; q < 2; q++)
			client_offer(c, q + 1, FUSE_OPEN, file, &in, sizeof(in), NULL, 0,
				     sizeof(out[q]));
		for (uint32_t q = 0; q < 2; q++)
			assert_int_equal(client_wait(c, q + 1, &out[q], sizeof(out[q])),
					 sizeof(out[q]));
		assert_true(out[0].fh != out[1].fh);
		for (uint32_t q = 0; q < 2; q++) {
			/* Each is released twice at once, once by the other. */
			release.fh = out[i % 2].fh;
			client_offer(c, q + 1, FUSE_RELEASE, file, &release, sizeof(release), NULL,
				     0, 0);
		}
		client_wait(c, 1, NULL, 0);
		client_wait(c, 2, NULL, 0);
		assert_int_equal(client_release(c, file, out[1 - i % 2].fh), 0);
		if (i % 50 == 49) {
			client_forget(c, file, 1000000);
			file = client_walk(c, "file");
		}
	}
	client_stop(c);
}

/* Also while a timer closes what is kept. */
static void one_queue_mounts_anew_while_another_opens_and_releases(void **state)
{
	static const char *const args[] = {"--num-request-queues=2", NULL};
	const struct fuse_open_in in = {.flags = O_RDONLY};
	struct fuse_release_in release = {0};
	struct client *c = *state;
	struct fuse_open_out out;
	uint64_t file;
	int before;

	client_make_file(c, "file", "hello");
	client_spawn(c, args);
	client_connect(c, 2);
	assert_int_equal(client_init(c, CLIENT_ALL_FLAGS), sizeof(c->init));
	before = count_fds_of(c->rig.program.pid);
	for (int i = 0; i < ROUNDS; i++) {
		file = client_walk(c, "file");
		for (int j = 0; j < 2; j++) {
			assert_int_equal(client_open_file(c, file, O_RDONLY, &release.fh), 0);
			assert_int_equal(client_release(c, file, release.fh), 0);
		}
		assert_int_equal(client_open_file(c, file, O_RDONLY, &release.fh), 0);
		if (i % 2)
			client_offer(c, 2, FUSE_RELEASE, file, &release, sizeof(release), NULL, 0,
				     0);
		else
			client_offer(c, 2, FUSE_OPEN, file, &in, sizeof(in), NULL, 0, sizeof(out));
		assert_int_equal(client_init(c, CLIENT_ALL_FLAGS), sizeof(c->init));
		client_wait(c, 2, i % 2 ? NULL : &out, i % 2 ? 0 : sizeof(out));
	}
	/* What was opened just before or just behind is not left. */
	assert_int_equal(client_init(c, CLIENT_ALL_FLAGS), sizeof(c->init));
	assert_int_equal(count_fds_of(c->rig.program.pid), before);
	client_stop(c);
}

/* A process of the host's puts other files in its place, with other contents. */
static void *replace(void *opaque)
{
	struct race *race = opaque;
	char from[RIG_PATH + 64], to[RIG_PATH + 64];

	snprintf(from, sizeof(from), "%s/next", race->share);
	snprintf(to, sizeof(to), "%s/file", race->share);
	for (unsigned int i = 0; !atomic_load(&race->stop); i++) {
		int fd = open(from, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

		if (fd < 0)
			return NULL;
		dprintf(fd, "%07u", i % 10000000);
		close(fd);
		if (rename(from, to) < 0 || (i % 4 == 0 && (chmod(to, 0644) < 0 || unlink(to) < 0)))
			return NULL;
	}
	return NULL;
}

static void an_inode_keeps_its_contents_whatever_becomes_of_its_name(void **state)
{
	struct race race = {.stop = false};
	char data[8] = "", before[8] = "";
	struct client *c = *state;
	uint64_t last = 0, fh;
	pthread_t thread;
	int same = 0;

	snprintf(race.share, sizeof(race.share), "%s", c->share);
	client_start(c, NULL);
	assert_int_equal(pthread_create(&thread, NULL, replace, &race), 0);
	for (int i = 0; i < ROUNDS; i++) {
		struct fuse_entry_out entry;

		if (client_lookup(c, ROOT, "file", &entry))
			continue;
		for (int j = 0; j < 3; j++) {
			assert_int_equal(client_open_file(c, entry.nodeid, O_RDONLY, &fh), 0);
			assert_int_equal(client_read(c, entry.nodeid, fh, 0, data, 7), 7);
			if (last == entry.nodeid)
				assert_memory_equal(data, before, 7);
			same += last == entry.nodeid;
			last = entry.nodeid;
			memcpy(before, data, 7);
			assert_int_equal(client_release(c, entry.nodeid, fh), 0);
		}
		if (i % 2)
			client_forget(c, entry.nodeid, 1);
	}
	atomic_store(&race.stop, true);
	pthread_join(thread, NULL);
	assert_true(same > 0);
	client_stop(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(an_inode_keeps_its_contents_whatever_becomes_of_its_name),
		CLIENT_TEST(one_queue_mounts_anew_while_another_opens_and_releases),
		CLIENT_TEST(two_queues_open_and_release_the_same_file),
	};

	return cmocka_run_group_tests_name("fs_reuse_races", tests, NULL, NULL);
}
