/* SPDX-License-Identifier: MIT */
/*
 * Has a binding's device do what table.txt says, each line a test: contract.  The program is
 * CONTRACT_DEVICE (its words separated by blanks; the socket's path follows, as part of a last word
 * that ends with "="), the table CONTRACT_TABLE.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/peer.h"
#include "kit/folder.h"
#include "kit/test.h"
#include "run/spawn.h"

enum { ROWS = 64, WORDS = 8, SLOTS = 64, ROOM = 64, GROWTH_KIB = 6144, AT_ONCE = 32 };

struct row {
	char *name, *steps;
};

/* A request that was sent: where its bytes are, and what became of it. */
struct slot {
	uint64_t in, out;
	bool sent, answered;
	uint32_t len;
};

static struct {
	char text[16384];
	struct row rows[ROWS];
	uint32_t n_rows;
	char dir[FOLDER_PATH], socket[FOLDER_PATH + 16];
	struct spawned program;
	struct peer *peer;
	struct slot slots[SLOTS];
	uint32_t next;
} contract;

/* --- requests --- */

static void must(int ret)
{
	if (ret < 0)
		fail_msg("%s", contract.peer->frontend.error);
}

static void take_used(void)
{
	struct driver_used used;

	must(peer_wait_used(contract.peer, 0, &used));
	((struct slot *)used.cookie)->answered = true;
	((struct slot *)used.cookie)->len = used.len;
}

static struct slot *offer(const char *command)
{
	struct guest *guest = contract.peer->guest;
	struct slot *slot = &contract.slots[contract.next++ % SLOTS];
	uint32_t n = (uint32_t)strlen(command);
	const struct driver_seg segs[] = {{slot->in, n, false}, {slot->out, ROOM, true}};

	assert_false(slot->sent);
	memcpy(guest_ptr(guest, slot->in, n), command, n);
	*slot = (struct slot){.in = slot->in, .out = slot->out, .sent = true};
	assert_true(driver_add(contract.peer->queues[0], segs, 2, slot) >= 0);
	assert_true(driver_kick(contract.peer->queues[0]) >= 0);
	return slot;
}

static void expect(struct slot *slot, const char *answer)
{
	char text[ROOM + 1] = "";

	while (!slot->answered)
		take_used();
	slot->sent = false;
	memcpy(text, guest_ptr(contract.peer->guest, slot->out, ROOM), slot->len);
	assert_string_equal(slot->len ? text : "-", answer);
}

static void wait_for_one(const char *answer)
{
	for (;;) {
		bool any = false;

		for (uint32_t i = 0; i < SLOTS; i++) {
			struct slot *slot = &contract.slots[(contract.next + i) % SLOTS];

			any = any || slot->sent;
			if (!slot->sent || !slot->answered)
				continue;
			expect(slot, answer);
			return;
		}
		assert_true(any);
		take_used();
	}
}

static long resident_kib(void)
{
	char path[64];
	long total, resident = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/statm", contract.program.pid);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%ld %ld", &total, &resident), 2);
	fclose(file);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void many(const char *arguments)
{
	char command[ROOM], answer[ROOM];
	struct slot *slots[AT_ONCE];
	long n, before = 0, after;

	assert_int_equal(sscanf(arguments, "%ld %63s %63s", &n, command, answer), 3);
	for (long i = 0; i < n; i += AT_ONCE) {
		if (!before && i >= n / 10)
			before = resident_kib();
		for (int s = 0; s < AT_ONCE; s++)
			slots[s] = offer(command);
		for (int s = 0; s < AT_ONCE; s++)
			expect(slots[s], answer);
	}
	after = resident_kib();
	if (after - before > GROWTH_KIB)
		fail_msg("it grew from %ld to %ld KiB", before, after);
}

/* --- sessions --- */

static void come(void)
{
	must(peer_connect(contract.peer, contract.socket));
}

static void start(void)
{
	must(peer_start(contract.peer));
}

static void go(void)
{
	peer_disconnect(contract.peer);
	for (uint32_t q = 0; q < contract.peer->n_queues; q++)
		if (contract.peer->queues[q])
			driver_reset(contract.peer->queues[q]);
	for (uint32_t i = 0; i < SLOTS; i++)
		contract.slots[i].sent = false;
}

static void step_ask(const char *arguments)
{
	char command[ROOM], answer[ROOM];

	assert_int_equal(sscanf(arguments, "%63s %63s", command, answer), 2);
	expect(offer(command), answer);
}

static void step_offer(const char *command)
{
	offer(command);
}

static void step_quiet(const char *unused)
{
	for (uint32_t i = 0; i < SLOTS; i++)
		assert_false(contract.slots[i].sent && contract.slots[i].answered);
}

static void step_config(const char *arguments)
{
	char text[ROOM], now[ROOM] = "";
	unsigned int offset;

	assert_int_equal(sscanf(arguments, "%u %63s", &offset, text), 2);
	must(frontend_get_config(&contract.peer->frontend, offset, now, (uint32_t)strlen(text)));
	assert_string_equal(now, text);
}

static void step_write(const char *arguments)
{
	char text[ROOM];
	unsigned int offset;

	assert_int_equal(sscanf(arguments, "%u %63s", &offset, text), 2);
	must(frontend_set_config(&contract.peer->frontend, offset, text, (uint32_t)strlen(text),
				 0));
}

static void step_hear(const char *unused)
{
	struct frontend_msg msg;

	must(frontend_expect_backend(&contract.peer->frontend, WIRE_BACKEND_CONFIG_CHANGE_MSG,
				     &msg));
}

static void step_stop(const char *unused)
{
	must(peer_stop(contract.peer));
}

/* Memory is there, as it was. */
static void step_start(const char *unused)
{
	for (uint32_t q = 0; q < contract.peer->n_queues; q++)
		must(peer_start_queue(contract.peer, q));
	for (uint32_t q = 0; q < contract.peer->n_queues; q++)
		must(frontend_set_vring_enable(&contract.peer->frontend, q, true));
}

static void step_disconnect(const char *unused)
{
	go();
}

static void step_connect(const char *unused)
{
	come();
	start();
}

static void step_refused(const char *bits)
{
	uint64_t features = contract.peer->config.features;

	come();
	contract.peer->config.features |= UINT64_C(1) << strtoul(bits, NULL, 10);
	assert_true(peer_start(contract.peer) < 0);
	contract.peer->config.features = features;
}

static const struct {
	const char *word;
	void (*run)(const char *arguments);
} steps[] = {
	{"ask", step_ask},
	{"offer", step_offer},
	{"wait", wait_for_one},
	{"quiet", step_quiet},
	{"config", step_config},
	{"write", step_write},
	{"hear", step_hear},
	{"stop", step_stop},
	{"start", step_start},
	{"connect", step_connect},
	{"disconnect", step_disconnect},
	{"refused", step_refused},
	{"many", many},
};

static void run_step(const char *step)
{
	while (*step == ' ')
		step++;
	for (uint32_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		size_t n = strlen(steps[i].word);

		if (strncmp(step, steps[i].word, n) || (step[n] && step[n] != ' '))
			continue;
		steps[i].run(step[n] ? step + n + 1 : "");
		return;
	}
	fail_msg("no such step: %s", step);
}

static void run_row(void **state)
{
	char text[512], *rest = NULL;

	snprintf(text, sizeof(text), "%s", ((struct row *)*state)->steps);
	for (char *step = strtok_r(text, ";", &rest); step; step = strtok_r(NULL, ";", &rest))
		run_step(step);
	if (contract.peer->frontend.fd >= 0)
		peer_disconnect(contract.peer);
	spawn_stop(&contract.program);
	if (contract.program.status)
		fail_msg("it ended with status %d: %s", contract.program.status,
			 contract.program.err);
	assert_int_equal(access(contract.socket, F_OK), -1);
}

/* --- a device for each row --- */

static int begin(void **state)
{
	/* The bits of the ring, of the protocol, and the device's bit 5, that can be acked. */
	const struct peer_config config = {.n_queues = 2,
					   .features = ~(UINT64_C(1) << 6 | PEER_NONE)};
	char command[512], last[600];
	const char *argv[WORDS + 2];
	int n = 0;
	char *rest = NULL;

	folder_make(contract.dir, "contract");
	snprintf(contract.socket, sizeof(contract.socket), "%s/socket", contract.dir);
	snprintf(command, sizeof(command), "%s", getenv("CONTRACT_DEVICE"));
	for (char *w = strtok_r(command, " ", &rest); w && n < WORDS;
	     w = strtok_r(NULL, " ", &rest))
		argv[n++] = w;
	if (n > 1 && argv[n - 1][strlen(argv[n - 1]) - 1] == '=') {
		snprintf(last, sizeof(last), "%s%s", argv[n - 1], contract.socket);
		argv[n - 1] = last;
	} else {
		argv[n++] = contract.socket;
	}
	argv[n] = NULL;
	spawn_start(&contract.program, argv, NULL);
	spawn_wait_up(&contract.program, contract.socket);
	assert_ok(peer_new(&config, &contract.peer));
	for (uint32_t i = 0; i < SLOTS; i++)
		contract.slots[i] =
			(struct slot){.in = guest_alloc(contract.peer->guest, ROOM, 8),
				      .out = guest_alloc(contract.peer->guest, ROOM, 8)};
	come();
	start();
	return 0;
}

static int end(void **state)
{
	peer_free(contract.peer);
	if (!contract.program.out) {
		kill(contract.program.pid, SIGKILL);
		spawn_wait(&contract.program);
	}
	spawn_free(&contract.program);
	unlink(contract.socket);
	return rmdir(contract.dir);
}

static void read_table(const char *path)
{
	FILE *file = fopen(path, "r");
	char *rest = NULL;
	size_t n;

	assert_non_null(file);
	n = fread(contract.text, 1, sizeof(contract.text) - 1, file);
	assert_true(n < sizeof(contract.text) - 1);
	fclose(file);
	for (char *line = strtok_r(contract.text, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		char *colon = strchr(line, ':');

		if (*line == '#')
			continue;
		assert_non_null(colon);
		assert_true(contract.n_rows < ROWS);
		*colon = '\0';
		contract.rows[contract.n_rows++] = (struct row){line, colon + 1};
	}
}

int main(void)
{
	struct CMUnitTest tests[ROWS];

	if (!getenv("CONTRACT_TABLE") || !getenv("CONTRACT_DEVICE"))
		return 2;
	read_table(getenv("CONTRACT_TABLE"));
	for (uint32_t i = 0; i < contract.n_rows; i++)
		tests[i] = (struct CMUnitTest){contract.rows[i].name, run_row, begin, end,
					       &contract.rows[i]};
	return _cmocka_run_group_tests("contract", tests, contract.n_rows, NULL, NULL);
}
