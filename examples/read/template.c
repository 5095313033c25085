/* SPDX-License-Identifier: MIT */
/*
 * vu-template: the smallest complete device with one of everything; scripts/new-device copies it.
 *
 * To a driver it is a memory balloon (virtio 1.3 §5.5): the smallest standard device with two
 * queues and a configuration space that both sides write.  The device says in "target" how many
 * pages it wants; the driver gives page numbers on queue 0, takes them back on queue 1, and writes
 * into "actual" how many it has given.  Here the pages are counted, and nothing else is done with
 * them.
 *
 * What it knows of its driver moves with the virtual machine: save_state() and load_state().
 *
 * A request: queue_ready() takes and checks it, it waits in a list for --delay-ms, on_timer()
 * completes it.  Everything runs on the device thread.
 */
#include <libvu/unstable.h>

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <unistd.h>

enum { DEVICE_ID = 5, MAX_PAGES = 1024 }; /* of a request; Linux sends up to 256 */
enum { QUEUE_GIVE, QUEUE_TAKE, N_QUEUES };

/* The configuration space.  All of virtio is little-endian. */
struct template_config {
	uint32_t target;
	uint32_t actual;
};

/* What the command line says, for all devices of the process. */
struct settings {
	uint64_t delay_ms;
	const char *events;
};

/* Per-request data (vu_req.priv): zeroed when the request is handed out, gone when it completes. */
struct pending {
	TAILQ_ENTRY(pending) link;
	struct vu_req *req;
	uint32_t n_pages;
};

struct template
{
	struct vu_device *dev;
	struct vu_script *script;
	struct vu_source *timer, *events;
	int events_fd;
	uint64_t delay_ns;
	uint32_t target, actual, pages[N_QUEUES];
	TAILQ_HEAD(pending_list, pending) pending;
};

/* --- requests --- */

static void template_complete(struct template *t)
{
	struct pending *p;

	while ((p = TAILQ_FIRST(&t->pending))) {
		TAILQ_REMOVE(&t->pending, p, link);
		t->pages[vu_queue_index(vu_req_queue(p->req))] += p->n_pages;
		vu_req_complete(p->req, 0); /* bytes that were written into it; p is gone now */
	}
}

static void on_timer(struct vu_source *source, int fd, uint32_t expirations, void *opaque)
{
	template_complete(opaque);
}

/* The guest may change its buffers at any time: copy, check the copy, use the copy. */
static void template_take(struct template *t, struct vu_req *req)
{
	uint32_t numbers[MAX_PAGES];
	size_t len = vu_req_read(req, 0, numbers, sizeof(numbers));
	struct pending *p = req->priv;

	if (!len || len % sizeof(numbers[0]) || len < req->readable_len) {
		vu_device_log_peer(t->dev, VU_LOG_INFO, "a request is no list of page numbers");
		vu_req_complete(req, 0); /* a device with a status byte would write an error */
		return;
	}
	/* Another device would look at le32toh(numbers[i]) now. */
	p->req = req;
	p->n_pages = (uint32_t)(len / sizeof(numbers[0]));
	if (TAILQ_EMPTY(&t->pending))
		vu_source_set_timer(t->timer, t->delay_ns, 0);
	TAILQ_INSERT_TAIL(&t->pending, p, link);
}

static void queue_ready(struct vu_queue *queue, void *opaque)
{
	struct template *t = opaque;
	struct vu_req *req;

	while (vu_queue_next(queue, &req) == 1)
		template_take(t, req);
	if (!t->delay_ns)
		template_complete(t);
}

/* The virtual machine stands still until no request of this queue is outstanding. */
static void queue_stop(struct vu_queue *queue, void *opaque)
{
	template_complete(opaque);
}

/* --- configuration space --- */

/* If it really changes, the driver is told. */
static void template_set_target(struct template *t, uint32_t target)
{
	uint32_t le = htole32(target);

	t->target = target;
	vu_config_set(t->dev, offsetof(struct template_config, target), &le, sizeof(le));
}

static int config_written(struct vu_device *dev, uint32_t offset, uint32_t len, void *opaque)
{
	struct template *t = opaque;
	uint32_t le;

	vu_config_get(dev, offsetof(struct template_config, actual), &le, sizeof(le));
	t->actual = le32toh(le);
	vu_script_sayf(t->script, "actual %u", t->actual);
	return 0;
}

/* --- the outside: an fd, as hardware would have one, and a script --- */

/* Each byte that comes asks for one more page. */
static void on_events(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct template *t = opaque;
	char bytes[64];
	ssize_t n = read(fd, bytes, sizeof(bytes));

	if (n > 0)
		template_set_target(t, t->target + (uint32_t)n);
}

static int command_target(struct vu_script *script, uint32_t n, const char *const *words,
			  void *opaque)
{
	struct template *t = opaque;
	uint64_t target = t->target;
	int ret = n ? vu_number_parse(words[0], 0, UINT32_MAX, &target) : 0;

	if (ret)
		return ret;
	template_set_target(t, (uint32_t)target);
	vu_script_answerf(script, "target %u actual %u given %u taken %u", t->target, t->actual,
			  t->pages[QUEUE_GIVE], t->pages[QUEUE_TAKE]);
	return 0;
}

static const struct vu_command commands[] = {
	{"target", "[PAGES]", "pages to be given; answers with what is", 0, 1, command_target},
	{NULL, NULL, NULL, 0, 0, NULL},
};

/* --- on the way to another host --- */

enum { TAG_TARGET = 1, TAG_ACTUAL, TAG_GIVEN, TAG_TAKEN };

static int save_state(struct vu_device *dev, struct vu_state *state, struct vu_answer *answer,
		      void *opaque)
{
	const struct template *t = opaque;

	vu_state_put_u64(state, TAG_TARGET, 0, t->target);
	vu_state_put_u64(state, TAG_ACTUAL, 0, t->actual);
	vu_state_put_u64(state, TAG_GIVEN, 0, t->pages[QUEUE_GIVE]);
	vu_state_put_u64(state, TAG_TAKEN, 0, t->pages[QUEUE_TAKE]);
	return 0;
}

/* It comes from elsewhere: check all of it, then use it. */
static int load_state(struct vu_device *dev, struct vu_state *state, struct vu_answer *answer,
		      void *opaque)
{
	struct template *t = opaque;
	uint64_t values[TAG_TAKEN + 1] = {0};
	uint32_t le;

	for (uint32_t tag = TAG_TARGET; tag <= TAG_TAKEN; tag++)
		if (vu_state_get_u64(state, tag, &values[tag]) || values[tag] > UINT32_MAX)
			return -EINVAL;
	template_set_target(t, (uint32_t)values[TAG_TARGET]);
	t->actual = (uint32_t)values[TAG_ACTUAL];
	le = htole32(t->actual);
	vu_config_set(dev, offsetof(struct template_config, actual), &le, sizeof(le));
	t->pages[QUEUE_GIVE] = (uint32_t)values[TAG_GIVEN];
	t->pages[QUEUE_TAKE] = (uint32_t)values[TAG_TAKEN];
	return 0;
}

/* --- life --- */

/* What the device's thread shall wait for, beside the queues. */
static int template_watch(struct template *t, const char *events)
{
	struct vu_group *group = vu_device_group(t->dev);
	int ret = vu_group_add_timer(group, on_timer, t, &t->timer);

	if (ret || !events)
		return ret;
	t->events_fd = open(events, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (t->events_fd < 0)
		return -errno;
	return vu_group_add_fd(group, t->events_fd, EPOLLIN, on_events, t, &t->events);
}

/* state is zeroed, and the program's, as is what vu_program_add_...() makes. */
static int create(struct vu_program *program, uint32_t index, void *state)
{
	static const struct template_config writable = {.actual = UINT32_MAX};
	const struct vu_ops ops = {
		.size = sizeof(ops),
		.queue_ready = queue_ready,
		.queue_stop = queue_stop,
		.config_written = config_written,
	};
	const struct vu_device_info info = {
		.size = sizeof(info),
		.device_id = DEVICE_ID,
		.n_queues = N_QUEUES,
		.config_writable = &writable,
		.config_size = sizeof(writable),
		.priv_size = sizeof(struct pending),
		.flags = VU_DEVICE_LEGACY, /* firmware and old guests: docs/device-howto.md */
	};
	const struct vu_state_ops state_ops = {
		.size = sizeof(state_ops),
		.save = save_state,
		.load = load_state,
	};
	const struct settings *settings = vu_program_settings(program);
	struct template *t = state;
	int ret;

	t->delay_ns = settings->delay_ms * 1000000;
	t->events_fd = -1;
	TAILQ_INIT(&t->pending);
	ret = vu_program_add_device(program, &info, &ops, t, &t->dev);
	if (!ret)
		ret = vu_device_set_state_ops(t->dev, &state_ops);
	if (!ret)
		ret = template_watch(t, settings->events);
	return ret ? ret : vu_program_add_control(program, NULL, t, &t->script);
}

/* Also called when create failed: what it did not come to is still zero. */
static void destroy(void *state)
{
	struct template *t = state;

	vu_source_remove(t->events);
	if (t->events_fd >= 0)
		close(t->events_fd);
}

static const struct vu_option options[] = {
	{VU_OPTION_NUMBER("delay-ms", "N", "how long requests wait (default 0)", struct settings,
			  delay_ms, 0, 60000)},
	{VU_OPTION_STRING("events", "PATH", "a FIFO: each byte asks for one more page",
			  struct settings, events)},
	{.name = NULL},
};

int main(int argc, char **argv)
{
	struct settings settings = {0};
	const struct vu_program_info info = {
		.size = sizeof(info),
		.name = "vu-template",
		.type = "template",
		VU_PROGRAM_OPTIONS(options, &settings),
		VU_PROGRAM_COMMANDS(commands),
		VU_PROGRAM_STATE(struct template, create, destroy),
	};

	return vu_program_main(&info, argc, argv);
}
