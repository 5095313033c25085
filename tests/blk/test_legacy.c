/* SPDX-License-Identifier: MIT */
/* A disk under a driver without VERSION_1: firmware, or an old guest. */
#include "rig.h"
#include "run/forbid.h"

static void a_legacy_driver_reads_writes_and_flushes(void **state)
{
	enum { FLUSH_OUT = 5 };
	struct disk_rig *rig = *state;

	rig->base.config.features = UINT32_MAX & ~FEATURE(CONFIG_WCE);
	disk_start(rig, NULL);
	assert_false(rig->base.peer->frontend.features >> 32);
	disk_expect(rig, 0, DISK_DATA);
	disk_expect_alive(rig);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_FLUSH, 0, NULL, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(disk_do(rig, FLUSH_OUT, 0, NULL, 0), VIRTIO_BLK_S_OK);
	rig_stop(&rig->base);
}

/* Where a modern driver would find it cleared: virtio 1.3 §5.2.5.3. */
static void a_legacy_driver_keeps_its_cache_mode_without_flush(void **state)
{
	struct disk_rig *rig = *state;
	struct virtio_blk_config config;

	rig->base.config.features = UINT32_MAX & ~FEATURE(FLUSH);
	disk_start(rig, NULL);
	disk_get_config(rig, &config);
	assert_int_equal(config.wce, 1);
	rig_stop(&rig->base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DISK_TEST(a_legacy_driver_reads_writes_and_flushes),
		DISK_TEST(a_legacy_driver_keeps_its_cache_mode_without_flush),
	};

	io_uring_or_skip();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
