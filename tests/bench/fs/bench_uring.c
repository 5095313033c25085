/* SPDX-License-Identifier: MIT */
/*
 * Contents of files by system call and by io_uring: bench-fs-uring FOLDER.
 *
 * Random pieces of a file that is in the page cache, as vu-fs reads and writes them for a guest:
 * for each size and depth how many a second, and the CPU time of this process (the kernel's workers
 * for its ring included) for one, in microseconds.  Best of three turns.
 */
#include <fcntl.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { FILE_SIZE = 64 << 20, MAX_DEPTH = 16, TURN_NS = 300000000, TURNS = 3 };

struct piece_bench {
	int fd;
	struct io_uring ring;
	struct iovec iov[MAX_DEPTH];
	uint32_t size, depth, seed;
	bool write;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static double cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static off_t next_offset(struct piece_bench *b)
{
	b->seed = b->seed * 1103515245 + 12345;
	return (off_t)((b->seed >> 8) % (FILE_SIZE / b->size)) * b->size;
}

static void batch_by_call(struct piece_bench *b)
{
	for (uint32_t i = 0; i < b->depth; i++) {
		off_t at = next_offset(b);

		if ((b->write ? pwritev(b->fd, &b->iov[i], 1, at)
			      : preadv(b->fd, &b->iov[i], 1, at)) != (ssize_t)b->size)
			exit(1);
	}
}

static void batch_by_ring(struct piece_bench *b)
{
	for (uint32_t i = 0; i < b->depth; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&b->ring);
		uint64_t at = (uint64_t)next_offset(b);

		if (b->write)
			io_uring_prep_writev(sqe, b->fd, &b->iov[i], 1, at);
		else
			io_uring_prep_readv(sqe, b->fd, &b->iov[i], 1, at);
	}
	io_uring_submit_and_wait(&b->ring, b->depth);
	for (uint32_t i = 0; i < b->depth; i++) {
		struct io_uring_cqe *cqe;

		if (io_uring_wait_cqe(&b->ring, &cqe) || cqe->res != (int)b->size)
			exit(1);
		io_uring_cqe_seen(&b->ring, cqe);
	}
}

static void measure(struct piece_bench *b, const char *how, void (*batch)(struct piece_bench *))
{
	double rate = 0, cost = 0;

	for (int turn = 0; turn < TURNS; turn++) {
		uint64_t begin = now_ns(), end = begin, n = 0;
		double cpu = cpu_us();

		for (; end - begin < TURN_NS; end = now_ns(), n += b->depth)
			batch(b);
		cpu = (cpu_us() - cpu) / (double)n;
		cost = !turn || cpu < cost ? cpu : cost;
		rate = (double)n * 1e9 / (double)(end - begin) > rate
			       ? (double)n * 1e9 / (double)(end - begin)
			       : rate;
	}
	printf("%-5s %4u KiB, depth %2u, %-8s: %8.0f/s %8.2f us\n", b->write ? "write" : "read",
	       b->size >> 10, b->depth, how, rate, cost);
}

int main(int argc, char **argv)
{
	static const uint32_t sizes[] = {4 << 10, 1 << 20}, depths[] = {1, MAX_DEPTH};
	struct piece_bench b = {.seed = 1};
	char path[4096];

	if (argc != 2 || io_uring_queue_init(MAX_DEPTH, &b.ring, 0) < 0)
		return 2;
	snprintf(path, sizeof(path), "%s/bench-fs-uring", argv[1]);
	b.fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (b.fd < 0 || unlink(path) < 0)
		return 2;
	for (int i = 0; i < MAX_DEPTH; i++) {
		b.iov[i].iov_base = calloc(1, 1 << 20);
		for (int j = 0; j < FILE_SIZE >> 20 && !i; j++)
			if (write(b.fd, b.iov[i].iov_base, 1 << 20) != 1 << 20)
				return 2;
	}
	for (int i = 0; i < 8; i++) {
		b.size = sizes[i & 1];
		b.depth = depths[i >> 1 & 1];
		b.write = i >> 2;
		for (int j = 0; j < MAX_DEPTH; j++)
			b.iov[j].iov_len = b.size;
		measure(&b, "call", batch_by_call);
		measure(&b, "io_uring", batch_by_ring);
	}
	return 0;
}
