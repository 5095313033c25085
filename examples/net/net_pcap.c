/* SPDX-License-Identifier: MIT */
/*
 * Files of packets, in libpcap's old and simple format: a header of 24 bytes, and before each
 * packet one of 16.  What the guest sends is appended to one, the guest receives another one as
 * fast as it has buffers.
 */
#include "net.h"

#include <byteswap.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "../common/own_file.h"

enum {
	PCAP_MAGIC = (int)0xa1b2c3d4,
	PCAP_MAGIC_NS = (int)0xa1b23c4d,
	PCAP_MAJOR = 2,
	PCAP_MINOR = 4,
	PCAP_ETHERNET = 1,
};

struct pcap_file {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, accuracy, longest, link;
};

struct pcap_record {
	uint32_t seconds, fraction, held, len;
};

struct pcap {
	int out, in; /* in -1: none */
	bool swapped;
	off_t at;  /* in in */
	off_t end; /* of out */
	unsigned char frame[NET_MAX_FRAME];
};

/* All or nothing: what comes behind a half would be taken for its rest.  (O_APPEND: where the end
 * is then.) */
static int pcap_append(struct pcap *p, const struct iovec *iov, int n, size_t len)
{
	ssize_t put = writev(p->out, iov, n);
	int ret = put < 0 ? -errno : -ENOSPC;

	if (put == (ssize_t)len) {
		p->end += put;
		return 0;
	}
	if (put > 0 && ftruncate(p->out, p->end) < 0)
		return -errno;
	return ret;
}

static int pcap_send(struct net_end *end, const struct iovec *iov, int n)
{
	struct pcap *p = end->own;
	struct pcap_record record;
	size_t len = net_gather(iov, n, iov[0].iov_len, p->frame, sizeof(p->frame));
	const struct iovec out[] = {{&record, sizeof(record)}, {p->frame, len}};
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	record = (struct pcap_record){(uint32_t)now.tv_sec, (uint32_t)now.tv_nsec / 1000,
				      (uint32_t)len, (uint32_t)len};
	return pcap_append(p, out, 2, sizeof(record) + len);
}

static uint32_t pcap_number(const struct pcap *p, uint32_t number)
{
	return p->swapped ? bswap_32(number) : number;
}

static ssize_t pcap_receive(struct net_end *end, const struct iovec *iov, int n)
{
	static const struct virtio_net_hdr_v1 plain;
	struct pcap *p = end->own;
	struct pcap_record record;
	uint32_t len;

	if (p->in < 0 || pread(p->in, &record, sizeof(record), p->at) != sizeof(record))
		return -EAGAIN;
	len = pcap_number(p, record.held);
	if (len < NET_ETHERNET || len > NET_MAX_FRAME ||
	    pread(p->in, p->frame, len, p->at + (off_t)sizeof(record)) != (ssize_t)len) {
		pair_complain(end->pair, "the file of packets ends early", -EPROTO);
		close(p->in);
		p->in = -1;
		return -EAGAIN;
	}
	p->at += (off_t)sizeof(record) + len;
	net_scatter(iov, n, 0, &plain, end->pair->header);
	net_scatter(iov, n, end->pair->header, p->frame, len);
	return (ssize_t)(end->pair->header + len);
}

static void pcap_free(struct net_end *end)
{
	struct pcap *p = end->own;

	if (p->in >= 0)
		close(p->in);
	if (p->out >= 0)
		close(p->out);
	free(p);
}

static const struct net_end_ops pcap_ops = {
	.announces = true,
	.send = pcap_send,
	.receive = pcap_receive,
	.free = pcap_free,
};

/* What may not take all of a record, or only when somebody reads, would keep the thread. */
static int pcap_check_file(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) || st.st_rdev == makedev(1, 3) /* /dev/null */ ? 0 : -ESPIPE;
}

static const char *pcap_error(int error)
{
	return error == ESPIPE	 ? "no regular file; for a reader of a FIFO, write a file and have "
				   "tail -c +1 -f follow it"
	       : error == EPROTO ? "no pcap file of Ethernet"
				 : own_file_error(error);
}

static int pcap_open_out(struct pcap *p, const char *path)
{
	struct pcap_file head = {.magic = (uint32_t)PCAP_MAGIC,
				 .major = PCAP_MAJOR,
				 .minor = PCAP_MINOR,
				 .longest = NET_MAX_FRAME,
				 .link = PCAP_ETHERNET};
	const struct iovec iov = {&head, sizeof(head)};
	int ret;

	p->out = own_file_open(path, O_WRONLY | O_TRUNC | O_APPEND | O_NONBLOCK);
	if (p->out == -ENXIO) /* a FIFO that nobody reads, or a socket */
		return -ESPIPE;
	ret = p->out < 0 ? p->out : pcap_check_file(p->out);
	return ret ? ret : pcap_append(p, &iov, 1, sizeof(head));
}

static int pcap_open_in(struct pcap *p, const char *path)
{
	struct pcap_file head;
	uint32_t magic;
	int ret;

	p->in = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ret = p->in < 0 ? -errno : pcap_check_file(p->in);
	if (ret)
		return ret;
	if (pread(p->in, &head, sizeof(head), 0) != sizeof(head))
		return -EPROTO;
	magic = head.magic;
	p->swapped = magic == bswap_32((uint32_t)PCAP_MAGIC) ||
		     magic == bswap_32((uint32_t)PCAP_MAGIC_NS);
	magic = pcap_number(p, magic);
	if ((magic != (uint32_t)PCAP_MAGIC && magic != (uint32_t)PCAP_MAGIC_NS) ||
	    pcap_number(p, head.link) != PCAP_ETHERNET)
		return -EPROTO;
	p->at = sizeof(head);
	return 0;
}

int net_pcap_open(struct net *net, const char *spec)
{
	struct net_end *end = &net->pairs[0].end;
	const char *in = strchr(spec, ',');
	struct pcap *p = calloc(1, sizeof(*p));
	char out[PATH_MAX], path[PATH_MAX];
	int ret;

	if (!p)
		return -ENOMEM;
	p->in = p->out = -1;
	end->own = p;
	end->ops = &pcap_ops;
	if (in && (in == spec || strncmp(in, ",in=", strlen(",in=")) || !in[strlen(",in=")])) {
		fprintf(stderr, "vu-net: %s: pcap:FILE or pcap:FILE,in=FILE, please\n", spec);
		return -EINVAL;
	}
	if (snprintf(out, sizeof(out), "%.*s", (int)(in ? in - spec : (ptrdiff_t)strlen(spec)),
		     spec) >= (int)sizeof(out))
		return -ENAMETOOLONG;
	ret = vu_program_path(out, net->index, path, sizeof(path));
	if (!ret)
		ret = pcap_open_out(p, path);
	if (ret)
		fprintf(stderr, "vu-net: %s: %s\n", out, pcap_error(-ret));
	if (ret || !in)
		return ret;
	ret = pcap_open_in(p, in + strlen(",in="));
	if (ret)
		fprintf(stderr, "vu-net: %s: %s\n", in + strlen(",in="), pcap_error(-ret));
	return ret;
}
