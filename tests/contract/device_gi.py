#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The device of the contract by libvu-glib in Python; device.c says what it does.  device_gi.py PATH"""
import sys
import threading

import gi

gi.require_version("VuGlib", "0.1")
from gi.repository import GLib, VuGlib  # noqa: E402


class Contract(VuGlib.Device):
    def __init__(self):
        super().__init__(name="contract", device_id=42, n_queues=2, config=GLib.Bytes(b"contract"),
                         config_writable=GLib.Bytes(b"\xff" + bytes(7)))
        self.offer(5)
        self.offer(6)
        self.kept = []
        self.refused = False

    def do_accept_features(self, features):
        return not features >> 6 & 1

    def do_queue_stop(self, queue):
        self.release()

    def do_request(self, queue, request):
        command = request.read(0, -1).get_data()
        name = "on_" + {"?": "ask"}.get(chr(command[0]), chr(command[0]))
        return bool(getattr(self, name)(request, command[1:]))

    def release(self):
        while self.kept:
            self.answer(self.kept.pop(), b"kept")

    @staticmethod
    def answer(request, text):
        request.complete(request.write(0, text))

    def try_misuse(self, function, *args):
        try:
            function(*args)
            self.refused = False
        except GLib.Error:
            self.refused = True

    def on_e(self, request, text):
        self.answer(request, text)

    def on_2(self, request, _):
        self.answer(request, b"once")
        self.try_misuse(request.complete, 0)

    def on_w(self, request, _):
        self.try_misuse(request.complete, request.get_writable_length() + 1)
        self.answer(request, b"late")

    def on_b(self, request, _):
        self.try_misuse(self.set_config, 7, GLib.Bytes(b"xx"))
        request.complete(0)

    def on_ask(self, request, _):
        self.answer(request, b"refused" if self.refused else b"accepted")

    def on_x(self, request, _):
        raise RuntimeError("an exception")

    def on_d(self, request, _):
        pass

    def on_f(self, request, _):
        forgotten = [request]
        GLib.idle_add(forgotten.clear)
        return True

    def on_k(self, request, _):
        self.kept.append(request)
        return True

    def on_r(self, request, _):
        self.release()
        self.answer(request, b"released")

    def on_t(self, request, _):
        threading.Thread(target=self.answer, args=(request, b"thread")).start()
        return True

    def on_c(self, request, text):
        request.complete(0)
        self.set_config(0, GLib.Bytes(text))


def main():
    loop = GLib.MainLoop()
    runner = VuGlib.Runner()
    runner.listen(Contract(), sys.argv[1], 0)
    runner.connect("ended", lambda _: loop.quit())
    runner.serve(None)
    GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, 15, runner.stop)
    loop.run()


main()
