/* SPDX-License-Identifier: MIT */
/* SCSI hosts (virtio 1.3 §5.6.6). */
#include "types.h"

enum { CONTROL, EVENT, REQUEST, CDB = 19, STATUS = 10, RESPONSE = 11 };

static const struct name opcodes[] = {
	{0x00, "TEST_UNIT_READY"},
	{0x03, "REQUEST_SENSE"},
	{0x12, "INQUIRY"},
	{0x15, "MODE_SELECT(6)"},
	{0x1a, "MODE_SENSE(6)"},
	{0x1b, "START_STOP_UNIT"},
	{0x1e, "PREVENT_ALLOW"},
	{0x23, "READ_FORMAT_CAPACITIES"},
	{0x25, "READ_CAPACITY(10)"},
	{0x28, "READ(10)"},
	{0x2a, "WRITE(10)"},
	{0x2f, "VERIFY(10)"},
	{0x35, "SYNCHRONIZE_CACHE(10)"},
	{0x41, "WRITE_SAME(10)"},
	{0x42, "UNMAP"},
	{0x43, "READ_TOC"},
	{0x4d, "LOG_SENSE"},
	{0x51, "READ_DISC_INFORMATION"},
	{0x55, "MODE_SELECT(10)"},
	{0x5a, "MODE_SENSE(10)"},
	{0x5e, "PERSISTENT_RESERVE_IN"},
	{0x5f, "PERSISTENT_RESERVE_OUT"},
	{0x88, "READ(16)"},
	{0x8a, "WRITE(16)"},
	{0x8f, "VERIFY(16)"},
	{0x91, "SYNCHRONIZE_CACHE(16)"},
	{0x93, "WRITE_SAME(16)"},
	{0x9e, "SERVICE_ACTION_IN(16)"},
	{0xa0, "REPORT_LUNS"},
	{0xa3, "MAINTENANCE_IN"},
	{0xa8, "READ(12)"},
	{0xaa, "WRITE(12)"},
};

static const struct name responses[] = {
	{0, "OK"},
	{1, "OVERRUN"},
	{2, "ABORTED"},
	{3, "BAD_TARGET"},
	{4, "RESET"},
	{5, "BUSY"},
	{6, "TRANSPORT_FAILURE"},
	{7, "TARGET_FAILURE"},
	{8, "NEXUS_FAILURE"},
	{9, "FAILURE"},
	{10, "FUNCTION_SUCCEEDED"},
	{11, "FUNCTION_REJECTED"},
	{12, "INCORRECT_LUN"},
};

static const struct name statuses[] = {
	{0x00, "GOOD"}, {0x02, "CHECK_CONDITION"},	{0x04, "CONDITION_MET"},
	{0x08, "BUSY"}, {0x18, "RESERVATION_CONFLICT"}, {0x28, "TASK_SET_FULL"},
};

static const struct name functions[] = {
	{0, "ABORT_TASK"},	{1, "ABORT_TASK_SET"},	   {2, "CLEAR_ACA"},  {3, "CLEAR_TASK_SET"},
	{4, "I_T_NEXUS_RESET"}, {5, "LOGICAL_UNIT_RESET"}, {6, "QUERY_TASK"}, {7, "QUERY_TASK_SET"},
};

static void tell_lun(const struct request *r, struct told *t, size_t at)
{
	told_add(t, "target %u lun %u", request_u8(r, at + 1),
		 (request_u8(r, at + 2) & 0x3f) << 8 | request_u8(r, at + 3));
}

static void tell_blocks(const struct request *r, struct told *t, uint32_t op)
{
	uint32_t group = op >> 5;

	if (!group)
		return; /* six bytes: hardly used any more */
	if (group == 1 || group == 2)
		told_add(t, "lba %u blocks %u", bytes_be(r->head, r->n_head, CDB + 2, 4),
			 bytes_be(r->head, r->n_head, CDB + 7, 2));
	else if (group == 4)
		told_add(t, "lba %llu blocks %u",
			 (unsigned long long)bytes_be(r->head, r->n_head, CDB + 2, 4) << 32 |
				 bytes_be(r->head, r->n_head, CDB + 6, 4),
			 bytes_be(r->head, r->n_head, CDB + 10, 4));
	else
		told_add(t, "lba %u blocks %u", bytes_be(r->head, r->n_head, CDB + 2, 4),
			 bytes_be(r->head, r->n_head, CDB + 6, 4));
}

static void tell_command(const struct request *r, struct told *t)
{
	uint32_t op = request_u8(r, CDB), response, status;
	const char *name = NAME(opcodes, op);

	t->name = name ? name : "unknown command";
	if (!name)
		told_add(t, "0x%02x", op);
	tell_lun(r, t, 0);
	if ((op & 0x1f) == 0x08 || (op & 0x1f) == 0x0a)
		tell_blocks(r, t, op);
	if (r->n_written <= RESPONSE)
		return;
	response = r->written[RESPONSE];
	status = r->written[STATUS];
	if (response || !status)
		told_status(t, response, responses, sizeof(responses) / sizeof(responses[0]));
	else
		told_status(t, status, statuses, sizeof(statuses) / sizeof(statuses[0]));
	if (status == 2 && r->n_written > 12 + 13)
		told_add(t, "(sense %x/%02x/%02x)", r->written[12 + 2] & 15, r->written[12 + 12],
			 r->written[12 + 13]);
}

static void tell_control(const struct request *r, struct told *t)
{
	const char *name = NAME(functions, request_u32(r, 4));

	if (request_u32(r, 0)) {
		t->name = "ASYNC_NOTIFICATION";
		tell_lun(r, t, 4);
	} else {
		t->name = name ? name : "unknown function";
		tell_lun(r, t, 8);
	}
	if (r->n_tail)
		told_status(t, r->tail[r->n_tail - 1], responses,
			    sizeof(responses) / sizeof(responses[0]));
}

void tell_scsi(const struct request *r, struct told *t)
{
	if (r->queue == CONTROL) {
		tell_control(r, t);
	} else if (r->queue == EVENT) {
		t->name = "EVENT";
		told_add(t, "0x%llx", (unsigned long long)bytes_le(r->written, r->n_written, 0, 4));
	} else {
		tell_command(r, t);
	}
}
