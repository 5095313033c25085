#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-scmi under a real kernel: its clocks, domains and sensors, as Linux's drivers make use of them.

The guest is a User-mode Linux with all of SCMI's drivers, which finds the platform by a device tree.
What no driver of it does (resets, trip points) is said by raw messages, through the same transport.
"""

import os
import re
import struct

from lib import Control, VhostUser, main

DEVICE_TREE = """/dts-v1/;
/ {
    #address-cells = <2>;
    #size-cells = <2>;
    firmware {
        scmi {
            compatible = "arm,scmi-virtio";
            #address-cells = <1>;
            #size-cells = <0>;
            protocol@11 { reg = <0x11>; #power-domain-cells = <1>; };
            protocol@13 { reg = <0x13>; #power-domain-cells = <1>; };
            clock: protocol@14 { reg = <0x14>; #clock-cells = <1>; };
            protocol@15 { reg = <0x15>; };
            protocol@16 { reg = <0x16>; #reset-cells = <1>; };
        };
    };
    pwm {
        compatible = "clk-pwm";
        #pwm-cells = <2>;
        clocks = <&clock 1>;
    };
};
"""

PLATFORM = """\
vendor Acme Board
clock 0 uart rates 24000000,48000000 rate 48000000 on
clock 1 a-pwm-with-a-long-name range 1000000 10000000 1000000 async 5
power 0 gpu
power 1 video on
perf 0 cpu levels 500:200:50,1000:600:50,1500:900:50 sustained 1000 1000000
sensor 0 cpu-temp type celsius scale -3 value 42000 trips 2
sensor 1 supply type volts scale -6 value 3300000 async 5
sensor 2 accel type m/s2 scale -6 axes accel_X,accel_Y,accel_Z value 1000,-2000,9806650 \
intervals 20,100 timestamps range -20000000 20000000
reset 0 usb
reset 1 a-reset-with-a-long-name latency 250
"""

SENSOR, RESET, NOTIFICATION = 0x15, 0x16, 3
RAW = "/sys/kernel/debug/scmi/0/raw"
HWMON = "/sys/class/hwmon/hwmon0"
IIO = "/sys/bus/iio/devices/iio:device0"


def raw(guest, protocol, message, *words):
    """Sends a message; the words of its answer, behind the status."""
    data = struct.pack(f"<{1 + len(words)}I", message | protocol << 10, *words)
    text = "".join(f"\\x{byte:02x}" for byte in data)
    answer = guest.run(f"exec 3<>{RAW}/message; printf '{text}' >&3; "
                       "dd bs=256 count=1 2>/dev/null <&3").output
    _, status, *words = struct.unpack(f"<Ii{len(answer) // 4 - 2}I", answer)
    assert status == 0, f"message {message} of protocol {protocol:#x} is answered {status}"
    return words


def clocks(guest):
    """name: rate, as the clock framework sees them."""
    lines = guest.run("cd /sys/kernel/debug/clk && for c in */clk_rate; do "
                      "echo ${c%/*} $(cat $c); done").text
    return {name: int(rate) for name, rate in (line.split() for line in lines.splitlines())}


def boot(t, scmi):
    return t.uml(VhostUser("scmi", scmi), linux=t.built_uml, dts=DEVICE_TREE)


def clocks_and_domains(t, guest, control):
    with t.check("guest_knows_whose_platform_it_is"):
        guest.run("dmesg | grep -F \"SCMI Protocol v2.0 'Acme:Board' Firmware version 0x1\"")
    with t.check("guest_lists_the_clocks_with_their_rates"):
        found = clocks(guest)
        wanted = {"uart": 48000000, "a-pwm-with-a-long-name": 1000000}
        assert found == wanted, f"the clocks are {found}"
    with t.check("a_clock_is_on_if_a_driver_has_it_and_off_if_none"):
        listed = control.say("list")
        assert "clock 0 uart rate 48000000 off" in listed, listed
        assert "clock 1 a-pwm-with-a-long-name rate 1000000 on" in listed, listed
    with t.check("a_driver_sets_a_rate_asynchronously"):
        guest.run("cd /sys/class/pwm/pwmchip0 && echo 0 >export && cd pwm0 && "
                  "echo 200 >period && echo 100 >duty_cycle && echo 1 >enable")
        control.hear("clock 1 rate 5000000")
        assert clocks(guest)["a-pwm-with-a-long-name"] == 5000000
    with t.check("guest_lists_power_and_performance_domains"):
        summary = guest.run("cat /sys/kernel/debug/pm_genpd/pm_genpd_summary").text
        states = dict(re.findall(r"^(\w+) +(on|off)", summary, re.M))
        assert states.keys() == {"gpu", "video", "cpu_0"}, summary
        assert states["gpu"] == "off", summary
    with t.check("guest_switches_off_a_power_domain_that_nobody_uses"):
        listed = control.say("list")
        assert "power 1 video off" in listed, listed


def sensors(t, guest, control):
    with t.check("hwmon_reads_a_sensor_and_its_name"):
        found = guest.run(f"cat {HWMON}/name {HWMON}/temp1_label {HWMON}/temp1_input").text
        assert found.split() == ["scmi_sensors", "cpu-temp", "42000"], found
        control.say("sensor 0 43500")
        assert guest.run(f"cat {HWMON}/temp1_input").text == "43500"
    with t.check("hwmon_reads_a_sensor_that_answers_later"):
        assert guest.run(f"cat {HWMON}/in0_input").text == "3300"
    with t.check("iio_reads_the_axes_of_a_sensor"):
        found = guest.run(f"cd {IIO} && cat name in_accel_[xyz]_raw in_accel_x_scale "
                          "in_accel_raw_available").text.splitlines()
        assert found == ["accel", "1000", "-2000", "9806650", "0.000001000",
                         "[-20000000 1 20000000]"], found
    with t.check("iio_gets_updates_at_the_frequency_that_it_chose"):
        guest.run(f"cd {IIO} && echo 10 >in_accel_sampling_frequency && "
                  "grep -q ^10.0 in_accel_sampling_frequency && echo 50 >in_accel_sampling_frequency")
        data = guest.run(f"cd {IIO} && for e in x y z; do echo 1 >scan_elements/in_accel_${{e}}_en; "
                         "done; echo 1 >scan_elements/in_timestamp_en; echo 1 >buffer/enable; "
                         "for n in 1 2 3; do dd bs=32 count=1 2>/dev/null; done "
                         "</dev/iio:device0; echo 0 >buffer/enable").output
        samples = [struct.unpack_from("<4q", data, at) for at in range(0, len(data), 32)]
        assert len(samples) == 3 and {s[:3] for s in samples} == {(1000, -2000, 9806650)}, samples
        assert samples[0][3] < samples[1][3] < samples[2][3], samples


def resets_and_trip_points(t, guest, control):
    with t.check("resets_are_listed_with_their_names"):
        assert raw(guest, RESET, 1) == [2]
        words = raw(guest, RESET, 6, 1)
        name = struct.pack("<16I", *words[1:]).rstrip(b"\0")
        assert name == b"a-reset-with-a-long-name", name
        assert raw(guest, RESET, 3, 1)[1] == 250
    with t.check("a_reset_of_the_guest_is_heard"):
        raw(guest, RESET, 4, 0, 1, 0)
        control.hear("reset 0 done")
    with t.check("a_trip_point_notifies_the_guest"):
        raw(guest, SENSOR, 5, 0, 1 << 4 | 1, 60000, 0)
        raw(guest, SENSOR, 4, 0, 1)
        control.say("sensor 0 61000")
        wanted = struct.pack("<4I", SENSOR << 10 | NOTIFICATION << 8, 0, 0, 1 | 1 << 16)
        got = None
        while got != wanted:  # updates of before are there, too
            got = guest.run(f"dd if={RAW}/notification bs=256 count=1 2>/dev/null").output


def test_built_uml(t):
    with open(t.path("board"), "w", encoding="utf-8") as file:
        file.write(PLATFORM)
    with t.backend("vu-scmi", f"--platform={t.path('board')}",
                   f"--control={t.path('control')}") as scmi, \
         Control(t.path("control")) as control:
        with boot(t, scmi) as guest:
            guest.run("mount -t debugfs none /sys/kernel/debug")
            clocks_and_domains(t, guest, control)
            sensors(t, guest, control)
            resets_and_trip_points(t, guest, control)
            guest.kill()  # Linux 7.2 hangs in its own reboot when SCMI has a clock that is in use
        with t.check("the_next_guest_finds_the_platform_as_it_was"), boot(t, scmi) as guest:
            guest.run("mount -t debugfs none /sys/kernel/debug")
            assert guest.run(f"cat {HWMON}/temp1_input").text == "61000"
            assert clocks(guest)["a-pwm-with-a-long-name"] == 5000000


def put(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def test_sensors_of_the_host(t):
    """A made-up sysfs in place of the host's."""
    chip, imu = t.path("sys/class/hwmon/hwmon3"), t.path("sys/bus/iio/devices/iio:device0")
    for name, text in {"name": "k10temp", "temp1_input": "51250", "temp1_label": "Tctl",
                       "power1_input": "15000000"}.items():
        put(f"{chip}/{name}", f"{text}\n")
    for name, text in {"name": "lsm6ds3", "in_anglvel_x_raw": "100", "in_anglvel_y_raw": "-100",
                       "in_anglvel_z_raw": "0", "in_anglvel_scale": "0.000153"}.items():
        put(f"{imu}/{name}", f"{text}\n")
    with t.backend("vu-scmi", f"--sysfs={t.path('sys')}", "--hwmon=k10temp", "--iio=all") as scmi, \
         boot(t, scmi) as guest:
        with t.check("hwmon_sensors_of_the_host_are_those_of_the_guest"):
            found = guest.run(f"cd {HWMON} && cat temp1_label temp1_input power1_input").text
            assert found.split() == ["k10temp-Tctl", "51250", "15000000"], found
            put(f"{chip}/temp1_input", "60000\n")
            assert guest.run(f"cat {HWMON}/temp1_input").text == "60000"
        with t.check("iio_devices_of_the_host_are_those_of_the_guest"):
            found = guest.run(f"cd {IIO} && cat in_anglvel_[xyz]_raw in_anglvel_x_scale").text
            assert found.split() == ["15300", "-15300", "0", "0.000001000"], found


if __name__ == "__main__":
    main()
