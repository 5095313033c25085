/* SPDX-License-Identifier: MIT */
/*
 * What management software reads before it starts a back-end: a VHostUserBackendCapabilities
 * object of QEMU's vhost-user.json.  Owns nothing.
 */
#include "run/capabilities.h"

#include <errno.h>

/* Names of types and features are the program's own, and plain words: nothing is to be escaped. */
int capabilities_print(FILE *out, const char *type, const char *const *features)
{
	fprintf(out, "{\n  \"type\": \"%s\",\n  \"features\": [", type);
	for (int i = 0; features && features[i]; i++)
		fprintf(out, "%s\n    \"%s\"", i ? "," : "", features[i]);
	fprintf(out, "%s]\n}\n", features && features[0] ? "\n  " : "");
	if (fflush(out))
		return -errno;
	return ferror(out) ? -EIO : 0;
}
