/* SPDX-License-Identifier: MIT */
/*
 * READ and WRITE of 6, 10, 12 and 16 bytes, SYNCHRONIZE CACHE, PRE-FETCH (SBC-3 5).  Queue thread.
 */
#include "scsi_command.h"

/* Where the CDB has its address and number of blocks, by its length. */
static void rw_parse(struct scsi_cmd *cmd)
{
	const uint8_t *cdb = cmd->cdb;

	switch (cmd->row->len) {
	case 6:
		cmd->lba = get32(cdb) & 0x1fffff;
		cmd->blocks = cdb[4] ? cdb[4] : 256;
		break;
	case 10:
		cmd->lba = get32(cdb + 2);
		cmd->blocks = get16(cdb + 7);
		break;
	case 12:
		cmd->lba = get32(cdb + 2);
		cmd->blocks = get32(cdb + 6);
		break;
	default:
		cmd->lba = get64(cdb + 2);
		cmd->blocks = get32(cdb + 10);
		break;
	}
}

static int rw_blocks_of(struct scsi_cmd *cmd)
{
	rw_parse(cmd);
	return scsi_lun_has(cmd->lun, cmd->lba, cmd->blocks) ? SCSI_GOOD : SENSE_LBA;
}

int scsi_blocks_of(struct scsi_cmd *cmd)
{
	return rw_blocks_of(cmd);
}

/*
 * Who has not asked whether there is a write cache cannot know that it has to be flushed: firmware,
 * and a driver that goes on after our restart with what it once asked.
 */
bool scsi_writes_through(struct scsi_cmd *cmd)
{
	const struct scsi_lun *lun = cmd->lun;

	return !atomic_load_explicit(&lun->write_cache, memory_order_relaxed) ||
	       !(atomic_load_explicit(&lun->knows_cache, memory_order_relaxed) >>
			 scsi_initiator(cmd) &
		 1);
}

int scsi_transfer_result(const struct scsi_cmd *cmd)
{
	if (cmd->disk_status == DISK_OK)
		return SCSI_GOOD;
	if (cmd->disk_status == DISK_UNSUPP)
		return SENSE_NO_COMMAND;
	return cmd->io.type == DISK_READ ? SENSE_READ_ERROR : SENSE_WRITE_ERROR;
}

int scsi_read_write(struct scsi_cmd *cmd)
{
	/* Of all reads and writes, a write is what has bit 1 of the operation code. */
	bool write = cmd->cdb[0] & 2, six = cmd->row->len == 6;
	uint64_t room = write ? cmd->out_len : cmd->in_len;
	uint32_t block = cmd->lun->disk.limits.block;
	int result = rw_blocks_of(cmd);

	if (!six && cmd->cdb[1] & SCSI_PROTECT)
		return scsi_bad_cdb(cmd, 1);
	if (result)
		return result;
	if (cmd->blocks * block > room)
		return SCSI_OVERRUN;
	if (!cmd->blocks)
		return SCSI_GOOD;
	cmd->io.offset = cmd->lba * block;
	cmd->io.len = cmd->blocks * block;
	*(write ? &cmd->taken : &cmd->given) = cmd->io.len;
	cmd->io.type = write ? DISK_WRITE : DISK_READ;
	cmd->io.skip = (uint16_t)(write ? cmd->out_at : cmd->in_at);
	cmd->io.sync = write && ((!six && cmd->cdb[1] & SCSI_FUA) || scsi_writes_through(cmd));
	return scsi_start(cmd);
}

int scsi_synchronize(struct scsi_cmd *cmd)
{
	int result = scsi_blocks_of(cmd);

	if (result)
		return result;
	/* All of it, whatever was asked for. */
	cmd->io.type = DISK_FLUSH;
	return scsi_start(cmd);
}

int scsi_prefetch(struct scsi_cmd *cmd)
{
	int result = scsi_blocks_of(cmd);

	return result ? result : SCSI_MET;
}
