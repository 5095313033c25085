#!/usr/bin/gjs -m
// SPDX-License-Identifier: MIT
// A disk in memory (virtio 1.3 §5.2) in JavaScript.  gjs -m blk.js SOCKET IMAGE, which is read and not changed
import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import GObject from 'gi://GObject';
import System from 'system';
import VuGlib from 'gi://VuGlib?version=0.1';

const SECTOR = 512, HEADER = 16;
const IN = 0, OUT = 1, FLUSH = 4; // kinds of requests
const OK = 0, IOERR = 1, UNSUPP = 2; // their status, the last byte of each

const Blk = GObject.registerClass(class Blk extends VuGlib.Device {
    _init(disk) {
        const config = new DataView(new ArrayBuffer(60));
        config.setBigUint64(0, BigInt(Math.floor(disk.length / SECTOR)), true);
        super._init({
            name: 'blk', device_id: 2, failure: new GLib.Bytes(Uint8Array.of(IOERR)),
            config: new GLib.Bytes(new Uint8Array(config.buffer)),
        });
        this.offer(9); // VIRTIO_BLK_F_FLUSH
        this._disk = disk;
        this._count = 0;
    }

    vfunc_request(queue, request) {
        const last = request.get_writable_length() - 1;

        if (last < 0) { // no room for a status
            request.fail();
            return false;
        }
        request.write(last, Uint8Array.of(this._serve(request)));
        request.complete(last + 1);
        // gjs runs no handler while it collects garbage in slices: so at once, and often enough.
        if (++this._count % 500 === 0)
            System.gc();
        return false;
    }

    // The status; a header that is too short is an exception, and the request fails.
    _serve(request) {
        const bytes = request.read(0, HEADER).toArray();
        const header = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
        const kind = header.getUint32(0, true), start = Number(header.getBigUint64(8, true)) * SECTOR;

        if (kind === IN) {
            const end = start + request.get_writable_length() - 1;

            if (end > this._disk.length)
                return IOERR;
            request.write(0, this._disk.subarray(start, end));
            return OK;
        }
        if (kind === OUT) {
            const data = request.read(HEADER, -1).toArray(); // or less, of more than 16 MiB

            if (data.length !== request.get_readable_length() - HEADER || start + data.length > this._disk.length)
                return IOERR;
            this._disk.set(data, start);
            return OK;
        }
        return kind === FLUSH ? OK : UNSUPP;
    }
});

if (ARGV.length !== 2) {
    printerr('usage: blk.js SOCKET IMAGE');
    System.exit(2);
}

const loop = new GLib.MainLoop(null, false);
const runner = new VuGlib.Runner();
const [, image] = Gio.File.new_for_path(ARGV[1]).load_contents(null);
runner.listen(new Blk(image), ARGV[0], 0);
runner.connect('ended', () => loop.quit());
runner.serve(null);
for (const number of [2, 15]) { // SIGINT, SIGTERM: the next turn takes the socket file away
    GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, () => {
        runner.stop();
        return GLib.SOURCE_CONTINUE;
    });
}
loop.run();
