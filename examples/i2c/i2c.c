/* SPDX-License-Identifier: MIT */
/*
 * vu-i2c: an I2C adapter (virtio 1.3 §5.16) over chips of this machine, or simulated ones.
 *
 * Requests of one group become one transfer, so a group is executed when its last request is there.
 * A driver whose ring is too small for a group sends pieces, or gives up half-way: what has been
 * incomplete for a while is executed as it is.  Until then it stays in the ring, where it holds up
 * no stop.
 */
#include "i2c.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/syscall.h>

#include "../common/shut_in.h"

enum { I2C_ID = 34, ZERO_LENGTH_REQUEST = 1 };

/* How long the rest of a group may take: a driver has it ready, or has no room for it. */
static const uint64_t patience = 2000000; /* nanoseconds */

struct settings {
	struct vu_option_list specs; /* of --bus */
	const char *description;
	struct shut_in shut_in;
};

struct i2c {
	struct vu_device *dev;
	struct vu_group *own_group; /* of the queue; NULL: it has the device's */
	struct vu_source *timer;
	bool waiting; /* for the rest of a group; the timer runs */
	struct i2c_bus bus;
	struct i2c_control control;
	struct vu_script *script;
	struct i2c_piece piece;
};

/* What came of the piece that has been run. */
static void i2c_log_errors(struct i2c *i2c)
{
	int error = i2c->bus.error;

	/* That nobody answers is an everyday matter of scanning a bus. */
	if (error && error != -ENXIO && error != -EREMOTEIO)
		vu_device_log_peerf(i2c->dev, VU_LOG_WARNING, "a transfer failed: %s",
				    strerror(-error));
	i2c->bus.error = 0; /* the next piece may have no transfer */
	if (i2c->piece.n_mute)
		vu_device_log_peer(i2c->dev, VU_LOG_WARNING,
				   "a request has no room for its status");
}

/* All of a group that there is; false if more of it must come. */
static bool i2c_take(struct vu_queue *queue, struct i2c_piece *piece)
{
	struct vu_req *req;
	bool more = false;

	piece->n = 0;
	while ((!piece->n || more) && vu_queue_next(queue, &req) == 1)
		more = i2c_piece_add(piece, req);
	/* What a crash interrupted may have lost its end, and is due at once. */
	return !more || piece->reqs[piece->n - 1]->flags & VU_REQ_RESUBMITTED;
}

/* The newest first, so that none can fail; one that did would be answered without a transfer. */
static void i2c_put_back(struct i2c_piece *piece)
{
	while (piece->n) {
		struct vu_req *req = piece->reqs[--piece->n];

		if (vu_req_put_back(req))
			vu_req_complete(req, 0);
	}
}

static void i2c_serve(struct i2c *i2c, struct vu_queue *queue, bool now)
{
	struct i2c_piece *piece = &i2c->piece;

	for (;;) {
		bool whole = i2c_take(queue, piece);

		if (!piece->n)
			return;
		/* More of it is there, in the queue's next turn. */
		if (!whole && now && vu_queue_available(queue))
			now = false;
		if (!whole && !now) {
			i2c_put_back(piece);
			if (!i2c->waiting)
				vu_source_set_timer(i2c->timer, patience, 0);
			i2c->waiting = true;
			return;
		}
		now = false;
		if (i2c->waiting)
			vu_source_set_timer(i2c->timer, 0, 0);
		i2c->waiting = false;
		i2c_piece_run(piece, &i2c->bus);
		i2c_log_errors(i2c);
		vu_queue_complete_batch(queue, piece->reqs, piece->written, piece->n);
	}
}

static void queue_ready(struct vu_queue *queue, void *opaque)
{
	i2c_serve(opaque, queue, false);
}

/* What another driver left unfinished says nothing to this one. */
static int started(struct vu_device *dev, void *opaque)
{
	((struct i2c *)opaque)->bus.failing = false;
	(void)dev;
	return 0;
}

static void on_patience(struct vu_source *source, int fd, uint32_t expirations, void *opaque)
{
	struct i2c *i2c = opaque;

	i2c->waiting = false;
	i2c_serve(i2c, vu_device_queue(i2c->dev, 0), true);
}

static void on_written(void *opaque, const struct i2c_chip *chip, uint8_t number, uint32_t value)
{
	struct i2c *i2c = opaque;
	char text[I2C_TEXT];

	vu_script_sayf(i2c->script, "written %s 0x%02x 0x%x",
		       i2c_address_format(chip->address, text), number, value);
}

static int i2c_make_device(struct i2c *i2c, struct vu_program *program)
{
	const struct vu_ops ops = {
		.size = sizeof(ops), .started = started, .queue_ready = queue_ready};
	const struct vu_device_info info = {
		.size = sizeof(info),
		.device_id = I2C_ID,
		.n_queues = 1,
		.features = ZERO_LENGTH_REQUEST,
		.required = ZERO_LENGTH_REQUEST,
	};

	return vu_program_add_device(program, &info, &ops, i2c, &i2c->dev);
}

/* A transfer on a real bus takes its time; messages are answered meanwhile. */
static int i2c_make_group(struct i2c *i2c, struct vu_program *program)
{
	int ret = vu_group_new(&i2c->own_group);

	if (!ret)
		ret = vu_queue_set_group(vu_device_queue(i2c->dev, 0), i2c->own_group);
	return ret ? ret : vu_program_add_worker(program, i2c->own_group);
}

/* The chips of this machine first: a simulated one must not have their address. */
static int i2c_make_bus(struct i2c *i2c, const struct settings *settings)
{
	struct i2c_adapter *adapter;
	int ret = i2c_bus_init(&i2c->bus);

	for (uint32_t i = 0; i < settings->specs.n && !ret; i++) {
		ret = i2c_dev_open(settings->specs.values[i], &adapter);
		if (!ret)
			i2c_bus_add(&i2c->bus, adapter);
	}
	if (ret)
		return ret;
	i2c->control.bus = &i2c->bus;
	i2c->control.chips = i2c_chips_new();
	if (!i2c->control.chips)
		return -ENOMEM;
	i2c->control.chips->written = on_written;
	i2c->control.chips->opaque = i2c;
	i2c_bus_add(&i2c->bus, &i2c->control.chips->adapter);
	return 0;
}

static int i2c_make_chips(struct i2c *i2c, struct vu_program *program,
			  const struct settings *settings)
{
	if (settings->description)
		return vu_program_run_file(program, settings->description, &i2c->control);
	return settings->specs.n ? 0 : i2c_default_chips(i2c->control.chips);
}

static int create(struct vu_program *program, uint32_t index, void *state)
{
	const struct settings *settings = vu_program_settings(program);
	struct vu_group *group;
	struct i2c *i2c = state;
	int ret;

	i2c->control.index = index;
	ret = i2c_make_bus(i2c, settings);
	if (!ret)
		ret = i2c_make_device(i2c, program);
	if (!ret && settings->specs.n)
		ret = i2c_make_group(i2c, program);
	if (!ret)
		ret = i2c_make_chips(i2c, program, settings);
	if (ret)
		return ret;
	group = i2c->own_group ? i2c->own_group : vu_device_group(i2c->dev);
	ret = vu_group_add_timer(group, on_patience, i2c, &i2c->timer);
	return ret ? ret : vu_program_add_control(program, group, &i2c->control, &i2c->script);
}

/* Commands make chips that are kept in files. */
static int opened(struct vu_program *program, uint32_t index, void *state)
{
	static const int i2c_calls[] = {SYS_flock};
	/* Those of <linux/i2c-dev.h>. */
	static const struct sandbox_ioctl i2c_ioctls[] = {{0xff00, 0x0700}};
	struct settings *settings = vu_program_settings(program);
	struct shut_in *s = &settings->shut_in;
	const struct i2c *i2c = state;

	(void)index;
	s->needs.ioctls = i2c_ioctls;
	s->needs.n_ioctls = settings->specs.n ? 1 : 0;
	if (s->commands) {
		s->needs.calls = i2c_calls;
		s->needs.n_calls = sizeof(i2c_calls) / sizeof(i2c_calls[0]);
		s->needs.capabilities = UINT64_C(1) << CAP_DAC_OVERRIDE;
		s->place = (struct sandbox_place){"/", SANDBOX_READ | SANDBOX_WRITE |
							       LANDLOCK_ACCESS_FS_MAKE_REG};
	}
	return shut_in_enter(s, i2c->dev);
}

static void destroy(void *state)
{
	struct i2c *i2c = state;

	vu_group_free(i2c->own_group);
	i2c_bus_fini(&i2c->bus);
}

static const struct vu_option options[] = {
	{VU_OPTION_LIST("bus", "PATH:ADDRESS[,ADDRESS]...",
			"chips of this machine: /dev/i2c-0:0x50,0x51; 0x150/10 is an address of "
			"10 bits",
			struct settings, specs, 0)},
	{VU_OPTION_STRING("chips", "FILE",
			  "simulated chips (without --bus: a 24c02 at 0x50, an LM75 at 0x48)",
			  struct settings, description)},
	{SHUT_IN_OPTION(struct settings, shut_in)},
	{.name = NULL},
};

int main(int argc, char **argv)
{
	struct settings settings = {0};
	const struct vu_program_info info = {
		VU_PROGRAM("vu-i2c", "i2c", "A vhost-user I2C adapter."),
		SHUT_IN_PROGRAM(options, &settings, i2c_commands, struct i2c, create, destroy,
				opened),
	};

	return shut_in_main(&settings.shut_in, &info, argc, argv);
}
