#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Says what is missing for the Python tests, or nothing; with --sources DIR, the binding's files."""
import importlib.util
import pathlib
import sys
import sysconfig

PACKAGES = {"cffi": "python3-cffi", "setuptools": "python3-setuptools", "wheel": "python3-wheel",
            "pytest": "python3-pytest", "ensurepip": "python3-venv"}


def main():
    if len(sys.argv) == 3:
        folder = pathlib.Path(sys.argv[2])
        for path in sorted(p for pattern in ("*.py", "*.toml", "pylibvu/*") for p in
                           folder.glob(pattern) if p.is_file()):
            print(path)
        return
    missing = [package for module, package in PACKAGES.items()
               if importlib.util.find_spec(module) is None]
    # Debian splits the headers: pyconfig.h is in another package's folder.
    if not any(pathlib.Path("/usr/include").glob(f"*/python{sysconfig.get_python_version()}")):
        missing.append("python3-dev")
    if missing:
        print("missing Debian packages:", " ".join(missing))


main()
