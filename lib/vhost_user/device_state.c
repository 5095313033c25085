/* SPDX-License-Identifier: MIT */
/* Saving and loading a device's state, and the handlers of its messages; see device_state.h. */
#include "vhost_user/device_state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/control.h"
#include "core/device.h"
#include "core/patience.h"
#include "core/state.h"
#include "vhost_user/messages.h"
#include "vhost_user/session.h"

#define DEFAULT_MAX (UINT64_C(64) << 20)

enum { DIRECTION_SAVE, DIRECTION_LOAD };
enum { PHASE_STOPPED };
/* The reply to SET_DEVICE_STATE_FD: bits 0 to 7 are an error, bit 8 says that no fd comes. */
enum { REPLY_REFUSED = 0x101, REPLY_OUR_FD = 0 };
enum { READS_PER_PASS = 16 };

static uint64_t state_max(const struct vu_device *dev)
{
	return dev->class.state.max_size ? dev->class.state.max_size : DEFAULT_MAX;
}

/* With a byte more it is seen that there is more. */
static uint64_t load_max(const struct vu_device *dev)
{
	uint64_t max = state_max(dev);

	return max < UINT64_MAX ? max + 1 : max;
}

/* Nobody reads from the pipe any more: the front-end's next write fails. */
static void device_state_close(struct device_state *t)
{
	if (!t->source)
		return;
	vu_source_remove(t->source);
	t->source = NULL;
	close(t->fd);
}

void device_state_end(struct session *s)
{
	struct device_state *t = &s->device_state;

	device_state_close(t);
	/* One that is lent is freed with the answer. */
	if (!t->is_lent)
		state_free(t->state);
	*t = (struct device_state){0};
}

/* It comes to this: nothing more is needed but to say so. */
static void device_state_settle(struct session *s, enum device_state_phase phase)
{
	state_free(s->device_state.state);
	s->device_state.state = NULL;
	s->device_state.phase = phase;
}

/* An answer that nobody waits for. */
static void drop_state(void *opaque, int64_t value)
{
	(void)value;
	state_free(opaque);
}

/* The state for a callback, and a way to answer later. */
static struct vu_answer *device_state_lend(struct session *s, const char *what)
{
	struct vu_answer *answer = answer_new(s->dev, what, drop_state, s->device_state.state);

	s->device_state.is_lent = answer != NULL;
	return answer;
}

static int refuse(struct session *s, struct wire_msg *msg, const char *why)
{
	log_peer_error(&s->dev->log, "SET_DEVICE_STATE_FD: %s", why);
	device_state_settle(s, STATE_FAILED);
	return session_reply_u64(s, msg, REPLY_REFUSED) ? -EPROTO : MESSAGE_REPLIED;
}

/* Reply with an fd for the front-end, which is closed here in any case. */
static int reply_fd(struct session *s, struct wire_msg *msg, int fd)
{
	const uint64_t value = REPLY_OUR_FD;
	int err = session_reply(s, msg, &value, sizeof(value), &fd, 1);

	close(fd);
	return err ? -EPROTO : MESSAGE_REPLIED;
}

/* A file that holds these bytes and is read from the start, or -errno. */
static int file_of(const void *bytes, size_t len)
{
	int err, fd = memfd_create("vhost-user device state", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	for (size_t done = 0; done < len;) {
		ssize_t n = pwrite(fd, (const char *)bytes + done, len - done, (off_t)done);

		if (n <= 0) {
			err = n ? -errno : -EIO;
			close(fd);
			return err;
		}
		done += (size_t)n;
	}
	fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
	return fd;
}

static int save_answered(struct session *s, struct wire_msg *msg)
{
	struct device_state *t = &s->device_state;
	int said = session_said(s), fd;
	const void *bytes;
	size_t len;

	t->is_lent = false;
	if (!said)
		said = state_finish(t->state, &bytes, &len);
	fd = said ? said : file_of(bytes, len);
	if (fd < 0) {
		log_peer_error(&s->dev->log, "the device's state is not saved: %s", strerror(-fd));
		return refuse(s, msg, "the state cannot be saved");
	}
	log_peer_info(&s->dev->log, "the device's state is saved: %zu bytes", len);
	device_state_settle(s, STATE_DONE);
	return reply_fd(s, msg, fd);
}

static int save(struct session *s, struct wire_msg *msg)
{
	struct vu_device *dev = s->dev;
	struct vu_answer *answer = device_state_lend(s, "the device's state, which it is to save");

	if (!answer)
		return refuse(s, msg, "out of memory");
	state_begin(s->device_state.state, dev->info.device_id, dev->class.state.version);
	return session_answer(
		s, msg, answer,
		dev->class.state.save(dev, s->device_state.state, answer, dev->opaque),
		save_answered);
}

/* No more will be read: whoever waits for it goes on. */
static void reading_is_over(struct session *s, enum device_state_phase phase)
{
	struct device_state *t = &s->device_state;

	device_state_close(t);
	t->phase = phase;
	if (phase == STATE_FAILED)
		device_state_settle(s, phase);
	if (!t->is_awaited)
		return;
	t->is_awaited = false;
	patience_awaits(s->dev, NULL);
	waiter_answered(&s->wait.waiter);
}

static void pipe_ready(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct session *s = opaque;
	struct vu_state *state = s->device_state.state;

	(void)source;
	(void)events;
	for (int i = 0; i < READS_PER_PASS; i++) {
		void *at;
		size_t room;
		ssize_t n;
		int err = state_room(state, &at, &room);

		if (err) {
			log_peer_error(&s->dev->log,
				       "the state that the front-end sends: %s (at most %llu bytes "
				       "are taken)",
				       strerror(-err), (unsigned long long)state_max(s->dev));
			reading_is_over(s, STATE_FAILED);
			return;
		}
		n = read(fd, at, room);
		if (n == 0)
			reading_is_over(s, STATE_READ);
		if (n <= 0)
			return; /* of a pipe of our own, -EAGAIN is all there is */
		state_filled(state, (size_t)n);
	}
}

static int load(struct session *s, struct wire_msg *msg)
{
	struct device_state *t = &s->device_state;
	int fds[2], err;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return refuse(s, msg, strerror(errno));
	/* Each end has a description of its own: the front-end cannot change this one. */
	err = fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
	if (!err)
		err = vu_group_add_fd(&s->dev->own, fds[0], EPOLLIN, pipe_ready, s, &t->source);
	if (err) {
		close(fds[0]);
		close(fds[1]);
		return refuse(s, msg, strerror(-err));
	}
	t->fd = fds[0];
	t->phase = STATE_READING;
	return reply_fd(s, msg, fds[1]);
}

int on_set_device_state_fd(struct session *s, struct wire_msg *msg)
{
	struct device_state *t = &s->device_state;
	struct wire_device_state params;
	bool is_load;

	memcpy(&params, msg->payload, sizeof(params));
	is_load = params.direction == DIRECTION_LOAD;
	/* One that was not finished was given up, as a migration that failed. */
	device_state_end(s);
	if (params.direction > DIRECTION_LOAD)
		return refuse(s, msg, "there is no such direction");
	if (params.phase != PHASE_STOPPED)
		return refuse(s, msg, "there is no such migration phase");
	if (running_is_on(s->dev))
		return refuse(s, msg, "rings are started; stop them before");
	if (state_new(is_load ? load_max(s->dev) : state_max(s->dev), &t->state))
		return refuse(s, msg, "out of memory");
	return is_load ? load(s, msg) : save(s, msg);
}

static int check_reply(struct session *s, struct wire_msg *msg)
{
	uint64_t value = s->device_state.phase == STATE_DONE ? 0 : 1;

	return session_reply_u64(s, msg, value) ? -EPROTO : MESSAGE_REPLIED;
}

static int not_loaded(struct session *s, struct wire_msg *msg, const char *why)
{
	log_peer_error(&s->dev->log, "the device's state is not loaded: %s", why);
	device_state_settle(s, STATE_FAILED);
	return check_reply(s, msg);
}

static int load_answered(struct session *s, struct wire_msg *msg)
{
	struct device_state *t = &s->device_state;
	int said = session_said(s);
	uint32_t ignored;

	t->is_lent = false;
	if (said)
		return not_loaded(s, msg, strerror(-said));
	ignored = state_ignored(t->state);
	if (ignored) {
		log_peer_error(&s->dev->log,
			       "the device's state has a record with tag %u, which the device does "
			       "not know and which is not optional",
			       ignored);
		return not_loaded(s, msg, strerror(ENOTSUP));
	}
	log_peer_info(&s->dev->log, "the device's state is loaded");
	device_state_settle(s, STATE_DONE);
	return check_reply(s, msg);
}

/* All that is to come has come. */
static int check(struct session *s, struct wire_msg *msg)
{
	struct vu_device *dev = s->dev;
	struct device_state *t = &s->device_state;
	struct vu_answer *answer;
	const char *why;

	if (t->phase != STATE_READ)
		return check_reply(s, msg);
	if (running_is_on(dev))
		return not_loaded(s, msg, "rings were started before");
	if (state_parse(t->state, dev->info.device_id, dev->class.state.version, &why))
		return not_loaded(s, msg, why);
	answer = device_state_lend(s, "the device's answer to the state that it is to load");
	if (!answer)
		return not_loaded(s, msg, "out of memory");
	return session_answer(s, msg, answer,
			      dev->class.state.load(dev, t->state, answer, dev->opaque),
			      load_answered);
}

int on_check_device_state(struct session *s, struct wire_msg *msg)
{
	struct device_state *t = &s->device_state;
	struct waiter *w = &s->wait.waiter;
	int rc;

	if (t->phase == STATE_NONE)
		log_peer_warn(&s->dev->log, "CHECK_DEVICE_STATE: no state was saved or sent");
	if (t->phase != STATE_READING)
		return check(s, msg);
	waiter_begin(w, s->dev, NULL, NULL);
	w->left = 1;
	rc = waiter_settle(w);
	if (rc == VERB_LATER) {
		t->is_awaited = true;
		patience_awaits(s->dev, "the end of the state that the front-end sends");
	}
	return session_wait(s, msg, rc, check);
}
