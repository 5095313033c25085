/* SPDX-License-Identifier: MIT */
/*
 * What there is: REPORT LUNS (SPC-4 6.33), REPORT SUPPORTED OPERATION CODES and TASK MANAGEMENT
 * FUNCTIONS (6.35, 6.36).  Queue thread.
 */
#include "scsi_command.h"

#include <string.h>

int scsi_report_luns(struct scsi_cmd *cmd)
{
	struct scsi_host *host = cmd->queue->scsi->host;
	uint32_t alloc = get32(cmd->cdb + 6), n = 0;
	uint8_t *p = scsi_paper(cmd);

	if (cmd->cdb[2] > 2)
		return scsi_bad_cdb(cmd, 2);
	/* 1: well known ones only, of which there are none. */
	for (uint32_t i = 0; i < SCSI_LUNS && cmd->cdb[2] != 1; i++)
		if (scsi_find_lun(host, cmd->target, i))
			put16(p + 8 + 8 * n++, i);
	put32(p, 8 * n);
	scsi_attention_drop(host, cmd->target, scsi_initiator(cmd), ATTENTION_LUNS);
	return scsi_reply(cmd, p, 8 + 8 * n, alloc);
}

/* A descriptor of one of all; how long it is. */
static uint32_t opcodes_describe(const struct scsi_command *row, bool timeouts, uint8_t *p)
{
	p[0] = row->opcode;
	if (row->flags & SCSI_SERVICE)
		put16(p + 2, row->action);
	p[5] = (uint8_t)(timeouts << 1 | !!(row->flags & SCSI_SERVICE));
	put16(p + 6, row->len);
	if (timeouts)
		put16(p + 8, 10);
	return timeouts ? 20 : 8;
}

static uint32_t opcodes_all(const struct scsi_cmd *cmd, bool timeouts, uint8_t *p)
{
	uint8_t kind = cmd->lun->cd ? SCSI_OF_CDS : SCSI_OF_DISKS;
	const struct scsi_command *row;
	uint32_t len = 4;

	for (uint32_t i = 0; (row = scsi_command_at(i)); i++)
		if (row->flags & kind)
			len += opcodes_describe(row, timeouts, p + len);
	put32(p, len - 4);
	return len;
}

/* The command that was asked for, NULL: there is none.  False: the question makes no sense. */
static bool opcodes_find(const struct scsi_cmd *cmd, const struct scsi_command **row)
{
	const struct scsi_host *host = cmd->queue->scsi->host;
	uint8_t cdb[2] = {cmd->cdb[3], cmd->cdb[5] & 0x1f};
	uint32_t option = cmd->cdb[2] & 7, first = host->commands[cdb[0]];
	bool service = first && scsi_command_at(first - 1)->flags & SCSI_SERVICE;

	if (get16(cmd->cdb + 4) > 0x1f && service)
		cdb[1] = 0x1f; /* none has that */
	*row = scsi_command_of(host, cdb, cmd->lun->cd);
	if (option == 1)
		return !service;
	return option == 3 || !first || service;
}

int scsi_report_opcodes(struct scsi_cmd *cmd)
{
	uint32_t alloc = get32(cmd->cdb + 6), option = cmd->cdb[2] & 7, len;
	bool timeouts = cmd->cdb[2] & 0x80;
	const struct scsi_command *row;
	uint8_t *p = scsi_paper(cmd);

	if (!option)
		return scsi_reply(cmd, p, opcodes_all(cmd, timeouts, p), alloc);
	if (option > 3)
		return scsi_bad_cdb(cmd, 2);
	if (!opcodes_find(cmd, &row))
		return scsi_bad_cdb(cmd, 2);
	p[1] = row ? 3 : 1; /* as the standard has it; or not supported */
	if (!row)
		return scsi_reply(cmd, p, 4, alloc);
	len = row->len;
	put16(p + 2, len);
	p[4] = row->opcode;
	memcpy(p + 5, row->usage, len - 1);
	if (row->flags & SCSI_SERVICE)
		p[5] = (uint8_t)((p[5] & ~0x1f) | row->action);
	if (timeouts) {
		p[1] |= 0x80;
		put16(p + 4 + len, 10);
		len += 12;
	}
	return scsi_reply(cmd, p, 4 + len, alloc);
}

int scsi_report_tmfs(struct scsi_cmd *cmd)
{
	uint32_t alloc = get32(cmd->cdb + 6);
	uint8_t *p = scsi_paper(cmd);

	/* ABORT TASK, ABORT TASK SET, CLEAR TASK SET, LOGICAL UNIT RESET, QUERY TASK */
	p[0] = 0x80 | 0x40 | 0x10 | 0x08 | 0x01;
	p[1] = 0x02 | 0x01; /* QUERY TASK SET, I_T NEXUS RESET */
	if (alloc < 4)
		return scsi_bad_cdb(cmd, 6);
	if (cmd->cdb[2] & 0x80)
		p[3] = 12;
	return scsi_reply(cmd, p, cmd->cdb[2] & 0x80 ? 16 : 4, alloc);
}
