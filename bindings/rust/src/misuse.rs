// SPDX-License-Identifier: MIT
//! What must not compile, beside what the types themselves show: each with the compiler's code.
//! (Tests of the documentation; codes are compared where the compiler may, see tests/rust/cargo.py.)

/// A request that was taken out of its callback is finished once, too.
///
/// ```compile_fail,E0382
/// fn twice(req: libvu::LaterRequest) {
///     req.fail();
///     req.complete();
/// }
/// ```
///
/// One thread at a time uses it.
///
/// ```compile_fail,E0277
/// fn both(req: libvu::LaterRequest) {
///     std::thread::scope(|scope| {
///         scope.spawn(|| req.readable_len());
///         scope.spawn(|| req.readable_len());
///     });
/// }
/// ```
///
/// Its bytes end with it.
///
/// ```compile_fail,E0505
/// fn after(req: libvu::LaterRequest) {
///     let bytes = req.writable();
///     req.complete();
///     let _ = bytes.fill(0);
/// }
/// ```
///
/// What a callback gets stays in it.
///
/// ```compile_fail,E0521
/// use std::sync::Mutex;
/// struct Keeps(Mutex<Vec<&'static libvu::Queue<'static>>>);
/// unsafe impl Send for Keeps {}
/// unsafe impl Sync for Keeps {}
/// impl libvu::Device for Keeps {
///     fn queue_ready(&self, queue: &libvu::Queue<'_>) {
///         self.0.lock().unwrap().push(queue);
///     }
/// }
/// ```
///
/// A queue is its own thread's.
///
/// ```compile_fail,E0277
/// fn elsewhere(queue: &libvu::Queue<'_>) {
///     std::thread::scope(|scope| {
///         scope.spawn(|| queue.next());
///     });
/// }
/// ```
///
/// So is a device in its callbacks.
///
/// ```compile_fail,E0277
/// fn elsewhere(device: &libvu::Control<'_>) {
///     std::thread::scope(|scope| {
///         scope.spawn(|| device.detach());
///     });
/// }
/// ```
///
/// And the turn of a source.
///
/// ```compile_fail,E0277
/// fn elsewhere(turn: &libvu::Turn<'_>) {
///     std::thread::scope(|scope| {
///         scope.spawn(|| turn.source());
///     });
/// }
/// ```
///
/// A request must not outlive the queue's callback that took it.
///
/// ```compile_fail
/// fn taken(queue: libvu::Queue<'_>) -> Option<libvu::Request<'static>> {
///     queue.next()
/// }
/// ```
#[allow(dead_code)]
struct Requests;

/// An answer is given once.
///
/// ```compile_fail,E0382
/// fn twice(answer: libvu::Answer<u64>) {
///     answer.give(Ok(1));
///     answer.give(Ok(2));
/// }
/// ```
///
/// It is what the front-end asked for.
///
/// ```compile_fail,E0308
/// fn other(answer: libvu::Answer<u64>) {
///     answer.give(Ok(()));
/// }
/// ```
///
/// Bytes of a state end with its callback.
///
/// ```compile_fail
/// fn kept(state: &libvu::StateReader<'_>) -> Option<&'static [u8]> {
///     state.get(1, 0)
/// }
/// ```
#[allow(dead_code)]
struct Answers;

/// A device that a runner serves is the runner's.
///
/// ```compile_fail,E0382
/// fn moved(mut runner: libvu::Runner, device: libvu::Backend) {
///     runner.listen(device, "/tmp/socket").unwrap();
///     device.detach();
/// }
/// ```
///
/// It is reached through the runner, while that does not run.
///
/// ```compile_fail,E0502
/// fn during(mut runner: libvu::Runner, id: libvu::DeviceId) {
///     let device = runner.device(id).unwrap();
///     runner.run().unwrap();
///     device.detach();
/// }
/// ```
///
/// One thread runs a runner.
///
/// ```compile_fail,E0277
/// fn both(runner: libvu::Runner, id: libvu::DeviceId) {
///     std::thread::scope(|scope| {
///         scope.spawn(|| runner.device(id).is_some());
///     });
/// }
/// ```
///
/// Queues may be served in parallel, so a device is for several threads.
///
/// ```compile_fail,E0277
/// struct Counts(std::cell::Cell<u64>);
/// impl libvu::Device for Counts {}
/// ```
///
/// It outlives its maker, and borrows nothing.
///
/// ```compile_fail,E0478
/// struct Borrows<'a>(&'a [u8]);
/// impl<'a> libvu::Device for Borrows<'a> {}
/// ```
///
/// Nor does what another thread is to run.
///
/// ```compile_fail,E0373
/// fn borrows(group: &libvu::Group) {
///     let local = 7;
///     group.run(|| println!("{local}")).unwrap();
/// }
/// ```
///
/// A watch has its descriptor, so nobody closes it.
///
/// ```compile_fail,E0382
/// fn closed(group: &libvu::Group, file: std::fs::File) {
///     group.watch(file, libvu::Events::IN, |_, _, _| {}).unwrap();
///     drop(file);
/// }
/// ```
///
/// A command is answered while it runs, and there: nobody keeps it,
///
/// ```compile_fail,E0521
/// fn kept<'a>(commands: &libvu::Commands, file: &str, kept: &mut Vec<&'a libvu::Command<'a>>) {
///     commands.run_file(file, |command| Ok(kept.push(command))).unwrap();
/// }
/// ```
///
/// and no other thread has it.
///
/// ```compile_fail,E0277
/// fn elsewhere(command: &libvu::Command<'_>) {
///     std::thread::scope(|scope| {
///         scope.spawn(|| command.answer("late"));
///     });
/// }
/// ```
///
/// A configuration space is plain bytes.
///
/// ```compile_fail,E0277
/// libvu::Setup::new(2).config(&[true]);
/// ```
#[allow(dead_code)]
struct Devices;
