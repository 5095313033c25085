# SPDX-License-Identifier: MIT
"""Scripts: commands for a running device, from standard input or a socket, or lines of a file.

Not promised yet, as in C (libvu/unstable.h).
"""

from __future__ import annotations

import errno
import inspect
import os
from contextlib import contextmanager
from dataclasses import dataclass
from threading import get_ident
from typing import Any, Callable, Iterable, Iterator, Optional, TypeVar, Union

from ._vu import ffi, lib
from .core import export, interrupts, run_callback, wanted_level
from .errors import DeviceClosed, Refused, WrongThread, check
from .group import Group
from .handle import Handle

F = TypeVar("F", bound=Callable[..., Any])
Path = Union[str, "os.PathLike[str]"]

#: For `most` of a command: all of the line behind the name is one word, as it is.
COMMAND_LINE: int = lib.VU_COMMAND_LINE

# C calls a function without telling whose row of the table it is: there is one for each row.
_ROWS = sum(name.startswith("vupy_command_") for name in dir(lib))


@dataclass(frozen=True)
class _Command:
    name: str
    arguments: str
    help: str
    least: int
    most: int


def command(name: str, arguments: str = "", *, help: str = "", least: int = 0,
            most: Optional[int] = None) -> Callable[[F], F]:
    """Decorator of a function or method that is a command: function(script, *words).

    `least` to `most` words may follow the name, exactly `least` if `most` is not given.  `arguments` and
    `help`, by default the first line of the docstring, are what the command "help" shows.  It raises
    Refused to fail with a reason; what else it raises is logged with its traceback, and a reason, too.
    """
    if not isinstance(name, str) or not name or len(name.split()) != 1 or name != name.strip():
        raise ValueError(f"a command's name is a word, and {name!r} is none")
    most = least if most is None else most
    if not 0 <= least <= most:
        raise ValueError(f"{name}: least to most words: {least} to {most}")

    def decorate(function: F) -> F:
        if inspect.iscoroutinefunction(function):
            raise TypeError(f"{name}: a command cannot be async: it answers before it returns")
        lines = (help or inspect.getdoc(function) or "").splitlines() or [""]
        setattr(function, "_vu_command", _Command(name, arguments, lines[0], least, most))
        return function
    return decorate


def _text(text: str) -> bytes:
    """For C, which has text in lines that end with a zero byte."""
    if "\0" in text or "\n" in text:
        raise ValueError("this text has to be one line without zero bytes")
    return text.encode("utf-8", "surrogateescape")


class _Table:
    """The commands, and their struct vu_script_info."""

    def __init__(self, commands: Iterable[Callable[..., Any]], name: str) -> None:
        self.functions = list(commands)
        if len(self.functions) > _ROWS:
            raise ValueError(f"a script has at most {_ROWS} commands")
        self._keep: list[Any] = []
        rows = [self._row(function) for function in self.functions]
        if len({row.name for row in rows}) < len(rows):
            raise ValueError("two commands have the same name")
        self.commands = ffi.new("struct vu_command[]", len(rows) + 1)
        for index, row in enumerate(rows):
            c = self.commands[index]
            c.name, c.help = self._string(row.name), self._string(row.help)
            c.arguments = self._string(row.arguments) if row.arguments else ffi.NULL
            c.min_words, c.max_words = row.least, row.most
            c.run = getattr(lib, f"vupy_command_{index}")
        self._name = self._string(name)

    @staticmethod
    def _row(function: Any) -> _Command:
        row = getattr(function, "_vu_command", None)
        if not isinstance(row, _Command):
            raise TypeError(f"{function!r} is no command: decorate it with @pylibvu.command(name)")
        return row

    def _string(self, text: str) -> Any:
        self._keep.append(ffi.new("char[]", _text(text)))
        return self._keep[-1]

    def info(self, opaque: Any) -> Any:
        info = ffi.new("struct vu_script_info *", {
            "name": self._name, "commands": self.commands,
            "command_size": ffi.sizeof("struct vu_command"), "opaque": opaque,
            "log_level": wanted_level(), "log_fn": lib.vupy_log})
        info.size = ffi.sizeof(info[0])
        return info


class _Commands(Handle):
    """What a command is given to answer by."""

    def __init__(self, commands: Iterable[Callable[..., Any]], name: str) -> None:
        self._table = _Table(commands, name)
        self._handle = ffi.new_handle(self)
        self._running: Any = None  # the C script while a command runs, and on which thread
        self._ident = 0

    def answer(self, text: str) -> None:
        """Sends a line to whoever gave the command that is running; in run_file() to nobody.

        RuntimeError outside of a command, WrongThread on another thread.
        """
        self._present()
        if self._running is None:
            raise RuntimeError("answer() is for a command that runs; say() tells every client")
        if self._ident != get_ident():
            raise WrongThread("a command answers on the thread that runs it")
        lib.vu_script_answer(self._running, _text(text))

    def say(self, text: str) -> None:
        """Sends a line to every client."""
        _text(text)

    def _present(self) -> None:
        """Raises DeviceClosed where there is nobody to hear it."""

    def _call(self, ptr: Any, index: int, words: list[str]) -> None:
        self._running, self._ident = ptr, get_ident()
        try:
            self._table.functions[index](self, *words)
        finally:
            self._running = None

    def _run(self, ptr: Any, index: int, words: list[str]) -> int:
        """0, -errno, or what _refuse() returned."""
        raise NotImplementedError


def _refuse(ptr: Any, error: BaseException) -> int:
    """Tells C why the command fails: in the words of a Refused, or what it was."""
    reason = str(error) if isinstance(error, Refused) else f"{type(error).__name__}: {error}"
    line = (reason or "refused").replace("\0", " ")
    return int(lib.vu_script_fail(ptr, line.encode("utf-8", "replace")))


class Script(_Commands):
    """Lets whoever has standard input, or connects to a socket, give a device commands.

    What `--control` is for devices in C: lines of words, each answered with the lines of answer() and then
    "ok" or "error: " and the reason; "help" lists the commands.

        @pylibvu.command("fail", "[N]", most=1)
        def fail(script, count="1"):
            "the next N requests fail"
            ...
            script.answer(f"{count} will fail")

        with pylibvu.Script(device.own_group, [fail], "/tmp/control"):
            pylibvu.serve(device, "/tmp/socket")

    `where` is "-" for standard input and output, else the path of a socket (mode 0600, 8 clients at
    most).  The commands run on the group's thread, and only while it is served.  It lives until close(), or
    until its device is closed or gone.  `name` is for log lines, by default the device's.  WrongThread
    while another thread serves the group, OSError for what cannot be served.
    """

    def __init__(self, group: Group, commands: Iterable[Callable[..., Any]], where: Path, *,
                 name: Optional[str] = None) -> None:
        super().__init__(commands, name or group._alive().name)
        self._group = group
        self._ptr: Any = None
        out = ffi.new("struct vu_script **")
        info = self._table.info(self._handle)
        with group._using() as ptr:
            check(lib.vu_script_serve(ptr, info, os.fsencode(where), 0, out), f"control at {where}")
            self._ptr = out[0]
            group._scripts.add(self)

    def _present(self) -> None:
        if self._ptr is None:
            raise DeviceClosed("this script is closed, or of before fork()")

    @contextmanager
    def _using(self) -> Iterator[Any]:
        with self._group._using():
            self._present()
            yield self._ptr

    def say(self, text: str) -> None:
        """Sends "* " and a line to every client: something happened in the device.

        WrongThread while another thread serves the group: use group.call(script.say, text).
        """
        line = _text(text)
        self._present()
        with self._using() as ptr:
            lib.vu_script_say(ptr, line)

    def close(self) -> None:
        """Disconnects the clients and removes the socket.  Closing twice is no mistake.

        RuntimeError in a command; WrongThread while another thread serves the group.
        """
        if self._ptr is None:
            return
        if self._running is not None and self._ident == get_ident():
            raise RuntimeError("close() from a command of the script")
        with self._using():
            self._release()

    def _release(self) -> None:
        """The caller is the group's thread."""
        ptr, self._ptr = self._ptr, None
        self._group._scripts.discard(self)
        if ptr is not None:
            lib.vu_script_free(ptr)

    def _lose(self) -> None:
        """In a child of fork(): it is the parent's."""
        self._ptr = None

    def _run(self, ptr: Any, index: int, words: list[str]) -> int:
        core = self._group._weak_core()
        if core is None:
            return -errno.EIO
        refused: list[BaseException] = []

        def call() -> None:
            try:
                self._call(ptr, index, words)
            except Exception as error:
                if self._ptr is None or interrupts(error):
                    raise
                refused.append(error)
                if not isinstance(error, Refused):
                    raise

        what = f"command {self._table._row(self._table.functions[index]).name}"
        result = run_callback(core, self._group.owner, what, call)
        return _refuse(ptr, refused[0]) if refused else result

    def __enter__(self) -> Script:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


class _File(_Commands):
    """Keeps what a command raised for who called run_file()."""

    error: Optional[BaseException] = None

    def _run(self, ptr: Any, index: int, words: list[str]) -> int:
        try:
            self._call(ptr, index, words)
        except BaseException as error:
            self.error = error
            return _refuse(ptr, error)
        return 0


def run_file(commands: Iterable[Callable[..., Any]], path: Path, *, name: str = "script") -> None:
    """Runs a file's lines, on this thread, for descriptions of devices in the words of a Script.

    Ends at the first line that fails, which the log names, and raises what the command raised; ValueError
    for a line that is none or a command that is unknown; OSError for a file that cannot be read.
    """
    script = _File(commands, name)
    info = script._table.info(script._handle)
    result = int(lib.vu_script_run_file(info, os.fsencode(path)))
    error, script.error = script.error, None
    if error is not None:
        raise error
    if result == -errno.EINVAL:
        raise ValueError(f"{os.fspath(path)}: a line is wrong; the log says which, and why")
    check(result, os.fspath(path))


def _row_of(index: int) -> None:
    """What the row `index` of every table runs."""
    @export(f"command_{index}", -errno.EIO)
    def run(ptr: Any, n: int, words: Any, opaque: Any) -> int:
        script: _Commands = ffi.from_handle(opaque)
        return script._run(ptr, index, [ffi.string(words[i]).decode("utf-8", "surrogateescape")
                                        for i in range(n)])


for _index in range(_ROWS):
    _row_of(_index)
