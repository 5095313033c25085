/* SPDX-License-Identifier: MIT */
/*
 * See scsi_pass.h.  Which commands a device of the host's gets, and what a driver is told of their
 * end: what the device said, or what became of it on the way.  Queue thread.
 */
#include "scsi_pass.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	REPORT_LUNS = 0xa0,
	INQUIRY = 0x12,
	MODE_SENSE_6 = 0x1a,
	MODE_SENSE_10 = 0x5a,
	MAX_TRANSFER = 8, /* in the page of block limits */
	WRITE_PROTECTED = 0x80,
};

/* How commands went on the way to the device: of <scsi/sg.h>, which has no names for them. */
enum {
	HOST_NO_CONNECT = 1,
	HOST_BUS_BUSY = 2,
	HOST_TIME_OUT = 3,
	HOST_BAD_TARGET = 4,
	HOST_RESET = 8
};

/* --- which commands --- */

/* SAM-5 5.2: the group code says how long a CDB is; 0: it does not. */
static uint8_t cdb_len(uint8_t opcode)
{
	static const uint8_t by_group[8] = {6, 10, 10, 0, 16, 12, 0, 0};

	return by_group[opcode >> 5];
}

/*
 * Refused: what reaches beyond the device's own blocks (copies from and to other ones, as the array
 * or the bus sees them), and what outlasts the guest in the device itself.
 */
static bool is_refused(const struct scsi_cmd *cmd, const struct scsi_pass *pass)
{
	static const uint8_t refused[] = {
		0x18, 0x39, 0x3a, /* COPY and its kind */
		0x3b,		  /* WRITE BUFFER: firmware */
		0x40,		  /* CHANGE DEFINITION */
		0x83, 0x84,	  /* third-party copies */
		0x85,		  /* ATA PASS-THROUGH(16) */
		0xb5,		  /* SECURITY PROTOCOL OUT */
	};
	uint8_t opcode = cmd->cdb[0];

	/* MAINTENANCE OUT and ATA PASS-THROUGH(12); drives have other commands there. */
	if ((opcode == 0xa4 || opcode == 0xa1) && pass->type != PASS_TYPE_CD)
		return true;
	/* To the device all of our initiators are one. */
	if (cmd->queue->scsi->host->refs > 1 &&
	    (opcode == 0x5e || opcode == 0x5f || (opcode & 0xbe) == 0x16))
		return true;
	return memchr(refused, opcode, sizeof(refused)) != NULL;
}

/* Looks only.  The same code may be something else for a drive than for a disk. */
static bool is_reading(uint8_t opcode, uint8_t type)
{
	static const uint8_t all[] = {
		0x00, 0x03, 0x08, 0x12, 0x1a, 0x25, 0x28, 0x2f, 0x34, 0x3c,
		0x4d, 0x5a, 0x5e, 0x88, 0x8f, 0x90, 0x9e, 0xa3, 0xa8, 0xaf,
	};
	static const uint8_t drives[] = {0x42, 0x43, 0x46, 0x4a, 0x51,
					 0x52, 0xad, 0xb9, 0xbd, 0xbe};

	return memchr(all, opcode, sizeof(all)) ||
	       (type == PASS_TYPE_CD && memchr(drives, opcode, sizeof(drives)));
}

static bool is_synchronize(uint8_t opcode)
{
	return opcode == 0x35 || opcode == 0x91;
}

static void tell_too_much(const struct scsi_cmd *cmd, uint64_t len, const struct scsi_pass *pass)
{
	vu_device_log_peerf(cmd->queue->scsi->dev, VU_LOG_WARNING,
			    "a command of %llu bytes for a device that takes %u at most: tell the "
			    "driver (QEMU: max_sectors=%u)",
			    (unsigned long long)len, pass->most, pass->most / DISK_SECTOR);
}

int scsi_pass(struct scsi_cmd *cmd)
{
	const struct scsi_pass *pass = cmd->lun->disk.own;
	uint64_t len = cmd->in_len > cmd->out_len ? cmd->in_len : cmd->out_len;
	uint8_t opcode = cmd->cdb[0];

	/* Where there is what is ours to say. */
	if (opcode == REPORT_LUNS)
		return scsi_report_luns(cmd);
	if (!cdb_len(opcode) || is_refused(cmd, pass))
		return SENSE_NO_COMMAND;
	if (pass->read_only && is_synchronize(opcode))
		return SCSI_GOOD;
	if (pass->read_only && !is_reading(opcode, pass->type))
		return SENSE_PROTECTED;
	if (cmd->in_len && cmd->out_len)
		return SENSE_CDB_FIELD; /* none has both */
	if (len > pass->most) {
		tell_too_much(cmd, len, pass);
		return SENSE_CDB_FIELD;
	}
	return scsi_start(cmd);
}

/* --- there --- */

struct pass_job *pass_job_new(struct scsi_cmd *cmd)
{
	const struct scsi_pass *pass = cmd->lun->disk.own;
	uint32_t len = (uint32_t)(cmd->in_len + cmd->out_len); /* one of them is 0 */
	struct pass_job *job = calloc(1, sizeof(*job));

	if (job && len)
		job->data = calloc(1, len);
	if (!job || (len && !job->data)) {
		free(job);
		return NULL;
	}
	job->cmd = cmd;
	/* Out of the guest's reach: cmd->cdb, and the data from here on. */
	memcpy(job->cdb, cmd->cdb, sizeof(job->cdb));
	if (cmd->out_len)
		vu_req_read(cmd->req, cmd->out_at, job->data, len);
	job->hdr = (struct sg_io_hdr){
		.dxfer_direction = cmd->in_len	  ? SG_DXFER_FROM_DEV
				   : cmd->out_len ? SG_DXFER_TO_DEV
						  : SG_DXFER_NONE,
		.cmd_len = cdb_len(job->cdb[0]),
		.cmdp = job->cdb,
		.mx_sb_len = PASS_SENSE,
		.sbp = job->sense,
		.dxfer_len = len,
		.dxferp = job->data,
		.timeout = pass->timeout,
	};
	return job;
}

/* --- and back --- */

/* No larger requests than what can be passed; and a disk that is not written. */
static void patch(const struct pass_job *job, const struct scsi_pass *pass, uint32_t block,
		  uint32_t len)
{
	const uint8_t *cdb = job->cdb;
	uint32_t most = pass->most / block, at = cdb[0] == MODE_SENSE_6 ? 2 : 3;

	if (cdb[0] == INQUIRY && cdb[1] & 1 && cdb[2] == 0xb0 && len >= MAX_TRANSFER + 4) {
		uint32_t says = get32(job->data + MAX_TRANSFER);

		if (!says || says > most)
			put32(job->data + MAX_TRANSFER, most);
	}
	if ((cdb[0] == MODE_SENSE_6 || cdb[0] == MODE_SENSE_10) && len > at && pass->read_only &&
	    pass->type == PASS_TYPE_DISK)
		job->data[at] |= WRITE_PROTECTED;
}

static int error_result(int error)
{
	switch (error) {
	case -ENOMEM:
	case -EAGAIN:
	case -EBUSY:
	case -EDOM: /* more at once than sg takes */
		return SCSI_BUSY;
	case -EPERM:
	case -EACCES:
		return SENSE_NO_COMMAND; /* the kernel's own filter */
	case -ENODEV:
	case -ENXIO:
		return SENSE_NO_LUN;
	}
	return SENSE_FAILURE;
}

static uint64_t moved(const struct pass_job *job)
{
	int64_t len = job->hdr.dxfer_len, left = job->hdr.resid;

	/* Some adapters tell of less than nothing. */
	return (uint64_t)(left <= 0 ? len : left > len ? 0 : len - left);
}

void pass_job_end(struct pass_job *job)
{
	struct scsi_cmd *cmd = job->cmd;
	const struct scsi_pass *pass = cmd->lun->disk.own;
	uint64_t len = moved(job);

	if (!job->error && cmd->in_len) {
		if (!job->hdr.status)
			patch(job, pass, cmd->lun->disk.limits.block, (uint32_t)len);
		vu_req_write(cmd->req, cmd->in_at, job->data, len);
		cmd->given = len;
	} else if (!job->error) {
		cmd->taken = len;
	}
	cmd->io.bounce = job;
	scsi_end(cmd, job->error ? error_result(job->error) : SCSI_PASSED);
	free(job->data);
	free(job);
}

static uint8_t host_response(uint16_t status)
{
	switch (status) {
	case 0:
		return VIRTIO_SCSI_S_OK;
	case HOST_NO_CONNECT:
	case HOST_BAD_TARGET:
		return VIRTIO_SCSI_S_BAD_TARGET;
	case HOST_BUS_BUSY:
		return VIRTIO_SCSI_S_BUSY;
	case HOST_TIME_OUT:
		return VIRTIO_SCSI_S_ABORTED;
	case HOST_RESET:
		return VIRTIO_SCSI_S_RESET;
	}
	return VIRTIO_SCSI_S_FAILURE;
}

void scsi_pass_answer(const struct scsi_cmd *cmd, struct virtio_scsi_cmd_resp *answer,
		      uint32_t room)
{
	const struct pass_job *job = cmd->io.bounce;
	uint32_t sense = job->hdr.sb_len_wr;

	answer->response = host_response(job->hdr.host_status);
	answer->status = job->hdr.status;
	if (sense > room)
		sense = room;
	memcpy((uint8_t *)answer + offsetof(struct virtio_scsi_cmd_resp, sense), job->sense, sense);
	answer->sense_len = htole32(sense);
}

const struct disk_backend scsi_backend_pass = {
	.name = "sg",
	.open = pass_open,
	.close = pass_close,
	.queue_init = pass_queue_init,
	.queue_fini = pass_queue_fini,
	.start = pass_start,
};
