/* SPDX-License-Identifier: MIT */
/* See sandbox_ids.h.  user_namespaces(7) has who may write which map. */
#include "sandbox_ids.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A line of a map, or an argument: three numbers, or one. */
enum { LINE_LEN = 36, NUMBER_LEN = 12 };

/* --- the command line --- */

/* One number and the delimiter behind it. */
static int parse_field(const char **text, char delimiter, uint32_t *value)
{
	unsigned long long number;
	char *end;

	if (**text < '0' || **text > '9')
		return -EINVAL;
	errno = 0;
	number = strtoull(*text, &end, 10);
	if (errno || number > UINT32_MAX || *end != delimiter)
		return -EINVAL;
	*value = (uint32_t)number;
	*text = end + 1;
	return 0;
}

/* The last id is nobody's. */
static bool fits(uint32_t from, uint32_t count)
{
	return (uint64_t)from + count <= UINT32_MAX;
}

static bool meet(uint32_t a, uint32_t a_count, uint32_t b, uint32_t b_count)
{
	return a < (uint64_t)b + b_count && b < (uint64_t)a + a_count;
}

int sandbox_id_map_add(struct sandbox_id_map *map, const char *text)
{
	struct sandbox_id_range range;
	char delimiter = *text;

	if (!delimiter || (delimiter >= '0' && delimiter <= '9'))
		return -EINVAL;
	text++;
	if (parse_field(&text, delimiter, &range.inside) ||
	    parse_field(&text, delimiter, &range.outside) ||
	    parse_field(&text, delimiter, &range.count) || *text)
		return -EINVAL;
	if (!range.count || !fits(range.inside, range.count) || !fits(range.outside, range.count))
		return -EINVAL;
	for (uint32_t i = 0; i < map->n; i++) {
		const struct sandbox_id_range *r = &map->ranges[i];

		if (meet(r->inside, r->count, range.inside, range.count) ||
		    meet(r->outside, r->count, range.outside, range.count))
			return -EEXIST;
	}
	if (map->n == SANDBOX_ID_RANGES)
		return -E2BIG;
	map->ranges[map->n++] = range;
	return 0;
}

static bool has_root(const struct sandbox_id_map *map)
{
	for (uint32_t i = 0; i < map->n; i++)
		if (!map->ranges[i].inside)
			return true;
	return !map->n;
}

int sandbox_ids_check(const struct sandbox_ids *ids)
{
	return has_root(&ids->uids) && has_root(&ids->gids) ? 0 : -EINVAL;
}

/* --- the process that stays outside --- */

/* What became of it; failed is a text of the program's, which both processes have. */
struct outcome {
	int error;
	const char *failed;
};

/* Of users, or of groups. */
struct kind {
	const char *file, *tool, *failed;
};

static const struct kind users = {
	"uid_map", "newuidmap",
	"mapping users (it needs CAP_SETUID and CAP_SETFCAP, or newuidmap and /etc/subuid)"};
static const struct kind groups = {
	"gid_map", "newgidmap",
	"mapping groups (it needs CAP_SETGID, or newgidmap and /etc/subgid)"};

static int write_file(pid_t pid, const char *name, const char *text, size_t len)
{
	char path[64];
	int fd, ret;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = write(fd, text, len) == (ssize_t)len ? 0 : -errno;
	close(fd);
	return ret;
}

static int write_map(const struct sandbox_id_map *map, const struct kind *kind, pid_t pid)
{
	char text[SANDBOX_ID_RANGES * LINE_LEN];
	size_t len = 0;

	for (uint32_t i = 0; i < map->n; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%u %u %u\n",
					map->ranges[i].inside, map->ranges[i].outside,
					map->ranges[i].count);
	return write_file(pid, kind->file, text, len);
}

/* It is set-user-ID, reads /etc/subuid or subgid, and says itself what it does not like. */
static int run_tool(const struct sandbox_id_map *map, const struct kind *kind, pid_t pid)
{
	char numbers[1 + 3 * SANDBOX_ID_RANGES][NUMBER_LEN];
	char *argv[3 + 3 * SANDBOX_ID_RANGES] = {(char *)(uintptr_t)kind->tool};
	uint32_t n = 0;
	int status, ret;
	pid_t tool;

	snprintf(numbers[n++], NUMBER_LEN, "%d", (int)pid);
	for (uint32_t i = 0; i < map->n; i++) {
		snprintf(numbers[n++], NUMBER_LEN, "%u", map->ranges[i].inside);
		snprintf(numbers[n++], NUMBER_LEN, "%u", map->ranges[i].outside);
		snprintf(numbers[n++], NUMBER_LEN, "%u", map->ranges[i].count);
	}
	for (uint32_t i = 0; i < n; i++)
		argv[1 + i] = numbers[i];
	ret = posix_spawnp(&tool, kind->tool, NULL, NULL, argv, environ);
	if (ret)
		return -ret;
	while (waitpid(tool, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EPERM;
}

/* Everybody may map the own group who can leave no other one by it. */
static bool is_own_group(const struct sandbox_id_map *map, const struct kind *kind)
{
	return kind == &groups && map->n == 1 && map->ranges[0].count == 1 &&
	       map->ranges[0].outside == getegid();
}

static int install(const struct sandbox_id_map *map, const struct kind *kind, pid_t pid)
{
	int ret = write_map(map, kind, pid);

	if (ret == -EPERM && is_own_group(map, kind)) {
		ret = write_file(pid, "setgroups", "deny", 4);
		if (!ret)
			ret = write_map(map, kind, pid);
	}
	return ret == -EPERM ? run_tool(map, kind, pid) : ret;
}

static struct outcome install_both(const struct sandbox_ids *ids, pid_t pid)
{
	struct outcome outcome = {.error = install(&ids->gids, &groups, pid),
				  .failed = groups.failed};

	if (outcome.error)
		return outcome;
	outcome.failed = users.failed;
	outcome.error = install(&ids->uids, &users, pid);
	return outcome;
}

static void stay_outside(const struct sandbox_ids *ids, pid_t pid, int fd)
{
	struct outcome outcome;
	char go;

	if (recv(fd, &go, 1, 0) != 1)
		_exit(1);
	outcome = install_both(ids, pid);
	_exit(send(fd, &outcome, sizeof(outcome), MSG_NOSIGNAL) < 0);
}

/* --- the one that goes inside --- */

static int fail(const char **failed, const char *what, int error)
{
	*failed = what;
	return error;
}

static int go_inside(int fd, int flags, const char **failed)
{
	struct outcome outcome;

	if (unshare(CLONE_NEWUSER | flags) < 0)
		return fail(failed, "a user namespace of its own", -errno);
	if (send(fd, "", 1, MSG_NOSIGNAL) != 1 ||
	    recv(fd, &outcome, sizeof(outcome), 0) != sizeof(outcome))
		return fail(failed, "mapping users", -EIO);
	return outcome.error ? fail(failed, outcome.failed, outcome.error) : 0;
}

/* Without a map: who starts it. */
static void fill(struct sandbox_id_map *map, uint32_t own)
{
	if (!map->n)
		map->ranges[map->n++] = (struct sandbox_id_range){0, own, 1};
}

int sandbox_ids_unshare(const struct sandbox_ids *ids, int flags, const char **failed)
{
	struct sandbox_ids filled = *ids;
	pid_t own = getpid(), child;
	int fds[2], ret;

	fill(&filled.uids, geteuid());
	fill(&filled.gids, getegid());
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return fail(failed, "mapping users", -errno);
	child = fork();
	if (!child) {
		close(fds[0]);
		stay_outside(&filled, own, fds[1]);
	}
	close(fds[1]);
	ret = child < 0 ? fail(failed, "mapping users", -errno) : go_inside(fds[0], flags, failed);
	close(fds[0]); /* it ends, if it waits */
	while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return ret;
}

/* There is one thread: the calls need not go through libc, which has them signal all others. */
int sandbox_ids_be_root(void)
{
	if (syscall(SYS_setresgid, 0, 0, 0) < 0 || syscall(SYS_setresuid, 0, 0, 0) < 0)
		return -errno;
	return 0;
}
