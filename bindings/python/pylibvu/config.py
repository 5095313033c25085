# SPDX-License-Identifier: MIT
"""Declared features and fields of the configuration space."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Callable, Generic, Optional, TypeVar, Union, overload

from ._vu import ffi, lib
from .errors import check
from .handle import Handle

if TYPE_CHECKING:
    from .core import Core
    from .device import Device

T = TypeVar("T")
Getter = TypeVar("Getter", bound=Callable[[Any], Any])
Setter = TypeVar("Setter", bound=Callable[[Any, Any], Any])


class Feature:
    """A feature bit of the device's type, as a class attribute: `flush = Feature(9)`.

    Reading it tells whether the driver accepted it (before that: whether it is offered).  Set it
    to False before serving to offer it not, or to True to offer what `offered=False` left out.
    """

    def __init__(self, bit: int, *, required: bool = False, offered: bool = True) -> None:
        self.bit = bit
        self.required = required
        self.offered = offered
        self.name = f"bit {bit}"

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, device: None, owner: type) -> Feature: ...

    @overload
    def __get__(self, device: Device, owner: type) -> bool: ...

    def __get__(self, device: Optional[Device], owner: type) -> Union[Feature, bool]:
        if device is None:
            return self
        bits = device._offered
        if device._core is not None and device.negotiated:
            bits = device.negotiated
        return bool(bits >> self.bit & 1)

    def __set__(self, device: Device, offered: bool) -> None:
        if device._core is not None:
            raise AttributeError(f"{self.name}: features are offered before serving")
        mask = 1 << self.bit
        device._offered = device._offered | mask if offered else device._offered & ~mask
        if self.required:
            device._required = device._required | mask if offered else device._required & ~mask


class Field(Generic[T]):
    """A field of the configuration space, as a class attribute: `capacity = U64()`.

    It lies behind the field above it, or at `offset`.  Reading gives the value that the driver
    sees; assigning changes it, and the driver is told if it really changed.  `writable` lets the
    driver write it, and @field.written is called when it did.  @field.reader makes the value when
    the driver reads it.
    """

    layout = ""

    def __init__(self, offset: Optional[int] = None, default: Optional[T] = None, *,
                 writable: bool = False) -> None:
        self.offset = offset if offset is not None else -1
        self.placed = offset is not None
        self.default = default
        self.writable = writable
        self.name = "field"
        self.on_read: Optional[Callable[[Any], T]] = None
        self.on_write: Optional[Callable[[Any, T], Any]] = None

    @property
    def size(self) -> int:
        """Its bytes."""
        return struct.calcsize(self.layout)

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def pack(self, value: T) -> bytes:
        """As the driver sees it."""
        try:
            return struct.pack(self.layout, value)
        except struct.error as error:
            raise ValueError(f"{self.name}: {value!r}: {error}") from None

    def unpack(self, data: bytes) -> T:
        """From what the driver sees."""
        value: T = struct.unpack(self.layout, data)[0]
        return value

    def reader(self, function: Getter) -> Getter:
        """Decorator: `function(self)` makes the value each time the driver reads it."""
        self.on_read = function
        return function

    def written(self, function: Setter) -> Setter:
        """Decorator: `function(self, value)` is called after the driver wrote the field."""
        self.on_write = function
        self.writable = True
        return function

    @overload
    def __get__(self, device: None, owner: type) -> Field[T]: ...

    @overload
    def __get__(self, device: Device, owner: type) -> T: ...

    def __get__(self, device: Optional[Device], owner: type) -> Union[Field[T], T]:
        if device is None:
            return self
        if self.on_read is not None:
            return self.on_read(device)
        return self.unpack(device.config[self.offset:self.offset + self.size])

    def __set__(self, device: Device, value: T) -> None:
        device.config[self.offset:self.offset + self.size] = self.pack(value)


class U8(Field[int]):
    """An unsigned byte."""

    layout = "<B"


class U16(Field[int]):
    """A little-endian 16-bit number (le16)."""

    layout = "<H"


class U32(Field[int]):
    """A little-endian 32-bit number (le32)."""

    layout = "<I"


class U64(Field[int]):
    """A little-endian 64-bit number (le64)."""

    layout = "<Q"


class Bytes(Field[bytes]):
    """Bytes of a fixed length: `mac = Bytes(6)`; shorter values are filled up with zeros."""

    def __init__(self, length: int, offset: Optional[int] = None, default: bytes = b"", *,
                 writable: bool = False) -> None:
        super().__init__(offset, default, writable=writable)
        self.layout = f"<{length}s"

    def pack(self, value: bytes) -> bytes:
        """As the driver sees it."""
        if len(value) > self.size:
            raise ValueError(f"{self.name}: {len(value)} bytes, of {self.size}")
        return super().pack(value)


class ConfigSpace(Handle):
    """The configuration space as bytes: `device.config[0:8]`; assigning tells the driver."""

    def __init__(self, image: bytes, writable: bytes) -> None:
        self._image = bytearray(image)
        self.writable = writable
        self.core: Optional[Core] = None  # once the C device has the bytes

    def __len__(self) -> int:
        return len(self._image)

    def _range(self, key: Union[int, slice]) -> range:
        if isinstance(key, int):
            return range(range(len(self))[key], range(len(self))[key] + 1)
        part = range(len(self))[key]
        if part.step != 1:
            raise ValueError("only consecutive bytes")
        return part

    def __getitem__(self, key: Union[int, slice]) -> bytes:
        part = self._range(key)
        core = self.core
        if core is None:
            return bytes(self._image[part.start:part.start + len(part)])
        out = ffi.new("unsigned char[]", max(len(part), 1))
        check(lib.vu_config_get(core.check(), part.start, out, len(part)), "vu_config_get")
        return bytes(ffi.buffer(out, len(part)))

    def __setitem__(self, key: Union[int, slice], value: bytes) -> None:
        part = self._range(key)
        if len(value) != len(part):
            raise ValueError(f"{len(value)} bytes for {len(part)}")
        core = self.core
        if core is None:
            self._image[part.start:part.start + len(part)] = value
            return
        check(lib.vu_config_set(core.check(), part.start, ffi.from_buffer(value), len(value)),
              "vu_config_set")


def lay_out(cls: type) -> list[Field[Any]]:
    """The fields of a class and its bases, in order, each with its offset."""
    fields: dict[str, Field[Any]] = {}
    for base in reversed(cls.__mro__):
        fields.update((k, v) for k, v in vars(base).items() if isinstance(v, Field))
    end = 0
    for field in fields.values():
        if not field.placed:
            field.offset = end
        end = field.offset + field.size
    return list(fields.values())


def initial(fields: list[Field[Any]], size: int) -> tuple[bytes, bytes]:
    """The image and the mask of writable bits that the fields describe."""
    size = max([size, *(f.offset + f.size for f in fields)])
    image, writable = bytearray(size), bytearray(size)
    for f in fields:
        if f.default is not None:
            image[f.offset:f.offset + f.size] = f.pack(f.default)
        if f.writable:
            writable[f.offset:f.offset + f.size] = b"\xff" * f.size
    return bytes(image), bytes(writable)
