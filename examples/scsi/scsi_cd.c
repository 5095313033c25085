/* SPDX-License-Identifier: MIT */
/*
 * What only CD-ROM drives have (MMC-6): one session of one data track, a tray.  Queue thread.
 */
#include "scsi_command.h"

#include <linux/cdrom.h>

enum {
	PROFILE_CD = 0x0008,
	PROFILE_DVD = 0x0010,
	CD_BLOCKS = 449999, /* of a disc of 100 minutes */
	EVENT_MEDIA = 4,
	EVENT_NEW_MEDIUM = 2,
};

static void cd_put_address(uint8_t *p, uint32_t lba, bool msf)
{
	if (!msf) {
		put32(p, lba);
		return;
	}
	lba += CD_MSF_OFFSET;
	p[1] = (uint8_t)(lba / CD_FRAMES / CD_SECS);
	p[2] = (uint8_t)(lba / CD_FRAMES % CD_SECS);
	p[3] = (uint8_t)(lba % CD_FRAMES);
}

static uint32_t toc_track(uint8_t *p, uint32_t number, uint32_t lba, bool msf)
{
	p[1] = 0x14; /* data, may be copied */
	p[2] = (uint8_t)number;
	cd_put_address(p + 4, lba, msf);
	return 8;
}

int scsi_read_toc(struct scsi_cmd *cmd)
{
	uint32_t format = cmd->cdb[2] & 0xf, first = cmd->cdb[6], len = 4;
	uint64_t blocks = scsi_lun_blocks(cmd->lun);
	bool msf = cmd->cdb[1] & 2;
	uint8_t *p = scsi_paper(cmd);

	if (!format)
		format = cmd->cdb[9] >> 6; /* where it was before MMC-2 */
	if (format > 1)
		return scsi_bad_cdb(cmd, 2);
	if (!format && first > 1 && first != CDROM_LEADOUT)
		return scsi_bad_cdb(cmd, 6);
	p[2] = p[3] = 1; /* first and last track, or session */
	if (format == 1 || first <= 1)
		len += toc_track(p + len, 1, 0, msf);
	if (!format)
		len += toc_track(p + len, CDROM_LEADOUT, (uint32_t)blocks, msf);
	put16(p, len - 2);
	return scsi_reply(cmd, p, len, get16(cmd->cdb + 7));
}

static uint32_t cd_profile(struct scsi_lun *lun)
{
	if (lun->empty || lun->ejected)
		return 0;
	return scsi_lun_blocks(lun) > CD_BLOCKS ? PROFILE_DVD : PROFILE_CD;
}

static uint32_t cd_feature(uint8_t *p, uint32_t code, bool current, uint32_t len)
{
	put16(p, code);
	p[2] = (uint8_t)(1 << 1 | current); /* persistent */
	p[3] = (uint8_t)len;
	return 4 + len;
}

/* Features from the first wanted on, or that one alone. */
static bool cd_is_wanted(const struct scsi_cmd *cmd, uint32_t feature)
{
	uint32_t first = get16(cmd->cdb + 2);

	return (cmd->cdb[1] & 3) == 2 ? first == feature : first <= feature;
}

int scsi_get_configuration(struct scsi_cmd *cmd)
{
	uint32_t profile = cd_profile(cmd->lun), len = 8;
	uint8_t *p = scsi_paper(cmd);

	if ((cmd->cdb[1] & 3) == 3)
		return scsi_bad_cdb(cmd, 1);
	put16(p + 6, profile);
	if (cd_is_wanted(cmd, 0)) { /* list of profiles */
		put16(p + len + 4, PROFILE_DVD);
		p[len + 6] = profile == PROFILE_DVD;
		put16(p + len + 8, PROFILE_CD);
		p[len + 10] = profile == PROFILE_CD;
		len += cd_feature(p + len, 0, true, 8);
	}
	if (cd_is_wanted(cmd, 1)) { /* core: SCSI, with events */
		put32(p + len + 4, 1);
		p[len + 8] = 1;
		len += cd_feature(p + len, 1, true, 8);
	}
	if (cd_is_wanted(cmd, 3)) { /* removable medium: tray, eject, lock */
		p[len + 4] = 0x29;
		len += cd_feature(p + len, 3, true, 4);
	}
	put32(p, len - 4);
	return scsi_reply(cmd, p, len, get16(cmd->cdb + 7));
}

int scsi_get_event(struct scsi_cmd *cmd)
{
	uint32_t bit = 1u << scsi_initiator(cmd);
	struct scsi_lun *lun = cmd->lun;
	uint8_t *p = scsi_paper(cmd);
	bool present = !lun->empty && !lun->ejected;

	if (!(cmd->cdb[1] & 1))
		return scsi_bad_cdb(cmd, 1); /* asynchronously: not */
	p[3] = 1 << EVENT_MEDIA;	     /* what there could be */
	if (!(cmd->cdb[4] >> EVENT_MEDIA & 1)) {
		p[2] = 0x80; /* of what was asked for: nothing */
		put16(p, 2);
		return scsi_reply(cmd, p, 4, get16(cmd->cdb + 7));
	}
	put16(p, 6);
	p[2] = EVENT_MEDIA;
	if (atomic_fetch_and(&lun->media_event, ~bit) & bit)
		p[4] = present ? EVENT_NEW_MEDIUM : 3; /* or it was removed */
	p[5] = (uint8_t)(present << 1 | lun->ejected); /* medium, tray open */
	return scsi_reply(cmd, p, 8, get16(cmd->cdb + 7));
}

int scsi_read_disc(struct scsi_cmd *cmd)
{
	uint8_t *p = scsi_paper(cmd);

	if (cmd->cdb[1] & 7)
		return scsi_bad_cdb(cmd, 1);
	put16(p, 32);
	p[2] = 0x0e; /* last session complete, disc finished */
	p[3] = p[4] = p[5] = p[6] = 1;
	p[7] = 0x20; /* unrestricted use */
	return scsi_reply(cmd, p, 34, get16(cmd->cdb + 7));
}

int scsi_mechanism(struct scsi_cmd *cmd)
{
	uint8_t *p = scsi_paper(cmd);

	p[1] = cmd->lun->ejected ? 0x10 : 0; /* the door is open */
	return scsi_reply(cmd, p, 8, get16(cmd->cdb + 8));
}
