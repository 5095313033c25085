/* SPDX-License-Identifier: MIT */
/* An entropy device in Vala.  rng-vala SOCKET [SOURCE] */
class Rng : VuGlib.Device {
	private InputStream source;

	public Rng(string path) throws Error {
		Object(name: "rng", device_id: 4);
		source = File.new_for_path(path).read();
	}

	public override bool request(VuGlib.Queue queue, VuGlib.Request request) {
		var wanted = (size_t) uint64.min(request.get_writable_length(), 65536);

		try {
			request.complete(request.write_bytes(0, source.read_bytes(wanted)));
		} catch (Error error) {
			warning("%s", error.message);
		}
		return false;
	}
}

int main(string[] args) {
	if (args.length != 2 && args.length != 3) {
		printerr("usage: %s SOCKET [SOURCE]\n", args[0]);
		return 2;
	}
	var loop = new MainLoop();
	var runner = new VuGlib.Runner();

	try {
		runner.listen(new Rng(args.length > 2 ? args[2] : "/dev/urandom"), args[1], 0);
		runner.ended.connect(() => loop.quit());
		runner.serve(null);
	} catch (Error error) {
		printerr("%s\n", error.message);
		return 1;
	}
	foreach (var number in new int[] {Posix.Signal.INT, Posix.Signal.TERM}) {
		/* The next turn takes the socket file away. */
		Unix.signal_add(number, () => {
			runner.stop();
			return Source.CONTINUE;
		});
	}
	loop.run();
	return 0;
}
