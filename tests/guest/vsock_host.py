#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-vsock in a guest whose kernel has AF_VSOCK with a loopback, as a host may: tests/devices/test_vsock_host.c.

And where it has none: the modules are taken away.
"""

from lib import main

MODULES = ["vsock_loopback"]
TIME = 60  # s
OTHERS = "rmmod vmw_vsock_virtio_transport_common vsock"


def test_qemu(t):
    def in_guest(what=""):
        guest.run(f"mkdir -p /var/tmp && VU_VSOCK=/host/vu-vsock timeout {TIME} /host/guest-vsock-host {what} 2>&1", TIME)

    with t.qemu(modules=MODULES, programs=[t.program("vu-vsock"), t.program("guest-vsock-host")]) as guest:
        with t.check(f"{t.name}_a_port_of_the_hosts_own_leads_to_a_guest_and_from_it"):
            in_guest()
        with t.check(f"{t.name}_without_af_vsock_a_line_says_so"):
            guest.until("rmmod vsock_loopback")  # sockets that were closed stay for some seconds
            guest.run(OTHERS)
            in_guest("without")


if __name__ == "__main__":
    main()
