/* SPDX-License-Identifier: MIT */
/*
 * two-queues: a queue whose requests can be answered only with buffers of another one.
 *
 * To a driver it is a console (virtio 1.3 §5.3) that echoes: what comes on the transmit queue goes
 * back in buffers of the receive queue.  Each queue may be the one that has nothing, so both come
 * to the same function, which does what can be done now.  What has to wait stays in its ring, or
 * is put back there: a request that is held would keep the queue from stopping, and the virtual
 * machine with it, for as long as the other queue is empty.
 *
 * Both queues are of one group, and so of one thread.
 */
#include <libvu/vu.h>

#include <stdbool.h>

enum { RECEIVE, TRANSMIT, N_QUEUES };
enum { MAX_BYTES = 4096, MAX_BUFFERS = 64 }; /* of a message */

struct echo {
	struct vu_device *dev;
};

/* It works for the newest of a queue, as these are; in any case the request is not lost. */
static void echo_put_back(struct vu_req *req)
{
	if (vu_req_put_back(req) != 0)
		vu_req_complete(req, 0);
}

/* Buffers with room for a message: how many; 0 if there are too few, which are put back. */
static uint32_t echo_find_room(struct vu_queue *receive, uint64_t len,
			       struct vu_req *buffers[MAX_BUFFERS])
{
	uint64_t room = 0;
	uint32_t n = 0;

	while (room < len && n < MAX_BUFFERS && vu_queue_next(receive, &buffers[n]) == 1)
		room += buffers[n++]->writable_len;
	if (room >= len)
		return n;
	/* The newest first: the ring is then as if they had never been taken. */
	for (uint32_t i = n; i > 0; i--)
		echo_put_back(buffers[i - 1]);
	return 0;
}

/* Copied once, into memory that the guest cannot change: it is looked at, and used, there. */
static void echo_copy(struct vu_req *message, struct vu_req *const *buffers, uint32_t n)
{
	char bytes[MAX_BYTES];
	size_t len = vu_req_read(message, 0, bytes, sizeof(bytes));
	size_t at = 0;

	for (uint32_t i = 0; i < n; i++) {
		size_t written = vu_req_write(buffers[i], 0, bytes + at, len - at);

		vu_req_complete(buffers[i], written);
		at += written;
	}
	vu_req_complete(message, 0);
}

/* One message, whole or not at all.  False: nothing more can be done now. */
static bool echo_message(struct echo *echo)
{
	struct vu_req *message, *buffers[MAX_BUFFERS];
	uint32_t n;

	if (vu_queue_next(vu_device_queue(echo->dev, TRANSMIT), &message) != 1)
		return false;
	/* No buffers will ever do for these, and the driver must not wait for ever. */
	if (!message->readable_len || message->readable_len > MAX_BYTES) {
		vu_device_log_peerf(echo->dev, VU_LOG_WARNING,
				    "a message is not 1 to %d bytes long", MAX_BYTES);
		vu_req_complete(message, 0);
		return true;
	}
	n = echo_find_room(vu_device_queue(echo->dev, RECEIVE), message->readable_len, buffers);
	if (n)
		echo_copy(message, buffers, n);
	else
		echo_put_back(message); /* queue_ready comes when there are more buffers */
	return n;
}

/* Of either queue. */
static void queue_ready(struct vu_queue *queue, void *opaque)
{
	while (echo_message(opaque))
		;
}

static int create(struct vu_program *program, uint32_t index, void *state)
{
	const struct vu_ops ops = {.size = sizeof(ops), .queue_ready = queue_ready};
	const struct vu_device_info info = {
		.size = sizeof(info), .device_id = 3, .n_queues = N_QUEUES};
	struct echo *echo = state;

	return vu_program_add_device(program, &info, &ops, echo, &echo->dev);
}

int main(int argc, char **argv)
{
	const struct vu_program_info info = {
		.size = sizeof(info),
		.name = "two-queues",
		.type = "console",
		VU_PROGRAM_STATE(struct echo, create, NULL),
	};

	return vu_program_main(&info, argc, argv);
}
