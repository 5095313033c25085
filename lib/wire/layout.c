/* SPDX-License-Identifier: MIT */
/*
 * Payload layouts: sizes and decoders, one row a layout.  Owns nothing; any thread.
 *
 * Payloads are a peer's bytes: values are copied out, nothing is trusted but what was checked.
 */
#include "wire/layout.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "wire/conn.h"

enum {
	MEM_TABLE_HEAD =
		sizeof(struct wire_mem_table) - WIRE_TABLE_REGIONS * sizeof(struct wire_region),
	INFLIGHT_FIELDS = 20, /* struct wire_inflight without the padding at its end */
};

_Static_assert(sizeof(struct wire_header) == 12, "header");
_Static_assert(sizeof(struct wire_vring_state) == 8, "vring state");
_Static_assert(sizeof(struct wire_vring_addr) == 40, "vring address");
_Static_assert(sizeof(struct wire_mem_table) == 264, "memory table");
_Static_assert(sizeof(struct wire_mem_reg) == 40, "memory region");
_Static_assert(sizeof(struct wire_log) == 16, "log");
_Static_assert(sizeof(struct wire_iotlb) == 32, "IOTLB message");
_Static_assert(sizeof(struct wire_config) == 12, "config space");
_Static_assert(offsetof(struct wire_inflight, queue_size) + 2 == INFLIGHT_FIELDS, "in-flight");
_Static_assert(sizeof(struct wire_crypto_symmetric) == 48 + 64 + 512, "symmetric crypto session");
_Static_assert(sizeof(struct wire_crypto_asymmetric) == 32 + 1024, "asymmetric crypto session");
_Static_assert(sizeof(struct wire_crypto) == 1072, "crypto session");
_Static_assert(sizeof(struct wire_vring_area) == 24, "vring area");
_Static_assert(sizeof(struct wire_shared_object) == 16, "shared object");
_Static_assert(sizeof(struct wire_device_state) == 8, "device state");
_Static_assert(sizeof(struct wire_mmap) == 40, "mmap request");
_Static_assert(sizeof(struct wire_shmem_config) == 2056, "shared memory configuration");

/* Text that grows in a buffer which may be too small; len counts what would have been written. */
struct text {
	char *out;
	size_t size;
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void text_add(struct text *t, const char *fmt, ...)
{
	bool fits = t->len < t->size;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(fits ? t->out + t->len : NULL, fits ? t->size - t->len : 0, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->len += (size_t)n;
}

static void text_add_hex(struct text *t, const char *name, uint64_t value)
{
	text_add(t, "%s%s 0x%llx", t->len ? " " : "", name, (unsigned long long)value);
}

static void text_add_number(struct text *t, const char *name, uint64_t value)
{
	text_add(t, "%s%s %llu", t->len ? " " : "", name, (unsigned long long)value);
}

static void text_add_region(struct text *t, const struct wire_region *r)
{
	text_add_hex(t, "guest_addr", r->guest_addr);
	text_add_hex(t, "size", r->size);
	text_add_hex(t, "user_addr", r->user_addr);
	text_add_hex(t, "mmap_offset", r->mmap_offset);
}

typedef void decode_fn(struct text *t, const unsigned char *payload, uint32_t size);

static void decode_none(struct text *t, const unsigned char *payload, uint32_t size)
{
	(void)t;
	(void)payload;
	(void)size;
}

static void decode_u64(struct text *t, const unsigned char *payload, uint32_t size)
{
	uint64_t v;

	(void)size;
	memcpy(&v, payload, sizeof(v));
	text_add_hex(t, "u64", v);
}

static void decode_vring_state(struct text *t, const unsigned char *payload, uint32_t size)
{
	struct wire_vring_state v;

	(void)size;
	memcpy(&v, payload, sizeof(v));
	text_add_number(t, "index", v.index);
	text_add_number(t, "num", v.num);
}

static void decode_vring_addr(struct text *t, const unsigned char *payload, uint32_t size)
{
	struct wire_vring_addr v;

	(void)size;
	memcpy(&v, payload, sizeof(v));
	text_add_number(t, "index", v.index);
	text_add_hex(t, "flags", v.flags);
	text_add_hex(t, "desc", v.desc);
	text_add_hex(t, "used", v.used);
	text_add_hex(t, "avail", v.avail);
	text_add_hex(t, "log", v.log);
}

static void decode_vring_fd(struct text *t, const unsigned char *payload, uint32_t size)
{
	uint64_t v;

	(void)size;
	memcpy(&v, payload, sizeof(v));
	text_add_number(t, "index", v & WIRE_VRING_INDEX_MASK);
	if (v & WIRE_VRING_NOFD)
		text_add(t, " nofd");
}

static void decode_mem_table(struct text *t, const unsigned char *payload, uint32_t size)
{
	uint32_t n;

	memcpy(&n, payload, sizeof(n));
	text_add_number(t, "num_regions", n);
	for (uint32_t i = 0; i < n && MEM_TABLE_HEAD + (i + 1) * sizeof(struct wire_region) <= size;
	     i++) {
		struct wire_region r;

		memcpy(&r, payload + MEM_TABLE_HEAD + i * sizeof(r), sizeof(r));
		text_add(t, " region%u:", i);
		text_add_region(t, &r);
	}
}

static void decode_mem_reg(struct text *t, const unsigned char *payload, uint32_t size)
{
	struct wire_mem_reg v;

	(void)size;
	memcpy(&v, payload, sizeof(v));
	text_add_region(t, &v.region);
}

static void decode_log(struct text *t, const unsigned char *payload, uint32_t size)
{
	struct wire_log v;

	if (size < sizeof(v)) {
		decode_u64(t, payload, size);
		return;
	}
	memcpy(&v, payload, sizeof(v));
	text_add_hex(t, "size", v.size);
	text_add_hex(t, "offset", v.offset);
}

static void decode_iotlb(struct text *t, const unsigned char *payload, uint32_t size)
{
	static const char *const types[] = {NULL, "miss", "update", "invalidate", "access_fail"};
	struct wire_iotlb v;

	(void)size;
	memcpy(&v, payload, sizeof(v));
	if (v.type > 0 && v.type < sizeof(types) / sizeof(types[0]))
		text_add(t, "type %s", types[v.type]);
	else
		text_add_number(t, "type", v.type);
	text_add_hex(t, "iova", v.iova);
	text_add_hex(t, "size", v.size);
	text_add_hex(t, "user_addr", v.user_addr);
	text_add_number(t, "perm", v.perm);
}

static void decode_config(struct text *t, const unsigned char *payload, uint32_t size)
{
	struct wire_config v;

	(void)size;
	memcpy(&v, payload, sizeof(v));
	text_add_number(t, "offset", v.offset);
	text_add_number(t, "size", v.size);
	text_add_hex(t, "flags", v.flags);
}

/* Keys are in the rest: they have no place in a log. */
static void decode_crypto(struct text *t, const unsigned char *payload, uint32_t size)
{
	uint64_t op;

	memcpy(&op, payload, sizeof(op));
	text_add_hex(t, "op_code", op);
	text_add_number(t, "bytes", size);
}

static void decode_inflight(struct text *t, const unsigned char *payload, uint32_t size)
{
	struct wire_inflight v;

	(void)size;
	memcpy(&v, payload, INFLIGHT_FIELDS);
	text_add_hex(t, "mmap_size", v.mmap_size);
	text_add_hex(t, "mmap_offset", v.mmap_offset);
	text_add_number(t, "num_queues", v.n_queues);
	text_add_number(t, "queue_size", v.queue_size);
}

static void decode_vring_area(struct text *t, const unsigned char *payload, uint32_t size)
{
	struct wire_vring_area v;

	decode_vring_fd(t, payload, size); /* its first field has the same flags */
	memcpy(&v, payload, sizeof(v));
	text_add_hex(t, "size", v.size);
	text_add_hex(t, "offset", v.offset);
}

static void decode_shared_object(struct text *t, const unsigned char *payload, uint32_t size)
{
	text_add(t, size ? "uuid " : "no uuid");
	for (uint32_t i = 0; i < size; i++)
		text_add(t, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", payload[i]);
}

static void decode_device_state(struct text *t, const unsigned char *payload, uint32_t size)
{
	struct wire_device_state v;

	(void)size;
	memcpy(&v, payload, sizeof(v));
	if (v.direction <= 1)
		text_add(t, "direction %s", v.direction ? "load" : "save");
	else
		text_add_number(t, "direction", v.direction);
	text_add_number(t, "phase", v.phase);
}

static void decode_mmap(struct text *t, const unsigned char *payload, uint32_t size)
{
	struct wire_mmap v;

	(void)size;
	memcpy(&v, payload, sizeof(v));
	text_add_number(t, "shmid", v.shmid);
	text_add_hex(t, "fd_offset", v.fd_offset);
	text_add_hex(t, "shm_offset", v.shm_offset);
	text_add_hex(t, "len", v.len);
	text_add_hex(t, "flags", v.flags);
}

static void decode_shmem_config(struct text *t, const unsigned char *payload, uint32_t size)
{
	struct wire_shmem_config v;

	(void)size;
	memcpy(&v, payload, sizeof(v));
	text_add_number(t, "num_regions", v.n_regions);
	for (unsigned int shmid = 0; shmid < 256; shmid++)
		if (v.size[shmid])
			text_add(t, " size%u: 0x%llx", shmid, (unsigned long long)v.size[shmid]);
}

/* n regions need their place; User-mode Linux 6.12 sends two places for its one region. */
static bool mem_table_fits(const void *payload, uint32_t size)
{
	uint32_t n;

	memcpy(&n, payload, sizeof(n));
	return n <= WIRE_TABLE_REGIONS && size >= MEM_TABLE_HEAD + n * sizeof(struct wire_region);
}

static bool config_fits(const void *payload, uint32_t size)
{
	struct wire_config v;

	memcpy(&v, payload, sizeof(v));
	return v.size <= WIRE_CONFIG_MAX && size == sizeof(v) + v.size;
}

struct layout {
	const char *name;
	const char *want;
	uint32_t min;
	uint32_t max;
	uint32_t step; /* sizes between min and max: every step-th; 0: any */
	bool (*fits)(const void *payload, uint32_t size); /* after min, max and step */
	decode_fn *decode;
};

/* clang-format off */
static const struct layout layouts[] = {
	[WIRE_L_NONE] = { "no payload", "0 (no payload)", 0, 0, 0, NULL, decode_none },
	[WIRE_L_U64] = { "a 64-bit integer", "8 (a 64-bit integer)", 8, 8, 0, NULL, decode_u64 },
	[WIRE_L_VRING_STATE] = { "a vring state", "8 (a vring state)", 8, 8, 0, NULL,
		decode_vring_state },
	[WIRE_L_VRING_ADDR] = { "a vring address", "40 (a vring address)", 40, 40, 0, NULL,
		decode_vring_addr },
	[WIRE_L_VRING_FD] = { "a vring index and flag", "8 (a vring index and flag)", 8, 8, 0, NULL,
		decode_vring_fd },
	[WIRE_L_MEM_TABLE] = { "a memory table", "8 and 32 for each of at most 8 regions",
		MEM_TABLE_HEAD, sizeof(struct wire_mem_table), 0, mem_table_fits, decode_mem_table },
	[WIRE_L_MEM_REG] = { "a memory region", "40 (a memory region)", 40, 40, 0, NULL,
		decode_mem_reg },
	[WIRE_L_LOG] = { "a log description", "8 or 16 (a log description)", 8, 16, 8, NULL,
		decode_log },
	[WIRE_L_IOTLB] = { "an IOTLB message", "32 (an IOTLB message)", 32, 32, 0, NULL,
		decode_iotlb },
	[WIRE_L_CONFIG] = { "a config space access", "12 and as many as its size says, at most 4096",
		sizeof(struct wire_config), WIRE_MAX_PAYLOAD, 0, config_fits, decode_config },
	[WIRE_L_CRYPTO] = { "a crypto session", "1072 (a crypto session)", 1072, 1072, 0, NULL, decode_crypto },
	[WIRE_L_INFLIGHT] = { "an in-flight description", "20 or 24 (an in-flight description)",
		INFLIGHT_FIELDS, sizeof(struct wire_inflight), 4, NULL, decode_inflight },
	[WIRE_L_VRING_AREA] = { "a vring area", "24 (a vring area)", 24, 24, 0, NULL,
		decode_vring_area },
	[WIRE_L_SHARED_OBJECT] = { "a UUID", "16 (a UUID), or 0 as QEMU sends it", 0, 16, 16, NULL,
		decode_shared_object },
	[WIRE_L_DEVICE_STATE] = { "device state parameters", "8 (device state parameters)", 8, 8, 0,
		NULL, decode_device_state },
	[WIRE_L_MMAP] = { "a mapping request", "40 (a mapping request)", 40, 40, 0, NULL, decode_mmap },
	[WIRE_L_SHMEM_CONFIG] = { "a shared memory configuration",
		"2056 (a shared memory configuration)", 2056, 2056, 0, NULL, decode_shmem_config },
};
/* clang-format on */

_Static_assert(sizeof(layouts) / sizeof(layouts[0]) == WIRE_L_END, "a row for each layout");

const char *wire_layout_name(enum wire_layout layout)
{
	return layout < WIRE_L_END ? layouts[layout].name : NULL;
}

bool wire_layout_fits(enum wire_layout layout, const void *payload, uint32_t size,
		      const char **want)
{
	const struct layout *l = &layouts[layout];

	*want = l->want;
	if (size < l->min || size > l->max)
		return false;
	if (l->step && (size - l->min) % l->step)
		return false;
	return !l->fits || l->fits(payload, size);
}

size_t wire_layout_decode(enum wire_layout layout, const void *payload, uint32_t size, char *out,
			  size_t out_size)
{
	struct text t = {.out = out, .size = out_size};

	if (out_size)
		out[0] = '\0';
	layouts[layout].decode(&t, payload, size);
	/* Show that something is missing: a cut number would read as another number. */
	if (t.len >= out_size && out_size > 3)
		memcpy(out + out_size - 4, "...", 4);
	return t.len;
}

const char *wire_protocol_feature_name(unsigned int bit)
{
	static const char *const names[] = {
		[WIRE_PF_MQ] = "MQ",
		[WIRE_PF_LOG_SHMFD] = "LOG_SHMFD",
		[WIRE_PF_RARP] = "RARP",
		[WIRE_PF_REPLY_ACK] = "REPLY_ACK",
		[WIRE_PF_MTU] = "MTU",
		[WIRE_PF_BACKEND_REQ] = "BACKEND_REQ",
		[WIRE_PF_CROSS_ENDIAN] = "CROSS_ENDIAN",
		[WIRE_PF_CRYPTO_SESSION] = "CRYPTO_SESSION",
		[WIRE_PF_PAGEFAULT] = "PAGEFAULT",
		[WIRE_PF_CONFIG] = "CONFIG",
		[WIRE_PF_BACKEND_SEND_FD] = "BACKEND_SEND_FD",
		[WIRE_PF_HOST_NOTIFIER] = "HOST_NOTIFIER",
		[WIRE_PF_INFLIGHT_SHMFD] = "INFLIGHT_SHMFD",
		[WIRE_PF_RESET_DEVICE] = "RESET_DEVICE",
		[WIRE_PF_INBAND_NOTIFICATIONS] = "INBAND_NOTIFICATIONS",
		[WIRE_PF_CONFIGURE_MEM_SLOTS] = "CONFIGURE_MEM_SLOTS",
		[WIRE_PF_STATUS] = "STATUS",
		[WIRE_PF_XEN_MMAP] = "XEN_MMAP",
		[WIRE_PF_SHARED_OBJECT] = "SHARED_OBJECT",
		[WIRE_PF_DEVICE_STATE] = "DEVICE_STATE",
		[WIRE_PF_GET_VRING_BASE_INFLIGHT] = "GET_VRING_BASE_INFLIGHT",
		[WIRE_PF_GPA_ADDRESSES] = "GPA_ADDRESSES",
		[WIRE_PF_SHMEM_MAP] = "SHMEM_MAP",
	};

	_Static_assert(sizeof(names) / sizeof(names[0]) == WIRE_PF_END, "a name for each bit");
	return bit < WIRE_PF_END ? names[bit] : NULL;
}
