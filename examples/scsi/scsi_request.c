/* SPDX-License-Identifier: MIT */
/*
 * Requests of a SCSI host (virtio 1.3 §5.6.6.1): read once, run, answered.
 *
 * A command that moves data is in flight until the back-end has finished, and maybe takes a step
 * more, which begins when the back-end has returned (scsi_settle()).  Queue thread.
 */
#include "scsi_command.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	HEADER = offsetof(struct virtio_scsi_cmd_req, cdb),    /* before the CDB */
	ANSWER = offsetof(struct virtio_scsi_cmd_resp, sense), /* before the sense data */
	GRAIN = 16 << 10, /* bytes copied until what is finished is published */
	STATUS_CHECK = 0x02,
	STATUS_MET = 0x04,
	STATUS_BUSY = 0x08,
	STATUS_CONFLICT = 0x18,
};

/* --- completing --- */

static void queue_flush(struct scsi_queue *q)
{
	if (q->n_done)
		vu_queue_complete_batch(q->vq, q->done, q->written, q->n_done);
	q->n_done = 0;
	q->worked = 0;
}

static void queue_complete(struct scsi_queue *q, struct vu_req *req, uint64_t written)
{
	q->done[q->n_done] = req;
	q->written[q->n_done++] = written;
	if (q->n_done == SCSI_BATCH)
		queue_flush(q);
}

static uint8_t status_of(int result)
{
	static const uint8_t statuses[] = {[-SCSI_BUSY] = STATUS_BUSY,
					   [-SCSI_CONFLICT] = STATUS_CONFLICT,
					   [-SCSI_MET] = STATUS_MET,
					   [-SCSI_OVERRUN] = 0,
					   [-SCSI_PASSED] = 0};

	return result > 0 ? STATUS_CHECK : result < 0 ? statuses[-result] : 0;
}

/* Sense data and what goes with it, into len bytes that are zeros. */
static void answer_fill(const struct scsi_cmd *cmd, struct virtio_scsi_cmd_resp *head, uint32_t len,
			uint8_t response, int result)
{
	head->response = response;
	head->resid = htole32((uint32_t)(cmd->in_len + cmd->out_len - cmd->taken - cmd->given));
	if (result == SCSI_PASSED && response == VIRTIO_SCSI_S_OK) {
		scsi_pass_answer(cmd, head, len - ANSWER);
	} else if (response == VIRTIO_SCSI_S_OK) {
		head->status = status_of(result);
		if (result > 0) {
			uint32_t sense = scsi_sense_write(head->sense, (uint32_t)result, cmd->field,
							  cmd->lun && cmd->lun->descriptor_sense);

			if (sense > len - ANSWER)
				sense = len - ANSWER;
			head->sense_len = htole32(sense);
		}
	}
}

/* In one piece, as drivers lay it out: written where it belongs, and never looked at there. */
static void answer_in_place(const struct scsi_cmd *cmd, uint8_t response, int result)
{
	static const struct virtio_scsi_cmd_resp nothing;
	struct virtio_scsi_cmd_resp *head = cmd->req->writable->iov_base;

	*head = nothing;
	answer_fill(cmd, head, sizeof(*head), response, result);
}

static void answer_in_pieces(const struct scsi_cmd *cmd, uint8_t response, int result)
{
	struct {
		struct virtio_scsi_cmd_resp head;
		uint8_t more[256]; /* of a larger sense_size */
	} answer;
	uint32_t len = cmd->in_at;

	memset(&answer, 0, len);
	answer_fill(cmd, &answer.head, len, response, result);
	vu_req_write(cmd->req, 0, &answer, len);
}

/* The response, zeros where there is nothing to say: how much is written of the request. */
static uint64_t cmd_answer(struct scsi_cmd *cmd, uint8_t response, int result)
{
	uint32_t len = cmd->in_at;

	if (len == sizeof(struct virtio_scsi_cmd_resp) && cmd->req->writable->iov_len >= len)
		answer_in_place(cmd, response, result);
	else
		answer_in_pieces(cmd, response, result);
	/* Also of a read that failed half-way: what it may have touched. */
	return len + cmd->given;
}

static void cmd_respond(struct scsi_cmd *cmd, uint8_t response, int result)
{
	uint64_t written = cmd_answer(cmd, response, result);

	queue_complete(cmd->queue, cmd->req, written);
}

void scsi_end_remote(struct scsi_cmd *cmd, int result)
{
	vu_req_complete_remote(cmd->req, cmd_answer(cmd, VIRTIO_SCSI_S_OK, result));
}

static void cmd_unlink(struct scsi_cmd *cmd)
{
	if (cmd->next)
		cmd->next->prev = cmd->prev;
	if (cmd->prev)
		cmd->prev->next = cmd->next;
	else
		cmd->queue->in_flight = cmd->next;
}

static void cmd_link(struct scsi_cmd *cmd)
{
	struct scsi_queue *q = cmd->queue;

	cmd->next = q->in_flight;
	if (cmd->next)
		cmd->next->prev = cmd;
	q->in_flight = cmd;
}

/* What it held while it was in flight. */
static void cmd_let_go(struct scsi_cmd *cmd)
{
	struct scsi_queue *q = cmd->queue;
	struct scsi_unit *unit = cmd->unit;

	if (cmd->compares)
		atomic_store(&cmd->lun->comparing, false);
	if (cmd->buffer)
		q->free_buffers[q->n_free_buffers++] = cmd->buffer;
	if (cmd->io.ranges)
		free(cmd->io.ranges);
	if (!unit)
		return;
	cmd_unlink(cmd);
	/* Not here, where its back-end may be at work. */
	if (!--unit->in_flight && unit->retired)
		scsi_queue_forget(q, unit->lun);
}

void scsi_end(struct scsi_cmd *cmd, int result)
{
	struct scsi_queue *q = cmd->queue;
	uint8_t response = result == SCSI_OVERRUN ? VIRTIO_SCSI_S_OVERRUN : VIRTIO_SCSI_S_OK;

	if (q->waits && cmd->unit)
		response = scsi_tmf_response(q, cmd);
	cmd_let_go(cmd);
	cmd_respond(cmd, response, result);
	/* Those who aborted it hear of it after the response is there. */
	if (q->waits) {
		queue_flush(q);
		scsi_tmf_check(q);
	}
}

/* --- going on --- */

static void unit_start(struct scsi_cmd *cmd)
{
	struct scsi_unit *unit = cmd->unit;
	struct scsi_queue *q = cmd->queue;

	if (!unit->started) {
		unit->started = true;
		unit->next_started = q->started;
		q->started = unit;
	}
	unit->disk.disk->backend->start(&unit->disk, cmd->req);
}

void disk_finish(struct disk_queue *disk, struct vu_req *req, uint8_t status)
{
	struct scsi_cmd *cmd = req->priv;

	(void)disk;
	cmd->disk_status = status;
	if (!cmd->step && status == DISK_OK) {
		scsi_end(cmd, SCSI_GOOD);
	} else if (cmd->step) {
		cmd->next_again = cmd->queue->again;
		cmd->queue->again = cmd;
	} else {
		scsi_end(cmd, scsi_transfer_result(cmd));
	}
}

void disk_worked(struct disk_queue *disk, uint64_t bytes)
{
	struct scsi_queue *q = ((struct scsi_unit *)disk)->queue;

	q->worked += bytes;
	if (q->worked >= GRAIN)
		queue_flush(q);
}

void disk_pass_end(struct disk_queue *disk)
{
	scsi_settle(((struct scsi_unit *)disk)->queue);
}

static void cmd_go_on(struct scsi_cmd *cmd)
{
	int (*step)(struct scsi_cmd *) = cmd->step;
	int result = scsi_transfer_result(cmd);

	cmd->step = NULL;
	if (!result &&
	    (!cmd->queue->waits || scsi_tmf_response(cmd->queue, cmd) == VIRTIO_SCSI_S_OK))
		result = step(cmd);
	if (result != SCSI_RUN)
		scsi_end(cmd, result);
}

static void queue_commit(struct scsi_queue *q)
{
	struct scsi_unit *unit;

	while ((unit = q->started)) {
		q->started = unit->next_started;
		unit->started = false;
		if (unit->disk.disk->backend->commit)
			unit->disk.disk->backend->commit(&unit->disk);
	}
}

void scsi_settle(struct scsi_queue *q)
{
	struct scsi_cmd *cmd;

	if (q->settling)
		return;
	q->settling = true;
	do {
		while ((cmd = q->again)) {
			q->again = cmd->next_again;
			cmd_go_on(cmd);
		}
		queue_commit(q);
	} while (q->again);
	q->settling = false;
	queue_flush(q);
}

/* --- what handlers use --- */

int scsi_start(struct scsi_cmd *cmd)
{
	struct scsi_queue *q = cmd->queue;

	if (!cmd->unit) {
		struct scsi_unit *unit = q->units[cmd->lun->slot];

		if (!unit)
			unit = scsi_queue_unit(q, cmd->lun);

		if (!unit)
			return SENSE_FAILURE;
		cmd->unit = unit;
		unit->in_flight++;
		cmd_link(cmd);
	}
	unit_start(cmd);
	return SCSI_RUN;
}

int scsi_start_step(struct scsi_cmd *cmd, int (*step)(struct scsi_cmd *cmd))
{
	cmd->io.done = 0;
	cmd->io.retries = cmd->io.step = cmd->io.range = 0;
	cmd->step = step;
	return scsi_start(cmd);
}

uint8_t *scsi_paper(struct scsi_cmd *cmd)
{
	return memset(cmd->queue->reply, 0, SCSI_REPLY);
}

int scsi_reply(struct scsi_cmd *cmd, const void *data, uint64_t len, uint64_t alloc)
{
	if (len > alloc)
		len = alloc;
	if (len > cmd->in_len)
		return SCSI_OVERRUN;
	vu_req_write(cmd->req, cmd->in_at, data, len);
	cmd->given = len;
	return SCSI_GOOD;
}

int scsi_take(struct scsi_cmd *cmd, void *data, uint64_t len)
{
	if (len > cmd->out_len)
		return -1;
	vu_req_read(cmd->req, cmd->out_at, data, len);
	cmd->taken = len;
	return 0;
}

int scsi_get_buffer(struct scsi_cmd *cmd)
{
	struct scsi_queue *q = cmd->queue;

	if (cmd->buffer)
		return SCSI_GOOD;
	if (!q->n_free_buffers) {
		if (q->n_buffers == SCSI_BUFFERS)
			return SCSI_BUSY;
		q->free_buffers[0] = aligned_alloc(4096, SCSI_BUFFER);
		if (!q->free_buffers[0])
			return SCSI_BUSY;
		q->n_buffers++;
		q->n_free_buffers = 1;
	}
	cmd->buffer = q->free_buffers[--q->n_free_buffers];
	return SCSI_GOOD;
}

int scsi_bad_cdb(struct scsi_cmd *cmd, uint32_t byte)
{
	cmd->field = (uint16_t)(byte | 1 << 15);
	return SENSE_CDB_FIELD;
}

int scsi_bad_parameter(struct scsi_cmd *cmd, uint32_t byte)
{
	cmd->field = (uint16_t)(byte | 1 << 15);
	return SENSE_PARAMETER;
}

/* --- requests --- */

bool scsi_address(const uint8_t *lun, uint32_t *target, uint32_t *number)
{
	*target = lun[1];
	*number = get16(lun + 2) & 0x3fff; /* with the flat space address method or without */
	/* REPORT LUNS well known logical unit: as any, of its target. */
	if (lun[0] == 0xc1 && lun[1] == 1) {
		*target = 0;
		*number = 0;
		return true;
	}
	return lun[0] == 1 && lun[2] < 0x80 && !(lun[4] | lun[5] | lun[6] | lun[7]);
}

/* Where everything is, in a request of any layout.  False: there is no place for a response. */
static bool cmd_measure(struct scsi_cmd *cmd, const struct vu_req *req)
{
	const struct scsi *scsi = cmd->queue->scsi;
	uint32_t cdb = atomic_load_explicit(&scsi->cdb_size, memory_order_relaxed);
	uint32_t sense = atomic_load_explicit(&scsi->sense_size, memory_order_relaxed);

	if (req->writable_len < ANSWER)
		return false;
	cmd->out_at = HEADER + cdb;
	cmd->in_at = ANSWER + sense;
	/* Shorter ones are taken for what they are. */
	if (cmd->in_at > req->writable_len)
		cmd->in_at = (uint32_t)req->writable_len;
	if (cmd->out_at > req->readable_len)
		cmd->out_at = (uint32_t)req->readable_len;
	cmd->in_len = req->writable_len - cmd->in_at;
	cmd->out_len = req->readable_len - cmd->out_at;
	return true;
}

/* Out of the guest's reach first, checked second. */
static void cmd_read_header(struct scsi_cmd *cmd, struct virtio_scsi_cmd_req *header)
{
	uint32_t len = cmd->out_at;

	if (len == sizeof(*header) && cmd->req->readable->iov_len >= len) {
		const uint8_t *guest = cmd->req->readable->iov_base;

		/* Pieces as they are looked at: a load across what was stored in two is slow. */
		memcpy(header, guest, offsetof(struct virtio_scsi_cmd_req, task_attr));
		memcpy(cmd->cdb, guest + HEADER, SCSI_CDB);
		/* They are copies: the compiler must not look there again. */
		atomic_signal_fence(memory_order_seq_cst);
		return;
	}
	memset(header, 0, sizeof(*header));
	if (len > sizeof(*header))
		len = sizeof(*header);
	vu_req_read(cmd->req, 0, header, len);
	memcpy(cmd->cdb, header->cdb, SCSI_CDB);
}

static uint8_t cmd_parse(struct scsi_cmd *cmd)
{
	struct scsi_host *host = cmd->queue->scsi->host;
	struct virtio_scsi_cmd_req header;
	uint32_t target, number;

	cmd_read_header(cmd, &header);
	if (cmd->out_at <= HEADER)
		return VIRTIO_SCSI_S_FAILURE;
	cmd->tag = le64toh(header.tag);
	if (!scsi_address(header.lun, &target, &number) || !scsi_find_target(host, target))
		return VIRTIO_SCSI_S_BAD_TARGET;
	cmd->target = (uint8_t)target;
	cmd->lun_number = (uint8_t)number;
	cmd->lun = number < SCSI_LUNS ? scsi_find_lun(host, target, number) : NULL;
	return VIRTIO_SCSI_S_OK;
}

static void queue_begin(struct scsi_queue *q, struct vu_req *req)
{
	struct scsi_cmd *cmd = req->priv;
	uint8_t response;
	int result;

	cmd->req = req;
	cmd->queue = q;
	cmd->number = ++q->number;
	cmd->io.type = DISK_FLUSH; /* until something else is done */
	if (!cmd_measure(cmd, req)) {
		vu_device_log_peer(q->scsi->dev, VU_LOG_WARNING,
				   "a request has no room for a response");
		queue_complete(q, req, 0);
		return;
	}
	response = cmd_parse(cmd);
	if (response != VIRTIO_SCSI_S_OK) {
		cmd_respond(cmd, response, SCSI_GOOD);
		return;
	}
	result = scsi_command_run(cmd);
	if (result != SCSI_RUN)
		scsi_end(cmd, result);
}

void scsi_queue_ready(struct scsi_queue *q)
{
	struct vu_req *reqs[SCSI_BATCH];
	int n;

	while ((n = vu_queue_next_batch(q->vq, reqs, SCSI_BATCH)) > 0)
		for (int i = 0; i < n; i++)
			queue_begin(q, reqs[i]);
	scsi_settle(q);
}
