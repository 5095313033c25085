# SPDX-License-Identifier: MIT
"""Programs for the guest that come from a fixed Debian release, so that tests know how they behave."""

import os

from .fetch import Packages

SUITE = "bookworm"
PACKAGES = {
    "i2c-tools": ("libi2c0", ["i2cdetect", "i2cdump", "i2cget", "i2cset", "i2ctransfer"]),
    "gpiod": ("libgpiod2", ["gpiodetect", "gpioinfo", "gpioget", "gpioset", "gpiomon", "gpiofind"]),
    "alsa-utils": ("libasound2", ["aplay", "arecord", "amixer", "speaker-test"]),
    "libdrm-tests": ("libdrm2", ["modetest"]),
    "iperf3": ("libiperf0 libsctp1", ["iperf3"]),
}


def find(store, program):
    """(path, folder of its libraries) of a program that is known here, else None."""
    for package, (libraries, programs) in PACKAGES.items():
        if program in programs:
            tree = Packages(SUITE, package, *libraries.split()).tree(store)
            for folder in ("usr/sbin", "usr/bin"):
                if os.path.exists(f"{tree}/{folder}/{program}"):
                    return f"{tree}/{folder}/{program}", f"{tree}/usr/lib/x86_64-linux-gnu"
    return None
