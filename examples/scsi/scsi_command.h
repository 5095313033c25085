/* SPDX-License-Identifier: MIT */
/*
 * Commands and the queues they come from: what handlers use, and the table of them.  Queue thread.
 */
#ifndef SCSI_COMMAND_H
#define SCSI_COMMAND_H

#include "scsi.h"
#include "scsi_bytes.h"
#include "scsi_sense.h"

enum {
	SCSI_BATCH = 64,
	SCSI_CDB = 32,		 /* bytes of a command that are looked at */
	SCSI_BUFFERS = 16,	 /* that commands of a queue can have at once, */
	SCSI_BUFFER = 256 << 10, /* so large each */
	SCSI_COMPARE = 80 << 10, /* bytes of a COMPARE AND WRITE: three times less than that */
	SCSI_PROTECT = 0xe0,	 /* bits of byte 1: protection information, */
	SCSI_FUA = 8,		 /* force unit access */
	SCSI_REPLY = 4096,	 /* most data that a command makes, but of reads */
};

/* How a command ends: > 0 is sense data (SENSE()). */
enum scsi_result {
	SCSI_GOOD = 0,
	SCSI_RUN = -1, /* it goes on */
	SCSI_BUSY = -2,
	SCSI_CONFLICT = -3, /* with a reservation */
	SCSI_MET = -4,	    /* CONDITION MET */
	SCSI_OVERRUN = -5,  /* the buffers are smaller than what the command moves */
	SCSI_PASSED = -6,   /* as scsi_pass_answer() says */
};

struct scsi_queue;

/* A logical unit as a queue uses it. */
struct scsi_unit {
	struct disk_queue disk; /* first: what the back-ends know */
	struct scsi_queue *queue;
	struct scsi_lun *lun;
	uint32_t in_flight;
	bool started; /* something, since the last commit */
	bool retired; /* the logical unit is gone: to be freed with the last command */
	struct scsi_unit *next_started;
};

/* Lives in vu_req.priv. */
struct scsi_cmd {
	struct disk_io io; /* first: what the back-ends know */
	struct vu_req *req;
	struct scsi_queue *queue;
	struct scsi_lun *lun;
	struct scsi_unit *unit; /* while it is in flight */
	const struct scsi_command *row;
	struct scsi_cmd *next, *prev; /* in flight */
	struct scsi_cmd *next_again;
	/* Something more to do after a transfer: as a handler. */
	int (*step)(struct scsi_cmd *cmd);
	void *buffer; /* of SCSI_BUFFER bytes; given back at the end */
	uint64_t tag, number;
	uint64_t lba, blocks;
	uint64_t out_len, in_len; /* data buffers */
	uint64_t taken, given;	  /* bytes of them that were used, or can have been */
	uint32_t out_at, in_at;	  /* where they begin */
	bool compares;		  /* has scsi_lun.comparing */
	uint16_t field;		  /* byte of the CDB or parameters that is wrong, and 1 << 15 */
	uint8_t disk_status;
	uint8_t target;
	uint8_t lun_number;
	uint8_t cdb[SCSI_CDB];
};

struct scsi_tmf;
struct scsi_tmf_wait;

struct scsi_queue {
	struct scsi *scsi;
	struct vu_queue *vq;
	struct vu_group *group;
	struct scsi_unit *units[SCSI_LUNS]; /* by scsi_lun.slot; made when used */
	struct scsi_unit *started;	    /* those with something to commit */
	struct scsi_cmd *in_flight, *again;
	struct scsi_tmf_wait *waits; /* scsi_tmf.c */
	uint64_t number;	     /* of the last command */
	uint64_t worked;
	bool settling;
	uint32_t n_done; /* finished, not yet completed */
	struct vu_req *done[SCSI_BATCH];
	uint64_t written[SCSI_BATCH];
	uint32_t n_buffers, n_free_buffers;
	void *free_buffers[SCSI_BUFFERS];
	unsigned char reply[SCSI_REPLY]; /* scsi_paper() */
};

/* --- scsi_cdb.c --- */

/* What a command needs, and whom it bothers. */
enum scsi_flags {
	SCSI_ALWAYS = 1, /* without a logical unit, and beside an attention */
	SCSI_MEDIUM = 2,
	SCSI_WRITES = 4, /* refused by what is read-only */
	SCSI_OF_DISKS = 8,
	SCSI_OF_CDS = 16,
	SCSI_EVERY = 24,
	/* Reservations of another's: the command changes something, or looks at data. */
	SCSI_CHANGES = 32,
	SCSI_LOOKS = 64,
	SCSI_SERVICE = 128, /* byte 1 has a service action */
};

struct scsi_command {
	uint8_t opcode, action;
	uint8_t len; /* of the CDB */
	uint8_t flags;
	int (*run)(struct scsi_cmd *cmd);
	/* Of the CDB, which bits are looked at: from byte 1 on. */
	uint8_t usage[15];
};

void scsi_commands_init(struct scsi_host *host);
const struct scsi_command *scsi_command_of(const struct scsi_host *host, const uint8_t *cdb,
					   bool cd);
/* Row i of those; NULL: no more. */
const struct scsi_command *scsi_command_at(uint32_t i);
/* All that comes before a command's own handler, and that. */
int scsi_command_run(struct scsi_cmd *cmd);

/* --- scsi_request.c --- */

void scsi_queue_ready(struct scsi_queue *q);
/* Begin what was filled in into cmd->io. */
int scsi_start(struct scsi_cmd *cmd);
/* The same, and step() afterwards. */
int scsi_start_step(struct scsi_cmd *cmd, int (*step)(struct scsi_cmd *cmd));
/* The end of one that was started. */
void scsi_end(struct scsi_cmd *cmd, int result);
/* The end of a command that has nothing in flight and holds nothing.  Any thread. */
void scsi_end_remote(struct scsi_cmd *cmd, int result);
/* SCSI_REPLY zeros to write a reply on. */
uint8_t *scsi_paper(struct scsi_cmd *cmd);
/* Data to the driver, at most alloc bytes of it: SCSI_GOOD or SCSI_OVERRUN. */
int scsi_reply(struct scsi_cmd *cmd, const void *data, uint64_t len, uint64_t alloc);
/* Parameters of the driver's: -1 unless there are so many. */
int scsi_take(struct scsi_cmd *cmd, void *data, uint64_t len);
/* A buffer of SCSI_BUFFER bytes, kept until the command ends.  SCSI_BUSY: not now. */
int scsi_get_buffer(struct scsi_cmd *cmd);
/* Invalid field in the CDB; in parameters. */
int scsi_bad_cdb(struct scsi_cmd *cmd, uint32_t byte);
int scsi_bad_parameter(struct scsi_cmd *cmd, uint32_t byte);
/* What is finished, and what goes on, once all back-ends have returned. */
void scsi_settle(struct scsi_queue *q);

/* virtio 1.3 §5.6.6.1: what byte 0 to 7 name.  False: nothing that there can be. */
bool scsi_address(const uint8_t *lun, uint32_t *target, uint32_t *number);

/* --- scsi_queue.c --- */

/* NULL: for want of something. */
struct scsi_unit *scsi_queue_unit(struct scsi_queue *q, struct scsi_lun *lun);
/* What the logical units need that are there: -errno if there is no io_uring here.  Others get it
 * when they are used.  Before there is a thread. */
int scsi_queue_prepare(struct scsi_queue *q);
/* Frees everything of a queue, which has no thread any more. */
void scsi_queue_fini(struct scsi_queue *q);
/* The logical unit is not to be used by this queue any more.  Any thread. */
void scsi_queue_forget(struct scsi_queue *q, struct scsi_lun *lun);

static inline uint32_t scsi_initiator(const struct scsi_cmd *cmd)
{
	return cmd->queue->scsi->index;
}

/* Is there a medium, and does it run?  SCSI_GOOD or sense. */
static inline int scsi_lun_state(const struct scsi_lun *lun)
{
	if (lun->empty || atomic_load_explicit(&lun->ejected, memory_order_relaxed))
		return SENSE_NO_MEDIUM;
	return atomic_load_explicit(&lun->stopped, memory_order_relaxed) ? SENSE_STOPPED
									 : SCSI_GOOD;
}

/* --- handlers of commands: an enum scsi_result, or sense data --- */

int scsi_inquiry(struct scsi_cmd *cmd);
int scsi_report_luns(struct scsi_cmd *cmd);
int scsi_report_opcodes(struct scsi_cmd *cmd);
int scsi_report_tmfs(struct scsi_cmd *cmd);
int scsi_mode_sense(struct scsi_cmd *cmd);
int scsi_mode_select(struct scsi_cmd *cmd);
int scsi_test_ready(struct scsi_cmd *cmd);
int scsi_request_sense(struct scsi_cmd *cmd);
int scsi_read_capacity(struct scsi_cmd *cmd);
int scsi_start_stop(struct scsi_cmd *cmd);
int scsi_prevent(struct scsi_cmd *cmd);
int scsi_diagnose(struct scsi_cmd *cmd);
int scsi_read_write(struct scsi_cmd *cmd);
int scsi_synchronize(struct scsi_cmd *cmd);
int scsi_prefetch(struct scsi_cmd *cmd);
int scsi_unmap(struct scsi_cmd *cmd);
int scsi_write_same(struct scsi_cmd *cmd);
int scsi_compare_and_write(struct scsi_cmd *cmd);
int scsi_verify(struct scsi_cmd *cmd);
int scsi_read_toc(struct scsi_cmd *cmd);
int scsi_get_configuration(struct scsi_cmd *cmd);
int scsi_get_event(struct scsi_cmd *cmd);
int scsi_read_disc(struct scsi_cmd *cmd);
int scsi_mechanism(struct scsi_cmd *cmd);
int scsi_reserve_in(struct scsi_cmd *cmd);
int scsi_reserve_out(struct scsi_cmd *cmd);

/* scsi_pass.c: any command, for a device of the host's; what that said of it. */
int scsi_pass(struct scsi_cmd *cmd);
void scsi_pass_answer(const struct scsi_cmd *cmd, struct virtio_scsi_cmd_resp *answer,
		      uint32_t room);

/* scsi_rw.c: where the blocks are that the CDB names, within the disk?  SCSI_GOOD or sense. */
int scsi_blocks_of(struct scsi_cmd *cmd);
/* Must writes be on stable storage when they end? */
bool scsi_writes_through(struct scsi_cmd *cmd);
/* The result of a transfer that has ended. */
int scsi_transfer_result(const struct scsi_cmd *cmd);

/* scsi_reserve.c */

/* May this initiator?  flags: SCSI_CHANGES, SCSI_LOOKS. */
bool scsi_reserve_allows(struct scsi_lun *lun, uint32_t initiator, uint32_t flags);

/* --- scsi_tmf.c --- */

/* Of a command that ends: the response if somebody aborted it, else VIRTIO_SCSI_S_OK. */
uint8_t scsi_tmf_response(const struct scsi_queue *q, const struct scsi_cmd *cmd);
/*
 * What the abort of a command's logical unit takes, to be had before it is known whether there is
 * anything to be aborted; NULL: for want of memory.  Free it, or have the commands of these
 * initiators (by bit) aborted: SCSI_RUN, for the command ends with the last of them.
 */
struct scsi_tmf *scsi_abort_new(const struct scsi_cmd *cmd);
void scsi_abort_free(struct scsi_tmf *tmf);
int scsi_abort_start(struct scsi_tmf *tmf, struct scsi_cmd *cmd, uint32_t initiators);
/* It has ended: tell those that waited for the last of theirs.  Queue thread. */
void scsi_tmf_check(struct scsi_queue *q);

#endif
