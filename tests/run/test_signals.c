/* SPDX-License-Identifier: MIT */
/* A program with workers from outside: SIGTERM, SIGUSR1, SIGHUP, SIGBUS, --cpus, many devices. */
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kit/folder.h"
#include "kit/patience.h"
#include "kit/test.h"
#include "load.h"
#include "sockets.h"
#include "spawn.h"

enum { MANY = 200, MANY_FILES = 4096, MAX_ARGS = MANY + 8, REPORT_MAX = 1 << 20 };

struct fixture {
	char dir[32];
	struct named_socket sockets[MANY];
	struct spawned program;
	struct load load;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	alarm(HANG_SECONDS);
	folder_make(f->dir, "vu-signals");
	name_sockets(f->sockets, MANY, f->dir);
	*state = f;
	return 0;
}

/* The program with so many sockets, and an option if arg is not NULL. */
static void start(struct fixture *f, const char *program, int sockets, const char *arg)
{
	const char *argv[MAX_ARGS] = {program};
	int n = 1;

	for (int i = 0; i < sockets; i++)
		argv[n++] = f->sockets[i].option;
	argv[n] = arg;
	spawn_start(&f->program, argv, NULL);
	spawn_wait_listening(f->sockets[sockets - 1].path);
}

static void stop(struct fixture *f)
{
	spawn_stop(&f->program);
	if (f->program.status)
		print_error("%s", f->program.err);
	assert_int_equal(f->program.status, 0);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Ask for a report and wait until it has this last line; what the program wrote meanwhile. */
static char *report(struct fixture *f, const char *last)
{
	char *text = calloc(1, REPORT_MAX + 1);
	const char *found;
	struct stat before;

	assert_return_code(fstat(f->program.err_fd, &before), errno);
	assert_return_code(kill(f->program.pid, SIGUSR1), errno);
	for (;;) {
		ssize_t n = pread(f->program.err_fd, text, REPORT_MAX, before.st_size);

		assert_true(n >= 0);
		text[n] = '\0';
		found = strstr(text, last);
		if (found && strchr(found, '\n'))
			return text;
		usleep(1000); /* until alarm() */
	}
}

/* Until every queue of the one device has taken something. */
static void wait_taken(struct fixture *f)
{
	bool idle = true;

	while (idle) {
		char *text = report(f, "counters device=echo0 queue=3 ");

		idle = strstr(text, "batches=0 ");
		free(text);
	}
}

static void sigterm_with_requests_in_flight_ends_it(void **state)
{
	struct fixture *f = *state;

	start(f, getenv("ECHO_PROGRAM"), 1, "--hold");
	load_start(&f->load, f->sockets[0].path);
	for (uint32_t q = 0; q < ECHO_QUEUES; q++)
		load_submit(&f->load, q, LOAD_DEPTH);
	wait_taken(f);
	stop(f);
	assert_int_equal(frontend_wait_closed(&f->load.peer->frontend), 0);
	load_end(&f->load);
	spawn_free(&f->program);
}

static void sigusr1_prints_the_counters_of_every_queue_of_every_device(void **state)
{
	struct fixture *f = *state;
	const char *line;
	char *text;
	int lines = 0;

	start(f, getenv("ECHO_PROGRAM"), 2, NULL);
	load_start(&f->load, f->sockets[1].path);
	load_submit(&f->load, 2, 5);
	load_collect(&f->load, 2);
	text = report(f, "counters device=echo1 queue=3 ");
	for (line = text; (line = strstr(line, "counters device=")); line++) {
		unsigned long long requests, readable, written, kicks, sent, unsent, polls, batches;
		unsigned int device, queue;
		int end = 0;

		assert_int_equal(
			sscanf(line,
			       "counters device=echo%u queue=%u requests=%llu readable_bytes=%llu "
			       "written_bytes=%llu kicks=%llu signals=%llu signals_suppressed=%llu "
			       "polls=%llu batches=%llu outstanding=0 for_ms=0%n",
			       &device, &queue, &requests, &readable, &written, &kicks, &sent,
			       &unsent, &polls, &batches, &end),
			10);
		assert_int_equal(line[end], '\n');
		assert_int_equal(device, lines / ECHO_QUEUES);
		assert_int_equal(queue, lines % ECHO_QUEUES);
		assert_int_equal(requests, device == 1 && queue == 2 ? 5 : 0);
		assert_int_equal(readable, requests * ECHO_BYTES);
		assert_int_equal(written, requests * ECHO_BYTES);
		assert_true(requests ? batches > 0 && polls > 0 : batches == 0);
		lines++;
	}
	assert_int_equal(lines, 2 * ECHO_QUEUES);
	free(text);
	load_end(&f->load);
	stop(f);
	spawn_free(&f->program);
}

/* Until the last queue has so many outstanding, for this long: until alarm(). */
static unsigned long long wait_outstanding(struct fixture *f, unsigned int n,
					   unsigned long long least_ms)
{
	unsigned long long ms = 0;
	unsigned int seen = 0;

	do {
		char *text = report(f, "counters device=echo0 queue=3 ");
		const char *at = strstr(strstr(text, " queue=3 "), " outstanding=");

		assert_non_null(at);
		assert_int_equal(sscanf(at, " outstanding=%u for_ms=%llu\n", &seen, &ms), 2);
		free(text);
	} while (seen != n || ms < least_ms);
	return ms;
}

static void sigusr1_shows_what_is_outstanding_and_for_how_long(void **state)
{
	struct fixture *f = *state;
	uint64_t begin = now_ms();
	unsigned long long ms;

	start(f, getenv("ECHO_PROGRAM"), 1, "--hold");
	load_start(&f->load, f->sockets[0].path);
	load_submit(&f->load, 3, 3);
	ms = wait_outstanding(f, 3, 50);
	assert_true(ms <= now_ms() - begin + 20); /* a tick of the coarse clock */
	/* More of them are no progress. */
	load_submit(&f->load, 3, 1);
	wait_outstanding(f, 4, ms);
	load_stop_queues(&f->load);
	wait_outstanding(f, 0, 0);
	load_end(&f->load);
	stop(f);
	spawn_free(&f->program);
}

static void sighup_reloads_and_the_front_end_sees_the_change(void **state)
{
	struct fixture *f = *state;
	struct frontend_msg *msg = calloc(1, sizeof(*msg));
	uint64_t number;

	start(f, getenv("ECHO_PROGRAM"), 1, NULL);
	load_start(&f->load, f->sockets[0].path);
	for (uint64_t i = 1; i <= 3; i++) {
		assert_return_code(kill(f->program.pid, SIGHUP), errno);
		load_check(&f->load, frontend_expect_backend(&f->load.peer->frontend,
							     WIRE_BACKEND_CONFIG_CHANGE_MSG, msg));
		load_check(&f->load, frontend_get_config(&f->load.peer->frontend, 0, &number,
							 sizeof(number)));
		assert_int_equal(number, i);
	}
	load_round(&f->load, 1);
	load_end(&f->load);
	stop(f);
	spawn_free(&f->program);
	free(msg);
}

static void sighup_and_sigusr1_do_not_end_a_program_that_has_no_use_for_them(void **state)
{
	struct fixture *f = *state;

	start(f, getenv("VU_RNG"), 1, NULL);
	assert_return_code(kill(f->program.pid, SIGHUP), errno);
	free(report(f, "counters device=rng0 queue=0 "));
	ask_once(connect_to(f->sockets[0].path));
	stop(f);
	spawn_free(&f->program);
}

static void a_signal_that_ends_the_program_leaves_no_socket_file(void **state)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGQUIT, SIGUSR2};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		start(f, getenv("VU_RNG"), 1, NULL);
		ask_once(connect_to(f->sockets[0].path));
		assert_return_code(kill(f->program.pid, signals[i]), errno);
		spawn_wait(&f->program);
		assert_int_equal(f->program.status, 0);
		assert_int_equal(access(f->sockets[0].path, F_OK), -1);
		spawn_free(&f->program);
	}
}

static void sigquit_and_sigusr2_stay_ignored_where_they_were(void **state)
{
	struct fixture *f = *state;
	const char *argv[] = {"/bin/sh",
			      "-c",
			      "trap '' QUIT USR2; exec \"$0\" \"$1\"",
			      getenv("VU_RNG"),
			      f->sockets[0].option,
			      NULL};

	spawn_start(&f->program, argv, NULL);
	spawn_wait_listening(f->sockets[0].path);
	assert_return_code(kill(f->program.pid, SIGQUIT), errno);
	assert_return_code(kill(f->program.pid, SIGUSR2), errno);
	free(report(f, "counters device=rng0 queue=0 "));
	ask_once(connect_to(f->sockets[0].path));
	stop(f);
	spawn_free(&f->program);
}

/* SIGBUS on a worker: in the library's reading of the ring, in the device's copy. */
static void memory_truncated_under_a_worker_ends_only_the_session(void **state)
{
	struct fixture *f = *state;

	start(f, getenv("ECHO_PROGRAM"), 1, NULL);
	for (int i = 0; i < 3; i++) {
		load_start(&f->load, f->sockets[0].path);
		load_round(&f->load, 1);
		assert_int_equal(guest_truncate(f->load.peer->guest, 0, 0), 0);
		load_check(&f->load, driver_kick_always(f->load.peer->queues[1]));
		assert_int_equal(frontend_wait_closed(&f->load.peer->frontend), 0);
		peer_free(f->load.peer);
	}
	load_start(&f->load, f->sockets[0].path);
	load_round(&f->load, LOAD_DEPTH);
	load_end(&f->load);
	stop(f);
	spawn_free(&f->program);
}

/* The CPUs of the program's threads with this name, as a set; how many there are. */
static int thread_cpus(pid_t pid, const char *name, cpu_set_t *cpus)
{
	struct dirent *entry;
	char path[300], comm[32];
	int n = 0;
	DIR *dir;

	CPU_ZERO(cpus);
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		cpu_set_t set;
		FILE *file;

		snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", pid, entry->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		if (fgets(comm, sizeof(comm), file) && !strncmp(comm, name, strlen(name))) {
			assert_return_code(
				sched_getaffinity(atoi(entry->d_name), sizeof(set), &set), errno);
			CPU_OR(cpus, cpus, &set);
			n++;
		}
		fclose(file);
	}
	closedir(dir);
	return n;
}

static void the_cpus_of_the_command_line_are_given_out_in_turn(void **state)
{
	struct fixture *f = *state;
	int first = -1, last = -1;
	cpu_set_t mine, cpus;
	char option[64];

	assert_return_code(sched_getaffinity(0, sizeof(mine), &mine), errno);
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &mine))
			continue;
		first = first < 0 ? i : first;
		last = i;
	}
	snprintf(option, sizeof(option), "--cpus=%d,%d-%d", last, first, first);
	start(f, getenv("ECHO_PROGRAM"), 2, option);
	load_start(&f->load, f->sockets[1].path);
	load_round(&f->load, 1);
	assert_int_equal(thread_cpus(f->program.pid, "vu-worker", &cpus), 2 * ECHO_GROUPS);
	assert_int_equal(CPU_COUNT(&cpus), first == last ? 1 : 2);
	assert_true(CPU_ISSET(first, &cpus) && CPU_ISSET(last, &cpus));
	assert_int_equal(thread_cpus(f->program.pid, "vu-worker0", &cpus), 1);
	assert_int_equal(CPU_COUNT(&cpus), 1);
	assert_true(CPU_ISSET(last, &cpus));
	load_end(&f->load);
	stop(f);
	spawn_free(&f->program);
}

static unsigned long long polls_of_queue_0(struct fixture *f)
{
	char *text = report(f, "counters device=echo0 queue=3 ");
	unsigned long long polls = 0;

	sscanf(strstr(strstr(text, "counters device=echo0 queue=0 "), "polls="), "polls=%llu",
	       &polls);
	free(text);
	return polls;
}

static void poll_us_makes_workers_poll(void **state)
{
	struct fixture *f = *state;
	unsigned long long before, after;

	start(f, getenv("ECHO_PROGRAM"), 1, "--poll-us=1000000");
	load_start(&f->load, f->sockets[0].path);
	/* After some requests it goes on looking though there are none; until alarm(). */
	do {
		load_submit(&f->load, 0, 1);
		load_collect(&f->load, 0);
		before = polls_of_queue_0(f);
		usleep(1000);
		after = polls_of_queue_0(f);
	} while (after < before + 100);
	load_end(&f->load);
	stop(f);
	spawn_free(&f->program);
}

static void a_cpu_that_does_not_exist_is_named(void **state)
{
	struct fixture *f = *state;
	const char *argv[] = {getenv("ECHO_PROGRAM"), f->sockets[0].option, "--cpus=8190", NULL};

	spawn_run(&f->program, argv);
	assert_int_equal(f->program.status, 1);
	assert_non_null(strstr(f->program.err, "--cpus: CPU 8190 does not exist"));
	spawn_free(&f->program);
}

static void two_hundred_devices_with_workers_share_a_program(void **state)
{
	struct fixture *f = *state;
	struct frontend *fes;

	spawn_need_files(MANY_FILES);
	fes = calloc(MANY, sizeof(*fes));
	start(f, getenv("ECHO_PROGRAM"), MANY, NULL);
	for (int i = 1; i < MANY; i++)
		ask(&fes[i], connect_to(f->sockets[i].path));
	load_start(&f->load, f->sockets[0].path);
	load_round(&f->load, LOAD_DEPTH);
	for (int i = 1; i < MANY; i++) {
		uint64_t features;

		assert_int_equal(frontend_get_features(&fes[i], &features), 0);
	}
	stop(f);
	for (int i = 1; i < MANY; i++)
		frontend_close(&fes[i]);
	load_end(&f->load);
	spawn_free(&f->program);
	free(fes);
}

static void once_ends_it_when_every_device_had_its_session(void **state)
{
	struct fixture *f = *state;

	start(f, getenv("ECHO_PROGRAM"), 2, "--once");
	load_start(&f->load, f->sockets[0].path);
	load_round(&f->load, 1);
	load_end(&f->load);
	load_start(&f->load, f->sockets[1].path);
	load_round(&f->load, 1);
	assert_int_equal(access(f->sockets[0].path, F_OK), -1);
	load_end(&f->load);
	spawn_wait(&f->program);
	assert_int_equal(f->program.status, 0);
	spawn_free(&f->program);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, folder_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sigterm_with_requests_in_flight_ends_it),
		TEST(sigusr1_prints_the_counters_of_every_queue_of_every_device),
		TEST(sigusr1_shows_what_is_outstanding_and_for_how_long),
		TEST(sighup_reloads_and_the_front_end_sees_the_change),
		TEST(sighup_and_sigusr1_do_not_end_a_program_that_has_no_use_for_them),
		TEST(a_signal_that_ends_the_program_leaves_no_socket_file),
		TEST(sigquit_and_sigusr2_stay_ignored_where_they_were),
		TEST(memory_truncated_under_a_worker_ends_only_the_session),
		TEST(the_cpus_of_the_command_line_are_given_out_in_turn),
		TEST(poll_us_makes_workers_poll),
		TEST(a_cpu_that_does_not_exist_is_named),
		TEST(two_hundred_devices_with_workers_share_a_program),
		TEST(once_ends_it_when_every_device_had_its_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
