/* SPDX-License-Identifier: MIT */
/*
 * The table of commands, and what is checked of all of them before they run.  Queue thread.
 */
#include "scsi_command.h"

#include <string.h>

enum {
	READS = SCSI_OF_DISKS | SCSI_MEDIUM | SCSI_LOOKS,
	READS_ALL = SCSI_EVERY | SCSI_MEDIUM | SCSI_LOOKS,
	CHANGES = SCSI_OF_DISKS | SCSI_MEDIUM | SCSI_CHANGES | SCSI_WRITES,
	SERVICE = SCSI_SERVICE,
};

#define LBA4 0xff, 0xff, 0xff, 0xff
#define LBA8 LBA4, LBA4

/*
 * By operation code, then service action.  The last member: bits of the CDB that are looked at,
 * after the operation code (SPC-4 6.35.3).
 */
static const struct scsi_command commands[] = {
	{0x00, 0, 6, SCSI_EVERY, scsi_test_ready, {0, 0, 0, 0}},
	{0x03, 0, 6, SCSI_EVERY | SCSI_ALWAYS, scsi_request_sense, {1, 0, 0, 0xff}},
	{0x08, 0, 6, READS_ALL, scsi_read_write, {0x1f, 0xff, 0xff, 0xff}},
	{0x0a, 0, 6, CHANGES, scsi_read_write, {0x1f, 0xff, 0xff, 0xff}},
	{0x12, 0, 6, SCSI_EVERY | SCSI_ALWAYS, scsi_inquiry, {1, 0xff, 0xff, 0xff}},
	{0x15, 0, 6, SCSI_EVERY | SCSI_CHANGES, scsi_mode_select, {0x11, 0, 0, 0xff}},
	{0x1a, 0, 6, SCSI_EVERY | SCSI_LOOKS, scsi_mode_sense, {8, 0xff, 0xff, 0xff}},
	{0x1b, 0, 6, SCSI_EVERY | SCSI_CHANGES, scsi_start_stop, {1, 0, 0xf, 0xf7}},
	{0x1d, 0, 6, SCSI_EVERY | SCSI_CHANGES, scsi_diagnose, {0xf7, 0, 0xff, 0xff}},
	{0x1e, 0, 6, SCSI_EVERY | SCSI_LOOKS, scsi_prevent, {0, 0, 0, 3}},
	{0x25, 0, 10, SCSI_EVERY | SCSI_MEDIUM, scsi_read_capacity, {0, LBA4, 0, 0, 1}},
	{0x28, 0, 10, READS_ALL, scsi_read_write, {0x18, LBA4, 0, 0xff, 0xff}},
	{0x2a, 0, 10, CHANGES, scsi_read_write, {0x18, LBA4, 0, 0xff, 0xff}},
	{0x2f, 0, 10, READS_ALL, scsi_verify, {0x16, LBA4, 0, 0xff, 0xff}},
	{0x34, 0, 10, READS_ALL, scsi_prefetch, {2, LBA4, 0, 0xff, 0xff}},
	{0x35,
	 0,
	 10,
	 SCSI_OF_DISKS | SCSI_MEDIUM | SCSI_CHANGES,
	 scsi_synchronize,
	 {2, LBA4, 0, 0xff, 0xff}},
	{0x41, 0, 10, CHANGES, scsi_write_same, {0x08, LBA4, 0, 0xff, 0xff}},
	{0x42, 0, 10, CHANGES, scsi_unmap, {0, 0, 0, 0, 0, 0, 0xff, 0xff}},
	{0x43,
	 0,
	 10,
	 SCSI_OF_CDS | SCSI_MEDIUM | SCSI_LOOKS,
	 scsi_read_toc,
	 {2, 0xf, 0, 0, 0, 0xff, 0xff, 0xff}},
	{0x46, 0, 10, SCSI_OF_CDS, scsi_get_configuration, {3, 0xff, 0xff, 0, 0, 0, 0xff, 0xff}},
	{0x4a, 0, 10, SCSI_OF_CDS, scsi_get_event, {1, 0, 0, 0xff, 0, 0, 0xff, 0xff}},
	{0x51, 0, 10, SCSI_OF_CDS | SCSI_MEDIUM, scsi_read_disc, {7, 0, 0, 0, 0, 0, 0xff, 0xff}},
	{0x55,
	 0,
	 10,
	 SCSI_EVERY | SCSI_CHANGES,
	 scsi_mode_select,
	 {0x11, 0, 0, 0, 0, 0, 0xff, 0xff}},
	{0x5a,
	 0,
	 10,
	 SCSI_EVERY | SCSI_LOOKS,
	 scsi_mode_sense,
	 {0x18, 0xff, 0xff, 0, 0, 0, 0xff, 0xff}},
	{0x5e, 0, 10, SERVICE | SCSI_OF_DISKS, scsi_reserve_in, {0x1f, 0, 0, 0, 0, 0, 0xff, 0xff}},
	{0x5e, 1, 10, SERVICE | SCSI_OF_DISKS, scsi_reserve_in, {0x1f, 0, 0, 0, 0, 0, 0xff, 0xff}},
	{0x5e, 2, 10, SERVICE | SCSI_OF_DISKS, scsi_reserve_in, {0x1f, 0, 0, 0, 0, 0, 0xff, 0xff}},
	{0x5e, 3, 10, SERVICE | SCSI_OF_DISKS, scsi_reserve_in, {0x1f, 0, 0, 0, 0, 0, 0xff, 0xff}},
	{0x5f, 0, 10, SERVICE | SCSI_OF_DISKS, scsi_reserve_out, {0x1f, 0xff, 0, 0, LBA4}},
	{0x5f, 1, 10, SERVICE | SCSI_OF_DISKS, scsi_reserve_out, {0x1f, 0xff, 0, 0, LBA4}},
	{0x5f, 2, 10, SERVICE | SCSI_OF_DISKS, scsi_reserve_out, {0x1f, 0xff, 0, 0, LBA4}},
	{0x5f, 3, 10, SERVICE | SCSI_OF_DISKS, scsi_reserve_out, {0x1f, 0xff, 0, 0, LBA4}},
	{0x5f, 4, 10, SERVICE | SCSI_OF_DISKS, scsi_reserve_out, {0x1f, 0xff, 0, 0, LBA4}},
	{0x5f, 5, 10, SERVICE | SCSI_OF_DISKS, scsi_reserve_out, {0x1f, 0xff, 0, 0, LBA4}},
	{0x5f, 6, 10, SERVICE | SCSI_OF_DISKS, scsi_reserve_out, {0x1f, 0xff, 0, 0, LBA4}},
	{0x5f, 7, 10, SERVICE | SCSI_OF_DISKS, scsi_reserve_out, {0x1f, 0xff, 0, 0, LBA4}},
	{0x88, 0, 16, READS, scsi_read_write, {0x18, LBA8, LBA4, 0}},
	{0x89, 0, 16, CHANGES, scsi_compare_and_write, {0x18, LBA8, 0, 0, 0, 0xff, 0}},
	{0x8a, 0, 16, CHANGES, scsi_read_write, {0x18, LBA8, LBA4, 0}},
	{0x8f, 0, 16, READS, scsi_verify, {0x16, LBA8, LBA4, 0}},
	{0x90, 0, 16, READS, scsi_prefetch, {2, LBA8, LBA4, 0}},
	{0x91,
	 0,
	 16,
	 SCSI_OF_DISKS | SCSI_MEDIUM | SCSI_CHANGES,
	 scsi_synchronize,
	 {2, LBA8, LBA4, 0}},
	{0x93, 0, 16, CHANGES, scsi_write_same, {0x09, LBA8, LBA4, 0}},
	{0x9e,
	 0x10,
	 16,
	 SERVICE | SCSI_OF_DISKS | SCSI_MEDIUM,
	 scsi_read_capacity,
	 {0x1f, LBA8, LBA4, 1}},
	{0xa0, 0, 12, SCSI_EVERY | SCSI_ALWAYS, scsi_report_luns, {0, 0xff, 0, 0, 0, LBA4, 0}},
	{0xa3,
	 0x0c,
	 12,
	 SERVICE | SCSI_EVERY,
	 scsi_report_opcodes,
	 {0x1f, 0x87, 0xff, 0xff, 0xff, LBA4, 0}},
	{0xa3, 0x0d, 12, SERVICE | SCSI_EVERY, scsi_report_tmfs, {0x1f, 0x80, 0, 0, 0, LBA4, 0}},
	{0xa8, 0, 12, READS_ALL, scsi_read_write, {0x18, LBA4, LBA4, 0}},
	{0xaa, 0, 12, CHANGES, scsi_read_write, {0x18, LBA4, LBA4, 0}},
	{0xaf, 0, 12, READS_ALL, scsi_verify, {0x16, LBA4, LBA4, 0}},
	{0xbd, 0, 12, SCSI_OF_CDS, scsi_mechanism, {0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0}},
};

enum { N_COMMANDS = sizeof(commands) / sizeof(commands[0]) };

const struct scsi_command *scsi_command_at(uint32_t i)
{
	return i < N_COMMANDS ? &commands[i] : NULL;
}

void scsi_commands_init(struct scsi_host *host)
{
	for (uint32_t i = N_COMMANDS; i-- > 0;)
		host->commands[commands[i].opcode] = (uint16_t)(i + 1);
}

const struct scsi_command *scsi_command_of(const struct scsi_host *host, const uint8_t *cdb,
					   bool cd)
{
	uint32_t i = host->commands[cdb[0]];
	uint8_t kind = cd ? SCSI_OF_CDS : SCSI_OF_DISKS;

	if (!i)
		return NULL;
	/* Most have one row. */
	if ((commands[i - 1].flags & (kind | SCSI_SERVICE)) == kind)
		return &commands[i - 1];
	for (i--; i < N_COMMANDS && commands[i].opcode == cdb[0]; i++) {
		const struct scsi_command *row = &commands[i];

		if (!(row->flags & kind))
			return NULL;
		if (!(row->flags & SCSI_SERVICE) || row->action == (cdb[1] & 0x1f))
			return row;
	}
	return NULL;
}

/* No such logical unit: some commands are answered all the same (SPC-4 5.9.3). */
static int command_without_lun(struct scsi_cmd *cmd)
{
	if (cmd->row && cmd->row->flags & SCSI_ALWAYS)
		return cmd->row->run(cmd);
	return SENSE_NO_LUN;
}

int scsi_command_run(struct scsi_cmd *cmd)
{
	const struct scsi_host *host = cmd->queue->scsi->host;
	struct scsi_lun *lun = cmd->lun;
	const struct scsi_command *row = scsi_command_of(host, cmd->cdb, lun && lun->cd);
	uint32_t initiator = scsi_initiator(cmd), flags;
	int result;

	cmd->row = row;
	if (!lun)
		return command_without_lun(cmd);
	flags = row ? row->flags : 0;
	if (atomic_load_explicit(&lun->has_attention, memory_order_relaxed) >> initiator & 1 &&
	    !(flags & SCSI_ALWAYS)) {
		result = (int)scsi_attention_next(lun, initiator);
		if (result)
			return result;
	}
	if (lun->pass)
		return scsi_pass(cmd);
	if (!row)
		return host->commands[cmd->cdb[0]] &&
				       scsi_command_at(host->commands[cmd->cdb[0]] - 1u)->flags &
					       SCSI_SERVICE
			       ? scsi_bad_cdb(cmd, 1)
			       : SENSE_NO_COMMAND;
	if (atomic_load_explicit(&lun->reservations.type, memory_order_relaxed) &&
	    !scsi_reserve_allows(lun, initiator, flags))
		return SCSI_CONFLICT;
	if (flags & SCSI_MEDIUM) {
		result = scsi_lun_state(lun);
		if (result)
			return result;
	}
	if (flags & SCSI_WRITES && lun->settings.read_only)
		return SENSE_PROTECTED;
	return row->run(cmd);
}
