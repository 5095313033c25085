/* SPDX-License-Identifier: MIT */
/* An entropy device (virtio 1.3 §5.4): whoever drives it reads random bytes. */
#include <libvu/vu.h>
#include <sys/random.h>

static void queue_ready(struct vu_queue *queue, void *opaque)
{
	struct vu_req *req;

	while (vu_queue_next(queue, &req) == 1) {
		char bytes[256];
		ssize_t n = getrandom(bytes, sizeof(bytes), 0);

		vu_req_complete(req, vu_req_write(req, 0, bytes, n > 0 ? n : 0));
	}
}

int main(int argc, char **argv)
{
	const struct vu_ops ops = {.size = sizeof(ops), .queue_ready = queue_ready};
	const struct vu_device_info device = {
		.size = sizeof(device),
		.device_id = 4,
		.n_queues = 1,
	};
	const struct vu_program_info info = {
		.size = sizeof(info),
		.name = "minimal-rng",
		.type = "rng",
		.device = &device,
		.ops = &ops,
	};

	return vu_program_main(&info, argc, argv);
}
