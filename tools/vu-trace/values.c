/* SPDX-License-Identifier: MIT */
/*
 * Payloads in words are the library's own (lib/wire/layout.c): here they become JSON, and feature
 * bits get names.
 */
#include "values.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "base/printable.h"

enum { CONFIG_BYTES = 64 };

/* virtio 1.3 §6, and vhost-user's own. */
static const char *const virtio_bits[64] = {
	[24] = "NOTIFY_ON_EMPTY",   [26] = "LOG_ALL",		[27] = "ANY_LAYOUT",
	[28] = "INDIRECT_DESC",	    [29] = "EVENT_IDX",		[30] = "PROTOCOL_FEATURES",
	[32] = "VERSION_1",	    [33] = "ACCESS_PLATFORM",	[34] = "RING_PACKED",
	[35] = "IN_ORDER",	    [36] = "ORDER_PLATFORM",	[37] = "SR_IOV",
	[38] = "NOTIFICATION_DATA", [39] = "NOTIF_CONFIG_DATA", [40] = "RING_RESET",
	[41] = "ADMIN_VQ",
};

/* virtio 1.3 §2.1 */
static const char *const status_bits[8] = {
	"ACKNOWLEDGE", "DRIVER", "DRIVER_OK",	       "FEATURES_OK",
	NULL,	       NULL,	 "DEVICE_NEEDS_RESET", "FAILED",
};

static const char *protocol_bit(unsigned int bit)
{
	return wire_protocol_feature_name(bit);
}

static const char *virtio_bit(unsigned int bit)
{
	return virtio_bits[bit];
}

static const char *status_bit(unsigned int bit)
{
	return bit < 8 ? status_bits[bit] : NULL;
}

typedef const char *bit_name_fn(unsigned int bit);

static bit_name_fn *bits_of(const struct message_line *line)
{
	if (!line->row || line->channel || line->ack)
		return NULL;
	switch (line->row->id) {
	case WIRE_GET_FEATURES:
	case WIRE_SET_FEATURES:
		return virtio_bit;
	case WIRE_GET_PROTOCOL_FEATURES:
	case WIRE_SET_PROTOCOL_FEATURES:
		return protocol_bit;
	case WIRE_GET_STATUS:
	case WIRE_SET_STATUS:
		return status_bit;
	default:
		return NULL;
	}
}

void values_bits(const struct message_line *line, char *out, size_t size)
{
	bit_name_fn *name = bits_of(line);
	size_t len = 0;
	uint64_t bits;

	*out = '\0';
	if (!name || !line->fits || line->layout != WIRE_L_U64)
		return;
	memcpy(&bits, line->payload, sizeof(bits));
	for (unsigned int bit = 0; bit < 64 && len < size; bit++) {
		const char *text = name(bit);

		if (!(bits >> bit & 1))
			continue;
		len += (size_t)(text ? snprintf(out + len, size - len, "%s%s", len ? " " : "", text)
				     : snprintf(out + len, size - len, "%s%u", len ? " " : "",
						bit));
	}
}

static void config_text(const struct message_line *line, char *out, size_t size)
{
	size_t n = line->hdr->size - sizeof(struct wire_config), len = 0;
	const unsigned char *bytes = line->payload + sizeof(struct wire_config);

	for (size_t i = 0; i < n && i < CONFIG_BYTES && len < size; i++)
		len += (size_t)snprintf(out + len, size - len, "%s%02x", i ? "" : " bytes ",
					bytes[i]);
	if (n > CONFIG_BYTES && len < size)
		snprintf(out + len, size - len, "...");
}

void values_text(const struct message_line *line, char *out, size_t size)
{
	size_t len;

	*out = '\0';
	if (!line->fits)
		return;
	len = wire_layout_decode(line->layout, line->payload, line->hdr->size, out, size);
	/* What is asked for has no content yet. */
	if (line->layout == WIRE_L_CONFIG && len < size &&
	    (line->reply || line->hdr->request == WIRE_SET_CONFIG))
		config_text(line, out + len, size - len);
}

void values_json_string(FILE *out, const char *text)
{
	char safe[2048];

	/* Escapes of its own begin with a backslash, which JSON wants doubled. */
	printable(safe, sizeof(safe), text);
	fputc('"', out);
	for (const char *c = safe; *c; c++) {
		if (*c == '"' || *c == '\\')
			fputc('\\', out);
		fputc(*c, out);
	}
	fputc('"', out);
}

/* The next word of text, without the space behind it; its length. */
static size_t word(const char *text)
{
	return strcspn(text, " ");
}

static bool is_decimal(const char *text, size_t len)
{
	return len && strspn(text, "0123456789") >= len && (len == 1 || *text != '0');
}

/* A value, or nothing: a name without one is a flag that is set. */
static const char *json_value(FILE *out, const char *text)
{
	size_t len = word(text);

	if (is_decimal(text, len))
		fprintf(out, "%.*s", (int)len, text);
	else
		fprintf(out, "\"%.*s\"", (int)len, text);
	return text[len] ? text + len + 1 : text + len;
}

static bool is_flag(const char *text, size_t len)
{
	return len == 4 && !strncmp(text, "nofd", len);
}

/* "region0: guest_addr 0x0 ..." opens an object; "size3: 0x1000" is a pair. */
static bool opens(const char *text, size_t len)
{
	return len && text[len - 1] == ':' && !isdigit((unsigned char)text[len + 1]);
}

void values_json(FILE *out, const char *text)
{
	bool inside = false, first = true;

	fputc('{', out);
	while (*text) {
		size_t len = word(text);
		const char *next = text[len] ? text + len + 1 : text + len;
		bool colon = text[len - 1] == ':';

		if (inside && opens(text, len)) {
			fputc('}', out);
			first = false;
		}
		fprintf(out, "%s\"%.*s\":", first ? "" : ",", (int)(len - colon), text);
		first = false;
		if (opens(text, len)) {
			fputc('{', out);
			inside = first = true;
		} else if (is_flag(text, len)) {
			fputs("true", out);
		} else {
			next = json_value(out, next);
		}
		text = next;
	}
	fputs(inside ? "}}" : "}", out);
}
