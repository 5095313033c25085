/* SPDX-License-Identifier: MIT */
/* See scsi_pass.h.  A device of the host's that takes SG_IO: opened once, asked what it is. */
#include "scsi_pass.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SG_VERSION = 30000, INQUIRY = 36, CAPACITY = 8, MAX_BLOCK = 4096 };

static int pass_fail(const struct disk *disk, int error, const char *why)
{
	fprintf(stderr, "%s: sg=%s: %s%s%s\n", disk->settings->program, disk->settings->path,
		strerror(-error), why ? ": " : "", why ? why : "");
	return error;
}

static const char *pass_advice(int error)
{
	switch (error) {
	case -ENOENT:
	case -ENXIO:
	case -ENODEV:
		return "no such device (is the module sg there? lsscsi -g lists them)";
	case -EACCES:
	case -EPERM:
		return "this user may not use it (see its group and mode)";
	case -EBUSY:
		return "somebody has it to himself";
	}
	return NULL;
}

int pass_ask(int fd, struct sg_io_hdr *hdr)
{
	hdr->interface_id = 'S';
	return ioctl(fd, SG_IO, hdr) < 0 ? -errno : 0;
}

/* Data of a command of ours: how many bytes, or -errno. */
static int pass_get(int fd, const uint8_t *cdb, uint8_t len, void *data, uint32_t size)
{
	uint8_t sense[PASS_SENSE], copy[PASS_CDB];

	memcpy(copy, cdb, len);
	/* The first may be told what happened before us. */
	for (int i = 0; i < 3; i++) {
		struct sg_io_hdr hdr = {
			.dxfer_direction = SG_DXFER_FROM_DEV,
			.cmd_len = len,
			.cmdp = copy,
			.mx_sb_len = sizeof(sense),
			.sbp = sense,
			.dxfer_len = size,
			.dxferp = data,
			.timeout = PASS_OWN_TIMEOUT * 1000,
		};
		int ret = pass_ask(fd, &hdr);

		if (ret)
			return ret;
		if (hdr.host_status)
			return -EIO;
		if (!hdr.status)
			return hdr.resid > 0 && hdr.resid <= (int)size ? (int)size - hdr.resid
								       : (int)size;
	}
	return -EIO;
}

static void pass_find_size(struct disk *disk, int fd)
{
	static const uint8_t read_capacity[10] = {0x25};
	uint8_t data[CAPACITY] = {0};
	uint32_t block;

	disk->limits.block = DISK_SECTOR;
	if (pass_get(fd, read_capacity, sizeof(read_capacity), data, sizeof(data)) != CAPACITY)
		return;
	block = get32(data + 4);
	if (block < DISK_SECTOR || block > MAX_BLOCK)
		return;
	disk->limits.block = block;
	atomic_store(&disk->bytes, ((uint64_t)get32(data) + 1) * block);
}

/* What one command can move: sg tells bytes, block devices sectors. */
static uint32_t pass_find_most(int fd, bool is_block)
{
	unsigned short sectors = 0;
	int bytes = 0;

	if (is_block) {
		if (!ioctl(fd, BLKSECTGET, &sectors))
			bytes = sectors * DISK_SECTOR;
	} else if (ioctl(fd, BLKSECTGET, &bytes)) {
		bytes = 0;
	}
	return bytes > 0 && bytes < PASS_BYTES ? (uint32_t)bytes : PASS_BYTES;
}

static int pass_probe(struct disk *disk, struct scsi_pass *pass)
{
	static const uint8_t inquiry[6] = {0x12, [4] = INQUIRY};
	uint8_t data[INQUIRY] = {0};
	int version = 0, ret;
	struct stat st;

	if (fstat(pass->fd, &st) < 0)
		return pass_fail(disk, -errno, NULL);
	if ((!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)) ||
	    ioctl(pass->fd, SG_GET_VERSION_NUM, &version) < 0 || version < SG_VERSION)
		return pass_fail(disk, -ENOTTY, "it takes no SCSI commands; /dev/sgN does");
	ret = pass_get(pass->fd, inquiry, sizeof(inquiry), data, sizeof(data));
	if (ret < 5)
		return pass_fail(disk, ret < 0 ? ret : -EIO, "it does not answer INQUIRY");
	pass->type = data[0] & 0x1f;
	pass->most = pass_find_most(pass->fd, S_ISBLK(st.st_mode));
	pass_find_size(disk, pass->fd);
	return 0;
}

int pass_open(struct disk *disk)
{
	const struct disk_settings *settings = disk->settings;
	struct scsi_pass *pass = calloc(1, sizeof(*pass));
	int ret = 0;

	if (!pass)
		return -ENOMEM;
	disk->own = pass;
	pass->read_only = settings->read_only;
	pass->timeout = (settings->timeout ? settings->timeout : PASS_TIMEOUT) * 1000;
	/* Drives open without a medium, and whoever has it to himself is not waited for. */
	pass->fd = open(settings->path,
			(pass->read_only ? O_RDONLY : O_RDWR) | O_NONBLOCK | O_CLOEXEC);
	if (pass->fd < 0)
		ret = pass_fail(disk, -errno, pass_advice(-errno));
	if (!ret)
		ret = pass_probe(disk, pass);
	if (!ret) {
		pass->pool = pass_pool_new(pass->fd);
		ret = pass->pool ? 0 : -ENOMEM;
	}
	if (ret)
		pass_close(disk);
	return ret;
}

void pass_close(struct disk *disk)
{
	struct scsi_pass *pass = disk->own;

	if (pass->pool)
		pass_pool_free(pass->pool);
	if (pass->fd >= 0)
		close(pass->fd);
	free(pass);
	disk->own = NULL;
}
