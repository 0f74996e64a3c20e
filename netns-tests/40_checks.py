"""Checks and follow-ups in a live pair: what a plugin says moves the address, and status, explain and history say so in words."""
import json
import os
import re
import signal
import time

import pytest

from lib import proc
from lib.daemons import ROOT, plugin_dir
from lib.proc import wait_until

VIP = "10.77.0.50"
SKEW = 0.0609375  # of db2: 156 / 256 * 100 ms
SLACK = 0.06


class Application:
    """health.py on one host: well until told otherwise."""

    def __init__(self, scene, host, port=8080):
        self.sick_file = os.path.join(scene.lab.directory, "sick-" + host)
        listens = os.path.join(scene.lab.directory, "listens-" + host)
        self.process = proc.start_in(scene.lab.namespace(host), ["/usr/bin/python3", os.path.join(ROOT, "netns-tests", "lib", "health.py"),
                                                              str(port), self.sick_file, listens])
        scene.lab.undo.callback(self.end)
        wait_until(lambda: os.path.exists(listens), 10, "the application of %s listens" % host)

    def sick(self, words="database gone\n"):
        with open(self.sick_file + ".new", "w", encoding="utf-8") as file:
            file.write(words)
        os.rename(self.sick_file + ".new", self.sick_file)

    def well(self):
        if os.path.exists(self.sick_file):
            os.remove(self.sick_file)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(5)


HEALTH = ["[plugin health]", "module = http", "url = http://127.0.0.1:8080/health", "interval = 100ms", "timeout = 80ms"]


def checked_pair(scene, sections=None, lines=("check = health",), **options):
    daemon = {"sections": HEALTH if sections is None else sections, "plugins": plugin_dir()}
    return scene.pair(extra=tuple(lines), daemon=daemon, **options)


def check_of(baton, name="health"):
    return next(one for one in baton.json("status")["checks"] if one["name"] == name)


def test_a_failing_check_takes_a_host_out_and_lets_it_back_and_says_so(scene):
    apps = {host: Application(scene, host) for host in ("db1", "db2")}
    one, other = checked_pair(scene)
    assert check_of(one)["state"] == "pass"
    sick = time.time()
    apps["db1"].sick()
    scene.wait_holder("db2", deadline=3)
    # fall = 3 probes every 100 ms, each at most 80 ms, then the farewell and db2's Skew_Time.
    assert scene.owners.changes(VIP, "db2", sick)[-1][0] - sick < 0.3 + 0.08 + SKEW + 0.1 + SLACK
    assert scene.owners.longest_double(VIP, sick) == 0.0
    status = one.control("status").stdout
    assert re.search(r"a required check fails: health \(.*503.*\)", " ".join(status.split()))
    explained = one.control("explain", "svc").stdout
    assert "a required check fails: health" in " ".join(explained.split())
    assert re.search(r"health \(required\): fail", explained)
    history = [entry["text"] for entry in one.json("history")["entries"]]
    assert any(re.match(r"check health fails: .*503", text) for text in history), history
    assert any(re.match(r"Active -> Backup: a required check fails: health \(.*503.*\)", text) for text in history), history
    assert one.control("status", "--exit-code").returncode == 8
    back = time.time()
    apps["db1"].well()
    scene.wait_holder("db1", deadline=3)
    assert scene.owners.longest_double(VIP, back) < 0.05
    assert any(entry["text"].startswith("check health passes") for entry in one.json("history")["entries"])


def test_both_sick_nobody_holds_the_address(scene):
    apps = {host: Application(scene, host) for host in ("db1", "db2")}
    one, other = checked_pair(scene)
    for app in apps.values():
        app.sick()
    wait_until(lambda: scene.owners.holders(VIP) == [], 3)
    apps["db2"].well()
    scene.wait_holder("db2", deadline=2)
    assert one.instance()["why"].startswith("a required check fails: health")


def test_prefer_moves_the_address_only_over_min_gap(scene):
    apps = {host: Application(scene, host) for host in ("db1", "db2")}
    # Sick: 110 against 100 + 15, a gap of 5 and below min_gap (20); then 110 against 100 + 40.
    one, other = checked_pair(scene, lines=("check = health prefer=15",), options_db1={"priority": 110},
                              options_db2={"extra": ("check = health prefer=15", "startup_delay = 2s")})  # or db2 may be first, and stay
    apps["db1"].sick()
    wait_until(lambda: one.instance()["effective_priority"] == 110, 3)
    scene.sole("db1", seconds=1)
    for baton in (one, other):
        baton.write("baton.conf", baton.compose().replace("prefer=15", "prefer=40"))
        assert baton.control("reload").returncode == 0
    scene.wait_holder("db2", deadline=3)
    assert one.instance()["effective_priority"] == 110 and other.instance()["effective_priority"] == 140


def test_a_gate_keeps_a_host_out_but_takes_nothing_away(scene):
    apps = {host: Application(scene, host) for host in ("db1", "db2")}
    apps["db2"].sick()
    one, other = checked_pair(scene, lines=("check = health gate",))
    scene.faults.unplug("db1")
    wait_until(lambda: not scene.owners.holders(VIP), 3)
    wait_until(lambda: other.instance()["why"].startswith("a gate check does not pass: health"), 3)
    apps["db2"].well()
    scene.wait_holder("db2", deadline=2)
    apps["db2"].sick()
    wait_until(lambda: check_of(other)["state"] == "fail", 3)
    scene.sole("db2", seconds=0.5)


def test_the_engine_dies_and_its_successor_knows_the_checks_at_once(scene):
    for host in ("db1", "db2"):
        Application(scene, host)
    one, _ = checked_pair(scene)
    killed = time.time()
    os.kill(one.process_of("engine"), signal.SIGKILL)
    scene.sole("db1", seconds=2)
    assert scene.owners.changes(VIP, None, killed) == []
    assert scene.capture.adverts("db1", since=killed, priority=0) == []


def test_F83_a_flapping_check_is_held_down(scene):
    flag = os.path.join(scene.lab.directory, "flag")
    sections = ["[plugin switch]", "module = file", "path = " + flag, "state = absent", "interval = 20ms", "timeout = 20ms", "fall = 1"]
    one, _ = checked_pair(scene, sections=sections, lines=("check = switch",))

    def flap():
        proc.touch(flag)
        wait_until(lambda: check_of(one, "switch")["state"] != "pass", 2)
        os.remove(flag)
        wait_until(lambda: check_of(one, "switch")["state"] == "pass" or check_of(one, "switch")["flapping"], 2)

    for _ in range(11):
        flap()
    assert check_of(one, "switch")["flapping"]
    proc.hold(lambda: check_of(one, "switch")["state"] != "pass", 1)
    assert any(entry.get("alarm") == "check_flapping" for entry in one.json("history")["entries"])


def follow_up_sections(scene):
    record = os.path.join(scene.lab.directory, "acts")
    with open(record, "w", encoding="ascii"):
        pass
    os.chmod(record, 0o666)
    script = os.path.join(scene.lab.directory, "act.sh")
    with open(script, "w", encoding="ascii") as file:
        file.write('#!/bin/sh\necho "$BATON_HOST $1 $2 $BATON_INSTANCE" >>%s\n' % record)
    os.chmod(script, 0o755)
    sections = []
    for name in ("first", "second"):
        sections += ["[plugin %s]" % name, "module = exec", "enter_command = %s %s enter" % (script, name),
                     "leave_command = %s %s leave" % (script, name), "deadline = 5s"]
    return sections, record


def lines_of(record, host):
    with open(record, encoding="ascii") as file:
        return [line.split(" ", 1)[1].rstrip("\n") for line in file if line.startswith(host + " ")]


def test_follow_ups_run_in_order_after_the_address_and_are_left_in_reverse(scene):
    sections, record = follow_up_sections(scene)
    one, other = checked_pair(scene, sections=sections, lines=("follow_up = first", "follow_up = second"))
    at_start = ["second leave svc", "first leave svc"]  # a standby is truly standby
    wait_until(lambda: lines_of(record, "db1") == at_start + ["first enter svc", "second enter svc"], 5, "acts of db1")
    assert lines_of(record, "db2") == at_start
    assert one.instance()["follow_up"] == {"state": "entered", "plugins": ["first", "second"], "done": 2, "count": 2}
    assert one.control("drain").returncode == 0
    scene.wait_holder("db2")
    wait_until(lambda: lines_of(record, "db1")[4:] == ["second leave svc", "first leave svc"], 5)
    wait_until(lambda: lines_of(record, "db2")[2:] == ["first enter svc", "second enter svc"], 5)
    assert any(re.match(r"first: enter done in .*", entry["text"]) for entry in one.json("history")["entries"])


def test_stopping_the_daemon_leaves_what_it_entered(scene):
    sections, record = follow_up_sections(scene)
    one, _ = checked_pair(scene, sections=sections, lines=("follow_up = first", "follow_up = second"))
    wait_until(lambda: lines_of(record, "db1")[2:] == ["first enter svc", "second enter svc"], 5)
    assert one.stop(patience=10) == 0
    assert lines_of(record, "db1")[4:] == ["second leave svc", "first leave svc"]


def test_a_failed_act_is_said_and_tried_again_when_it_may_work_later(scene):
    marker = os.path.join(scene.lab.directory, "marker")
    script = os.path.join(scene.lab.directory, "later.sh")
    with open(script, "w", encoding="ascii") as file:
        file.write("#!/bin/sh\n[ -e %s ] && exit 0\necho not yet\nexit 75\n" % marker)
    os.chmod(script, 0o755)
    sections = ["[plugin jobs]", "module = exec", "enter_command = " + script, "deadline = 5s"]
    one, _ = checked_pair(scene, sections=sections, lines=("follow_up = jobs",))
    one.alarmed("follow_up_failed")
    scene.sole("db1", seconds=0.5)
    proc.touch(marker)
    wait_until(lambda: one.instance()["follow_up"]["state"] == "entered", 10)
    assert any(re.match(r"jobs: enter failed \(transient\).*not yet", entry["text"]) for entry in one.json("history")["entries"])


@pytest.mark.limit(90)
def test_plugins_of_authors_run_in_a_live_pair(scene):
    """Built outside of the tree from what Baton installs."""
    from lib import author_plugins
    place = "/var/lib/baton-tests/authors-%d" % os.getpid()
    scene.lab.undo.callback(proc.run, "rm", "-rf", place, check=False)
    built = author_plugins.build_all(os.path.join(ROOT, "build", "release"), place)
    writable = os.path.join(scene.lab.directory, "roles")
    os.mkdir(writable)
    os.chmod(writable, 0o777)  # the action runs as baton-act
    paths = {host: os.path.join(writable, host) for host in ("db1", "db2")}
    sections = ["[plugin disk]", "module = %s" % built["disk_free"], "path = /", "[plugin role]", "module = %s" % built["role_file"]]
    sections += ["path@%s = %s" % entry for entry in paths.items()]
    one, other = checked_pair(scene, sections=sections, lines=("check = disk", "follow_up = role"))
    assert check_of(one, "disk")["state"] == "pass" and check_of(other, "disk")["state"] == "pass"
    wait_until(lambda: os.path.exists(paths["db1"]) and not os.path.exists(paths["db2"]), 5, "the C++ plugin has entered on db1 alone")
    one.control("drain")
    scene.wait_holder("db2")
    wait_until(lambda: os.path.exists(paths["db2"]) and not os.path.exists(paths["db1"]), 5, "the C++ plugin has followed")


def test_batonctl_plugin_test_asks_once_as_the_daemon_would(scene):
    apps = {host: Application(scene, host) for host in ("db1", "db2")}
    one, _ = checked_pair(scene)
    done = one.control("--plugin-dir", plugin_dir(), "plugin", "test", "health", "--config", one.config, "--host", "db1", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    apps["db1"].sick()
    done = one.control("--plugin-dir", plugin_dir(), "plugin", "test", "health", "--config", one.config, "--host", "db1")
    assert done.returncode == 1 and "503" in done.stdout
    assert json.dumps(one.json("status")["checks"])
