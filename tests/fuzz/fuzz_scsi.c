/* SPDX-License-Identifier: MIT */
/*
 * vu-scsi's requests: an input is a row of commands and task management functions of two
 * initiators, and of what happens to logical units meanwhile.  Each request is answered once, as
 * the specification has answers, with nothing written beyond what is told of; what is outside of a
 * logical unit stays out of reach, and in the end nothing is in flight.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "kit/folder.h"
#include "scsi_command.h"

enum { MAX_SEGS = 6, MAX_DATA = 4096, INITIATORS = 2, STEPS = 48, TAGS = 4, UNTOUCHED = 0xee };
enum { HEADER = sizeof(struct virtio_scsi_cmd_req), ANSWER = sizeof(struct virtio_scsi_cmd_resp) };
enum { CD_BYTES = 16 * 2048, MANY_TURNS = 10000 };

struct chain {
	struct vu_req req; /* first: what is completed */
	struct iovec readable[MAX_SEGS], writable[MAX_SEGS];
	bool control;
	_Alignas(max_align_t) unsigned char priv[sizeof(struct scsi_cmd)];
};

/* The one that is to be taken next, and how many were not answered yet. */
struct world {
	struct scsi_settings settings;
	struct scsi initiators[INITIATORS];
	struct chain *next;
	uint32_t open;
};

static struct world *world;

int __wrap_vu_queue_next(struct vu_queue *vq, struct vu_req **req);
int __wrap_vu_queue_available(struct vu_queue *vq);
int __wrap_vu_queue_next_batch(struct vu_queue *vq, struct vu_req **reqs, uint32_t max);
void __wrap_vu_req_complete(struct vu_req *req, uint64_t len);
void __wrap_vu_req_complete_remote(struct vu_req *req, uint64_t len);
int __wrap_vu_queue_complete_batch(struct vu_queue *vq, struct vu_req *const *reqs,
				   const uint64_t *written, uint32_t n);

/* --- in the library's place --- */

int __wrap_vu_queue_next(struct vu_queue *vq, struct vu_req **req)
{
	struct chain *c = world->next;

	(void)vq;
	world->next = NULL;
	if (c)
		*req = &c->req;
	return c ? 1 : 0;
}

int __wrap_vu_queue_next_batch(struct vu_queue *vq, struct vu_req **reqs, uint32_t max)
{
	/* Functions ask queues that have nothing new. */
	return max && world->next && !world->next->control ? __wrap_vu_queue_next(vq, reqs) : 0;
}

int __wrap_vu_queue_available(struct vu_queue *vq)
{
	(void)vq;
	return 0;
}

static void chain_read(const struct chain *c, uint64_t offset, void *data, size_t len)
{
	const struct vu_req out = {.readable = c->writable,
				   .n_readable = c->req.n_writable,
				   .readable_len = c->req.writable_len};

	require(vu_req_read(&out, offset, data, len) == len);
}

static void check_answer(const struct chain *c, uint64_t len)
{
	struct virtio_scsi_cmd_resp answer = {0};
	size_t head = offsetof(struct virtio_scsi_cmd_resp, sense);

	require(len <= c->req.writable_len);
	if (c->control)
		return;
	if (!len) {
		require(c->req.writable_len < head);
		return;
	}
	require(len >= head);
	chain_read(c, 0, &answer, head);
	require(answer.response <= VIRTIO_SCSI_S_FAILURE ||
		answer.response == VIRTIO_SCSI_S_ABORTED);
	require(answer.status == 0 || answer.response == VIRTIO_SCSI_S_OK);
	require(!answer.sense_len || answer.status == 2);
	require(le32toh(answer.resid) <= c->req.writable_len + c->req.readable_len);
}

/* Behind what was told of nothing was written. */
static void check_rest(const struct chain *c, uint64_t len)
{
	for (uint64_t i = len; i < c->req.writable_len; i++) {
		unsigned char byte;

		chain_read(c, i, &byte, 1);
		require(byte == UNTOUCHED);
	}
}

void __wrap_vu_req_complete(struct vu_req *req, uint64_t len)
{
	struct chain *c = (struct chain *)req;

	check_answer(c, len);
	check_rest(c, len);
	for (uint32_t i = 0; i < c->req.n_readable; i++)
		free(c->readable[i].iov_base);
	for (uint32_t i = 0; i < c->req.n_writable; i++)
		free(c->writable[i].iov_base);
	require(world->open--);
	free(c);
}

void __wrap_vu_req_complete_remote(struct vu_req *req, uint64_t len)
{
	__wrap_vu_req_complete(req, len);
}

int __wrap_vu_queue_complete_batch(struct vu_queue *vq, struct vu_req *const *reqs,
				   const uint64_t *written, uint32_t n)
{
	(void)vq;
	for (uint32_t i = 0; i < n; i++)
		__wrap_vu_req_complete(reqs[i], written[i]);
	return 0;
}

/* --- requests --- */

/* Pieces of memory of their own, so that a byte too much is seen. */
static uint32_t chain_cut(struct iovec segs[MAX_SEGS], const unsigned char *data, uint32_t len,
			  uint32_t piece)
{
	uint32_t n = 0;

	while (len) {
		uint32_t part = n == MAX_SEGS - 1 || !piece || piece > len ? len : piece;

		segs[n] = (struct iovec){malloc(part), part};
		if (data) {
			memcpy(segs[n].iov_base, data, part);
			data += part;
		} else {
			memset(segs[n].iov_base, UNTOUCHED, part);
		}
		n++;
		len -= part;
	}
	return n;
}

static struct chain *chain_new(const unsigned char *out, uint32_t out_len, uint32_t in_len,
			       uint8_t piece)
{
	struct chain *c = calloc(1, sizeof(*c));

	c->req.readable = c->readable;
	c->req.writable = c->writable;
	c->req.readable_len = out_len;
	c->req.writable_len = in_len;
	c->req.n_readable = chain_cut(c->readable, out, out_len, (piece & 15) * 8u);
	c->req.n_writable = chain_cut(c->writable, NULL, in_len, (piece >> 4) * 24u);
	c->req.priv = c->priv;
	world->open++;
	return c;
}

/* A logical unit, mostly one that there is. */
static void put_address(uint8_t lun[8], uint8_t code)
{
	lun[0] = code == 0xff ? 0xc1 : 1;
	lun[1] = code == 0xff ? 1 : code >> 6;
	lun[2] = code & 8 ? 0x40 : 0;
	lun[3] = code & 7;
	lun[7] = code == 0xfe;
}

static uint32_t pick_len(uint8_t code)
{
	static const uint32_t lens[] = {0, 0, 24, 512, 1024, 2048, 4096};

	return code < 0x20 ? lens[code % 7] : code;
}

/* Places of blocks are near 0 or the end most of the time, by one byte. */
static void soften(uint8_t *cdb, uint8_t code)
{
	uint32_t at = cdb[0] >> 5 == 4 ? 8 : 4;

	if (code & 1)
		memset(cdb + 2, 0, at - 2);
	if (code & 2 && cdb[0] >> 5)
		memset(cdb + (cdb[0] >> 5 == 4	 ? 10
			      : cdb[0] >> 5 == 5 ? 6
						 : 7),
		       0, cdb[0] >> 5 == 4 ? 3 : 1);
}

static void command(struct scsi *scsi, struct fuzz_input *in)
{
	uint8_t where = fuzz_u8(in), piece = fuzz_u8(in), soft = fuzz_u8(in), odd = fuzz_u8(in);
	uint32_t out_len = pick_len(fuzz_u8(in)), in_len = pick_len(fuzz_u8(in));
	unsigned char out[HEADER + MAX_DATA] = {0};
	struct virtio_scsi_cmd_req header = {.tag = htole64(odd % TAGS)};
	uint32_t cdb = 6 + fuzz_u8(in) % 11, data = fuzz_u8(in) % 64;

	put_address(header.lun, where);
	for (uint32_t i = 0; i < cdb; i++)
		header.cdb[i] = fuzz_u8(in);
	soften(header.cdb, soft);
	memcpy(out, &header, sizeof(header));
	for (uint32_t i = 0; i < data; i++)
		out[HEADER + i] = fuzz_u8(in);
	world->next = chain_new(out, odd == 0xff ? piece % HEADER : HEADER + out_len,
				odd == 0xfe ? piece % ANSWER : ANSWER + in_len, piece);
	if (soft & 0x80)
		world->next->req.flags = VU_REQ_RESUBMITTED;
	scsi_queue_ready(scsi->queues);
}

static void function(struct scsi *scsi, struct fuzz_input *in)
{
	uint8_t type = fuzz_u8(in), where = fuzz_u8(in), odd = fuzz_u8(in);
	struct virtio_scsi_ctrl_tmf_req request = {
		.type = htole32(type >> 6),
		.subtype = htole32(type & 15),
		.tag = htole64(odd % TAGS),
	};

	put_address(request.lun, where);
	world->next =
		chain_new((const unsigned char *)&request,
			  odd == 0xff ? where % sizeof(request) : sizeof(request), odd >> 4, 0);
	world->next->control = true;
	scsi_control_ready(scsi, NULL);
}

/* --- what happens to logical units --- */

static const char *own_folder(void)
{
	static char folder[FOLDER_PATH];

	if (!*folder)
		require(!folder_new(folder, folder_quick(), "vu-fuzz-scsi") &&
			!folder_guard(folder));
	return folder;
}

static const char *cd_path(void)
{
	static char path[FOLDER_PATH + 8];

	snprintf(path, sizeof(path), "%s/cd", own_folder());
	return path;
}

static void change(struct scsi_host *host, struct fuzz_input *in)
{
	static const char *const words[] = {"0:5,null=1M", "3:0,memory=8K,read-only",
					    "0:1,memory=64K", "9,cd"};
	uint8_t code = fuzz_u8(in), where = fuzz_u8(in);
	char error[512];
	int ret = 0;

	switch (code % 4) {
	case 0:
		ret = scsi_lun_add(host, words[where % 4], error, sizeof(error));
		break;
	case 1:
		ret = scsi_lun_remove(host, where >> 6, where & 7);
		break;
	case 2:
		ret = scsi_lun_load(host, 1, 0, where & 1 ? cd_path() : NULL, error, sizeof(error));
		break;
	default:
		scsi_attention_power_on(host, where % INITIATORS);
	}
	(void)ret; /* some of it cannot be */
}

/* --- the world --- */

/* All that was posted and begun is done. */
static void settle(void)
{
	int turns = 0;

	for (bool busy = true; busy; turns++) {
		require(turns < MANY_TURNS);
		busy = false;
		for (int i = 0; i < INITIATORS; i++) {
			struct scsi_queue *q = world->initiators[i].queues;

			require(vu_group_arm(q->group) >= 0 && vu_group_process(q->group, 0) >= 0);
			busy |= q->in_flight || q->waits;
		}
		busy |= turns == 0;
	}
	require(!world->open);
}

static struct vu_device *device(int i)
{
	static struct vu_device *devs[INITIATORS]; /* for their logs, which say nothing */
	const struct vu_ops ops = {.size = sizeof(ops)};
	const struct vu_device_info info = {
		.size = sizeof(info), .device_id = 8, .n_queues = 3, .log_level = VU_LOG_ERROR};

	require(devs[i] || !vu_device_new(&info, &ops, NULL, &devs[i]));
	return devs[i];
}

static void begin_initiator(struct scsi_host *host, uint32_t index)
{
	struct scsi *scsi = &world->initiators[index];
	struct scsi_queue *q = calloc(1, sizeof(*q));

	*scsi = (struct scsi){.host = host,
			      .settings = &world->settings,
			      .dev = device((int)index),
			      .index = index,
			      .n_queues = 1,
			      .queues = q,
			      .cdb_size = VIRTIO_SCSI_CDB_SIZE,
			      .sense_size = VIRTIO_SCSI_SENSE_SIZE};
	q->scsi = scsi;
	require(!vu_group_new(&q->group));
	host->initiators[index] = scsi;
	host->refs++;
}

static void make_cd(void)
{
	int fd = open(cd_path(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	require(fd >= 0 && !ftruncate(fd, CD_BYTES));
	close(fd);
}

static struct scsi_host *begin(uint8_t options)
{
	static const char *const luns[] = {"0:0,memory=1M", "0:1,memory=256K,block=4096",
					   "0:2,null=8T", "0:3,memory=64K,read-only", "1:0,cd"};
	struct scsi_host *host = calloc(1, sizeof(*host));
	char error[512];

	world = calloc(1, sizeof(*world));
	make_cd();
	world->settings.dir = options & 1 ? own_folder() : NULL;
	world->settings.disk.queue_size = 64;
	world->settings.disk.locking = DISK_LOCKING_OFF;
	world->settings.sandbox = SANDBOX_NONE;
	world->settings.host = host;
	host->settings = &world->settings;
	host->inside = world->settings.dir;
	scsi_commands_init(host);
	for (size_t i = 0; i < sizeof(luns) / sizeof(luns[0]); i++)
		require(!scsi_lun_add(host, luns[i], error, sizeof(error)));
	for (uint32_t i = 0; i < INITIATORS; i++)
		begin_initiator(host, i);
	return host;
}

static void end(struct scsi_host *host)
{
	settle();
	for (int i = 0; i < INITIATORS; i++) {
		scsi_queue_fini(world->initiators[i].queues);
		vu_group_free(world->initiators[i].queues->group);
		free(world->initiators[i].queues);
	}
	scsi_lun_fini(host);
	require(!folder_clear(own_folder()) && !mkdir(own_folder(), 0700));
	free(host);
	free(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, data + size};
	struct scsi_host *host = begin(fuzz_u8(&in));

	for (int i = 0; i < STEPS && in.at < in.end; i++) {
		uint8_t code = fuzz_u8(&in);
		struct scsi *scsi = &world->initiators[code & 1];

		if (code < 0xd0)
			command(scsi, &in);
		else if (code < 0xe8)
			function(scsi, &in);
		else if (code < 0xf4)
			change(host, &in);
		else
			settle();
	}
	end(host);
	return 0;
}
