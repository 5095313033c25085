/* SPDX-License-Identifier: MIT */
/*
 * Sense data (SPC-4 4.5), and unit attentions: codes that wait to be told.  Any thread.
 */
#ifndef SCSI_SENSE_H
#define SCSI_SENSE_H

#include <stdbool.h>
#include <stdint.h>

struct scsi_host;
struct scsi_lun;

enum { SCSI_SENSE = 18 /* bytes of sense data that we have */ };

#define SENSE(key, code, qualifier) ((key) << 16 | (code) << 8 | (qualifier))

enum scsi_sense {
	SENSE_STOPPED = SENSE(2, 0x04, 0x02),
	SENSE_NO_MEDIUM = SENSE(2, 0x3a, 0x00),
	SENSE_WRITE_ERROR = SENSE(3, 0x0c, 0x00),
	SENSE_READ_ERROR = SENSE(3, 0x11, 0x00),
	SENSE_FAILURE = SENSE(4, 0x44, 0x00),
	SENSE_PARAMETER_LENGTH = SENSE(5, 0x1a, 0x00),
	SENSE_NO_COMMAND = SENSE(5, 0x20, 0x00),
	SENSE_LBA = SENSE(5, 0x21, 0x00),
	SENSE_CDB_FIELD = SENSE(5, 0x24, 0x00),
	SENSE_NO_LUN = SENSE(5, 0x25, 0x00),
	SENSE_PARAMETER = SENSE(5, 0x26, 0x00),
	SENSE_INVALID_RELEASE = SENSE(5, 0x26, 0x04),
	SENSE_SAVING = SENSE(5, 0x39, 0x00),
	SENSE_PREVENTED = SENSE(5, 0x53, 0x02),
	SENSE_NO_REGISTRATIONS = SENSE(5, 0x55, 0x04),
	ATTENTION_MEDIUM = SENSE(6, 0x28, 0x00),
	ATTENTION_POWER_ON = SENSE(6, 0x29, 0x00),
	ATTENTION_RESET = SENSE(6, 0x29, 0x03),
	ATTENTION_NEXUS = SENSE(6, 0x29, 0x07),
	ATTENTION_MODE = SENSE(6, 0x2a, 0x01),
	ATTENTION_PREEMPTED = SENSE(6, 0x2a, 0x03),
	ATTENTION_RELEASED = SENSE(6, 0x2a, 0x04),
	ATTENTION_UNREGISTERED = SENSE(6, 0x2a, 0x05),
	ATTENTION_CAPACITY = SENSE(6, 0x2a, 0x09),
	ATTENTION_CLEARED = SENSE(6, 0x2f, 0x00),
	ATTENTION_LUNS = SENSE(6, 0x3f, 0x0e),
	SENSE_PROTECTED = SENSE(7, 0x27, 0x00),
	SENSE_MISCOMPARE = SENSE(14, 0x1d, 0x00),
};

/* Write sense data, in descriptor format if that is wanted; how many bytes. */
uint32_t scsi_sense_write(uint8_t *sense, uint32_t code, uint32_t field, bool descriptor);
/* One initiator is to be told; those in a mask; the next one for it, or 0. */
void scsi_attention(struct scsi_lun *lun, uint32_t initiator, uint32_t code);
void scsi_attention_mask(struct scsi_lun *lun, uint32_t initiators, uint32_t code);
uint32_t scsi_attention_next(struct scsi_lun *lun, uint32_t initiator);
/* What this says is not new any more, for any logical unit of the target. */
void scsi_attention_drop(struct scsi_host *host, uint32_t target, uint32_t initiator,
			 uint32_t code);
/* A driver comes: nothing is left of the one before. */
void scsi_attention_power_on(struct scsi_host *host, uint32_t initiator);

#endif
