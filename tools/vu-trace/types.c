/* SPDX-License-Identifier: MIT */
/* The table of device types, and what its functions share.  No state. */
#include "types.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/printable.h"

static const struct type types[] = {
	{"blk", "blk block", tell_blk},
	{"scsi", "scsi", tell_scsi},
	{"fs", "fs virtiofsd", tell_fs},
	{"rng", "rng", tell_rng},
	{"console", "console", tell_console},
	{"input", "input", tell_input},
	{"gpio", "gpio", tell_gpio},
	{"i2c", "i2c", tell_i2c},
	{"snd", "snd sound", tell_snd},
	{"vsock", "vsock", tell_vsock},
	{"net", "net passt", tell_net},
	{"scmi", "scmi", tell_scmi},
	{"gpu", "gpu", tell_gpu},
	{"rtc", "rtc", tell_rtc},
	{"spi", "spi", tell_spi},
	{"can", "can", tell_can},
};

enum { TYPES = sizeof(types) / sizeof(types[0]) };

const struct type *type_find(const char *name)
{
	for (size_t i = 0; i < TYPES; i++)
		if (!strcmp(types[i].name, name))
			return &types[i];
	return NULL;
}

static bool is_boundary(char c)
{
	return !c || strchr("-_./=, ", c);
}

/* Is this word in text, between boundaries? */
static bool has_word(const char *text, const char *word, size_t len)
{
	for (const char *at = text; *at; at++)
		if (!strncmp(at, word, len) && (at == text || is_boundary(at[-1])) &&
		    is_boundary(at[len]))
			return true;
	return false;
}

static bool type_is_named(const struct type *type, const char *text)
{
	for (const char *word = type->words; *word;) {
		size_t len = strcspn(word, " ");

		if (has_word(text, word, len))
			return true;
		word += len + (word[len] == ' ');
	}
	return false;
}

const struct type *type_of_program(char *const *argv)
{
	const char *slash = strrchr(argv[0], '/');

	for (size_t i = 0; i < TYPES; i++)
		if (type_is_named(&types[i], slash ? slash + 1 : argv[0]))
			return &types[i];
	/* qemu-storage-daemon --export type=vhost-user-blk,... */
	for (char *const *arg = argv + 1; *arg; arg++) {
		const char *at = strstr(*arg, "vhost-user-");

		for (size_t i = 0; at && i < TYPES; i++)
			if (!strncmp(at + strlen("vhost-user-"), types[i].name,
				     strlen(types[i].name)))
				return &types[i];
	}
	return NULL;
}

const struct type *type_of_config(uint32_t offset, uint32_t size)
{
	enum { BLK_LEAST = 57, BLK_MOST = 100, INPUT = 136 };

	if (offset == 0 && size == INPUT)
		return type_find("input");
	return offset == 0 && size >= BLK_LEAST && size <= BLK_MOST ? type_find("blk") : NULL;
}

void type_list(char *out, size_t size)
{
	size_t len = 0;

	for (size_t i = 0; i < TYPES && len < size; i++)
		len += (size_t)snprintf(out + len, size - len, "%s%s", i ? ", " : "",
					types[i].name);
}

uint64_t bytes_le(const unsigned char *bytes, size_t n, size_t at, size_t width)
{
	uint64_t value = 0;

	if (at > n || width > n - at)
		return 0;
	for (size_t i = 0; i < width; i++)
		value |= (uint64_t)bytes[at + i] << 8 * i;
	return value;
}

uint32_t bytes_be(const unsigned char *bytes, size_t n, size_t at, size_t width)
{
	uint32_t value = 0;

	if (at > n || width > n - at)
		return 0;
	for (size_t i = 0; i < width; i++)
		value = value << 8 | bytes[at + i];
	return value;
}

uint32_t request_u8(const struct request *r, size_t at)
{
	return (uint32_t)bytes_le(r->head, r->n_head, at, 1);
}

uint32_t request_u16(const struct request *r, size_t at)
{
	return (uint32_t)bytes_le(r->head, r->n_head, at, 2);
}

uint32_t request_u32(const struct request *r, size_t at)
{
	return (uint32_t)bytes_le(r->head, r->n_head, at, 4);
}

uint64_t request_u64(const struct request *r, size_t at)
{
	return bytes_le(r->head, r->n_head, at, 8);
}

const char *name_find(const struct name *names, size_t n, uint32_t value)
{
	for (size_t i = 0; i < n; i++)
		if (names[i].value == value)
			return names[i].name;
	return NULL;
}

void told_add(struct told *t, const char *fmt, ...)
{
	size_t len = strlen(t->text);
	va_list ap;

	if (len && len < sizeof(t->text) - 1)
		t->text[len++] = ' ';
	va_start(ap, fmt);
	vsnprintf(t->text + len, sizeof(t->text) - len, fmt, ap);
	va_end(ap);
}

void told_add_string(struct told *t, const char *label, const unsigned char *bytes, size_t n)
{
	char raw[64], safe[sizeof(raw) * PRINTABLE_LONGEST];
	size_t len = n < sizeof(raw) - 1 ? n : sizeof(raw) - 1;

	memcpy(raw, bytes, len);
	raw[len] = '\0';
	printable(safe, sizeof(safe), raw);
	told_add(t, "%s \"%s\"%s", label, safe, n > len ? "..." : "");
}

void told_result(struct told *t, bool ok, const char *result)
{
	snprintf(t->result, sizeof(t->result), "%s", result);
	t->failed = !ok;
}

void told_status(struct told *t, uint32_t status, const struct name *names, size_t n)
{
	const char *name = name_find(names, n, status);

	if (name)
		told_result(t, names[0].value == status, name);
	else
		snprintf(t->result, sizeof(t->result), "status %u", status);
	t->failed = names[0].value != status;
}
