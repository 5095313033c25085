/* SPDX-License-Identifier: MIT */
/* The command line: virtiofsd's names, and its -o forms, which libvirt uses. */
#include "fs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../common/sandbox.h"

enum { MAX_EXPANDED = 256 };

const struct fs_settings fs_defaults = {.n_queues = 1, .queue_size = 1024};

static const char *const cache_choices[] = {"auto", "always", "never", "metadata", NULL};
static const char *const handle_choices[] = {"prefer", "mandatory", "never", NULL};

static int set_tag(const char *value, void *opaque)
{
	struct fs_settings *settings = opaque;

	if (!*value || strlen(value) > FS_TAG_LEN)
		return -EINVAL;
	settings->tag = value;
	return 0;
}

/* A PCI BAR is a power of two, and Linux wants room for one range at least. */
static int set_dax_window(const char *value, void *opaque)
{
	struct fs_settings *settings = opaque;
	uint64_t len;
	int ret = vu_number_parse(value, 2 << 20, FS_MAX_DAX_WINDOW, &len);

	if (ret)
		return ret;
	if (len & (len - 1))
		return -EINVAL;
	settings->dax_window = (int)len;
	return 0;
}

/* What came of adding to a map, which may have told nothing yet. */
static int added(int ret, const char *value)
{
	if (ret != -EEXIST)
		return ret;
	fprintf(stderr, "vu-fs: %s: it meets one that was given before\n", value);
	return -EINVAL;
}

static int translate_uid(const char *value, void *opaque)
{
	return added(fs_ids_add(&((struct fs_settings *)opaque)->uids, value), value);
}

static int translate_gid(const char *value, void *opaque)
{
	return added(fs_ids_add(&((struct fs_settings *)opaque)->gids, value), value);
}

static int uid_map(const char *value, void *opaque)
{
	struct fs_settings *settings = opaque;

	return added(sandbox_id_map_add(&settings->namespace_ids.uids, value), value);
}

static int gid_map(const char *value, void *opaque)
{
	struct fs_settings *settings = opaque;

	return added(sandbox_id_map_add(&settings->namespace_ids.gids, value), value);
}

static int ignore(const char *value, void *opaque)
{
	(void)value;
	(void)opaque;
	return 0;
}

#define FLAG(name, says, member)                                                                   \
	{                                                                                          \
		VU_OPTION_FLAG(name, says, struct fs_settings, member)                             \
	}
#define TRANSLATE(option, says, setter)                                                            \
	{                                                                                          \
		.name = option, .argument = "MAP", .help = says,                                   \
		.valid = "map, guest, host, squash-guest or squash-host:FROM:TO:COUNT, or "        \
			 "forbid-guest:FROM:COUNT",                                                \
		.set = setter, .repeatable = 1                                                     \
	}
#define NAMESPACE_MAP(option, says, setter)                                                        \
	{                                                                                          \
		.name = option, .argument = "MAP", .help = says,                                   \
		.valid = ":NAMESPACE-ID:HOST-ID:COUNT: with any delimiter", .set = setter,         \
		.repeatable = 1                                                                    \
	}
#define IGNORED(option, takes, says)                                                               \
	{                                                                                          \
		.name = option, .argument = takes, .help = says, .set = ignore                     \
	}

const struct vu_option fs_options[] = {
	{VU_OPTION_STRING("shared-dir", "PATH", "the directory to share", struct fs_settings,
			  shared_dir),
	 .required = 1},
	{.name = "tag",
	 .argument = "NAME",
	 .help = "what guests mount, for front-ends that ask the back-end: 36 bytes at most",
	 .valid = "1 to 36 bytes",
	 .set = set_tag},
	{VU_OPTION_NUMBER("num-request-queues", "N", "request queues, with a thread for each (1)",
			  struct fs_settings, n_queues, 1, FS_MAX_QUEUES)},
	{VU_OPTION_NUMBER("queue-size", "N", "longest ring taken, in entries (default 1024)",
			  struct fs_settings, queue_size, 4, 32768)},
	{VU_OPTION_CHOICE("cache", "POLICY",
			  "what guests may remember: auto (default), always, metadata or never",
			  struct fs_settings, cache, cache_choices)},
	{VU_OPTION_CHOICE("sandbox", "KIND",
			  "auto (default: namespace, else landlock), namespace, chroot, landlock, "
			  "none",
			  struct fs_settings, sandbox, sandbox_names)},
	{VU_OPTION_CHOICE("inode-file-handles", "WHEN",
			  "keep handles for descriptors: prefer (default), mandatory or never",
			  struct fs_settings, handles, handle_choices)},
	{VU_OPTION_NUMBER("max-open-inodes", "N",
			  "inodes whose descriptors stay open (default: half of the limit)",
			  struct fs_settings, max_open_inodes, 16, 1 << 20)},
	{VU_OPTION_NUMBER("thread-pool-size", "N",
			  "threads that wait for disks in a queue's place (default 0: none)",
			  struct fs_settings, pool_size, 0, FS_MAX_POOL)},
	{.name = "dax-window",
	 .argument = "SIZE",
	 .help = "files in the guest's memory, for front-ends that have room for them",
	 .valid = "a power of two, 2M to 512M",
	 .set = set_dax_window},
	{VU_OPTION_STRING("state-file", "PATH",
			  "keep what guests know there, for a start after a crash",
			  struct fs_settings, state_file)},
	{VU_OPTION_NUMBER("state-fd", "N", "the same in a file or memfd that is handed over",
			  struct fs_settings, state_fd, 3, 1 << 20)},
	FLAG("state-fdstore", "the same in a memfd that the service manager keeps", state_fdstore),
	FLAG("readonly", "refuse what would change it", read_only),
	FLAG("xattr", "extended attributes", xattr),
	FLAG("posix-acl", "POSIX ACLs; implies --xattr", posix_acl),
	FLAG("writeback", "guests may keep what was written for a while", writeback),
	FLAG("announce-submounts", "mount points are mount points for guests, too (default)",
	     announce_submounts),
	FLAG("no-announce-submounts", "they are folders", no_announce_submounts),
	FLAG("killpriv-v2", "set-user-ID bits are cleared here, not by the guest", killpriv_v2),
	FLAG("no-killpriv-v2", "they are not (default)", no_killpriv_v2),
	FLAG("no-readdirplus", "listings without attributes", no_readdirplus),
	FLAG("preserve-noatime", "obey O_NOATIME", preserve_noatime),
	FLAG("allow-direct-io", "obey O_DIRECT", allow_direct_io),
	FLAG("allow-mmap", "files may be mapped with --cache=never and metadata", allow_mmap),
	FLAG("security-label", "new files get the labels that guests send; implies --xattr",
	     security_label),
	TRANSLATE("translate-uid", "users have other ids on the host (repeatable)", translate_uid),
	TRANSLATE("translate-gid", "groups do (repeatable)", translate_gid),
	NAMESPACE_MAP("uid-map", "users of the sandbox's user namespace (repeatable)", uid_map),
	NAMESPACE_MAP("gid-map", "groups of it (repeatable)", gid_map),
	FLAG("posix-lock", "fcntl(2) locks are the host's, too", posix_lock),
	FLAG("flock", "flock(2) locks are the host's, too", flock),
	IGNORED("syslog", NULL, "taken for virtiofsd's sake: the log goes to standard error"),
	IGNORED("rlimit-nofile", "N", "taken for virtiofsd's sake: the limit is raised anyway"),
	{.name = NULL},
};

/* --- -o a,b=c --- */

/* A word of -o, and the option it is; "": it asks for what is so anyway. */
static const struct {
	const char *word, *option;
} words[] = {
	{"source=", "--shared-dir="},
	{"cache=none", "--cache=never"}, /* as libvirt says it */
	{"cache=", "--cache="},
	{"loglevel=debug", "--verbose"},
	{"loglevel=info", ""},
	{"loglevel=warn", ""},
	{"loglevel=err", ""},
	{"sandbox=", "--sandbox="},
	{"xattr", "--xattr"},
	{"no_xattr", ""},
	{"writeback", "--writeback"},
	{"no_writeback", ""},
	{"posix_lock", "--posix-lock"},
	{"no_posix_lock", ""},
	{"flock", "--flock"},
	{"no_flock", ""},
	{"readdirplus", ""},
	{"no_readdirplus", "--no-readdirplus"},
	{"posix_acl", "--posix-acl"},
	{"no_posix_acl", ""},
	{"security_label", "--security-label"},
	{"no_security_label", ""},
	{"killpriv_v2", "--killpriv-v2"},
	{"no_killpriv_v2", ""},
	{"announce_submounts", "--announce-submounts"},
	{"no_announce_submounts", "--no-announce-submounts"},
	{"allow_direct_io", "--allow-direct-io"},
	{"no_allow_direct_io", ""},
};

/* What virtiofsd calls how much is logged, and the options that are nearest. */
static const struct {
	const char *level;
	int verbose;
} log_levels[] = {
	{"off", 0}, {"error", 0}, {"warn", 0}, {"info", 0}, {"debug", 1}, {"trace", 2},
};

/* How many --verbose stand for the option at argv[*i], which is virtiofsd's; -1: it is not; -2
 * after a message. */
static int fs_log_level(int argc, char **argv, int *i)
{
	static const char name[] = "--log-level";
	const size_t len = sizeof(name) - 1;
	const char *level = argv[*i] + len + 1;

	if (!strcmp(argv[*i], "-d") || !strcmp(argv[*i], "-f")) /* in the foreground: as always */
		return argv[*i][1] == 'd';
	if (strncmp(argv[*i], name, len) || (argv[*i][len] && argv[*i][len] != '='))
		return -1;
	if (!argv[*i][len])
		level = *i + 1 < argc ? argv[++*i] : "";
	for (size_t n = 0; n < sizeof(log_levels) / sizeof(log_levels[0]); n++)
		if (!strcmp(level, log_levels[n].level))
			return log_levels[n].verbose;
	fprintf(stderr, "vu-fs: --log-level=%s: off, error, warn, info, debug or trace\n", level);
	return -2;
}

/* An option that was a word. */
struct fs_word {
	struct fs_word *next;
	char text[];
};

/* The argument for one word, in a list of what is to be freed; NULL after a message. */
static char *fs_option_of(const char *word, size_t len, struct fs_settings *settings)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t n = strlen(words[i].word);
		bool value = words[i].word[n - 1] == '=';
		struct fs_word *made;

		if (value ? len <= n || strncmp(word, words[i].word, n)
			  : len != n || strncmp(word, words[i].word, n))
			continue;
		made = malloc(sizeof(*made) + strlen(words[i].option) + len + 1);
		if (!made)
			return NULL;
		sprintf(made->text, "%s%.*s", words[i].option, value ? (int)(len - n) : 0,
			word + (value ? n : 0));
		made->next = settings->words;
		settings->words = made;
		return made->text;
	}
	fprintf(stderr, "vu-fs: -o %.*s: no such option; docs/devices/fs.md has those there are\n",
		(int)len, word);
	return NULL;
}

/* Into out, from at on; the number behind it, -1 after a message. */
static int fs_expand_words(const char *list, char **out, int at, struct fs_settings *settings)
{
	while (*list) {
		size_t len = strcspn(list, ",");
		char *option = len ? fs_option_of(list, len, settings) : NULL;

		if (len && !option)
			return -1;
		if (option && *option && at < MAX_EXPANDED)
			out[at++] = option;
		list += len;
		list += *list == ',';
	}
	return at;
}

void fs_options_free(struct fs_settings *settings)
{
	struct fs_word *word = settings->words, *next;

	for (; word; word = next) {
		next = word->next;
		free(word);
	}
}

/* Of -o, or of its list in the next one; NULL: it is another option. */
static const char *fs_list_of(int argc, char **argv, int *i)
{
	if (!strcmp(argv[*i], "-o"))
		return *i + 1 < argc ? argv[++*i] : "";
	return !strncmp(argv[*i], "-o", 2) ? argv[*i] + 2 : NULL;
}

/* What has a value at virtiofsd and none here, or another name.  "": it asks for what is so anyway.
 */
static char *fs_spelling(char *given, struct fs_settings *settings)
{
	static struct {
		const char *given;
		char option[32];
	} spellings[] = {
		{"--posix-acl=never", ""},
		{"--posix-acl=auto", "--posix-acl"},
		{"--posix-acl=always", "--posix-acl"},
		{"--security-label=never", ""},
		{"--security-label=auto", "--security-label"},
		{"--security-label=always", "--security-label"},
		{"--inode-file-handles=fallback", "--inode-file-handles=prefer"},
	};

	settings->needs_posix_acl |= !strcmp(given, "--posix-acl=always");
	settings->needs_security_label |= !strcmp(given, "--security-label=always");
	for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++)
		if (!strcmp(given, spellings[i].given))
			return spellings[i].option;
	return given;
}

/* The options that stand for argv[*i], into out from n on; the number behind them, -1 after a
 * message. */
static int fs_expand_one(int argc, char **argv, int *i, char **out, int n,
			 struct fs_settings *settings)
{
	static char verbose[] = "--verbose";
	char *given = fs_spelling(argv[*i], settings);
	const char *list = fs_list_of(argc, argv, i);
	int level = list ? -1 : fs_log_level(argc, argv, i);

	settings->connects |= !strncmp(given, "--connect", 9);
	if (list)
		return fs_expand_words(list, out, n, settings);
	if (level == -2)
		return -1;
	if (level == -1 && *given)
		out[n++] = given;
	for (; level > 0; level--)
		out[n++] = verbose;
	return n;
}

char **fs_options_expand(int *argc, char **argv, struct fs_settings *settings)
{
	/* One option becomes two at most, but for the words of -o. */
	char **out = calloc(MAX_EXPANDED + 2 * (size_t)*argc + 1, sizeof(*out));
	int n = 0;

	for (int i = 0; i < *argc && out && n >= 0; i++)
		n = fs_expand_one(*argc, argv, &i, out, n, settings);
	if (n < 0) {
		free(out);
		fs_options_free(settings);
		return NULL;
	}
	*argc = n;
	return out;
}
