# SPDX-License-Identifier: MIT
"""What tests in Python of whole programs share: a folder, what each needs to start, its environment."""
import os
import pathlib
import tempfile
import unittest


class ProgramCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / 'share').mkdir()
        (self.folder / 'disk').write_bytes(bytes(1 << 20))

    def command(self, program, *more):
        """How it starts, but for its socket."""
        needs = {'vu-blk': [f'--blk-file={self.folder}/disk'], 'vu-scsi': ['--lun=memory=1M'],
                 'vu-fs': [f'--shared-dir={self.folder}/share'], 'vu-gpu': ['--headless']}
        return [program, *needs.get(pathlib.Path(program).name, []), *more]

    @staticmethod
    def environment(**more):
        """The address sanitizer looks for leaks at the end, with calls that no sandbox leaves."""
        return {**os.environ, 'ASAN_OPTIONS': f'{os.environ.get("ASAN_OPTIONS", "")}:detect_leaks=0', **more}
