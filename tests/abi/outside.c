/* SPDX-License-Identifier: MIT */
/* A device of somebody else's, built outside the tree against an installed library. */
#include <string.h>
#include <libvu/vu.h>

static void zero_ready(struct vu_queue *queue, void *opaque)
{
	struct vu_req *req;

	(void)opaque;
	while (vu_queue_next(queue, &req) > 0) {
		for (uint32_t i = 0; i < req->n_writable; i++)
			memset(req->writable[i].iov_base, 0, req->writable[i].iov_len);
		vu_req_complete(req, req->writable_len);
	}
}

static int zero_create(struct vu_program *program, uint32_t index, struct vu_device **dev,
		       void *opaque)
{
	struct vu_ops ops = {.size = sizeof(ops), .queue_ready = zero_ready};
	struct vu_device_info info = {.size = sizeof(info), .device_id = 4, .n_queues = 1};

	(void)program;
	(void)index;
	return vu_device_new(&info, &ops, opaque, dev);
}

int main(int argc, char **argv)
{
	struct vu_program_info info = {
		.size = sizeof(info), .name = "outside", .type = "rng", .create = zero_create};

	return strcmp(vu_version(), VU_VERSION) ? 3 : vu_program_main(&info, argc, argv);
}
