#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Builds pylibvu into a virtual environment in the build folder.  prepare.py BINDING BUILD STAMP

The environment sees Debian's packages; nothing is fetched.  A copy of the sources is built, so that
the source tree stays as it is.
"""
import os
import pathlib
import shutil
import subprocess
import sys


def copy(binding, target):
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(binding, target, ignore=shutil.ignore_patterns(
        "__pycache__", "build", "*.egg-info", "tests", "examples"))


def main(binding, build, stamp):
    folder = build / "tests" / "python"
    source, venv = folder / "source", folder / "venv"
    copy(binding, source)
    if not (venv / "bin" / "python").exists():
        subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", "--system-site-packages",
                        str(venv)], check=True)
    site = next((venv / "lib").glob("python*/site-packages"))
    shutil.rmtree(site / "pylibvu", ignore_errors=True)
    env = dict(os.environ, PYLIBVU_BUILD_DIR=str(build), PYTHONWARNINGS="ignore")
    done = subprocess.run([str(venv / "bin" / "python"), "setup.py", "-q", "build",
                           "--build-lib", str(site)], cwd=source, env=env, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        sys.exit(done.stdout)
    stamp.write_text("built\n")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
