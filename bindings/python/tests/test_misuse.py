# SPDX-License-Identifier: MIT
"""Each misuse raises what is documented, and the device serves on."""

import asyncio
import gc
import os
import socket
import threading
import warnings

import pytest

import pylibvu
from conftest import Echo, guest_mappings, make, pumped
from pylibvu import testing


def in_handler(check, options=None, writable=8):
    """Runs check(req) in a handler; returns what the driver got, raises what check raised."""
    failures = []

    def handler(req):
        try:
            check(req)
        except BaseException as error:
            failures.append(error)
        if not getattr(req, "done", True):
            req.complete(0)

    device = make(handler, **(options or {}))
    with testing.served(device) as peer:
        result = peer.queue(0).request(b"data", writable)
        assert peer.queue(0).request(b"more", writable) is not None
    if failures:
        raise failures[0]
    return result


@pytest.mark.parametrize("use", [
    lambda req: req.read(), lambda req: req.write(b"x"), lambda req: req.unpack("<B"),
    lambda req: req.readable, lambda req: req.writable, lambda req: req.views(True),
    lambda req: req.complete(), lambda req: req.fail(), lambda req: req.put_back(), lambda req: req.leave(),
    lambda req: req.__enter__(), lambda req: req.queue.complete([req])])
def test_a_completed_request_raises_when_it_is_used(use):
    def check(req):
        req.complete()
        assert req.done and "done" in repr(req)
        with pytest.raises(pylibvu.RequestDone):
            use(req)

    in_handler(check)


def test_more_bytes_than_there_is_room_is_a_value_error_and_the_request_stays():
    def check(req):
        for n in (9, -1, 1 << 70):
            with pytest.raises(ValueError):
                req.complete(n)
        assert not req.done
        req.complete(8)

    assert in_handler(check) == bytes(8)


def test_complete_releases_the_views_it_gave_out():
    def check(req):
        view, other = req.writable[0], req.readable[0]
        req.complete()
        for v in (view, other):
            with pytest.raises(ValueError):
                v[0]

    in_handler(check)


@pytest.mark.parametrize("derive", [
    lambda v: v[1:3], lambda v: memoryview(v), lambda v: v.cast("H"), lambda v: v[:].toreadonly()])
def test_complete_raises_buffer_error_while_a_sub_view_lives(derive):
    def check(req):
        part = derive(req.writable[0])
        with pytest.raises(BufferError):
            req.complete()
        assert not req.done
        part.release()
        del part
        req.complete(1)

    assert in_handler(check) == b"\0"


def test_complete_raises_buffer_error_while_an_array_uses_a_view():
    import ctypes

    def check(req):
        array = (ctypes.c_char * 8).from_buffer(req.writable[0])
        with pytest.raises(BufferError):
            req.complete()
        array[0] = b"A"
        del array
        req.complete(1)

    assert in_handler(check) == b"A"


def test_a_stray_view_keeps_the_memory_and_not_the_device(caplog):
    stray = []

    def handler(req):
        stray.append(req.writable[0][2:4])
        raise RuntimeError("left behind")

    before = guest_mappings()
    device = make(handler)
    with testing.served(device) as peer:
        assert peer.queue(0).request(writable=8) == b""
    device.close()
    del device, peer
    gc.collect()
    stray[0][:] = b"ok"  # the mapping is there
    assert bytes(stray[0]) == b"ok"
    assert guest_mappings() == before + 1
    caplog.clear()
    stray.clear()
    gc.collect()
    assert guest_mappings() == before


def test_a_forgotten_request_warns_with_the_name_of_its_queue(caplog):
    device = make(lambda req: None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with testing.served(device) as peer:
            assert peer.queue(0).request(writable=4) == b""
    assert [w.category for w in caught] == [ResourceWarning]
    assert "dut: queue 0" in str(caught[0].message)
    assert "dut: queue 0: a request was dropped" in caplog.text


def test_put_back_of_an_older_request_is_a_value_error():
    def handler(queue):
        first, second = queue.next_batch(2)
        with pytest.raises(ValueError):
            first.put_back()
        second.put_back()
        first.put_back()
        for req in queue:
            req.complete()
        seen.append(True)

    seen = []
    with testing.served(make(handler, pull=True)) as peer:
        vq = peer.queue(0)
        added = [vq.add(writable=1) for _ in range(2)]
        vq.kick()
        for one in added:
            vq.wait(one)
    assert seen


def test_a_queue_of_a_device_that_another_thread_serves_is_wrong_thread(echo):
    with testing.served(echo) as peer:
        peer.queue(0).request(b"1", 1)
        for use in (echo.queues[0].next, echo.queues[0].outstanding, echo.queues[0].signal,
                    echo.queues[0].available, echo.process, echo.detach, echo.close,
                    lambda: echo.attached, lambda: echo.timer(print), lambda: echo.group([1])):
            with pytest.raises(pylibvu.WrongThread):
                use()
        assert peer.queue(0).request(b"2", 1) == b"2"


def test_two_loops_for_one_device_are_refused(echo):
    with testing.served(echo):
        ours, theirs = socket.socketpair()
        with pylibvu.Runner() as other:
            with pytest.raises(pylibvu.WrongThread):
                other.adopt(echo, theirs)
        ours.close()
        theirs.close()


def test_process_and_close_from_a_callback_raise():
    def check(req):
        for use in (req.queue.device.process, req.queue.device.close):
            with pytest.raises(RuntimeError):
                use()

    in_handler(check)


def test_a_closed_device_raises():
    device = Echo()
    queue, timer, group = device.queues[0], device.timer(print), device.group([1])
    device.close()
    device.close()
    for use in (device.process, device.fileno, queue.next, queue.counters, lambda: device.attached,
                lambda: device.negotiated, lambda: device.timer(print), group.process, group.wake,
                group.fileno, lambda: device.call(print), lambda: device.log("x"),
                lambda: device.config[0:0]):
        with pytest.raises(pylibvu.DeviceClosed):
            use()
    timer.close()
    with pytest.raises(pylibvu.DeviceClosed):
        timer.start(1)


def test_a_group_outlives_its_device_harmlessly():
    device = Echo()
    group, timer = device.group([1]), device.timer(print)
    del device
    gc.collect()
    for use in (group.process, group.wake, group.arm, lambda: group.call(print)):
        with pytest.raises(pylibvu.DeviceClosed):
            use()
    timer.close()


def test_closing_while_a_group_has_its_thread_is_wrong_thread():
    device = Echo()
    group = device.group([1])
    group.owner.enter()  # as its thread does in process()
    try:
        caught = []

        def close():
            try:
                device.close()
            except pylibvu.WrongThread as error:
                caught.append(error)
        thread = threading.Thread(target=close)
        thread.start()
        thread.join()
        assert len(caught) == 1
    finally:
        group.owner.leave()
    device.close()


def test_suspending_while_the_queue_runs_is_refused():
    def check(req):
        with pytest.raises(OSError, match="busy"):
            req.leave()
        assert not req.done

    in_handler(check)


def test_requests_may_be_completed_after_their_device_is_closed():
    device, kept = make(lambda req: kept.append(req)), []
    device = make(kept.append)
    with testing.served(device) as peer:
        vq = peer.queue(0)
        vq.add(b"abc", 4)
        vq.kick()
        while not kept:
            pass
    device.close()
    del device
    assert kept[0].read() == b"abc"
    kept.pop().complete()


def test_timers_that_make_no_sense():
    device = Echo()
    timer = device.timer(print)
    for arguments in ((0,), (-1,), (1, -1)):
        with pytest.raises(ValueError):
            timer.start(*arguments)
    timer.close()
    timer.close()
    r, w = os.pipe()
    watch = device.watch(r, 1, print)
    with pytest.raises(OSError):
        device.watch(r, 1, print)
    watch.close()
    with pytest.raises(OSError):
        device.watch(99999, 1, print)
    os.close(r)
    os.close(w)


def test_descriptions_that_make_no_sense(caplog):
    with pytest.raises(ValueError):
        pylibvu.Device(1, n_queues=257).fileno()
    with pytest.raises(ValueError):
        pylibvu.Device(1, features=[pylibvu.VERSION_1]).fileno()
    with pytest.raises(ValueError):
        pylibvu.Device(1, config=bytes(4097)).fileno()
    device = pylibvu.Device(1, n_queues=1)
    device.queue(1)(print)
    with pytest.raises(ValueError):
        device.fileno()
    device = pylibvu.Device(1)
    device.fileno()
    with pytest.raises(RuntimeError):
        device.queue(0)
        device.queue(0)(print)
    device = pylibvu.Device(1)
    device.queue(0, size=99999)(print)
    with pytest.raises(ValueError):
        device.fileno()


def test_attach_what_is_no_front_end(echo):
    r, w = os.pipe()
    with pytest.raises(OSError):
        echo.attach(r)
    ours = pumped(echo)
    a, b = socket.socketpair()
    with pytest.raises(OSError):
        echo.attach(b)
    for thing in (a, b, ours):
        thing.close()
    os.close(r)
    os.close(w)


def test_async_handlers_need_a_loop(tmp_path):
    device = pylibvu.Device(42)

    @device.queue(0)
    async def handler(req):
        req.complete()

    with pytest.raises(TypeError):
        pylibvu.serve(device, str(tmp_path / "s"))
    with pytest.raises(ValueError):
        device.group([0])


def test_a_class_is_no_device(tmp_path):
    for serve in (lambda: pylibvu.serve(Echo, str(tmp_path / "s")),
                  lambda: testing.served(Echo).__enter__()):
        with pytest.raises(TypeError, match=r"is none: make one by Echo\(\)"):
            serve()


def test_a_decorator_without_the_number_of_its_queue_is_refused(echo):
    for decorator in (pylibvu.queue, echo.queue):
        with pytest.raises(TypeError, match=r"as in @queue\(0\)"):
            decorator(lambda req: None)


def test_serving_twice_in_one_loop_is_refused(tmp_path, echo):
    async def main():
        first = asyncio.create_task(echo.serve(str(tmp_path / "a")))
        await asyncio.sleep(0.01)
        with pytest.raises(RuntimeError):
            await echo.serve(str(tmp_path / "b"))
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)

    asyncio.run(main())


def test_a_runner_is_used_by_one_thread(echo):
    runner = pylibvu.Runner()
    runner.listen(echo, f"/tmp/pylibvu-{os.getpid()}.sock")
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        while runner._thread == 0:
            pass
        for use in (runner.run, runner.close, lambda: runner.connect(Echo(), "/tmp/none")):
            with pytest.raises(pylibvu.WrongThread):
                use()
    finally:
        runner.stop()
        thread.join()
    runner.close()
    with pytest.raises(pylibvu.DeviceClosed):
        runner.run()
    runner.stop()


def test_two_threads_that_complete_one_request_complete_it_once():
    outcomes = []

    def handler(req):
        def work():
            barrier.wait()
            try:
                req.complete()
                outcomes.append("done")
            except pylibvu.RequestDone:
                outcomes.append("refused")
        barrier = threading.Barrier(4)
        for _ in range(4):
            threading.Thread(target=work).start()

    with testing.served(make(handler)) as peer:
        for _ in range(25):
            peer.queue(0).request(writable=1)
        while len(outcomes) < 100:
            pass
    assert outcomes.count("done") == 25


def test_misuse_of_the_test_peer_itself(echo):
    with testing.served(echo, memory=1 << 16) as peer:
        vq = peer.queue(0, size=4)
        with pytest.raises(ValueError):
            vq.add()
        with pytest.raises(MemoryError):
            vq.add(writable=1 << 20)
        with pytest.raises(testing.PeerError):
            vq.add(writable=[1] * 5)
        with pytest.raises(testing.PeerError):
            vq.wait(timeout=0.01)
