# SPDX-License-Identifier: MIT
"""A vhost-user device as the front-ends name it: one description for QEMU and for UML."""

# kind: virtio device id (UML's command line wants it) and the guest modules that drive it
KINDS = {
    "net": (1, ["virtio_net"]),
    "blk": (2, ["virtio_blk"]),
    "console": (3, ["virtio_console"]),
    "rng": (4, ["virtio_rng"]),
    "balloon": (5, ["virtio_balloon"]),
    "scsi": (8, ["virtio_scsi", "sd_mod"]),
    "gpu": (16, ["virtio_gpu"]),
    "rtc": (17, ["virtio_rtc"]),
    "input": (18, ["virtio_input", "evdev"]),
    "vsock": (19, ["vmw_vsock_virtio_transport"]),
    "crypto": (20, ["virtio_crypto"]),
    "iommu": (23, []),
    "pmem": (27, ["virtio_pmem"]),
    "fs": (26, ["virtiofs"]),
    "snd": (25, ["virtio_snd"]),
    "scmi": (32, ["scmi_transport_virtio"]),
    "i2c": (34, ["i2c_virtio", "i2c_dev"]),
    "can": (36, ["virtio_can"]),
    "gpio": (41, ["gpio_virtio"]),
    "spi": (45, ["spi_virtio"]),
}

# QEMU spells its properties with -, but those of every virtio device with _, and of the test device
UNDERSCORED = {"event_idx", "indirect_desc", "iommu_platform", "queue_reset", "notify_on_empty",
               "num_vqs", "vq_size", "config_size"}
# ... and all of these
UNDERSCORED_OF = {"scsi": {"num_queues", "virtqueue_size", "max_sectors", "cmd_per_lun"}}


class VhostUser:
    """One device of the guest, served by whoever listens on `socket`.

    Keywords become properties of QEMU's device, with _ for -: num_queues=4, queue_size=1024,
    event_idx="off".  `reconnect` (seconds) lets QEMU wait for a back-end that was restarted.
    `model` replaces the name of the QEMU device.
    """

    def __init__(self, kind, socket, reconnect=None, model=None, **props):
        self.kind = kind
        self.socket = getattr(socket, "socket", socket)
        self.reconnect = reconnect
        self.model = model or f"vhost-user-{kind}-pci"
        underscored = UNDERSCORED | UNDERSCORED_OF.get(kind, set())
        self.props = {k if k in underscored else k.replace("_", "-"): v
                      for k, v in props.items()}
        self.virtio_id, self.modules = KINDS[kind]

    def qemu_args(self, number):
        chardev = f"socket,id=vu{number},path={self.socket}"
        if self.reconnect:
            chardev += f",{self.reconnect_option(self.reconnect)}"
        props = {"chardev": f"vu{number}", "id": f"dev{number}"} | self.props
        device = ",".join([self.model] + [f"{k}={v}" for k, v in props.items()])
        return ["-chardev", chardev, "-device", device]

    @staticmethod
    def reconnect_option(seconds):
        return f"reconnect={seconds}"

    def uml_args(self):
        return [f"virtio_uml.device={self.socket}:{self.virtio_id}"]


class Pair(VhostUser):
    """One whose back-end has the other end of a connected pair already."""

    def __init__(self, kind, end, **kw):
        super().__init__(kind, "", **kw)
        self._end = end

    def qemu_args(self, number):
        args = super().qemu_args(number)
        args[1] = f"socket,id=vu{number},fd={self._end.fileno()}"
        return [*args, self._end]


class Generic(VhostUser):
    """QEMU 11's vhost-user-test-device-pci as a device of any kind: for those without a QEMU device.

    UML has no need of it; there it is the same as a VhostUser.
    """

    def __init__(self, kind, socket, queues, config_size=0, model="vhost-user-test-device-pci",
                 **props):
        super().__init__(kind, socket, model=model,
                         virtio_id=KINDS[kind][0], num_vqs=queues, vq_size=props.pop("vq_size", 64),
                         config_size=config_size, **props)

    @staticmethod
    def reconnect_option(seconds):
        return f"reconnect-ms={1000 * seconds}"  # QEMU 11 knows no other
