#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-gpu --render-node on a graphics card that there is: vu-gpu's own, in a guest.

The guest's kernel makes a render node of it, for which Mesa there has a driver; on that node runs another vu-gpu, with
the test peer as its front-end.
"""

import os

from lib import Skip, VhostUser, main, only_long
from lib.mesa import MORE_PARTS, Mesa

from gpu import device

NODE = "/dev/dri/renderD128"
TESTS = ["node_shared", "virgl", "virgl_hostile", "virgl_lives"]


def programs(t):
    found = {name: os.path.join(t.build, "tests", "gpu", f"test_gpu_{name}") for name in TESTS}
    if not all(os.path.exists(path) for path in found.values()):
        raise Skip("tests of it were not built (Debian: libvirglrenderer-dev libegl-dev libgbm-dev libgles-dev)")
    return found


def run(guest, mesa, line):
    """In a root that vu-gpu's namespace may leave, which an initramfs is not."""
    return guest.run(f"{mesa.environment} chroot /mnt /bin/sh -c '{line}' 2>&1", check=False, work=300)


def refused(guest, mesa, node, why, drivers="/mesa/lib/dri"):
    said = run(guest, mesa, f"LIBGL_DRIVERS_PATH={drivers} /host/vu-gpu --virgl --render-node={node} --fd=0 </dev/null")
    assert said.status and f"vu-gpu: --render-node={node}: {why}" in said.text, said.text


def wrong_nodes(t, guest, mesa):
    with t.check("a_path_that_is_no_render_node_is_refused_with_a_line"):
        for node in ("/dev/null", "/dev/dri/card0", "/dev/vda"):
            refused(guest, mesa, node, "it is no render node of Linux")
        refused(guest, mesa, "/dev/dri/renderD200", "No such file or directory")
    with t.check("a_card_for_which_mesa_has_no_driver_is_refused_with_a_line"):
        guest.run("mkdir /tmp/dri; cp /mesa/lib/dri/*swrast* /tmp/dri")
        refused(guest, mesa, NODE, "Mesa has no driver for it (the kernel's is virtio_gpu)", "/tmp/dri")


@only_long
def test_render_node(t):
    found, mesa = programs(t), Mesa(t, MORE_PARTS)
    with device(t, "--virgl") as back_end, \
         t.qemu(VhostUser("gpu", back_end), qemu=t.newer_qemu, modules=mesa.modules, extra=mesa.qemu, memory=1024,
                programs=[t.program("vu-gpu"), *found.values()]) as guest:
        guest.run(f"[ -c {NODE} ]; {mesa.mount} mount --rbind / /mnt")
        for name, path in found.items():
            with t.check(f"tests_of_{name}_pass_on_it"):
                said = run(guest, mesa, f"VU_GPU=/host/vu-gpu VU_GPU_NODE={NODE} /host/{os.path.basename(path)}")
                assert not said.status and "PASSED" in said.text, said.text[-4000:]
                t.say(said.text.split("\n")[-1])
        wrong_nodes(t, guest, mesa)


if __name__ == "__main__":
    main()
