/* SPDX-License-Identifier: MIT */
/* A device of every class, which accepts whatever it is told. */
#include <unistd.h>

#include <libvu/unstable.h>

#include "proto/dut.h"

static int state_moved(struct vu_device *dev, struct vu_state *state, struct vu_answer *answer,
		       void *opaque)
{
	return 0;
}

static int mtu_set(struct vu_device *dev, uint16_t mtu, struct vu_answer *answer, void *opaque)
{
	return 0;
}

static int rarp_sent(struct vu_device *dev, const uint8_t *mac, struct vu_answer *answer,
		     void *opaque)
{
	return 0;
}

static int object_got(struct vu_device *dev, const uint8_t *uuid, struct vu_answer *answer,
		      void *opaque)
{
	return -1;
}

static int64_t session_created(struct vu_device *dev, const struct vu_crypto_session *session,
			       struct vu_answer *answer, void *opaque)
{
	return 0;
}

static int session_closed(struct vu_device *dev, uint64_t id, struct vu_answer *answer,
			  void *opaque)
{
	return 0;
}

static int socket_set(struct vu_device *dev, int fd, struct vu_answer *answer, void *opaque)
{
	return close(fd);
}

void dut_set_class(struct vu_device *dev, bool no_gpu)
{
	const struct vu_state_ops state = {
		.size = sizeof(state),
		.save = state_moved,
		.load = state_moved,
	};
	const struct vu_net_ops net = {
		.size = sizeof(net),
		.set_mtu = mtu_set,
		.send_rarp = rarp_sent,
	};
	const struct vu_shared_object_ops object = {.size = sizeof(object), .get = object_got};
	const struct vu_crypto_ops crypto = {
		.size = sizeof(crypto),
		.create_session = session_created,
		.close_session = session_closed,
	};
	const struct vu_gpu_ops gpu = {.size = sizeof(gpu), .set_socket = socket_set};

	assert_ok(vu_device_set_state_ops(dev, &state));
	assert_ok(vu_device_set_net_ops(dev, &net));
	assert_ok(vu_device_set_shared_object_ops(dev, &object));
	assert_ok(vu_device_set_crypto_ops(dev, &crypto));
	assert_ok(vu_device_set_gpu_ops(dev, no_gpu ? NULL : &gpu));
}
