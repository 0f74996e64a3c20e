"""The museum of bad plugins in a live pair: each gets the right result and reason, no advert of the host is late, nothing is left behind."""
import os
import re
import shutil
import signal
import time

import pytest

from lib import museum, proc
from lib.daemons import BATON_BIN, Service
from lib.proc import wait_until

LATE = 0.025
INTERVAL = 0.1


@pytest.fixture(scope="module")
def exhibits():
    made = museum.Museum()
    yield made
    made.close()


def section(exhibits, name, *lines, timing=("interval = 100ms", "timeout = 80ms")):
    return ["[plugin %s]" % name, "module = " + exhibits.path(name), *timing, *lines]


class Bad:
    """db1 with bad plugins and, beside them, the instance `quiet` that has none; db2 stands by."""

    def __init__(self, scene, sections, extra=(), services=(), **options):
        self.scene = scene
        one = [Service(priority=200, extra=tuple(extra)), Service(name="quiet", vrid=11, priority=200, vips=("10.77.0.51/24",)), *services]
        other = [Service(priority=100), Service(name="quiet", vrid=11, priority=100, vips=("10.77.0.51/24",))]
        self.other = scene.start("baton", "db2", *other)
        self.one = scene.start("baton", "db1", *one, sections=sections, plugins=exhibits_directory(), **options)
        scene.wait_holder("db1", "10.77.0.51", 10, settled=0.3)
        self.one.wait_ready()
        self.began = time.time()

    def check(self, name):
        return next(one for one in self.one.json("status")["checks"] if one["name"] == name)

    def history(self):
        return [entry["text"] for entry in self.one.json("history")["entries"]]

    def said(self, pattern, deadline=5):
        try:
            wait_until(lambda: any(re.search(pattern, text) for text in self.history()), deadline, every=0.1)
        except AssertionError:
            raise AssertionError("%s is not in the history:\n%s" % (pattern, "\n".join(self.history()))) from None

    def settled(self, name, state, result, text, deadline=6):
        """The check is in this state with this result, and says so."""
        def so():
            check = self.check(name)
            return check["state"] == state and check["result"] == result and re.search(text, check["text"])
        try:
            wait_until(so, deadline, every=0.05)
        except AssertionError:
            raise AssertionError("%s should be %s (%s, %s) but is %s" % (name, state, result, text, self.check(name))) from None

    def no_advert_late(self):
        """Of any instance of db1 since the pair had settled; an advert that comes early for its news is none that is late."""
        time.sleep(max(0.0, self.began + 2 - time.time()))
        until = time.time()
        for vrid in (10, 11):
            frames = self.scene.capture.adverts("db1", since=self.began, until=until, vrid=vrid)
            gaps = [after.at - before.at for before, after in zip(frames, frames[1:])]
            assert len(gaps) > 8 * (until - self.began), "VRID %d sent %d adverts in %.1f s" % (vrid, len(frames), until - self.began)
            assert max(gaps) - INTERVAL < LATE, "VRID %d: an advert was %.1f ms late" % (vrid, (max(gaps) - INTERVAL) * 1e3)
        self.scene.silent("db2", since=self.began)

    def ends_without_a_trace(self, patience=10):
        """Stopped: exit status 0, no process in the host's namespace, and no zombie of those that were there."""
        were = museum.in_namespace_of(self.scene.lab, "db1") | set(proc.family(self.one.process.pid))
        assert self.one.stop(patience) == 0
        wait_until(lambda: not museum.in_namespace_of(self.scene.lab, "db1"), 3, "nothing runs on db1: %s" % museum.in_namespace_of(self.scene.lab, "db1"))
        wait_until(lambda: not [pid for pid in were if museum.exists(pid) and pid != self.one.process.pid], 3, "nothing of it is left, alive or dead")


def exhibits_directory():
    """Every module here is named by its path; a directory for names is not needed."""
    return os.path.join(museum.PLACE, "museum-%d" % os.getpid())


def checks(names):
    """They only move the preference: the host is to stay Active."""
    return ["check = %s prefer=1" % name for name in names]


# ---- probes

@pytest.mark.alone
def test_F65_late_probes_are_timeouts_and_all_that_they_started_ends(scene, exhibits):
    names = ["hangs", "hangs_in_open", "ignores_sigterm", "forks_and_hangs", "closes_everything", "answers_late"]
    sections = sum((section(exhibits, name) for name in names), [])
    bad = Bad(scene, sections, checks(names))
    for name in names:
        bad.settled(name, "unknown", "timeout", r"^no answer within 80 ms$")
    time.sleep(3)
    for name in names:
        bad.settled(name, "unknown", "timeout", r"^no answer within 80 ms$")
        assert bad.check(name)["latest"]["state"] == "unknown"
    # 3 at most of each at one time: the host, and what its present call has started.
    assert len(museum.in_namespace_of(scene.lab, "db1")) < 4 * len(names) + 8
    bad.no_advert_late()
    bad.ends_without_a_trace()


@pytest.mark.alone
def test_F66_crashes_are_named_back_off_and_are_given_up(scene, exhibits):
    how = {"exits": "exit\\(\\)", "exits_hard": "exit(ed)?", "aborts": "signal 6", "segfaults": "signal 11", "forks_and_crashes": "signal 6"}
    sections = sum((section(exhibits, name, "fall = 2") for name in how), [])
    bad = Bad(scene, sections, checks(how))
    for name, words in how.items():
        bad.settled(name, "unknown", "crashed", words)
    # At once, then after 1, 2 and 4 s; the fifth death within a minute is the last for now.
    for name, words in how.items():
        bad.settled(name, "unknown", "not_running", r"^it died 5 times within a minute, the last time: .*%s.*; it is tried again every 60 s" % words, deadline=15)
    for name in how:
        starts = [float_time(line) for line in bad.one.log().splitlines() if "event=plugin_host_started" in line and "plugin=%s " % name in line]
        pauses = [after - before for before, after in zip(starts, starts[1:])]
        assert len(starts) == 5, (name, starts)
        assert pauses[0] < 0.6 and 1.0 <= pauses[1] < 1.6 and 2.0 <= pauses[2] < 2.6 and 4.0 <= pauses[3] < 4.6, (name, pauses)
    left = [pid for pid in museum.in_namespace_of(scene.lab, "db1") if pid not in proc.family(bad.one.process.pid) and proc.process_name(pid) != "ip"]
    assert not left, [proc.process_name(pid) for pid in left]
    assert not museum.zombies(bad.one.process.pid)
    bad.no_advert_late()
    bad.ends_without_a_trace()


def float_time(line):
    """Seconds within the day of a line of the log: "2026-01-02T03:04:05.678Z ..."."""
    hours, minutes, seconds = re.search(r"T(\d\d):(\d\d):(\d\d\.\d+)", line).groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


@pytest.mark.alone
def test_F67_wrong_answers_are_refused_and_good_ones_of_other_versions_taken(scene, exhibits):
    names = ["good", "newer_minor", "older_minor", "throws", "garbage_state", "garbage_status", "open_fails", "many_words", "zombies"]
    timing = ("interval = 200ms", "timeout = 200ms")
    sections = sum((section(exhibits, name, timing=timing) for name in names), [])
    bad = Bad(scene, sections, checks(names))
    bad.settled("good", "pass", "ok", "^all is well$")
    bad.settled("newer_minor", "pass", "ok", "^from the future$")
    bad.settled("older_minor", "pass", "ok", "^$")
    bad.settled("throws", "unknown", "fatal", "^the plugin threw out of cheese$")
    bad.settled("garbage_state", "unknown", "garbage", "^the plugin answered state 7, role 9, which do not exist$")
    bad.settled("garbage_status", "unknown", "garbage", "^the plugin returned a status that does not exist$")
    bad.settled("open_fails", "pass", "ok", "^$")
    bad.settled("many_words", "pass", "ok", r"^bell \?, escape \?\[31m and tab end$")
    bad.settled("zombies", "pass", "ok", "^$")
    assert bad.check("older_minor")["role"] == "none" and bad.check("good")["role"] == "replica"
    time.sleep(3)
    assert len([one for one in museum.zombies(bad.one.process.pid)]) <= 5, "the five of the newest probe at most"
    bad.no_advert_late()
    bad.ends_without_a_trace()


@pytest.mark.alone
def test_F68_leaks_end_in_a_fresh_process_and_the_check_passes_on(scene, exhibits):
    names = ["leaks_memory", "leaks_descriptors"]
    sections = sum((section(exhibits, name) for name in names), [])
    bad = Bad(scene, sections, checks(names))
    for name in names:
        bad.settled(name, "pass", "ok", "")
    for name in names:
        wait_until(lambda name=name: bad.one.log().count("event=plugin_recycled plugin=" + name) >= 2, 20, name + " begins afresh", every=0.1)
        assert bad.check(name)["state"] == "pass"
    assert not [text for text in bad.history() if re.search("check leaks_.* (fails|unknown|is not known)", text)]
    bad.no_advert_late()
    bad.ends_without_a_trace()


@pytest.mark.alone
def test_F68_a_machines_memory_is_not_a_plugins(scene, exhibits):
    """1 GiB at most for one process."""
    bad = Bad(scene, section(exhibits, "eats_memory", timing=("interval = 4s", "timeout = 4s", "fall = 1")), checks(["eats_memory"]))
    bad.settled("eats_memory", "unknown", "transient", "", deadline=15)
    bad.no_advert_late()
    bad.ends_without_a_trace()


@pytest.mark.alone
def test_F67_garbage_on_the_page_and_floods_of_results_are_refused(scene, exhibits):
    sections = section(exhibits, "garbage_page", timing=("interval = 300ms", "timeout = 200ms")) + section(exhibits, "floods_bell")
    bad = Bad(scene, sections, checks(["garbage_page", "floods_bell"]))
    bad.said(r"check floods_bell .*(what its process wrote is no outcome|floods results)", 10)
    wait_until(lambda: bad.check("floods_bell")["state"] == "unknown", 10)
    wait_until(lambda: "event=plugin_garbage plugin=garbage_page" in bad.one.log(), 10, bad.one.log()[-3000:])
    engine = bad.one.process_of("engine")
    before = proc.cpu_nanoseconds([engine])
    time.sleep(2)
    assert (proc.cpu_nanoseconds([engine]) - before) / 2e9 < 0.1, "the flood costs the engine less than a tenth of a core"
    bad.no_advert_late()
    bad.ends_without_a_trace()


# ---- acts

def follow_up_of(bad, instance):
    return next(one for one in bad.one.json("status")["instances"] if one["name"] == instance)["follow_up"]


@pytest.mark.alone
def test_F65_F66_F67_bad_acts_have_their_result_and_the_address_stays(scene, exhibits):
    """Each is the follow-up of an instance of its own; the museum's `enter` is what its probe does."""
    wrong = {
        "hangs": r"hangs: enter failed \(timeout\).*not done within 1000 ms",
        "ignores_sigterm": r"ignores_sigterm: enter failed \(timeout\).*not done within 1000 ms",
        "forks_and_hangs": r"forks_and_hangs: enter failed \(timeout\).*not done within 1000 ms",
        "answers_late": r"answers_late: enter failed \(timeout\).*not done within 1000 ms",
        "exits": r"exits: enter failed \(crashed\).*exit\(\)",
        "segfaults": r"segfaults: enter failed \(crashed\).*signal 11",
        "forks_and_crashes": r"forks_and_crashes: enter failed \(crashed\).*signal 6",
        "throws": r"throws: enter failed \(fatal\).*the plugin threw something that is no std::exception",
        "garbage_channel": r"garbage_channel: enter failed \(garbage\).*is no answer",
        "other_nonce": r"other_nonce: enter failed \(garbage\).*answered another question than was asked",
        "floods_channel": r"floods_channel: enter failed \(garbage\).*is no answer",
    }
    services = [Service(name=name, vrid=20 + number, priority=200, vips=("10.77.0.%d/24" % (60 + number),), extra=("follow_up = " + name,))
                for number, name in enumerate(wrong)]
    sections = sum((section(exhibits, name, timing=("deadline = 1s",)) for name in wrong), [])
    bad = Bad(scene, sections, services=services)
    seen = set()  # they are tried again and again, and the history shows the newest

    def missing():
        seen.update(bad.history())
        return [pattern for pattern in wrong.values() if not any(re.search(pattern, text) for text in seen)]
    try:
        wait_until(lambda: not missing(), 15, every=0.1)
    except AssertionError:
        raise AssertionError("%s is not in the history:\n%s" % (missing(), "\n".join(sorted(seen)))) from None
    for service in services:
        assert scene.owners.holders(service.vips[0].split("/")[0]) == ["db1"], service.name
    time.sleep(2)
    bad.no_advert_late()
    bad.ends_without_a_trace(patience=20)


# ---- what is not loaded

REFUSED = {
    "missing_symbol": "does not export baton_plugin_v1: it is no Baton plugin",
    "wrong_major": "was built for a newer plugin interface (it exports baton_plugin_v2, this Baton knows baton_plugin_v1)",
    "short_struct": "is too short",
    "other_machine": "was built for aarch64, this host is x86-64",
    "script": "is no shared object",
    "writable": "can be written by others than root",
    "crashes_at_load": "killed by signal 6",
    "absent": "there is no module",
}


def batond_check(one):
    return one.lab.run(one.host, os.path.join(BATON_BIN, "batond"), "--check", "--config", one.config, "--host", one.host, "--plugin-dir", one.plugins, check=False)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_F69_refused_with_its_reason_at_check_and_at_the_start(scene, exhibits, name):
    one = scene.daemon("baton", "db1", Service(extra=("check = " + name,)), sections=section(exhibits, name), plugins=exhibits.directory)
    one.configure()
    asked = batond_check(one)
    assert asked.returncode == 5, asked.stdout + asked.stderr
    words = " ".join(asked.stderr.split())
    assert REFUSED[name] in words and name + ".so" in words, asked.stderr
    assert re.search(r"baton\.conf:\d+", asked.stderr), asked.stderr
    one.start()
    assert one.process.wait(15) == 1 or one.process.returncode == 5
    assert REFUSED[name] in " ".join(one.log().split())
    assert not museum.in_namespace_of(scene.lab, "db1")


@pytest.mark.limit(60)
def test_F69_a_module_that_hangs_while_it_is_loaded_is_refused(scene, exhibits):
    one = scene.daemon("baton", "db1", Service(extra=("check = hangs_at_load",)), sections=section(exhibits, "hangs_at_load"), plugins=exhibits.directory)
    one.configure()
    began = time.monotonic()
    asked = batond_check(one)
    assert time.monotonic() - began < 25
    assert asked.returncode == 5 and "hangs_at_load.so" in asked.stderr, asked.stderr


@pytest.mark.alone
def test_F69_a_reload_with_a_bad_module_changes_nothing(scene, exhibits):
    bad = Bad(scene, section(exhibits, "good"), checks(["good"]))
    before = bad.one.json("config", "show")["hash"]
    good_text = bad.one.compose()
    for name, words in REFUSED.items():
        bad.one.write("baton.conf", good_text.replace(exhibits.path("good"), exhibits.path(name)))
        asked = bad.one.control("reload")
        assert asked.returncode != 0 and words in " ".join((asked.stdout + asked.stderr).split()), (name, asked.stdout, asked.stderr)
        assert bad.one.json("config", "show")["hash"] == before
        assert bad.check("good")["state"] == "pass"
    bad.no_advert_late()
    bad.ends_without_a_trace()


@pytest.mark.alone
def test_F69_a_module_that_went_bad_since_the_start_is_not_loaded_again(scene, exhibits):
    """Checked by the one who loads it, each time."""
    path = exhibits.path("changes")
    shutil.copy(exhibits.path("good"), path)
    os.chmod(path, 0o755)
    bad = Bad(scene, section(exhibits, "changes"), checks(["changes"]))
    bad.settled("changes", "pass", "ok", "all is well")
    os.chmod(path, 0o757)
    host = next(pid for pid in bad.one.pids() if proc.process_name(pid) == "baton-changes")
    os.kill(host, signal.SIGKILL)
    bad.settled("changes", "unknown", "config", "can be written by others than root", deadline=8)
    os.chmod(path, 0o755)
    bad.settled("changes", "pass", "ok", "all is well", deadline=12)
    bad.no_advert_late()
    bad.ends_without_a_trace()
