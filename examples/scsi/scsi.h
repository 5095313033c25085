/* SPDX-License-Identifier: MIT */
/*
 * vu-scsi: what its files share.
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
#include <pthread.h>

#include <libvu/unstable.h>

#include "../common/disk.h"
#include "../common/sandbox.h"

enum {
	SCSI_TARGETS = 256,
	SCSI_LUNS = 256, /* of a target; of all targets together, too */
	SCSI_INITIATORS = 16,
	SCSI_MAX_SEGS = 2048,
	SCSI_BATCH = 64,
	SCSI_GRAIN = 16 << 10, /* bytes copied until what is finished is published */
	SCSI_CDB = 32,	       /* bytes of a command that are looked at */
	SCSI_SENSE = 18,       /* bytes of sense data that we have */
	SCSI_ATTENTIONS = 8,   /* that wait for an initiator, for each logical unit */
	SCSI_REGISTRATIONS = 2 * SCSI_INITIATORS,
	SCSI_BUFFERS = 16,	 /* that commands of a queue can have at once, */
	SCSI_BUFFER = 256 << 10, /* so large each */
	SCSI_COMPARE = 80 << 10, /* bytes of a COMPARE AND WRITE: three times less than that */
	SCSI_EVENTS = 64,	 /* that wait for a buffer */
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
};

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

/* --- logical units --- */

struct scsi_registration {
	uint64_t key;
	uint8_t initiator;
};

/* Persistent reservations; under the logical unit's lock. */
struct scsi_reservations {
	struct scsi_registration entries[SCSI_REGISTRATIONS];
	uint32_t n, generation;
	uint8_t holder;	      /* an initiator, while type is not 0 */
	bool keep;	      /* they outlast the process (APTPL) */
	_Atomic uint8_t type; /* 0: not reserved; read without the lock */
};

struct scsi_attentions {
	uint32_t n;
	uint32_t codes[SCSI_ATTENTIONS]; /* oldest first */
};

struct scsi_lun {
	struct disk disk;
	struct disk_settings settings;
	char *path; /* of the settings */
	struct scsi_host *host;
	uint8_t target, number;
	uint16_t slot; /* in scsi_queue.units */
	_Atomic uint32_t refs;
	bool cd;
	bool empty; /* a drive without an image */
	bool has_slot;
	char serial[21];
	uint64_t id; /* of the designator; 60 bits */
	atomic_bool write_cache;
	atomic_bool descriptor_sense;
	atomic_bool stopped, ejected;
	atomic_bool comparing;		/* a COMPARE AND WRITE is under way */
	_Atomic uint32_t prevented;	/* initiators that want no ejection, by bit */
	_Atomic uint32_t knows_cache;	/* initiators that asked for the write cache, by bit */
	_Atomic uint32_t has_attention; /* initiators for which there is one, by bit */
	_Atomic uint32_t media_event;	/* initiators not yet told of a new medium, by bit */
	pthread_mutex_t lock;
	struct scsi_attentions attentions[SCSI_INITIATORS];
	struct scsi_reservations reservations;
};

/* Where a target's logical units are.  Made when it gets its first one, and there until the end. */
struct scsi_target {
	struct scsi_lun *_Atomic luns[SCSI_LUNS];
	_Atomic uint32_t n;
};

struct scsi_host {
	struct scsi_settings *settings;
	uint32_t refs;	    /* initiators */
	const char *inside; /* what settings->dir is called since the sandbox */
	bool entered;
	struct scsi_target *_Atomic targets[SCSI_TARGETS];
	atomic_bool slots[SCSI_LUNS]; /* of scsi_lun.slot, in use */
	struct scsi *initiators[SCSI_INITIATORS];
	uint16_t commands[256]; /* first row of each operation code, and one more */
};

/* --- queues and commands --- */

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
	uint64_t moved;		  /* bytes of them that were used */
	uint32_t out_at, in_at;	  /* where they begin */
	bool compares;		  /* has scsi_lun.comparing */
	uint16_t field;		  /* byte of the CDB or parameters that is wrong, and 1 << 15 */
	uint8_t disk_status;
	uint8_t target;
	uint8_t lun_number;
	uint8_t cdb[SCSI_CDB];
};

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

static inline uint32_t get16(const uint8_t *p)
{
	return (uint32_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get32(const uint8_t *p)
{
	return get16(p) << 16 | get16(p + 2);
}

static inline uint64_t get64(const uint8_t *p)
{
	return (uint64_t)get32(p) << 32 | get32(p + 4);
}

static inline void put16(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static inline void put32(uint8_t *p, uint32_t value)
{
	put16(p, value >> 16);
	put16(p + 2, value);
}

static inline void put64(uint8_t *p, uint64_t value)
{
	put32(p, (uint32_t)(value >> 32));
	put32(p + 4, (uint32_t)value);
}

/* --- scsi_sense.c.  Any thread. --- */

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

/* --- scsi_lun.c --- */

/* Device thread.  -errno, with a line why in error. */
int scsi_lun_add(struct scsi_host *host, const char *words, char *error, size_t size);
int scsi_lun_remove(struct scsi_host *host, uint32_t target, uint32_t number);
/* Another image, or none (NULL), in a drive. */
int scsi_lun_load(struct scsi_host *host, uint32_t target, uint32_t number, const char *path,
		  char *error, size_t size);
/* Look at the sizes; all initiators hear of those that changed. */
void scsi_lun_resize_all(struct scsi_host *host);
/* Forget all. */
void scsi_lun_fini(struct scsi_host *host);
/* scsi_describe.c */

/* What words say, into a new logical unit, which is opened; *placed: they have an address. */
int scsi_describe(struct scsi_lun *lun, const char *words, bool *placed, char *error, size_t size);
/* "T:L" or "T". */
int scsi_lun_parse(const char *text, size_t len, uint32_t *target, uint32_t *number);
/* One line about it. */
void scsi_lun_describe(const struct scsi_lun *lun, char *text, size_t size);
/* Any thread. */
void scsi_lun_put(struct scsi_lun *lun);

static inline struct scsi_target *scsi_find_target(struct scsi_host *host, uint32_t target)
{
	struct scsi_target *t = atomic_load_explicit(&host->targets[target], memory_order_acquire);

	return t && atomic_load_explicit(&t->n, memory_order_relaxed) ? t : NULL;
}

static inline struct scsi_lun *scsi_find_lun(struct scsi_host *host, uint32_t target, uint32_t lun)
{
	struct scsi_target *t = atomic_load_explicit(&host->targets[target], memory_order_acquire);

	return t ? atomic_load_explicit(&t->luns[lun], memory_order_acquire) : NULL;
}

static inline uint64_t scsi_lun_blocks(struct scsi_lun *lun)
{
	return atomic_load_explicit(&lun->disk.bytes, memory_order_relaxed) /
	       lun->disk.limits.block;
}

/* virtio 1.3 §5.6.6.1: what byte 0 to 7 name.  False: nothing that there can be. */
bool scsi_address(const uint8_t *lun, uint32_t *target, uint32_t *number);

/* --- handlers of commands: an enum scsi_result, or sense data.  Queue thread. --- */

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

/* scsi_rw.c: where the blocks are that the CDB names, within the disk?  SCSI_GOOD or sense. */
int scsi_blocks_of(struct scsi_cmd *cmd);
/* Must writes be on stable storage when they end? */
bool scsi_writes_through(struct scsi_cmd *cmd);
/* The result of a transfer that has ended. */
int scsi_transfer_result(const struct scsi_cmd *cmd);

/* scsi_reserve.c */

/* May this initiator?  flags: SCSI_CHANGES, SCSI_LOOKS. */
bool scsi_reserve_allows(struct scsi_lun *lun, uint32_t initiator, uint32_t flags);

/* scsi_reserve_file.c.  The logical unit's lock is held. */
bool scsi_reserve_can_keep(const struct scsi_host *host);
int scsi_reserve_save(struct scsi_lun *lun);
void scsi_reserve_load(struct scsi_lun *lun);

/* --- scsi_tmf.c --- */

/* The control queue.  Device thread. */
void scsi_control_ready(struct scsi *scsi, struct vu_queue *vq);
/* Of a command that ends: the response if somebody aborted it, else VIRTIO_SCSI_S_OK. */
uint8_t scsi_tmf_response(const struct scsi_queue *q, const struct scsi_cmd *cmd);
/* It has ended: tell those that waited for the last of theirs.  Queue thread. */
void scsi_tmf_check(struct scsi_queue *q);

/* --- scsi_event.c.  Device thread. --- */

void scsi_event_ready(struct scsi *scsi);
/* All initiators. */
void scsi_event_all(struct scsi_host *host, uint32_t event, uint32_t reason, uint32_t target,
		    uint32_t lun);
void scsi_event_reset(struct scsi *scsi);

/* --- scsi_control.c, scsi_options.c --- */

extern const struct vu_command scsi_control_commands[];
extern const struct vu_option scsi_options[];

#endif
