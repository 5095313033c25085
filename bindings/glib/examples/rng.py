#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""An entropy device by GObject introspection.  rng.py SOCKET [SOURCE]"""
import sys

import gi

gi.require_version("VuGlib", "0.1")
from gi.repository import GLib, VuGlib  # noqa: E402


class Rng(VuGlib.Device):
    def __init__(self, source):
        super().__init__(name="rng", device_id=4)
        self.source = open(source, "rb", buffering=0)

    def do_request(self, queue, request):
        wanted = min(request.get_writable_length(), 65536)
        request.complete(request.write(0, self.source.read(wanted)))


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: rng.py SOCKET [SOURCE]")
    loop = GLib.MainLoop()
    runner = VuGlib.Runner()
    runner.listen(Rng(sys.argv[2] if len(sys.argv) > 2 else "/dev/urandom"), sys.argv[1], 0)
    runner.connect("ended", lambda _: loop.quit())
    runner.serve(None)
    for number in (2, 15):  # SIGINT, SIGTERM: the next turn takes the socket file away
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, runner.stop)
    loop.run()


main()
