/* SPDX-License-Identifier: MIT */
/*
 * What management software reads before it starts a back-end: a VHostUserBackendCapabilities
 * object of QEMU's vhost-user.json.  Owns nothing.
 */
#include "run/capabilities.h"

#include <errno.h>

static void capabilities_string(FILE *out, const char *s)
{
	fputc('"', out);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if ((unsigned char)*s < 0x20)
			fprintf(out, "\\u%04x", (unsigned int)(unsigned char)*s);
		else
			fputc(*s, out);
	}
	fputc('"', out);
}

int capabilities_print(FILE *out, const char *type, const char *const *features)
{
	fprintf(out, "{\n  \"type\": ");
	capabilities_string(out, type);
	fprintf(out, ",\n  \"features\": [");
	for (int i = 0; features && features[i]; i++) {
		fprintf(out, "%s\n    ", i ? "," : "");
		capabilities_string(out, features[i]);
	}
	fprintf(out, "%s]\n}\n", features && features[0] ? "\n  " : "");
	return fflush(out) || ferror(out) ? -EIO : 0;
}
