/* SPDX-License-Identifier: MIT */
/* Graphics (virtio 1.3 §5.7.6): a head of 24 bytes, and 32-bit fields for each command. */
#include "types.h"

enum { FIELDS = 6, FLAGS = 4, FENCE = 8, CONTEXT = 16, F_FENCE = 1, OK = 0x1100, ERRORS = 0x1200 };

struct field {
	const char *label;
	unsigned char at;
};

#define RECT                                                                                       \
	{"x", 24}, {"y", 28}, {"width", 32},                                                       \
	{                                                                                          \
		"height", 36                                                                       \
	}

static const struct command {
	uint32_t type;
	const char *name;
	struct field fields[FIELDS];
} commands[] = {
	{0x0100, "GET_DISPLAY_INFO", {{0}}},
	{0x0101,
	 "RESOURCE_CREATE_2D",
	 {{"resource", 24}, {"format", 28}, {"width", 32}, {"height", 36}}},
	{0x0102, "RESOURCE_UNREF", {{"resource", 24}}},
	{0x0103, "SET_SCANOUT", {{"scanout", 40}, {"resource", 44}, RECT}},
	{0x0104, "RESOURCE_FLUSH", {{"resource", 40}, RECT}},
	{0x0105, "TRANSFER_TO_HOST_2D", {{"resource", 48}, RECT}},
	{0x0106, "RESOURCE_ATTACH_BACKING", {{"resource", 24}, {"entries", 28}}},
	{0x0107, "RESOURCE_DETACH_BACKING", {{"resource", 24}}},
	{0x0108, "GET_CAPSET_INFO", {{"index", 24}}},
	{0x0109, "GET_CAPSET", {{"id", 24}, {"version", 28}}},
	{0x010a, "GET_EDID", {{"scanout", 24}}},
	{0x010b, "RESOURCE_ASSIGN_UUID", {{"resource", 24}}},
	{0x010c,
	 "RESOURCE_CREATE_BLOB",
	 {{"resource", 24}, {"memory", 28}, {"flags", 32}, {"entries", 36}, {"size", 48}}},
	{0x010d, "SET_SCANOUT_BLOB", {{"scanout", 40}, {"resource", 44}, RECT}},
	{0x0200, "CTX_CREATE", {{"init", 28}}},
	{0x0201, "CTX_DESTROY", {{0}}},
	{0x0202, "CTX_ATTACH_RESOURCE", {{"resource", 24}}},
	{0x0203, "CTX_DETACH_RESOURCE", {{"resource", 24}}},
	{0x0204,
	 "RESOURCE_CREATE_3D",
	 {{"resource", 24}, {"target", 28}, {"format", 32}, {"width", 40}, {"height", 44}}},
	{0x0205, "TRANSFER_TO_HOST_3D", {{"resource", 56}, {"level", 60}}},
	{0x0206, "TRANSFER_FROM_HOST_3D", {{"resource", 56}, {"level", 60}}},
	{0x0207, "SUBMIT_3D", {{"size", 24}}},
	{0x0208, "RESOURCE_MAP_BLOB", {{"resource", 24}, {"offset", 32}}},
	{0x0209, "RESOURCE_UNMAP_BLOB", {{"resource", 24}}},
	{0x0300, "UPDATE_CURSOR", {{"scanout", 24}, {"x", 28}, {"y", 32}, {"resource", 40}}},
	{0x0301, "MOVE_CURSOR", {{"scanout", 24}, {"x", 28}, {"y", 32}}},
};

static const struct name errors[] = {
	{0x1200, "ERR_UNSPEC"},
	{0x1201, "ERR_OUT_OF_MEMORY"},
	{0x1202, "ERR_INVALID_SCANOUT_ID"},
	{0x1203, "ERR_INVALID_RESOURCE_ID"},
	{0x1204, "ERR_INVALID_CONTEXT_ID"},
	{0x1205, "ERR_INVALID_PARAMETER"},
};

static const struct command *command_find(uint32_t type)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (commands[i].type == type)
			return &commands[i];
	return NULL;
}

static void tell_response(const struct request *r, struct told *t)
{
	uint32_t type = (uint32_t)bytes_le(r->written, r->n_written, 0, 4);
	const char *error = NAME(errors, type);

	if (type >= OK && type < ERRORS)
		told_result(t, true, "OK");
	else
		told_result(t, false, error ? error : "unknown response");
}

void tell_gpu(const struct request *r, struct told *t)
{
	const struct command *command = command_find(request_u32(r, 0));

	t->name = command ? command->name : "unknown command";
	if (!command)
		told_add(t, "0x%x", request_u32(r, 0));
	if (request_u32(r, CONTEXT))
		told_add(t, "context %u", request_u32(r, CONTEXT));
	for (int i = 0; command && i < FIELDS && command->fields[i].label; i++)
		told_add(t, "%s %u", command->fields[i].label,
			 request_u32(r, command->fields[i].at));
	if (request_u32(r, FLAGS) & F_FENCE)
		told_add(t, "fence %llu", (unsigned long long)request_u64(r, FENCE));
	/* The cursor's queue has no answers. */
	if (r->n_written >= 4)
		tell_response(r, t);
}
