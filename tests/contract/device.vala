/* SPDX-License-Identifier: MIT */
/* The device of the contract by libvu-glib in Vala; device.c says what it does.  contract-vala PATH */
class Contract : VuGlib.Device {
	private GenericArray<VuGlib.Request> kept = new GenericArray<VuGlib.Request>();
	private GenericArray<VuGlib.Request> forgotten = new GenericArray<VuGlib.Request>();
	private bool refused = false;

	public Contract() {
		Object(name: "contract", device_id: 42, n_queues: 2, config: new Bytes("contract".data),
		       config_writable: new Bytes({255, 0, 0, 0, 0, 0, 0, 0}));
		offer(5);
		offer(6);
	}

	public override bool accept_features(uint64 features) {
		return (features >> 6 & 1) == 0;
	}

	public override void queue_stop(VuGlib.Queue queue) {
		release();
	}

	private void release() {
		while (kept.length > 0) {
			answer(kept[kept.length - 1], new Bytes("kept".data));
			kept.remove_index(kept.length - 1);
		}
	}

	private void answer(VuGlib.Request request, Bytes bytes) {
		try {
			request.complete(request.write_bytes(0, bytes));
		} catch (Error error) {
			warning("%s", error.message);
		}
	}

	private void fail() throws Error {
		throw new IOError.FAILED("an error");
	}

	private void misuse(VuGlib.Request request, uint8 what) {
		if (what == '2')
			answer(request, new Bytes("once".data));
		refused = false;
		try {
			if (what == '2')
				request.complete(0);
			else if (what == 'w')
				request.complete(request.get_writable_length() + 1);
			else
				set_config(7, new Bytes("xx".data));
		} catch (VuGlib.Error error) {
			refused = true;
		} catch (Error error) {
			warning("%s", error.message);
		}
		if (what != '2')
			answer(request, new Bytes(what == 'w' ? "late".data : "".data));
	}

	private void answer_there(VuGlib.Request request) {
		new Thread<bool>("answer", () => {
			answer(request, new Bytes("thread".data));
			return true;
		});
	}

	private void configure(VuGlib.Request request, Bytes text) {
		try {
			request.complete(0);
			set_config(0, text);
		} catch (Error error) {
			warning("%s", error.message);
		}
	}

	public override bool request(VuGlib.Queue queue, VuGlib.Request request) {
		var command = request.read(0, -1);
		var what = command[0];
		var rest = command.slice(1, command.length);

		switch (what) {
		case 'e':
			answer(request, rest);
			break;
		case '2':
		case 'w':
		case 'b':
			misuse(request, what);
			break;
		case '?':
			answer(request, new Bytes(refused ? "refused".data : "accepted".data));
			break;
		case 'x':
			/* Nobody catches it, as the handler cannot throw. */
			fail();
			break;
		case 'f':
			forgotten.add(request);
			Idle.add(() => {
				forgotten.remove_range(0, forgotten.length);
				return Source.REMOVE;
			});
			return true;
		case 'k':
			kept.add(request);
			return true;
		case 'r':
			release();
			answer(request, new Bytes("released".data));
			break;
		case 't':
			answer_there(request);
			return true;
		case 'c':
			configure(request, rest);
			break;
		}
		return false;
	}
}

int main(string[] args) {
	var loop = new MainLoop();
	var runner = new VuGlib.Runner();

	try {
		runner.listen(new Contract(), args[1], 0);
		runner.ended.connect(() => loop.quit());
		runner.serve(null);
	} catch (Error error) {
		printerr("%s\n", error.message);
		return 1;
	}
	Unix.signal_add(Posix.Signal.TERM, () => {
		runner.stop();
		return Source.CONTINUE;
	});
	loop.run();
	return 0;
}
