# SPDX-License-Identifier: MIT
"""The device types of virtio 1.4 (§5): ids, short names, what the standard calls them, its chapters."""

import collections

Type = collections.namedtuple("Type", "id name title section")

TYPES = [Type(*row) for row in (
    (1, "net", "network device", "5.1"),
    (2, "blk", "block device", "5.2"),
    (3, "console", "console", "5.3"),
    (4, "rng", "entropy source", "5.4"),
    (5, "balloon", "memory balloon", "5.5"),
    (6, "iomem", "I/O memory device", None),
    (7, "rpmsg", "remote processor messaging device", None),
    (8, "scsi", "SCSI host", "5.6"),
    (9, "9p", "9P transport", None),
    (10, "wlan", "mac80211 WLAN device", None),
    (11, "rproc-serial", "serial port of a remote processor", None),
    (12, "caif", "CAIF device", None),
    (13, "memory-balloon", "memory balloon of the newer kind", None),
    (16, "gpu", "GPU", "5.7"),
    (17, "rtc", "real-time clock", "5.23"),
    (18, "input", "input device", "5.8"),
    (19, "vsock", "socket device", "5.10"),
    (20, "crypto", "crypto device", "5.9"),
    (21, "signal", "signal distribution module", None),
    (22, "pstore", "pstore device", None),
    (23, "iommu", "IOMMU", "5.13"),
    (24, "mem", "memory device", "5.15"),
    (25, "sound", "sound device", "5.14"),
    (26, "fs", "file system device", "5.11"),
    (27, "pmem", "PMEM device", "5.19"),
    (28, "rpmb", "RPMB device", "5.12"),
    (29, "hwsim", "mac80211 simulation device", None),
    (30, "video-encoder", "video encoder", None),
    (31, "video-decoder", "video decoder", None),
    (32, "scmi", "SCMI device", "5.17"),
    (33, "nitro", "NitroSecureModule", None),
    (34, "i2c", "I2C adapter", "5.16"),
    (35, "watchdog", "watchdog", None),
    (36, "can", "CAN device", "5.20"),
    (38, "parameters", "parameter server", None),
    (39, "audio-policy", "audio policy device", None),
    (40, "bluetooth", "Bluetooth device", None),
    (41, "gpio", "GPIO device", "5.18"),
    (42, "rdma", "RDMA device", None),
    (43, "camera", "camera", None),
    (44, "ism", "ISM device", None),
    (45, "spi", "SPI controller", "5.21"),
    (46, "tee", "TEE device", None),
    (47, "cpu-balloon", "CPU balloon", None),
    (48, "media", "media device", "5.22"),
    (49, "usb", "USB controller", None),
)]


def find(word):
    """The Type of an id or a name; of an id that the standard does not assign, one without a title.

    None if it is neither: PCI device ids, 0x1040 and up, leave room for 1 to 63.
    """
    for known in TYPES:
        if word in (known.name, str(known.id)):
            return known
    if word.isdecimal() and 1 <= int(word) <= 63:
        return Type(int(word), None, None, None)
    return None
