# SPDX-License-Identifier: MIT
"""Scripts: commands for a device, from a socket, from standard input, and from a file."""

import copy
import gc
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from contextlib import contextmanager

import pytest

import pylibvu
from conftest import HANG, open_fds, start_program
from pylibvu import testing
from test_fork import in_a_child


class Lamp(pylibvu.Device):
    """Its commands are methods."""

    device_id = 42
    n_queues = 2

    def __init__(self):
        super().__init__(name="lamp")
        self.calls, self.scripts = [], []

    @property
    def commands(self):
        return [self.set, self.show, self.note, self.refuse, self.fail, self.use]

    @pylibvu.command("set", "LAMP on|off", least=2)
    def set(self, script, lamp, state):
        """switches a lamp

        (which nobody sees)"""
        self.calls.append((lamp, state, threading.get_ident()))

    @pylibvu.command("show", "[WORD...]", help="says it all again", most=3)
    def show(self, script, *words):
        for word in words:
            script.answer(word)

    @pylibvu.command("note", "TEXT", least=1, most=pylibvu.COMMAND_LINE)
    def note(self, script, text):
        script.say(text)

    @pylibvu.command("refuse", most=1)
    def refuse(self, script, why=""):
        raise pylibvu.Refused(why)

    @pylibvu.command("fail")
    def fail(self, script):
        raise LookupError("no such lamp")

    @pylibvu.command("use")
    def use(self, script):
        for use in (script.close, self.close, lambda: script.answer("two\nlines"),
                    lambda: script.answer("a\0b"), lambda: script.say("two\nlines")):
            try:
                use()
            except (RuntimeError, ValueError) as error:
                script.answer(type(error).__name__)


class Client:
    """Somebody at the socket."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(HANG)
        self.sock.connect(str(path))
        self.file = self.sock.makefile("r", newline="\n", errors="surrogateescape")

    def line(self):
        return self.file.readline().rstrip("\n")

    def send(self, line):
        self.sock.sendall(os.fsencode(line) + b"\n")

    def ask(self, line):
        """All lines until the last of the answer."""
        self.send(line)
        lines = [self.line()]
        while lines[-1] != "ok" and not lines[-1].startswith("error: ") and lines[-1]:
            lines.append(self.line())
        return lines

    def close(self):
        self.file.close()
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


@contextmanager
def controlled(tmp_path):
    """A served lamp and the path of its control socket."""
    lamp = Lamp()
    path = tmp_path / "control"
    script = pylibvu.Script(lamp.own_group, lamp.commands, path)
    with testing.served(lamp):
        yield lamp, script, path
    lamp.close()


def run_on(group, function, *args):
    """Runs it on the thread that serves the group, and waits for that."""
    done = threading.Event()
    group.call(function, *args)
    group.call(done.set)
    assert done.wait(HANG)


def test_commands_are_functions_of_the_words_and_run_on_the_groups_thread(tmp_path, caplog):
    with controlled(tmp_path) as (lamp, _, path), Client(path) as client:
        assert os.stat(path).st_mode & 0o777 == 0o600
        assert client.ask("set red on") == ["ok"]
        assert client.ask('set "dark red" off   # as it was') == ["ok"]
        assert [call[:2] for call in lamp.calls] == [("red", "on"), ("dark red", "off")]
        assert threading.get_ident() not in {call[2] for call in lamp.calls}
        assert client.ask("show") == ["ok"]
        assert client.ask("show a ä \udcff") == ["a", "ä", "\\xff", "ok"]
        assert client.ask("note  all # of it") == ["*  all # of it", "ok"]
        told = client.ask("help")
        assert any(line.split() == "set LAMP on|off switches a lamp".split() for line in told)
        assert any(line.split() == "show [WORD...] says it all again".split() for line in told)
        assert len(told) == len(lamp.commands) + 1
    assert not caplog.records


def test_what_is_wrong_is_answered_with_the_reason(tmp_path, caplog):
    with controlled(tmp_path) as (lamp, _, path), Client(path) as client:
        assert client.ask("sing") == ["error: there is no command 'sing'; try help"]
        assert "wants more words" in client.ask("set red")[0]
        assert client.ask("set red on now") == \
            ["error: 'set' has too many words; it is used so: set LAMP on|off"]
        assert "quote" in client.ask('show "')[0]
        assert client.ask('refuse "it is dark"') == ["error: it is dark"]
        assert client.ask("refuse") == ["error: refused"]
        assert client.ask(f"refuse {'x' * 1000}")[0].startswith("error: xxx")
        assert not caplog.records and not lamp.calls
        assert client.ask("fail") == ["error: LookupError: no such lamp"]
        record = caplog.records[-1]
        assert "command fail" in record.getMessage() and record.exc_info[0] is LookupError
        assert client.ask("use") == ["RuntimeError"] * 2 + ["ValueError"] * 3 + ["ok"]
        assert client.ask("show on") == ["on", "ok"]


def test_two_clients_have_their_own_answers_and_hear_what_is_said_to_all(tmp_path):
    with controlled(tmp_path) as (lamp, script, path):
        with Client(path) as one, Client(path) as two:
            assert one.ask("show one") == ["one", "ok"]
            assert two.ask("show two") == ["two", "ok"]
            lamp.call(script.say, "evening")
            assert one.line() == two.line() == "* evening"
            one.send("show gone")
            one.close()
            assert two.ask("show two") == ["two", "ok"]
        run_on(lamp, script.say, "nobody hears it")
        with Client(path) as three:
            assert three.ask("show three") == ["three", "ok"]


def test_close_disconnects_clients_and_frees_everything(tmp_path):
    lamp = Lamp()
    with testing.served(lamp):  # what a device opens when it is first needed
        pass
    before = open_fds()
    with pylibvu.Script(lamp.own_group, lamp.commands, tmp_path / "control") as script, \
            testing.served(lamp):
        with Client(tmp_path / "control") as client:
            assert client.ask("show") == ["ok"]
            run_on(lamp, script.close)
            assert client.line() == ""
        assert not (tmp_path / "control").exists()
        lamp.call(script.close)
    for use in (lambda: script.say("late"), lambda: script.answer("late")):
        with pytest.raises(pylibvu.DeviceClosed):
            use()
    assert open_fds() == before
    lamp.close()


def test_a_script_ends_with_its_device_whether_that_is_closed_or_forgotten(tmp_path):
    path = tmp_path / "control"
    lamp = Lamp()
    group = lamp.group([1])
    scripts = [pylibvu.Script(lamp.own_group, lamp.commands, path),
               pylibvu.Script(group, lamp.commands, tmp_path / "group")]
    with Client(path) as client:
        lamp.process()
        lamp.close()
        assert client.line() == "" and not list(tmp_path.iterdir())
    for script in scripts:
        script.close()
        with pytest.raises(pylibvu.DeviceClosed):
            script.say("late")
    with pytest.raises(pylibvu.DeviceClosed):
        pylibvu.Script(group, [], path)
    before, lamp = open_fds(), Lamp()
    pylibvu.Script(lamp.own_group, lamp.commands, path)
    pylibvu.Script(lamp.group([1]), lamp.commands, tmp_path / "group")
    gone = weakref.ref(lamp)
    gc.collect()
    assert path.exists()  # nobody else needs to keep it
    del lamp
    gc.collect()
    assert gone() is None and not list(tmp_path.iterdir())
    assert open_fds() <= before


def test_another_thread_is_told_so(tmp_path):
    lamp, kept = Lamp(), []
    group = lamp.group([1])

    @pylibvu.command("keep")
    def keep(script):
        kept.append(script)
        begun.set()
        assert end.wait(HANG)

    begun, end = threading.Event(), threading.Event()
    script = pylibvu.Script(group, [keep], tmp_path / "control")
    with pytest.raises(RuntimeError, match="for a command that runs"):
        script.answer("to nobody")
    with pylibvu.Worker() as worker:
        worker.add(group)
        with Client(tmp_path / "control") as client:
            client.send("keep")
            assert begun.wait(HANG) and kept == [script]
            for use in (lambda: script.say("x"), lambda: script.answer("x"), script.close,
                        lambda: pylibvu.Script(group, [keep], tmp_path / "other")):
                with pytest.raises(pylibvu.WrongThread):
                    use()
            end.set()
            assert client.line() == "ok"
            run_on(group, script.close)
            assert client.line() == ""
    lamp.close()


def test_ctrl_c_in_a_command_comes_out_of_process(tmp_path):
    lamp = Lamp()

    @pylibvu.command("stop")
    def stop(script):
        raise KeyboardInterrupt

    pylibvu.Script(lamp.own_group, [stop], tmp_path / "control")
    with Client(tmp_path / "control") as client:
        client.send("stop")
        with pytest.raises(KeyboardInterrupt):
            while True:
                lamp.process()
        assert client.line().startswith("error: ")
    lamp.close()


def test_tables_that_make_no_sense(tmp_path):
    lamp = Lamp()

    def plain(script):
        pass

    async def later(script):
        pass

    for wrong in (lambda: pylibvu.command(""), lambda: pylibvu.command("two words"),
                  lambda: pylibvu.command("a", least=2, most=1),
                  lambda: pylibvu.command("a", least=-1)):
        with pytest.raises(ValueError):
            wrong()
    with pytest.raises(TypeError, match="async"):
        pylibvu.command("later")(later)
    many = [pylibvu.command(f"c{i}")(lambda script, i=i: script.answer(str(i))) for i in range(65)]
    path = tmp_path / "control"
    for error, commands, match in (
            (TypeError, [plain], "decorate"), (ValueError, [lamp.set, lamp.set], "same name"),
            (ValueError, many, "at most 64"),
            (ValueError, [pylibvu.command("a", "b\nc")(lambda _: None)], "one line")):
        with pytest.raises(error, match=match):
            pylibvu.Script(lamp.own_group, commands, path)
    with pytest.raises(FileNotFoundError):
        pylibvu.Script(lamp.own_group, [], tmp_path / "no" / "control")
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        pylibvu.Script(lamp.own_group, [], tmp_path / "file")
    with pylibvu.Script(lamp.own_group, many[:64], path) as script, Client(path) as client:
        with pytest.raises(OSError, match="in use"):
            pylibvu.Script(lamp.own_group, [], path)
        for how in (copy.copy, pickle.dumps):
            with pytest.raises(TypeError, match="neither copied nor pickled"):
                how(script)
        client.send("c0\nc63")
        client.sock.shutdown(socket.SHUT_WR)
        lines = []
        with testing.served(lamp):
            while line := client.line():
                lines.append(line)
        assert lines == ["0", "ok", "63", "ok"]
    lamp.close()


def test_a_file_is_run_until_a_line_fails(tmp_path, caplog):
    lamp, path = Lamp(), tmp_path / "file"

    def run(text):
        path.write_text(text)
        caplog.clear()
        pylibvu.run_file(lamp.commands, path, name="tester")

    run("set red on\n# nothing\n\nshow a\nnote b\nset green off")
    assert [call[:2] for call in lamp.calls] == [("red", "on"), ("green", "off")]
    assert not caplog.records
    with pytest.raises(pylibvu.Refused, match="so it is"):
        run('show\nrefuse "so it is"\nset blue on\n')
    assert f"tester: {path}:2: so it is" in caplog.text and len(lamp.calls) == 2
    with pytest.raises(LookupError, match="no such lamp"):
        run("fail")
    for wrong in ("sing", "set red", 'show "'):
        with pytest.raises(ValueError, match="the log says which"):
            run(wrong)
        assert f"{path}:1: " in caplog.text
    with pytest.raises(FileNotFoundError):
        pylibvu.run_file(lamp.commands, tmp_path / "none")
    lamp.close()


def test_a_child_of_fork_has_no_script_and_the_parents_goes_on(tmp_path):
    with controlled(tmp_path) as (lamp, script, path), Client(path) as client:
        assert client.ask("show a") == ["a", "ok"]
        assert in_a_child(script.close) == "None"
        assert in_a_child(lambda: script.say("x")).startswith("DeviceClosed: ")
        assert in_a_child(lambda: script.answer("x")).startswith("DeviceClosed: ")
        assert path.exists() and client.ask("show b") == ["b", "ok"]


def test_clients_hear_of_the_end_though_a_forked_child_lives_on(tmp_path):
    lamp, path = Lamp(), tmp_path / "control"
    script = pylibvu.Script(lamp.own_group, lamp.commands, path)
    with testing.served(lamp), Client(path) as client:
        assert client.ask("show") == ["ok"]
        os.link(path, tmp_path / "again")
        child = os.fork()
        if child == 0:
            while True:
                signal.pause()
        try:
            run_on(lamp, script.close)
            assert client.line() == ""
            with pytest.raises(ConnectionRefusedError):
                Client(tmp_path / "again")
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    lamp.close()


STDIN = """
import os, sys
import pylibvu

device = pylibvu.Device(42, "dut")


@pylibvu.command("add", least=2)
def add(script, a, b):
    script.answer(str(int(a) + int(b)))


@pylibvu.command("fork", least=1)
def fork(script, how):
    pid = os.fork()
    if pid == 0:
        if how == "raise":
            raise pylibvu.Refused("in the child")
        if how == "exit":
            sys.exit(3)
        return
    script.answer(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))


with pylibvu.Script(device.own_group, [add, fork], "-"):
    pylibvu.serve(device, sys.argv[1])
"""


def test_standard_input_gives_commands_and_a_child_that_a_command_forked_ends(tmp_path):
    child = start_program([sys.executable, "-c", STDIN, str(tmp_path / "socket")],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True)
    child.stdin.write("add 1 2\nadd 1 x\nfork raise\nfork exit\nfork return\nadd 2 2\n")
    child.stdin.flush()
    lines = [child.stdout.readline().rstrip("\n") for _ in range(11)]
    assert lines[:2] == ["3", "ok"]
    assert lines[2].startswith("error: ValueError: invalid literal")
    assert lines[3:] == ["1", "ok", "3", "ok", "1", "ok", "4", "ok"]
    child.stdin.close()
    while not (tmp_path / "socket").exists():
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGTERM)
    errors = child.stderr.read()
    assert child.wait(HANG) == 0 and "in the child" in errors
    assert "a callback returned in a child of fork()" in errors
