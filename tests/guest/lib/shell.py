# SPDX-License-Identifier: MIT
"""scripts/guest: a Debian kernel on the vhost-user device behind SOCKET, with a shell in it.

It runs under this machine's QEMU, with emulated processors (VU_ACCEL=kvm: with real ones), and writes
the QEMU command line that it used.  The shell is on this terminal; "exit" ends the guest, and so does
Ctrl-A X.  With --command the guest runs that instead, and its exit status is the script's; 125 is left
for guests that could not be had.  What is missing is installed or fetched as scripts/demo does.
"""

import argparse
import contextlib
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time

from . import front_end, newer
from .backend import connections
from .errors import GuestError, Skip
from .qemu import Qemu
from .store import Store, writable_cache
from .terminal import Terminal

TREE = os.path.realpath(f"{os.path.dirname(os.path.abspath(__file__))}/../../..")
BEGAN = float(os.environ.get("VU_BEGAN") or time.time())
NO_GUEST = 125
PATIENCE = 5  # seconds: for a back-end that was just started


def say(text):
    print(f"[{int(time.time() - BEGAN):4d}s] {text}", file=sys.stderr, flush=True)


def main():
    options = parse()
    try:
        sys.exit(run(options))
    except (Skip, GuestError) as error:
        say(f"guest: {error}")
    except KeyboardInterrupt:
        say("guest: interrupted")
    sys.exit(NO_GUEST)


def parse():
    parser = argparse.ArgumentParser(prog="guest", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("socket", metavar="SOCKET", help="where the back-end listens")
    parser.add_argument("--type", default="rng", choices=front_end.TYPES, metavar="TYPE",
                        help=f"what it is (default rng): {', '.join(front_end.TYPES)}")
    parser.add_argument("--command", metavar="CMD", help="run this in the guest, and end")
    parser.add_argument("--memory", type=int, default=256, metavar="MIB",
                        help="of the guest (default 256)")
    parser.add_argument("--newest-qemu", action="store_true",
                        help="fetch QEMU 11 into the cache folder (54 MB) and take that")
    options = parser.parse_args()
    if not 128 <= options.memory <= 65536:
        parser.error("--memory: the guest needs 128 to 65536 MiB")
    return options


def run(options):
    check(options.socket)
    if options.command is None and not os.isatty(0):
        raise GuestError("standard input is no terminal; --command CMD runs a command without one")
    store, kind = Store(say, may_fetch=True), front_end.TYPES[options.type]
    setup(["qemu", *kind.sets])
    qemu = newer.newest_qemu(store) if options.newest_qemu else program()
    device = front_end.device(qemu, options.type, os.path.abspath(options.socket))
    arguments = {"devices": [device], "modules": kind.modules, "programs": kind.programs,
                 "memory": options.memory, "qemu": qemu}
    if options.command is None:
        return interactive(store, options.type, arguments)
    return command(store, options.command, arguments)


def program():
    name = os.environ.get("VU_QEMU") or "qemu-system-x86_64"
    found = shutil.which(name)
    if not found:
        raise Skip(f"no {name}: Debian has it in the package qemu-system-x86")
    return found


def check(path):
    """Raises unless somebody listens at that socket and nobody is connected."""
    limit = time.monotonic() + PATIENCE
    while (error := fault(path)) and time.monotonic() < limit:
        time.sleep(0.05)  # whoever was started a moment ago gets there
    if error:
        raise GuestError(f"{path}: {error}")


def fault(path):
    """What is wrong and may pass; raises if it will not."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        return f"{error.strerror}: is the back-end running, with this path?"
    if not stat.S_ISSOCK(mode):
        raise GuestError(f"{path}: not a socket; give the path that the back-end listens at")
    if not os.access(path, os.R_OK | os.W_OK):
        raise GuestError(f"{path}: no right to connect; the user who runs the back-end has it")
    listening, connected = connections(path)
    if connected:
        return "a front-end is connected already; a back-end serves one at a time"
    if listening:
        return None
    # perhaps somebody does where we do not see it (in another container): then this connects
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as probe:
        try:
            probe.connect(path)
        except OSError as error:
            return f"{error.strerror}: the file is there, but nobody listens: is the back-end running?"
    return None


def setup(sets):
    done = subprocess.run([f"{TREE}/scripts/setup", *sets], stdin=subprocess.DEVNULL,
                          stdout=sys.stderr, check=False)
    if done.returncode:
        raise Skip("something is missing, see above")


def interactive(store, kind, arguments):
    greeting = f"""
A guest with a vhost-user {kind} device.  Try:  {front_end.TYPES[kind].try_first}
"exit" ends the guest; so does Ctrl-A X, whatever it does.
"""
    folder = f"{writable_cache()}/shell"
    os.makedirs(folder, exist_ok=True)  # its files stay, so that QEMU's line can be used again
    return Terminal(folder, kind, store, greeting=greeting, **arguments).sit()


def command(store, script, arguments):
    with tempfile.TemporaryDirectory(prefix="libvu-guest.") as folder, \
         Qemu(folder, "guest", store, complaints_ok=True, **arguments) as guest:
        try:
            guest.boot()
        finally:
            with open(guest.log, encoding="utf-8", errors="replace") as log:
                say(f"QEMU's command line: {log.readline().rstrip()}")
        result = guest.run(script, work=float("inf"), check=False)
        sys.stdout.buffer.write(result.output)
        sys.stdout.flush()
        for complaint in guest.complaints():
            say(f"its kernel complained: {complaint}")
    return result.status


if __name__ == "__main__":
    main()
