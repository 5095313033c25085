# SPDX-License-Identifier: MIT
"""A guest under QEMU: Debian's stock kernel, emulated processors, shared memory, QMP."""

import json
import os
import shutil
import subprocess
import time

from . import patience
from .errors import GuestDied, GuestError, GuestTimeout, Skip
from .kernel import Kernel
from .machine import PATIENT, Machine


class Qemu(Machine):
    """`kernel` is a release prefix ("6.12"), `args` more of QEMU's, `slots` free DIMM slots.

    `spare` is a backend of memory to be plugged in, the object "more".  It is QEMU's first block, and the
    machine's memory has an odd size: QEMU loses nothing then (docs/migration.md, "What QEMU loses").

    VU_QEMU names another QEMU, VU_ACCEL another accelerator ("kvm").

    `version` is the machine's, as in "10.0", for a guest that moves to a QEMU of another one.
    `ram` is a file for the guest's memory.  A machine on the same file with `successor=True` boots
    nothing: another's hand_over() sends its running guest (QEMU 10 and later).
    """

    front_end = "QEMU"
    drivers = ["virtio_pci"]
    program, package = "qemu-system-x86_64", "qemu-system-x86"
    machine = "q35"
    ttys = ("ttyS0", "ttyS1")  # the guest's names of console and agent's line
    accelerators = os.environ.get("VU_ACCEL", "tcg,thread=multi")
    agent_line = None  # a device, where the machine has only one serial line of its own

    def __init__(self, *args, kernel="", slots=0, extra=(), qemu=None, ram=None,
                 successor=False, spare=None, version=None, **kw):
        self._release, self._slots, self._extra = kernel, slots, list(extra)
        self._spare, self.machine = spare, f"pc-q35-{version}" if version else self.machine
        self._ram, self.successor = ram, successor
        ours = os.environ.get("VU_QEMU") if self.program == Qemu.program else None
        name = qemu or ours or self.program
        self._program = shutil.which(name)
        if not self._program:
            raise Skip(f"no {name}: run scripts/setup guest (Debian package {self.package})")
        super().__init__(*args, **kw)

    def boot(self):
        try:
            return super().boot()
        except GuestDied as error:
            if "requires kvm" in str(error):  # input and gpu, before QEMU 8
                raise Skip("this QEMU has some vhost-user devices with KVM only "
                           "(VU_ACCEL=kvm where there is one)") from error
            raise

    def make_kernel(self):
        return Kernel.debian(self._release, self.store)

    def command(self, console, agent):
        monitor, theirs = self.stream("qmp")
        self._qmp = Qmp(self, monitor)
        lines = []
        for name, end in (("console", console), ("agent", agent)):
            line = self.agent_line if name == "agent" else None
            lines += ["-chardev", f"socket,id={name},fd={end.fileno()}", end]
            lines += ["-device", f"{line},chardev={name}"] if line \
                else ["-serial", f"chardev:{name}"]
        lines += ["-chardev", f"socket,id=qmp,fd={theirs.fileno()}",
                  "-mon", "chardev=qmp,mode=control", theirs]
        return self.line(lines, self.basic_cmdline())

    def line(self, serial, cmdline):
        """QEMU's arguments; `serial` are those of the guest's serial lines."""
        size = f"{(self.memory << 10) + (8 if self._spare else 0)}K"
        memory, cmdline = size, f"{cmdline} {self.cmdline}"
        backend = f"memory-backend-file,mem-path={self._ram}" if self._ram else "memory-backend-memfd"
        first = ["-object", f"{self._spare},id=more,share=on"] if self._spare else []
        if self._slots:
            cmdline += " memhp_default_state=online"
            memory += f",slots={self._slots},maxmem={self.memory * 8}M"
        argv = [self._program, "-nodefaults", "-no-user-config", "-display", "none",
                "-machine", f"{self.machine},memory-backend=ram", "-accel", self.accelerators,
                "-smp", self.cpus, "-m", memory, *first,
                "-object", f"{backend},id=ram,size={size},share=on", *serial,
                "-kernel", self.kernel.boot_image(self.folder), "-initrd", self.initramfs,
                "-append", cmdline.strip()]
        for number, device in enumerate(self.devices):
            argv += device.qemu_args(number)
        if self.successor:
            argv += ["-incoming", f"unix:{self._gate}"]
        return argv + self._extra

    def basic_cmdline(self):
        """What every kernel is told.

        The check of the timer compares with real time, which others may take from this process.
        """
        return f"console={self.ttys[0]} panic=0 no_timer_check {PATIENT} vu.agent={self.ttys[1]}"

    # What its successor needs, whose memory it is from the beginning.
    plugged = ("-device", "pc-dimm,id=dimm,memdev=more")

    def plug(self):
        """The spare memory is plugged in; Linux begins to use it when it has seen it."""
        self.qmp("device_add", driver="pc-dimm", id="dimm", memdev="more")

    @property
    def _gate(self):
        return os.path.join(self.folder, f"{self.name}.gate")

    def hand_over(self, successor):
        """Migration without its copy of memory, as one does to replace a QEMU by a newer one.

        Back-ends need no dirty log for it.  From its end on the guest runs at the successor.
        """
        for machine in (self, successor):
            machine.qmp("migrate-set-capabilities",
                        capabilities=[{"capability": "x-ignore-shared", "state": True}])
            machine.qmp("migrate-set-parameters", mode="cpr-reboot")
        self.qmp("migrate", uri=f"unix:{successor._gate}")
        state = self.wait_migration()
        successor.wait_event("RESUME")
        self.say(f"{self.name}: handed over to {successor.name} in {state['downtime']} ms")

    def migrate(self, successor, bandwidth=0):
        """Begins a live migration that copies memory, `bandwidth` bytes a second (0: no limit)."""
        self.set_bandwidth(bandwidth)
        successor.qmp("query-status")  # once it answers it listens
        self.qmp("migrate", uri=f"unix:{successor._gate}")

    def set_bandwidth(self, bandwidth):
        """Also of a migration that is going on: with a limit it does not end by itself.

        A guest that writes all the time has to be stopped for what it wrote last.
        """
        self.qmp("migrate-set-parameters", max_bandwidth=bandwidth,
                 downtime_limit=1 if bandwidth else 2000)

    def migrated(self, successor):
        """Waits for its end; from then on the guest runs at the successor.  What QEMU tells of it."""
        state = self.wait_migration()
        successor.wait_event("RESUME")
        return state

    def wait_migration(self, rounds=None):
        """Waits until memory was gone over so often, and at most until the end; what QEMU tells of it."""
        limit = patience.end()
        while (state := self.qmp("query-migrate"))["status"] != "completed":
            if state["status"] in ("failed", "cancelled"):
                raise GuestError(f"{self.name}: migration {state['status']}: "
                                 f"{state.get('error-desc', 'no reason')}")
            if rounds and state.get("ram", {}).get("dirty-sync-count", 0) >= rounds:
                return state
            if time.monotonic() > limit:
                raise GuestTimeout(f"{self.name}: the migration does not end: {state}")
            time.sleep(0.02)
        return state

    def qmp(self, command, **arguments):
        """Runs a QMP command ("device-add" or "device_add", as QEMU spells it); its result."""
        return self._qmp.execute(command, arguments)

    def wait_event(self, name):
        """Waits for a QMP event that has not been waited for yet; its data."""
        return self._qmp.wait_event(name)

    def shut_down(self):
        try:
            self._qmp.execute("quit", {}, limit=time.monotonic() + 3)
            self._process.wait(3)
        except (GuestError, OSError, subprocess.TimeoutExpired):
            pass  # the signal comes next


class Qmp:
    def __init__(self, machine, stream):
        self._machine, self._stream = machine, stream
        self._mark, self._events, self._greeted = 0, [], False

    def execute(self, command, arguments, limit=None):
        if not self._greeted:
            self._greeted = True
            self.execute("qmp_capabilities", {})
        arguments = {k.replace("_", "-"): v for k, v in arguments.items()}
        self._stream.write(json.dumps({"execute": command, "arguments": arguments}).encode())
        limit = limit or patience.end()
        while True:
            answer = self._next(limit, f"answer to {command}")
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise GuestError(f"QMP {command}: {answer['error']['desc']}")

    def wait_event(self, name):
        limit = patience.end()
        while True:
            for event in self._events:
                if event["event"] == name:
                    self._events.remove(event)
                    return event.get("data", {})
            self._next(limit, f"event {name}")

    def _next(self, limit, what):
        found = self._stream.search(rb"^\{.*\}\r?\n", self._mark, 0)
        while not found:
            if self._stream.closed:
                raise GuestDied(f"QMP is closed, no {what}")
            if time.monotonic() > limit:
                raise GuestTimeout(f"QMP: no {what}")
            found = self._stream.search(rb"^\{.*\}\r?\n", self._mark, 0.5)
        line = self._stream.since(self._mark)[found.start - self._mark:found.end - self._mark]
        self._mark = found.end
        message = json.loads(line)
        if "event" in message:
            self._events.append(message)
        return message
