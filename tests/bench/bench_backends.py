# SPDX-License-Identifier: MIT
"""Block back-ends to measure: which there are, and how they are started."""
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'kit'))
from child import Child, wait_until_it_listens  # noqa: E402

MIB = 1 << 20
IMAGE = 256 * MIB
CACHED = 'vu-blk memory, 16 MiB of it'  # fits into the CPU's cache; the others use 256 MiB
EXPORT = 'type=vhost-user-blk,id=e,node-name=n,writable=on,addr.type=unix,addr.path=SOCKET'


class Backend:
    """A process with a socket, on one CPU; ended on leaving."""

    def __init__(self, folder, command, cpu=None):
        self.socket = pathlib.Path(folder, 'socket')
        self.socket.unlink(missing_ok=True)
        self.log = pathlib.Path(folder, 'log')
        command = [str(word).replace('SOCKET', str(self.socket)) for word in command]
        if cpu is not None and shutil.which('taskset'):
            command = ['taskset', '-c', str(cpu), *command]
        with self.log.open('w', encoding='utf-8') as log:
            self.process = Child(command, stdout=log, stderr=log)

    def __enter__(self):
        try:
            wait_until_it_listens(self.socket, self.process)
        except AssertionError as error:
            raise RuntimeError(f'{error}: {self.log.read_text()}') from None
        return self

    def __exit__(self, *_):
        self.process.end()


def make_image(path):
    block = bytes(range(256)) * (MIB // 256)
    with open(path, 'wb') as image:
        for _ in range(IMAGE // MIB):
            image.write(block)


def qsd(*blockdev):
    return ['qemu-storage-daemon', '--blockdev', ','.join(blockdev), '--export', EXPORT]


def backends(build, folder):
    """({polling front-end?: {name: command}}, [what is missing and why]); files are on tmpfs."""
    image = pathlib.Path(folder, 'image')
    make_image(image)
    found, missing = {}, []
    vu_blk = build / 'examples/vu-blk'
    if vu_blk.exists():
        found['vu-blk null'] = [vu_blk, '--socket-path=SOCKET', '--backend=null']
        found['vu-blk memory'] = [vu_blk, '--socket-path=SOCKET', '--backend=memory']
        found[CACHED] = found['vu-blk memory']
        found['vu-blk file'] = [vu_blk, '--socket-path=SOCKET', f'--blk-file={image}']
    else:
        missing.append('vu-blk was not built (liburing-dev)')
    if shutil.which('qemu-storage-daemon'):
        file = ('driver=file', 'node-name=n', f'filename={image}')
        found['qemu-storage-daemon null-co'] = qsd('driver=null-co', 'node-name=n', 'size=1073741824',
                                                  'read-zeroes=off')
        found['qemu-storage-daemon threads'] = qsd(*file, 'aio=threads')
        found['qemu-storage-daemon native'] = qsd(*file, 'aio=native', 'cache.direct=on')
        found['qemu-storage-daemon io_uring'] = qsd(*file, 'aio=io_uring')
    else:
        missing.append('qemu-storage-daemon was not found (Debian: qemu-system-common)')
    contrib = build / 'tests/bench/contrib-vhost-user-blk'
    if contrib.exists():
        found['contrib vhost-user-blk'] = [contrib, '--socket-path=SOCKET', f'--blk-file={image}']
    else:
        missing.append("QEMU's contrib/vhost-user-blk was not built (its source, libglib2.0-dev)")
    # Ours can poll, the others cannot be told to.
    polling = {n: c + ['--poll-us=100'] if n.startswith('vu-blk') else c for n, c in found.items()}
    return {False: found, True: polling}, missing
