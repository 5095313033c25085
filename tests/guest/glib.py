#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The examples of libvu-glib under a real kernel: three entropy devices in one guest, in three languages.

They run with the typelib of the build folder; a language that is not there is skipped.
"""

import contextlib
import os
import re
import shutil
import subprocess

from lib import Skip, VhostUser, main

HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLES = os.path.join(HERE, "..", "..", "bindings", "glib", "examples")


def commands(t):
    """{language: the beginning of its command}, of those that can run here."""
    build = os.path.normpath(os.path.join(os.path.dirname(t.program("vu-rng")), ".."))
    binding = os.path.join(build, "bindings", "glib")
    if not os.path.exists(os.path.join(binding, "VuGlib-0.1.typelib")):
        raise Skip("libvu-glib was not built, or without introspection "
                   "(Debian: gobject-introspection, libgirepository1.0-dev)")
    env = ["env", f"GI_TYPELIB_PATH={binding}", f"LD_LIBRARY_PATH={build}/lib:{binding}"]
    found = {}
    if not subprocess.run(["/usr/bin/python3", "-c", "import gi"], stderr=subprocess.DEVNULL, check=False).returncode:
        found["python"] = [*env, "/usr/bin/python3", "-B", f"{EXAMPLES}/rng.py"]
    if shutil.which("gjs"):
        found["gjs"] = [*env, "gjs", "-m", f"{EXAMPLES}/rng.js"]
    if os.path.exists(f"{binding}/examples/rng-vala"):
        found["vala"] = [*env, f"{binding}/examples/rng-vala"]
    return found


def source(t, language):
    """Numbered lines of 16 bytes that say which device they are of."""
    with open(t.path(language), "w", encoding="ascii") as file:
        file.writelines(f"{language:<6}{n:09d}\n" for n in range(100000))
    return file.name


def lines_of(data, language):
    return [int(n) for n in re.findall(rb"%-6s(\d{9})\n" % language.encode(), data)]


def test_languages(t):
    found = commands(t)
    with contextlib.ExitStack() as stack:
        back_ends = [stack.enter_context(t.peer(language, *argv, "{socket}", source(t, language)))
                     for language, argv in found.items()]
        guest = stack.enter_context(t.qemu(*(VhostUser("rng", one) for one in back_ends)))
        heard = {}
        for name in guest.run("cat /sys/class/misc/hw_random/rng_available").text.split():
            if name.startswith("virtio_rng"):
                data = guest.run(f"echo {name} >/sys/class/misc/hw_random/rng_current && "
                                 "dd if=/dev/hwrng bs=64 count=128 iflag=fullblock 2>/dev/null").output
                heard.update({one: numbers for one in found if len(numbers := lines_of(data, one)) > 200})
        for language in ("python", "gjs", "vala"):
            sentence = f"qemu_guest_reads_the_bytes_that_{language}_served"
            if language not in found:
                t.skip(sentence, f"{language} is not there (scripts/setup glib)")
                continue
            with t.check(sentence):
                numbers = heard[language]
                assert numbers == sorted(set(numbers)), "out of order"
                t.say(f"{len(numbers)} lines of {language}'s source, in order")


if __name__ == "__main__":
    main()
