/* SPDX-License-Identifier: MIT */
/*
 * vu-blk: a disk (virtio 1.3 §5.2) in a file, on a block device or in memory.
 *
 * Each queue has a group and a worker thread of its own; what they share is atomic.  This file:
 * options, the device and its configuration space.  Device thread.
 */
#include "blk.h"

#include <libvu/unstable.h>

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/syscall.h>

enum { BLK_ID = 2, MAX_QUEUES = 256, MIN_QUEUE_SIZE = 4, MAX_QUEUE_SIZE = 32768, MAX_BLOCK = 4096 };

#define FEATURE(name) (UINT64_C(1) << VIRTIO_BLK_F_##name)
/* What is defined up to write zeroes; QEMU asks for 57 bytes. */
#define CONFIG_SIZE (offsetof(struct virtio_blk_config, unused1) + 3)

static uint64_t blk_features(const struct blk_disk *disk)
{
	uint64_t features = FEATURE(SEG_MAX) | FEATURE(BLK_SIZE) | FEATURE(FLUSH) |
			    FEATURE(TOPOLOGY) | FEATURE(CONFIG_WCE) | FEATURE(MQ);

	if (disk->settings->in_order)
		features |= UINT64_C(1) << VU_F_IN_ORDER;
	if (disk->disk_settings.read_only)
		return features | FEATURE(RO);
	features |= FEATURE(WRITE_ZEROES);
	return disk->disk.limits.discard ? features | FEATURE(DISCARD) : features;
}

static uint32_t blk_seg_max(const struct blk_settings *settings)
{
	/* Without indirect descriptors a request has to fit into the ring. */
	return settings->disk.queue_size - 2 < BLK_SEG_MAX ? (uint32_t)settings->disk.queue_size - 2
							   : BLK_SEG_MAX;
}

static void blk_fill_config(const struct blk_disk *disk, struct virtio_blk_config *config)
{
	const struct disk_limits *limits = &disk->disk.limits;
	uint8_t exponent = 0;

	while (limits->block << exponent < limits->physical)
		exponent++;
	*config = (struct virtio_blk_config){
		.capacity = htole64(atomic_load(&disk->disk.bytes) / BLK_SECTOR),
		.seg_max = htole32(blk_seg_max(disk->settings)),
		.blk_size = htole32(limits->block),
		.physical_block_exp = exponent,
		.min_io_size = htole16((uint16_t)(limits->physical / limits->block)),
		.opt_io_size = htole32(limits->optimal / limits->block),
		.wce = 1,
		.num_queues = htole16((uint16_t)disk->n_queues),
	};
	if (disk->disk_settings.read_only)
		return;
	config->max_write_zeroes_sectors = htole32(DISK_MAX_ZEROES / BLK_SECTOR);
	config->max_write_zeroes_seg = htole32(DISK_MAX_RANGES);
	config->write_zeroes_may_unmap = limits->discard;
	if (limits->discard) {
		config->max_discard_sectors = htole32(DISK_MAX_DISCARD / BLK_SECTOR);
		config->max_discard_seg = htole32(DISK_MAX_RANGES);
		config->discard_sector_alignment = htole32(limits->physical / BLK_SECTOR);
	}
}

/* When is a write stable?  virtio 1.3 §5.2.6.2, the list at its end. */
static void blk_choose_cache_mode(struct blk_disk *disk)
{
	uint8_t writeback = 0;

	vu_config_get(disk->dev, offsetof(struct virtio_blk_config, wce), &writeback, 1);
	atomic_store(&disk->writethrough, disk->wce ? !writeback : !disk->flush);
}

static int features_acked(struct vu_device *dev, uint64_t features, uint64_t high, void *opaque)
{
	struct blk_disk *disk = opaque;
	const uint8_t off = 0;

	disk->wce = features & FEATURE(CONFIG_WCE);
	disk->flush = features & FEATURE(FLUSH);
	/* §5.2.5.3: what a legacy driver accepts leaves the field alone. */
	if (disk->wce && !disk->flush && features >> VU_F_VERSION_1 & 1)
		vu_config_set(dev, offsetof(struct virtio_blk_config, wce), &off, 1);
	blk_choose_cache_mode(disk);
	return 0;
}

static int config_written(struct vu_device *dev, uint32_t offset, uint32_t len, void *opaque)
{
	(void)dev;
	(void)offset;
	(void)len;
	blk_choose_cache_mode(opaque);
	return 0;
}

static void session_end(struct vu_device *dev, int why, void *opaque)
{
	struct blk_disk *disk = opaque;

	(void)dev;
	(void)why;
	for (uint32_t i = 0; i < disk->n_queues && disk->disk.backend->session_end; i++)
		disk->disk.backend->session_end(&disk->queues[i].disk);
}

/* SIGHUP: is the file larger, or smaller? */
static void reload(void *state)
{
	struct blk_disk *disk = state;
	uint64_t bytes, capacity;
	int ret;

	if (!disk->disk.backend->size)
		return;
	ret = disk->disk.backend->size(&disk->disk, &bytes);
	if (ret) {
		vu_device_logf(disk->dev, VU_LOG_WARNING, "size: %s", strerror(-ret));
		return;
	}
	capacity = htole64(bytes / BLK_SECTOR);
	atomic_store(&disk->disk.bytes, bytes);
	vu_config_set(disk->dev, offsetof(struct virtio_blk_config, capacity), &capacity, 8);
}

static int command_resize(struct vu_script *script, uint32_t n, const char *const *words,
			  void *opaque)
{
	(void)script;
	(void)n;
	(void)words;
	reload(opaque);
	return 0;
}

/* Beside "metrics", which is every program's. */
static const struct vu_command commands[] = {
	{.name = "resize",
	 .help = "look at the size of the file, as SIGHUP does",
	 .run = command_resize},
	{.name = NULL},
};

static int blk_make_queue(struct blk_disk *disk, uint32_t index, struct vu_program *program)
{
	struct blk_queue *q = &disk->queues[index];
	int ret;

	q->blk = disk;
	q->disk.disk = &disk->disk;
	q->disk.dev = disk->dev;
	q->vq = vu_device_queue(disk->dev, index);
	ret = vu_group_new(&q->disk.group);
	if (!ret)
		ret = vu_queue_set_group(q->vq, q->disk.group);
	if (!ret && disk->disk.backend->queue_init)
		ret = disk->disk.backend->queue_init(&q->disk);
	return ret ? ret : vu_program_add_worker(program, q->disk.group);
}

static int blk_make_device(struct blk_disk *disk, struct vu_program *program)
{
	static const struct virtio_blk_config writable = {.wce = 1};
	const struct vu_ops ops = {
		.size = sizeof(ops),
		.session_end = session_end,
		.features_acked = features_acked,
		.queue_ready = blk_queue_ready,
		.config_written = config_written,
		/* No queue_stop: what is in flight ends by itself, soon. */
	};
	struct virtio_blk_config config;
	const struct vu_device_info info = {
		.size = sizeof(info),
		.name = "blk",
		.device_id = BLK_ID,
		.n_queues = disk->n_queues,
		.features = blk_features(disk),
		.config = &config,
		.config_writable = &writable,
		.config_size = CONFIG_SIZE,
		.max_queue_size = (uint32_t)disk->settings->disk.queue_size,
		.max_segs = BLK_MAX_SEGS,
		.priv_size = sizeof(struct disk_io),
		.flags = VU_DEVICE_LEGACY,
	};
	int ret;

	blk_fill_config(disk, &config);
	ret = vu_program_add_device(program, &info, &ops, disk, &disk->dev);
	for (uint32_t i = 0; i < disk->n_queues && !ret; i++)
		ret = blk_make_queue(disk, i, program);
	return ret;
}

static int blk_open(struct blk_disk *disk, uint32_t index)
{
	const struct blk_settings *settings = disk->settings;
	const struct vu_option_list *files = &settings->files;
	int ret;

	disk->disk_settings = settings->disk;
	disk->disk.settings = &disk->disk_settings;
	if (files->n == 1)
		disk->disk_settings.path = files->values[0];
	else if (index < files->n)
		disk->disk_settings.path = files->values[index];
	if (settings->backend == &disk_backend_file && !disk->disk_settings.path) {
		fprintf(stderr, "vu-blk: no --blk-file for socket %u\n", index + 1);
		return -EINVAL;
	}
	ret = settings->backend->open(&disk->disk);
	if (!ret)
		disk->disk.backend = settings->backend;
	return ret;
}

static int create(struct vu_program *program, uint32_t index, void *state)
{
	const struct blk_settings *settings = vu_program_settings(program);
	struct blk_disk *disk = state;
	int ret;

	disk->settings = settings;
	disk->n_queues = (uint32_t)settings->n_queues;
	disk->queues = calloc(disk->n_queues, sizeof(*disk->queues));
	if (!disk->queues)
		return -ENOMEM;
	ret = blk_open(disk, index);
	if (!ret)
		ret = blk_make_device(disk, program);
	return ret ? ret : vu_program_add_control(program, NULL, disk, NULL);
}

/* What is given up: all but reading and writing the file, which is open. */
static int opened(struct vu_program *program, uint32_t index, void *state)
{
	static const int blk_calls[] = {
		SYS_io_uring_enter, SYS_io_uring_setup, SYS_io_uring_register, SYS_preadv2,
		SYS_pwritev2,	    SYS_preadv,		SYS_pwritev,	       SYS_fallocate,
	};
	struct blk_settings *settings = vu_program_settings(program);
	struct shut_in *s = &settings->shut_in;
	const struct blk_disk *disk = state;

	(void)index;
	s->needs.calls = blk_calls;
	s->needs.n_calls = sizeof(blk_calls) / sizeof(blk_calls[0]);
	/* Guest memory that is pinned may be more than the limit for other users. */
	s->needs.capabilities = settings->disk.fixed ? UINT64_C(1) << CAP_IPC_LOCK : 0;
	return shut_in_enter(s, disk->dev);
}

static void destroy(void *state)
{
	struct blk_disk *disk = state;

	for (uint32_t i = 0; i < disk->n_queues && disk->queues; i++) {
		struct blk_queue *q = &disk->queues[i];

		if (disk->disk.backend && disk->disk.backend->queue_fini)
			disk->disk.backend->queue_fini(&q->disk);
		vu_group_free(q->disk.group);
	}
	if (disk->disk.backend)
		disk->disk.backend->close(&disk->disk);
	free(disk->queues);
}

static int set_block(const char *value, void *opaque)
{
	struct blk_settings *settings = opaque;
	uint64_t block;
	int ret = vu_number_parse(value, BLK_SECTOR, MAX_BLOCK, &block);

	if (ret)
		return ret;
	settings->disk.block = (uint32_t)block;
	return block & (block - 1) ? -EINVAL : 0;
}

static int set_serial(const char *value, void *opaque)
{
	struct blk_settings *settings = opaque;
	size_t len = strlen(value);

	if (len > sizeof(settings->serial))
		return -EINVAL;
	memset(settings->serial, 0, sizeof(settings->serial));
	memcpy(settings->serial, value, len);
	return 0;
}

static int set_backend(const char *value, void *opaque)
{
	static const struct disk_backend *const backends[] = {
		&disk_backend_file, &disk_backend_memory, &disk_backend_null};
	struct blk_settings *settings = opaque;

	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++)
		if (!strcmp(value, backends[i]->name)) {
			settings->backend = backends[i];
			return 0;
		}
	return -EINVAL;
}

static const struct vu_option options[] = {
	{VU_OPTION_LIST("blk-file", "PATH", "file or block device; repeated: one for each socket",
			struct blk_settings, files, 0)},
	{VU_OPTION_CHOICE("locking", "WHEN",
			  "keep others from the image: on, off or auto (default): if it can be",
			  struct blk_settings, disk.locking, disk_locking_choices)},
	{VU_OPTION_FLAG("read-only", "refuse what would change it", struct blk_settings,
			disk.read_only)},
	{VU_OPTION_NUMBER("num-queues", "N", "queues, with a thread for each (default 1)",
			  struct blk_settings, n_queues, 1, MAX_QUEUES)},
	{VU_OPTION_NUMBER("queue-size", "N", "longest ring taken, in entries (default 1024)",
			  struct blk_settings, disk.queue_size, MIN_QUEUE_SIZE, MAX_QUEUE_SIZE)},
	{.name = "serial",
	 .argument = "TEXT",
	 .help = "at most 20 characters (default: vu-blk)",
	 .valid = "at most 20 characters",
	 .set = set_serial},
	{VU_OPTION_FLAG("direct", "bypass the page cache (O_DIRECT)", struct blk_settings,
			disk.direct)},
	{VU_OPTION_FLAG("iopoll", "with --direct: poll the disk for what is done, where it can",
			struct blk_settings, disk.polled)},
	{VU_OPTION_FLAG("register-memory",
			"with --direct: pin the guest's memory, to look it up once",
			struct blk_settings, disk.fixed)},
	{.name = "logical-block-size",
	 .argument = "BYTES",
	 .help = "512 to 4096 (default: what suits the file)",
	 .valid = "a power of two, 512 to 4096",
	 .set = set_block},
	{.name = "backend",
	 .argument = "NAME",
	 .help = "file (default), memory, or null: keeps nothing",
	 .valid = "file, memory or null",
	 .set = set_backend},
	{VU_OPTION_FLAG("in-order", "offer VIRTIO_F_IN_ORDER: requests end in the order they came",
			struct blk_settings, in_order)},
	{VU_OPTION_NUMBER("size", "BYTES", "of memory or null; K, M, G, T may follow (default 1G)",
			  struct blk_settings, disk.size, BLK_SECTOR, UINT64_C(1) << 62)},
	{SHUT_IN_OPTION(struct blk_settings, shut_in)},
	{.name = NULL},
};

int main(int argc, char **argv)
{
	static const char *const features[] = {"read-only", "blk-file", NULL};
	struct blk_settings settings = {
		.disk = {.program = "vu-blk", .size = 1 << 30, .queue_size = 1024},
		.backend = &disk_backend_file,
		.n_queues = 1,
		.serial = "vu-blk",
	};
	const struct vu_program_info info = {
		VU_PROGRAM("vu-blk", "block", "A vhost-user block device."),
		.features = features,
		SHUT_IN_PROGRAM(options, &settings, commands, struct blk_disk, create, destroy,
				opened),
		.reload = reload,
	};

	return shut_in_main(&settings.shut_in, &info, argc, argv);
}
