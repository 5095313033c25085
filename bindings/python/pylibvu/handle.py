# SPDX-License-Identifier: MIT
"""What every wrapper of a C object has in common: there is one of it."""

from __future__ import annotations

from typing import Any, NoReturn


class Handle:
    """Neither copied nor pickled: two wrappers would free one C object."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} is neither copied nor pickled: there is one of it, "
                        f"in this process; make another one where you need it")
