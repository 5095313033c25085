#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Lifetime and misuse tests with a library built with AddressSanitizer.  asan.py ROOT BUILD"""
import os
import pathlib
import subprocess
import sys

import prepare


def main(root, build):
    folder = pathlib.Path(build, "tests/python/asan")
    quiet = {"check": True, "stdout": subprocess.DEVNULL}
    if not (folder / "build.ninja").exists():
        subprocess.run(["meson", "setup", str(folder), root, "-Db_sanitize=address",
                        "-Db_lundef=false", "--buildtype=debug", "-Dexamples=disabled",
                        "-Dtools=disabled", "-Dtests=disabled"], **quiet)
    subprocess.run(["ninja", "-C", str(folder), "-j2"], **quiet)
    prepare.main(pathlib.Path(root, "bindings/python"), folder, folder / "stamp")
    runtime = subprocess.run(["cc", "-print-file-name=libasan.so"], check=True, text=True,
                             stdout=subprocess.PIPE).stdout.strip()
    if not os.path.isabs(runtime):
        print("skipped: the compiler has no libasan.so")
        return 77
    # Python itself leaves memory behind at its end; it has to use malloc for ASan to see the rest.
    env = dict(os.environ, LD_PRELOAD=os.path.realpath(runtime), PYTHONMALLOC="malloc",
               ASAN_OPTIONS="detect_leaks=0:handle_sigbus=0:abort_on_error=1",
               PYLIBVU_BUILD_DIR=str(folder), PYTHONDONTWRITEBYTECODE="1",
               LD_LIBRARY_PATH=str(folder / "lib"))
    tests = pathlib.Path(root, "bindings/python/tests")
    python = str(folder / "tests/python/venv/bin/python")
    loaded = subprocess.run([python, "-c", "import pylibvu; print(open('/proc/self/maps').read())"],
                            env=env, check=True, text=True, stdout=subprocess.PIPE).stdout
    assert f"{folder}/lib/libvu.so" in loaded and "libasan" in loaded, "not the sanitized library"
    return subprocess.run([python, "-X", "dev", "-m", "pytest", "-q", "-p", "no:cacheprovider",
                           *(str(tests / f"test_{name}.py") for name in
                             ("requests", "device", "serve", "script", "misuse", "lifetime"))],
                          env=env, check=False).returncode


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.exit(main(sys.argv[1], sys.argv[2]))
