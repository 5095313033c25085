# SPDX-License-Identifier: MIT
"""Every Python listing of docs/python.md and of the README runs."""

import os
import pathlib
import re
import subprocess
import sys

import pytest
from conftest import HANG

HERE = pathlib.Path(__file__).resolve()
PAGE = HERE.parents[3] / "docs" / "python.md"
LISTINGS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
FILES = {m[1]: text for text in LISTINGS for m in [re.match(r"# file: (\S+)\n", text)] if m}


def test_the_page_has_its_listings():
    assert len(LISTINGS) >= 9 and set(FILES) == {"rng.py", "test_rng.py"}


@pytest.mark.parametrize("number", range(len(LISTINGS)))
def test_listing(number, tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    text = LISTINGS[number]
    script = tmp_path / "listing.py"
    script.write_text(text)
    name = re.match(r"# file: (\S+)\n", text)
    if name and name[1].startswith("test_"):
        argv = ["-m", "pytest", "-q", "-p", "no:cacheprovider", name[1]]
    elif name:
        argv = ["-c", f"import {name[1][:-3]}"]  # it is served by the listings that import it
    else:
        argv = [str(script)]
    done = subprocess.run([sys.executable, "-W", "error", *argv], cwd=tmp_path, text=True,
                          timeout=HANG, check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env=dict(os.environ, PYTHONPATH=os.pathsep.join(
                              filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))))
    assert done.returncode == 0, done.stdout
    assert "Traceback" not in done.stdout, done.stdout


def test_the_readme_shows_the_same_device():
    readme = (HERE.parents[1] / "README.md").read_text()
    body = re.search(r"```python\n(.*?)```", readme, re.S)[1]
    assert re.search(r"class Rng.*?req.complete\(\)\n", body, re.S)[0] in FILES["rng.py"]
