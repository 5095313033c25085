/* SPDX-License-Identifier: MIT */
/* What only some devices have: callbacks of their class, a state, what they ask of the front-end
 * (life.h). */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "life.h"

static const uint8_t uuid[16] = {1};

static int on_mtu(struct vu_device *dev, uint16_t mtu, struct vu_answer *answer, void *opaque)
{
	return mtu ? 0 : -EINVAL;
}

static int on_rarp(struct vu_device *dev, const uint8_t *mac, struct vu_answer *answer,
		   void *opaque)
{
	return mac[0] ? 0 : -EINVAL;
}

static int on_socket(struct vu_device *dev, int fd, struct vu_answer *answer, void *opaque)
{
	close(fd);
	return 0;
}

static int64_t on_create(struct vu_device *dev, const struct vu_crypto_session *session,
			 struct vu_answer *answer, void *opaque)
{
	return 7;
}

static int on_close(struct vu_device *dev, uint64_t id, struct vu_answer *answer, void *opaque)
{
	return id == 7 ? 0 : -ENOENT;
}

static int on_save(struct vu_device *dev, struct vu_state *state, struct vu_answer *answer,
		   void *opaque)
{
	uint64_t value;

	if (vu_state_get_u64(state, 1, &value) != -ENOENT) /* it is not for reading */
		return -EINVAL;
	return vu_state_put_u64(state, 1, 0, 42);
}

static int on_load(struct vu_device *dev, struct vu_state *state, struct vu_answer *answer,
		   void *opaque)
{
	uint64_t value;
	int err = vu_state_get_u64(state, 1, &value);

	return err ? err : value == 42 && !vu_state_version(state) ? 0 : -EINVAL;
}

static int on_get(struct vu_device *dev, const uint8_t *id, struct vu_answer *answer, void *opaque)
{
	return -ENOENT;
}

static int classes_make(struct life *l)
{
	static const struct vu_net_ops net = {
		.size = sizeof(net), .set_mtu = on_mtu, .send_rarp = on_rarp};
	static const struct vu_gpu_ops gpu = {.size = sizeof(gpu), .set_socket = on_socket};
	static const struct vu_crypto_ops crypto = {
		.size = sizeof(crypto), .create_session = on_create, .close_session = on_close};
	static const struct vu_state_ops state = {
		.size = sizeof(state), .save = on_save, .load = on_load};
	static const struct vu_shared_object_ops objects = {.size = sizeof(objects), .get = on_get};
	int err = vu_device_guard(l->dev);

	err = err ? err : vu_device_set_net_ops(l->dev, &net);
	err = err ? err : vu_device_set_gpu_ops(l->dev, &gpu);
	err = err ? err : vu_device_set_crypto_ops(l->dev, &crypto);
	err = err ? err : vu_device_set_state_ops(l->dev, &state);
	err = err ? err : vu_device_set_shared_object_ops(l->dev, &objects);
	return err ? err : vu_device_offer_host_notifiers(l->dev);
}

/* A request that the device put back once, as it says how far it is. */
static void classes_ready(struct life *l, struct vu_queue *queue)
{
	struct vu_req *req;

	if (vu_queue_next(queue, &req) != 1)
		return;
	life_refused(l, vu_req_set_progress(req, 1));
	if (vu_queue_device(queue) == l->dev && vu_req_put_back(req))
		l->refused++;
}

static void on_post(void *opaque)
{
	(void)opaque;
}

static int on_poll(void *opaque)
{
	(void)opaque;
	return 0;
}

static void on_fd(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	(void)source;
	(void)fd;
	(void)events;
	(void)opaque;
}

/* What the device does by itself; what it gets is gone with its group. */
static bool calls_of_ours(struct life *l, int fd)
{
	struct vu_group *own = vu_device_group(l->dev);
	struct vu_source *source;
	int err;

	fault_on();
	err = vu_group_post(l->group, on_post, NULL);
	err = err ? err : vu_group_add_timer(own, on_fd, NULL, &source);
	err = err ? err : vu_group_add_poll(l->group, on_poll, NULL, &source);
	err = err ? err : vu_device_share(l->dev, uuid, NULL, NULL);
	err = err ? err : vu_queue_set_host_notifier(vu_device_queue(l->dev, 0), fd, 0, NULL, NULL);
	fault_off();
	return !life_refused(l, err);
}

/* An answer of no is one, too. */
static bool tell(struct life *l, uint32_t request, const void *payload, uint32_t size,
		 const int *fd)
{
	return !life_refused(
		l, frontend_tell(&l->peer->frontend, request, payload, size, fd, fd ? 1 : 0));
}

static bool say_all(struct life *l)
{
	const uint64_t mtu = 1500, mac = 1, session = 7;
	struct wire_crypto crypto = {.op_code = 2}, reply;
	struct frontend *f = &l->peer->frontend;
	int pair[2];
	bool ok;

	assert_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	ok = tell(l, WIRE_NET_SET_MTU, &mtu, sizeof(mtu), NULL) &&
	     tell(l, WIRE_SEND_RARP, &mac, sizeof(mac), NULL) &&
	     tell(l, WIRE_GPU_SET_SOCKET, NULL, 0, pair) &&
	     !frontend_ask(f, WIRE_CREATE_CRYPTO_SESSION, &crypto, sizeof(crypto), &reply,
			   sizeof(reply));
	if (ok && reply.session_id != 7) {
		l->refused++;
		ok = false;
	}
	ok = ok && tell(l, WIRE_CLOSE_CRYPTO_SESSION, &session, sizeof(session), NULL);
	close(pair[0]);
	close(pair[1]);
	return ok;
}

static bool state_moves(struct life *l)
{
	struct frontend *f = &l->peer->frontend;
	void *bytes = NULL;
	size_t len;
	bool ok = !life_refused(l, frontend_save_state(f, &bytes, &len)) &&
		  !life_refused(l, frontend_load_state(f, bytes, len));

	free(bytes);
	return ok;
}

static bool classes_session(struct life *l)
{
	int fd = memfd_create("page", MFD_CLOEXEC);
	bool ok;

	assert_ok(ftruncate(fd, sysconf(_SC_PAGESIZE)));
	l->spared = true;
	ok = !peer_negotiate(l->peer) && !peer_set_driver(l->peer) && !peer_start_rings(l->peer);
	l->spared = false;
	ok = ok && life_requests(l) && say_all(l) && calls_of_ours(l, fd) && life_requests(l);
	l->spared = true;
	ok = ok && !peer_stop(l->peer);
	l->spared = false;
	ok = ok && state_moves(l);
	close(fd);
	return ok;
}

static const struct life_kind classes = {classes_make, classes_session, classes_ready};
static const char *const expected[] = {"calloc", "getsockopt", "fcntl64"};

enum { EXPECTED = sizeof(expected) / sizeof(expected[0]) };

static void any_one_call_for_a_class_may_fail(void **state)
{
	(void)state;
	life_with_each(&classes, false, expected, EXPECTED);
}

static void all_calls_for_a_class_may_fail_from_any_on(void **state)
{
	(void)state;
	life_with_each(&classes, true, expected, EXPECTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_one_call_for_a_class_may_fail),
		cmocka_unit_test(all_calls_for_a_class_may_fail_from_any_on),
	};

	signal(SIGPIPE, SIG_IGN); /* a state's pipe that the device lets go of */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
