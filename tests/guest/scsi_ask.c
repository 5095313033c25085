/* SPDX-License-Identifier: MIT */
/*
 * Asks a SCSI device by SG_IO, as sg3-utils do; runs in guests.
 *
 *	guest-scsi-ask DEVICE <QUESTIONS
 *
 * A question is a line: NAME CDB BYTES [DATA], the CDB and data for the device in hexadecimal,
 *BYTES that may come.  The answer is a line, too: NAME STATUS SENSE DATA, in hexadecimal, "-" for
 *nothing.
 */
#include <fcntl.h>
#include <scsi/sg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { MOST = 8192, LINE = 2 * MOST + 256, TIMEOUT_MS = 60000 };

static int parse_hex(const char *text, unsigned char *bytes, int max)
{
	int n = 0;

	for (; n < max && text[0] && text[1]; text += 2)
		if (sscanf(text, "%2hhx", &bytes[n++]) != 1)
			exit(2);
	return n;
}

static void print_hex(const unsigned char *bytes, int n)
{
	putchar(' ');
	if (!n)
		putchar('-');
	for (int i = 0; i < n; i++)
		printf("%02x", bytes[i]);
}

static void ask(int fd, const char *name, const char *cdb_text, int in_len, const char *out_text)
{
	static unsigned char cdb[32], data[MOST], sense[64];
	sg_io_hdr_t io = {
		.interface_id = 'S',
		.dxfer_direction = SG_DXFER_NONE,
		.mx_sb_len = sizeof(sense),
		.dxferp = data,
		.cmdp = cdb,
		.sbp = sense,
		.timeout = TIMEOUT_MS,
	};

	memset(data, 0, sizeof(data));
	memset(sense, 0, sizeof(sense));
	io.cmd_len = (unsigned char)parse_hex(cdb_text, cdb, sizeof(cdb));
	if (*out_text) {
		io.dxfer_direction = SG_DXFER_TO_DEV;
		io.dxfer_len = (unsigned int)parse_hex(out_text, data, sizeof(data));
	} else if (in_len) {
		io.dxfer_direction = SG_DXFER_FROM_DEV;
		io.dxfer_len = (unsigned int)in_len;
	}
	if (ioctl(fd, SG_IO, &io) < 0) {
		perror(name);
		exit(1);
	}
	printf("%s %02x", name, io.status);
	print_hex(sense, io.sb_len_wr);
	print_hex(data, io.dxfer_direction == SG_DXFER_FROM_DEV ? in_len - io.resid : 0);
	putchar('\n');
}

int main(int argc, char **argv)
{
	static char line[LINE], name[64], cdb[80], data[2 * MOST + 1];
	int fd = argc > 1 ? open(argv[1], O_RDWR | O_CLOEXEC) : -1, in_len;

	if (fd < 0) {
		perror(argc > 1 ? argv[1] : "usage: guest-scsi-ask DEVICE");
		return 2;
	}
	while (fgets(line, sizeof(line), stdin)) {
		*data = '\0';
		if (sscanf(line, "%63s %79s %d %16384s", name, cdb, &in_len, data) < 3)
			return 2;
		ask(fd, name, cdb, in_len < MOST ? in_len : MOST, data);
	}
	close(fd);
	return 0;
}
