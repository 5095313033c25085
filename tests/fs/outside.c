/* SPDX-License-Identifier: MIT */
/* See outside.h. */
#include "outside.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char secret[] = "secret";

void outside_begin(struct client *c, struct outside *o)
{
	static const char *const args[] = {"--sandbox=none", "--xattr", NULL};
	FILE *f;

	snprintf(o->dir, sizeof(o->dir), "%s/outside", c->rig.dir);
	snprintf(o->file, sizeof(o->file), "%s/file", o->dir);
	assert_return_code(mkdir(o->dir, 0777), 0);
	f = fopen(o->file, "we");
	assert_non_null(f);
	fputs(secret, f);
	fclose(f);
	client_start(c, args);
}

void outside_end(struct client *c, const struct outside *o)
{
	char text[32] = "";
	struct stat st;
	FILE *f;

	client_stop(c);
	assert_return_code(stat(o->file, &st), 0);
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(st.st_mode, S_IFREG | 0644);
	f = fopen(o->file, "re");
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof(text), f));
	fclose(f);
	assert_string_equal(text, secret);
	assert_return_code(unlink(o->file), 0);
	assert_return_code(rmdir(o->dir), 0); /* nothing else is there */
}
