# SPDX-License-Identifier: MIT
"""Runner: several devices, which come and go, and loops of one's own."""

import os
import select
import socket
import subprocess
import sys
import threading

import pytest

import pylibvu
from conftest import HANG, Echo
from pylibvu import testing


def test_a_device_is_removed_while_the_runner_runs(tmp_path):
    first, second = Echo(), Echo()
    paths = [str(tmp_path / name) for name in ("first", "second")]
    with pylibvu.Runner() as runner:
        runner.listen(first, paths[0])
        runner.listen(second, paths[1])
        second.group([1])
        thread = threading.Thread(target=runner.run)
        thread.start()
        try:
            with testing.connect(paths[1]) as peer:
                assert peer.queue(0).request(b"two", 3) == b"two"
                first.call(runner.remove, second)
                while os.path.exists(paths[1]):
                    pass
            with testing.connect(paths[0]) as peer:
                assert peer.queue(0).request(b"one", 3) == b"one"
        finally:
            runner.stop()
            thread.join()
        with pytest.raises(ValueError):
            runner.remove(second)
        second.close()


def test_a_device_is_added_while_the_runner_runs(tmp_path):
    first, second = Echo(), Echo()
    with pylibvu.Runner() as runner:
        runner.listen(first, str(tmp_path / "one"))
        thread = threading.Thread(target=runner.run)
        thread.start()
        try:
            second.group([1])
            first.call(runner.listen, second, str(tmp_path / "two"))
            with testing.connect(str(tmp_path / "two")) as peer:
                assert peer.queue(0).request(b"2", 1) == b"2"
                with pytest.raises(pylibvu.WrongThread):
                    second.process()
        finally:
            runner.stop()
            thread.join()
    assert second.process() in (True, False)


def test_a_runner_serves_several_devices_and_connects_by_itself(tmp_path):
    path = str(tmp_path / "front-end")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        one, two = Echo(), Echo()
        with pylibvu.Runner() as runner:
            runner.listen(one, str(tmp_path / "one"), mode=0o660)
            runner.connect(two, path)
            thread = threading.Thread(target=runner.run)
            thread.start()
            try:
                assert os.stat(tmp_path / "one").st_mode & 0o777 == 0o660
                with testing.connect(str(tmp_path / "one")) as peer:
                    assert peer.queue(0).request(b"1", 1) == b"1"
                with testing.Peer(listener.accept()[0]) as peer:
                    assert peer.queue(0).request(b"2", 1) == b"2"
            finally:
                runner.stop()
                thread.join()


# asyncio


def turns(runner):
    """One call for each wake, until it has ended."""
    runner.process()
    while runner.serving:
        assert select.select([runner], [], [], 60)[0]
        runner.process()


def test_a_runner_in_a_loop_of_ones_own(tmp_path, echo):
    """With a worker, a device that comes later, and one that goes."""
    group = echo.group([1])
    late = Echo(name="late")
    results = []

    def request(name):
        with testing.connect(str(tmp_path / name)) as peer:
            results.append(peer.queue(0).request(name.encode(), 4))

    with pylibvu.Runner() as runner:
        def front_end():
            request("echo")
            echo.call(runner.listen, late, str(tmp_path / "late"))
            request("late")
            echo.call(runner.remove, late)
            request("echo")
            group.call(runner.stop)

        runner.listen(echo, str(tmp_path / "echo"))
        assert not runner.serving
        for _ in range(2):
            runner.process()
            assert runner.serving and not echo.attached  # its thread may use what it serves
            with pytest.raises(pylibvu.WrongThread):
                group.activity()
            thread = threading.Thread(target=front_end)
            thread.start()
            turns(runner)
            thread.join()
            assert not group.process()  # and whoever wants, once it has ended
    assert results == [b"echo", b"late", b"echo"] * 2
    assert os.listdir(tmp_path) == []
    late.close()


def test_one_call_for_each_wake_serves_more_than_a_turn_has(tmp_path, echo):
    """What a budget leaves keeps the descriptor readable: nobody kicks for it."""
    more = []

    def front_end():
        with testing.connect(str(tmp_path / "echo")) as peer:
            vq = peer.queue(0, size=4096)
            added = [vq.add(b"x", 1) for _ in range(2000)]
            vq.kick()
            assert all(vq.wait(one).data == b"x" for one in added)
        runner.stop()

    with pylibvu.Runner() as runner:
        runner.listen(echo, str(tmp_path / "echo"))
        more.append(runner.process())
        thread = threading.Thread(target=front_end)
        thread.start()
        while runner.serving:
            assert select.select([runner], [], [], 60)[0]
            more.append(runner.process())
        thread.join()
    assert any(more)


def test_a_runner_ends_when_nothing_is_left_to_serve(echo):
    ours, theirs = socket.socketpair()
    with pylibvu.Runner() as runner:
        assert not runner.process() and not runner.serving
        runner.adopt(echo, theirs)
        runner.process()
        assert runner.serving and echo.attached
        ours.close()
        turns(runner)
        assert not echo.attached


def test_a_runner_is_closed_between_two_turns(tmp_path, echo):
    group = echo.group([1])
    with pylibvu.Runner() as runner:
        runner.listen(echo, str(tmp_path / "echo"))
        runner.process()
    assert not runner.serving and os.listdir(tmp_path) == []
    assert not echo.attached and not group.process()
    with pytest.raises(pylibvu.DeviceClosed):
        runner.process()
    with pytest.raises(pylibvu.DeviceClosed):
        runner.fileno()


def test_a_device_is_closed_between_two_turns(tmp_path, echo):
    """It is gone from the runner, as is its socket; the others are served."""
    other = Echo(name="other")
    other.group([1])
    with pylibvu.Runner() as runner:
        runner.listen(other, str(tmp_path / "other"))
        runner.listen(echo, str(tmp_path / "echo"))
        runner.process()
        other.close()
        assert os.listdir(tmp_path) == ["echo"]

        def front_end():
            with testing.connect(str(tmp_path / "echo")) as peer:
                assert peer.queue(0).request(b"echo", 4) == b"echo"
            runner.stop()

        thread = threading.Thread(target=front_end)
        thread.start()
        turns(runner)
        thread.join()


def test_what_interrupts_a_callback_comes_out_of_process(tmp_path, echo):
    with pylibvu.Runner() as runner:
        runner.listen(echo, str(tmp_path / "echo"))
        runner.process()

        def again():
            with pytest.raises(RuntimeError):
                runner.process()
            with pytest.raises(pylibvu.WrongThread):
                runner.run()
            raise SystemExit(3)

        echo.call(again)
        with pytest.raises(SystemExit):
            turns(runner)
        assert runner.serving
        runner.stop()
        turns(runner)


def test_a_program_ends_while_its_runner_is_between_two_turns(tmp_path):
    """Its socket file goes, and nobody waits for a turn that will not come."""
    path = str(tmp_path / "sock")
    subprocess.run([sys.executable, "-c", """
import sys, pylibvu
runner = pylibvu.Runner()
device = pylibvu.Device(42)
runner.listen(device, sys.argv[1])
runner.process()
pylibvu.runner.time.sleep = None  # not called
""", path], check=True, timeout=HANG)
    assert not os.path.exists(path)


def test_a_front_end_that_says_nothing_is_sent_away_after_a_time_of_the_devices(tmp_path, caplog):
    device = Echo()
    device.message_timeout = 0.01
    with device, pylibvu.Runner(once=True) as runner, socket.socket(socket.AF_UNIX) as sock:
        runner.listen(device, str(tmp_path / "sock"))
        sock.connect(str(tmp_path / "sock"))
        sock.send(b"\1")
        runner.run()
        assert sock.recv(1) == b""
