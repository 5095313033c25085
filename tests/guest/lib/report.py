# SPDX-License-Identifier: MIT
"""Runs the test functions of a file and reports each check: a sentence, and pass, fail or skip.

Exit status: 0, 1 when a check failed, 77 when everything was skipped.  With --results each check is
also a line "pass|fail|skip TAB name TAB reason" of a file, which scripts/test counts.
"""

import argparse
import contextlib
import os
import resource
import shutil
import signal
import sys
import tempfile
import time

from . import newer
from .backend import Backend
from .built import built_uml
from .errors import GuestDied, Skip
from .fetch import Packages
from .qemu import Qemu
from .selftests import vsock_test
from .store import Store
from .uml import Uml, usable

# Assertions about QEMU's own tables, which a guest with several processors breaks now and then as it
# boots, whatever its devices are (TCG, QEMU 10).
OF_QEMU = ("iotlb_to_section: Assertion", "msix_table_mmio_write: Assertion")
BEGAN = float(os.environ.get("VU_BEGAN") or time.time())  # the clock of scripts/lib.sh


def say(text):
    print(f"[{int(time.time() - BEGAN):4d}s] {text}", flush=True)


class Test:
    """What a test function gets: places, back-ends, guests, checks."""

    def __init__(self, report, name, folder):
        self._report, self.name, self.folder = report, name, folder
        self._names = {}
        self.store = Store(self.say, report.options.fetch, report.options.build_kernel)
        os.mkdir(folder)

    def path(self, name):
        """A path in this test's scratch folder."""
        return os.path.join(self.folder, name)

    @property
    def build(self):
        """The build folder."""
        return self._report.build

    @property
    def long(self):
        """Whether there is time: scripts/test long."""
        return self._report.options.long

    @property
    def newer_qemu(self):
        """A program, QEMU 10, for qemu(..., qemu=); raises Skip where it cannot be had."""
        return newer.newer_qemu(self.store)

    @property
    def newest_qemu(self):
        """QEMU 11, likewise."""
        return newer.newest_qemu(self.store)

    @property
    def newer_uml(self):
        """User-mode Linux 7.2 for uml(..., linux=); raises Skip where it cannot be had."""
        return newer.newer_uml(self.store)

    @property
    def built_uml(self):
        """User-mode Linux 7.2 with the drivers of uml.config, likewise."""
        return built_uml(self.store)

    @property
    def vsock_test(self):
        """The kernel's own test of AF_VSOCK, a program; likewise."""
        return vsock_test(self.store)

    @property
    def uml_kernel(self):
        """The Kernel that uml() boots if it gets no other."""
        return usable(self.store)

    def packages(self, suite, *names):
        """The folder with unpacked packages of a newer suite; raises Skip as above."""
        return Packages(suite, *names).tree(self.store)

    def program(self, name):
        """One of our programs in the build folder; skips when it was not built."""
        for place in ("examples", "tools", "tests/guest", "tests/devices", "tests/scsi", "tests/fs", "."):
            path = os.path.join(self._report.build, place, name)
            if os.access(path, os.X_OK) and os.path.isfile(path):
                return path
        raise Skip(f"{name} was not built")

    def backend(self, name, *args):
        """Starts one of our programs with --socket-path, and any more arguments."""
        return self.peer(name, self.program(name), "--socket-path={socket}", *args)

    def peer(self, name, *argv):
        """Starts any other back-end; "{socket}" in an argument stands for the socket's path."""
        return Backend(argv, self.folder, self._unique(name))

    def qemu(self, *devices, **kw):
        """Boots Debian's kernel under QEMU; arguments: see Qemu and Machine."""
        return self._boot(Qemu, "qemu", devices, kw)

    def uml(self, *devices, **kw):
        """Boots Debian's User-mode Linux, a newer one where the installed one does not run."""
        return self._boot(Uml, "uml", devices, kw)

    def machine(self, kind, *devices, **kw):
        """Boots another kind of Machine."""
        return self._boot(kind, kind.__name__.lower(), devices, kw)

    @contextlib.contextmanager
    def check(self, sentence):
        """One check.  It failed if its block raises; the next one goes on unless the guest died."""
        began = time.monotonic()
        try:
            yield
        except Skip as reason:
            self._report.add("skip", sentence, str(reason))
        except Exception as error:  # pylint: disable=broad-except
            self._report.add("fail", sentence, str(error) or type(error).__name__)
            if isinstance(error, GuestDied):
                raise Aborted() from error
        else:
            self._report.add("pass", sentence, f"{time.monotonic() - began:.1f} s")

    def skip(self, sentence, reason):
        self._report.add("skip", sentence, reason)

    def say(self, text):
        say(f"{self.name}: {text}")

    def _boot(self, kind, name, devices, kw):
        for again in (True, True, False):
            machine = kind(self.folder, self._unique(name), self.store, devices=devices, **kw)
            try:
                return machine.boot()
            except BaseException as error:
                machine.close()
                known = [line for line in OF_QEMU if line in str(error)]
                if not (again and known):
                    raise
                self.say(f"QEMU's emulation of processors failed by itself: {known[0]}; once more")

    def _unique(self, name):
        self._names[name] = self._names.get(name, 0) + 1
        return name if self._names[name] == 1 else f"{name}{self._names[name]}"


class Aborted(Exception):
    """The function cannot go on; why has been reported."""


class Report:
    def __init__(self, options):
        self.options, self._results = options, options.results
        self.build = os.path.abspath(options.build)
        self.counts = {"pass": 0, "fail": 0, "skip": 0}

    def add(self, outcome, name, reason):
        self.counts[outcome] += 1
        say(f"{outcome:4}  {name}" + (f" ({reason})" if outcome == "pass" else f": {reason}"))
        if self._results:
            # one line, and what matters is often not on the first; a guest's have ends and columns of their own
            why = " / ".join(reason.replace("\t", " ").splitlines())[:400] if outcome != "pass" else ""
            with open(self._results, "a", encoding="utf-8") as file:
                file.write(f"{outcome}\t{name}\t{why}\n")


def only_long(test):
    """Leaves a test out where there is no time for it: most show with one more QEMU what another does."""
    return lambda t: test(t) if t.long else None


def main(module=None):
    """Runs every test_* function of the calling script, in the order they are written."""
    module = module or sys.modules["__main__"]
    top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(
        os.path.abspath(__file__)))))
    options = argparse.ArgumentParser(description=module.__doc__)
    options.add_argument("--build", default=os.environ.get("VU_BUILD", f"{top}/build"),
                         help="build folder (default: ./build of the tree)")
    options.add_argument("--results", help="append the outcome of each check to this file")
    options.add_argument("--keep", action="store_true", help="keep logs and images in any case")
    options.add_argument("--long", action="store_true", help="take the time of scripts/test long")
    options.add_argument("--fetch", action="store_true",
                         help="fetch Debian packages into the cache folder; build modules of them")
    options.add_argument("--build-kernel", action="store_true",
                         help="with --fetch: build a User-mode Linux, which takes minutes")
    options.add_argument("--list", action="store_true", help="list the tests and end")
    options.add_argument("tests", nargs="*", help="run only tests with this in their name")
    options = options.parse_args()
    tests = [(n[5:], f) for n, f in vars(module).items() if n.startswith("test_")
             and (not options.tests or any(p in n for p in options.tests))]
    if options.list:
        print("\n".join(name for name, _ in tests))
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and so everything we started ends
    report = Report(options)
    folder = tempfile.mkdtemp(prefix="libvu-guest.")  # short: socket paths end at 107 bytes
    for number, (name, function) in enumerate(tests):
        _run(report, name, function, os.path.join(folder, str(number)))
    if options.keep or report.counts["fail"]:
        say(f"logs are in {folder}")
    else:
        shutil.rmtree(folder)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    say("{pass} passed, {fail} failed, {skip} skipped".format(**report.counts)
        + f"; {used.ru_utime + used.ru_stime:.0f} s of processors' time")
    only_skips = report.counts["skip"] and not report.counts["pass"]
    sys.exit(1 if report.counts["fail"] else 77 if only_skips else 0)


def _run(report, name, function, folder):
    test = Test(report, name, folder)
    try:
        function(test)
    except Skip as reason:
        report.add("skip", name, str(reason))
    except Aborted:
        pass
    except Exception as error:  # pylint: disable=broad-except
        report.add("fail", name, str(error) or repr(error))
