/* SPDX-License-Identifier: MIT */
/*
 * The negative matrix: every row of the message table, good, wrong in each way there is, and late:
 * while a ring runs with a request in flight.  A good message leaves the session alive; a wrong one
 * ends it with one error line and leaks nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libvu/unstable.h>

#include "mem/userfault.h"

#include "vhost_user/messages.h"
#include "proto/dut.h"

enum flaw { GOOD, SHORT, LONG, MISSING_FD, EXTRA_FD, UNNEGOTIATED, LATE, FLAWS };

static const char *const flaw_names[FLAWS] = {"good",	  "short",	   "long", "missing fd",
					      "extra fd", "un-negotiated", "late"};

/* A message as it should be. */
struct sample {
	uint32_t size;
	uint32_t n_fds;
	int fds[WIRE_MAX_FDS + 1];
	unsigned char payload[2100];
};

struct session_of_test {
	struct rig dut;
	struct peer *peer;
};

static bool has_flaw(const struct message *row, enum flaw flaw, const struct sample *sample)
{
	switch (flaw) {
	case SHORT:
		return sample->size > 0;
	case MISSING_FD:
		return sample->n_fds > 0;
	case UNNEGOTIATED:
		return row->need != NEED_NOTHING;
	default:
		return true;
	}
}

static void advise(struct peer *peer)
{
	struct frontend_msg reply;

	dut_ok(peer,
	       frontend_ask_msg(&peer->frontend, WIRE_POSTCOPY_ADVISE, NULL, 0, NULL, 0, &reply));
	assert_int_equal(reply.n_fds, 1);
	frontend_msg_close_fds(&reply);
}

/* Most machines let only root have the kernel's faults. */
static bool can_run(const struct message *row)
{
	int fd = row->need == WIRE_PF_PAGEFAULT ? userfault_open(-1) : -ENOSYS;

	if (fd >= 0)
		close(fd);
	return row->need != WIRE_PF_PAGEFAULT || fd >= 0;
}

/* A ring that runs, with a request in flight. */
static void start_ring(struct session_of_test *s)
{
	dut_ok(s->peer, peer_start_queue(s->peer, 0));
	dut_ok(s->peer, frontend_set_vring_enable(&s->peer->frontend, 0, true));
	s->dut.mode = RIG_HOLD;
	dut_add_request(s->peer, 0);
	dut_ok(s->peer, driver_kick(s->peer->queues[0]));
	rig_pump(&s->dut);
	s->dut.mode = RIG_SERVE;
}

/* Everything negotiated that is offered, except what this test leaves out. */
static void open_session(struct session_of_test *s, const struct message *row, enum flaw flaw)
{
	static const struct guest_region regions[] = {
		{.gpa = 0, .size = 1 << 20, .uva = 1 << 30},
		{.gpa = 1 << 24, .size = 1 << 20, .uva = 1 << 28},
	};
	struct dut_config dut_config = {0};
	struct peer_config config = {
		.n_queues = 1,
		.n_regions = 2,
		.regions = regions,
		.no_acks = true,
		/* The samples have user addresses. */
		.protocol_features = ~(UINT64_C(1) << WIRE_PF_GPA_ADDRESSES),
	};
	bool left_out = flaw == UNNEGOTIATED;

	if (row->need == NEED_ACCESS_PLATFORM) {
		dut_config.features = UINT64_C(1) << VU_F_ACCESS_PLATFORM;
		config.features = ~(UINT64_C(1) << VU_F_LOG_ALL);
		if (left_out)
			config.features &= ~(UINT64_C(1) << VU_F_ACCESS_PLATFORM);
	}
	if (row->need == WIRE_PF_INBAND_NOTIFICATIONS)
		dut_config.flags = VU_DEVICE_INBAND;
	if (row->need == WIRE_PF_CROSS_ENDIAN)
		dut_config.flags = VU_DEVICE_LEGACY;
	if (left_out && row->need >= 0 && row->need < WIRE_PF_END)
		config.protocol_features &= ~(UINT64_C(1) << row->need);
	if (left_out && row->need == NEED_PROTOCOL_FEATURES)
		dut_config.forbidden = UINT64_C(1) << VU_F_PROTOCOL_FEATURES;
	dut_new(&s->dut, &dut_config);
	if (row->id == WIRE_SET_VRING_ENDIAN)
		assert_ok(vu_device_set_cross_endian(s->dut.dev, 1));
	dut_set_class(s->dut.dev, left_out && row->need == NEED_GPU);
	if (row->need == WIRE_PF_SHMEM_MAP)
		dut_give_shmem(&s->dut);
	if (row->need == WIRE_PF_PAGEFAULT)
		assert_ok(vu_device_allow_postcopy(s->dut.dev));
	s->peer = dut_peer(&s->dut, &config);
	dut_ok(s->peer, peer_negotiate(s->peer));
	dut_ok(s->peer, peer_set_driver(s->peer));
	/* These come between others, and before memory. */
	if (!left_out && (row->id == WIRE_POSTCOPY_LISTEN || row->id == WIRE_POSTCOPY_END))
		advise(s->peer);
	if (row->id == WIRE_POSTCOPY_LISTEN && flaw != LATE)
		return;
	/* One region, so that the other can be added, and a ring that could be started. */
	s->peer->guest->n_regions = 1;
	dut_ok(s->peer, frontend_set_memory(&s->peer->frontend, s->peer->guest));
	s->peer->guest->n_regions = 2;
	if (flaw == LATE)
		start_ring(s);
	else
		dut_ok(s->peer, frontend_setup_ring(&s->peer->frontend, s->peer->queues[0], 0));
}

static void sample_put(struct sample *sample, const void *payload, uint32_t size)
{
	memcpy(sample->payload, payload, size);
	sample->size = size;
}

static void sample_layout(struct sample *sample, enum wire_layout layout)
{
	static const uint32_t sizes[WIRE_L_END] = {
		[WIRE_L_U64] = 8,
		[WIRE_L_VRING_STATE] = sizeof(struct wire_vring_state),
		[WIRE_L_VRING_ADDR] = sizeof(struct wire_vring_addr),
		[WIRE_L_VRING_FD] = 8,
		[WIRE_L_MEM_REG] = sizeof(struct wire_mem_reg),
		[WIRE_L_LOG] = sizeof(struct wire_log),
		[WIRE_L_IOTLB] = sizeof(struct wire_iotlb),
		[WIRE_L_CRYPTO] = sizeof(struct wire_crypto),
		[WIRE_L_INFLIGHT] = sizeof(struct wire_inflight),
		[WIRE_L_VRING_AREA] = sizeof(struct wire_vring_area),
		[WIRE_L_SHARED_OBJECT] = sizeof(struct wire_shared_object),
		[WIRE_L_DEVICE_STATE] = sizeof(struct wire_device_state),
		[WIRE_L_MMAP] = sizeof(struct wire_mmap),
		[WIRE_L_SHMEM_CONFIG] = sizeof(struct wire_shmem_config),
	};

	sample->size = sizes[layout];
}

static struct wire_region region_of(const struct guest_region *r)
{
	return (struct wire_region){.guest_addr = r->gpa, .size = r->size, .user_addr = r->uva};
}

static void sample_memory(struct sample *sample, const struct message *row, struct peer *peer)
{
	const struct guest_region *r = peer->guest->regions;
	struct wire_mem_table table = {.n_regions = 1, .regions = {region_of(&r[0])}};
	struct wire_mem_reg reg = {0};

	if (row->id == WIRE_SET_MEM_TABLE) {
		sample_put(sample, &table, offsetof(struct wire_mem_table, regions[1]));
		sample->fds[sample->n_fds++] = dup(r[0].fd);
		return;
	}
	reg.region = region_of(row->id == WIRE_ADD_MEM_REG ? &r[1] : &r[0]);
	sample_put(sample, &reg, sizeof(reg));
	if (row->id == WIRE_ADD_MEM_REG)
		sample->fds[sample->n_fds++] = dup(r[1].fd);
}

static void sample_ring(struct sample *sample, const struct message *row, struct peer *peer)
{
	const struct driver_ring *ring = peer->queues[0];
	const struct wire_vring_addr addr = {
		.desc = guest_uva(peer->guest, ring->desc_gpa),
		.avail = guest_uva(peer->guest, ring->avail_gpa),
		.used = guest_uva(peer->guest, ring->used_gpa),
	};
	struct wire_vring_state state = {.num = row->id == WIRE_SET_VRING_NUM ? ring->size : 0};

	if (row->request == WIRE_L_VRING_ADDR)
		sample_put(sample, &addr, sizeof(addr));
	else
		sample_put(sample, &state, sizeof(state));
}

static void sample_inflight(struct sample *sample, const struct message *row)
{
	struct wire_inflight info = {.n_queues = 1, .queue_size = 64};
	int fd;

	if (row->id == WIRE_SET_INFLIGHT_FD) {
		info.mmap_size = 4096;
		fd = memfd_create("in-flight", MFD_CLOEXEC);
		assert_int_equal(ftruncate(fd, 4096), 0);
		sample->fds[sample->n_fds++] = fd;
	}
	sample_put(sample, &info, sizeof(info));
}

static void sample_log(struct sample *sample)
{
	/* Of 32768 pages, which is more than there are. */
	const struct wire_log log = {.size = 4096};
	int fd = memfd_create("dirty log", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, 4096), 0);
	sample->fds[sample->n_fds++] = fd;
	sample_put(sample, &log, sizeof(log));
}

static void sample_fill(struct sample *sample, const struct message *row, struct peer *peer)
{
	const struct {
		struct wire_config config;
		unsigned char data[DUT_CONFIG_WRITABLE];
	} config = {.config = {.size = DUT_CONFIG_WRITABLE}};
	const struct wire_iotlb iotlb = {.size = 4096, .type = WIRE_IOTLB_INVALIDATE};
	uint64_t value = 0;
	int pair[2];

	memset(sample, 0, sizeof(*sample));
	sample_layout(sample, row->request);
	if (row->id == WIRE_SET_FEATURES)
		value = peer->frontend.features;
	if (row->id == WIRE_SET_PROTOCOL_FEATURES)
		value = peer->frontend.protocol_features;
	if (row->request == WIRE_L_U64)
		sample_put(sample, &value, sizeof(value));
	if (row->request == WIRE_L_MEM_TABLE || row->request == WIRE_L_MEM_REG)
		sample_memory(sample, row, peer);
	if (row->request == WIRE_L_VRING_ADDR || row->request == WIRE_L_VRING_STATE)
		sample_ring(sample, row, peer);
	if (row->request == WIRE_L_INFLIGHT)
		sample_inflight(sample, row);
	if (row->request == WIRE_L_LOG)
		sample_log(sample);
	if (row->request == WIRE_L_IOTLB)
		sample_put(sample, &iotlb, sizeof(iotlb));
	if (row->request == WIRE_L_CONFIG)
		sample_put(sample, &config, sizeof(config));
	if (row->id == WIRE_SET_BACKEND_REQ_FD || row->id == WIRE_GPU_SET_SOCKET) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		close(pair[1]);
		sample->fds[sample->n_fds++] = pair[0];
	} else if (row->request == WIRE_L_VRING_FD || (row->min_fds && !sample->n_fds)) {
		sample->fds[sample->n_fds++] = eventfd(0, 0);
	}
}

static void sample_spoil(struct sample *sample, const struct message *row, enum flaw flaw)
{
	uint32_t most = row->request == WIRE_L_MEM_TABLE ? sample->n_fds : row->max_fds;

	if (flaw == SHORT)
		sample->size--;
	/* A table may end anywhere behind its last region: User-mode Linux sends two for one. */
	if (flaw == LONG && row->request == WIRE_L_MEM_TABLE)
		sample->size = sizeof(struct wire_mem_table);
	if (flaw == LONG)
		sample->size++;
	if (flaw == MISSING_FD)
		close(sample->fds[--sample->n_fds]);
	while (flaw == EXTRA_FD && sample->n_fds <= most)
		sample->fds[sample->n_fds++] = eventfd(0, 0);
}

static void sample_send(const struct sample *sample, const struct message *row, struct peer *peer)
{
	uint32_t i;

	dut_ok(peer, frontend_send(&peer->frontend, row->id, 0, sample->payload, sample->size,
				   sample->fds, sample->n_fds));
	for (i = 0; i < sample->n_fds; i++)
		close(sample->fds[i]);
}

static void expect_own_reply(const struct message *row, struct peer *peer)
{
	struct frontend_msg reply;

	dut_ok(peer, frontend_recv(&peer->frontend, &reply));
	assert_int_equal(reply.hdr.request, row->id);
	assert_int_equal(reply.hdr.flags, WIRE_VERSION | WIRE_REPLY);
	frontend_msg_close_fds(&reply);
}

/* While a ring runs, these alone are more than served. */
static const struct late {
	uint32_t id;
	bool ends; /* the session */
	const char *line;
} late_rows[] = {
	{WIRE_POSTCOPY_LISTEN, true, "POSTCOPY_LISTEN when there was guest memory already"},
	{WIRE_REM_MEM_REG, false, "the memory it lies in was removed"},
	{WIRE_SET_DEVICE_STATE_FD, false, "SET_DEVICE_STATE_FD: rings are started"},
};

static const struct late *late_find(uint32_t id)
{
	for (size_t i = 0; i < sizeof(late_rows) / sizeof(late_rows[0]); i++)
		if (late_rows[i].id == id)
			return &late_rows[i];
	return NULL;
}

/* The request in flight comes back, whatever becomes of its ring; an answer that waits for it, too.
 */
static void expect_late_outcome(struct session_of_test *s, const struct message *row)
{
	const struct late *late = late_find(row->id);

	rig_pump(&s->dut);
	assert_int_equal(s->dut.queues[0].n_held, row->need != NEED_ACCESS_PLATFORM);
	dut_finish(&s->dut);
	if (late && late->ends) {
		dut_expect_refusal(&s->dut, s->peer);
		assert_non_null(strstr(s->dut.log.last_error, late->line));
		return;
	}
	if (row->reply == REPLY_OWN || row->reply == REPLY_ALWAYS_ACK)
		expect_own_reply(row, s->peer);
	if (late) {
		s->dut.errors_expected++;
		assert_non_null(strstr(s->dut.log.last_error, late->line));
	}
	dut_expect_alive(&s->dut, s->peer);
	dut_hang_up(&s->dut, s->peer);
}

static void expect_outcome(struct session_of_test *s, const struct message *row, enum flaw flaw)
{
	if (flaw == LATE) {
		expect_late_outcome(s, row);
		return;
	}
	if (flaw == GOOD && row->handler) {
		if (row->reply == REPLY_OWN || row->reply == REPLY_ALWAYS_ACK)
			expect_own_reply(row, s->peer);
		dut_expect_alive(&s->dut, s->peer);
		dut_hang_up(&s->dut, s->peer);
		return;
	}
	dut_expect_refusal(&s->dut, s->peer);
	/* The line names the message: that is how a programmer finds it. */
	assert_non_null(strstr(s->dut.log.last_error, row->name));
}

/* Row's message with the flaw; false if it cannot have that flaw. */
static bool try_message(const struct message *row, enum flaw flaw)
{
	static struct session_of_test s;
	struct sample sample;
	bool applies;
	uint32_t i;

	open_session(&s, row, flaw);
	sample_fill(&sample, row, s.peer);
	applies = has_flaw(row, flaw, &sample);
	if (applies) {
		sample_spoil(&sample, row, flaw);
		sample_send(&sample, row, s.peer);
		expect_outcome(&s, row, flaw);
	} else {
		for (i = 0; i < sample.n_fds; i++)
			close(sample.fds[i]);
	}
	peer_free(s.peer);
	dut_free(&s.dut);
	return applies;
}

static void try_all(enum flaw flaw)
{
	uint32_t id, tried = 0, fds = count_fds(), maps = count_guest_mappings();

	for (id = 0; id < WIRE_REQUEST_END; id++) {
		const struct message *row = message_find(id);

		if (!row || !can_run(row))
			continue;
		print_message("%s: %s\n", flaw_names[flaw], row->name);
		tried += try_message(row, flaw);
		assert_int_equal(count_fds(), fds);
		assert_int_equal(count_guest_mappings(), maps);
	}
	assert_true(tried > 8);
}

static void a_good_message_of_every_row_is_served(void **state)
{
	try_all(GOOD);
}

static void a_short_payload_of_every_row_ends_the_session(void **state)
{
	try_all(SHORT);
}

static void a_long_payload_of_every_row_ends_the_session(void **state)
{
	try_all(LONG);
}

static void a_missing_fd_of_every_row_ends_the_session(void **state)
{
	try_all(MISSING_FD);
}

static void an_extra_fd_of_every_row_ends_the_session(void **state)
{
	try_all(EXTRA_FD);
}

static void an_unnegotiated_message_of_every_row_ends_the_session(void **state)
{
	try_all(UNNEGOTIATED);
}

static void a_message_of_every_row_may_come_while_a_ring_runs(void **state)
{
	try_all(LATE);
}

static void every_message_of_the_specification_has_a_row(void **state)
{
	uint32_t id;

	assert_null(message_find(0));
	for (id = 1; id < WIRE_REQUEST_END; id++) {
		assert_non_null(message_find(id));
		assert_string_equal(message_find(id)->name, frontend_request_name(id));
	}
	for (id = 1; id < WIRE_BACKEND_REQUEST_END; id++)
		assert_non_null(message_find_backend(id));
	assert_null(message_find(WIRE_REQUEST_END));
	assert_null(message_find(UINT32_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_of_the_specification_has_a_row),
		cmocka_unit_test(a_good_message_of_every_row_is_served),
		cmocka_unit_test(a_short_payload_of_every_row_ends_the_session),
		cmocka_unit_test(a_long_payload_of_every_row_ends_the_session),
		cmocka_unit_test(a_missing_fd_of_every_row_ends_the_session),
		cmocka_unit_test(an_extra_fd_of_every_row_ends_the_session),
		cmocka_unit_test(an_unnegotiated_message_of_every_row_ends_the_session),
		cmocka_unit_test(a_message_of_every_row_may_come_while_a_ring_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
