#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-console under real kernels: a shell on hvc0, and named ports that carry bulk data both ways."""

import functools
import hashlib
import os
import re
import select
import socket
import threading

from lib import Generic, main, patience

ECHOED, LONG_ECHOED = 8, 100  # MiB

# name -> device, as udev's /dev/virtio-ports/NAME
PORT = """
port() {
    until found=$(grep -lx "$1" /sys/class/virtio-ports/*/name 2>/dev/null); do usleep 50000; done
    found=${found%/name}; echo /dev/${found##*/}
}
"""


class Client:
    """Somebody at a socket of the back-end; keeps what it reads."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(patience.SECONDS)
        self._socket.connect(path)
        self._held = b""

    def send(self, data):
        self._socket.sendall(data)

    def wait(self, pattern):
        """Reads until `pattern` matches; the match."""
        while True:
            found = re.search(pattern, self._held)
            if found:
                self._held = self._held[found.end():]
                return found
            try:
                piece = self._socket.recv(65536)
            except TimeoutError:
                raise AssertionError(f"no {pattern} in {self._held[-300:]!r}") from None
            assert piece, f"closed before {pattern} in {self._held[-300:]!r}"
            self._held += piece

    def echo_until_closed(self):
        """Sends everything back; returns the number of bytes."""
        count = 0
        while piece := self._socket.recv(1 << 20):
            self.send(piece)
            count += len(piece)
        return count

    def command(self, line):
        """One line for the control script; what it answered."""
        self.send(line.encode() + b"\n")
        found = self.wait(rb"(?s)(.*?)(?:^|\n)(ok|error: [^\n]*)\n")
        assert found[2] == b"ok", f"{line}: {found[2].decode()}"
        return "\n".join(line for line in found[1].decode().split("\n") if line[:2] != "* ")

    def shutdown(self):
        self._socket.shutdown(socket.SHUT_RDWR)

    def close(self):
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Terminal(Client):
    """Somebody who has the pseudo-terminal open."""

    def __init__(self, path):  # pylint: disable=super-init-not-called
        self._fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self._socket, self._held = self, b""

    def sendall(self, data):
        assert os.write(self._fd, data) == len(data)

    def recv(self, size):
        if not select.select([self._fd], [], [], patience.SECONDS)[0]:
            raise TimeoutError
        return os.read(self._fd, size)

    def close(self):
        os.close(self._fd)


def shell_on_hvc0(guest, client):
    """A shell whose terminal is hvc0; the client is at its other end."""
    guest.run("""
        stty -echo </dev/hvc0
        (setsid sh -c 'PS1= exec sh -i </dev/hvc0 >/dev/hvc0 2>&1' &)""")
    client.send(b"\necho ready-$((40 + 2))\n")
    client.wait(rb"ready-42")


def console(t, guest, path):
    with Client(path) as client:
        with t.check(f"{t.name}_guest_runs_a_shell_on_hvc0"):
            shell_on_hvc0(guest, client)
        with t.check(f"{t.name}_guest_prints_much_on_hvc0_and_nothing_is_missing"):
            client.send(b"seq 1 5000; echo end-$((1 + 1))\n")
            text = client.wait(rb"(?s)1\r?\n2\r?\n.*?end-2")[0].split()
            assert [int(n) for n in text[:-1]] == list(range(1, 5001)), text[-10:]
    with Client(path) as client, t.check(f"{t.name}_shell_talks_to_the_next_client"):
        client.send(b"echo again-$((2 * 21))\n")
        client.wait(rb"again-42")


def has_its_size(t, guest):
    with t.check(f"{t.name}_console_has_its_size"):
        size = guest.run("stty size </dev/hvc0").text
        assert size == "33 101", size


def resize(t, guest, control):
    with t.check(f"{t.name}_console_gets_another_size"):
        control.command("resize 132x43")
        guest.until('[ "$(stty size </dev/hvc0)" = "43 132" ]')


def bulk(t, guest, name, mib):
    """As much as that through a port and back, in both directions at once; how many bytes.

    Reading before the guest has heard of the client would find an end; writing waits for it.
    """
    return int(guest.run(PORT + f"""
        dev=$(port {name})
        dd if=/dev/urandom of=/tmp/random bs=1024k count=1 2>/dev/null
        make() {{ for i in $(seq {mib}); do echo piece $i; cat /tmp/random; done; }}
        want=$(make | md5sum) size=$(make | wc -c)
        exec 3<>$dev
        echo hello >&3; read -r line <&3; [ "$line" = hello ] || exit 1
        make >&3 &
        got=$(head -c $size <&3 | md5sum)
        wait
        exec 3>&-
        [ "$want" = "$got" ] || {{ echo "sent $want, got $got"; exit 1; }}
        echo $((size + 6))""").text)


def ports(t, guest, folder):
    echoed = LONG_ECHOED if t.long else ECHOED
    with t.check(f"{t.name}_port_echoes_{echoed}_MiB_intact"):
        bulk(t, guest, "org.libvu.echo", echoed)
    with t.check(f"{t.name}_port_on_a_socket_carries_bulk_data_to_a_client_and_back"):
        with Client(folder("data")) as client:
            counts = []
            thread = threading.Thread(target=lambda: counts.append(client.echo_until_closed()))
            thread.start()
            size = bulk(t, guest, "org.libvu.data", echoed)
            client.shutdown()
            thread.join()
            assert counts == [size], f"{counts} instead of {size}"


def guest_sees_clients(t, guest, folder):
    with t.check(f"{t.name}_guest_reads_what_a_client_left_and_then_its_end"):
        sent = os.urandom(300000)
        job = guest.start(PORT + "exec 3<>$(port org.libvu.data); echo hello >&3; md5sum <&3")
        with Client(folder("data")) as client:
            client.wait(rb"hello\n")  # which the guest could not write before
            client.send(sent)
        text = job.wait().text
        assert hashlib.md5(sent).hexdigest() in text, text


def comes_and_goes(t, guest, control):
    with t.check(f"{t.name}_port_is_added_used_and_removed_while_the_guest_runs"):
        control.command("add org.libvu.late echo")
        text = guest.run(PORT + """exec 3<>$(port org.libvu.late)
            echo hello >&3; read line <&3; echo $line""").text
        assert text == "hello", text
        control.command("remove org.libvu.late")
        guest.until("! grep -q org.libvu.late /sys/class/virtio-ports/*/name")


def everything(t, boot, *options):
    path = t.path
    with t.backend("vu-console", f"--console=socket:{path('hvc0')}", "--port=org.libvu.echo=echo",
                   f"--port=org.libvu.data=socket:{path('data')}", "--max-ports=4",
                   "--size=101x33", f"--control={path('control')}", *options) as back_end, \
         boot(Generic("console", back_end, queues=10, config_size=12)) as guest, \
         Client(path("control")) as control:
        console(t, guest, path("hvc0"))
        has_its_size(t, guest)
        resize(t, guest, control)
        ports(t, guest, path)
        guest_sees_clients(t, guest, path)
        comes_and_goes(t, guest, control)
        with t.check(f"{t.name}_guest_reboots_and_has_console_and_ports_again"):
            guest.reboot()
            with Client(path("hvc0")) as client:
                shell_on_hvc0(guest, client)
            bulk(t, guest, "org.libvu.echo", 1)


def console_only(t, boot):
    with t.backend("vu-console", f"--console=pty:{t.path('tty')}", "--no-multiport",
                   "--size=101x33", f"--control={t.path('control')}") as back_end, \
         boot(Generic("console", back_end, queues=2, config_size=12)) as guest, \
         Client(t.path("control")) as control:
        with Terminal(t.path("tty")) as client, \
             t.check(f"{t.name}_guest_runs_a_shell_on_a_pseudo_terminal"):
            shell_on_hvc0(guest, client)
        with Terminal(t.path("tty")) as client, \
             t.check(f"{t.name}_shell_is_still_there_when_it_is_opened_again"):
            client.send(b"seq 1 3000; echo again-$((2 * 21))\n")
            text = client.wait(rb"(?s)1\r?\n2\r?\n.*?again-42")[0].split()
            assert [int(n) for n in text[:-1]] == list(range(1, 3001)), text[-10:]
        # without MULTIPORT, Linux looks at the size only when it changes
        resize(t, guest, control)


def test_uml(t):
    everything(t, t.uml)


def test_uml7(t):
    everything(t, functools.partial(t.uml, linux=t.newer_uml))


def test_built_uml(t):
    everything(t, functools.partial(t.uml, linux=t.built_uml))


def test_qemu11(t):
    everything(t, functools.partial(t.qemu, qemu=t.newest_qemu))


def test_console_only_uml(t):
    console_only(t, t.uml)


def test_console_only_qemu11(t):
    console_only(t, functools.partial(t.qemu, qemu=t.newest_qemu))


if __name__ == "__main__":
    main()
