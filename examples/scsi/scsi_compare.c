/* SPDX-License-Identifier: MIT */
/*
 * Commands that compare with what is on the disk: COMPARE AND WRITE (SBC-3 5.2) and VERIFY with
 * data (5.30).  One COMPARE AND WRITE at a time for each logical unit, whatever its initiator:
 * another one finds it busy, and its initiator tries again.  Queue thread.
 */
#include "scsi_command.h"

#include <string.h>

enum {
	BYTES = 3 << 1,	     /* BYTCHK */
	BYTES_EACH = 1 << 1, /* the data is of all blocks, */
	BYTES_SAME = 3 << 1, /* or of one, which all are like */
	PIECE = SCSI_BUFFER / 2,
};

/* --- COMPARE AND WRITE: the blocks, and behind SCSI_COMPARE both halves of the driver's data ---
 */

static int compare_end(struct scsi_cmd *cmd)
{
	(void)cmd;
	return SCSI_GOOD;
}

static int compare_decide(struct scsi_cmd *cmd)
{
	uint8_t *disk = cmd->buffer, *expected = disk + SCSI_COMPARE;
	const uint8_t *wanted = expected + cmd->io.len;

	if (memcmp(disk, expected, cmd->io.len)) {
		/* It may have run already, in a process that died: twice is like once. */
		if (cmd->req->flags & VU_REQ_RESUBMITTED && !memcmp(disk, wanted, cmd->io.len))
			return SCSI_GOOD;
		return SENSE_MISCOMPARE;
	}
	memcpy(disk, wanted, cmd->io.len);
	cmd->io.type = DISK_WRITE;
	cmd->io.sync = scsi_writes_through(cmd) || cmd->cdb[1] & SCSI_FUA;
	return scsi_start_step(cmd, compare_end);
}

int scsi_compare_and_write(struct scsi_cmd *cmd)
{
	uint32_t block = cmd->lun->disk.limits.block;
	uint64_t len;
	int result;

	cmd->lba = get64(cmd->cdb + 2);
	cmd->blocks = cmd->cdb[13];
	len = cmd->blocks * block;
	if (cmd->cdb[1] & SCSI_PROTECT)
		return scsi_bad_cdb(cmd, 1);
	if (!scsi_lun_has(cmd->lun, cmd->lba, cmd->blocks))
		return SENSE_LBA;
	if (len > SCSI_COMPARE)
		return scsi_bad_cdb(cmd, 13);
	if (!len)
		return SCSI_GOOD;
	result = scsi_get_buffer(cmd);
	if (result)
		return result;
	if (scsi_take(cmd, (uint8_t *)cmd->buffer + SCSI_COMPARE, 2 * len))
		return SCSI_OVERRUN;
	if (atomic_exchange(&cmd->lun->comparing, true))
		return SCSI_BUSY;
	cmd->compares = true;
	cmd->io.offset = cmd->lba * block;
	cmd->io.len = len;
	cmd->io.buffer = cmd->buffer;
	cmd->io.type = DISK_READ;
	return scsi_start_step(cmd, compare_decide);
}

/* --- VERIFY: piece by piece --- */

static int verify_piece(struct scsi_cmd *cmd);

static int verify_compare(struct scsi_cmd *cmd)
{
	uint32_t block = cmd->lun->disk.limits.block;
	uint8_t *disk = cmd->buffer, *data = disk + PIECE;
	uint64_t len = cmd->io.len;

	if ((cmd->cdb[1] & BYTES) == BYTES_EACH) {
		vu_req_read(cmd->req, cmd->out_at + cmd->taken, data, len);
		cmd->taken += len;
		if (memcmp(disk, data, len))
			return SENSE_MISCOMPARE;
	}
	for (uint64_t i = 0; i < len && (cmd->cdb[1] & BYTES) == BYTES_SAME; i += block)
		if (memcmp(disk + i, data, block))
			return SENSE_MISCOMPARE;
	return verify_piece(cmd);
}

static int verify_piece(struct scsi_cmd *cmd)
{
	uint32_t block = cmd->lun->disk.limits.block;
	uint64_t n = PIECE / block;

	if (n > cmd->blocks)
		n = cmd->blocks;
	if (!n)
		return SCSI_GOOD;
	cmd->io.offset = cmd->lba * block;
	cmd->io.len = n * block;
	cmd->lba += n;
	cmd->blocks -= n;
	return scsi_start_step(cmd, verify_compare);
}

int scsi_verify(struct scsi_cmd *cmd)
{
	uint32_t block = cmd->lun->disk.limits.block, bytes = cmd->cdb[1] & BYTES;
	int result = scsi_blocks_of(cmd);

	if (cmd->cdb[1] & SCSI_PROTECT || bytes == 2 << 1)
		return scsi_bad_cdb(cmd, 1);
	if (result || !bytes || !cmd->blocks)
		return result;
	/* There is no end to blocks that are like one, and nobody else has a turn meanwhile. */
	if (cmd->blocks > DISK_MAX_ZEROES / block)
		return scsi_bad_cdb(cmd, cmd->row->len == 10 ? 7 : cmd->row->len == 12 ? 6 : 10);
	if (cmd->out_len < block || (bytes == BYTES_EACH && cmd->blocks > cmd->out_len / block))
		return SCSI_OVERRUN;
	result = scsi_get_buffer(cmd);
	if (result)
		return result;
	if (bytes == BYTES_SAME)
		scsi_take(cmd, (uint8_t *)cmd->buffer + PIECE, block);
	cmd->io.buffer = cmd->buffer;
	cmd->io.type = DISK_READ;
	return verify_piece(cmd);
}
