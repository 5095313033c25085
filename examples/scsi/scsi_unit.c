/* SPDX-License-Identifier: MIT */
/*
 * A logical unit's state: TEST UNIT READY, REQUEST SENSE, READ CAPACITY, START STOP UNIT, PREVENT
 * ALLOW MEDIUM REMOVAL, SEND DIAGNOSTIC.  Queue thread.
 */
#include "scsi_command.h"

#include <string.h>

int scsi_test_ready(struct scsi_cmd *cmd)
{
	return scsi_lun_state(cmd->lun);
}

/* What another command would be told, as data; an attention is told by it (SPC-4 6.39). */
int scsi_request_sense(struct scsi_cmd *cmd)
{
	uint32_t code = SENSE_NO_LUN, len;
	uint8_t *p = scsi_paper(cmd);

	if (cmd->lun) {
		code = scsi_attention_next(cmd->lun, scsi_initiator(cmd));
		if (!code)
			code = (uint32_t)scsi_lun_state(cmd->lun);
	}
	len = scsi_sense_write(p, code, 0, cmd->cdb[1] & 1);
	return scsi_reply(cmd, p, len, cmd->cdb[4]);
}

int scsi_read_capacity(struct scsi_cmd *cmd)
{
	const struct disk_limits *limits = &cmd->lun->disk.limits;
	uint64_t last = scsi_lun_blocks(cmd->lun);
	uint8_t *p = scsi_paper(cmd), exponent = 0;

	last -= last ? 1 : 0;
	if (cmd->row->len == 10) {
		put32(p, last > UINT32_MAX ? UINT32_MAX : (uint32_t)last);
		put32(p + 4, limits->block);
		return scsi_reply(cmd, p, 8, 8);
	}
	while (limits->block << exponent < limits->physical && exponent < 15)
		exponent++;
	put64(p, last);
	put32(p + 8, limits->block);
	p[13] = exponent;
	if (limits->discard && !cmd->lun->settings.read_only)
		p[14] = (uint8_t)(0x80 | (limits->zeroes ? 0x40 : 0)); /* LBPME, LBPRZ */
	return scsi_reply(cmd, p, 32, get32(cmd->cdb + 10));
}

static int unit_eject(struct scsi_cmd *cmd, bool load)
{
	struct scsi_lun *lun = cmd->lun;

	if (load) {
		if (!lun->empty && atomic_exchange(&lun->ejected, false)) {
			scsi_attention_mask(lun, SCSI_ALL_INITIATORS, ATTENTION_MEDIUM);
			atomic_store(&lun->media_event, UINT32_MAX);
		}
		return SCSI_GOOD;
	}
	if (lun->prevented)
		return SENSE_PREVENTED;
	atomic_store(&lun->ejected, true);
	return SCSI_GOOD;
}

static int unit_start_stop(struct scsi_cmd *cmd)
{
	bool start = cmd->cdb[4] & 1, eject = cmd->cdb[4] & 2;

	if (cmd->cdb[4] >> 4) /* a power condition: there are none but active */
		return cmd->cdb[4] >> 4 == 1 ? SCSI_GOOD : scsi_bad_cdb(cmd, 4);
	if (eject && cmd->lun->cd) {
		int result = unit_eject(cmd, start);

		if (result)
			return result;
	}
	atomic_store(&cmd->lun->stopped, !start && !cmd->lun->cd);
	return SCSI_GOOD;
}

/* What a drive had cached is on its medium when it has stopped (SBC-3 5.20). */
int scsi_start_stop(struct scsi_cmd *cmd)
{
	if (cmd->cdb[4] & 1 || cmd->lun->cd || scsi_lun_state(cmd->lun) || cmd->cdb[4] & 4)
		return unit_start_stop(cmd);
	cmd->io.type = DISK_FLUSH;
	return scsi_start_step(cmd, unit_start_stop);
}

int scsi_prevent(struct scsi_cmd *cmd)
{
	uint32_t bit = 1u << scsi_initiator(cmd);

	if (!cmd->lun->cd && cmd->cdb[4] & 3)
		return scsi_bad_cdb(cmd, 4); /* nothing can be removed */
	if (cmd->cdb[4] & 1)
		atomic_fetch_or(&cmd->lun->prevented, bit);
	else
		atomic_fetch_and(&cmd->lun->prevented, ~bit);
	return SCSI_GOOD;
}

/* Only the default self-test, which finds nothing. */
int scsi_diagnose(struct scsi_cmd *cmd)
{
	if (cmd->cdb[1] & ~0x07 || !(cmd->cdb[1] & 4))
		return scsi_bad_cdb(cmd, 1);
	return get16(cmd->cdb + 3) ? scsi_bad_cdb(cmd, 3) : SCSI_GOOD;
}
