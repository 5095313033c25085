/* SPDX-License-Identifier: MIT */
/*
 * The front-end side of a vhost-user socket, scripted message by message.
 *
 * Owns: the socket and this side's end of the back-end channel.  Everything waits at most
 * timeout_ms, so that a broken back-end cannot hang a test.  With pump set, waiting calls it again
 * and again: a test can run the device and the front-end on one thread.
 *
 * Every function returns 0 (or a documented positive value) or -errno; error then says in words
 * what went wrong.  -ETIMEDOUT: no answer; -ECONNRESET: the back-end closed the socket; -EPROTO: an
 * answer that the specification does not allow; -EREMOTEIO: a negative ack or an error reply;
 * -ECONNABORTED: cut by frontend_cut_after().
 */
#ifndef FRONTEND_FRONTEND_H
#define FRONTEND_FRONTEND_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/spec.h"

struct guest;
struct guest_region;
struct driver_ring;

enum {
	FRONTEND_TIMEOUT_MS = 600000, /* only a hang takes so long */
	FRONTEND_MAX_FDS = 32,
	FRONTEND_MAX_PAYLOAD = 4608,
};

/* A received message.  Its fds belong to whoever received it: frontend_msg_close_fds(). */
struct frontend_msg {
	struct wire_header hdr;
	uint32_t n_fds;
	int fds[FRONTEND_MAX_FDS];
	_Alignas(8) unsigned char payload[FRONTEND_MAX_PAYLOAD];
};

struct frontend {
	int fd;		/* the socket; -1 when closed */
	int channel_fd; /* this side's end of the back-end channel; -1 when there is none */

	uint64_t offered_features; /* last answers of the back-end */
	uint64_t offered_protocol_features;
	uint64_t features; /* what was acked last */
	uint64_t protocol_features;
	bool need_reply; /* ask for an ack wherever the protocol allows it */

	unsigned int timeout_ms;
	void (*pump)(void *opaque);
	void *pump_opaque;

	uint64_t sent; /* bytes sent on the socket so far */
	uint64_t cut;  /* close the socket when so many have been sent */
	char error[256];
};

/* Take over a connected socket.  The struct is the caller's. */
void frontend_init(struct frontend *f, int fd);
/* A socketpair: the front-end takes one end, *backend_fd is the other, for the back-end. */
int frontend_init_pair(struct frontend *f, int *backend_fd);
int frontend_connect(struct frontend *f, const char *path);
/* Close the socket and the channel.  May be repeated. */
void frontend_close(struct frontend *f);

/* Close the socket in the middle of whatever is sent when n bytes have gone out in all. */
void frontend_cut_after(struct frontend *f, uint64_t n);
bool frontend_has(const struct frontend *f, unsigned int protocol_feature);
int frontend_fail(struct frontend *f, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* "SET_VRING_NUM", or "request 77". */
const char *frontend_request_name(uint32_t request);

/* Messages as they are. */

/* n bytes, with fds attached to the first of them. */
int frontend_send_bytes(struct frontend *f, const void *bytes, size_t n, const int *fds,
			unsigned int n_fds);
/* A header of any content, followed by payload_size bytes (which hdr->size need not agree with). */
int frontend_send_raw(struct frontend *f, const struct wire_header *hdr, const void *payload,
		      size_t payload_size, const int *fds, unsigned int n_fds);
/* A well-formed message; flags beyond the version, such as WIRE_NEED_REPLY. */
int frontend_send(struct frontend *f, uint32_t request, uint32_t flags, const void *payload,
		  uint32_t size, const int *fds, unsigned int n_fds);
int frontend_recv(struct frontend *f, struct frontend_msg *msg);
void frontend_msg_close_fds(struct frontend_msg *msg);
/* The next fd of the message, now the caller's; -1 if there is none left. */
int frontend_msg_take_fd(struct frontend_msg *msg);

/* Wait until the back-end has closed the socket.  -EPROTO if it sends something instead. */
int frontend_wait_closed(struct frontend *f);
/* Pump until done(opaque).  -ETIMEDOUT if it stays false. */
int frontend_wait_until(struct frontend *f, bool (*done)(void *opaque), void *opaque);
/* Wait until fd is ready for events (POLLIN ...), pumping. */
int frontend_wait_fd(struct frontend *f, int fd, short events);
/* Call pump, if there is one. */
void frontend_pump(struct frontend *f);

/* Requests: a message and what follows from it. */

/* For messages without a reply of their own: waits for the ack if one was asked for. */
int frontend_tell(struct frontend *f, uint32_t request, const void *payload, uint32_t size,
		  const int *fds, unsigned int n_fds);
/* For messages with a reply: of exactly reply_size bytes. */
int frontend_ask(struct frontend *f, uint32_t request, const void *payload, uint32_t size,
		 void *reply, uint32_t reply_size);
/* The same, receiving the whole reply with its fds. */
int frontend_ask_msg(struct frontend *f, uint32_t request, const void *payload, uint32_t size,
		     const int *fds, unsigned int n_fds, struct frontend_msg *reply);

/* One helper a message (frontend_messages.c). */

int frontend_get_features(struct frontend *f, uint64_t *features);
int frontend_set_features(struct frontend *f, uint64_t features);
int frontend_get_protocol_features(struct frontend *f, uint64_t *features);
/* Acked itself if features has REPLY_ACK and need_reply is set, as User-mode Linux does. */
int frontend_set_protocol_features(struct frontend *f, uint64_t features);
int frontend_set_owner(struct frontend *f);
int frontend_reset_owner(struct frontend *f);
int frontend_reset_device(struct frontend *f);
int frontend_get_queue_num(struct frontend *f, uint64_t *n);
int frontend_get_max_mem_slots(struct frontend *f, uint64_t *n);
/* All regions in one table, of the size QEMU sends (only the regions that are there). */
int frontend_set_mem_table(struct frontend *f, const struct guest *guest);
int frontend_add_mem_reg(struct frontend *f, const struct guest_region *region);
int frontend_rem_mem_reg(struct frontend *f, const struct guest_region *region);
/* Whichever of the two was negotiated, for all regions. */
int frontend_set_memory(struct frontend *f, const struct guest *guest);

int frontend_set_vring_num(struct frontend *f, uint32_t index, uint32_t num);
int frontend_set_vring_base(struct frontend *f, uint32_t index, uint32_t base);
int frontend_get_vring_base(struct frontend *f, uint32_t index, uint32_t *base);
int frontend_set_vring_addr(struct frontend *f, const struct wire_vring_addr *addr);
/* fd -1 sends the no-fd flag. */
int frontend_set_vring_kick(struct frontend *f, uint32_t index, int fd);
int frontend_set_vring_call(struct frontend *f, uint32_t index, int fd);
int frontend_set_vring_err(struct frontend *f, uint32_t index, int fd);
int frontend_set_vring_enable(struct frontend *f, uint32_t index, bool enable);
int frontend_vring_kick(struct frontend *f, uint32_t index);
/* ADDR of a driver ring, in the address space that was negotiated; and NUM, BASE and ADDR. */
int frontend_set_ring_addr(struct frontend *f, const struct driver_ring *ring,
			   uint32_t vring_flags);
int frontend_setup_ring(struct frontend *f, const struct driver_ring *ring, uint32_t vring_flags);

/* size bytes at offset; -EREMOTEIO if the back-end answers with none. */
int frontend_get_config(struct frontend *f, uint32_t offset, void *data, uint32_t size);
int frontend_set_config(struct frontend *f, uint32_t offset, const void *data, uint32_t size,
			uint32_t flags);
int frontend_get_status(struct frontend *f, uint64_t *status);
int frontend_set_status(struct frontend *f, uint64_t status);
/* *inflight gives n_queues and queue_size and receives the rest; *fd is the caller's. */
int frontend_get_inflight_fd(struct frontend *f, struct wire_inflight *inflight, int *fd);
int frontend_set_inflight_fd(struct frontend *f, const struct wire_inflight *inflight, int fd);
int frontend_set_log_fd(struct frontend *f, int fd);
int frontend_set_log_base(struct frontend *f, uint64_t size, uint64_t offset, int fd);

/* A device's state (frontend_state.c). */

/*
 * One message: fd stays the caller's; *value is the reply's, *own (or -1) came with it and is the
 * caller's.  -EREMOTEIO: the back-end says no.
 */
int frontend_set_device_state_fd(struct frontend *f, uint32_t direction, uint32_t phase, int fd,
				 uint64_t *value, int *own);
/* -EREMOTEIO: something was wrong with the state. */
int frontend_check_device_state(struct frontend *f);
/* All of it, with the check; *bytes are to be freed.  Writing may raise SIGPIPE. */
int frontend_save_state(struct frontend *f, void **bytes, size_t *len);
int frontend_load_state(struct frontend *f, const void *bytes, size_t len);

/* The back-end channel (frontend_channel.c). */

/* Make a socketpair and send one end. */
int frontend_open_channel(struct frontend *f);
/* Wait for a request of the back-end, at most timeout_ms (0: -EAGAIN if there is none now). */
int frontend_recv_backend(struct frontend *f, struct frontend_msg *msg, unsigned int timeout_ms);
/* Wait for exactly this request, and answer with 0 if the back-end asked for an answer. */
int frontend_expect_backend(struct frontend *f, uint32_t request, struct frontend_msg *msg);
int frontend_answer_backend(struct frontend *f, const struct frontend_msg *msg, uint64_t value);

/* Internal to the front-end: one socket's input and output, with a deadline (frontend_io.c). */

uint64_t frontend_deadline(unsigned int timeout_ms);
int frontend_io_send(struct frontend *f, int fd, const void *bytes, size_t n, const int *fds,
		     unsigned int n_fds);
int frontend_io_recv(struct frontend *f, int fd, struct frontend_msg *msg, unsigned int timeout_ms);
int frontend_io_wait(struct frontend *f, int fd, short events, uint64_t deadline);

#endif
