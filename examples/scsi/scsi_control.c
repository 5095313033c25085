/* SPDX-License-Identifier: MIT */
/* What --control takes: logical units come, go and change.  Device thread. */
#include "scsi.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { TEXT = 5000 };

static int control_find(struct vu_script *script, const char *word, uint32_t *target,
			uint32_t *number)
{
	if (!scsi_lun_parse(word, strlen(word), target, number))
		return 0;
	return vu_script_fail(script, "which one?  TARGET:LUN, such as 1:0");
}

static int control_list(struct vu_script *script, uint32_t n, const char *const *words,
			void *opaque)
{
	struct scsi_host *host = ((struct scsi *)opaque)->host;
	char text[TEXT];

	(void)n;
	(void)words;
	for (uint32_t t = 0; t < SCSI_TARGETS; t++)
		for (uint32_t i = 0; i < SCSI_LUNS && scsi_find_target(host, t); i++) {
			struct scsi_lun *lun = scsi_find_lun(host, t, i);

			if (!lun)
				continue;
			scsi_lun_describe(lun, text, sizeof(text));
			vu_script_answer(script, text);
		}
	return 0;
}

static int control_add(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	char error[TEXT] = "";
	int ret = scsi_lun_add(((struct scsi *)opaque)->host, words[0], error, sizeof(error));

	(void)n;
	return ret && error[0] ? vu_script_fail(script, error) : ret;
}

static int control_remove(struct vu_script *script, uint32_t n, const char *const *words,
			  void *opaque)
{
	uint32_t target, number;
	int ret = control_find(script, words[0], &target, &number);

	(void)n;
	if (ret)
		return ret;
	ret = scsi_lun_remove(((struct scsi *)opaque)->host, target, number);
	return ret ? vu_script_fail(script, "there is none") : 0;
}

static int control_load(struct vu_script *script, uint32_t n, const char *const *words,
			void *opaque)
{
	uint32_t target, number;
	char error[TEXT] = "";
	int ret = control_find(script, words[0], &target, &number);

	if (ret)
		return ret;
	ret = scsi_lun_load(((struct scsi *)opaque)->host, target, number, n > 1 ? words[1] : NULL,
			    error, sizeof(error));
	return ret && error[0] ? vu_script_fail(script, error) : ret;
}

static int control_eject(struct vu_script *script, uint32_t n, const char *const *words,
			 void *opaque)
{
	return control_load(script, n, words, opaque);
}

static int control_resize(struct vu_script *script, uint32_t n, const char *const *words,
			  void *opaque)
{
	(void)script;
	(void)n;
	(void)words;
	scsi_lun_resize_all(((struct scsi *)opaque)->host);
	return 0;
}

const struct vu_command scsi_control_commands[] = {
	{"list", NULL, "all: address, kind, bytes, block size, writable or not, path", 0, 0,
	 control_list},
	{"add", "LUN", "a logical unit comes, described as for --lun", 1, 1, control_add},
	{"remove", "T:L", "it goes", 1, 1, control_remove},
	{"load", "T:L PATH", "another image in a drive", 2, 2, control_load},
	{"eject", "T:L", "no image any more, whether the guest prevents it or not", 1, 1,
	 control_eject},
	{"resize", NULL, "look at the sizes of files, as SIGHUP does", 0, 0, control_resize},
	{NULL, NULL, NULL, 0, 0, NULL},
};
