# SPDX-License-Identifier: MIT
"""A User-mode Linux of our own: Debian's kernel source, and the drivers that Debian leaves out.

uml.config says what is in it.  Building takes some minutes, so it is done only where one asked for
that; then it is in the cache until uml.config changes.
"""

import hashlib
import os
import re
import shutil

from .errors import Skip
from .drivers import unpack_source
from .fetch import Packages
from .store import first_error, needed

SUITE, SERIES = "sid", "7.2"
CONFIG = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "uml.config")
# large, and nothing that is switched on needs it
LEAVE_OUT = ("arch/*/boot/dts", "Documentation/devicetree", "drivers/gpu/drm/amd/include",
             "tools/testing")


def built_uml(store):
    """(program, folder with modules.builtin); raises Skip where there is none."""
    key = hashlib.sha256(repr((SERIES, _wanted())).encode()).hexdigest()[:12]
    tree = store.find(f"uml-{SERIES}*-{key}")
    if not tree:
        if not (store.may_fetch and store.may_build):
            raise Skip("no User-mode Linux with all drivers in the cache; "
                       "./scripts/test full builds it, in some minutes")
        needed("make", "gcc", "flex", "bison", "bc", "xz")
        tree = store.make("User-mode Linux", f"uml-{SERIES}*-{key}",
                          lambda work: _build(store, key, work))
    return f"{tree}/linux", tree


def _wanted():
    with open(CONFIG, encoding="utf-8") as file:
        return sorted(re.findall(r"^CONFIG_.*", file.read(), re.M))


def _build(store, key, work):
    package = Packages(SUITE, f"linux-source-{SERIES}")
    store.say(f"building a User-mode Linux for this and later runs: fetching {package.names[0]}")
    deb = package.fetch(store, work)[0]
    version = os.path.basename(deb).split("_")[1]
    source, made = f"{work}/linux-source-{SERIES}", f"{work}/uml-{version}-{key}"
    store.say(f"unpacking the source of Linux {version}")
    unpack_source(deb, SERIES, work, leave_out=LEAVE_OUT)
    os.mkdir(made)
    _configure(store, source, f"{made}/log")
    # many files wait for it, and much else runs beside it
    store.say("compiling; two processors need four minutes")
    _make(store, source, f"{made}/log", f"-j{2 * os.cpu_count()}", "linux")
    for name in ("linux", "modules.builtin", ".config"):
        shutil.copy(f"{source}/{name}", made)
    return made


def _configure(store, source, log):
    """A configuration of exactly uml.config; Kconfig drops silently what it does not like."""
    _make(store, source, log, f"KCONFIG_ALLCONFIG={CONFIG}", "allnoconfig")
    with open(f"{source}/.config", encoding="utf-8") as file:
        dropped = set(_wanted()) - set(re.findall(r"^CONFIG_.*", file.read(), re.M))
    if dropped:
        raise Skip(f"Linux {SERIES} does not take {', '.join(sorted(dropped))} of uml.config")


def _make(store, source, log, *arguments):
    if store.run("make", ["make", "ARCH=um", *arguments], log, cwd=source):
        raise Skip(f"User-mode Linux cannot be built: {first_error(log)}")
