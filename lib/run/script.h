/* SPDX-License-Identifier: MIT */
/* A script's inside: the table of commands, and running one line of it. */
#ifndef RUN_SCRIPT_H
#define RUN_SCRIPT_H

#include <libvu/unstable.h>

#include "base/log.h"
#include "run/words.h"

struct script_server;

struct vu_script {
	struct vu_script_info info;
	struct vu_command *commands; /* info's, in today's layout */
	struct log log;
	char reason[256]; /* why the line that runs, or ran last, fails; "": it does not say */
	/* Where answers go; NULL: nowhere. */
	void (*answer)(const char *text, void *opaque);
	void *answer_opaque;
	struct vu_device
		*counted; /* whose counters "metrics" tells; NULL: there is no such command */
	struct script_server *server; /* NULL: a file is run */
};

int script_init(struct vu_script *script, const struct vu_script_info *info);
void script_destroy(struct vu_script *script);

/* Run a complete line: 0, or -errno with script->reason set. */
int script_run(struct vu_script *script, struct line *line);

#endif
