/* SPDX-License-Identifier: MIT */
/*
 * A vhost-user disk through libblkio: blkio SOCKET QUEUES.  Writes a pattern through every queue,
 * many requests at once, reads it back, discards and zeroes; exit status 1 when something is not as
 * it should be.  Built by tests/guest/libblkio.py, where libblkio can be had.
 */
#include <blkio.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 16384, DEPTH = 32, ROUNDS = 20, BUFFERS = DEPTH * BLOCK };

struct disk {
	struct blkio *b;
	unsigned char *out, *in; /* BUFFERS bytes each, in memory that the back-end shares */
};

static int failed(const char *what)
{
	printf("blkio: %s: %s\n", what, blkio_get_error_msg());
	return -1;
}

static int complete(struct blkioq *q, int count, const char *what)
{
	struct blkio_completion done[DEPTH];
	int n = blkioq_do_io(q, done, count, count, NULL);

	if (n != count)
		return failed(what);
	for (int i = 0; i < n; i++) {
		if (done[i].ret) {
			printf("blkio: %s: %s\n", what, strerror(-done[i].ret));
			return -1;
		}
	}
	return 0;
}

static int write_all(struct disk *d, struct blkioq *q, uint64_t start)
{
	for (int i = 0; i < DEPTH; i++)
		blkioq_write(q, start + (uint64_t)i * BLOCK, d->out + i * BLOCK, BLOCK, NULL, 0);
	return complete(q, DEPTH, "write");
}

static int compare(struct disk *d, struct blkioq *q, uint64_t start, const unsigned char *expected)
{
	memset(d->in, 0x5a, BUFFERS);
	for (int i = DEPTH - 1; i >= 0; i--)
		blkioq_read(q, start + (uint64_t)i * BLOCK, d->in + i * BLOCK, BLOCK, NULL, 0);
	if (complete(q, DEPTH, "read") != 0)
		return -1;
	for (int i = 0; i < BUFFERS; i++) {
		unsigned char wanted = expected ? expected[i] : 0;

		if (d->in[i] != wanted) {
			printf("blkio: byte %llu is %#x instead of %#x\n",
			       (unsigned long long)start + i, d->in[i], wanted);
			return -1;
		}
	}
	return 0;
}

static int check_queue(struct disk *d, int index)
{
	struct blkioq *q = blkio_get_queue(d->b, index);
	uint64_t start = (uint64_t)index * ROUNDS * BUFFERS;

	for (int round = 0; round < ROUNDS; round++, start += BUFFERS) {
		for (int i = 0; i < BUFFERS; i++)
			d->out[i] = (unsigned char)(rand() >> 8);
		if (write_all(d, q, start) != 0 || compare(d, q, start, d->out) != 0)
			return -1;
	}
	start -= BUFFERS;
	blkioq_flush(q, NULL, 0);
	if (complete(q, 1, "flush") != 0)
		return -1;
	blkioq_write_zeroes(q, start, BUFFERS, NULL, 0);
	if (complete(q, 1, "write zeroes") != 0 || compare(d, q, start, NULL) != 0)
		return -1;
	blkioq_discard(q, start, BUFFERS, NULL, 0);
	return complete(q, 1, "discard");
}

static int open_disk(struct disk *d, const char *path, int n_queues, uint64_t *capacity)
{
	struct blkio_mem_region region;

	if (blkio_create("virtio-blk-vhost-user", &d->b) != 0)
		return failed("create");
	if (blkio_set_str(d->b, "path", path) != 0 || blkio_connect(d->b) != 0)
		return failed("connect");
	if (blkio_set_int(d->b, "num-queues", n_queues) != 0 || blkio_start(d->b) != 0)
		return failed("start");
	if (blkio_get_uint64(d->b, "capacity", capacity) != 0)
		return failed("capacity");
	if (blkio_alloc_mem_region(d->b, &region, 2 * BUFFERS) != 0 ||
	    blkio_map_mem_region(d->b, &region) != 0)
		return failed("memory");
	d->out = region.addr;
	d->in = d->out + BUFFERS;
	return 0;
}

int main(int argc, char **argv)
{
	int n_queues = argc == 3 ? atoi(argv[2]) : 0;
	struct disk d = {0};
	uint64_t capacity;

	if (n_queues < 1) {
		fprintf(stderr, "usage: blkio SOCKET QUEUES\n");
		return 2;
	}
	if (open_disk(&d, argv[1], n_queues, &capacity) != 0)
		return 1;
	for (int i = 0; i < n_queues; i++) {
		if (check_queue(&d, i) != 0)
			return 1;
	}
	printf("blkio: %llu MiB of capacity; %d queues, each %d times %d requests at once: all as "
	       "written\n",
	       (unsigned long long)capacity >> 20, n_queues, ROUNDS, DEPTH);
	blkio_destroy(&d.b);
	return 0;
}
