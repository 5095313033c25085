#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Write the units of a device for systemd: units.py NAME BINDIR SERVICE SOCKET

A device is an instance: vu-blk@guest1.socket makes /run/vu/blk-guest1.sock, and starts vu-blk@guest1.service when
the guest's monitor connects.  Options of an instance are in /etc/libvu/blk-guest1.conf: ARGS=...
"""
import pathlib
import sys

LANDLOCK = 'landlock_create_ruleset landlock_add_rule landlock_restrict_self'

# Every device: nothing of the host but its socket.  What one needs beyond that is in its row below.
COMMON = {
    'DynamicUser': 'yes',
    'User': 'vu-{name}-%i',  # without, all instances of a device are one user
    'UMask': '0077',
    'CapabilityBoundingSet': '',
    'NoNewPrivileges': 'yes',
    'PrivateTmp': 'yes',
    'PrivateDevices': 'yes',
    'PrivateNetwork': 'yes',
    'PrivateUsers': 'yes',
    'ProtectSystem': 'strict',
    'ProtectHome': 'yes',
    'ProtectProc': 'invisible',
    'ProtectClock': 'yes',
    'ProtectHostname': 'yes',
    'ProtectControlGroups': 'yes',
    'ProtectKernelLogs': 'yes',
    'ProtectKernelModules': 'yes',
    'ProtectKernelTunables': 'yes',
    'LockPersonality': 'yes',
    'MemoryDenyWriteExecute': 'yes',
    'RestrictAddressFamilies': 'AF_UNIX',
    'RestrictNamespaces': 'yes',
    'RestrictRealtime': 'yes',
    'RestrictSUIDSGID': 'yes',
    'SystemCallArchitectures': 'native',
    'SystemCallErrorNumber': 'EPERM',
    'SystemCallFilter': f'@system-service {LANDLOCK} ~@privileged',
}

# A folder for each, as systemd gives it to the user of whoever was started last.
FILES = {'StateDirectory': 'vu/{name}-%i', 'StateDirectoryMode': '0700', 'WorkingDirectory': '%S/vu/{name}-%i'}
STORAGE = FILES | {'PrivateDevices': 'no', 'PrivateUsers': 'no', 'DeviceAllow': 'block-* rw'}
HARDWARE = {'PrivateDevices': 'no', 'PrivateUsers': 'no'}
# It acts for the users of a share, who own what is in it.
SHARE = {
    'DynamicUser': 'no', 'User': 'root', 'PrivateUsers': 'no', 'PrivateTmp': 'no', 'ProtectHome': 'no', 'ProtectSystem': 'no',
    'CapabilityBoundingSet': 'CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_MKNOD '
                             'CAP_SETFCAP CAP_SETGID CAP_SETUID CAP_SYS_CHROOT',
    'RestrictSUIDSGID': 'no', 'UMask': '0022', 'FileDescriptorStoreMax': '1', 'PrivateDevices': 'no', 'DevicePolicy': 'closed',
    # No group that is here has the calls by which it finds inodes again.
    'SystemCallFilter': f'@system-service @mount mknod mknodat chroot name_to_handle_at open_by_handle_at {LANDLOCK}'}

# What a user calls it, and what differs from COMMON.
DEVICES = {
    'blk': ('disk', STORAGE),
    # With socketcan:NAME, the interface is the host's.
    'can': ('CAN controller', {'PrivateNetwork': 'no', 'RestrictAddressFamilies': 'AF_UNIX AF_CAN'}),
    'console': ('console', FILES),
    'fs': ('shared directory', SHARE),
    'gpio': ('GPIO controller', HARDWARE | {'DeviceAllow': 'char-gpiochip rw'}),
    # Its renderer has threads before it shuts itself in, and compiles shaders.
    'gpu': ('graphics card', FILES | {'MemoryDenyWriteExecute': 'no',
                                      'SystemCallFilter': f'@system-service seccomp {LANDLOCK} ~@privileged'}),
    'i2c': ('I2C adapter', HARDWARE | {'DeviceAllow': 'char-i2c rw'}),
    'input': ('input device', HARDWARE | {'DeviceAllow': 'char-input rw', 'SupplementaryGroups': 'input'}),
    # With tap:NAME, the tap is made for the instance's user before; /dev/net/tun is among what may be opened.
    'net': ('network card', FILES | {'PrivateNetwork': 'no', 'PrivateDevices': 'no', 'PrivateUsers': 'no',
                                     'DeviceAllow': '/dev/net/tun rw'}),
    'rng': ('entropy device', {}),
    'rtc': ('clocks', {}),
    'scmi': ('SCMI platform', {}),
    'scsi': ('SCSI host', STORAGE),
    'snd': ('sound card', FILES | HARDWARE | {'DeviceAllow': 'char-alsa rw', 'SupplementaryGroups': 'audio'}),
    'spi': ('SPI controller', FILES | HARDWARE | {'DeviceAllow': 'char-spi rw'}),
    'vsock': ('socket device', {'PrivateNetwork': 'no',
                                'RestrictAddressFamilies': 'AF_UNIX AF_INET AF_INET6 AF_VSOCK'}),
}
NEED_OPTIONS = ('blk', 'fs', 'scsi')  # these do not start without


def directives(settings):
    for name, value in settings.items():
        # A second line takes away some of what the first one allows.
        allowed, _, refused = value.partition(' ~')
        yield f'{name}={allowed}'
        if refused:
            yield f'{name}=~{refused}'


def service(name, what, own, bindir):
    optional = '' if name in NEED_OPTIONS else '-'
    return '\n'.join([
        f'# Started by vu-{name}@.socket when a monitor connects; the socket comes as LISTEN_FDS.',
        '[Unit]', f'Description=vhost-user {what} for %i', f'Documentation=man:vu-{name}(1) man:libvu-programs(7)',
        f'Requires=vu-{name}@%i.socket', f'After=vu-{name}@%i.socket', '',
        '[Service]', 'Type=notify', f'EnvironmentFile={optional}/etc/libvu/{name}-%i.conf',
        f'ExecStart={bindir}/vu-{name} $ARGS', 'ExecReload=/bin/kill -HUP $MAINPID', 'Restart=on-failure', '',
        *(line.replace('{name}', name) for line in directives(COMMON | own))]) + '\n'


def socket(name, what):
    return '\n'.join([
        f'# systemctl enable --now vu-{name}@guest1.socket: the monitor connects to /run/vu/{name}-guest1.sock',
        '[Unit]', f'Description=Socket of the vhost-user {what} for %i', f'Documentation=man:vu-{name}(1)', '',
        '[Socket]', f'ListenStream=/run/vu/{name}-%i.sock', 'SocketMode=0660', 'SocketGroup=kvm', 'RemoveOnStop=yes',
        '', '[Install]', 'WantedBy=sockets.target']) + '\n'


def main(name, bindir, service_path, socket_path):
    what, own = DEVICES[name]
    pathlib.Path(service_path).write_text(service(name, what, own, bindir))
    pathlib.Path(socket_path).write_text(socket(name, what))


if __name__ == '__main__':
    main(*sys.argv[1:])
