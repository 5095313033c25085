/* SPDX-License-Identifier: MIT */
/*
 * vu-vsock's packets: an input is a row of steps by two guests, which may reach themselves, each
 * other and sockets of the host, by the host's programs at those sockets, and by time.  What a
 * guest is sent must be well-formed and within its credit, what is held within the limits; whatever
 * the state is, there is an end to what is to be sent, and when the guests have gone and time has
 * passed, nothing is left, not even a descriptor.
 */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "kit/folder.h"
#include "vsock_far_socket.h"

enum { FIRST_CID = 3, GUESTS = 2, PORTS = 8, HAIRPIN = 4, STREAM = 4, SEQPACKET = 5 };
enum { MAX_CONNS = 6, BUFFER = 4096, MAX_PAYLOAD = 1200, MAX_SEGS = 4, MAX_ROOM = 2048 };
enum { KNOWN = 8, HOST_SOCKETS = 8, STEPS = 96, MAX_BUFFERS = 64, LINGER = 20, MANY_TICKS = 400 };
/* Turns in which nothing was sent, one after the other. */
enum { IDLE_TURNS = 4 * MAX_CONNS + 4 };

/* What a guest was told of, to go on with. */
struct known {
	uint64_t cid;
	uint32_t peer_port, own_port;
	uint16_t type;
};

struct driver {
	struct guest guest; /* first */
	struct known known[KNOWN];
	uint32_t n_known, buffers, room, piece;
};

struct world {
	struct vsock vsock;
	struct driver drivers[GUESTS];
	int listeners[2], sockets[HOST_SOCKETS]; /* of the host's programs */
	uint32_t n_sockets;
	int fds; /* that were open before */
};

/* A request in as many pieces of memory as it has segments, so that a byte too much is seen. */
struct chain {
	struct vu_req req;
	struct iovec segs[MAX_SEGS];
};

static struct rules rules;

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

/* --- requests --- */

static uint32_t chain_cut(struct chain *c, uint32_t len, uint32_t piece)
{
	uint32_t n = 0;

	while (len) {
		uint32_t part = n == MAX_SEGS - 1 || !piece || piece > len ? len : piece;

		c->segs[n++] = (struct iovec){malloc(part), part};
		len -= part;
	}
	return n;
}

static void chain_free(struct chain *c, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		free(c->segs[i].iov_base);
	free(c);
}

static struct chain *chain_of_driver(const struct driver *d)
{
	struct chain *c = calloc(1, sizeof(*c));

	c->req.writable = c->segs;
	c->req.writable_len = d->room;
	c->req.n_writable = chain_cut(c, d->room, d->piece);
	return c;
}

static void chain_read(const struct chain *c, uint64_t offset, void *data, size_t len)
{
	const struct vu_req out = {.readable = c->segs,
				   .n_readable = c->req.n_writable,
				   .readable_len = c->req.writable_len};

	require(vu_req_read(&out, offset, data, len) == len);
}

/* --- what a guest is sent --- */

static void driver_learn(struct driver *d, const struct virtio_vsock_hdr *hdr)
{
	d->known[d->n_known++ % KNOWN] = (struct known){
		le64toh(hdr->src_cid),
		le32toh(hdr->src_port),
		le32toh(hdr->dst_port),
		le16toh(hdr->type),
	};
}

static void driver_hear(struct driver *d, const struct chain *c, uint64_t written)
{
	struct virtio_vsock_hdr hdr;
	uint16_t op;

	if (!written) {
		require(d->room <= PACKET_HEAD); /* of no use */
		return;
	}
	require(written >= sizeof(hdr) && written <= d->room);
	chain_read(c, 0, &hdr, sizeof(hdr));
	op = le16toh(hdr.op);
	require(op > VIRTIO_VSOCK_OP_INVALID && op <= VIRTIO_VSOCK_OP_CREDIT_REQUEST);
	require(le32toh(hdr.len) == written - sizeof(hdr));
	require(!hdr.len || op == VIRTIO_VSOCK_OP_RW);
	require(le64toh(hdr.dst_cid) == d->guest.cid);
	if (op != VIRTIO_VSOCK_OP_RST)
		driver_learn(d, &hdr);
}

static void check_limits(const struct guest *g)
{
	uint64_t held = 0;

	for (const struct conn *c = g->conns; c; c = c->next) {
		held += c->in.len + c->out.len;
		require(c->in.len <= g->buffer && c->out.len <= g->buffer);
	}
	require(held <= 2 * g->max_held && g->n_conns <= g->max_conns);
}

static uint32_t driver_fill(struct driver *d, uint32_t wanted)
{
	uint32_t n = wanted < d->buffers ? wanted : d->buffers, used;
	struct chain *chains[GUEST_BATCH];
	struct vu_req *reqs[GUEST_BATCH] = {NULL};
	uint64_t written[GUEST_BATCH];

	if (n > GUEST_BATCH)
		n = GUEST_BATCH;
	for (uint32_t i = 0; i < n; i++) {
		chains[i] = chain_of_driver(d);
		reqs[i] = &chains[i]->req;
	}
	used = guest_fill(&d->guest, reqs, n, written);
	require(used <= n);
	for (uint32_t i = 0; i < n; i++) {
		if (i < used)
			driver_hear(d, chains[i], written[i]);
		chain_free(chains[i], chains[i]->req.n_writable);
	}
	d->buffers -= used;
	return used;
}

/* In vsock.c's place. */
void vsock_pump(struct vsock *v, const struct guest *current)
{
	struct guest *g;

	(void)current;
	while ((g = vsock_next_to_pump(v))) {
		struct driver *d = (struct driver *)g;
		uint32_t wanted, idle = 0;

		while (d->buffers && (wanted = guest_wants(g))) {
			idle = driver_fill(d, wanted) ? 0 : idle + 1;
			require(idle < IDLE_TURNS);
		}
		check_limits(g);
	}
}

/* --- steps of a guest --- */

static uint32_t credit_of(uint8_t code)
{
	static const uint32_t special[] = {0, 1, BUFFER, 65536, INT32_MAX, UINT32_MAX};

	return code < 0xfa ? code * 64u : special[code - 0xfa];
}

static struct virtio_vsock_hdr make_header(const struct driver *d, struct fuzz_input *in,
					   uint8_t odd)
{
	uint8_t op = fuzz_u8(in), where = fuzz_u8(in), ports = fuzz_u8(in), credit = fuzz_u8(in);
	const struct known *known = &d->known[where % KNOWN];
	struct known k = where & 0x80 ? *known
				      : (struct known){
						.cid = where & 0x40 ? FIRST_CID + (where & 1)
								    : VMADDR_CID_HOST,
						.peer_port = ports % PORTS,
						.own_port = ports / PORTS % PORTS,
						.type = where & 0x20 ? VIRTIO_VSOCK_TYPE_SEQPACKET
								     : VIRTIO_VSOCK_TYPE_STREAM,
					};

	return (struct virtio_vsock_hdr){
		.src_cid = htole64(d->guest.cid + (odd == 1)),
		.dst_cid = htole64(k.cid),
		.src_port = htole32(k.own_port),
		.dst_port = htole32(k.peer_port),
		.type = htole16(odd == 2 ? fuzz_u8(in) : k.type),
		.op = htole16(op % 0x20 < VIRTIO_VSOCK_OP_CREDIT_REQUEST + 2 ? op % 0x20
									     : VIRTIO_VSOCK_OP_RW),
		.flags = htole32(op >> 5),
		.buf_alloc = htole32(credit_of(credit)),
		/* Mostly: all that came was read. */
		.fwd_cnt = htole32(odd == 3	? fuzz_u16(in)
				   : odd & 0x10 ? d->guest.next_port
						: 0),
	};
}

static uint32_t read_count(const struct driver *d, const struct virtio_vsock_hdr *hdr)
{
	const struct tuple tuple = {le64toh(hdr->dst_cid), le32toh(hdr->dst_port),
				    le32toh(hdr->src_port), le16toh(hdr->type)};
	const struct conn *c = conn_find((struct guest *)(uintptr_t)&d->guest, &tuple);

	return c ? c->credit.tx_cnt : 0;
}

static void driver_send(struct driver *d, struct fuzz_input *in)
{
	uint8_t odd = fuzz_u8(in), piece = fuzz_u8(in);
	struct virtio_vsock_hdr hdr = make_header(d, in, odd);
	bool rw = hdr.op == htole16(VIRTIO_VSOCK_OP_RW);
	uint32_t len = rw || odd == 4 ? fuzz_u8(in) * 8u : 0, whole;
	struct chain *c = calloc(1, sizeof(*c));
	unsigned char packet[sizeof(hdr) + MAX_PAYLOAD] = {0};

	len = len < MAX_PAYLOAD ? len : MAX_PAYLOAD;
	if (odd & 0x20)
		hdr.fwd_cnt = htole32(read_count(d, &hdr));
	hdr.len = htole32(odd == 5 ? len + 1 : odd == 6 ? UINT32_MAX : len);
	memcpy(packet, &hdr, sizeof(hdr));
	whole = odd == 7 ? piece % sizeof(hdr) : (uint32_t)sizeof(hdr) + len;
	c->req.readable = c->segs;
	c->req.readable_len = whole;
	c->req.n_readable = chain_cut(c, whole, piece);
	whole = 0;
	for (uint32_t i = 0; i < c->req.n_readable; i++) {
		memcpy(c->segs[i].iov_base, packet + whole, c->segs[i].iov_len);
		whole += (uint32_t)c->segs[i].iov_len;
	}
	/* As the device does: not while there is no room for another RST. */
	if (d->guest.running && d->guest.n_strays < GUEST_MAX_STRAYS)
		guest_receive(&d->guest, &c->req);
	guest_settle(&d->guest);
	chain_free(c, c->req.n_readable);
}

static void driver_offer(struct driver *d, struct fuzz_input *in)
{
	uint8_t code = fuzz_u8(in);

	d->buffers = (d->buffers + code) % MAX_BUFFERS;
	d->room = code & 1 ? fuzz_u8(in) : MAX_ROOM;
	d->piece = code & 2 ? 1u + fuzz_u8(in) : 0;
	guest_is_to_pump(&d->guest);
}

static void driver_restart(struct driver *d, uint8_t features)
{
	if (d->guest.running)
		guest_forget(&d->guest);
	d->guest.running = !d->guest.running || features & 4;
	d->guest.seqpacket = features & 1;
	d->guest.stream = features & 2 || !d->guest.seqpacket;
}

/* --- steps of the host --- */

static void host_keep(struct world *w, int fd)
{
	int *at = &w->sockets[w->n_sockets++ % HOST_SOCKETS];

	if (fd < 0)
		return;
	if (*at >= 0)
		close(*at);
	*at = fd;
}

static void host_connect(struct world *w, uint8_t code)
{
	uint16_t type = code & 1 ? VIRTIO_VSOCK_TYPE_SEQPACKET : VIRTIO_VSOCK_TYPE_STREAM;
	struct guest *g = &w->drivers[code >> 1 & 1].guest;
	char line[16];
	int pair[2], len;

	require(!socketpair(
		AF_UNIX, (code & 1 ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC,
		0, pair));
	host_keep(w, pair[0]);
	if (code & 5) {
		far_socket_accepted(g, pair[1], code >> 3, type);
		return;
	}
	len = snprintf(line, sizeof(line), code & 8 ? "CONNECT %u\n" : "CON%u", code >> 4);
	require(write(pair[0], line, (size_t)len) == len);
	far_socket_greeted(g, pair[1]);
}

static void host_step(struct world *w, struct fuzz_input *in)
{
	uint8_t code = fuzz_u8(in), more = fuzz_u8(in);
	int *fd = &w->sockets[code / 8 % HOST_SOCKETS];
	char data[MAX_PAYLOAD] = {0};

	switch (code % 8) {
	case 0:
		host_connect(w, more);
		break;
	case 1:
		host_keep(w, accept4(w->listeners[more & 1], NULL, NULL,
				     SOCK_NONBLOCK | SOCK_CLOEXEC));
		break;
	case 2:
	case 3:
		(void)!send(*fd, data, more * 4u, MSG_NOSIGNAL | MSG_DONTWAIT);
		break;
	case 4:
		(void)!recv(*fd, data, more * 4u, MSG_DONTWAIT);
		break;
	case 5:
		shutdown(*fd, more % 3);
		break;
	case 6:
		if (*fd >= 0)
			close(*fd);
		*fd = -1;
		break;
	default:
		for (int i = 0; i < GUESTS && more & 1; i++)
			guest_tick(&w->drivers[i].guest);
	}
}

/* --- the world --- */

static struct vu_device *device(void)
{
	static struct vu_device *dev; /* for its log, which says nothing, and its group */
	const struct vu_ops ops = {.size = sizeof(ops)};
	const struct vu_device_info info = {
		.size = sizeof(info), .device_id = 19, .n_queues = 3, .log_level = VU_LOG_ERROR};

	require(dev || !vu_device_new(&info, &ops, NULL, &dev));
	return dev;
}

static void events(void)
{
	struct vu_group *group = vu_device_group(device());

	require(vu_group_arm(group) >= 0);
	require(vu_group_process(group, 0) >= 0);
}

/* The places of this process's inputs. */
static const char *place(int type)
{
	static char folder[FOLDER_PATH], path[FOLDER_PATH + 8];

	if (!*folder)
		require(!folder_new(folder, folder_quick(), "vu-fuzz-vsock") &&
			!folder_guard(folder));
	snprintf(path, sizeof(path), "%s/%d", folder, type);
	return path;
}

static int host_listen(int type)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	strcpy(name.sun_path, place(type));
	unlink(name.sun_path);
	/* Short, so that some have to come again. */
	require(fd >= 0 && !bind(fd, (struct sockaddr *)&name, sizeof(name)) && !listen(fd, 1));
	return fd;
}

static void make_rules(void)
{
	static char texts[2][FOLDER_PATH + 32];

	if (rules.n_forward)
		return;
	snprintf(texts[0], sizeof(texts[0]), "%d=unix:%s", STREAM, place(SOCK_STREAM));
	snprintf(texts[1], sizeof(texts[1]), "%d=seqpacket:%s", SEQPACKET, place(SOCK_SEQPACKET));
	require(!rules_add_forward(&rules, texts[0]) && !rules_add_forward(&rules, texts[1]));
	require(!rules_add_forward(&rules, "0-3=hairpin") && !rules_add_sibling(&rules, "0-6"));
	rules.spawner = -1;
}

static void world_begin(struct world *w)
{
	device();
	make_rules();
	w->fds = count_fds();
	w->vsock.rules = &rules;
	for (int i = 0; i < HOST_SOCKETS; i++)
		w->sockets[i] = -1;
	w->listeners[0] = host_listen(SOCK_STREAM);
	w->listeners[1] = host_listen(SOCK_SEQPACKET);
	for (uint32_t i = 0; i < GUESTS; i++) {
		w->drivers[i] = (struct driver){
			.guest = {.dev = device(),
				  .vsock = &w->vsock,
				  .cid = FIRST_CID + i,
				  .running = true,
				  .seqpacket = true,
				  .stream = true,
				  .max_conns = MAX_CONNS,
				  .buffer = BUFFER,
				  .linger = LINGER,
				  .max_held = (uint64_t)MAX_CONNS * BUFFER},
			.room = MAX_ROOM,
		};
		w->vsock.guests[w->vsock.n_guests++] = &w->drivers[i].guest;
	}
}

/* The drivers are gone; some time later there is nothing of theirs, whoever does not read. */
static void world_end(struct world *w)
{
	for (int i = 0; i < GUESTS; i++) {
		w->drivers[i].guest.running = false;
		guest_forget(&w->drivers[i].guest);
	}
	vsock_pump(&w->vsock, NULL);
	for (int i = 0; i < MANY_TICKS; i++)
		for (int j = 0; j < GUESTS; j++)
			guest_tick(&w->drivers[j].guest);
	for (int i = 0; i < GUESTS; i++)
		require(!w->drivers[i].guest.n_conns);
	for (int i = 0; i < HOST_SOCKETS; i++)
		if (w->sockets[i] >= 0)
			close(w->sockets[i]);
	close(w->listeners[0]);
	close(w->listeners[1]);
	events();
	require(count_fds() == w->fds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, data + size};
	struct world *w = calloc(1, sizeof(*w));

	world_begin(w);
	for (int i = 0; i < STEPS && in.at < in.end; i++) {
		uint8_t code = fuzz_u8(&in);
		struct driver *d = &w->drivers[code & 1];

		if (code < 0x90)
			driver_send(d, &in);
		else if (code < 0xb0)
			driver_offer(d, &in);
		else if (code < 0xf8)
			host_step(w, &in);
		else
			driver_restart(d, code >> 1);
		vsock_pump(&w->vsock, NULL);
		events();
	}
	world_end(w);
	free(w);
	return 0;
}
