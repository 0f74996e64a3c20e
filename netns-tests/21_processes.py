"""The daemon's own death and stalls: guardian, engine, steward, scribe; adoption, lifetimes, rights (design section 2)."""
import os
import re
import signal
import time

import pytest

from lib import proc
from lib.daemons import BATON_BIN, ROOT, Service
from lib.proc import wait_until

VIP = "10.77.0.50"
PROTO = 0x62


def longest_gap(scene, host, since):
    frames = scene.capture.adverts(host, since=since)
    return max(after.at - before.at for before, after in zip(frames, frames[1:]))


def kill_engine(baton):
    pid = wait_until(lambda: baton.process_of("engine"), 3, "an engine runs")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: baton.process_of("engine") not in (None, pid), 3, "a new engine")


def test_F58_killing_the_engine_causes_no_transition_at_the_neighbour(scene):
    one, other = scene.pair()
    pinger = scene.ping(VIP)
    began = time.time() - 0.3
    kill_engine(one)
    scene.sole("db1", seconds=1.5)
    scene.silent("db2", since=began)
    assert longest_gap(scene, "db1", began) < 0.3, "Active_Down_Interval of db2 is 361 ms"
    assert pinger.longest_gap(began + 0.3) < 0.1
    assert not scene.capture.adverts("db1", since=began, priority=0), "I4: no farewell after SIGKILL"
    one.wait_ready()
    assert one.instance()["role"] == "active"
    assert one.json("status")["engine_deaths"] == 1
    assert any(entry.get("reason") == "adopted" for entry in one.json("history")["entries"] + one.events())
    assert other.transitions() == other.instance()["transitions"]


def test_F58_killing_the_engine_of_a_backup_changes_nothing(scene):
    _, other = scene.pair()
    began = time.time()
    kill_engine(other)
    scene.sole("db1", seconds=1.0)
    scene.silent("db2", since=began)
    scene.faults.unplug("db1")
    scene.wait_holder("db2", deadline=2)


def test_a_hanging_engine_is_replaced_without_a_transition(scene):
    one, _ = scene.pair(options_db2={"priority": 1})  # db2 waits 399 ms; the guardian acts after half of it
    began = time.time() - 0.3
    hung = one.process_of("engine")
    os.kill(hung, signal.SIGSTOP)
    wait_until(lambda: one.process_of("engine") not in (None, hung), 3, "the guardian replaces it")
    scene.sole("db1", seconds=1.0)
    scene.silent("db2", since=began)


def test_a_second_death_within_ten_seconds_steps_down_and_listens(scene):
    one, _ = scene.pair()
    kill_engine(one)
    wait_until(lambda: one.instance()["role"] == "active", 5)
    time.sleep(0.3)
    second = time.time()
    kill_engine(one)
    time.sleep(0.05)
    started = wait_until(lambda: [frame for frame in scene.capture.adverts("db1", since=second + 0.1)], 5)[0]
    # It listened for a whole Active_Down_Interval (priority 200: 322 ms) or heard db2 and preempted after it.
    assert started.at - second > 0.3
    scene.wait_holder("db1", deadline=5)


@pytest.mark.limit(90)
def test_three_deaths_in_a_minute_end_in_a_loud_stop(scene):
    one, _ = scene.pair()
    for _ in range(2):
        kill_engine(one)
        time.sleep(1.5)
    wait_until(lambda: scene.owners.holders(VIP) == ["db1"], 5)
    before = time.time()
    os.kill(one.process_of("engine"), signal.SIGKILL)
    scene.wait_holder("db2", deadline=3)
    assert scene.capture.adverts("db1", since=before, priority=0), "the guardian sends the farewell"
    assert len(scene.capture.adverts("db1", since=before, priority=0)) == 1
    scene.sole("db2", seconds=2.0)
    assert one.process_of("engine") is None
    assert one.json("status")["engine"] == "given_up"
    assert "three times in a minute" in one.log() or "too_many_deaths" in one.log(), one.log()[-800:]


def test_F58_after_sigkill_of_everything_the_address_goes_by_its_lifetime(scene):
    one, _ = scene.pair()
    killed = time.time()
    one.kill()
    wait_until(lambda: scene.owners.holders(VIP) == ["db2"], 5, "the kernel removes the address of the dead")
    assert scene.owners.changes(VIP, "db1", killed)[0][0] - killed < 3.5
    assert not scene.capture.adverts("db1", since=killed, priority=0)
    assert scene.lab.holds("db1", scene.lab.ip4("db1")), "the host keeps its own address"


def test_cleanup_removes_what_a_dead_baton_left_at_once(scene):
    one, _ = scene.pair(extra=("address_lifetime = permanent",))
    refused = one.control("cleanup")
    assert refused.returncode == 6, "it refuses while batond runs: %s" % refused.stderr
    assert scene.lab.holds("db1", VIP)
    one.kill()
    assert scene.lab.holds("db1", VIP)
    done = one.control("cleanup")
    assert done.returncode == 0, done.stderr
    assert not scene.lab.holds("db1", VIP)
    assert scene.lab.holds("db1", scene.lab.ip4("db1"))


def last_step_of_the_unit(baton):
    """The words of ExecStopPost= with the places of this test."""
    with open(os.path.join(ROOT, "packaging", "systemd", "baton.service.in"), encoding="utf-8") as file:
        command = re.search(r"^ExecStopPost=-(.*)$", file.read(), re.MULTILINE)[1]
    program, *words = command.replace("@CMAKE_INSTALL_FULL_BINDIR@", BATON_BIN).split()
    return [program, "--runtime-dir", baton.runtime] + words


def test_the_last_step_of_the_unit_removes_what_a_killed_daemon_left(scene):
    one = scene.start("baton", "db1", Service(extra=("address_lifetime = permanent",)))
    scene.wait_holder("db1", deadline=10)
    one.kill()
    assert scene.lab.holds("db1", VIP), "by itself it would never go"
    done = scene.lab.run("db1", *last_step_of_the_unit(one), check=False)
    assert done.returncode == 0, done.stderr
    assert not scene.lab.holds("db1", VIP)
    assert scene.lab.holds("db1", scene.lab.ip4("db1")), "the host keeps its own address"


def test_F64_the_next_start_removes_the_leftovers_and_listens_first(scene):
    """The state of the dead said Active; a start never trusts it."""
    one, _ = scene.pair(extra=("address_lifetime = permanent",))
    one.kill()
    assert scene.lab.holds("db1", VIP)
    scene.faults.cut("db2")
    again = time.time()
    one.start()
    wait_until(lambda: not scene.lab.holds("db1", VIP), 2, "leftovers go at start")
    first = wait_until(lambda: scene.capture.adverts("db1", since=again), 3)[0]
    gone = scene.owners.changes(VIP, "db1", again)[0][0]
    assert first.at - gone > 0.25 and first.at - again > 0.32, "Active_Down_Interval of priority 200 is 322 ms"
    assert not [frame for frame in scene.capture.announcements(VIP, "db1", since=again) if frame.at < first.at]


@pytest.mark.limit(60)
def test_F56_frozen_for_ten_seconds_and_thawed_it_says_nothing_before_it_has_listened(scene):
    one, _ = scene.pair()
    one.pause()
    wait_until(lambda: "db2" in scene.owners.holders(VIP), 2)
    time.sleep(10)
    assert scene.owners.holders(VIP) == ["db2"], "the address of the frozen host went by its lifetime"
    thawed = time.time()
    one.resume()
    time.sleep(0.25)
    assert not scene.capture.adverts("db1", since=thawed, until=thawed + 0.25), "I5: no advert before it has listened"
    assert not scene.capture.announcements(VIP, "db1", since=thawed, until=thawed + 0.25)
    # It listens, hears the lower db2, and preempts by the rules.
    scene.wait_holder("db1", deadline=5)
    first = wait_until(lambda: scene.capture.adverts("db1", since=thawed), 2)[0]
    assert first.at - thawed > 0.25
    assert scene.owners.longest_double(VIP, thawed) < 0.05
    one.alarmed("stall")


def test_F56_a_short_stop_below_the_interval_is_survived(scene):
    one, _ = scene.pair(interval_ms=1000)
    one.pause()
    time.sleep(0.5)
    resumed = time.time()
    one.resume()
    scene.sole("db1", seconds=1.5)
    assert scene.capture.adverts("db1", since=resumed)


def test_T06_a_backup_that_was_frozen_hears_the_queued_adverts_first(scene):
    _, other = scene.pair()
    stopped = time.time()
    other.pause()
    time.sleep(2)
    other.resume()
    scene.sole("db1", seconds=1.0)
    scene.silent("db2", since=stopped)


def test_F59_killing_the_guardian_releases(scene):
    """An engine that loses its guardian releases and exits."""
    one, _ = scene.pair()
    pids = one.pids()
    killed = time.time()
    os.kill(one.process.pid, signal.SIGKILL)
    scene.wait_holder("db2", deadline=4)
    wait_until(lambda: not [pid for pid in pids if proc.alive(pid)], 3, "nothing of it is left: %s" % pids)
    assert scene.owners.changes(VIP, "db1", killed)[0][0] - killed < 3.2


@pytest.mark.parametrize("name", ["steward", "scribe"])
def test_F59_a_side_process_is_restarted_and_nothing_moves(scene, name):
    one, _ = scene.pair()
    began = time.time() - 0.3
    pid = wait_until(lambda: one.process_of(name), 3)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: one.process_of(name) not in (None, pid), 10, "a new " + name)
    scene.sole("db1", seconds=0.5)
    scene.silent("db2", since=began)
    assert longest_gap(scene, "db1", began) < 0.14
    one.wait_ready()


def test_F59_a_hanging_steward_or_scribe_delays_no_advert(scene):
    one, _ = scene.pair()
    began = time.time()
    for name in ("steward", "scribe"):
        os.kill(one.process_of(name), signal.SIGSTOP)
    time.sleep(2)
    assert longest_gap(scene, "db1", began) < 0.14
    cut = time.time()
    scene.faults.unplug("db1")
    scene.wait_holder("db2", deadline=2)
    scene.faults.plug("db1")
    scene.wait_holder("db1", deadline=5)
    assert scene.owners.longest_none(VIP, cut) < 1


def status_field(pid, field):
    with open("/proc/%d/status" % pid, encoding="ascii") as file:
        return next(line.split()[1] for line in file if line.startswith(field + ":"))


def test_each_process_keeps_only_the_rights_it_needs(scene):
    one = scene.start("baton", "db1", Service()).wait_ready()
    net_admin_and_net_raw = 1 << 12 | 1 << 13
    engine = one.process_of("engine")
    assert int(status_field(engine, "CapEff"), 16) == net_admin_and_net_raw
    assert int(status_field(engine, "CapPrm"), 16) == net_admin_and_net_raw
    assert int(status_field(engine, "CapBnd"), 16) & ~net_admin_and_net_raw == 0
    for name in ("steward", "scribe"):
        pid = one.process_of(name)
        assert int(status_field(pid, "CapEff"), 16) == 0 and int(status_field(pid, "CapPrm"), 16) == 0, name
        assert status_field(pid, "Uid") != "0" and status_field(pid, "NoNewPrivs") == "1", name
    assert status_field(engine, "Uid") != "0"


@pytest.mark.parametrize("capability", ["cap_net_admin", "cap_net_raw"])
def test_F46_a_missing_capability_is_named_at_start(scene, capability):
    one = scene.daemon("baton", "db1", Service())
    one.configure()
    one.process = one.launch(["capsh", "--drop=" + capability, "--", "-c", " ".join(one.command())])
    assert one.process.wait(10) not in (0, None)
    assert capability in one.log().lower(), one.log()


def test_a_second_daemon_in_the_namespace_is_refused(scene):
    scene.start("baton", "db1", Service()).wait_ready()
    second = scene.start("baton", "db1", Service(vrid=11, vips=("10.77.0.51/24",)), tag="-2")
    assert second.process.wait(10) not in (0, None)
    assert "@baton" in second.log() or "another" in second.log()


def test_a_missing_configuration_is_exit_5(scene):
    one = scene.daemon("baton", "db1", config="[instance svc]\ninterface = eth0\nvirtual_router_idd = 10\n")
    one.configure()
    one.process = one.launch(one.command())
    assert one.process.wait(10) == 5
    assert "virtual_router_id" in one.log() and "baton.conf:3" in one.log(), one.log()
    assert os.path.exists(os.path.join(BATON_BIN, "batond"))


@pytest.mark.limit(40)
def test_F51_a_full_disk_under_the_state_directory_stops_no_election(scene):
    one = scene.daemon("baton", "db1", Service(priority=200))
    proc.run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", one.state)
    scene.lab.undo.callback(lambda: proc.run("umount", "-l", one.state, check=False))
    filler = os.open(os.path.join(one.state, "filler"), os.O_WRONLY | os.O_CREAT)
    try:
        while os.write(filler, b"x" * 4096):
            pass
    except OSError:
        pass  # full
    os.close(filler)
    one.start()
    scene.start("baton", "db2", Service())
    scene.wait_holder("db1", deadline=10)
    scene.faults.unplug("db1")
    scene.wait_holder("db2", deadline=2)
    scene.faults.plug("db1")
    scene.wait_holder("db1", deadline=5)
    one.alarmed("scribe_silent", 15)


@pytest.mark.limit(40)
def test_F54_the_wall_clock_may_jump(scene):
    library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
    assert os.path.exists(library), "faketime is missing: tests/install-deps"
    clock = os.path.join(scene.lab.directory, "clock")

    def set_clock(text):
        with open(clock + ".new", "w", encoding="ascii") as file:
            file.write(text)
        os.replace(clock + ".new", clock)

    set_clock("+0")
    os.chmod(clock, 0o644)
    environment = {"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": clock, "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                   "DONT_FAKE_MONOTONIC": "1"}
    scene.start("baton", "db1", Service(priority=200), environment=environment)
    scene.start("baton", "db2", Service())
    scene.wait_holder("db1", deadline=10, settled=0.3)
    began = time.time()
    for jump in ("+3600", "-3600", "@1970-01-02 00:00:00", "@2038-01-19 03:14:08", "+0"):
        set_clock(jump)
        scene.sole("db1", seconds=0.8)
    scene.silent("db2", since=began)
    assert longest_gap(scene, "db1", began) < 0.16


@pytest.mark.alone
@pytest.mark.limit(60)
def test_F61_fifty_busy_processes_cause_no_takeover(scene):
    scene.pair()
    began = time.time()
    spinners = [scene.lab.undo.enter_context(_spinner()) for _ in range(50)]
    scene.sole("db1", seconds=10)
    scene.silent("db2", since=began)
    assert longest_gap(scene, "db1", began) < 0.2, "late by less than an interval"
    assert len(spinners) == 50


class _spinner:
    def __enter__(self):
        import subprocess
        self.process = subprocess.Popen(["/bin/sh", "-c", "while :; do :; done"])
        return self

    def __exit__(self, *unused):
        self.process.kill()
        self.process.wait()


class ControlGroup:
    """A cgroup of version 1 or 2 for the test; None where the machine has none that can be written."""

    def __init__(self, scene, controller):
        for root in ("/sys/fs/cgroup/" + controller, "/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
            if os.path.exists(os.path.join(root, "cgroup.procs")):
                self.second = os.path.exists(os.path.join(root, "cgroup.controllers"))
                self.path = os.path.join(root, "baton-test-%d" % os.getpid())
                os.mkdir(self.path)
                scene.lab.undo.callback(self.remove)
                return
        pytest.fail("no cgroup hierarchy is mounted")

    def take(self, pids):
        for pid in pids:
            self.write("cgroup.procs", str(pid))

    def write(self, name, text):
        with open(os.path.join(self.path, name), "w", encoding="ascii") as file:
            file.write(text)

    def freeze(self, frozen):
        if self.second:
            self.write("cgroup.freeze", "1" if frozen else "0")
        else:
            self.write("freezer.state", "FROZEN" if frozen else "THAWED")

    def remove(self):
        self.freeze(False) if os.path.exists(os.path.join(self.path, "cgroup.freeze" if self.second else "freezer.state")) else None
        with open(os.path.join(self.path, "cgroup.procs"), encoding="ascii") as file:
            proc.signal_all([int(line) for line in file], signal.SIGKILL)
        wait_until(lambda: not _remove(self.path), 3, "the cgroup is empty")


def _remove(path):
    try:
        os.rmdir(path)
    except OSError:
        return True
    return False


def test_F57_the_cgroup_freezer_is_as_a_stop(scene):
    one, _ = scene.pair()
    group = ControlGroup(scene, "freezer")
    group.take(one.pids())
    group.freeze(True)
    scene.wait_holder("db2", deadline=6)
    thawed = time.time()
    group.freeze(False)
    time.sleep(0.25)
    assert not scene.capture.adverts("db1", since=thawed, until=thawed + 0.25)
    assert not scene.capture.announcements(VIP, "db1", since=thawed, until=thawed + 0.25)
    scene.wait_holder("db1", deadline=5)


def test_F60_the_engine_is_small_and_survives_a_memory_limit(scene):
    one, _ = scene.pair()
    assert proc.proportional_memory([one.process_of("engine")]) < 8e6
    began = time.time()
    group = ControlGroup(scene, "memory")
    group.write("memory.max" if group.second else "memory.limit_in_bytes", str(32 << 20))
    group.take(one.pids())
    scene.sole("db1", seconds=1.0)
    kill_engine(one)  # as the OOM killer would
    scene.sole("db1", seconds=1.0)
    scene.silent("db2", since=began)


def test_restarts_leak_no_descriptors(scene):
    """I11 in small: descriptors of the guardian and the steward stay what they were."""
    one, _ = scene.pair()
    one.wait_ready()
    kill_engine(one)
    time.sleep(0.5)
    one.wait_ready()
    counts = {pid: len(os.listdir("/proc/%d/fd" % pid)) for pid in (one.process.pid, one.process_of("steward"))}
    for _ in range(3):
        os.kill(one.process_of("scribe"), signal.SIGKILL)
        time.sleep(1.5)
    one.wait_ready()
    after = {pid: len(os.listdir("/proc/%d/fd" % pid)) for pid in (one.process.pid, one.process_of("steward"))}
    assert after == counts
