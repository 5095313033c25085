/* SPDX-License-Identifier: MIT */
/*
 * vu-scsi: a SCSI host (virtio 1.3 §5.6) with disks and CD-ROM drives.
 *
 * What it needs is opened first, then the program shuts itself in while it has one thread; the
 * queues' threads come after that.  This file: the program, the device and its queues.  Device
 * thread.
 */
#include "scsi_command.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <scsi/sg.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	SCSI_ID = 8,
	MAX_SEGS = 2048,
	FIRST_QUEUE = 2,
	SEG_MAX = 126,
	MAX_SECTORS = 0xffff,
	CMD_PER_LUN = 128
};
enum { MIN_CDB = 16, MAX_CDB = 260, MIN_SENSE = 18, MAX_SENSE = 252 };

#define FEATURE(name) (UINT64_C(1) << VIRTIO_SCSI_F_##name)

/* Beside those of libc and libvu; images that come later need the opening ones. */
static const int scsi_calls[] = {
	SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register,
	SYS_preadv2,	    SYS_pwritev2,	SYS_preadv,
	SYS_pwritev,	    SYS_fallocate,	SYS_openat,
	SYS_statx,	    SYS_fsync,		SYS_renameat2,
	SYS_renameat,
#ifdef SYS_rename
	SYS_rename,	    SYS_readlink,	SYS_unlink,
#endif
	SYS_readlinkat,
};

/* --- callbacks --- */

static void queue_ready(struct vu_queue *vq, void *opaque)
{
	struct scsi *scsi = opaque;
	uint32_t index = vu_queue_index(vq);

	if (index >= FIRST_QUEUE)
		scsi_queue_ready(&scsi->queues[index - FIRST_QUEUE]);
	else if (index)
		scsi_event_ready(scsi);
	else
		scsi_control_ready(scsi, vq);
}

/* The configuration space has the sizes that hold, whatever was written there. */
static void scsi_tell_sizes(struct scsi *scsi)
{
	const uint32_t sizes[2] = {htole32(scsi->sense_size), htole32(scsi->cdb_size)};

	if (scsi->settings->config_space)
		vu_config_set(scsi->dev, offsetof(struct virtio_scsi_config, sense_size), sizes,
			      sizeof(sizes));
}

static void scsi_set_sizes(struct scsi *scsi, uint32_t sense, uint32_t cdb)
{
	if (sense < MIN_SENSE || sense > MAX_SENSE || cdb < MIN_CDB || cdb > MAX_CDB) {
		vu_device_log_peerf(
			scsi->dev, VU_LOG_WARNING,
			"the driver wants %u bytes of sense data and %u of CDBs: those stay "
			"as they are",
			sense, cdb);
		scsi_tell_sizes(scsi);
		return;
	}
	atomic_store(&scsi->sense_size, sense);
	atomic_store(&scsi->cdb_size, cdb);
}

static int config_written(struct vu_device *dev, uint32_t offset, uint32_t len, void *opaque)
{
	uint32_t sizes[2];

	(void)offset;
	(void)len;
	if (!vu_config_get(dev, offsetof(struct virtio_scsi_config, sense_size), sizes,
			   sizeof(sizes)))
		scsi_set_sizes(opaque, le32toh(sizes[0]), le32toh(sizes[1]));
	return 0;
}

/* §5.6.4: a reset brings the sizes back. */
static void reset(struct vu_device *dev, void *opaque)
{
	struct scsi *scsi = opaque;

	(void)dev;
	scsi_set_sizes(scsi, VIRTIO_SCSI_SENSE_SIZE, VIRTIO_SCSI_CDB_SIZE);
	scsi_tell_sizes(scsi);
	scsi_event_reset(scsi);
	scsi_attention_power_on(scsi->host, scsi->index);
}

static void reload(void *state)
{
	struct scsi *scsi = state;

	scsi_lun_resize_all(scsi->host);
}

/* --- once the sockets are there --- */

static int scsi_shut_in(const struct scsi_settings *settings, struct sandbox *sandbox)
{
	/* Of devices of the host's that commands are passed to: sg=. */
	static const struct sandbox_ioctl pass = {UINT32_MAX, SG_IO};
	const struct sandbox_needs needs = {
		.program = "vu-scsi",
		.calls = scsi_calls,
		.n_calls = sizeof(scsi_calls) / sizeof(scsi_calls[0]),
		.ioctls = &pass,
		.n_ioctls = settings->host->passes ? 1 : 0,
		.connects = settings->connects,
	};
	int ret = sandbox_enter(sandbox);

	if (ret || settings->sandbox == SANDBOX_NONE)
		return ret;
	return sandbox_give_up(&needs, &sandbox->failed);
}

/* The process's: several sockets share one sandbox. */
static int scsi_enter(struct scsi *scsi)
{
	struct scsi_settings *settings = scsi->settings;
	/* Where there is nothing to be had, if nothing is wanted. */
	struct sandbox sandbox = {.kind = settings->sandbox,
				  .dir = settings->dir ? settings->dir : "/proc/self/fdinfo"};
	int ret;

	if (scsi->host->entered)
		return 0;
	ret = scsi_shut_in(settings, &sandbox);
	if (sandbox.proc_fd >= 0)
		close(sandbox.proc_fd);
	if (ret) {
		vu_device_logf(scsi->dev, VU_LOG_ERROR,
			       "sandbox: %s: %s; --sandbox=none does without", sandbox.failed,
			       strerror(-ret));
		return ret;
	}
	scsi->host->entered = true;
	scsi->host->inside = sandbox.dir;
	vu_device_logf(scsi->dev, VU_LOG_INFO, "sandbox: %s", sandbox_names[sandbox.kind]);
	return 0;
}

static int opened(struct vu_program *program, uint32_t index, void *state)
{
	struct scsi *scsi = state;
	int ret = scsi_enter(scsi);

	(void)index;
	for (uint32_t i = 0; i < scsi->n_queues && !ret; i++)
		ret = vu_program_add_worker(program, scsi->queues[i].group);
	return ret;
}

/* --- life --- */

static int scsi_make_queue(struct scsi *scsi, uint32_t index)
{
	struct scsi_queue *q = &scsi->queues[index];
	int ret;

	q->scsi = scsi;
	q->vq = vu_device_queue(scsi->dev, FIRST_QUEUE + index);
	ret = vu_group_new(&q->group);
	if (!ret)
		ret = vu_queue_set_group(q->vq, q->group);
	return ret ? ret : scsi_queue_prepare(q);
}

static int scsi_make_device(struct scsi *scsi)
{
	static const struct virtio_scsi_config writable = {.sense_size = UINT32_MAX,
							   .cdb_size = UINT32_MAX};
	const struct vu_ops ops = {
		.size = sizeof(ops),
		.reset = reset,
		.queue_ready = queue_ready,
		.config_written = config_written,
		/* No queue_stop: what is in flight ends by itself, soon. */
	};
	const struct virtio_scsi_config config = {
		.num_queues = htole32(scsi->n_queues),
		.seg_max = htole32(SEG_MAX),
		.max_sectors = htole32(MAX_SECTORS),
		.cmd_per_lun = htole32(CMD_PER_LUN),
		.event_info_size = htole32(sizeof(struct virtio_scsi_event)),
		.sense_size = htole32(VIRTIO_SCSI_SENSE_SIZE),
		.cdb_size = htole32(VIRTIO_SCSI_CDB_SIZE),
		.max_target = htole16(SCSI_TARGETS - 1),
		.max_lun = htole32(SCSI_LUNS - 1),
	};
	bool space = scsi->settings->config_space;
	const struct vu_device_info info = {
		.size = sizeof(info),
		.name = "scsi",
		.device_id = SCSI_ID,
		.n_queues = FIRST_QUEUE + scsi->n_queues,
		.features = FEATURE(HOTPLUG) | FEATURE(CHANGE),
		/* QEMU has a configuration space of its own, and warns of another. */
		.config = space ? &config : NULL,
		.config_writable = space ? &writable : NULL,
		.config_size = space ? sizeof(config) : 0,
		.max_queue_size = (uint32_t)scsi->settings->disk.queue_size,
		.max_segs = MAX_SEGS,
		.priv_size = sizeof(struct scsi_cmd),
		.flags = VU_DEVICE_LEGACY,
	};
	int ret = vu_program_add_device(scsi->program, &info, &ops, scsi, &scsi->dev);

	for (uint32_t i = 0; i < scsi->n_queues && !ret; i++)
		ret = scsi_make_queue(scsi, i);
	return ret;
}

static int scsi_find_dir(struct scsi_host *host, const char *dir)
{
	struct stat st;
	int ret = 0;

	host->inside = dir;
	host->outside = realpath(dir, NULL);
	if (!host->outside || stat(host->outside, &st) < 0)
		ret = -errno;
	else if (!S_ISDIR(st.st_mode))
		ret = -ENOTDIR;
	if (ret)
		fprintf(stderr, "vu-scsi: --dir=%s: %s\n", dir, strerror(-ret));
	return ret;
}

static int scsi_make_host(struct scsi_settings *settings)
{
	struct scsi_host *host = calloc(1, sizeof(*host));
	char error[512];
	int ret = 0;

	if (!host)
		return -ENOMEM;
	settings->host = host;
	host->settings = settings;
	if (settings->dir)
		ret = scsi_find_dir(host, settings->dir);
	scsi_commands_init(host);
	for (uint32_t i = 0; i < settings->luns.n && !ret; i++) {
		ret = scsi_lun_add(host, settings->luns.values[i], error, sizeof(error));
		if (ret)
			fprintf(stderr, "vu-scsi: --lun=%s: %s\n", settings->luns.values[i], error);
	}
	return ret;
}

static int create(struct vu_program *program, uint32_t index, void *state)
{
	struct scsi_settings *settings = vu_program_settings(program);
	struct scsi *scsi = state;
	int ret = 0;

	if (index >= SCSI_INITIATORS) {
		fprintf(stderr, "vu-scsi: no more than %d sockets\n", SCSI_INITIATORS);
		return -EINVAL;
	}
	if (settings->connects && sandbox_for_connecting("vu-scsi", &settings->sandbox))
		return -EINVAL;
	scsi->settings = settings;
	scsi->program = program;
	scsi->index = index;
	scsi->n_queues = (uint32_t)settings->n_queues;
	scsi->sense_size = VIRTIO_SCSI_SENSE_SIZE;
	scsi->cdb_size = VIRTIO_SCSI_CDB_SIZE;
	if (!settings->host)
		ret = scsi_make_host(settings);
	scsi->host = settings->host;
	if (!scsi->host)
		return ret;
	scsi->host->refs++;
	scsi->host->initiators[index] = scsi;
	scsi->queues = calloc(scsi->n_queues, sizeof(*scsi->queues));
	if (!scsi->queues)
		return -ENOMEM;
	if (!ret)
		ret = scsi_make_device(scsi);
	return ret ? ret : vu_program_add_control(program, NULL, scsi, &scsi->script);
}

static void destroy(void *state)
{
	struct scsi *scsi = state;
	struct scsi_host *host = scsi->host;

	for (uint32_t i = 0; i < scsi->n_queues && scsi->queues; i++) {
		scsi_queue_fini(&scsi->queues[i]);
		vu_group_free(scsi->queues[i].group); /* runs what was posted to it */
	}
	if (!host)
		return;
	host->initiators[scsi->index] = NULL;
	free(scsi->queues);
	if (--host->refs)
		return;
	scsi_lun_fini(host);
	free(host);
}

int main(int argc, char **argv)
{
	static const char *const features[] = {NULL};
	struct scsi_settings settings = {
		.disk = {.program = "vu-scsi", .queue_size = 1024},
		.n_queues = 1,
	};
	const struct vu_program_info info = {
		VU_PROGRAM("vu-scsi", "scsi", "A vhost-user SCSI host: disks and CD-ROM drives."),
		.features = features,
		.options = scsi_options,
		.option_size = sizeof(scsi_options[0]),
		.settings = &settings,
		.commands = scsi_control_commands,
		.command_size = sizeof(scsi_control_commands[0]),
		VU_PROGRAM_STATE(struct scsi, create, destroy),
		.reload = reload,
		.opened = opened,
	};

	/* A front-end that listens is looked for again and again. */
	settings.connects = sandbox_has_option(argc, argv, "--connect");
	return vu_program_main(&info, argc, argv);
}
