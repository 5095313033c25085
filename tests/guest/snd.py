#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-snd under an unmodified kernel, with ALSA's own programs: what is played and recorded arrives.

Debian 12's kernel has no virtio_snd, so that of Debian 13 is booted.
"""

import copy
import hashlib
import os
import random
import re
import time

from lib import Control, VhostUser, main, patience
from lib.newer_kernel import NewerKernel, NewestKernel

# All that the programs need to know of ALSA's configuration: hw is the kernel's device.
ALSA = b"""
pcm.hw {
    @args [ CARD DEV SUBDEV ]
    @args.CARD { type string default "0" }
    @args.DEV { type integer default 0 }
    @args.SUBDEV { type integer default -1 }
    type hw
    card $CARD
    device $DEV
    subdevice $SUBDEV
}
ctl.hw {
    @args [ CARD ]
    @args.CARD { type string default "0" }
    type hw
    card $CARD
}
"""
# Linux computes buffers of 160 ms of the largest frames: those of the tests then last 1.3 s, which
# is longer than the sounds, so that a slow machine tears none.
CARD = """
playback file={played} channels=1-8 rates=48000
capture file={recorded} channels=1-8 rates=48000
jack line-out
jack mic
volume "Master Playback Volume" playback
switch "Master Playback Switch" playback
choice "Input Source" Mic "Line In"
"""
FRAME = 4  # S16, stereo
FORMATS = {"S16_LE": 4, "S32_LE": 8, "FLOAT_LE": 8}  # bytes of a stereo frame
MINUTES = 30  # --long
RAW = "-q -D hw:0,0 -t raw -c 2 --buffer-time=1200000"


def noise(length, seed):
    """Never the same anywhere, so that what is missing or played twice is found."""
    return random.Random(seed).randbytes(length)


class Card:
    """A guest with a card whose playback goes to a file, and whose recordings come from one."""

    def __init__(self, t, name, qemu, *options, seconds=1, **files):
        self.t, self.played = t, t.path("played.raw")
        self.recorded = noise(48000 * FRAME, 1)
        with open(t.path("recorded.raw"), "wb") as file:
            for _ in range(seconds):
                file.write(self.recorded)
        with open(t.path("card"), "w", encoding="utf-8") as file:
            file.write(CARD.format(played=self.played, recorded=t.path("recorded.raw")))
        self.backend = t.backend("vu-snd", f"--describe={t.path('card')}",
                                 f"--control={t.path('control')}", *options)
        self.name, self.qemu, self.files, self.socket = name, qemu, files, self.backend
        self.at = 0  # what was played before was looked at

    def neighbour(self, socket, **files):
        """The second card of the same program, whose files have .1 behind their names."""
        card = copy.copy(self)
        card.files, card.socket, card.played = files, socket, f"{self.played}.1"
        return card

    def boot(self, kernel=NewerKernel):
        files = {"/alsa.conf": ALSA} | {f"/{name}": data for name, data in self.files.items()}
        return self.t.machine(
            kernel, VhostUser("snd", self.socket, controls="on"), qemu=self.qemu, files=files,
            modules=["snd_pcm"], programs=["aplay", "arecord", "amixer"])

    def expect_played(self, data):
        """The file goes on with these bytes; ALSA fills the last period with silence."""
        with open(self.played, "rb") as file:
            file.seek(self.at)
            got = file.read()
        self.at += len(got)
        same = len(os.path.commonprefix([got, data]))
        assert same == len(data), f"{len(got)} bytes, of which {same} of {len(data)} are right"
        assert not any(got[len(data):]), "not silence behind the end"

    def expect_played_again_and_again(self, data, times):
        """The same bytes so many times, and then silence."""
        with open(self.played, "rb") as file:
            file.seek(self.at)
            for i in range(times):
                assert file.read(len(data)) == data, f"other bytes in round {i} of {times}"
            assert not any(file.read()), "not silence behind the end"

    def skip_played(self):
        self.at = os.path.getsize(self.played)


PLAY = f"export ALSA_CONFIG_PATH=/alsa.conf; aplay {RAW} -r 48000 -f {{encoding}} /{{name}}"


def play(guest, name, encoding="S16_LE"):
    return guest.run(PLAY.format(name=name, encoding=encoding), work=5)


def plays_and_records(t, card, guest, sounds):
    for encoding, data in sounds.items():
        with t.check(f"{card.name}_guest_plays_{encoding}_and_every_byte_arrives"):
            play(guest, encoding, encoding)
            card.expect_played(data)
    with t.check(f"{card.name}_guest_records_every_byte"):
        guest.run(f"export ALSA_CONFIG_PATH=/alsa.conf; "
                  f"arecord {RAW} -r 48000 -f S16_LE -s 24000 /tmp/recorded", work=5)
        got = guest.run("cat /tmp/recorded").output
        assert len(got) == 24000 * FRAME and card.recorded.startswith(got), len(got)


def jacks(t, card, guest, control):
    with t.check(f"{card.name}_guest_sees_a_jack_that_is_taken_away"):
        state = "ALSA_CONFIG_PATH=/alsa.conf amixer -D hw:0 cget iface=CARD,name='Mic Jack'"
        assert "values=on" in guest.run(state).text
        control.say("unplug 1")
        guest.until(f"{state} | grep -q values=off")


def volumes(t, card, guest, control):
    with t.check(f"{card.name}_guest_and_host_change_volumes_and_see_each_others"):
        amixer = "ALSA_CONFIG_PATH=/alsa.conf amixer -q -D hw:0"
        guest.run(f"{amixer} cset iface=MIXER,name='Master Playback Volume' 30,40")
        control.hear('control 0 "Master Playback Volume" 30 40')
        control.say("set 0 100")
        get = amixer.replace("-q ", "") + " cget iface=MIXER,name='Master Playback Volume'"
        guest.until(f"{get} | grep -q values=100,100")
        said = guest.run(get).text
        assert "dBscale-min=-60.00dB,step=0.60dB,mute=1" in said, said


PLAYER = ("export ALSA_CONFIG_PATH=/alsa.conf; (exec aplay -q -D hw:0,0 -t raw -f S16_LE -r 48000 "
          "-c 2 /dev/zero) </dev/null >/dev/null 2>&1 & player=$!; sleep 1; ")


def sleep(t, card, guest, control, data):
    """The kernel puts its drivers to sleep and wakes them, all but the processor's own part."""
    with t.check(f"{card.name}_a_player_goes_on_after_its_guest_slept_and_the_next_one_plays"):
        guest.run(f"echo devices >/sys/power/pm_test; {PLAYER} echo $player >/tmp/player; "
                  "echo 0 >/sys/module/suspend/parameters/pm_test_delay; "
                  "echo freeze >/sys/power/state", work=5)
        frames = control.say("counters").split()[3]
        limit = patience.end()
        while control.say("counters").split()[3] == frames:
            assert time.monotonic() < limit, "nothing is played any more"
            time.sleep(0.1)
        guest.run("kill -9 $(cat /tmp/player)")
        guest.until("! grep -q RUNNING /proc/asound/card0/pcm0p/sub0/status")
        card.skip_played()
        play(guest, "S16_LE")
        card.expect_played(data)


def ends(t, card, guest, data):
    with t.check(f"{card.name}_a_player_that_is_killed_leaves_a_card_that_plays"):
        guest.run(f"{PLAYER} kill -9 $player; wait $player; true", work=5)
        card.skip_played()
        play(guest, "S16_LE")
        card.expect_played(data)
    with t.check(f"{card.name}_a_pause_of_the_machine_loses_nothing"):
        job = guest.start(PLAY.format(name="S16_LE", encoding="S16_LE"))
        for _ in range(3):
            guest.qmp("stop")
            guest.qmp("cont")
        job.wait(5)
        card.expect_played(data)
    with t.check(f"{card.name}_guest_that_reboots_while_it_plays_finds_the_card_again"):
        guest.run(PLAYER, work=5)
        guest.reboot()
        card.skip_played()
        play(guest, "S16_LE")
        card.expect_played(data)


def test_qemu10(t):
    sounds = {name: noise(12000 * size, size) for name, size in FORMATS.items()}
    card = Card(t, "qemu10", t.newer_qemu, **sounds)
    with card.backend, card.boot() as guest:
        plays_and_records(t, card, guest, sounds)
        with Control(t.path("control")) as control:
            jacks(t, card, guest, control)
            volumes(t, card, guest, control)
            sleep(t, card, guest, control, sounds["S16_LE"])
        ends(t, card, guest, sounds["S16_LE"])


def test_two_guests(t):
    sentence = "two_guests_play_at_once_and_each_is_heard_by_itself"
    if not t.long:
        t.skip(sentence, "it boots two: --long")
        return
    with open(t.path("recorded.raw.1"), "wb"):
        pass
    sounds = [noise(48000 * FRAME, seed) for seed in (5, 6)]
    first = Card(t, "two", t.newer_qemu, f"--socket-path={t.path('second.sock')}", S16_LE=sounds[0])
    second = first.neighbour(t.path("second.sock"), S16_LE=sounds[1])
    with first.backend, first.boot() as one, second.boot() as other:
        with t.check(sentence):
            for job in [guest.start(PLAY.format(name="S16_LE", encoding="S16_LE"))
                        for guest in (one, other)]:
                job.wait(5)
            first.expect_played(sounds[0])
            second.expect_played(sounds[1])


# Both ways, while another queue, that of requests, is busy with a control that is changed all the time.
BOTH_WAYS = (
    "export ALSA_CONFIG_PATH=/alsa.conf; amixer='amixer -q -D hw:0'; "
    "(while :; do for i in 0 1; do $amixer cset name='Input Source' $i; $amixer contents; "
    "sleep 0.1; done; done) >/dev/null 2>&1 & busy=$!; "
    "(while cat /S16_LE; do :; done) 2>/dev/null | aplay {raw} -d {seconds} 2>/tmp/playing & player=$!; "
    "arecord {raw} -d {seconds} 2>/tmp/recording | md5sum >/tmp/recorded; "
    "wait $player; kill $busy; cat /tmp/playing /tmp/recording; cut -c-32 /tmp/recorded")


def xruns(control):
    return [int(n) for n in re.findall(r"xruns (\d+)", control.say("counters"))]


def for_long(t, card, guest, data):
    with Control(t.path("control")) as control:
        before = xruns(control)
    seconds = 60 * MINUTES
    said = guest.run(BOTH_WAYS.format(raw=f"{RAW} -r 48000 -f S16_LE", seconds=seconds),
                     work=seconds + 10).text
    with Control(t.path("control")) as control:
        t.say(control.say("counters"))
        assert xruns(control) == before, f"xruns before {before}, after {xruns(control)}"
    wanted = hashlib.md5()
    for _ in range(seconds):
        wanted.update(card.recorded)
    assert said.strip() == wanted.hexdigest(), f"guest: {said}; recorded was {wanted.hexdigest()}"
    card.expect_played_again_and_again(data, seconds * 48000 * FRAME // len(data))


def test_long(t):
    """Linux 7, and half an hour of sound both ways, every byte of which arrives."""
    sentence = f"linux7_guest_plays_and_records_for_{MINUTES}_minutes_without_an_xrun"
    if not t.long:
        t.skip(sentence, "it takes long: --long")
        return
    sounds = {"S16_LE": noise(12000 * FRAME, 4)}
    card = Card(t, "linux7", t.newest_qemu, seconds=60 * MINUTES, **sounds)
    with card.backend, card.boot(NewestKernel) as guest:
        plays_and_records(t, card, guest, sounds)
        with t.check(sentence):
            for_long(t, card, guest, sounds["S16_LE"])


def test_qemu11(t):
    sounds = {"S16_LE": noise(12000 * FRAME, 3)}
    card = Card(t, "qemu11", t.newest_qemu, **sounds)
    with card.backend, card.boot() as guest:
        plays_and_records(t, card, guest, sounds)


if __name__ == "__main__":
    main()
