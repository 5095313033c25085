# SPDX-License-Identifier: MIT
"""A booted guest: what QEMU and User-mode Linux have in common.

Two byte streams leave the guest: the console (kernel messages) and the agent's line (init.sh), which
carries only what scripts write.  A wait on either ends at once when the kernel panics or the
process is gone.
"""

import base64
import os
import re
import secrets
import shlex
import socket
import subprocess
import time

from . import patience, process
from .errors import GuestDied, GuestError, GuestTimeout
from .initramfs import Initramfs

PANIC = rb"Kernel panic - not syncing[^\n]*(?=\n)"
# what a kernel says only when something is wrong, with us or with it
COMPLAINTS = re.compile(rb"^.*(?:BUG: |Oops|WARNING: |general protection|blocked for more than|"
                        rb"I/O error|rcu.*detected.*stall|id \d+ is not a head|"
                        rb"init: cannot insert).*$", re.M)
# A processor that the host gave no time looks stuck to the guest; what really hangs ends the test.
PATIENT = "nowatchdog rcupdate.rcu_cpu_stall_suppress=1"


class Result:
    def __init__(self, status, output):
        self.status, self.output = status, output

    @property
    def text(self):
        return self.output.decode(errors="replace").strip()


class Machine:
    """Subclasses give `front_end` (a name), make_kernel(), and command(streams)."""

    front_end = ""
    drivers = []  # modules of the transport
    busybox = None  # for another processor's guest
    successor = False  # of another machine: its guest comes from there and does not boot

    def __init__(self, folder, name, store, devices=(), modules=(), programs=(), files=None,
                 memory=256, cpus=2, cmdline="", complaints_ok=False):
        self.folder, self.name, self.store, self.say = folder, name, store, store.say
        self.devices, self.memory, self.cpus, self.cmdline = list(devices), memory, cpus, cmdline
        self.complaints_ok, self.log = complaints_ok, os.path.join(folder, f"{name}.log")
        self._pairs, self._process, self.boot_time, self.stuck = [], None, None, False
        self.kernel = self.make_kernel()
        self._write_initramfs(modules, programs, files or {})

    # -- life ------------------------------------------------------------------------------

    def boot(self):
        began = time.monotonic()
        if not self.successor:
            self.say(f"{self.name}: booting Linux {self.kernel.release} under {self.front_end}")
        self.console, console = self.stream("console")
        self.agent, agent = self.stream("agent")
        self._spawn(self.command(console, agent))
        if self.successor:
            return self
        # firmware may have written there before, and not ended its line
        ready = self.wait_agent(rb"(?:^|\r)@ready .*\n", what="sign of a booted guest")
        self._mark, self.boot_time = ready.end, time.monotonic() - began
        self.say(f"{self.name}: up after {self.boot_time:.1f} s")
        return self

    def reboot(self):
        """The guest's own reboot, while devices' back-ends go on."""
        began, mark = time.monotonic(), self.agent.mark()
        self.say(f"{self.name}: rebooting")
        self._send("sync; reboot -f")
        self._mark = self.wait_agent(rb"^@ready .*\n", mark, "sign of a rebooted guest").end
        self.say(f"{self.name}: up again after {time.monotonic() - began:.1f} s")

    def shut_down(self):
        """Overridden where there is something more gentle than a signal."""

    @property
    def pid(self):
        return self._process.pid

    def kill(self):
        """The crash of the front-end: SIGKILL."""
        process.sweep(self._process)
        self._process.wait()

    def close(self):
        if self._process:
            if self._process.poll() is None:
                self.shut_down()
            process.end(self._process)
            process.sweep(self._process)
        for ours, stream in self._pairs:
            stream.close()
            ours.detach()
        self._pairs = []

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        said = self.complaints()
        self.close()
        if said and kind is None and not self.complaints_ok:
            raise GuestError(f"{self.name}'s kernel complained:\n" + "\n".join(said))

    # -- the guest's side ---------------------------------------------------------------------

    def run(self, script, work=0, check=True):
        """Runs a shell script in the guest, which works for so many seconds by itself.

        `check`: a status other than 0 raises GuestError.
        """
        return self.start(script).wait(work, check)

    def until(self, condition):
        """Waits for a condition: a script that ends with status 0 once it is true."""
        self.run(f"until {{ {condition}; }} 2>/dev/null; do usleep 50000; done")

    def start(self, script):
        """Starts a script and returns the Job; there is one at a time."""
        return Job(self, script, self._send(script), self._mark)

    def complaints(self):
        if not self._pairs:
            return []
        return [m.decode(errors="replace").strip() for m in
                COMPLAINTS.findall(self.console.since())]

    def wait_console(self, pattern, mark=0):
        """Waits for a line of kernel messages; `pattern` is a bytes regular expression."""
        return self._wait(self.console, pattern, mark)

    def wait_agent(self, pattern, mark=0, what=None, work=0):
        return self._wait(self.agent, pattern, mark, what, work)

    # -- inside -----------------------------------------------------------------------------------

    def stream(self, name):
        """A socket pair: (our Stream, the descriptor that the machine's process inherits)."""
        ours, theirs = socket.socketpair()
        stream = process.Stream(ours.fileno(), os.path.join(self.folder, f"{self.name}.{name}"))
        self._pairs.append((ours, stream))
        return stream, theirs

    def _write_initramfs(self, modules, programs, files):
        fs = Initramfs(self.busybox)
        wanted = list(self.drivers)
        for device in self.devices:
            wanted += device.modules
        fs.add_modules(self.kernel.modules(wanted + list(modules)))
        for program in programs:
            fs.add_program(program, self.store)
        for name, content in files.items():
            fs.add_file(name, content)
        self.initramfs = os.path.join(self.folder, f"{self.name}.cpio")
        fs.write(self.initramfs)

    def _spawn(self, argv):
        theirs = [a for a in argv if isinstance(a, socket.socket)]
        argv = [str(a) for a in argv if not isinstance(a, socket.socket)]
        with open(self.log, "ab") as log:
            log.write(f"{shlex.join(argv)}\n".encode())
            log.flush()
            self._process = process.spawn(argv, log, pass_fds=[s.fileno() for s in theirs])
        for end in theirs:
            end.close()

    def _send(self, script):
        if self.stuck:
            raise GuestDied(f"{self.name}: hangs since something passed its time limit")
        token = secrets.token_hex(6)
        self._mark = self.agent.mark()
        code = base64.b64encode(script.encode()).decode()
        try:
            self.agent.write(f"run {token} {code}\n".encode())
        except OSError:
            self._raise_if_dead(patience=1)
            raise
        return token

    def _wait(self, stream, pattern, mark, what=None, work=0):
        began, limit = time.monotonic(), patience.end(work)
        while True:
            found = stream.search(pattern, mark, 0.25)
            if found:
                return found
            self._raise_if_dead()
            if time.monotonic() > limit:
                self.stuck = True
                raise GuestTimeout(f"{self.name}: no {what or pattern} within "
                                   f"{limit - began:.0f} s; the last lines were:\n"
                                   f"{self.console.tail(5)}\n{stream.tail(8)}")

    def _raise_if_dead(self, patience=0.0):
        self._raise_if_panicked(self.console.search(PANIC))
        try:
            status = self._process.wait(patience)
        except subprocess.TimeoutExpired:
            return
        # what it said last may be on its way; what is left of it would keep the stream open
        process.sweep(self._process)
        self._raise_if_panicked(self.console.search(PANIC, timeout=10))
        with open(self.log, encoding="utf-8", errors="replace") as log:
            said = "".join(log.readlines()[-5:])
        raise GuestDied(f"{self.name}: {self.front_end} ended with status {status}:\n{said}")

    def _raise_if_panicked(self, found):
        if found:
            line = self.console.since(found.start)[:found.end - found.start]
            raise GuestDied(f"{self.name}: {line.decode(errors='replace')}")


class Job:
    """A script that runs in the guest."""

    def __init__(self, machine, script, token, mark):
        self._machine, self._script, self._token, self._mark = machine, script, token, mark

    def wait_line(self, pattern):
        """Waits for a line of the script's output (a bytes regular expression)."""
        return self._machine.wait_agent(pattern, self._mark)

    def write(self, data):
        """Bytes for the script's standard input."""
        self._machine.agent.write(data)

    def wait(self, work=0, check=True):
        agent, token = self._machine.agent, self._token.encode()
        found = self._machine.wait_agent(rb"^@exit " + token + rb" (\d+)\n", self._mark,
                                         f"end of the script {_brief(self._script)!r}", work)
        output = agent.since(self._mark)[:found.start - self._mark - 1]
        result = Result(int(found.groups[0]), output)
        if check and result.status:
            raise GuestError(f"{self._machine.name}: {_brief(self._script)!r} ended with status "
                             f"{result.status}:\n{result.text[-1500:]}")
        return result


def _brief(script):
    line = " ".join(script.split())
    return line if len(line) < 60 else line[:57] + "..."
