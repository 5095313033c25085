/* SPDX-License-Identifier: MIT */
/*
 * vu-scsi: the program and its initiators.
 *
 *   scsi_lun.h       logical units, and the table of them
 *   scsi_command.h   commands and queues
 *   scsi_sense.h     sense data and unit attentions
 *   scsi_bytes.h     numbers in what SCSI transfers
 *
 *   scsi.c           the program: options, sandbox, the device and its queues
 *   scsi_describe.c  what --lun says of a logical unit
 *   scsi_lun.c       the table of logical units: coming, changing and going
 *   scsi_request.c   from a virtio request to a command, and from its result to a response
 *   scsi_queue.c     logical units as a queue uses them
 *   scsi_cdb.c       the table of commands
 *   scsi_sense.c     sense data, and unit attentions that wait to be told
 *   scsi_inquiry.c   who are you: INQUIRY and vital product data
 *   scsi_report.c    which logical units, which commands
 *   scsi_mode.c      MODE SENSE and MODE SELECT
 *   scsi_pass.h      commands for a device of the host's
 *   scsi_unit.c      ready or not, its size, started, stopped, ejected
 *   scsi_rw.c        reading and writing blocks
 *   scsi_range.c     UNMAP and WRITE SAME
 *   scsi_compare.c   COMPARE AND WRITE, VERIFY
 *   scsi_cd.c        what only CD-ROM drives have
 *   scsi_reserve.c   persistent reservations, scsi_reserve_file.c: kept in a file
 *   scsi_tmf.c       the control queue: aborts and resets
 *   scsi_event.c     the event queue
 *   scsi_control.c   --control
 *
 * Names: a *host* is all logical units of the program; an *initiator* is one socket, so one guest.
 * Every initiator sees every logical unit.  Sections are those of virtio 1.3; what they leave to
 * SCSI is in SAM-5, SPC-4, SBC-3 and MMC-6.
 *
 * Threads: each request queue has one.  The device thread has the control and event queues and the
 * table of logical units, which others only look things up in.
 */
#ifndef SCSI_H
#define SCSI_H

#include <linux/virtio_scsi.h>

#include <libvu/unstable.h>

#include "../common/sandbox.h"
#include "scsi_lun.h"

enum { SCSI_EVENTS = 64 /* that wait for a buffer */ };

struct scsi_queue;

struct scsi_settings {
	struct disk_settings disk; /* what is the same for all */
	struct vu_option_list luns;
	const char *dir;   /* images that come later, and reservations; NULL: none */
	uint64_t n_queues; /* request queues */
	uint32_t sandbox;  /* enum sandbox_kind */
	int config_space;
	/* of the running program */
	bool connects; /* to a front-end that listens */
	struct scsi_host *host;
};

struct scsi_event {
	uint32_t event, reason;
	uint8_t target, lun;
};

/* An initiator. */
struct scsi {
	struct scsi_host *host;
	struct scsi_settings *settings;
	struct vu_program *program;
	struct vu_device *dev;
	struct vu_script *script;
	uint32_t index, n_queues;
	struct scsi_queue *queues;
	_Atomic uint32_t cdb_size, sense_size;
	/* scsi_event.c */
	struct scsi_event events[SCSI_EVENTS];
	uint32_t first_event, n_events;
	bool missed;
};

/* --- scsi_tmf.c, scsi_event.c.  Device thread. --- */

/* The control queue. */
void scsi_control_ready(struct scsi *scsi, struct vu_queue *vq);
void scsi_event_ready(struct scsi *scsi);
/* All initiators. */
void scsi_event_all(struct scsi_host *host, uint32_t event, uint32_t reason, uint32_t target,
		    uint32_t lun);
void scsi_event_reset(struct scsi *scsi);

/* --- scsi_control.c, scsi_options.c --- */

extern const struct vu_command scsi_control_commands[];
extern const struct vu_option scsi_options[];

#endif
