/* SPDX-License-Identifier: MIT */
/*
 * libvu-testing: the other side of a vhost-user back-end, for tests of a device.  A front-end,
 * guest memory and a driver's rings, without a virtual machine; of the back-end it asks no more
 * than the socket, so that may be in any language and on any library.
 *
 *	const struct vut_options options = {.all_queues = true};
 *	unsigned char answer[16];
 *	struct vut_peer *peer;
 *	int ret = vut_peer_new(&options, &peer);
 *
 *	if (!ret)
 *		ret = vut_connect(peer, "/tmp/rng.sock");
 *	if (!ret)
 *		ret = vut_start(peer);
 *	if (!ret)
 *		ret = vut_request(peer, 0, NULL, 0, answer, sizeof(answer));
 *	if (ret < 0)
 *		fprintf(stderr, "%s\n", vut_error(peer));
 *	vut_peer_free(peer);
 *
 * Unstable: nothing here is promised to be in the next release.  So there is only a static library,
 * and a test has within it the peer it was built with.
 *
 * Functions return 0 (or what they say) or -errno; vut_error() says in words what was wrong:
 *
 *	-EINVAL		an argument, such as a queue that there is not
 *	-ENOMEM		no memory, here or in the guest
 *	-ENOTCONN	not connected
 *	-ECONNRESET	the back-end closed the socket
 *	-ETIMEDOUT	no answer within timeout_ms
 *	-EREMOTEIO	the back-end refused (its ack, or its answer)
 *	-EPROTO		an answer that the specification does not allow, or a used entry that was
 *			not available
 *	-EOPNOTSUPP	the back-end does not offer it
 *	-ENOSPC		the ring is full
 *
 * Queues are numbers from 0 on, addresses those of the guest ("guest physical"), lengths bytes.  A
 * peer is used by one thread at a time; nothing here makes threads, or has state beside peers.
 */
#ifndef LIBVU_TESTING_TESTING_H
#define LIBVU_TESTING_TESTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* No guest address: 0 is a legal one. */
#define VUT_NOWHERE UINT64_MAX
/* For features and protocol_features: none, where 0 means the default. */
#define VUT_NONE (UINT64_C(1) << 63)

enum {
	VUT_MAX_QUEUES = 256,
	VUT_MAX_PAYLOAD = 4608, /* of a message */
	VUT_MAX_FDS = 32,
};

struct vut_peer;

/* What a peer is to be; all zero is a good choice but for the queues. */
struct vut_options {
	uint32_t n_queues;     /* made by vut_peer_new(); more by vut_add_queue() */
	bool all_queues;       /* as many as the back-end has, when that is known */
	uint32_t queue_size;   /* descriptors; 0: 256.  Of split rings a power of two */
	uint32_t max_indirect; /* longest chain of vut_add_indirect(); 0: none */
	bool packed;	       /* insist on packed rings; without it they are split */
	bool inflight;	       /* keep a log of requests in flight, beyond connections, too */
	bool no_acks;	       /* never ask for an ack, though REPLY_ACK was negotiated */
	/* Virtio feature bits to accept where they are offered; 0: all but those of logs and
	 * IOMMUs. */
	uint64_t features;
	/* The same of the protocol; 0: all but in-band notifications, cross-endian, Xen, GPA
	 * addresses. */
	uint64_t protocol_features;
	uint64_t memory_at;  /* guest memory begins there, */
	uint64_t memory;     /* and has so many bytes; 0: 16 MiB */
	uint32_t timeout_ms; /* the longest that anything waits; 0: ten minutes, for what hangs */
	/* Called again and again by all that waits: a device that lives on the same thread. */
	void (*pump)(void *opaque);
	void *pump_opaque;
};

/* Guest memory, and rings in it; no connection yet.  options are copied; NULL: all zero. */
int vut_peer_new(const struct vut_options *options, struct vut_peer **peer);
/* All that it has: memory, too, so what vut_at() returned is gone.  NULL is ignored. */
void vut_peer_free(struct vut_peer *peer);
/* What was wrong when a function failed last; the text is the peer's until the next call. */
const char *vut_error(const struct vut_peer *peer);

/* --- the connection --- */

/* A new connection to a path where somebody listens, or will; one that is open is closed before. */
int vut_connect(struct vut_peer *peer, const char *path);
/* A connected socket, which is the peer's from now on. */
int vut_adopt(struct vut_peer *peer, int fd);
/* A new pair of sockets: *fd is the caller's, for vu_device_attach() or a program's --fd. */
int vut_pair(struct vut_peer *peer, int *fd);
/*
 * As a front-end that dies: nothing is said.  Memory, rings and the in-flight log stay as they are;
 * after the next vut_start() the rings go on from what was used, as those of a driver that does not
 * notice.
 */
void vut_disconnect(struct vut_peer *peer);
/* A driver that starts anew: rings are empty, chains and the in-flight log forgotten. */
void vut_forget(struct vut_peer *peer);
/* Until the back-end has closed the socket; -EPROTO: it says something instead. */
int vut_wait_closed(struct vut_peer *peer);

/* --- from features to running rings, in QEMU's order --- */

/* Features, the driver's status up to FEATURES_OK (-EREMOTEIO: refused), memory. */
int vut_negotiate(struct vut_peer *peer);
/* That if it has not been, all queues, DRIVER_OK. */
int vut_start(struct vut_peer *peer);
/* All queues that run: disabled, then stopped; a back-end finishes what it took before. */
int vut_stop(struct vut_peer *peer);
/* One more queue, not started: its number. */
int vut_add_queue(struct vut_peer *peer, uint32_t size);
/* One queue by itself; DRIVER_OK comes with the first. */
int vut_start_queue(struct vut_peer *peer, uint32_t queue);
int vut_stop_queue(struct vut_peer *peer, uint32_t queue);
/* Where a ring was when it was stopped, as GET_VRING_BASE says; and what to say at its next start.
 */
uint32_t vut_base(const struct vut_peer *peer, uint32_t queue);
int vut_set_base(struct vut_peer *peer, uint32_t queue, uint32_t base);
/* Queues that the peer has; and that the back-end has (0 before vut_negotiate(), or unknown). */
uint32_t vut_n_queues(const struct vut_peer *peer);
uint32_t vut_backend_queues(const struct vut_peer *peer);
/* Feature bits: what the back-end offers, what was accepted; the same of the protocol. */
uint64_t vut_offered(const struct vut_peer *peer);
uint64_t vut_features(const struct vut_peer *peer);
uint64_t vut_protocol_offered(const struct vut_peer *peer);
uint64_t vut_protocol_features(const struct vut_peer *peer);

/* --- guest memory --- */

/* More of it, which a back-end that is connected is told of; an overlap is the back-end's to
 * refuse. */
int vut_add_memory(struct vut_peer *peer, uint64_t at, uint64_t size);
/* The region that begins there; nothing of a ring may be in it. */
int vut_remove_memory(struct vut_peer *peer, uint64_t at);
/* The file of that region, which stays the peer's: to be truncated, say.  -EINVAL: none begins
 * there. */
int vut_memory_fd(const struct vut_peer *peer, uint64_t at);
/* size bytes, zeroed, at a multiple of align (a power of two): where, or VUT_NOWHERE. */
uint64_t vut_alloc(struct vut_peer *peer, uint64_t size, uint64_t align);
/* These bytes in this process, as long as the region is there; NULL: not all of them are. */
void *vut_at(const struct vut_peer *peer, uint64_t at, uint64_t size);

/* --- requests --- */

struct vut_buffer {
	uint64_t at;
	uint32_t len;
	bool writable; /* the device writes */
};

struct vut_used {
	uint32_t id;  /* what vut_add() returned */
	uint32_t len; /* bytes the device says it wrote */
	void *cookie; /* what vut_add() was given */
};

/*
 * One request from the first byte to the last: n_in bytes for the device to read, room for n_out;
 * what it wrote there is copied to out.  Returns how many bytes it says it wrote.  Nothing else may
 * be in flight on this queue.
 */
int vut_request(struct vut_peer *peer, uint32_t queue, const void *in, uint32_t n_in, void *out,
		uint32_t n_out);
/* A chain of buffers; it becomes visible with vut_publish() or vut_kick().  Its id. */
int vut_add(struct vut_peer *peer, uint32_t queue, const struct vut_buffer *buffers, uint32_t n,
	    void *cookie);
/* The same in an indirect table: one descriptor of the ring. */
int vut_add_indirect(struct vut_peer *peer, uint32_t queue, const struct vut_buffer *buffers,
		     uint32_t n, void *cookie);
/* All that was added becomes visible, as one. */
int vut_publish(struct vut_peer *peer, uint32_t queue);
/* That, and the device is kicked if it wants to be: 1 if it was, 0 if not. */
int vut_kick(struct vut_peer *peer, uint32_t queue);
/* A kick whether the device wants it or not, and nothing else. */
int vut_kick_anyway(struct vut_peer *peer, uint32_t queue);
/* Up to max requests that were used; does not wait.  How many. */
int vut_collect(struct vut_peer *peer, uint32_t queue, struct vut_used *used, uint32_t max);
/* vut_kick(), and waits for the next that was used. */
int vut_wait(struct vut_peer *peer, uint32_t queue, struct vut_used *used);
/* Until the device calls the driver; takes the calls. */
int vut_wait_call(struct vut_peer *peer, uint32_t queue);
/* How often the device called, and how often it signalled an error, since that was asked last. */
uint64_t vut_take_calls(struct vut_peer *peer, uint32_t queue);
uint64_t vut_take_errors(struct vut_peer *peer, uint32_t queue);
/* Whether the driver wants calls (at first it does): 1: something is used already, and may have
 * none. */
int vut_want_calls(struct vut_peer *peer, uint32_t queue, bool want);
/* With EVENT_IDX: no call for the next so many chains of n descriptors each; for the one behind
 * them. */
int vut_call_after(struct vut_peer *peer, uint32_t queue, uint32_t chains, uint32_t n);
/* The eventfds, for poll(); they stay the peer's.  -EINVAL: no such queue. */
int vut_kick_fd(const struct vut_peer *peer, uint32_t queue);
int vut_call_fd(const struct vut_peer *peer, uint32_t queue);
/* What no driver does: a chain that cannot be.  The device must not suffer; kick it. */
int vut_offer_nonsense(struct vut_peer *peer, uint32_t queue);

/* --- configuration space --- */

/* size bytes at offset; -EREMOTEIO: the back-end answers with none. */
int vut_get_config(struct vut_peer *peer, uint32_t offset, void *data, uint32_t size);
int vut_set_config(struct vut_peer *peer, uint32_t offset, const void *data, uint32_t size);
/* Until the back-end says that it changed; another request of its own is -EPROTO. */
int vut_wait_config_change(struct vut_peer *peer);

/* --- any message --- */

/* One without an answer of its own, and its ack if REPLY_ACK was negotiated.  fds stay the
 * caller's. */
int vut_tell(struct vut_peer *peer, uint32_t request, const void *payload, uint32_t size,
	     const int *fds, uint32_t n_fds);
/* One with an answer, of exactly so many bytes. */
int vut_ask(struct vut_peer *peer, uint32_t request, const void *payload, uint32_t size,
	    void *reply, uint32_t reply_size);

/* A request of the back-end's; fds are the caller's. */
struct vut_message {
	uint32_t request;
	bool wants_answer;
	uint32_t size;
	uint32_t n_fds;
	int fds[VUT_MAX_FDS];
	unsigned char payload[VUT_MAX_PAYLOAD];
};

/* Waits at most timeout_ms for one; 0: -EAGAIN if none is there. */
int vut_hear(struct vut_peer *peer, struct vut_message *message, uint32_t timeout_ms);
/* 0 is good. */
int vut_answer(struct vut_peer *peer, const struct vut_message *message, uint64_t value);
/* This side's end of the back-end channel, for poll(); it stays the peer's.  -ENOTCONN: none. */
int vut_channel_fd(const struct vut_peer *peer);

/* --- crashes and migration --- */

/* With the option inflight: requests of a queue that its log calls in flight; 0 without a log. */
uint32_t vut_inflight(const struct vut_peer *peer, uint32_t queue);

/*
 * A migration begins: the back-end marks what it writes, and guest memory is copied.  A copy round
 * brings over what was marked, and says how many pages that was.  What the driver itself writes is
 * not marked: a real front-end knows of that.  After the end the copy and the marks can be looked
 * at until the next begin.
 */
int vut_log_begin(struct vut_peer *peer);
int vut_log_end(struct vut_peer *peer);
int64_t vut_log_copy(struct vut_peer *peer);
/* Pages (of 4 KiB) with a mark; and whether the page of this address has one. */
uint64_t vut_log_count(const struct vut_peer *peer);
bool vut_log_has(const struct vut_peer *peer, uint64_t at);
/* Are these bytes in the copy what they are in memory? */
bool vut_log_is_same(const struct vut_peer *peer, uint64_t at, uint64_t len);

/* A device's own state, when its queues are stopped; *bytes are the caller's, to be freed. */
int vut_save_state(struct vut_peer *peer, void **bytes, size_t *len);
/* -EREMOTEIO: the back-end does not take it. */
int vut_load_state(struct vut_peer *peer, const void *bytes, size_t len);

#ifdef __cplusplus
}
#endif

#endif
