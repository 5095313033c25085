# SPDX-License-Identifier: MIT
"""The cache folder: what was fetched or built once, each in a folder of its own.

A folder is made elsewhere and renamed when it is whole, so what is found is complete; two runs that
make the same one at a time both end with it.
"""

import contextlib
import fcntl
import glob
import os
import re
import shutil
import subprocess
import tempfile
import time

from .errors import Skip

PATIENCE = 10  # seconds of silence
NOTES = {}  # this process's, for where the cache folder cannot be written


def cache_folders():
    """Where scripts/setup may have put things; the first that exists counts."""
    env = os.environ
    home = os.path.join(env.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "libvu")
    return [env["VU_CACHE"]] if env.get("VU_CACHE") else [home, "/var/cache/libvu"]


def version_key(path):
    """For sorting: the numbers in a file's name."""
    return [int(n) for n in re.findall(r"\d+", os.path.basename(path))]


class Store:
    """`may_fetch` and `may_build`: whether this run may add packages, or kernels (minutes)."""

    def __init__(self, say, may_fetch=False, may_build=False):
        self.say, self.may_fetch, self.may_build = say, may_fetch, may_build

    @staticmethod
    def find(pattern):
        """The newest folder whose name matches, or None."""
        found = [p for cache in cache_folders() for p in glob.glob(f"{cache}/{pattern}")]
        return max(found, key=version_key) if found else None

    def make(self, what, pattern, maker):
        """A new folder: maker(work) makes it below the empty folder `work` and returns it.

        It keeps its own name, which matches `pattern`: files that run beside each other make it once.
        What failed once is not tried again in the same run of scripts/test: a network that does not
        answer costs minutes.
        """
        cache = writable_cache()
        try:
            os.makedirs(cache, exist_ok=True)
            with open(f"{cache}/{re.sub('[^a-z0-9.]+', '-', what.lower())}.lock", "ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                return self.find(pattern) or self._make(cache, what, maker)
        except OSError as error:
            raise Skip(f"cannot add to {cache}: {error.strerror}") from error

    def _make(self, cache, what, maker):
        failure = self.recall(what)
        if failure:
            raise Skip(failure)
        try:
            with tempfile.TemporaryDirectory(dir=cache, prefix="fetch.") as work:
                made = maker(work)
                os.chmod(made, 0o755)
                place = f"{cache}/{os.path.basename(made)}"
                if not os.path.isdir(place):
                    os.rename(made, place)
        except Skip as reason:
            self.note(what, str(reason))
            raise
        return place

    @staticmethod
    def note(what, text):
        """For what is found out once in a run of scripts/test, by whichever file comes first."""
        NOTES[what] = " ".join(text.split())
        with contextlib.suppress(OSError):
            os.makedirs(writable_cache(), exist_ok=True)
            for old in set(glob.glob(f"{writable_cache()}/found-out.*")) - {_notes()}:
                os.unlink(old)
            with open(_notes(), "a", encoding="utf-8") as file:
                file.write(f"{what}\t{NOTES[what]}\n")

    @staticmethod
    def recall(what):
        """The text of the note, or None."""
        with contextlib.suppress(OSError), open(_notes(), encoding="utf-8") as file:
            for line in file:
                if line.startswith(f"{what}\t"):
                    return line.rstrip("\n").split("\t")[1]
        return NOTES.get(what)

    def run(self, what, argv, log, cwd=None):
        """Runs a command with its output in the file `log`, and says now and then how far it is.

        Its exit status; 127 if there is no such command.
        """
        began = said = time.monotonic()
        with open(log, "ab") as out:
            try:
                process = subprocess.Popen(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out,
                                           stderr=subprocess.STDOUT)
            except FileNotFoundError as error:
                out.write(f"no {error.filename}\n".encode())
                return 127
        try:
            while process.poll() is None:
                time.sleep(0.05)
                if time.monotonic() - said > PATIENCE:
                    said = time.monotonic()
                    self.say(f"{what}: {said - began:.0f} s, {_last_line(log)}")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        return process.returncode


def writable_cache():
    """The cache folder that is added to."""
    return next((c for c in cache_folders() if os.access(c, os.W_OK)), cache_folders()[0])


def _notes():
    return f"{writable_cache()}/found-out.{os.environ.get('VU_BEGAN') or os.getpid()}"


def needed(*programs):
    """Raises Skip when one of the programs is not there."""
    for program in programs:
        if not shutil.which(program):
            raise Skip(f"no {program}: run scripts/setup guest")


def first_error(log):
    """The line of a compiler's or make's output that says best what was wrong."""
    with open(log, encoding="utf-8", errors="replace") as file:
        lines = [line.strip() for line in file if line.strip()] or ["no output"]
    for pattern in (r"error: |can't open|not found|No such file", r"\*\*\*"):
        for line in lines:
            if re.search(pattern, line):
                return line
    return lines[-1]


def _last_line(path):
    with open(path, "rb") as file:
        lines = file.read().decode(errors="replace").split("\n")
    return f"{len(lines)} lines of output: " + " ".join(next(
        (line for line in reversed(lines) if line.strip()), "").split())[:70]
