/* SPDX-License-Identifier: MIT */
/*
 * What requests of each type of device say (virtio 1.3 §5): one row a type.  A function is given
 * the parts of a request, which are hostile, and puts it into words.
 */
#ifndef TRACE_TYPES_H
#define TRACE_TYPES_H

#include "seen.h"

enum { TOLD_TEXT = 320, TOLD_RESULT = 48 };

/* A completed request, in parts. */
struct request {
	uint32_t queue;
	uint64_t out, in;	   /* bytes that the device reads; room that it may write to */
	uint32_t used;		   /* what it says it wrote */
	const unsigned char *head; /* first bytes that it read */
	size_t n_head;
	unsigned char written[SEEN_WRITTEN]; /* first bytes of the room */
	size_t n_written;		     /* never more than used */
	unsigned char tail[SEEN_TAIL];	     /* last bytes of the room */
	size_t n_tail;
};

/* The same in words. */
struct told {
	const char *name; /* constant; "REQUEST" to begin with */
	char text[TOLD_TEXT];
	char result[TOLD_RESULT]; /* "done" to begin with */
	bool failed;
};

typedef void type_fn(const struct request *r, struct told *t);

struct type {
	const char *name;
	const char *words; /* in programs' names: "blk block" */
	type_fn *tell;
};

/* By name; NULL: there is none. */
const struct type *type_find(const char *name);
/* By what a program or its arguments are called; NULL: cannot be told. */
const struct type *type_of_program(char *const *argv);
/* By how long QEMU takes the configuration space to be. */
const struct type *type_of_config(uint32_t offset, uint32_t size);
/* "blk, scsi, ..." for messages. */
void type_list(char *out, size_t size);

type_fn tell_blk, tell_scsi, tell_fs, tell_rng, tell_console, tell_input, tell_gpio, tell_i2c,
	tell_snd, tell_vsock, tell_net, tell_scmi, tell_gpu, tell_rtc, tell_spi, tell_can;

/* For those functions.  Little-endian; 0 where there are not so many bytes. */
uint32_t request_u8(const struct request *r, size_t at);
uint32_t request_u16(const struct request *r, size_t at);
uint32_t request_u32(const struct request *r, size_t at);
uint64_t request_u64(const struct request *r, size_t at);
uint64_t bytes_le(const unsigned char *bytes, size_t n, size_t at, size_t width);
uint32_t bytes_be(const unsigned char *bytes, size_t n, size_t at, size_t width);

struct name {
	uint32_t value;
	const char *name;
};

/* The name of a value; "unknown" and the number in the text if it has none. */
const char *name_find(const struct name *names, size_t n, uint32_t value);
#define NAME(names, value) name_find(names, sizeof(names) / sizeof((names)[0]), value)

void told_add(struct told *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Bytes of the guest's, up to n or a NUL, made printable. */
void told_add_string(struct told *t, const char *label, const unsigned char *bytes, size_t n);
/* ok, or not: with what it is called. */
void told_result(struct told *t, bool ok, const char *result);
void told_status(struct told *t, uint32_t status, const struct name *names, size_t n);

#endif
