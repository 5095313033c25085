# SPDX-License-Identifier: MIT
# The extension module is made from libvu-testing's header; its names are those of the header.
from typing import Any

ffi: Any
lib: Any
