#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-snd under an unmodified kernel: in every format that ALSA and virtio have, what is played arrives, and what is
recorded is what the file holds; at every rate, too, in no less time than it lasts."""

import os
import time

from lib import VhostUser, main
from lib.newer_kernel import NewerKernel

from snd import ALSA, RAW, noise

# ALSA's names, ours, and bytes of a stereo frame.
FORMATS = [("S8", "S8", 2), ("U8", "U8", 2), ("S16_LE", "S16", 4), ("U16_LE", "U16", 4), ("S18_3LE", "S18_3", 6),
           ("U18_3LE", "U18_3", 6), ("S20_3LE", "S20_3", 6), ("U20_3LE", "U20_3", 6), ("S24_3LE", "S24_3", 6),
           ("U24_3LE", "U24_3", 6), ("S20_LE", "S20", 8), ("U20_LE", "U20", 8), ("S24_LE", "S24", 8),
           ("U24_LE", "U24", 8), ("S32_LE", "S32", 8), ("U32_LE", "U32", 8), ("FLOAT_LE", "FLOAT", 8),
           ("FLOAT64_LE", "FLOAT64", 16), ("MU_LAW", "MU_LAW", 2), ("A_LAW", "A_LAW", 2), ("DSD_U8", "DSD_U8", 2),
           ("DSD_U16_LE", "DSD_U16", 4), ("DSD_U32_LE", "DSD_U32", 8),
           ("IEC958_SUBFRAME_LE", "IEC958_SUBFRAME", 8)]
FRAMES = 4800
CARD = """
playback file={played} channels=1-8 formats=all rates=all
capture file={recorded} channels=1-8 formats=all rates=all
"""
# speaker-test's own rates, at which it plays a tone for each channel.
SPEAKER_RATES = (8000, 44100, 48000, 96000)
# All of virtio 1.3 §5.14.6.6.2's
RATES = (5512, 8000, 11025, 16000, 22050, 32000, 44100, 48000, 64000, 88200, 96000, 176400, 192000, 384000)


def played(path, at):
    with open(path, "rb") as file:
        file.seek(at)
        return file.read()


def all_rates(t, guest, path, at, recorded, sound):
    """A quarter of a second at each, which must not be over sooner: the guest's clock is the device."""
    for rate in RATES:
        with t.check(f"qemu10_at_{rate}_hz_it_is_played_and_recorded_as_it_is_and_not_faster"):
            run, data = "export ALSA_CONFIG_PATH=/alsa.conf", sound[:rate // 4 * 4]
            began = time.monotonic()
            guest.run(f"{run}; head -c {len(data)} /rates | aplay {RAW} -r {rate} -f S16_LE")
            took, got = time.monotonic() - began, played(path, at)
            at += len(got)
            assert got.startswith(data), f"{len(os.path.commonprefix([got, data]))} of {len(data)} bytes are right"
            assert took >= 0.25, f"it took {took} s only"
            frames = min(rate // 4, FRAMES)
            guest.run(f"{run}; arecord {RAW} -r {rate} -f S16_LE -s {frames} /tmp/recorded")
            got = guest.run("cat /tmp/recorded").output
            assert len(got) == 4 * frames and recorded.startswith(got), len(got)
    return at


def test_qemu10(t):
    path, recorded = t.path("played.raw"), noise(FRAMES * 16, 1)
    with open(t.path("recorded.raw"), "wb") as file:
        file.write(recorded)
    with open(t.path("card"), "w", encoding="utf-8") as file:
        file.write(CARD.format(played=path, recorded=t.path("recorded.raw")))
    sounds = {f"/{name}": noise(FRAMES * size, size) for name, _, size in FORMATS}
    sounds["/rates"] = noise(max(RATES), 7)
    with t.backend("vu-snd", f"--describe={t.path('card')}") as snd, \
         t.machine(NewerKernel, VhostUser("snd", snd), qemu=t.newer_qemu, files={"/alsa.conf": ALSA} | sounds,
                   modules=["snd_pcm"], programs=["aplay", "arecord", "speaker-test"]) as guest:
        at = 0
        for name, _, size in FORMATS:
            with t.check(f"qemu10_{name}_is_played_and_recorded_as_it_is"):
                run = "export ALSA_CONFIG_PATH=/alsa.conf"
                guest.run(f"{run}; aplay {RAW} -r 48000 -f {name} /{name}", work=5)
                data, got = sounds[f"/{name}"], played(path, at)
                assert got.startswith(data), f"{len(os.path.commonprefix([got, data]))} of {len(data)} bytes are right"
                guest.run(f"{run}; arecord {RAW} -r 48000 -f {name} -s {FRAMES // 2} /tmp/recorded", work=5)
                got = guest.run("cat /tmp/recorded").output
                assert len(got) == FRAMES // 2 * size and recorded.startswith(got), len(got)
            at = os.path.getsize(path)
        at = all_rates(t, guest, path, at, recorded, sounds["/rates"])
        for rate in SPEAKER_RATES:
            with t.check(f"qemu10_speaker_test_plays_at_{rate}_hz"):
                guest.run(f"ALSA_CONFIG_PATH=/alsa.conf speaker-test -D hw:0,0 -c 2 -r {rate} -F S16_LE -t sine -l 1 "
                          "-s 1 -b 1200000", work=10)
                got = played(path, at)
                at += len(got)
                assert any(got[0::4]), "the left channel is silent"
                assert not any(got[2::4]) and not any(got[3::4]), "the right channel is not"


if __name__ == "__main__":
    main()
