/* SPDX-License-Identifier: MIT */
/*
 * Logical units as a queue uses them: made when they are first used or before, freed when they have
 * gone and the queue's last command of theirs has ended.  Queue thread; before and after there is
 * one, device thread.
 */
#include "scsi_command.h"

#include <errno.h>
#include <stdlib.h>

/* NULL, and *error. */
static struct scsi_unit *unit_new(struct scsi_queue *q, struct scsi_lun *lun, int *error)
{
	struct scsi_unit *unit = calloc(1, sizeof(*unit));

	*error = unit ? 0 : -ENOMEM;
	if (!unit)
		return NULL;
	unit->queue = q;
	unit->lun = lun;
	unit->disk.disk = &lun->disk;
	unit->disk.dev = q->scsi->dev;
	unit->disk.group = q->group;
	if (lun->disk.backend->queue_init)
		*error = lun->disk.backend->queue_init(&unit->disk);
	if (*error) {
		if (lun->disk.backend->queue_fini)
			lun->disk.backend->queue_fini(&unit->disk);
		free(unit);
		return NULL;
	}
	atomic_fetch_add(&lun->refs, 1);
	q->units[lun->slot] = unit;
	return unit;
}

int scsi_queue_prepare(struct scsi_queue *q)
{
	struct scsi_host *host = q->scsi->host;
	int error;

	for (uint32_t t = 0; t < SCSI_TARGETS; t++)
		for (uint32_t i = 0; i < SCSI_LUNS && scsi_find_target(host, t); i++) {
			struct scsi_lun *lun = scsi_find_lun(host, t, i);

			/* What fails for want of something may have that when it is used. */
			if (lun && !lun->empty && !unit_new(q, lun, &error) &&
			    (error == -EPERM || error == -ENOSYS))
				return error;
		}
	return 0;
}

struct scsi_unit *scsi_queue_unit(struct scsi_queue *q, struct scsi_lun *lun)
{
	struct scsi_unit *unit = q->units[lun->slot];
	int error;

	return unit ? unit : unit_new(q, lun, &error);
}

/* --- logical units that go --- */

struct forget {
	struct scsi_queue *queue;
	struct scsi_lun *lun;
};

static void unit_free(struct scsi_unit *unit)
{
	struct scsi_lun *lun = unit->lun;

	unit->queue->units[lun->slot] = NULL;
	if (lun->disk.backend && lun->disk.backend->queue_fini)
		lun->disk.backend->queue_fini(&unit->disk);
	free(unit);
	scsi_lun_put(lun);
}

static void queue_forget_now(void *opaque)
{
	struct forget *forget = opaque;
	struct scsi_unit *unit = forget->queue->units[forget->lun->slot];

	if (unit && unit->lun == forget->lun) {
		unit->retired = true;
		if (!unit->in_flight)
			unit_free(unit);
	}
	scsi_lun_put(forget->lun);
	free(forget);
}

void scsi_queue_forget(struct scsi_queue *q, struct scsi_lun *lun)
{
	struct forget *forget = malloc(sizeof(*forget));

	atomic_fetch_add(&lun->refs, 1);
	if (forget) {
		*forget = (struct forget){q, lun};
		if (!vu_group_post(q->group, queue_forget_now, forget))
			return;
	}
	/* It stays, used by nobody: this reference is never given back. */
	vu_device_log(q->scsi->dev, VU_LOG_WARNING, "no memory to let go of a logical unit");
	free(forget);
}

void scsi_queue_fini(struct scsi_queue *q)
{
	for (uint32_t i = 0; i < SCSI_LUNS; i++)
		if (q->units[i])
			unit_free(q->units[i]);
	while (q->n_free_buffers)
		free(q->free_buffers[--q->n_free_buffers]);
}
