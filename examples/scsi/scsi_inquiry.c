/* SPDX-License-Identifier: MIT */
/*
 * INQUIRY: standard data (SPC-4 6.4) and pages of vital product data (SPC-4 7.8, SBC-3 6.5).
 * Queue thread.
 */
#include "scsi_command.h"

#include <string.h>

enum { TYPE_DISK = 0, TYPE_CD = 5, TYPE_NONE = 0x7f, VENDOR = 8, PRODUCT = 16, REVISION = 4 };

static uint8_t inquiry_type(const struct scsi_cmd *cmd)
{
	if (!cmd->lun)
		return TYPE_NONE;
	return cmd->lun->cd ? TYPE_CD : TYPE_DISK;
}

/* Blanks up to the end of the field. */
static void inquiry_text(uint8_t *p, const char *text, uint32_t len)
{
	size_t have = strlen(text);

	memset(p, ' ', len);
	memcpy(p, text, have < len ? have : len);
}

static uint32_t inquiry_standard(struct scsi_cmd *cmd, uint8_t *p)
{
	static const uint16_t standards[] = {0x00a0 /* SAM-5 */, 0x0460 /* SPC-4 */};
	bool cd = cmd->lun && cmd->lun->cd;

	p[0] = inquiry_type(cmd);
	p[1] = cd ? 0x80 : 0; /* removable medium */
	p[2] = 6;	      /* SPC-4 */
	p[3] = 0x12;	      /* HISUP; response data format 2 */
	p[4] = 91;
	p[7] = 2; /* CMDQUE */
	inquiry_text(p + 8, "libvu", VENDOR);
	inquiry_text(p + 16, cd ? "vu-scsi CD-ROM" : "vu-scsi disk", PRODUCT);
	inquiry_text(p + 32, "0001", REVISION);
	put16(p + 58, standards[0]);
	put16(p + 60, standards[1]);
	put16(p + 62, cd ? 0x0440 /* MMC-6 */ : 0x04c0 /* SBC-3 */);
	return 96;
}

static uint32_t vpd_pages(struct scsi_cmd *cmd, uint8_t *p);

static uint32_t vpd_serial(struct scsi_cmd *cmd, uint8_t *p)
{
	size_t len = strlen(cmd->lun->serial);

	memcpy(p, cmd->lun->serial, len);
	return (uint32_t)len;
}

/* Designators: vendor and serial number, NAA of our own choice, the target's port. */
static uint32_t vpd_identification(struct scsi_cmd *cmd, uint8_t *p)
{
	const struct scsi_lun *lun = cmd->lun;
	uint32_t n = 4 + VENDOR + (uint32_t)strlen(lun->serial);

	p[0] = 2; /* ASCII */
	p[1] = 1; /* T10 vendor ID based, of the logical unit */
	p[3] = (uint8_t)(n - 4);
	inquiry_text(p + 4, "libvu", VENDOR);
	memcpy(p + 4 + VENDOR, lun->serial, n - 4 - VENDOR);
	p[n] = 1;     /* binary */
	p[n + 1] = 3; /* NAA */
	p[n + 3] = 8;
	put64(p + n + 4, UINT64_C(3) << 60 | lun->id);
	n += 12;
	p[n] = 1;
	p[n + 1] = 0x14; /* of the target port: its relative identifier */
	p[n + 3] = 4;
	put32(p + n + 4, 1);
	return n + 8;
}

static uint32_t vpd_limits(struct scsi_cmd *cmd, uint8_t *p)
{
	const struct disk_limits *limits = &cmd->lun->disk.limits;
	uint8_t *page = p - 4;

	page[4] = 1;					   /* WSNZ: no lengths of 0 */
	page[5] = (uint8_t)(SCSI_COMPARE / limits->block); /* blocks of COMPARE AND WRITE */
	put16(page + 6, limits->physical / limits->block); /* granularity */
	put32(page + 12, limits->optimal / limits->block);
	if (cmd->lun->settings.read_only)
		return 60;
	if (limits->discard) {
		put32(page + 20, DISK_MAX_DISCARD / limits->block);
		put32(page + 24, DISK_MAX_RANGES);
		put32(page + 28, limits->physical / limits->block);
	}
	put64(page + 36, DISK_MAX_ZEROES / limits->block);
	return 60;
}

static uint32_t vpd_characteristics(struct scsi_cmd *cmd, uint8_t *p)
{
	(void)cmd;
	put16(p, 1); /* does not rotate */
	return 60;
}

static uint32_t vpd_provisioning(struct scsi_cmd *cmd, uint8_t *p)
{
	const struct disk_limits *limits = &cmd->lun->disk.limits;

	if (limits->discard && !cmd->lun->settings.read_only) {
		p[1] = 0xe0;			     /* UNMAP, WRITE SAME(16) and (10) do it */
		p[1] |= limits->zeroes ? 1 << 2 : 0; /* LBPRZ */
		p[2] = 2;			     /* thin */
	}
	return 4;
}

static const struct {
	uint8_t page;
	bool disks_only;
	uint32_t (*write)(struct scsi_cmd *cmd, uint8_t *p);
} pages[] = {
	{0x00, false, vpd_pages},	   {0x80, false, vpd_serial},
	{0x83, false, vpd_identification}, {0xb0, true, vpd_limits},
	{0xb1, true, vpd_characteristics}, {0xb2, true, vpd_provisioning},
};

enum { N_PAGES = sizeof(pages) / sizeof(pages[0]) };

static uint32_t vpd_pages(struct scsi_cmd *cmd, uint8_t *p)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < N_PAGES; i++)
		if (!pages[i].disks_only || !cmd->lun->cd)
			p[n++] = pages[i].page;
	return n;
}

static int inquiry_vpd(struct scsi_cmd *cmd, uint8_t *p)
{
	uint32_t len;

	for (uint32_t i = 0; i < N_PAGES; i++) {
		if (pages[i].page != cmd->cdb[2] || (pages[i].disks_only && cmd->lun->cd))
			continue;
		p[0] = inquiry_type(cmd);
		p[1] = cmd->cdb[2];
		len = pages[i].write(cmd, p + 4);
		put16(p + 2, len);
		return (int)(len + 4);
	}
	return -1;
}

int scsi_inquiry(struct scsi_cmd *cmd)
{
	uint8_t *p = scsi_paper(cmd);
	int len;

	if (cmd->cdb[1] & ~1)
		return scsi_bad_cdb(cmd, 1);
	if (!(cmd->cdb[1] & 1)) {
		if (cmd->cdb[2])
			return scsi_bad_cdb(cmd, 2);
		len = (int)inquiry_standard(cmd, p);
	} else {
		len = cmd->lun ? inquiry_vpd(cmd, p) : -1;
	}
	return len < 0 ? scsi_bad_cdb(cmd, 2)
		       : scsi_reply(cmd, p, (uint64_t)len, get16(cmd->cdb + 3));
}
