#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An I2C bus with an EEPROM of 256 bytes at 0x50 (virtio 1.3 §5.16).  i2c_eeprom.py SOCKET [TEXT]

The chip is a 24c02: the first byte written is the address, the rest is stored; reads go on from
the address.  In the guest: echo 24c02 0x50 >/sys/bus/i2c/devices/i2c-0/new_device
"""
import sys

import pylibvu

FAIL_NEXT, READ = 1, 2
OK, ERR = b"\0", b"\1"


class Eeprom:
    def __init__(self, data):
        self.data = bytearray(data.ljust(256, b"\xff")[:256])
        self.address = 0

    def write(self, data):
        if data:
            self.address = data[0]
        for byte in data[1:]:
            self.data[self.address] = byte
            self.address = (self.address + 1) % 256

    def read(self, size):
        found = bytes(self.data[(self.address + i) % 256] for i in range(size))
        self.address = (self.address + size) % 256
        return found


class I2c(pylibvu.Device):
    device_id = 34
    max_bytes = 1 << 17  # a message of I2C has at most 65535
    zero_length_request = pylibvu.Feature(0, required=True)

    def __init__(self, chips):
        super().__init__()
        self.chips = chips

    @pylibvu.queue(0, batch=True)
    def transfers(self, reqs):
        failing = False  # a transfer that failed takes those with it that were to follow
        for req in reqs:
            with req:
                address, _, flags = req.unpack("<HHI")
                chip = None if failing else self.chips.get(address >> 1)
                room = req.writable_len - 1
                if chip is not None and flags & READ:
                    req.write(chip.read(room))
                elif chip is not None:
                    chip.write(req.read())
                failing = chip is None and bool(flags & FAIL_NEXT)
                req.write(ERR if chip is None else OK, at=room)

    def failed(self, req, error):
        if req.writable_len:
            req.write(ERR, at=req.writable_len - 1)
        req.complete()


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    text = sys.argv[2] if len(sys.argv) > 2 else "written by nobody\n"
    pylibvu.serve(I2c({0x50: Eeprom(text.encode())}), sys.argv[1])
