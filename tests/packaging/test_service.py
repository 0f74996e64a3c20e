"""baton.service under the real systemd, process 1 of a machine of its own (tests/plugins/systemd_machine.py), with every
limit that it has when it is installed."""
import os
import pathlib
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/plugins"))
import places  # noqa: E402
from systemd_machine import Machine  # noqa: E402

BUILD = places.usable(pathlib.Path(os.environ.get("BATON_BUILD_DIR", ROOT / "build/release")))
CONFIG = """\
[instance web]
interface = eth0
virtual_router_id = 51
priority = 100
address = 10.77.0.50/24
advertisement_interval = 100ms
check = here

[plugin here]
module = exec
command = /bin/true

[peer db1]
address = 10.77.0.1
[peer db2]
address = 10.77.0.2
"""
# CAP_DAC_READ_SEARCH 2, KILL 5, SETGID 6, SETUID 7, NET_ADMIN 12, NET_RAW 13
BOUNDING_SET = "00000000000030e4"


class Host:
    """The machine, its configuration and its one daemon."""

    def __init__(self, machine):
        self.machine = machine
        self.etc = machine.share / "etc"
        self.etc.mkdir()
        text = (ROOT / "packaging/systemd/baton.service.in").read_text(encoding="utf-8")
        for name, path in {"@CMAKE_INSTALL_FULL_SBINDIR@": f"{BUILD}/bin", "@CMAKE_INSTALL_FULL_BINDIR@": f"{BUILD}/bin",
                           "@CMAKE_INSTALL_PREFIX@": str(BUILD), "/etc/baton/": "/run/share/etc/", "--create baton.conf": "--create /run/share/tmpfiles.conf",
                           "file:@CMAKE_INSTALL_FULL_DOCDIR@/README.md": ""}.items():
            text = text.replace(name, path)
        # /var is the host's here, and there is no journal.
        text = text.replace("/lib/baton/plugins\n", "/lib/baton/plugins --state-dir /run/baton-state\nStandardError=append:/run/share/log\n", 1)
        tmpfiles = (ROOT / "packaging/tmpfiles.conf").read_text(encoding="utf-8").replace("/var/lib/baton", "/run/baton-state")
        (machine.share / "tmpfiles.conf").write_text(tmpfiles, encoding="utf-8")
        self.configure("# nothing yet\n")
        machine.run(["hostname", "db1"])
        machine.run(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth1"])
        machine.run(["ip", "address", "add", "10.77.0.1/24", "dev", "eth0"])
        for link in ("eth0", "eth1"):
            machine.run(["ip", "link", "set", link, "up"])
        machine.unit("baton.service", text)

    def configure(self, text):
        (self.etc / "baton.conf").write_text(text, encoding="utf-8")

    def systemctl(self, *words, check=True):
        return self.machine.run(["systemctl", *words], check=check)

    def show(self, name):
        return self.machine.show("baton.service", name)

    def holds(self):
        return "10.77.0.50" in self.machine.run(["ip", "-o", "address", "show", "dev", "eth0"]).stdout

    def status(self):
        return self.machine.run([f"{BUILD}/bin/batonctl", "status"], check=False).stdout

    def log(self):
        path = self.machine.share / "log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def drop_in(self, name, text):
        directory = self.machine.unit_directory / "baton.service.d"
        directory.mkdir(exist_ok=True)
        (directory / name).write_text(text, encoding="utf-8")
        self.systemctl("daemon-reload")

    def processes(self):
        """{name: pid, as the machine counts} of the guardian and its children."""
        script = 'for pid in $(cat /sys/fs/cgroup/system.slice/baton.service/cgroup.procs); do echo $pid $(cat /proc/$pid/comm); done'
        return {name: int(pid) for pid, name in (line.split() for line in self.machine.run(["sh", "-c", script]).stdout.splitlines())}

    def process_status(self, pid):
        text = self.machine.run(["cat", f"/proc/{pid}/status"]).stdout
        return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def within(seconds, condition, what):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def machine():
    one = Machine()
    try:
        yield one.start()
    finally:
        one.stop()


@pytest.fixture(scope="module", name="prepared")
def _prepared(machine):
    return Host(machine)


@pytest.fixture(name="host")
def _host(prepared):
    """Running and Active."""
    prepared.configure(CONFIG)
    prepared.systemctl("start", "baton")
    within(10, prepared.holds, "the address is held\n" + prepared.log())
    yield prepared
    prepared.systemctl("stop", "baton")
    prepared.systemctl("reset-failed", "baton", check=False)


@pytest.mark.parametrize("nothing", ["# nothing yet\n\n", "[daemon]\nlog_level = debug\n", "[peer db1]\naddress = 10.77.0.1\n"])
def test_without_an_instance_nothing_is_started_and_that_is_no_failure(prepared, nothing):
    prepared.configure(nothing)
    assert prepared.systemctl("start", "baton", check=False).returncode == 0
    assert prepared.show("ActiveState") == "inactive"
    assert prepared.systemctl("is-failed", "baton", check=False).stdout.strip() == "inactive"
    assert prepared.log() == ""


def test_an_invalid_configuration_fails_once(prepared):
    prepared.configure("[instance web]\n")
    assert prepared.systemctl("start", "baton", check=False).returncode != 0
    within(3, lambda: prepared.show("ActiveState") == "failed", "failed, and not started again and again")
    assert prepared.show("ExecMainStatus") == "5"
    assert prepared.show("NRestarts") == "0"
    prepared.systemctl("reset-failed", "baton")


def test_it_runs_within_its_limits(host):
    assert host.show("ActiveState") == "active"
    within(3, lambda: host.show("StatusText") == "Active for 1 of 1: web", "systemctl status says it")
    processes = host.processes()
    guardian = host.process_status(host.show("MainPID"))
    assert guardian["CapBnd"] == guardian["CapPrm"] == BOUNDING_SET
    assert len(processes) >= 4
    for name, pid in processes.items():
        status = host.process_status(pid)
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2"), name
    engine = host.process_status(processes["baton-engine"])
    assert engine["CapEff"] == "0000000000003000"


def test_directories_belong_to_those_who_write_there(host):
    stat = ["stat", "-c", "%U:%G %a"]
    assert host.machine.run([*stat, "/run/baton"]).stdout == "baton-engine:root 775\n"
    assert host.machine.run([*stat, "/run/baton-state"]).stdout == "baton-scribe:baton-scribe 750\n"
    assert host.machine.run([*stat, "/run/baton/control.sock"]).stdout == "root:baton-view 666\n"


def test_a_reload_of_a_broken_file_is_refused_before_it_is_signalled(host):
    pid, seen = host.show("MainPID"), len(host.log())
    host.configure(CONFIG.replace("priority = 100", "priority = 1000"))
    assert host.systemctl("reload", "baton", check=False).returncode != 0
    assert "reload" not in host.log()[seen:]
    assert (host.show("MainPID"), host.show("ActiveState")) == (pid, "active")
    assert host.holds()
    host.configure(CONFIG.replace("priority = 100", "priority = 120"))
    host.systemctl("reload", "baton")
    within(5, lambda: "120" in host.status(), "the new priority counts")
    assert host.show("MainPID") == pid


def test_a_stop_leaves_nothing(host):
    host.systemctl("stop", "baton")
    assert not host.holds()
    assert host.show("Result") == "success"


def test_what_a_killed_daemon_leaves_is_removed_and_it_is_started_again(host):
    seen = int(host.show("NRestarts"))
    pid = host.show("MainPID")
    host.systemctl("kill", "--signal=KILL", "--kill-who=all", "baton")
    within(5, lambda: int(host.show("NRestarts")) == seen + 1 and host.show("MainPID") not in (pid, "0"), "started again")
    within(10, host.holds, "it has the address again")


def test_the_last_step_of_the_unit_may_remove_an_address_within_its_limits(prepared):
    prepared.drop_in("stay.conf", "[Service]\nRestart=no\n")
    prepared.configure(CONFIG.replace("check = here\n", "check = here\naddress_lifetime = permanent\n"))
    try:
        prepared.systemctl("start", "baton")
        within(10, prepared.holds, prepared.log())
        prepared.systemctl("kill", "--signal=KILL", "--kill-who=all", "baton")
        within(5, lambda: prepared.show("ActiveState") == "failed", "nothing starts it again")
        assert not prepared.holds(), "by itself it would never go"
    finally:
        (prepared.machine.unit_directory / "baton.service.d/stay.conf").unlink()
        prepared.systemctl("daemon-reload")
        prepared.systemctl("reset-failed", "baton", check=False)


def test_a_hung_guardian_is_ended_by_the_watchdog(host):
    seen = int(host.show("NRestarts"))
    host.systemctl("kill", "--signal=STOP", "--kill-who=main", "baton")
    within(12, lambda: int(host.show("NRestarts")) == seen + 1, "ended after WatchdogSec=5s and started again")
    within(10, host.holds, "it has the address again")
    assert host.show("ActiveState") == "active"


def test_it_is_fed_as_long_as_all_is_well(host):
    """Twice the watchdog's time: an engine that is killed meanwhile is replaced, which is no reason to start all anew."""
    seen = host.show("NRestarts")
    pid = host.show("MainPID")
    end = time.monotonic() + 10.5
    host.machine.run(["kill", "-KILL", host.processes()["baton-engine"]])
    while time.monotonic() < end:
        assert host.show("MainPID") == pid
        time.sleep(0.25)
    assert host.show("NRestarts") == seen
    assert host.holds()


def test_real_time_is_refused_in_words_and_the_drop_in_lifts_the_limits(prepared):
    prepared.configure("[daemon]\nrealtime = yes\nmemory_lock = yes\n" + CONFIG)
    prepared.systemctl("start", "baton")
    within(10, prepared.holds, prepared.log())
    assert prepared.log().count("event=option_refused key=realtime") == 1
    assert prepared.log().count("event=option_refused key=memory_lock") == 1
    assert "sched_setscheduler" in prepared.show("SystemCallFilter")  # a list of what is refused
    prepared.systemctl("stop", "baton")
    prepared.drop_in("realtime.conf", (ROOT / "packaging/systemd/examples/realtime.conf").read_text(encoding="utf-8"))
    try:
        # What systemd is to set: process 1 of a test machine may lack the right to raise a limit itself.
        assert {name: prepared.show(name) for name in ("RestrictRealtime", "LimitRTPRIO", "LimitMEMLOCK", "LimitRTTIME")} == {
            "RestrictRealtime": "no", "LimitRTPRIO": "10", "LimitMEMLOCK": "infinity", "LimitRTTIME": "500000"}
        assert "sched_setscheduler" not in prepared.show("SystemCallFilter")
        prepared.systemctl("start", "baton")
        within(10, prepared.holds, prepared.log())
    finally:
        prepared.systemctl("stop", "baton")
        (prepared.machine.unit_directory / "baton.service.d/realtime.conf").unlink()
        prepared.systemctl("daemon-reload")


def test_a_device_is_there_if_it_is_named(prepared):
    """As the unit names /dev/watchdog, which a machine for tests does not have: another one, in the manual's way."""
    prepared.configure(CONFIG)
    prepared.drop_in("device.conf", "[Service]\nDeviceAllow=/dev/net/tun rw\nBindPaths=-/dev/net/tun\n"
                                    "ExecStartPre=-/bin/sh -c 'ls -d /dev/loop-control; ls -d /dev/net/tun; exec 3<>/dev/net/tun && echo opened'\n"
                                    "StandardOutput=append:/run/share/devices\n")
    try:
        prepared.systemctl("start", "baton")
        assert (prepared.machine.share / "devices").read_text(encoding="utf-8").split() == ["/dev/net/tun", "opened"]
    finally:
        prepared.systemctl("stop", "baton")
        (prepared.machine.unit_directory / "baton.service.d/device.conf").unlink()
        prepared.systemctl("daemon-reload")


def test_the_polkit_rule_allows_batons_targets_and_nothing_else(machine):
    rule = (ROOT / "packaging/polkit/50-baton.rules").read_text(encoding="utf-8")
    assert 'subject.user == "baton-act"' in rule
    machine.run(["mount", "-t", "tmpfs", "-o", "mode=755", "rules", "/etc/polkit-1/rules.d"])
    machine.run(["tee", "/etc/polkit-1/rules.d/50-baton.rules"], input=rule)
    machine.unit("polkit.service", "[Service]\nType=dbus\nBusName=org.freedesktop.PolicyKit1\nExecStart=/usr/lib/polkit-1/polkitd --no-debug\n")
    for name in ("baton-active@.target", "baton-standby@.target"):
        machine.unit(name, (ROOT / "plugins/systemd" / name).read_text(encoding="utf-8"))
    for name in ("other.service", "baton-active.service"):
        machine.unit(name, "[Service]\nExecStart=/bin/sleep infinity\n")
    try:
        machine.run(["systemctl", "start", "polkit"])
        settings = {"unit": "baton-active@pg.target", "standby_unit": "baton-standby@pg.target"}
        assert machine.call("systemd", "enter", settings, user="baton-act").status == "ok"
        assert machine.show("baton-active@pg.target", "ActiveState") == "active"
        assert machine.call("systemd", "leave", settings, user="baton-act").status == "ok"
        assert machine.show("baton-active@pg.target", "ActiveState") == "inactive"
        assert machine.show("baton-standby@pg.target", "ActiveState") == "active"
        for user, unit in (("baton-act", "other.service"), ("baton-act", "baton-active.service"), ("nobody", "baton-active@pg.target")):
            answer = machine.call("systemd", "enter", {"unit": unit}, user=user)
            assert (answer.status, answer.facts["cause"]) == ("config", "denied"), (user, unit)
    finally:
        machine.run(["systemctl", "stop", "polkit"])
        machine.run(["umount", "/etc/polkit-1/rules.d"])
