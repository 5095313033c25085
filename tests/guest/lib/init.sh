#!/bin/sh
# SPDX-License-Identifier: MIT
# Process 1 of every test guest.  It mounts the usual, inserts the modules, and then does what the
# harness asks on a serial line of its own: kernel messages go elsewhere and never mix in.
#   run TOKEN BASE64    runs the script; its output, then "@exit TOKEN STATUS" on a line
# Or, with vu.shell=TTY on the kernel's command line, it has a shell there for whoever sits before it.
# With vu.root=DISK it goes on there, which has the same, once its modules are inserted.  A disk that
# has systemd gets that as process 1; what the harness asks for is then done beside it.
export PATH=/host:/bin:/sbin:/usr/bin:/usr/sbin HOME=/root
/bin/busybox mkdir -p /sbin /usr/bin /usr/sbin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
mount -t tmpfs tmp /tmp
agent=/dev/ttyS1
for word in $(cat /proc/cmdline); do
	case $word in
	vu.agent=*) agent=/dev/${word#vu.agent=} ;;
	vu.shell=*) shell=/dev/${word#vu.shell=} ;;
	vu.root=*) root=/dev/${word#vu.root=} ;;
	esac
done
while read -r module; do
	insmod "/modules/$module.ko" || echo "init: cannot insert $module" >/dev/console
done </modules/list
if [ -n "$root" ] && [ ! -e /root-disk ]; then
	until [ -b "$root" ]; do usleep 10000; done
	mount "$root" /mnt
	exec switch_root /mnt /init
fi
for program in /host/*; do
	[ -e "$program" ] && echo "alias ${program##*/}=$program"
done >/tmp/aliases
if [ -n "$shell" ]; then
	[ ! -e /greeting ] || cat /greeting >"$shell"
	ENV=/tmp/aliases PS1='guest# ' setsid -c sh <"$shell" >"$shell" 2>&1
	poweroff -f
fi
serve() {
	stty raw -echo
	echo "@ready $(uname -r)"
	while read -r verb token script; do
		[ "$verb" = run ] || continue
		printf %s "$script" | base64 -d >/tmp/script
		sh -c '. /tmp/aliases; . /tmp/script'
		printf '\n@exit %s %d\n' "$token" $?
	done
}
if [ -x /lib/systemd/systemd ]; then
	serve <"$agent" >"$agent" 2>&1 &
	exec /lib/systemd/systemd
fi
# Not in process 1: there a read that was interrupted by the end of an orphan (what a script left in
# the background) would forget the part of the line that it had.
(serve) <"$agent" >"$agent" 2>&1
# the harness is gone
poweroff -f
