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

int main(int argc, char **argv)
{
	struct vu_ops ops = {.size = sizeof(ops), .queue_ready = zero_ready};
	struct vu_device_info device = {.size = sizeof(device), .device_id = 4, .n_queues = 1};
	struct vu_program_info info = {.size = sizeof(info),
				       .name = "outside",
				       .type = "rng",
				       .device = &device,
				       .ops = &ops};

	return strcmp(vu_version(), VU_VERSION) ? 3 : vu_program_main(&info, argc, argv);
}
