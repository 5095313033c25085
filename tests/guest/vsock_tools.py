#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The programs that users have in a guest: socat, ncat and Python's AF_VSOCK, as clients and servers.

They are the host's own: User-mode Linux mounts its file system.
"""

import os
import socket
import threading
import time

from lib import Skip, VhostUser, main, patience

HOST, GUEST = 1000, 2000
PROGRAMS = {
    "socat": (f"echo hello | socat -t 60 - VSOCK-CONNECT:2:{HOST}",
              f"socat VSOCK-LISTEN:{GUEST} EXEC:cat"),
    "ncat": (f"echo hello | ncat --vsock 2 {HOST}",
             f"ncat --vsock --listen {GUEST} --exec /bin/cat"),
    "python3": (f"""python3 -c '
import socket
s = socket.socket(socket.AF_VSOCK)
s.connect((socket.VMADDR_CID_HOST, {HOST}))
s.sendall(b"hello")
print(s.recv(10).decode())'""", f"""python3 -c '
import socket
s = socket.socket(socket.AF_VSOCK)
s.bind((socket.VMADDR_CID_ANY, {GUEST}))
s.listen()
c, (cid, port) = s.accept()
assert cid == socket.VMADDR_CID_HOST
while data := c.recv(100):
    c.sendall(data)'"""),
}


def echo_one(listener):
    client, _ = listener.accept()
    with client:
        while data := client.recv(1000):
            client.sendall(data)


def ask(path):
    """What an echo in the guest says, as soon as there is one."""
    end = patience.end()
    while time.monotonic() < end:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(patience.SECONDS)
            client.connect(path)
            try:
                client.sendall(b"hello")
                said = client.recv(100)
            except ConnectionError:  # nobody listens yet
                said = b""
            if said:
                return said
        time.sleep(0.05)
    raise AssertionError("nobody in the guest answers")


def test_uml7(t):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(t.path("host"))
    listener.listen()
    with t.backend("vu-vsock", f"--forward={HOST}=unix:{t.path('host')}",
                   f"--listen={GUEST}=unix:{t.path('guest')}") as vsock, \
         t.uml(VhostUser("vsock", vsock), linux=t.newer_uml) as guest:
        guest.run("mount -t hostfs -o ro none /mnt && mount -t devtmpfs dev /mnt/dev")
        for name, (client, server) in PROGRAMS.items():
            with t.check(f"uml7_{name}_in_a_guest_reaches_the_host_and_is_reached"):
                if not os.path.exists(f"/usr/bin/{name}"):
                    raise Skip(f"no {name} on this machine")
                threading.Thread(target=echo_one, args=(listener,), daemon=True).start()
                said = inside(guest, client).text
                assert said == "hello", said
                inside(guest, server, " >/tmp/server 2>&1 &")
                assert ask(t.path("guest")) == b"hello"
    listener.close()


def inside(guest, command, behind=""):
    """Runs it in the host's file system."""
    with_path = f"export PATH=/usr/bin:/bin; {command}"
    return guest.run(f"cat >/tmp/command <<'EOF'\n{with_path}\nEOF\n"
                     f"chroot /mnt /bin/sh -s </tmp/command{behind}")


if __name__ == "__main__":
    main()
