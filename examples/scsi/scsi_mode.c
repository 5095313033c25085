/* SPDX-License-Identifier: MIT */
/*
 * MODE SENSE and MODE SELECT, 6 and 10 (SPC-4 6.10 to 6.13).  Two bits can be changed: the write
 * cache, and the format of sense data.  Both are saved as they are set, for as long as the program
 * runs.  Queue thread.
 */
#include "scsi_command.h"

#include <string.h>

enum {
	PAGE_ERRORS = 0x01,
	PAGE_CACHING = 0x08,
	PAGE_CONTROL = 0x0a,
	PAGE_EXCEPTIONS = 0x1c,
	PAGE_CD = 0x2a,
	PAGE_ALL = 0x3f,
	SAVEABLE = 0x80,
	WRITE_CACHE = 0x04,	 /* byte 2 of the caching page */
	DESCRIPTOR_SENSE = 0x04, /* byte 2 of the control page */
	PAGE_MAX = 32,
};

/* Of which values: SPC-4 table 172. */
enum { CURRENT, CHANGEABLE, DEFAULT, SAVED };

static void page_errors(const struct scsi_lun *lun, uint8_t *p)
{
	if (!lun->cd)
		p[2] = 0xc0; /* as good as automatic reallocation */
}

static void page_caching(const struct scsi_lun *lun, uint8_t *p)
{
	p[2] = lun->write_cache ? WRITE_CACHE : 0;
}

static void page_control(const struct scsi_lun *lun, uint8_t *p)
{
	p[2] = lun->descriptor_sense ? DESCRIPTOR_SENSE : 0;
	p[3] = 0x10; /* commands may be reordered */
	put16(p + 8, 0xffff);
}

static void page_exceptions(const struct scsi_lun *lun, uint8_t *p)
{
	(void)lun;
	p[2] = 0x08; /* none are reported */
}

/* MMC-6 E.3.3, as far as there is something to say: reads CDs and DVDs, has a tray. */
static void page_cd(const struct scsi_lun *lun, uint8_t *p)
{
	p[2] = 0x3b;
	p[4] = 0x70;
	p[5] = 0x60;
	p[6] = (uint8_t)(0x29 | (lun->prevented ? 2 : 0)); /* lock, eject, tray */
	put16(p + 8, 706);
	put16(p + 12, 512);
	put16(p + 14, 706);
}

static const struct {
	uint8_t page, len; /* without its two first bytes */
	uint8_t kinds;
	uint8_t changeable; /* bits of byte 2 */
	void (*write)(const struct scsi_lun *lun, uint8_t *p);
} pages[] = {
	{PAGE_ERRORS, 0x0a, SCSI_EVERY, 0, page_errors},
	{PAGE_CACHING, 0x12, SCSI_OF_DISKS, WRITE_CACHE, page_caching},
	{PAGE_CONTROL, 0x0a, SCSI_EVERY, DESCRIPTOR_SENSE, page_control},
	{PAGE_EXCEPTIONS, 0x0a, SCSI_EVERY, 0, page_exceptions},
	{PAGE_CD, 0x12, SCSI_OF_CDS, 0, page_cd},
};

enum { N_PAGES = sizeof(pages) / sizeof(pages[0]) };

static bool page_exists(const struct scsi_lun *lun, uint32_t i)
{
	return pages[i].kinds & (lun->cd ? SCSI_OF_CDS : SCSI_OF_DISKS);
}

static uint32_t page_write(const struct scsi_lun *lun, uint32_t i, uint32_t values, uint8_t *p)
{
	uint8_t changeable = pages[i].changeable;

	if (lun->settings.read_only && pages[i].page == PAGE_CACHING)
		changeable = 0;
	if (values != CHANGEABLE)
		pages[i].write(lun, p);
	if (values == CHANGEABLE)
		p[2] = changeable;
	/* The write cache is on by default, the other bit off. */
	if (values == DEFAULT && changeable)
		p[2] = pages[i].page == PAGE_CACHING ? WRITE_CACHE : 0;
	p[0] = (uint8_t)(pages[i].page | (changeable ? SAVEABLE : 0));
	p[1] = pages[i].len;
	return pages[i].len + 2u;
}

static uint32_t mode_block_descriptor(struct scsi_lun *lun, bool wide, uint8_t *p)
{
	uint64_t blocks = scsi_lun_blocks(lun);

	if (wide) {
		put64(p, blocks);
		put32(p + 12, lun->disk.limits.block);
		return 16;
	}
	put32(p, blocks > UINT32_MAX ? UINT32_MAX : (uint32_t)blocks);
	put32(p + 4, lun->disk.limits.block); /* three bytes, the first is reserved */
	return 8;
}

int scsi_mode_sense(struct scsi_cmd *cmd)
{
	bool ten = cmd->row->len == 10, wide = ten && cmd->cdb[1] & 0x10;
	uint32_t page = cmd->cdb[2] & 0x3f, values = cmd->cdb[2] >> 6, sub = cmd->cdb[3];
	uint32_t head = ten ? 8 : 4, len = head, found = 0;
	struct scsi_lun *lun = cmd->lun;
	uint8_t *p = scsi_paper(cmd);

	p[ten ? 3 : 2] = lun->cd ? 0 : (uint8_t)((lun->settings.read_only ? 0x80 : 0) | 0x10);
	if (!(cmd->cdb[1] & 8) && !lun->cd)
		len += mode_block_descriptor(lun, wide, p + head);
	p[ten ? 7 : 3] = (uint8_t)(len - head);
	if (ten)
		p[4] = wide;
	if (sub && (page != PAGE_ALL || sub != 0xff))
		return scsi_bad_cdb(cmd, 3);
	for (uint32_t i = 0; i < N_PAGES; i++) {
		if (!page_exists(lun, i) || (page != PAGE_ALL && page != pages[i].page))
			continue;
		len += page_write(lun, i, values, p + len);
		found |= 1u << i;
	}
	if (!found)
		return scsi_bad_cdb(cmd, 2);
	if (found >> 1 & 1 && !lun->cd)
		atomic_fetch_or(&lun->knows_cache, 1u << scsi_initiator(cmd));
	if (ten)
		put16(p, len - 2);
	else
		p[0] = (uint8_t)(len - 1);
	return scsi_reply(cmd, p, len, ten ? get16(cmd->cdb + 7) : cmd->cdb[4]);
}

static void mode_set(struct scsi_cmd *cmd, uint32_t page, uint8_t byte)
{
	struct scsi_lun *lun = cmd->lun;
	uint32_t others = ~(1u << scsi_initiator(cmd));
	bool changed;

	if (page == PAGE_CACHING)
		changed = atomic_exchange(&lun->write_cache, !!(byte & WRITE_CACHE)) !=
			  !!(byte & WRITE_CACHE);
	else
		changed = atomic_exchange(&lun->descriptor_sense, !!(byte & DESCRIPTOR_SENSE)) !=
			  !!(byte & DESCRIPTOR_SENSE);
	if (page == PAGE_CACHING)
		atomic_fetch_or(&lun->knows_cache, 1u << scsi_initiator(cmd));
	if (changed)
		scsi_attention_mask(lun, others & SCSI_ALL_INITIATORS, ATTENTION_MODE);
}

/* One page: only what can be changed may differ.  set: do it, else only look. */
static int mode_select_page(struct scsi_cmd *cmd, const uint8_t *p, uint32_t at, uint32_t len,
			    bool set)
{
	for (uint32_t i = 0; i < N_PAGES; i++) {
		uint8_t now[PAGE_MAX] = {0}, can[PAGE_MAX] = {0};

		if (pages[i].page != (p[at] & 0x7f) || !page_exists(cmd->lun, i))
			continue;
		if (len < 2 || p[at + 1] != pages[i].len)
			return scsi_bad_parameter(cmd, at + 1);
		if (len < pages[i].len + 2u)
			return SENSE_PARAMETER_LENGTH;
		page_write(cmd->lun, i, CURRENT, now);
		page_write(cmd->lun, i, CHANGEABLE, can);
		for (uint32_t b = 2; b < pages[i].len + 2u; b++)
			if ((p[at + b] ^ now[b]) & ~can[b])
				return scsi_bad_parameter(cmd, at + b);
		if (set && can[2])
			mode_set(cmd, pages[i].page, p[at + 2]);
		return SCSI_GOOD;
	}
	return scsi_bad_parameter(cmd, at);
}

static int mode_select_pages(struct scsi_cmd *cmd, const uint8_t *p, uint32_t at, uint32_t len,
			     bool set)
{
	while (at < len) {
		int result = mode_select_page(cmd, p, at, len - at, set);

		if (result)
			return result;
		at += 2u + p[at + 1];
	}
	return SCSI_GOOD;
}

int scsi_mode_select(struct scsi_cmd *cmd)
{
	bool ten = cmd->row->len == 10;
	uint32_t len = ten ? get16(cmd->cdb + 7) : cmd->cdb[4], head = ten ? 8 : 4, blocks;
	uint8_t p[512];
	int result;

	if (!(cmd->cdb[1] & 0x10))
		return scsi_bad_cdb(cmd, 1);
	if (!len)
		return SCSI_GOOD;
	if (len > sizeof(p))
		return scsi_bad_cdb(cmd, ten ? 7 : 4);
	if (scsi_take(cmd, p, len))
		return SCSI_OVERRUN;
	if (len < head)
		return SENSE_PARAMETER_LENGTH;
	blocks = ten ? get16(p + 6) : p[3];
	if (blocks > len - head)
		return SENSE_PARAMETER_LENGTH;
	/* Another size of blocks, or of all, is not to be had. */
	if (blocks && blocks != (ten && p[4] & 1 ? 16 : 8))
		return scsi_bad_parameter(cmd, ten ? 6 : 3);
	if (blocks && (get32(p + head + blocks - 4) & 0xffffff) != cmd->lun->disk.limits.block)
		return scsi_bad_parameter(cmd, head + blocks - 3);
	/* Nothing is changed unless all of it can be. */
	result = mode_select_pages(cmd, p, head + blocks, len, false);
	return result ? result : mode_select_pages(cmd, p, head + blocks, len, true);
}
