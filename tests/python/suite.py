#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs a file of the binding's tests in the build folder's environment.  suite.py ROOT BUILD FILE..."""
import os
import pathlib
import sys

root, build, *names = sys.argv[1:]
python = pathlib.Path(build, "tests/python/venv/bin/python")
tests = pathlib.Path(root, "bindings/python/tests")
env = dict(os.environ, PYLIBVU_BUILD_DIR=build, PYTHONDONTWRITEBYTECODE="1")
os.execve(python, [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider",
                   *(str(tests / name) for name in names)], env)
