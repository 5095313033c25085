/* SPDX-License-Identifier: MIT */
/* For each type of device one request that it serves and that changes nothing. */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

/* A buffer of the request, zeroed: where it is in this process, or NULL. */
static void *request_add(struct guest *guest, struct request *r, uint32_t len, bool write)
{
	uint64_t gpa = guest_alloc(guest, len, 16);
	void *host = gpa == GUEST_NONE ? NULL : guest_ptr(guest, gpa, len);

	if (!host)
		return NULL;
	memset(host, 0, len);
	if (write && !r->answer)
		r->answer = host;
	if (write)
		r->writable += len;
	r->segs[r->n++] = (struct driver_seg){gpa, len, write};
	return host;
}

/* One readable buffer with these bytes, and one writable of answer bytes, if any. */
static int request_make(struct guest *guest, struct request *r, const void *bytes, uint32_t len,
			uint32_t answer)
{
	void *host = NULL;

	memset(r, 0, sizeof(*r));
	if (len) {
		host = request_add(guest, r, len, false);
		if (!host)
			return -ENOMEM;
		memcpy(host, bytes, len);
	}
	return answer && !request_add(guest, r, answer, true) ? -ENOMEM : 0;
}

static const char *no_flaw(const struct request *r, uint32_t used_len)
{
	(void)r;
	(void)used_len;
	return NULL;
}

static const char *needs_answer(const struct request *r, uint32_t used_len)
{
	(void)r;
	return used_len ? NULL : "nothing was written";
}

/* Read the first 4 KiB: virtio_blk_req, data, status. */
static int blk_make(struct guest *guest, struct request *r)
{
	const unsigned char header[16] = {0};
	unsigned char *status;
	int ret = request_make(guest, r, header, sizeof(header), 4096);

	if (ret)
		return ret;
	status = request_add(guest, r, 1, true);
	if (!status)
		return -ENOMEM;
	*status = 0xff;
	r->answer = status;
	return 0;
}

static const char *blk_flaw(const struct request *r, uint32_t used_len)
{
	if (*r->answer == 0xff)
		return "the status was not written";
	if (*r->answer)
		return "reading the first 4 KiB failed";
	return used_len == r->writable ? NULL : "not all of data and status was written";
}

static int rng_make(struct guest *guest, struct request *r)
{
	return request_make(guest, r, NULL, 0, 64);
}

/* INQUIRY to LUN 0, addressed as Linux does: virtio_scsi_req_cmd, virtio_scsi_resp_cmd, data. */
enum { SCSI_RESPONSE = 11, SCSI_UNTOUCHED = 0xff };

static int scsi_make(struct guest *guest, struct request *r)
{
	unsigned char header[51] = {[0] = 1, [2] = 0x40, [19] = 0x12, [23] = 36};
	unsigned char *response;

	if (request_make(guest, r, header, sizeof(header), 0))
		return -ENOMEM;
	response = request_add(guest, r, 108, true);
	if (!response || !request_add(guest, r, 36, true))
		return -ENOMEM;
	response[SCSI_RESPONSE] = SCSI_UNTOUCHED;
	return 0;
}

/* virtio 1.3 §2.7.8.2: a device may write more than the length that it gives; some give 0. */
static const char *scsi_flaw(const struct request *r, uint32_t used_len)
{
	(void)used_len;
	return r->answer[SCSI_RESPONSE] == SCSI_UNTOUCHED ? "the response was not written" : NULL;
}

enum { FUSE_UNIQUE = 77 };

/* FUSE_INIT 7.31: fuse_in_header and fuse_init_in, fuse_out_header and fuse_init_out. */
static int fs_make(struct guest *guest, struct request *r)
{
	uint32_t in[14] = {[0] = sizeof(in), [1] = 26, [2] = FUSE_UNIQUE, [10] = 7, [11] = 31};

	return request_make(guest, r, in, sizeof(in), 80);
}

static const char *fs_flaw(const struct request *r, uint32_t used_len)
{
	uint32_t out[4];

	memcpy(out, r->answer, sizeof(out));
	if (used_len < sizeof(out) || out[0] > used_len)
		return "the reply's header was not written";
	return out[2] == FUSE_UNIQUE ? NULL : "the reply is not to the request";
}

static int console_make(struct guest *guest, struct request *r)
{
	return request_make(guest, r, "\r", 1, 0);
}

/* A reset of a connection that never was: nothing is answered. */
static int vsock_make(struct guest *guest, struct request *r)
{
	struct {
		uint64_t src_cid, dst_cid;
		uint32_t src_port, dst_port, len;
		uint16_t type, op;
		uint32_t flags, buf_alloc, fwd_cnt;
	} packet = {.src_cid = htole64(3), .dst_cid = htole64(2), .type = htole16(1)};

	packet.op = htole16(3);
	return request_make(guest, r, &packet, 44, 0);
}

/* One byte read from address 0x10: virtio_i2c_out_hdr, data, virtio_i2c_in_hdr. */
static int i2c_make(struct guest *guest, struct request *r)
{
	const unsigned char header[8] = {0x20, 0, 0, 0, 2};
	unsigned char *status;
	int ret = request_make(guest, r, header, sizeof(header), 1);

	if (ret)
		return ret;
	status = request_add(guest, r, 1, true);
	if (!status)
		return -ENOMEM;
	*status = 0xff;
	r->answer = status;
	return 0;
}

static const char *i2c_flaw(const struct request *r, uint32_t used_len)
{
	(void)used_len;
	return *r->answer > 1 ? "the status was not written" : NULL;
}

/* GET_DIRECTION of line 0. */
static int gpio_make(struct guest *guest, struct request *r)
{
	const unsigned char header[8] = {2};

	return request_make(guest, r, header, sizeof(header), 2);
}

static const char *gpio_flaw(const struct request *r, uint32_t used_len)
{
	(void)r;
	return used_len == 2 ? NULL : "the response was not written";
}

/* A status event that means nothing: EV_SYN. */
static int input_make(struct guest *guest, struct request *r)
{
	const unsigned char event[8] = {0};

	return request_make(guest, r, event, sizeof(event), 0);
}

/* PROTOCOL_VERSION of the base protocol. */
static int scmi_make(struct guest *guest, struct request *r)
{
	const uint32_t header = htole32(0x10 << 10);

	return request_make(guest, r, &header, sizeof(header), 12);
}

static const char *scmi_flaw(const struct request *r, uint32_t used_len)
{
	(void)r;
	return used_len == 12 ? NULL : "the response was not written";
}

/* PCM_INFO of stream 0: virtio_snd_query_info, virtio_snd_hdr, virtio_snd_pcm_info. */
static int snd_make(struct guest *guest, struct request *r)
{
	const uint32_t query[4] = {htole32(0x100), 0, htole32(1), htole32(32)};

	return request_make(guest, r, query, sizeof(query), 36);
}

static const char *snd_flaw(const struct request *r, uint32_t used_len)
{
	return used_len == 36 && r->answer[1] == 0x80 ? NULL
						      : "the stream's description was not written";
}

/* GET_DISPLAY_INFO: virtio_gpu_ctrl_hdr, virtio_gpu_resp_display_info. */
static int gpu_make(struct guest *guest, struct request *r)
{
	const uint32_t header[6] = {htole32(0x100)};

	return request_make(guest, r, header, sizeof(header), 408);
}

static const char *gpu_flaw(const struct request *r, uint32_t used_len)
{
	return used_len == 408 && r->answer[1] == 0x11 ? NULL : "the displays were not written";
}

/* REQ_CFG: virtio_rtc_req_head, virtio_rtc_resp_cfg. */
static int rtc_make(struct guest *guest, struct request *r)
{
	const unsigned char head[8] = {0, 0x10};

	return request_make(guest, r, head, sizeof(head), 16);
}

static const char *rtc_flaw(const struct request *r, uint32_t used_len)
{
	return used_len == 16 && !*r->answer ? NULL : "the number of clocks was not written";
}

/* A transfer of no bytes with chip 0: virtio_spi_transfer_head, virtio_spi_transfer_result. */
static int spi_make(struct guest *guest, struct request *r)
{
	const unsigned char head[32] = {0, 8};
	int ret = request_make(guest, r, head, sizeof(head), 0);
	unsigned char *result;

	if (ret)
		return ret;
	result = request_add(guest, r, 1, true);
	if (!result)
		return -ENOMEM;
	*result = 0xff;
	return 0;
}

static const char *spi_flaw(const struct request *r, uint32_t used_len)
{
	return used_len == 1 && !*r->answer ? NULL : "the result was not written";
}

/* A message of no type to the control queue: virtio_can_control_out, virtio_can_control_in. */
static int can_make(struct guest *guest, struct request *r)
{
	return request_make(guest, r, "\0", 2, 1);
}

static const char *can_flaw(const struct request *r, uint32_t used_len)
{
	return used_len == 1 && *r->answer ? NULL : "a message of no type was not refused";
}

/*
 * A packet to an address of nobody's, of a type for experiments: virtio_net_hdr_v1, Ethernet.
 * The buffer is the device's to read, and comes back.
 */
static int net_make(struct guest *guest, struct request *r)
{
	static const unsigned char packet[12 + 60] = {
		[12] = 2, [17] = 1, [18] = 2, [23] = 2, [24] = 0x88, [25] = 0xb5};

	return request_make(guest, r, packet, sizeof(packet), 0);
}

static const struct request_type types[] = {
	{"blk", 0, 1, 0, blk_make, blk_flaw},
	{"net", 0, 2, 1, net_make, no_flaw},
	{"rng", 0, 1, 0, rng_make, needs_answer},
	{"scsi", 0, 3, 2, scsi_make, scsi_flaw},
	{"fs", 0, 2, 1, fs_make, fs_flaw},
	{"console", 0, 2, 1, console_make, no_flaw},
	{"vsock", 0, 2, 1, vsock_make, no_flaw},
	/* Its driver has to accept VIRTIO_I2C_F_ZERO_LENGTH_REQUEST. */
	{"i2c", BIT(0), 1, 0, i2c_make, i2c_flaw},
	{"gpio", 0, 1, 0, gpio_make, gpio_flaw},
	{"input", 0, 2, 1, input_make, no_flaw},
	{"scmi", 0, 1, 0, scmi_make, scmi_flaw},
	{"snd", 0, 4, 0, snd_make, snd_flaw},
	{"gpu", 0, 2, 0, gpu_make, gpu_flaw},
	{"rtc", 0, 1, 0, rtc_make, rtc_flaw},
	{"spi", 0, 1, 0, spi_make, spi_flaw},
	{"can", 0, 3, 2, can_make, can_flaw},
};

const struct request_type *request_type_find(const char *name)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(types[i].name, name))
			return &types[i];
	return NULL;
}

const char *request_type_names(void)
{
	return "blk, net, rng, scsi, fs, console, vsock, i2c, gpio, input, scmi, snd, gpu, rtc, "
	       "spi, can";
}
