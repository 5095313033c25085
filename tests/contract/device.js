#!/usr/bin/gjs -m
// SPDX-License-Identifier: MIT
// The device of the contract by libvu-glib in JavaScript; device.c says what it does.  gjs -m device.js PATH
import GLib from 'gi://GLib';
import GObject from 'gi://GObject';
import System from 'system';
import VuGlib from 'gi://VuGlib?version=0.1';

const bytes = text => new TextEncoder().encode(text);

const Contract = GObject.registerClass(class Contract extends VuGlib.Device {
    _init() {
        super._init({
            name: 'contract', device_id: 42, n_queues: 2,
            config: new GLib.Bytes(bytes('contract')),
            config_writable: new GLib.Bytes(Uint8Array.of(255, 0, 0, 0, 0, 0, 0, 0)),
        });
        this.offer(5);
        this.offer(6);
        this._kept = [];
        this._refused = false;
        this._count = 0;
    }

    vfunc_accept_features(features) {
        return Math.floor(features / 64) % 2 === 0;
    }

    vfunc_queue_stop(_queue) {
        this._release();
    }

    vfunc_request(queue, request) {
        // gjs runs no handler while it collects garbage in slices: so at once, and often enough.
        if (++this._count % 500 === 0)
            System.gc();
        const command = new TextDecoder().decode(request.read(0, -1).toArray());

        return Boolean(this[`_on_${command[0]}`](request, command.slice(1)));
    }

    _release() {
        while (this._kept.length)
            this._answer(this._kept.pop(), 'kept');
    }

    _answer(request, text) {
        request.complete(request.write(0, bytes(text)));
    }

    _try(misuse) {
        try {
            misuse();
            this._refused = false;
        } catch (error) {
            this._refused = error instanceof VuGlib.Error;
        }
    }

    _on_e(request, text) {
        this._answer(request, text);
    }

    _on_2(request) {
        this._answer(request, 'once');
        this._try(() => request.complete(0));
    }

    _on_w(request) {
        this._try(() => request.complete(request.get_writable_length() + 1));
        this._answer(request, 'late');
    }

    _on_b(request) {
        this._try(() => this.set_config(7, new GLib.Bytes(bytes('xx'))));
        request.complete(0);
    }

    '_on_?'(request) {
        this._answer(request, this._refused ? 'refused' : 'accepted');
    }

    _on_x() {
        throw new Error('an exception');
    }

    _on_d() {
    }

    _on_f() {
        // Nobody has it from here on; who collects garbage finds it.
        GLib.idle_add(GLib.PRIORITY_DEFAULT, () => {
            System.gc();
            return GLib.SOURCE_REMOVE;
        });
        return true;
    }

    _on_k(request) {
        this._kept.push(request);
        return true;
    }

    _on_r(request) {
        this._release();
        this._answer(request, 'released');
    }

    _on_t(request) {
        // There are no threads: a task completes it out of the handler.
        const task = request.new_task(null);

        GLib.idle_add(GLib.PRIORITY_DEFAULT, () => {
            task.return_int(request.write(0, bytes('thread')));
            return GLib.SOURCE_REMOVE;
        });
        return true;
    }

    _on_c(request, text) {
        request.complete(0);
        this.set_config(0, new GLib.Bytes(bytes(text)));
    }
});

const loop = new GLib.MainLoop(null, false);
const runner = new VuGlib.Runner();
runner.listen(new Contract(), ARGV[0], 0);
runner.connect('ended', () => loop.quit());
runner.serve(null);
GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, 15, () => {
    runner.stop();
    return GLib.SOURCE_CONTINUE;
});
loop.run();
