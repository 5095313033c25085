/* SPDX-License-Identifier: MIT */
/* What a renderer that came into a guest's hands does: the first word of a batch. */
#ifndef GPU_BAD_RENDERER_H
#define GPU_BAD_RENDERER_H

enum {
	BAD_SHADOW = 4096, /* bytes of resource 6, to which the renderer may write */
	BAD_MEMORY = 8192, /* and of the memory that it is in */
	BAD_BYTE = 0xbd,
	BAD_RESOURCE = 0xbad, /* one that is refused */
	BAD_BLOB = 8192,      /* bytes of each blob's memory */
};

/* What a blob's memory is: its number for the renderer. */
enum bad_blob {
	BLOB_GOOD,
	/* None that a guest may see. */
	BLOB_SHORT,
	BLOB_UNSEALED,
	BLOB_WRITE_SEALED,
	BLOB_HUGE,
	BLOB_READ_ONLY,
	BLOB_PIPE,
	BLOB_SOCKET,
	BLOB_NULL,
	BLOB_REFUSED,
	/* It is to be ended. */
	BLOB_ENDED,
	BLOB_NONE = BLOB_ENDED,
	BLOB_REFUSED_WITH,
	BLOB_TWO,
	BLOB_WITH_FENCE,
	BLOB_ALL,
};

enum bad {
	BAD_NOTHING,
	/* It is to be ended. */
	BAD_TWICE,
	BAD_KIND,
	BAD_KIND_LONG,
	BAD_DONE_LONG,
	BAD_DONE_LONGEST,
	BAD_FENCE_LONG,
	BAD_WRITTEN_LONG,
	BAD_ENDED,
	/* It is not to be heard. */
	BAD_PLACES = BAD_ENDED,
	/* It does not stop. */
	BAD_FLOOD,
	BAD_SILENT,
	BAD_BUSY,
	BAD_ALL,
};

#endif
