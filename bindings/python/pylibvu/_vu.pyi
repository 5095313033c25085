# SPDX-License-Identifier: MIT
# The extension module is made from libvu's headers; its names are those of docs and headers.
from typing import Any

ffi: Any
lib: Any
