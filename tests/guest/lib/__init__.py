# SPDX-License-Identifier: MIT
"""Real kernels as front-ends: boots a guest on our back-ends and runs scripts in it.

A test file imports what it needs from here, defines functions named test_*(t), and ends with
`main()`.  docs/testing.md has the whole story with an example.  Standard library only.
"""

from .backend import Backend
from .control import Control
from .device import Generic, Pair, VhostUser
from .disk import Image
from . import patience, process
from .errors import GuestDied, GuestError, GuestTimeout, Skip
from .report import main, only_long

__all__ = ["Backend", "Control", "Generic", "Pair", "VhostUser", "Image", "GuestDied", "GuestError",
           "GuestTimeout", "Skip", "main", "only_long", "patience", "process"]
