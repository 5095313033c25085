/* SPDX-License-Identifier: MIT */
/*
 * Sense data (SPC-4 4.5), and unit attentions: what every initiator is to be told of a logical unit
 * by the next command that can (SAM-5 5.14).  Any thread; the logical unit's lock.
 */
#include "scsi_sense.h"

#include <string.h>

#include "scsi_bytes.h"
#include "scsi_lun.h"

static uint32_t sense_write_descriptor(uint8_t *sense, uint32_t code, uint32_t field)
{
	sense[0] = 0x72;
	sense[1] = (uint8_t)(code >> 16);
	sense[2] = (uint8_t)(code >> 8);
	sense[3] = (uint8_t)code;
	if (!field)
		return 8;
	sense[7] = 8;
	sense[8] = 2; /* sense key specific */
	sense[9] = 6;
	sense[12] = code == SENSE_CDB_FIELD ? 0xc0 : 0x80;
	put16(sense + 13, field & 0x7fff);
	return 16;
}

/* At most SCSI_SENSE bytes, which are zero. */
uint32_t scsi_sense_write(uint8_t *sense, uint32_t code, uint32_t field, bool descriptor)
{
	if (descriptor)
		return sense_write_descriptor(sense, code, field);
	sense[0] = 0x70;
	sense[2] = (uint8_t)(code >> 16);
	sense[7] = SCSI_SENSE - 8;
	sense[12] = (uint8_t)(code >> 8);
	sense[13] = (uint8_t)code;
	if (field) {
		sense[15] = code == SENSE_CDB_FIELD ? 0xc0 : 0x80;
		put16(sense + 16, field & 0x7fff);
	}
	return SCSI_SENSE;
}

/* --- unit attentions --- */

static void attention_add(struct scsi_lun *lun, uint32_t initiator, uint32_t code)
{
	struct scsi_attentions *a = &lun->attentions[initiator];

	for (uint32_t i = 0; i < a->n; i++)
		if (a->codes[i] == code)
			return;
	/* Too many: that it was reset is the most that can be said. */
	if (a->n == SCSI_ATTENTIONS) {
		a->codes[0] = ATTENTION_POWER_ON;
		a->n = 1;
	} else {
		a->codes[a->n++] = code;
	}
	atomic_fetch_or(&lun->has_attention, 1u << initiator);
}

void scsi_attention(struct scsi_lun *lun, uint32_t initiator, uint32_t code)
{
	scsi_attention_mask(lun, 1u << initiator, code);
}

void scsi_attention_mask(struct scsi_lun *lun, uint32_t initiators, uint32_t code)
{
	pthread_mutex_lock(&lun->lock);
	for (uint32_t i = 0; i < SCSI_INITIATORS; i++)
		if (initiators >> i & 1)
			attention_add(lun, i, code);
	pthread_mutex_unlock(&lun->lock);
}

static void attention_remove(struct scsi_lun *lun, uint32_t initiator, uint32_t at)
{
	struct scsi_attentions *a = &lun->attentions[initiator];

	a->n--;
	memmove(a->codes + at, a->codes + at + 1, (a->n - at) * sizeof(a->codes[0]));
	if (!a->n)
		atomic_fetch_and(&lun->has_attention, ~(1u << initiator));
}

uint32_t scsi_attention_next(struct scsi_lun *lun, uint32_t initiator)
{
	uint32_t code = 0;

	pthread_mutex_lock(&lun->lock);
	if (lun->attentions[initiator].n) {
		code = lun->attentions[initiator].codes[0];
		attention_remove(lun, initiator, 0);
	}
	pthread_mutex_unlock(&lun->lock);
	return code;
}

static void attention_drop(struct scsi_lun *lun, uint32_t initiator, uint32_t code)
{
	struct scsi_attentions *a = &lun->attentions[initiator];

	pthread_mutex_lock(&lun->lock);
	for (uint32_t i = 0; i < a->n; i++)
		if (a->codes[i] == code) {
			attention_remove(lun, initiator, i);
			break;
		}
	pthread_mutex_unlock(&lun->lock);
}

void scsi_attention_drop(struct scsi_host *host, uint32_t target, uint32_t initiator, uint32_t code)
{
	for (uint32_t i = 0; i < SCSI_LUNS; i++) {
		struct scsi_lun *lun = scsi_find_lun(host, target, i);

		if (lun && atomic_load(&lun->has_attention) >> initiator & 1)
			attention_drop(lun, initiator, code);
	}
}

void scsi_attention_power_on(struct scsi_host *host, uint32_t initiator)
{
	for (uint32_t t = 0; t < SCSI_TARGETS; t++)
		for (uint32_t i = 0; i < SCSI_LUNS && scsi_find_target(host, t); i++) {
			struct scsi_lun *lun = scsi_find_lun(host, t, i);

			if (!lun)
				continue;
			pthread_mutex_lock(&lun->lock);
			lun->attentions[initiator].n = 0;
			attention_add(lun, initiator, ATTENTION_POWER_ON);
			pthread_mutex_unlock(&lun->lock);
			atomic_fetch_and(&lun->knows_cache, ~(1u << initiator));
			atomic_fetch_and(&lun->prevented, ~(1u << initiator));
		}
}
