/* SPDX-License-Identifier: MIT */
/*
 * The table of logical units, and what each is.  The device thread changes the table; the others
 * look things up in it.
 */
#ifndef SCSI_LUN_H
#define SCSI_LUN_H

#include <pthread.h>

#include "../common/disk.h"

enum {
	SCSI_TARGETS = 256,
	SCSI_LUNS = 256, /* of a target; of all targets together, too */
	SCSI_INITIATORS = 16,
	SCSI_ATTENTIONS = 8, /* that wait for an initiator, for each logical unit */
	SCSI_REGISTRATIONS = 2 * SCSI_INITIATORS,
	SCSI_RESERVATION_TYPES = 0x1ea, /* by bit; from the next on all registrants hold it */
	SCSI_RESERVATION_OF_ALL = 7,
	SCSI_ALL_INITIATORS = (1 << SCSI_INITIATORS) - 1, /* by bit */
};

struct scsi;
struct scsi_settings;

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
	bool pass;  /* a device of the host's, which gets the commands */
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
	uint32_t refs;	      /* initiators */
	const char *inside;   /* what settings->dir is called since the sandbox, */
	char *outside;	      /* and what before, without links; NULL: nothing */
	bool entered, passes; /* the sandbox; commands to devices of the host's */
	struct scsi_target *_Atomic targets[SCSI_TARGETS];
	atomic_bool slots[SCSI_LUNS]; /* of scsi_lun.slot, in use */
	struct scsi *initiators[SCSI_INITIATORS];
	uint16_t commands[256]; /* first row of each operation code, and one more */
};

/* --- scsi_lun.c: device thread, but for scsi_lun_put() --- */

/* -errno, with a line why in error. */
int scsi_lun_add(struct scsi_host *host, const char *words, char *error, size_t size);
int scsi_lun_remove(struct scsi_host *host, uint32_t target, uint32_t number);
/* Another image, or none (NULL), in a drive. */
int scsi_lun_load(struct scsi_host *host, uint32_t target, uint32_t number, const char *path,
		  char *error, size_t size);
/* Look at the sizes; all initiators hear of those that changed. */
void scsi_lun_resize_all(struct scsi_host *host);
/* Forget all. */
void scsi_lun_fini(struct scsi_host *host);
/* One line about it. */
void scsi_lun_describe(const struct scsi_lun *lun, char *text, size_t size);
/* Any thread. */
void scsi_lun_put(struct scsi_lun *lun);

/* scsi_pass.c */
extern const struct disk_backend scsi_backend_pass;

/* --- scsi_describe.c --- */

/* What words say, into a new logical unit, which is opened; *placed: they have an address. */
int scsi_describe(struct scsi_lun *lun, const char *words, bool *placed, char *error, size_t size);
/* "T:L" or "T". */
int scsi_lun_parse(const char *text, size_t len, uint32_t *target, uint32_t *number);

/* --- looking it up.  Any thread. --- */

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
	/* A power of two, and a shift is much faster. */
	return atomic_load_explicit(&lun->disk.bytes, memory_order_relaxed) >>
	       __builtin_ctz(lun->disk.limits.block);
}

/* Are they all within its size? */
static inline bool scsi_lun_has(struct scsi_lun *lun, uint64_t lba, uint64_t blocks)
{
	uint64_t all = scsi_lun_blocks(lun);

	return lba <= all && blocks <= all - lba;
}

/* --- scsi_reserve_file.c.  The logical unit's lock is held. --- */

bool scsi_reserve_can_keep(const struct scsi_host *host);
/* What is to hold from now on; -errno: what did holds on, here and in the file. */
int scsi_reserve_save(struct scsi_lun *lun, const struct scsi_reservations *r);
/* Where it cannot be read, the disk is not to be had: -errno, and why. */
int scsi_reserve_load(struct scsi_lun *lun, char *error, size_t size);

#endif
