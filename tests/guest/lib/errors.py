# SPDX-License-Identifier: MIT
"""What can go wrong, one class for each reaction that a test may want."""


class Skip(Exception):
    """Something that this machine lacks; the text is the reason that the user reads."""


class GuestError(Exception):
    """A script in the guest failed, or a command to the machine was refused."""


class GuestDied(GuestError):
    """The guest's kernel panicked, or the machine's process ended."""


class GuestTimeout(GuestError):
    """Something did not happen within its time limit."""
