/* SPDX-License-Identifier: MIT */
/* A SCSI driver for tests of vu-scsi: commands and what comes back, functions, events. */
#ifndef SCSI_ASK_H
#define SCSI_ASK_H

#include "devices/image.h"
#include "devices/rig.h"

#include <linux/virtio_scsi.h>

enum {
	CONTROLQ,
	EVENTQ,
	REQUESTQ,
	ASK_MEMORY = 64 << 20,
	ASK_DATA = 4 << 20, /* most of a command */
	ASK_CDB = 32,
	HEADER = sizeof(struct virtio_scsi_cmd_req),
	ANSWER = sizeof(struct virtio_scsi_cmd_resp),
	ASK_QUEUES = 2,
	IMAGE = 16 << 20,
};

/* Results of ask(): sense data as key, code and qualifier; or these. */
#define SENSE(key, code, qualifier) ((key) << 16 | (code) << 8 | (qualifier))
enum {
	GOOD = 0,
	MET = 1 << 24 | 4,
	BUSY = 1 << 24 | 8,
	CONFLICT = 1 << 24 | 0x18,
	RESPONSE = 2 << 24, /* and the response, which is not VIRTIO_SCSI_S_OK */
	NO_LUN = SENSE(5, 0x25, 0),
	NO_COMMAND = SENSE(5, 0x20, 0),
	BAD_CDB = SENSE(5, 0x24, 0),
	BAD_PARAMETER = SENSE(5, 0x26, 0),
	POWER_ON = SENSE(6, 0x29, 0),
};

/*
 * Places in guest memory for a command, the same for all of a queue.  Queues have their own: a
 * thread that writes where another has written, with only the driver between them, is what the
 * thread sanitizer takes for a race.
 */
struct ask_io {
	struct rig_buffer header, answer, out, in;
};

struct ask {
	struct rig rig; /* first */
	char image[64];
	struct guest_region memory;
	struct ask_io io[ASK_QUEUES];
	const unsigned char *data; /* what came in; */
	uint32_t resid, used;	   /* how much did not, and what was told of */
	uint32_t sense_len;
	const unsigned char *sense;
};

int ask_setup(void **state);
int ask_teardown(void **state);

/* A driver, and its places in guest memory. */
void ask_connect(struct ask *ask);
/* --lun=0:0,file=IMAGE, which image_make() makes, and these arguments, connected. */
void ask_start(struct ask *ask, const char *const *args);
/* As that, with what is given only. */
void ask_start_bare(struct ask *ask, const char *const *args);

/*
 * One command until it is answered.  lun: target << 8 | number.  in_len bytes may come, into
 * ask->data; out_len bytes go.
 */
int ask_do(struct ask *ask, uint32_t lun, const unsigned char *cdb, const void *out,
	   uint32_t out_len, uint32_t in_len);
/* The same on another queue. */
int ask_on(struct ask *ask, uint32_t queue, uint32_t lun, const unsigned char *cdb, const void *out,
	   uint32_t out_len, uint32_t in_len);
/* A task management function: its response. */
int ask_function(struct ask *ask, uint32_t subtype, uint32_t lun, uint64_t tag);
/* TEST UNIT READY */
int ask_ready(struct ask *ask, uint32_t lun);

#define CDB(...)       ((const unsigned char[ASK_CDB]){__VA_ARGS__})
#define ASK_TEST(name) cmocka_unit_test_setup_teardown(name, ask_setup, ask_teardown)

static inline uint32_t be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

#endif
