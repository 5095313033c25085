/* SPDX-License-Identifier: MIT */
/* See ask.h. */
#include "ask.h"

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
	ask->rig.config.n_queues = REQUESTQ + ASK_QUEUES;
	ask->rig.has_sandbox = true;
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

void ask_connect(struct ask *ask)
{
	rig_connect(&ask->rig);
	for (uint32_t i = 0; i < ASK_QUEUES; i++) {
		rig_buffer(&ask->rig, &ask->io[i].header, HEADER);
		rig_buffer(&ask->rig, &ask->io[i].answer, ANSWER);
		rig_buffer(&ask->rig, &ask->io[i].out, ASK_DATA);
		rig_buffer(&ask->rig, &ask->io[i].in, ASK_DATA);
	}
}

void ask_start_bare(struct ask *ask, const char *const *args)
{
	rig_spawn(&ask->rig, args);
	ask_connect(ask);
}

void ask_start(struct ask *ask, const char *const *args)
{
	const char *argv[RIG_MAX_ARGS + 1] = {0};
	char lun[128];
	int n = 0;

	if (access(ask->image, F_OK) < 0)
		image_make(ask->image, IMAGE);
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
	struct ask_io *io = &ask->io[queue - REQUESTQ];
	struct virtio_scsi_cmd_req *req = (void *)io->header.data;
	struct driver_seg segs[4];
	uint32_t n = 0;

	assert_true(out_len <= ASK_DATA && in_len <= ASK_DATA);
	memset(req, 0, sizeof(*req));
	req->lun[0] = 1;
	req->lun[1] = (uint8_t)(lun >> 8);
	req->lun[2] = 0x40;
	req->lun[3] = (uint8_t)lun;
	memcpy(req->cdb, cdb, ASK_CDB);
	memset(io->answer.data, RIG_UNTOUCHED, ANSWER);
	memset(io->in.data, RIG_UNTOUCHED, in_len);
	segs[n++] = rig_read_seg(&io->header, HEADER);
	if (out_len) {
		memcpy(io->out.data, out, out_len);
		segs[n++] = rig_read_seg(&io->out, out_len);
	}
	segs[n++] = rig_write_seg(&io->answer, ANSWER);
	if (in_len)
		segs[n++] = rig_write_seg(&io->in, in_len);
	ask->used = rig_do(&ask->rig, queue, segs, n);
	ask->data = io->in.data;
	return ask_result(ask, (void *)io->answer.data);
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
