/* SPDX-License-Identifier: MIT */
/* See ask.h. */
#include "ask.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char *const rig_program = "VU_SCSI";

int ask_setup(void **state)
{
	struct ask *ask = calloc(1, sizeof(*ask));

	if (rig_open(&ask->rig, "/var/tmp"))
		return -1;
	snprintf(ask->image, sizeof(ask->image), "%s/image", ask->rig.dir);
	ask->memory.size = ASK_MEMORY;
	ask->memory.uva = UINT64_C(0x7f0000000000);
	ask->rig.config.n_regions = 1;
	ask->rig.config.regions = &ask->memory;
	ask->rig.config.n_queues = 4;
	*state = ask;
	return 0;
}

int ask_teardown(void **state)
{
	struct ask *ask = *state;
	int ret;

	unlink(ask->image);
	/* Out of the sandbox's reach. */
	unlink(ask->rig.socket);
	unlink(ask->rig.control);
	ret = rig_close(&ask->rig);
	free(ask);
	return ret;
}

unsigned char ask_byte(uint64_t sector)
{
	return (unsigned char)(1 + sector * 7 % 251);
}

void ask_make_image(struct ask *ask)
{
	int fd = open(ask->image, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	unsigned char sector[512];

	assert_true(fd >= 0);
	for (uint64_t i = 0; i < IMAGE / sizeof(sector); i++) {
		memset(sector, ask_byte(i), sizeof(sector));
		assert_int_equal(write(fd, sector, sizeof(sector)), sizeof(sector));
	}
	close(fd);
}

void ask_read_image(const struct ask *ask, uint64_t offset, void *data, size_t len)
{
	int fd = open(ask->image, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, data, len, (off_t)offset), len);
	close(fd);
}

/* Places in guest memory, the same for each command of a driver. */
static void ask_places(struct ask *ask)
{
	rig_buffer(&ask->rig, &ask->header, HEADER);
	rig_buffer(&ask->rig, &ask->answer, ANSWER);
	rig_buffer(&ask->rig, &ask->out, ASK_DATA);
	rig_buffer(&ask->rig, &ask->in, ASK_DATA);
}

void ask_start_bare(struct ask *ask, const char *const *args)
{
	rig_start(&ask->rig, args);
	ask_places(ask);
}

void ask_start(struct ask *ask, const char *const *args)
{
	const char *argv[RIG_MAX_ARGS + 1] = {0};
	char lun[128];
	int n = 0;

	if (access(ask->image, F_OK) < 0)
		ask_make_image(ask);
	snprintf(lun, sizeof(lun), "--lun=0:0,file=%s", ask->image);
	argv[n++] = lun;
	argv[n++] = "--num-queues=2";
	for (; args && *args; args++)
		argv[n++] = *args;
	ask_start_bare(ask, argv);
}

static int ask_result(struct ask *ask, const struct virtio_scsi_cmd_resp *answer)
{
	const unsigned char *s = answer->sense;

	ask->resid = le32toh(answer->resid);
	ask->sense_len = le32toh(answer->sense_len);
	ask->sense = s;
	if (answer->response != VIRTIO_SCSI_S_OK)
		return RESPONSE | answer->response;
	if (answer->status != 2)
		return answer->status ? 1 << 24 | answer->status : GOOD;
	assert_true(ask->sense_len >= 8);
	if (s[0] == 0x72)
		return SENSE(s[1], s[2], s[3]);
	assert_int_equal(s[0], 0x70);
	return SENSE(s[2], s[12], s[13]);
}

int ask_on(struct ask *ask, uint32_t queue, uint32_t lun, const unsigned char *cdb, const void *out,
	   uint32_t out_len, uint32_t in_len)
{
	struct virtio_scsi_cmd_req *req = (void *)ask->header.data;
	struct driver_seg segs[4];
	uint32_t n = 0;

	assert_true(out_len <= ASK_DATA && in_len <= ASK_DATA);
	memset(req, 0, sizeof(*req));
	req->lun[0] = 1;
	req->lun[1] = (uint8_t)(lun >> 8);
	req->lun[2] = 0x40;
	req->lun[3] = (uint8_t)lun;
	memcpy(req->cdb, cdb, ASK_CDB);
	memset(ask->answer.data, RIG_UNTOUCHED, ANSWER);
	memset(ask->in.data, RIG_UNTOUCHED, in_len);
	segs[n++] = rig_read_seg(&ask->header, HEADER);
	if (out_len) {
		memcpy(ask->out.data, out, out_len);
		segs[n++] = rig_read_seg(&ask->out, out_len);
	}
	segs[n++] = rig_write_seg(&ask->answer, ANSWER);
	if (in_len)
		segs[n++] = rig_write_seg(&ask->in, in_len);
	ask->used = rig_do(&ask->rig, queue, segs, n);
	ask->data = ask->in.data;
	return ask_result(ask, (void *)ask->answer.data);
}

int ask_do(struct ask *ask, uint32_t lun, const unsigned char *cdb, const void *out,
	   uint32_t out_len, uint32_t in_len)
{
	return ask_on(ask, REQUESTQ, lun, cdb, out, out_len, in_len);
}

int ask_ready(struct ask *ask, uint32_t lun)
{
	return ask_do(ask, lun, CDB(0), NULL, 0, 0);
}

int ask_function(struct ask *ask, uint32_t subtype, uint32_t lun, uint64_t tag)
{
	struct virtio_scsi_ctrl_tmf_req req = {
		.type = htole32(VIRTIO_SCSI_T_TMF),
		.subtype = htole32(subtype),
		.lun = {1, (uint8_t)(lun >> 8), 0x40, (uint8_t)lun},
		.tag = htole64(tag),
	};
	uint8_t response = RIG_UNTOUCHED;

	assert_int_equal(rig_ask(&ask->rig, CONTROLQ, &req, sizeof(req), &response, 1), 1);
	return response;
}
