"""What an operator does: switchover, freeze, drain, reload; and what the daemon tells (design section 9)."""
import json
import os
import subprocess
import time

from lib.daemons import BATON_BIN, BATON_BUILD, Service
from lib.proc import run, wait_until

VIP = "10.77.0.50"


def ok(done):
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
    return done


def test_status_leads_with_the_answer_and_why(scene):
    one, other = scene.pair()
    text = ok(one.control("status")).stdout
    assert "svc" in text and VIP in text and "active" in text.lower()
    there = other.instance()
    assert there["role"] == "backup" and there["active"]["host"] == "db1" and there["why"]
    assert one.instance()["reason"] in ("active_down_expired", "preempt_lower")
    assert not any(value == "unknown" for value in (there["reason"], one.instance()["reason"]))


def test_what_the_unit_starts_is_installed(tmp_path):
    build = BATON_BUILD
    run("env", "DESTDIR=%s" % tmp_path, "cmake", "--install", build)
    with open(tmp_path / "usr/local/lib/systemd/system/baton.service", encoding="utf-8") as file:
        started = [line.split("=", 1)[1].lstrip("-+").split()[0] for line in file if line.startswith("Exec")]
    assert {os.path.basename(program) for program in started} == {"batond", "batonctl", "grep", "kill", "systemd-tmpfiles"}
    for program in started:
        assert os.access(str(tmp_path) + program if "baton" in program else program, os.X_OK), program
    run(str(tmp_path) + "/usr/local/bin/batonctl", "check", str(tmp_path) + "/etc/baton/baton.conf", "--host", "db1")


def test_explain_compares_the_numbers(scene):
    _, other = scene.pair()
    text = ok(other.control("explain", "svc")).stdout
    assert "200" in text and "100" in text, text
    assert ok(other.control("explain", "--json")).stdout.strip().startswith("{")


def test_switchover_moves_the_address_and_stays_yielded_until_the_other_is_lost(scene):
    one, other = scene.pair()
    dry = ok(one.control("switchover", "--dry-run"))
    scene.sole("db1", seconds=0.5)
    assert dry.stdout
    asked = time.time()
    ok(one.control("switchover"))
    scene.wait_holder("db2", deadline=2)
    assert len(scene.capture.adverts("db1", since=asked, priority=0)) == 1
    assert scene.owners.longest_double(VIP, asked) == 0.0
    scene.sole("db2", seconds=1.0)  # preempt is on and db1 has the higher priority: it stays yielded all the same
    assert one.instance()["reason"] == "switchover"
    other.kill()
    scene.lab.ip("db2", "addr", "flush", "dev", "eth0", "to", VIP + "/32", check=False)
    wait_until(lambda: "db1" in scene.owners.holders(VIP), 3, "the other is lost: it takes over")


def test_switchover_of_a_backup_is_refused(scene):
    _, other = scene.pair()
    done = other.control("switchover")
    assert done.returncode == 6, (done.returncode, done.stdout, done.stderr)


def test_drain_survives_a_restart_and_undrain_ends_it(scene):
    one, _ = scene.pair()
    ok(one.control("drain"))
    scene.wait_holder("db2", deadline=3)
    one.stop()
    one.start().wait_ready()
    scene.sole("db2", seconds=1.0)
    assert one.json("status")["drained"] is True
    ok(one.control("undrain"))
    scene.wait_holder("db1", deadline=3)


def test_freeze_takes_and_gives_nothing_and_ends_by_time(scene):
    one, other = scene.pair()
    ok(other.control("freeze", "--for", "3s"))
    frozen = time.time()
    scene.faults.unplug("db1")
    time.sleep(1.5)
    assert scene.owners.holders(VIP) == [], "a frozen host takes nothing"
    scene.wait_holder("db2", deadline=4)
    assert time.time() - frozen > 2.9
    ok(other.control("freeze", "--for", "1h"))
    ok(other.control("thaw"))
    scene.faults.plug("db1")
    scene.wait_holder("db1", deadline=4)
    assert one.instance()["role"] == "active"


def test_a_freeze_survives_a_restart_and_thaw_ends_it(scene):
    _, other = scene.pair()
    ok(other.control("freeze", "--for", "1h"))
    other.stop()
    other.start().wait_ready()
    status = other.json("status")
    assert status["frozen"] is True and 3_500_000 < status["frozen_for_ms"] < 3_600_000, status["frozen_for_ms"]
    scene.faults.unplug("db1")
    time.sleep(1.5)
    assert scene.owners.holders(VIP) == [], "a frozen host takes nothing"
    ok(other.control("thaw"))
    scene.wait_holder("db2", deadline=2)
    other.stop()
    other.start().wait_ready()
    scene.wait_holder("db2", deadline=3)


def test_an_active_that_was_stopped_is_not_named_where_nobody_may_take_over(scene):
    one, other = scene.pair()
    ok(other.control("drain"))
    assert other.instance()["active"]["host"] == "db1"
    one.stop()
    wait_until(lambda: other.instance()["active"] is None, 0.5, "it has said that it is not Active any more")


def test_what_has_the_role_already_is_not_moved(scene):
    one, other = scene.pair()
    began = time.time()
    for baton in (one, other):
        assert ok(baton.control("switchover", "--to", "db1")).stdout == "db1 already is Active for svc; nothing to do\n"
    scene.sole("db1", seconds=0.5)
    assert not scene.owners.changes(VIP, since=began)


def test_a_frozen_active_stays_active(scene):
    one, _ = scene.pair()
    ok(one.control("freeze", "--for", "2s"))
    scene.sole("db1", seconds=2.5)
    assert one.instance()["role"] == "active"


def test_I9_reload_of_the_same_file_changes_nothing(scene):
    one, _ = scene.pair()
    began = time.time()
    before = one.instance()
    ok(one.control("reload"))
    one.hang_up()
    time.sleep(1.0)
    assert one.instance()["transitions"] == before["transitions"]
    frames = scene.capture.adverts("db1", since=began)
    assert max(after.at - earlier.at for earlier, after in zip(frames, frames[1:])) < 0.13
    assert not scene.owners.changes(VIP, since=began)


def test_F85_reload_of_a_bad_file_changes_nothing_and_lists_every_error(scene):
    one, _ = scene.pair()
    began, before = time.time(), one.json("status")["config_hash"]
    one.write("baton.conf", one.compose() + "\n[instance other]\ninterfce = eth0\npriority = 300\n")
    done = one.control("reload")
    assert done.returncode == 5
    said = done.stdout + done.stderr
    assert "interfce" in said and "300" in said and "baton.conf:" in said, said
    scene.sole("db1", seconds=0.5)
    assert one.json("status")["config_hash"] == before
    assert not scene.owners.changes(VIP, since=began)
    checked = one.control("check", "--host", "db1", one.config)
    assert checked.returncode == 5 and "interfce" in checked.stdout + checked.stderr


def test_reload_adds_an_address_with_one_announcement_for_it_alone(scene):
    """V-04, N-05."""
    one, other = scene.pair(extra=("announce_refresh = 0",))
    time.sleep(0.3)
    began = time.time()
    for baton in (one, other):
        baton.services[0].vips = ("10.77.0.50/24", "10.77.0.51/24")
        baton.configure()
        ok(baton.control("reload"))
    scene.wait_holder("db1", "10.77.0.51", 2)
    wait_until(lambda: scene.capture.announcements("10.77.0.51", "db1", since=began), 2)
    assert not scene.capture.announcements("10.77.0.50", "db1", since=began)
    assert not scene.owners.changes("10.77.0.50", since=began)


def test_reload_removes_an_address_and_an_instance(scene):
    services = (Service(priority=200), Service(name="two", vrid=11, priority=200, vips=("10.77.0.60/24", "10.77.0.61/24")))
    one = scene.start("baton", "db1", *services)
    scene.wait_holder("db1", "10.77.0.61")
    scene.wait_holder("db1", VIP)
    began = time.time()
    one.services[1].vips = ("10.77.0.60/24",)
    one.configure()
    ok(one.control("reload"))
    wait_until(lambda: not scene.owners.holders("10.77.0.61"), 2)
    del one.services[1]
    one.configure()
    ok(one.control("reload"))
    wait_until(lambda: not scene.owners.holders("10.77.0.60"), 2)
    assert [frame.vrid for frame in scene.capture.adverts("db1", since=began, priority=0)] == [11]
    assert not scene.owners.changes(VIP, since=began)


def test_S13_a_priority_raised_by_reload_takes_over_without_an_initialize(scene):
    _, other = scene.pair()
    raised = time.time()
    other.services[0].priority = 250
    other.configure()
    ok(other.control("reload"))
    scene.wait_holder("db2", deadline=2)
    assert scene.owners.longest_none(VIP, raised) < 0.05
    assert other.instance()["effective_priority"] == 250


def test_history_has_each_transition_with_its_reason(scene):
    one, other = scene.pair()
    scene.faults.unplug("db1")
    scene.wait_holder("db2", deadline=2)
    scene.faults.plug("db1")
    scene.wait_holder("db1", deadline=5)
    wait_until(lambda: len([entry for entry in other.json("history")["entries"] if entry["event"] == "transition"]) >= 3, 3)
    entries = [entry for entry in other.json("history")["entries"] if entry["event"] == "transition"]
    assert [(entry["to"], entry["reason"]) for entry in entries[-2:]] == [("active", "active_down_expired"), ("backup", "higher_priority")]
    assert other.transitions() == len(entries), "I12: history and status agree on the count"
    lost = [entry for entry in one.json("history")["entries"] if entry.get("reason") == "interface_down"]
    assert lost


def test_events_are_followed_as_they_happen(scene):
    one, _ = scene.pair()
    follower = subprocess.Popen(["ip", "netns", "exec", scene.lab.namespace("db1"), os.path.join(BATON_BIN, "batonctl"), "--runtime-dir", one.runtime,
                                 "events", "-f", "--json"], stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(0.5)
        ok(one.control("switchover"))
        line = follower.stdout.readline()
        while line and "switchover" not in line:
            line = follower.stdout.readline()
        assert json.loads(line)
    finally:
        follower.kill()
        follower.wait()
        follower.stdout.close()


def test_who_may_read_and_who_may_change(scene):
    """SO_PEERCRED and SO_PEERGROUPS: baton-view reads, baton-admin and root change, others nothing (exit 4)."""
    one = scene.start("baton", "db1", Service()).wait_ready()
    binary = os.path.join(scene.lab.directory, "batonctl")
    run("install", "-m", "755", os.path.join(BATON_BIN, "batonctl"), binary)

    def as_group(group, *argv):
        words = ["setpriv", "--reuid=nobody", "--regid=nogroup"] + (["--groups=" + group] if group else ["--clear-groups"])
        return scene.lab.run("db1", *words, binary, "--runtime-dir", one.runtime, *argv, check=False).returncode

    assert as_group("baton-view", "status") == 0
    assert as_group("baton-view", "drain") == 4
    assert as_group("baton-admin", "freeze", "--for", "1s") == 0
    assert as_group("", "status") == 4
    assert as_group("", "drain") == 4


def test_exit_codes_without_a_daemon_and_with_nonsense(scene):
    one = scene.daemon("baton", "db1", Service())
    assert one.control("status").returncode == 3
    assert one.control("no-such-verb").returncode == 2


def test_counters_have_rfc_8347_names_and_count(scene):
    one, other = scene.pair()
    time.sleep(0.5)
    sent, received = one.statistics()["advertisement-sent"], other.statistics()["advertisement-rcvd"]
    on_wire = len(scene.capture.adverts("db1"))
    assert abs(on_wire - sent) <= 3 and abs(on_wire - received) <= 5
    one.stop()
    scene.wait_holder("db2")
    assert other.statistics()["priority-zero-pkts-rcvd"] == 1
    assert other.instance()["virtual-routers"][0]["new-master-reason"] in ("priority", "no-response")
    assert other.instance()["virtual-routers"][0]["state"] == "master"
