/* SPDX-License-Identifier: MIT */
/*
 * Rules: shared memory regions are declared as QEMU can take them; what is mapped into them is
 * checked here first, and does not overlap.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rules/shmem_rig.h"
#include "rules/slow_file.h"

static void regions_that_qemu_cannot_take_are_refused_with_advice(void **state)
{
	static const struct {
		uint64_t lens[4];
		uint32_t n;
		const char *text;
	} rows[] = {
		{{0x300000}, 1, "make one longer by 0x100000, or add one"},
		{{0x400000, 0x10000}, 2, "no power of two"},
		{{0x1000, 0x1001}, 2, "region 1 has 0x1001 bytes: take a multiple of"},
		{{UINT64_C(1) << 63, UINT64_C(1) << 63}, 2, "less than 2^63 in all"},
		{{0}, 1, "there is no region"},
		{{0}, 0, "there is no region"},
		{{0}, 257, "there are ids 0 to 255"},
	};
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		log_book_open(&rig.log);
		assert_int_equal(shmem_declare(&rig, rows[i].lens, rows[i].n), -EINVAL);
		rig.errors_expected = 0;
		rig_expect_errors(&rig, rows[i].text, 1);
	}
	{
		const struct vu_shmem_info small = {.size = 8, .n_lens = 1};

		assert_int_equal(vu_device_set_shmem(rig.dev, &small), -EINVAL);
		rig_expect_errors(&rig, "struct vu_shmem_info says size 8", 1);
	}
	assert_ok(shmem_declare(&rig, (uint64_t[]){0x100000, 0x200000, 0x100000}, 3));
	assert_int_equal(shmem_declare(&rig, (uint64_t[]){PAGE}, 1), -EEXIST);
	rig_close(&rig);
}

static void regions_cannot_come_while_somebody_may_have_asked_for_them(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	assert_false(rig.peer->frontend.offered_protocol_features >> WIRE_PF_SHMEM_MAP & 1);
	assert_int_equal(shmem_declare(&rig, (uint64_t[]){PAGE}, 1), -EBUSY);
	rig_close(&rig);
}

static void a_front_end_is_told_of_the_regions(void **state)
{
	struct wire_shmem_config config;
	struct rig rig;

	(void)state;
	shmem_open(&rig);
	assert_true(frontend_has(&rig.peer->frontend, WIRE_PF_SHMEM_MAP));
	assert_true(frontend_has(&rig.peer->frontend, WIRE_PF_BACKEND_SEND_FD));
	assert_true(frontend_has(&rig.peer->frontend, WIRE_PF_CONFIGURE_MEM_SLOTS));
	assert_ok(frontend_ask(&rig.peer->frontend, WIRE_GET_SHMEM_CONFIG, NULL, 0, &config,
			       sizeof(config)));
	assert_int_equal(config.n_regions, 2);
	for (int id = 0; id < 256; id++)
		assert_int_equal(config.size[id], id == FIRST	 ? FIRST_LEN
						  : id == SECOND ? SECOND_LEN
								 : 0);
	rig_close(&rig);
}

static void a_piece_is_mapped_when_the_front_end_says_so(void **state)
{
	struct vu_shmem_piece piece;
	struct stat ours, theirs;
	struct frontend_msg msg;
	struct wire_mmap what;
	struct asked asked = {0};
	struct rig rig;
	int fd;

	(void)state;
	shmem_open(&rig);
	fd = file_of(8 * PAGE);
	piece = piece_of(FIRST, 2, 3, fd);
	piece.fd_offset = 4 * PAGE;
	assert_ok(vu_device_map_shmem(rig.dev, &piece, on_asked, &asked));
	assert_ok(fstat(fd, &ours));
	close(fd);
	assert_ok(frontend_recv_backend(&rig.peer->frontend, &msg, 1000));
	memcpy(&what, msg.payload, sizeof(what));
	assert_true(what.fd_offset == 4 * PAGE && what.flags == 1);
	assert_int_equal(msg.n_fds, 1);
	assert_ok(fstat(msg.fds[0], &theirs));
	assert_int_equal(ours.st_ino, theirs.st_ino);
	frontend_msg_close_fds(&msg);
	rig_pump(&rig);
	assert_int_equal(asked.times, 0);
	answer(&rig, &msg, 0);
	assert_ended(&asked, 0);
	assert_int_equal(shmem_lost, 0);
	rig_close(&rig);
	assert_int_equal(shmem_lost, 1);
}

static void what_the_front_end_refuses_may_be_asked_again(void **state)
{
	struct frontend_msg msg;
	struct asked asked;
	struct rig rig;

	(void)state;
	shmem_open(&rig);
	assert_ok(map(&rig, SECOND, 0, 4, &asked));
	hear(&rig, WIRE_BACKEND_SHMEM_MAP, SECOND, 0, 4, &msg);
	answer(&rig, &msg, 1);
	assert_ended(&asked, -EREMOTEIO);
	assert_int_equal(rig_logged(&rig, "refuses to map 0x4000 bytes at 0"), 1);
	map_well(&rig, SECOND, 0, 4);
	rig_close(&rig);
}

static void what_cannot_be_mapped_is_not_even_sent(void **state)
{
	int fd = file_of(64 * PAGE), for_reading = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	const struct {
		struct vu_shmem_piece piece;
		int err;
	} rows[] = {
		{{.id = 0, .len = PAGE, .fd = fd}, -EINVAL},
		{{.id = 256, .len = PAGE, .fd = fd}, -EINVAL},
		{{.id = UINT32_MAX, .len = PAGE, .fd = fd}, -EINVAL},
		{{.id = FIRST, .len = 0, .fd = fd}, -EINVAL},
		{{.id = FIRST, .len = FIRST_LEN + PAGE, .fd = fd}, -EINVAL},
		{{.id = FIRST, .offset = FIRST_LEN, .len = PAGE, .fd = fd}, -EINVAL},
		{{.id = FIRST, .offset = UINT64_MAX - PAGE + 1, .len = PAGE, .fd = fd}, -EINVAL},
		{{.id = FIRST, .offset = PAGE, .len = UINT64_MAX - PAGE + 1, .fd = fd}, -EINVAL},
		{{.id = FIRST, .offset = 1, .len = PAGE, .fd = fd}, -EINVAL},
		{{.id = FIRST, .len = PAGE - 1, .fd = fd}, -EINVAL},
		{{.id = FIRST, .len = PAGE, .fd = fd, .fd_offset = 8}, -EINVAL},
		{{.id = FIRST, .len = PAGE, .fd = fd, .fd_offset = 64 * PAGE}, -EINVAL},
		{{.id = FIRST, .len = PAGE, .fd = fd, .fd_offset = UINT64_MAX - PAGE + 1}, -EINVAL},
		{{.id = FIRST, .len = PAGE, .fd = fd, .flags = 2}, -EINVAL},
		{{.id = FIRST, .len = PAGE, .fd = -1}, -EBADF},
		{{.id = FIRST, .len = PAGE, .fd = for_reading}, -EACCES},
	};
	struct vu_shmem_piece piece;
	struct asked asked = {0};
	struct rig rig;

	(void)state;
	rig_make(&rig, &(struct rig_config){.device = {.flags = VU_DEVICE_ANY_MEMORY}});
	shmem_declare_usual(&rig);
	rig_connect(&rig);
	assert_ok(peer_start(rig.peer));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		piece = rows[i].piece;
		piece.size = sizeof(piece);
		if (vu_device_map_shmem(rig.dev, &piece, on_asked, &asked) != rows[i].err)
			fail_msg("row %zu", i);
	}
	piece = piece_of(FIRST, 0, 1, fd);
	piece.size = 8;
	assert_int_equal(vu_device_map_shmem(rig.dev, &piece, on_asked, &asked), -EINVAL);
	rig_expect_errors(&rig, "struct vu_shmem_piece", 1);
	rig_pump(&rig);
	hear_nothing(&rig);
	assert_int_equal(asked.times, 0);
	rig_close(&rig);
	close(fd);
	close(for_reading);
}

/* It comes back as guest memory. */
static void a_file_that_may_block_is_mapped_only_if_that_is_allowed(void **state)
{
	struct vu_shmem_piece piece;
	struct asked asked = {0};
	struct slow_file slow;
	const char *why;
	struct rig rig;
	int error = slow_file_new(&slow, PAGE, &why);

	(void)state;
	if (error) {
		print_message("[  SKIP  ] %s: %s\n", why, strerror(-error));
		skip();
	}
	piece = piece_of(FIRST, 0, 1, slow.fd);
	shmem_open(&rig);
	assert_int_equal(vu_device_map_shmem(rig.dev, &piece, on_asked, &asked), -EPERM);
	assert_int_equal(rig_logged(&rig, "on a file system that may block"), 1);
	assert_int_equal(slow_file_asked(&slow, &(uint32_t){0}), 0);
	rig_close(&rig);
	rig_make(&rig, &(struct rig_config){.device = {.flags = VU_DEVICE_ANY_MEMORY}});
	shmem_declare_usual(&rig);
	rig_connect(&rig);
	assert_ok(peer_start(rig.peer));
	assert_ok(vu_device_map_shmem(rig.dev, &piece, on_asked, &asked));
	rig_close(&rig);
	close(slow.fd);
	slow_file_free(&slow);
}

static void pieces_do_not_overlap_and_are_unmapped_whole(void **state)
{
	struct frontend_msg msg[3];
	struct asked asked, other;
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL); /* it has no regions */
	assert_int_equal(vu_device_unmap_shmem(rig.dev, FIRST, 0, NULL, NULL), -ENOENT);
	rig_close(&rig);
	shmem_open(&rig);
	map_well(&rig, FIRST, 4, 4);
	assert_int_equal(map(&rig, FIRST, 4, 4, &asked), -EEXIST);
	assert_int_equal(map(&rig, FIRST, 3, 2, &asked), -EEXIST);
	assert_int_equal(map(&rig, FIRST, 7, 5, &asked), -EEXIST);
	assert_int_equal(map(&rig, FIRST, 0, 12, &asked), -EEXIST);
	map_well(&rig, FIRST, 0, 4);
	map_well(&rig, FIRST, 8, 4);
	map_well(&rig, SECOND, 0, 4);
	assert_int_equal(unmap(&rig, FIRST, 5, &asked), -ENOENT);
	assert_int_equal(unmap(&rig, SECOND, 4, &asked), -ENOENT);
	assert_int_equal(unmap(&rig, 7, 0, &asked), -ENOENT);
	/* Away and back in one go: the order is that of the calls. */
	assert_ok(unmap(&rig, FIRST, 4, &asked));
	assert_int_equal(unmap(&rig, FIRST, 4, &other), -EALREADY);
	assert_ok(map(&rig, FIRST, 5, 2, &other));
	assert_int_equal(vu_device_unmap_shmem(rig.dev, FIRST, 5 * PAGE, NULL, NULL), -EBUSY);
	hear(&rig, WIRE_BACKEND_SHMEM_UNMAP, FIRST, 4, 4, &msg[0]);
	hear(&rig, WIRE_BACKEND_SHMEM_MAP, FIRST, 5, 2, &msg[1]);
	answer(&rig, &msg[0], 0);
	answer(&rig, &msg[1], 0);
	assert_ended(&asked, 0);
	assert_ended(&other, 0);
	assert_ok(vu_device_unmap_shmem(rig.dev, FIRST, 5 * PAGE, NULL, NULL));
	hear(&rig, WIRE_BACKEND_SHMEM_UNMAP, FIRST, 5, 2, &msg[2]);
	answer(&rig, &msg[2], 0);
	hear_nothing(&rig);
	rig_close(&rig);
}

/* What QEMU does: it takes the piece, and has it back as memory before it takes the next one. */
static void our_own_file_comes_back_as_guest_memory(void **state)
{
	static const struct guest_region bar = {
		.gpa = UINT64_C(1) << 32, .size = 4 * PAGE, .uva = UINT64_C(0x7d0000000000)};
	struct frontend_msg msg[2];
	struct vu_shmem_piece piece;
	struct asked asked[2] = {{0}};
	struct rig rig;

	(void)state;
	shmem_open(&rig);
	assert_int_equal(guest_add(rig.peer->guest, &bar), 1);
	piece = piece_of(SECOND, 0, 4, rig.peer->guest->regions[1].fd);
	assert_ok(vu_device_map_shmem(rig.dev, &piece, on_asked, &asked[0]));
	assert_ok(map(&rig, FIRST, 0, 1, &asked[1]));
	hear(&rig, WIRE_BACKEND_SHMEM_MAP, SECOND, 0, 4, &msg[0]);
	answer(&rig, &msg[0], 0);
	assert_ended(&asked[0], 0);
	assert_int_equal(asked[1].times, 0);
	assert_ok(frontend_add_mem_reg(&rig.peer->frontend, &rig.peer->guest->regions[1]));
	rig.queues[1].region = 1;
	rig.queues[1].buffers = bar.gpa; /* the rig's own would be too long */
	rig_roundtrip(&rig, 1, 20);
	hear(&rig, WIRE_BACKEND_SHMEM_MAP, FIRST, 0, 1, &msg[1]);
	answer(&rig, &msg[1], 0);
	assert_ended(&asked[1], 0);
	assert_ok(frontend_rem_mem_reg(&rig.peer->frontend, &rig.peer->guest->regions[1]));
	rig_roundtrip(&rig, 0, 3);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(regions_that_qemu_cannot_take_are_refused_with_advice),
		cmocka_unit_test(regions_cannot_come_while_somebody_may_have_asked_for_them),
		cmocka_unit_test(a_front_end_is_told_of_the_regions),
		cmocka_unit_test(a_piece_is_mapped_when_the_front_end_says_so),
		cmocka_unit_test(what_the_front_end_refuses_may_be_asked_again),
		cmocka_unit_test(what_cannot_be_mapped_is_not_even_sent),
		cmocka_unit_test(a_file_that_may_block_is_mapped_only_if_that_is_allowed),
		cmocka_unit_test(pieces_do_not_overlap_and_are_unmapped_whole),
		cmocka_unit_test(our_own_file_comes_back_as_guest_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
