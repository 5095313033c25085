/* SPDX-License-Identifier: MIT */
/* What a renderer that came into a guest's hands does: the first word of a batch. */
#ifndef GPU_BAD_RENDERER_H
#define GPU_BAD_RENDERER_H

enum {
	BAD_SHADOW = 4096, /* bytes of resource 6, to which the renderer may write */
	BAD_MEMORY = 8192, /* and of the memory that it is in */
	BAD_BYTE = 0xbd,
	BAD_RESOURCE = 0xbad,	   /* one that is refused */
	BAD_SLOW_RESOURCE = 0xbae, /* the same, and to take it back takes BAD_SLOWEST_S seconds */
	BAD_SLOW_S = 40,
	BAD_SLOWEST_S = 75,
	BAD_BLOB = 8192, /* bytes of each blob's memory */
	BAD_PICTURE = 0x1000,
	BAD_PICTURE_BYTES = 4096, /* that a good one needs, and its line */
	BAD_PICTURE_STRIDE = 128,
	BAD_FOURCC = 0x34324241, /* AB24 */
};

#define BAD_MEMFD    "blob" /* what its memory is called */
#define BAD_MODIFIER UINT64_C(0x0123456789abcdef)

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

/* What comes when a picture is to be exported whose number is BAD_PICTURE and that much. */
enum bad_picture {
	PICTURE_GOOD,
	/* None that a display gets. */
	PICTURE_SHORT,
	PICTURE_NARROW,
	PICTURE_WIDE,
	PICTURE_WIDEST,
	PICTURE_LARGE_PIXELS,
	PICTURE_PLANES,
	PICTURE_PIPE,
	PICTURE_NULL,
	PICTURE_REFUSED,
	/* It is to be ended. */
	PICTURE_ENDED,
	PICTURE_NONE = PICTURE_ENDED,
	PICTURE_REFUSED_WITH,
	PICTURE_TWO,
	PICTURE_ALL,
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
	/* It is waited for. */
	BAD_SLOW = BAD_ALL, /* for BAD_SLOW_S seconds */
	BAD_HALF, /* with the second of them the fence of the first is done, and no more */
};

#endif
