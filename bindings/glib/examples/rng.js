#!/usr/bin/gjs -m
// SPDX-License-Identifier: MIT
// An entropy device in JavaScript.  gjs -m rng.js SOCKET [SOURCE]
import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import GObject from 'gi://GObject';
import System from 'system';
import VuGlib from 'gi://VuGlib?version=0.1';

const Rng = GObject.registerClass(class Rng extends VuGlib.Device {
    _init(source) {
        super._init({name: 'rng', device_id: 4});
        this._count = 0;
        this._source = Gio.File.new_for_path(source).read(null);
    }

    vfunc_request(queue, request) {
        const wanted = Math.min(request.get_writable_length(), 65536);
        const bytes = this._source.read_bytes(wanted, null);

        request.complete(request.write_bytes(0, bytes));
        // gjs runs no handler while it collects garbage in slices: so at once, and often enough.
        if (++this._count % 500 === 0)
            System.gc();
        return false;
    }
});

if (ARGV.length < 1 || ARGV.length > 2) {
    printerr('usage: rng.js SOCKET [SOURCE]');
    System.exit(2);
}

const loop = new GLib.MainLoop(null, false);
const runner = new VuGlib.Runner();
runner.listen(new Rng(ARGV[1] ?? '/dev/urandom'), ARGV[0], 0);
runner.connect('ended', () => loop.quit());
runner.serve(null);
for (const number of [2, 15]) { // SIGINT, SIGTERM: the next turn takes the socket file away
    GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, () => {
        runner.stop();
        return GLib.SOURCE_CONTINUE;
    });
}
loop.run();
