/* SPDX-License-Identifier: MIT */
/*
 * UNMAP and WRITE SAME of 10 and 16 bytes (SBC-3 5.29, 5.42).  What a WRITE SAME of zeros leaves is
 * zeros that take no space, if it says so; other patterns are written.  Queue thread.
 */
#include "scsi_command.h"

#include <stdlib.h>
#include <string.h>

enum { HEADER = 8, DESCRIPTOR = 16, UNMAP = 8, ANCHOR = 16, NO_DATA = 1 };

static int unmap_ranges(struct scsi_cmd *cmd, const uint8_t *p, uint32_t n)
{
	uint32_t block = cmd->lun->disk.limits.block, used = 0;

	cmd->io.ranges = calloc(n, sizeof(*cmd->io.ranges));
	if (!cmd->io.ranges)
		return SCSI_BUSY;
	/* All are checked before the first is touched. */
	for (uint32_t i = 0; i < n; i++) {
		uint64_t lba = get64(p + DESCRIPTOR * i);
		uint64_t blocks = get32(p + DESCRIPTOR * i + 8);

		if (!scsi_lun_has(cmd->lun, lba, blocks))
			return SENSE_LBA;
		if (blocks > DISK_MAX_DISCARD / block)
			return scsi_bad_parameter(cmd, HEADER + DESCRIPTOR * i + 8);
		if (blocks)
			cmd->io.ranges[used++] =
				(struct disk_range){lba * block, blocks * block, true};
	}
	cmd->io.n_ranges = (uint8_t)used;
	if (!used)
		return SCSI_GOOD;
	cmd->io.type = DISK_DISCARD;
	return scsi_start(cmd);
}

int scsi_unmap(struct scsi_cmd *cmd)
{
	uint8_t p[HEADER + DESCRIPTOR * DISK_MAX_RANGES];
	uint32_t len = get16(cmd->cdb + 7), n;

	if (!cmd->lun->disk.limits.discard)
		return SENSE_NO_COMMAND;
	if (cmd->cdb[1] & 1)
		return scsi_bad_cdb(cmd, 1); /* no anchors */
	if (!len)
		return SCSI_GOOD;
	if (len < HEADER)
		return SENSE_PARAMETER_LENGTH;
	if (len > sizeof(p)) /* a length of which only a part is used is fine, too */
		len = sizeof(p);
	if (scsi_take(cmd, p, len))
		return SCSI_OVERRUN;
	n = get16(p + 2) / DESCRIPTOR;
	if (n > DISK_MAX_RANGES)
		return scsi_bad_parameter(cmd, 2);
	if (n * DESCRIPTOR > len - HEADER)
		n = (len - HEADER) / DESCRIPTOR;
	return n ? unmap_ranges(cmd, p + HEADER, n) : SCSI_GOOD;
}

/* --- WRITE SAME --- */

static bool is_zero(const uint8_t *p, uint32_t len)
{
	return !p[0] && !memcmp(p, p + 1, len - 1);
}

static int same_zeros(struct scsi_cmd *cmd, bool unmap)
{
	uint32_t block = cmd->lun->disk.limits.block;

	cmd->io.ranges = calloc(1, sizeof(*cmd->io.ranges));
	if (!cmd->io.ranges)
		return SCSI_BUSY;
	cmd->io.ranges[0] = (struct disk_range){cmd->lba * block, cmd->blocks * block,
						unmap && cmd->lun->disk.limits.discard};
	cmd->io.n_ranges = 1;
	cmd->io.type = DISK_ZEROES;
	cmd->io.sync = scsi_writes_through(cmd);
	return scsi_start(cmd);
}

/* The buffer is full of the pattern: the next piece. */
static int same_pattern(struct scsi_cmd *cmd)
{
	uint32_t block = cmd->lun->disk.limits.block;
	uint64_t n = SCSI_BUFFER / block;

	if (!cmd->blocks)
		return SCSI_GOOD;
	if (n > cmd->blocks)
		n = cmd->blocks;
	cmd->io.offset = cmd->lba * block;
	cmd->io.len = n * block;
	cmd->lba += n;
	cmd->blocks -= n;
	return scsi_start_step(cmd, same_pattern);
}

static int same_begin_pattern(struct scsi_cmd *cmd, const uint8_t *data)
{
	uint32_t block = cmd->lun->disk.limits.block;
	int result = scsi_get_buffer(cmd);

	if (result)
		return result;
	for (uint32_t i = 0; i < SCSI_BUFFER; i += block)
		memcpy((uint8_t *)cmd->buffer + i, data, block);
	cmd->io.buffer = cmd->buffer;
	cmd->io.type = DISK_WRITE;
	cmd->io.sync = scsi_writes_through(cmd);
	return same_pattern(cmd);
}

int scsi_write_same(struct scsi_cmd *cmd)
{
	uint32_t block = cmd->lun->disk.limits.block, flags = cmd->cdb[1];
	int result = scsi_blocks_of(cmd);
	uint8_t data[4096] = {0};

	if (flags & (SCSI_PROTECT | ANCHOR) || (cmd->row->len == 10 && flags & NO_DATA))
		return scsi_bad_cdb(cmd, 1);
	if (result)
		return result;
	/* WSNZ of the block limits: 0 does not mean all of it. */
	if (!cmd->blocks || cmd->blocks > DISK_MAX_ZEROES / block)
		return scsi_bad_cdb(cmd, cmd->row->len == 10 ? 7 : 10);
	if (!(flags & NO_DATA) && scsi_take(cmd, data, block))
		return SCSI_OVERRUN;
	return is_zero(data, block) ? same_zeros(cmd, flags & UNMAP)
				    : same_begin_pattern(cmd, data);
}
