# SPDX-License-Identifier: MIT
"""How long a test waits for what has to come: only so that a hang ends, also on a slow machine that
does other things as well.  VU_PATIENCE is another number of seconds.
"""

import os
import time

SECONDS = float(os.environ.get("VU_PATIENCE", "600"))


def end(work=0):
    """When patience ends with something that works for so many seconds by itself (time.monotonic())."""
    return time.monotonic() + work + SECONDS
