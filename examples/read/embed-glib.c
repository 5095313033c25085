/* SPDX-License-Identifier: MIT */
/*
 * A device inside a program whose main loop is GLib's, with a runner that sees to its socket.
 * embed-glib PATH
 *
 * GLib watches one descriptor, the runner's: front-ends that come and go, messages, requests and
 * times all wake it.  vu_runner_process() does what there is to do, and never blocks.
 */
#include <libvu/vu.h>

#include <glib-unix.h>
#include <signal.h>
#include <sys/random.h>

/* --- the device --- */

/* Into the guest's memory at once.  The kernel writes it, so that memory may vanish meanwhile. */
static void queue_ready(struct vu_queue *queue, void *opaque)
{
	struct vu_req *req;

	while (vu_queue_next(queue, &req) == 1) {
		struct iovec room = req->n_writable ? req->writable[0] : (struct iovec){NULL, 0};
		ssize_t n = getrandom(room.iov_base, room.iov_len < 256 ? room.iov_len : 256, 0);

		vu_req_complete(req, n > 0 ? (uint64_t)n : 0);
	}
}

/* --- the loop's callbacks --- */

struct app {
	GMainLoop *loop;
	struct vu_runner *runner;
	int result;
};

/* If there is more to do, the descriptor stays readable: a turn is enough. */
static gboolean on_runner(gint fd, GIOCondition condition, gpointer data)
{
	struct app *app = data;

	app->result = vu_runner_process(app->runner);
	if (app->result >= 0 && !(app->result & VU_PROCESS_ENDED))
		return G_SOURCE_CONTINUE;
	g_main_loop_quit(app->loop);
	return G_SOURCE_REMOVE;
}

/* The next turn ends sessions, takes the socket file away, and says so. */
static gboolean on_signal(gpointer data)
{
	vu_runner_stop(((struct app *)data)->runner);
	return G_SOURCE_CONTINUE;
}

/* --- main --- */

static void serve(struct app *app)
{
	int fd = vu_runner_fd(app->runner);

	if (fd < 0) {
		app->result = fd;
		return;
	}
	app->loop = g_main_loop_new(NULL, FALSE);
	g_unix_signal_add(SIGTERM, on_signal, app);
	g_unix_signal_add(SIGINT, on_signal, app);
	g_unix_fd_add(fd, G_IO_IN, on_runner, app);
	/* Once before the first wait: this is where serving begins. */
	app->result = vu_runner_process(app->runner);
	if (app->result >= 0 && !(app->result & VU_PROCESS_ENDED))
		g_main_loop_run(app->loop);
	g_main_loop_unref(app->loop);
}

int main(int argc, char **argv)
{
	const struct vu_ops ops = {.size = sizeof(ops), .queue_ready = queue_ready};
	const struct vu_device_info info = {.size = sizeof(info),
					    .name = "rng",
					    .device_id = 4,
					    .n_queues = 1,
					    .log_level = VU_LOG_INFO};
	const struct vu_runner_info settings = {.size = sizeof(settings), .log_level = VU_LOG_INFO};
	struct app app = {.result = 0};
	struct vu_device *dev;

	if (argc != 2) {
		g_printerr("usage: %s PATH\n", argv[0]);
		return 2;
	}
	if (vu_device_new(&info, &ops, NULL, &dev) != 0)
		return 1;
	/* A front-end may truncate its memory at any time. */
	if (vu_device_guard(dev) != 0)
		g_printerr("no handler for SIGBUS\n");
	app.result = vu_runner_new(&settings, &app.runner);
	if (!app.result)
		app.result = vu_runner_listen(app.runner, dev, argv[1], NULL);
	if (!app.result)
		serve(&app);
	if (app.result < 0)
		g_printerr("%s: %s\n", argv[1], g_strerror(-app.result));
	vu_runner_free(app.runner);
	vu_device_free(dev);
	return app.result < 0 ? 1 : 0;
}
