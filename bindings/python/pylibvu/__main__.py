# SPDX-License-Identifier: MIT
"""`python -m pylibvu`: versions, and what this build can do."""

from __future__ import annotations

import platform
import sys

import pylibvu

from ._vu import ffi, lib


def abilities() -> list[str]:
    """What a device made with this package gets without asking."""
    plain = pylibvu.Device(4, "probe")
    core = plain.core
    bits = [name[5:].lower() for name in dir(lib) if name.startswith("VU_F_")]
    found = [f"callbacks: {', '.join(n for n, _ in ffi.typeof('struct vu_ops').fields[1:])}",
             f"feature bits it knows: {', '.join(bits)}",
             f"functions of libvu: {sum(n.startswith('vu_') for n in dir(lib))}",
             "serving: serve() with worker threads, asyncio, or a loop of your own (fileno())"]
    core.check()
    plain.close()
    return found


def main() -> int:
    """Prints them."""
    print(f"pylibvu {pylibvu.__version__}")
    print(f"libvu {pylibvu.library_version()} (headers "
          f"{lib.VU_VERSION_MAJOR}.{lib.VU_VERSION_MINOR}.{lib.VU_VERSION_PATCH})")
    print(f"Python {platform.python_version()}")
    for line in abilities():
        print(f"  {line}")
    return 0


sys.exit(main())
