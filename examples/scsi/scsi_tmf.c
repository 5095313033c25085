/* SPDX-License-Identifier: MIT */
/*
 * The control queue (virtio 1.3 §5.6.6.2): task management functions.
 *
 * A function that aborts commands is answered when the last of them has been: each queue that can
 * have some is asked, by its thread, and the last one answers.  What the storage has begun is not
 * taken back: it ends, is answered as aborted, and then the function is.  PREEMPT AND ABORT, a
 * command, does the same with its logical unit's commands of some initiators.
 */
#include "scsi_command.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>

/* More often than a whole ring of the largest commands is taken in. */
enum { TMF_TRIES = 65536 };

/* One function, in vu_req.priv of the control queue; or of a command. */
struct scsi_tmf {
	struct scsi_cmd *cmd; /* whose it is; NULL: of the control queue */
	struct scsi_lun *lun; /* NULL: all of the target */
	uint64_t tag;
	uint32_t subtype;
	uint32_t initiators; /* whose commands, by bit */
	uint8_t target;
	_Atomic uint32_t left; /* queues, and one for the control queue itself */
	_Atomic uint8_t response;
	struct scsi_tmf_wait *waits;
};

/* What a queue knows of it. */
struct scsi_tmf_wait {
	struct scsi_tmf *tmf;
	struct vu_req *req;
	struct scsi_queue *queue;
	struct scsi_tmf_wait *next;
	uint64_t until; /* number of the last command that it concerns */
	uint64_t most;	/* a command with this number was not there yet, surely */
	uint32_t tries;
};

static bool tmf_is_query(const struct scsi_tmf *tmf)
{
	return tmf->subtype == VIRTIO_SCSI_T_TMF_QUERY_TASK ||
	       tmf->subtype == VIRTIO_SCSI_T_TMF_QUERY_TASK_SET;
}

static bool tmf_concerns(const struct scsi_tmf *tmf, const struct scsi_cmd *cmd)
{
	if (cmd->target != tmf->target || (tmf->lun && cmd->lun != tmf->lun))
		return false;
	if (tmf->subtype == VIRTIO_SCSI_T_TMF_ABORT_TASK ||
	    tmf->subtype == VIRTIO_SCSI_T_TMF_QUERY_TASK)
		return cmd->tag == tmf->tag;
	return true;
}

static bool wait_concerns(const struct scsi_tmf_wait *wait, const struct scsi_cmd *cmd)
{
	return cmd->number <= wait->until && tmf_concerns(wait->tmf, cmd);
}

static bool queue_has_any(const struct scsi_queue *q, const struct scsi_tmf_wait *wait)
{
	for (const struct scsi_cmd *cmd = q->in_flight; cmd; cmd = cmd->next)
		if (wait_concerns(wait, cmd))
			return true;
	return false;
}

/* The last one answers, from whatever thread that is. */
static void tmf_leave(struct scsi_tmf *tmf, struct vu_req *req)
{
	struct virtio_scsi_ctrl_tmf_resp answer;
	struct scsi_lun *lun = tmf->lun;

	if (atomic_fetch_sub(&tmf->left, 1) != 1)
		return;
	answer.response = atomic_load(&tmf->response);
	free(tmf->waits);
	if (!tmf->cmd) {
		vu_req_complete_remote(req, vu_req_write(req, 0, &answer, sizeof(answer)));
	} else {
		scsi_end_remote(tmf->cmd,
				answer.response == VIRTIO_SCSI_S_OK ? SCSI_GOOD : SENSE_FAILURE);
		free(tmf);
	}
	if (lun)
		scsi_lun_put(lun);
}

uint8_t scsi_tmf_response(const struct scsi_queue *q, const struct scsi_cmd *cmd)
{
	for (const struct scsi_tmf_wait *wait = q->waits; wait; wait = wait->next)
		if (wait_concerns(wait, cmd))
			return wait->tmf->subtype == VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET ||
					       wait->tmf->subtype ==
						       VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET
				       ? VIRTIO_SCSI_S_RESET
				       : VIRTIO_SCSI_S_ABORTED;
	return VIRTIO_SCSI_S_OK;
}

void scsi_tmf_check(struct scsi_queue *q)
{
	struct scsi_tmf_wait **at = &q->waits, *wait;

	while ((wait = *at)) {
		if (queue_has_any(q, wait)) {
			at = &wait->next;
			continue;
		}
		*at = wait->next;
		tmf_leave(wait->tmf, wait->req);
	}
}

/*
 * Commands that the driver made available before, but nobody has taken yet, are taken first.  Large
 * ones are handed out some at a time: then it goes on in a moment.
 */
static bool queue_is_behind(struct scsi_tmf_wait *wait)
{
	struct scsi_queue *q = wait->queue;

	if (!wait->tries)
		wait->most = q->number + q->scsi->settings->disk.queue_size;
	scsi_queue_ready(q);
	return vu_queue_available(q->vq) && q->number < wait->most && ++wait->tries < TMF_TRIES;
}

/* On the queue's thread. */
static void queue_asked(void *opaque)
{
	struct scsi_tmf_wait *wait = opaque;
	struct scsi_queue *q = wait->queue;
	struct scsi_tmf *tmf = wait->tmf;

	if (queue_is_behind(wait) && !vu_group_post(q->group, queue_asked, wait))
		return;
	wait->until = q->number;
	if (tmf_is_query(tmf)) {
		if (queue_has_any(q, wait))
			atomic_store(&tmf->response, VIRTIO_SCSI_S_FUNCTION_SUCCEEDED);
		tmf_leave(tmf, wait->req);
		return;
	}
	wait->next = q->waits;
	q->waits = wait;
	scsi_tmf_check(q);
}

static uint32_t tmf_count_queues(const struct scsi_host *host, uint32_t initiators)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < SCSI_INITIATORS; i++)
		if (initiators >> i & 1 && host->initiators[i])
			n += host->initiators[i]->n_queues;
	return n;
}

/* Room for what queues know of it. */
static bool tmf_make_waits(struct scsi_tmf *tmf, const struct scsi_host *host, uint32_t initiators)
{
	tmf->waits = calloc(1 + tmf_count_queues(host, initiators), sizeof(*tmf->waits));
	return tmf->waits != NULL;
}

static void tmf_ask(struct scsi_tmf *tmf, struct vu_req *req, struct scsi *of,
		    struct scsi_tmf_wait *wait)
{
	for (uint32_t i = 0; i < of->n_queues; i++, wait++) {
		*wait = (struct scsi_tmf_wait){.tmf = tmf, .req = req, .queue = &of->queues[i]};
		atomic_fetch_add(&tmf->left, 1);
		if (!vu_group_post(of->queues[i].group, queue_asked, wait))
			continue;
		atomic_store(&tmf->response, VIRTIO_SCSI_S_FAILURE);
		tmf_leave(tmf, req);
	}
}

/* Ask all the queues; the response comes when they have answered. */
static void tmf_start(struct scsi_host *host, struct scsi_tmf *tmf, struct vu_req *req)
{
	struct scsi_tmf_wait *waits = tmf->waits;

	if (tmf->lun)
		atomic_fetch_add(&tmf->lun->refs, 1);
	atomic_store(&tmf->left, 1);
	for (uint32_t i = 0; i < SCSI_INITIATORS; i++) {
		struct scsi *of = host->initiators[i];

		if (!of || !(tmf->initiators >> i & 1))
			continue;
		tmf_ask(tmf, req, of, waits);
		waits += of->n_queues;
	}
	tmf_leave(tmf, req);
}

/* --- for a command --- */

struct scsi_tmf *scsi_abort_new(const struct scsi_cmd *cmd)
{
	struct scsi_tmf *tmf = calloc(1, sizeof(*tmf));

	if (!tmf || !tmf_make_waits(tmf, cmd->queue->scsi->host, SCSI_ALL_INITIATORS)) {
		free(tmf);
		return NULL;
	}
	tmf->subtype = VIRTIO_SCSI_T_TMF_CLEAR_TASK_SET;
	tmf->target = cmd->target;
	tmf->lun = cmd->lun;
	return tmf;
}

void scsi_abort_free(struct scsi_tmf *tmf)
{
	if (tmf)
		free(tmf->waits);
	free(tmf);
}

int scsi_abort_start(struct scsi_tmf *tmf, struct scsi_cmd *cmd, uint32_t initiators)
{
	tmf->cmd = cmd;
	tmf->initiators = initiators;
	tmf_start(cmd->queue->scsi->host, tmf, cmd->req);
	return SCSI_RUN;
}

/* --- of the control queue --- */

/* Who is told of it by an attention (SAM-5 5.14). */
static void tmf_attentions(struct scsi *scsi, const struct scsi_tmf *tmf)
{
	uint32_t all = SCSI_ALL_INITIATORS, self = 1u << scsi->index;

	switch (tmf->subtype) {
	case VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET:
		scsi_attention_mask(tmf->lun, all, ATTENTION_RESET);
		atomic_store(&tmf->lun->prevented, 0);
		break;
	case VIRTIO_SCSI_T_TMF_CLEAR_TASK_SET:
		scsi_attention_mask(tmf->lun, all & ~self, ATTENTION_CLEARED);
		break;
	case VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET:
		for (uint32_t i = 0; i < SCSI_LUNS; i++) {
			struct scsi_lun *lun = scsi_find_lun(scsi->host, tmf->target, i);

			if (lun)
				scsi_attention_mask(lun, self, ATTENTION_NEXUS);
		}
		break;
	}
}

/* VIRTIO_SCSI_S_OK: begun. */
static uint8_t tmf_begin(struct scsi *scsi, struct vu_req *req)
{
	struct virtio_scsi_ctrl_tmf_req raw;
	struct scsi_tmf *tmf = req->priv;
	uint32_t target, number;

	if (vu_req_read(req, 0, &raw, sizeof(raw)) < sizeof(raw))
		return VIRTIO_SCSI_S_FAILURE;
	tmf->subtype = le32toh(raw.subtype);
	tmf->tag = le64toh(raw.tag);
	if (tmf->subtype > VIRTIO_SCSI_T_TMF_QUERY_TASK_SET ||
	    tmf->subtype == VIRTIO_SCSI_T_TMF_CLEAR_ACA)
		return VIRTIO_SCSI_S_FUNCTION_REJECTED;
	if (!scsi_address(raw.lun, &target, &number) || !scsi_find_target(scsi->host, target))
		return VIRTIO_SCSI_S_BAD_TARGET;
	tmf->target = (uint8_t)target;
	if (tmf->subtype != VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET) {
		tmf->lun = number < SCSI_LUNS ? scsi_find_lun(scsi->host, target, number) : NULL;
		if (!tmf->lun)
			return VIRTIO_SCSI_S_INCORRECT_LUN;
	}
	tmf->initiators = tmf->subtype == VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET ||
					  tmf->subtype == VIRTIO_SCSI_T_TMF_CLEAR_TASK_SET
				  ? SCSI_ALL_INITIATORS
				  : 1u << scsi->index;
	if (!tmf_make_waits(tmf, scsi->host, tmf->initiators))
		return VIRTIO_SCSI_S_FAILURE;
	tmf_attentions(scsi, tmf);
	tmf_start(scsi->host, tmf, req);
	return VIRTIO_SCSI_S_OK;
}

/* Asynchronous notifications: none of them is supported. */
static void control_notify(struct vu_req *req)
{
	struct virtio_scsi_ctrl_an_resp answer = {0, VIRTIO_SCSI_S_OK};

	vu_req_complete(req, vu_req_write(req, 0, &answer, sizeof(answer)));
}

static void control_begin(struct scsi *scsi, struct vu_req *req)
{
	struct virtio_scsi_ctrl_tmf_resp answer;
	uint32_t type;

	if (vu_req_read(req, 0, &type, sizeof(type)) < sizeof(type) || !req->writable_len) {
		vu_device_log_peer(scsi->dev, VU_LOG_WARNING, "a control request is too short");
		vu_req_complete(req, 0);
		return;
	}
	type = le32toh(type);
	if (type == VIRTIO_SCSI_T_AN_QUERY || type == VIRTIO_SCSI_T_AN_SUBSCRIBE) {
		control_notify(req);
		return;
	}
	answer.response = type == VIRTIO_SCSI_T_TMF ? tmf_begin(scsi, req) : VIRTIO_SCSI_S_FAILURE;
	if (answer.response != VIRTIO_SCSI_S_OK)
		vu_req_complete(req, vu_req_write(req, 0, &answer, sizeof(answer)));
}

void scsi_control_ready(struct scsi *scsi, struct vu_queue *vq)
{
	struct vu_req *req;

	while (vu_queue_next(vq, &req) == 1)
		control_begin(scsi, req);
}
