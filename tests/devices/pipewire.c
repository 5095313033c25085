/* SPDX-License-Identifier: MIT */
/* See pipewire.h. */
#include "pipewire.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Beside the configuration that PipeWire comes with. */
static const char sink[] =
	"context.properties = { default.clock.quantum = 8192 default.clock.min-quantum = 8192\n"
	"    default.clock.max-quantum = 8192 default.clock.rate = 48000 support.dbus = false }\n"
	"context.modules = [ { name = libpipewire-module-loopback args = { audio.position = [ FL "
	"FR ]\n"
	"    capture.props = { node.name = vu-sink media.class = Audio/Sink }\n"
	"    playback.props = { node.name = vu-source media.class = Audio/Source } } } ]\n";

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[FOLDER_PATH + 64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "wx");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void make_folder(const char *dir, const char *name)
{
	char path[FOLDER_PATH + 64];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void server_environment(struct server *server)
{
	char path[FOLDER_PATH + 16];

	folder_make(server->dir, "vu-pipewire");
	make_folder(server->dir, "config");
	make_folder(server->dir, "config/pipewire");
	make_folder(server->dir, "config/pipewire/pipewire.conf.d");
	write_file(server->dir, "config/pipewire/pipewire.conf.d/sink.conf", sink);
	setenv("XDG_RUNTIME_DIR", server->dir, 1);
	setenv("XDG_STATE_HOME", server->dir, 1);
	snprintf(path, sizeof(path), "%s/config", server->dir);
	setenv("XDG_CONFIG_HOME", path, 1);
	setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/dev/null", 1);
	unsetenv("PIPEWIRE_REMOTE");
}

void server_start(struct server *server)
{
	static const char *const daemon[] = {"/usr/bin/env", "pipewire", NULL};
	/* What connects nodes, and nothing of devices or D-Bus. */
	static const char *const manager[] = {"/usr/bin/env", "wireplumber", "-c", "policy.conf",
					      NULL};
	char path[FOLDER_PATH + 16];

	server_environment(server);
	snprintf(path, sizeof(path), "%s/pipewire-0", server->dir);
	spawn_start(&server->daemon, daemon, NULL);
	spawn_wait_up(&server->daemon, path);
	spawn_start(&server->manager, manager, NULL);
}

void server_end(struct spawned *s)
{
	if (!s->pid)
		return;
	spawn_stop(s);
	spawn_free(s);
	s->pid = 0;
}

void server_stop(struct server *server)
{
	server_end(&server->manager);
	server_end(&server->daemon);
	assert_int_equal(folder_clear(server->dir), 0);
}

static bool is_without_pipewire(struct rig *rig)
{
	const char *argv[] = {getenv(rig_program), "--socket-path", rig->socket,
			      "--playback=pipewire", NULL};
	struct spawned s;
	bool without;

	setenv("XDG_RUNTIME_DIR", rig->dir, 1);
	unsetenv("PIPEWIRE_REMOTE");
	spawn_run(&s, argv);
	assert_int_equal(s.status, 1);
	without = strstr(s.err, "built without libpipewire");
	if (!without)
		assert_non_null(strstr(s.err, "pipewire: no daemon at"));
	spawn_free(&s);
	if (without)
		print_message("skipped: built without libpipewire\n");
	return without;
}

bool server_is_missing(struct rig *rig)
{
	if (is_without_pipewire(rig))
		return true;
	if (!system("command -v pipewire wireplumber >/dev/null"))
		return false;
	print_message(
		"skipped: no pipewire and wireplumber here (Debian: packages of these names)\n");
	return true;
}
