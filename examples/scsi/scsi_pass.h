/* SPDX-License-Identifier: MIT */
/*
 * Pass-through: commands for a device of the host's, by SG_IO, which waits for them; so threads of
 * the logical unit's own do that.
 *
 *   scsi_pass.c         which commands, and what becomes of their answers
 *   scsi_pass_device.c  the device: opening it, asking it by ourselves
 *   scsi_pass_work.c    threads that wait, and the way there and back
 */
#ifndef SCSI_PASS_H
#define SCSI_PASS_H

#include "scsi_command.h"

#include <scsi/sg.h>

enum {
	PASS_CDB = 16,
	PASS_SENSE = 252,
	PASS_THREADS = 8,      /* of a logical unit, and so commands at once */
	PASS_QUEUE = 8,	       /* commands of a queue that have their memory; others wait */
	PASS_BYTES = 4 << 20,  /* most of a command, if the device takes so much */
	PASS_TIMEOUT = 60,     /* s, unless something else was said */
	PASS_OWN_TIMEOUT = 10, /* s; of what we ask */
	PASS_TYPE_DISK = 0,
	PASS_TYPE_CD = 5,
};

/* The device. */
struct scsi_pass {
	int fd;
	uint8_t type;	  /* peripheral device type */
	uint32_t most;	  /* bytes of a command */
	uint32_t timeout; /* ms */
	bool read_only;
	struct pass_pool *pool;
};

/* A command under way.  Its worker has it from pass_send() until it is in the queue's list. */
struct pass_job {
	struct pass_job *next;
	struct scsi_cmd *cmd; /* for the queue's thread */
	struct pass_queue *queue;
	int error; /* -errno of SG_IO */
	struct sg_io_hdr hdr;
	uint8_t cdb[PASS_CDB];
	uint8_t sense[PASS_SENSE];
	uint8_t *data;
};

/* --- scsi_pass_device.c.  Device thread, and before there is another one. --- */

int pass_open(struct disk *disk);
void pass_close(struct disk *disk);
/* One command by SG_IO: -errno. */
int pass_ask(int fd, struct sg_io_hdr *hdr);

/* --- scsi_pass_work.c --- */

struct pass_pool *pass_pool_new(int fd);
void pass_pool_free(struct pass_pool *pool);
int pass_queue_init(struct disk_queue *q);
void pass_queue_fini(struct disk_queue *q);
/* Queue thread. */
void pass_start(struct disk_queue *q, struct vu_req *req);

/* --- scsi_pass.c.  Queue thread. --- */

/* NULL: for want of memory. */
struct pass_job *pass_job_new(struct scsi_cmd *cmd);
/* What came back, to the driver; the job is gone then. */
void pass_job_end(struct pass_job *job);

#endif
