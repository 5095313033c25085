/* SPDX-License-Identifier: MIT */
/*
 * Rules: in postcopy the front-end learns where memory is mapped before anything touches it,
 * answers its faults while rings run, and what comes at the wrong time ends the session.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <libvu/unstable.h>

#include "mem/userfault.h"
#include "rules/rig.h"

enum { PAGE = 4096, MEMORY = 4 << 20 };

static const struct guest_region memory = {
	.gpa = 0, .size = MEMORY, .uva = UINT64_C(0x7f0000000000)};

/* The other side of the faults: a thread, as a front-end has one. */
struct pager {
	pthread_t thread;
	int fd, stop[2];
	uint64_t base; /* where the device has the memory */
	unsigned char *source;
	_Atomic uint32_t served;
};

static void pager_serve(struct pager *p)
{
	struct uffd_msg msg;
	struct uffdio_copy copy = {.len = PAGE};

	if (read(p->fd, &msg, sizeof(msg)) != sizeof(msg))
		return;
	copy.dst = msg.arg.pagefault.address / PAGE * PAGE;
	copy.src = (uintptr_t)p->source + (copy.dst - p->base);
	if (ioctl(p->fd, UFFDIO_COPY, &copy) == 0)
		p->served++;
}

static void *pager_run(void *opaque)
{
	struct pager *p = opaque;
	struct pollfd fds[] = {{p->fd, POLLIN, 0}, {p->stop[0], POLLIN, 0}};

	while (poll(fds, 2, -1) > 0 && !fds[1].revents)
		if (fds[0].revents)
			pager_serve(p);
	return NULL;
}

/* All that the guest has is on its way: this process's pages of it are taken away. */
static void pager_start(struct pager *p, struct rig *rig, uint64_t base)
{
	struct guest_region *r = &rig->peer->guest->regions[0];

	p->base = base;
	p->source = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(p->source != MAP_FAILED);
	memcpy(p->source, r->host, MEMORY);
	assert_ok(fallocate(r->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, MEMORY));
	assert_ok(pipe2(p->stop, O_CLOEXEC));
	assert_ok(pthread_create(&p->thread, NULL, pager_run, p));
}

static void pager_stop(struct pager *p)
{
	close(p->stop[1]);
	assert_ok(pthread_join(p->thread, NULL));
	close(p->stop[0]);
	munmap(p->source, MEMORY);
}

static bool possible(void)
{
	int fd = userfault_open(-1);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void make(struct rig *rig, uint64_t without)
{
	const struct rig_config config = {
		.peer = {.n_regions = 1,
			 .regions = &memory,
			 .protocol_features = ~(without | RIG_BIT(WIRE_PF_INBAND_NOTIFICATIONS))}};

	if (!possible())
		skip();
	rig_make(rig, &config);
	assert_ok(vu_device_allow_postcopy(rig->dev));
	rig_connect(rig);
	assert_ok(peer_negotiate(rig->peer));
}

static int advise(struct rig *rig)
{
	struct frontend_msg reply;

	assert_ok(frontend_ask_msg(&rig->peer->frontend, WIRE_POSTCOPY_ADVISE, NULL, 0, NULL, 0,
				   &reply));
	assert_int_equal(reply.hdr.size, 0);
	assert_int_equal(reply.n_fds, 1);
	return frontend_msg_take_fd(&reply);
}

static int listen_for_faults(struct rig *rig)
{
	return frontend_tell(&rig->peer->frontend, WIRE_POSTCOPY_LISTEN, NULL, 0, NULL, 0);
}

/* The first half of whichever message tells of memory; where the device has it. */
static uint64_t propose(struct rig *rig)
{
	const struct guest_region *r = &rig->peer->guest->regions[0];
	struct frontend *f = &rig->peer->frontend;
	bool slots = frontend_has(f, WIRE_PF_CONFIGURE_MEM_SLOTS);
	const uint64_t uva = frontend_has(f, WIRE_PF_GPA_ADDRESSES) ? r->gpa : r->uva;
	const struct wire_region region = {r->gpa, r->size, uva, r->mmap_offset};
	const struct wire_mem_reg reg = {.region = region};
	const struct wire_mem_table table = {.n_regions = 1, .regions = {region}};
	struct wire_region got;
	struct frontend_msg reply;

	if (slots)
		assert_ok(frontend_ask_msg(f, WIRE_ADD_MEM_REG, &reg, sizeof(reg), &r->fd, 1,
					   &reply));
	else
		assert_ok(frontend_ask_msg(f, WIRE_SET_MEM_TABLE, &table, 8 + sizeof(region),
					   &r->fd, 1, &reply));
	assert_int_equal(reply.hdr.size, 8 + sizeof(region));
	memcpy(&got, reply.payload + 8, sizeof(got));
	assert_true(got.guest_addr == r->gpa && got.size == r->size);
	assert_true(got.user_addr != uva);
	return got.user_addr;
}

static void send_nothing(struct rig *rig, uint32_t request, uint32_t size)
{
	const uint64_t nothing[2] = {0};

	assert_ok(frontend_send(&rig->peer->frontend, request, 0, nothing, size, NULL, 0));
	rig_pump(rig);
}

static uint32_t memory_request(const struct rig *rig)
{
	return frontend_has(&rig->peer->frontend, WIRE_PF_CONFIGURE_MEM_SLOTS) ? WIRE_ADD_MEM_REG
									       : WIRE_SET_MEM_TABLE;
}

/* This process's side of the ring touches nothing from then on until the device has. */
static void start_when_all_is_away(struct rig *rig, struct pager *pager, uint64_t base)
{
	struct driver_ring *ring = rig->peer->queues[0];
	struct frontend *f = &rig->peer->frontend;

	assert_ok(frontend_setup_ring(f, ring, 0));
	assert_ok(frontend_set_vring_enable(f, 0, true));
	pager_start(pager, rig, base);
	assert_ok(frontend_set_vring_kick(f, 0, ring->kick.device));
}

/* QEMU's order at the destination, with a ring that has requests in it, all in pages to come. */
static void migrate(uint64_t without)
{
	struct pager pager = {0};
	uint64_t base, zero;
	struct rig rig;

	make(&rig, without);
	pager.fd = advise(&rig);
	assert_ok(listen_for_faults(&rig));
	assert_ok(peer_set_driver(rig.peer));
	base = propose(&rig);
	send_nothing(&rig, memory_request(&rig), 8);
	rig_assert_no_reply(&rig);
	for (int i = 0; i < 5; i++)
		rig_add(&rig, 0);
	driver_publish(rig.peer->queues[0]);
	start_when_all_is_away(&rig, &pager, base);
	rig_wait_used(&rig, 0, 5);
	/* Rings and buffers at least. */
	assert_true(pager.served >= 2);
	assert_ok(frontend_ask(&rig.peer->frontend, WIRE_POSTCOPY_END, NULL, 0, &zero, 8));
	assert_int_equal(zero, 0);
	pager_stop(&pager);
	close(pager.fd);
	rig_roundtrip(&rig, 0, 5);
	rig_close(&rig);
}

static void a_guest_runs_before_its_memory_has_come(void **state)
{
	(void)state;
	migrate(RIG_BIT(WIRE_PF_GPA_ADDRESSES));
}

static void so_it_does_with_one_table_for_all(void **state)
{
	(void)state;
	migrate(RIG_BIT(WIRE_PF_GPA_ADDRESSES) | RIG_BIT(WIRE_PF_CONFIGURE_MEM_SLOTS));
}

static void so_it_does_at_guest_addresses(void **state)
{
	(void)state;
	migrate(0);
}

static void a_migration_that_never_needed_it_just_ends(void **state)
{
	struct rig rig;
	uint64_t zero;

	(void)state;
	make(&rig, RIG_BIT(WIRE_PF_GPA_ADDRESSES));
	close(advise(&rig));
	/* Another try. */
	close(advise(&rig));
	assert_ok(peer_set_driver(rig.peer));
	assert_ok(peer_start_rings(rig.peer));
	rig_roundtrip(&rig, 0, 3);
	assert_ok(frontend_ask(&rig.peer->frontend, WIRE_POSTCOPY_END, NULL, 0, &zero, 8));
	rig_roundtrip(&rig, 0, 3);
	rig_close(&rig);
}

/* The device ends the session, with a line that has the text. */
static void expect_end(struct rig *rig, const char *text)
{
	rig_pump(rig);
	assert_int_equal(frontend_wait_closed(&rig->peer->frontend), 0);
	rig_pump(rig);
	rig_expect_errors(rig, text, 1);
	rig_close(rig);
}

static void send_only(struct rig *rig, uint32_t request)
{
	assert_ok(frontend_send(&rig->peer->frontend, request, 0, NULL, 0, NULL, 0));
}

static void what_comes_at_the_wrong_time_ends_the_session(void **state)
{
	struct rig rig;

	(void)state;
	make(&rig, 0);
	send_only(&rig, WIRE_POSTCOPY_LISTEN);
	expect_end(&rig, "POSTCOPY_LISTEN without POSTCOPY_ADVISE");
	make(&rig, 0);
	send_only(&rig, WIRE_POSTCOPY_END);
	expect_end(&rig, "POSTCOPY_END without POSTCOPY_ADVISE");
	make(&rig, 0);
	close(advise(&rig));
	assert_ok(listen_for_faults(&rig));
	send_only(&rig, WIRE_POSTCOPY_LISTEN);
	expect_end(&rig, "POSTCOPY_LISTEN came twice");
	make(&rig, 0);
	close(advise(&rig));
	assert_ok(listen_for_faults(&rig));
	send_only(&rig, WIRE_POSTCOPY_ADVISE);
	expect_end(&rig, "POSTCOPY_ADVISE between");
	make(&rig, 0);
	close(advise(&rig));
	assert_ok(frontend_set_memory(&rig.peer->frontend, rig.peer->guest));
	send_only(&rig, WIRE_POSTCOPY_LISTEN);
	expect_end(&rig, "when there was guest memory already");
}

static void nothing_but_the_acknowledgement_may_follow_a_table(void **state)
{
	for (int slots = 0; slots < 2; slots++) {
		const uint64_t without = slots ? 0 : RIG_BIT(WIRE_PF_CONFIGURE_MEM_SLOTS);

		for (int wrong = 0; wrong < 4; wrong++) {
			const uint64_t one = 1;
			struct rig rig;
			uint32_t request;

			(void)state;
			make(&rig, without);
			close(advise(&rig));
			assert_ok(listen_for_faults(&rig));
			propose(&rig);
			request = memory_request(&rig);
			if (wrong == 0)
				send_only(&rig, WIRE_GET_FEATURES);
			else if (wrong == 1)
				send_nothing(&rig, request, 0);
			else if (wrong == 2)
				send_nothing(&rig, request, 16);
			else
				assert_ok(frontend_send(&rig.peer->frontend, request, 0, &one, 8,
							NULL, 0));
			expect_end(&rig, "8 zero bytes that acknowledge");
		}
	}
}

static void an_acknowledgement_of_nothing_ends_the_session(void **state)
{
	struct rig rig;

	(void)state;
	make(&rig, 0);
	close(advise(&rig));
	assert_ok(listen_for_faults(&rig));
	send_nothing(&rig, WIRE_ADD_MEM_REG, 8);
	expect_end(&rig, "ADD_MEM_REG: payload of 8 bytes");
}

static void memory_behind_the_start_of_a_ring_ends_the_session(void **state)
{
	struct pager pager = {0};
	struct rig rig;

	(void)state;
	make(&rig, 0);
	pager.fd = advise(&rig);
	assert_ok(listen_for_faults(&rig));
	assert_ok(peer_set_driver(rig.peer));
	pager_start(&pager, &rig, propose(&rig));
	send_nothing(&rig, memory_request(&rig), 8);
	rig_start_queue(&rig, 0);
	assert_ok(frontend_rem_mem_reg(&rig.peer->frontend, &rig.peer->guest->regions[0]));
	assert_ok(frontend_send(&rig.peer->frontend, WIRE_ADD_MEM_REG, 0,
				&(struct wire_mem_reg){.region = {.size = MEMORY}},
				sizeof(struct wire_mem_reg), &rig.peer->guest->regions[0].fd, 1));
	rig_pump(&rig);
	pager_stop(&pager);
	close(pager.fd);
	rig.errors_expected++; /* the ring's memory is gone, too */
	expect_end(&rig, "after a ring was started");
}

/* Its copy of the descriptor is the last one then. */
static void *die_later(void *opaque)
{
	usleep(100000);
	close(*(int *)opaque);
	return NULL;
}

static void a_front_end_that_dies_leaves_nobody_waiting_in_a_fault(void **state)
{
	struct pager pager = {0};
	pthread_t thread;
	struct rig rig;
	int fd;

	(void)state;
	make(&rig, 0);
	fd = advise(&rig);
	pager.fd = open("/dev/null", O_RDONLY | O_CLOEXEC); /* answers nothing */
	assert_ok(listen_for_faults(&rig));
	assert_ok(peer_set_driver(rig.peer));
	pager_start(&pager, &rig, propose(&rig));
	send_nothing(&rig, memory_request(&rig), 8);
	assert_ok(pthread_create(&thread, NULL, die_later, &fd));
	/* This thread is the device's, and waits in here for the ring's first page. */
	rig_start_queue(&rig, 0);
	rig_pump(&rig);
	assert_ok(pthread_join(thread, NULL));
	pager_stop(&pager);
	close(pager.fd);
	peer_disconnect(rig.peer);
	rig_pump(&rig);
	rig.errors_expected = rig_errors(&rig);
	rig_close(&rig);
}

static void a_session_may_end_anywhere_on_the_way(void **state)
{
	(void)state;
	for (int steps = 1; steps < 5; steps++) {
		struct rig rig;

		make(&rig, 0);
		close(advise(&rig));
		if (steps > 1)
			assert_ok(listen_for_faults(&rig));
		if (steps > 2)
			propose(&rig);
		if (steps > 3)
			send_nothing(&rig, memory_request(&rig), 8);
		peer_disconnect(rig.peer);
		rig_pump(&rig);
		/* The next front-end comes as ever. */
		rig_connect(&rig);
		assert_ok(peer_start(rig.peer));
		rig_close(&rig);
	}
}

static void it_is_offered_only_by_who_asked_for_it(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	assert_false(rig.peer->frontend.offered_protocol_features >> WIRE_PF_PAGEFAULT & 1);
	assert_int_equal(vu_device_allow_postcopy(rig.dev), -EBUSY);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_runs_before_its_memory_has_come),
		cmocka_unit_test(so_it_does_with_one_table_for_all),
		cmocka_unit_test(so_it_does_at_guest_addresses),
		cmocka_unit_test(a_migration_that_never_needed_it_just_ends),
		cmocka_unit_test(what_comes_at_the_wrong_time_ends_the_session),
		cmocka_unit_test(nothing_but_the_acknowledgement_may_follow_a_table),
		cmocka_unit_test(an_acknowledgement_of_nothing_ends_the_session),
		cmocka_unit_test(memory_behind_the_start_of_a_ring_ends_the_session),
		cmocka_unit_test(a_front_end_that_dies_leaves_nobody_waiting_in_a_fault),
		cmocka_unit_test(a_session_may_end_anywhere_on_the_way),
		cmocka_unit_test(it_is_offered_only_by_who_asked_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
