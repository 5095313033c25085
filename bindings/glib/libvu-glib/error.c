/* SPDX-License-Identifier: MIT */
/* The error domain. */
#include "error.h"

#include <errno.h>

#include <libvu/vu.h>

G_DEFINE_QUARK(vu - glib - error - quark, vu_glib_error)

static const struct {
	int number;
	VuGlibError code;
} errors[] = {
	{EINVAL, VU_GLIB_ERROR_INVALID},       {E2BIG, VU_GLIB_ERROR_INVALID},
	{ENOTSOCK, VU_GLIB_ERROR_INVALID},     {EBADF, VU_GLIB_ERROR_INVALID},
	{ENAMETOOLONG, VU_GLIB_ERROR_INVALID}, {ERANGE, VU_GLIB_ERROR_RANGE},
	{EBUSY, VU_GLIB_ERROR_BUSY},	       {EDEADLK, VU_GLIB_ERROR_BUSY},
	{EADDRINUSE, VU_GLIB_ERROR_BUSY},      {ENOTSUP, VU_GLIB_ERROR_UNSUPPORTED},
	{ESHUTDOWN, VU_GLIB_ERROR_CLOSED},     {EPERM, VU_GLIB_ERROR_REFUSED},
};

gboolean error_fail(GError **error, VuGlibError code, const char *what)
{
	g_set_error_literal(error, VU_GLIB_ERROR, code, what);
	return FALSE;
}

gboolean error_check(int ret, const char *what, GError **error)
{
	VuGlibError code = VU_GLIB_ERROR_FAILED;

	if (ret >= 0)
		return TRUE;
	for (guint i = 0; i < G_N_ELEMENTS(errors); i++) {
		if (errors[i].number == -ret)
			code = errors[i].code;
	}
	g_set_error(error, VU_GLIB_ERROR, code, "%s: %s", what, g_strerror(-ret));
	return FALSE;
}

int error_to_errno(const GError *error)
{
	if (error && error->domain == VU_GLIB_ERROR) {
		for (guint i = 0; i < G_N_ELEMENTS(errors); i++) {
			if (errors[i].code == (VuGlibError)error->code)
				return -errors[i].number;
		}
	}
	return error && error->domain == VU_GLIB_ERROR && error->code == VU_GLIB_ERROR_FAILED
		       ? -EIO
		       : -EINVAL;
}

const gchar *vu_glib_version(void)
{
	return vu_version();
}
