#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The device of the contract by pylibvu; device.c says what it does.  device_pylibvu.py PATH"""
import sys
import threading

import pylibvu


class Contract(pylibvu.Device):
    device_id = 42
    n_queues = 2
    features = (5, 6)

    def __init__(self):
        super().__init__(name="contract", config=b"contract", config_writable=b"\xff")
        self.kept = []
        self.refused = False

    def features_acked(self, features):
        if features >> 6 & 1:
            raise pylibvu.Refused("bit 6")

    def queue_stop(self, queue):
        self.release()

    @pylibvu.queue(0)
    def requests(self, req):
        command = req.read()
        getattr(self, "on_" + {"?": "ask"}.get(chr(command[0]), chr(command[0])))(req, command[1:])

    def release(self):
        while self.kept:
            self.answer(self.kept.pop(), b"kept")

    @staticmethod
    def answer(req, text):
        req.write(text)
        req.complete()

    def try_misuse(self, function, *args):
        try:
            function(*args)
            self.refused = False
        except (pylibvu.Error, ValueError, IndexError, OSError):
            self.refused = True

    def on_e(self, req, text):
        self.answer(req, text)

    def on_2(self, req, _):
        self.answer(req, b"once")
        self.try_misuse(req.complete, 0)

    def on_w(self, req, _):
        self.try_misuse(req.complete, req.writable_len + 1)
        self.answer(req, b"late")

    def on_b(self, req, _):
        self.try_misuse(self.config.__setitem__, slice(7, 9), b"xx")
        req.complete()

    def on_ask(self, req, _):
        self.answer(req, b"refused" if self.refused else b"accepted")

    def on_x(self, req, _):
        raise RuntimeError("an exception")

    def on_d(self, req, _):
        pass

    def on_f(self, req, _):
        self.forgotten = [req]
        self.call(self.forgotten.clear)

    def on_k(self, req, _):
        self.kept.append(req)

    def on_r(self, req, _):
        self.release()
        self.answer(req, b"released")

    def on_t(self, req, _):
        threading.Thread(target=self.answer, args=(req, b"thread")).start()

    def on_c(self, req, text):
        req.complete()
        self.config[0:len(text)] = text


if __name__ == "__main__":
    pylibvu.serve(Contract(), sys.argv[1])
