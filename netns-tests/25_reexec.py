"""Upgrade without failover (`batonctl reexec`): the daemon goes over to the program on disk; what others see of it is nothing.

BATON_REEXECS=1000 does the long run; by default it is 20.
"""
import contextlib
import os
import shutil
import signal
import socket
import struct
import tempfile
import threading
import time

import pytest

from lib import proc
from lib.daemons import BATON_BIN, ROOT, Service, plugin_dir
from lib.proc import wait_until

VIP = "10.77.0.50"
INTERVAL = 0.1
MOST = 1.25 * INTERVAL
REEXECS = int(os.environ.get("BATON_REEXECS", "20"))
MARK = b"Baton layouts: \0"


@pytest.fixture
def programs():
    """A directory like that of the built programs, in which batond can be replaced as a package manager does it."""
    usable = os.path.dirname(BATON_BIN)
    top = tempfile.mkdtemp(prefix="reexec-", dir=os.path.dirname(usable))
    os.chmod(top, 0o755)
    os.mkdir(os.path.join(top, "bin"))
    for name in ("batond", "baton-plugin-host"):
        shutil.copy(os.path.join(BATON_BIN, name), os.path.join(top, "bin", name))
    os.symlink(os.path.join(usable, "lib"), os.path.join(top, "lib"))
    yield os.path.join(top, "bin")
    shutil.rmtree(top)


def program():
    with open(os.path.join(BATON_BIN, "batond"), "rb") as file:
        return file.read()


def of_version(text, version):
    """The same program under another version number of the same length."""
    assert text.count(b"0.1.0") and len(version) == 5
    return text.replace(b"0.1.0", version.encode())


def install(programs, content):
    fresh = os.path.join(programs, "batond.new")
    with open(fresh, "wb") as file:
        file.write(content)
    os.chmod(fresh, 0o755)
    os.rename(fresh, os.path.join(programs, "batond"))


def pair(scene, programs, **options):
    one, other = scene.pair(daemon={"programs": programs}, **options)
    one.wait_ready()
    other.wait_ready()
    return one, other


def reexec(daemon):
    done = daemon.control("reexec")
    assert done.returncode == 0, done.stdout + done.stderr + daemon.log()[-3000:]
    return done.stdout


def gaps(scene, host, since):
    frames = scene.capture.adverts(host, since=since)
    return [after.at - before.at for before, after in zip(frames, frames[1:])]


def some_adverts(scene):
    now = time.time()
    wait_until(lambda: len(scene.capture.adverts("db1", since=now)) >= 4, 5, "adverts of db1")


def undisturbed(scene, since, *daemons):
    """Since then db1 alone spoke and held the address, on time, and no daemon counts a transition or a death."""
    some_adverts(scene)
    scene.silent("db2", since=since)
    found = gaps(scene, "db1", since)
    assert found and max(found) <= MOST, "gaps of %s ms" % sorted(round(1000 * gap, 1) for gap in found)[-5:]
    assert not scene.capture.adverts("db1", since=since, priority=0)
    assert not scene.owners.changes(VIP, since=since), scene.owners.changes(VIP, since=since)
    for daemon in daemons:
        status = daemon.json("status")
        assert status["engine_deaths"] == 0, status["engine_deaths"]
        assert "engine_died" not in daemon.log() and "process_died" not in daemon.log()


def runs_old_program(daemon):
    said = daemon.json("status")["running_old_binary"]
    assert ("baton_running_old_binary %d" % said) in daemon.control("metrics").stdout.splitlines()
    return said


def workers(daemon):
    return {name: daemon.process_of(name) for name in ("engine", "steward", "scribe")}


@pytest.mark.limit(60)
def test_the_daemon_becomes_the_program_on_disk_and_nobody_notices(scene, programs):
    one, other = pair(scene, programs)
    pinger = scene.ping(VIP)
    before, first = workers(one), one.process.pid
    transitions = one.transitions()
    install(programs, of_version(program(), "0.1.9"))
    wait_until(lambda: runs_old_program(one), 3, "the upgrade is seen")
    began = time.time()
    said = reexec(one)
    assert "from version 0.1.0 to 0.1.9" in said, said
    wait_until(lambda: one.process_of("steward") not in (None, before["steward"]), 3, "a new steward")
    undisturbed(scene, began - 0.3, one, other)
    assert one.process.pid == first and one.process.poll() is None, "systemd's main process stays"
    after = workers(one)
    assert all(after[name] and after[name] != before[name] for name in before), (before, after)
    for pid in [first, *after.values()]:
        assert os.readlink("/proc/%d/exe" % pid) == os.path.join(programs, "batond")
    assert not runs_old_program(one) and one.instance()["role"] == "active"
    assert one.transitions() == transitions
    assert one.json("version")["daemon"] == "0.1.9"
    assert pinger.longest_gap(began) < 0.1
    assert proc.process_name(first) == "batond"


@pytest.mark.limit(60 + 2 * REEXECS)
@pytest.mark.alone
def test_F94_many_times_under_traffic_without_a_transition(scene, programs):
    one, other = pair(scene, programs)
    pinger = scene.ping(VIP)
    transitions = [daemon.transitions() for daemon in (one, other)]
    began = time.time()
    for turn in range(REEXECS):
        reexec(one)
        if turn % 10 == 9:
            reexec(other)
    some_adverts(scene)
    found = sorted(gaps(scene, "db1", began))
    print("%d re-execs, %d adverts: gaps in ms: median %.2f, 99 %% %.2f, 99.9 %% %.2f, largest %.2f" % (
        REEXECS, len(found), *[1000 * found[min(len(found) - 1, int(len(found) * part))] for part in (0.5, 0.99, 0.999, 1)]))
    undisturbed(scene, began, one, other)
    assert [daemon.transitions() for daemon in (one, other)] == transitions
    assert pinger.longest_gap(began) < 0.1
    dead = [pid for pid in one.pids() if proc.process_name(pid) == "baton-engine"]
    assert len(dead) == 1, "one engine: %s" % dead


@pytest.mark.limit(60)
def test_a_standby_goes_over_and_still_takes_over(scene, programs):
    one, other = pair(scene, programs)
    began = time.time()
    before = workers(other)
    reexec(other)
    wait_until(lambda: other.process_of("steward") not in (None, before["steward"]), 3)
    undisturbed(scene, began, one, other)
    assert other.instance()["role"] == "backup" and workers(other)["engine"] != before["engine"]
    unplugged = time.time()
    scene.faults.unplug("db1")
    scene.wait_holder("db2", deadline=2)
    # Active_Down_Interval of priority 100 at 100 ms: 360.9 ms after the last advert.
    assert scene.capture.adverts("db2", since=unplugged)[0].at - unplugged < 0.5


def truncated():
    return program()[:100_000]


def script(text):
    return lambda: text


def of_another_board():
    """A program that says that it knows another layout of the state board."""
    text = bytearray(program())
    at = text.index(MARK) + 16
    board, = struct.unpack_from("=I", text, at)
    struct.pack_into("=I", text, at, board + 1)
    return bytes(text)


@pytest.mark.limit(40)
@pytest.mark.parametrize("content, word", [
    (truncated, "self-check: "),
    (script(b""), "self-check: execute"),
    (script(b"#!/nonexistent/interpreter\n"), "self-check: execute"),
    (script(b"#!/bin/sh\necho it is broken >&2\nexit 1\n"), "self-check: "),
    (script(b"\x7fELF\x02\x01\x01" + bytes(200)), "self-check: execute"),
    (lambda: open("/bin/true", "rb").read(), "knows how to take over"),
    (of_another_board, "the state board has layout"),
], ids=["truncated", "empty", "interpreter", "script", "other-machine", "other-program", "board"])
def test_F93_a_broken_program_is_refused_and_the_old_one_goes_on(scene, programs, content, word):
    one, other = pair(scene, programs)
    began = time.time()
    before = workers(one)
    install(programs, content())
    refused = one.control("reexec")
    assert refused.returncode == 1 and word in refused.stderr, (refused.returncode, refused.stdout, refused.stderr)
    assert "the old program goes on" in refused.stderr
    undisturbed(scene, began, one, other)
    assert workers(one) == before and one.instance()["role"] == "active"
    assert "event=reexec_failed" in one.log()
    install(programs, program())  # mended: now it goes through
    reexec(one)


@pytest.mark.limit(60)
def test_old_and_new_are_a_pair_whoever_is_which(scene, programs):
    one, other = pair(scene, programs)
    began = time.time()
    install(programs, of_version(program(), "0.1.9"))
    assert "to 0.1.9" in reexec(other)  # db1 still runs the old one
    undisturbed(scene, began, one, other)
    scene.faults.unplug("db1")
    scene.wait_holder("db2", deadline=2)
    scene.faults.plug("db1")
    scene.wait_holder("db1", deadline=5, settled=0.5)
    second = time.time()
    assert "to 0.1.9" in reexec(one)
    undisturbed(scene, second, one, other)
    back = time.time()
    install(programs, program())
    assert "from version 0.1.9 to 0.1.0" in reexec(one), "also back: the layouts are the same"
    undisturbed(scene, back, one, other)


def second_engine(daemon, known):
    for pid in proc.family(daemon.process.pid):
        if pid != known and proc.process_name(pid) == "baton-engine":
            return pid
    return None


def file_of(daemon):
    return os.stat("/proc/%d/exe" % daemon.process.pid).st_ino


def frozen_successor(daemon, before_each=lambda: None):
    """Asks for a re-exec and stops the new engine before it says that it is prepared; (who asked, its pid, the workers of before)."""
    for _ in range(20):
        before_each()
        before = workers(daemon)
        engine, steward = before["engine"], before["steward"]
        asked = daemon.control_process("reexec")
        found = wait_until(lambda: second_engine(daemon, engine) or asked.poll() is not None, 10, "a new engine", every=0.0002)
        if found is not True:
            os.kill(found, signal.SIGSTOP)
            try:  # was it prepared already, the old one steps aside within moments
                wait_until(lambda: not proc.alive(engine) or asked.poll() is not None, 0.5)
            except AssertionError:
                return asked, found, before
            os.kill(found, signal.SIGCONT)
        assert asked.wait(10) == 0
        wait_until(lambda: daemon.process_of("steward") not in (None, steward), 3, "a new steward")
    raise AssertionError("never caught while it prepares")


@pytest.mark.limit(90)
@pytest.mark.alone
def test_a_new_engine_that_dies_before_it_takes_over_leads_back_to_the_old_program(scene, programs):
    one, other = pair(scene, programs)
    content, files = program(), []

    def another_file():
        files.append(file_of(one))
        install(programs, content)
    asked, successor, before = frozen_successor(one, another_file)
    assert file_of(one) != files[-1], "it is the new program by now"
    began = time.time()
    os.kill(successor, signal.SIGKILL)
    assert asked.wait(10) == 1
    undisturbed(scene, began, one, other)
    assert "event=reexec_failed step=\"new program\"" in one.log() or "new engine" in one.log(), one.log()[-2000:]
    assert workers(one) == before
    assert file_of(one) == files[-1] and runs_old_program(one), "the old program again"
    reexec(one)


@pytest.mark.limit(90)
@pytest.mark.alone
def test_a_stop_comes_first(scene, programs):
    """SIGTERM while the new engine prepares, which dies then: the old one leaves and releases in order, and nothing is left."""
    jobs = ["[plugin jobs]", "module = exec", "enter_command = /bin/true", "leave_command = /bin/sleep 1"]
    one, _ = scene.pair(extra=("follow_up = jobs",), daemon={"programs": programs, "sections": jobs, "plugins": plugin_dir()})
    asked, successor, _ = frozen_successor(one)
    began = time.time()
    one.process.send_signal(signal.SIGTERM)
    wait_until(lambda: asked.poll() is not None or not proc.alive(successor), 3, "called off")
    with contextlib.suppress(ProcessLookupError):
        os.kill(successor, signal.SIGKILL)
    assert one.process.wait(8) == 0
    assert "died" not in one.log()
    assert scene.capture.adverts("db1", since=began, priority=0), "a farewell"
    scene.wait_holder("db2", deadline=2)
    assert not proc.alive(successor) and VIP not in [entry["local"] for entry in scene.lab.addresses("db1")]
    assert asked.wait(10) != 0


@pytest.mark.limit(90)
@pytest.mark.alone
def test_what_an_operator_says_meanwhile_stays(scene, programs):
    _, other = pair(scene, programs)
    assert other.control("drain").returncode == 0
    asked, successor, _ = frozen_successor(other)
    assert other.control("undrain").returncode == 0
    os.kill(successor, signal.SIGCONT)
    assert asked.wait(15) == 0
    wait_until(lambda: other.json("status")["drained"] is False and other.instance()["eligible"], 3, "not drained")


@pytest.mark.limit(60)
def test_the_configuration_in_force_goes_along_whatever_the_file_says_now(scene, programs):
    one, other = pair(scene, programs)
    before = one.json("config", "show")["hash"]
    with open(one.config, "a", encoding="ascii") as file:
        file.write("[nonsense]\n")
    began = time.time()
    reexec(one)
    undisturbed(scene, began, one, other)
    assert one.json("config", "show")["hash"] == before
    assert one.control("reload").returncode == 5, "and a reload is what reads the file"


@pytest.mark.limit(60)
def test_the_operators_words_and_the_lock_stay(scene, programs):
    one, other = pair(scene, programs)
    assert other.control("freeze", "--for", "1h").returncode == 0
    reexec(other)
    wait_until(lambda: other.json("status")["frozen_for_ms"] > 3_000_000, 5, "still frozen")
    assert one.control("cleanup").returncode == 6, "the daemon's lock is held"
    reexec(one)
    assert one.control("cleanup").returncode == 6


def test_nobody_to_ask_is_no_failure_if_it_is_said(scene, programs):
    one = scene.daemon("baton", "db1", programs=programs)
    one.configure()
    assert one.control("reexec").returncode == 3
    assert one.control("reexec", "--if-running").returncode == 0


@pytest.mark.limit(60)
def test_SIGTERM_ends_the_new_program_in_order(scene, programs):
    one, _ = pair(scene, programs)
    reexec(one)
    ended = time.time()
    assert one.stop() == 0
    scene.wait_holder("db2", deadline=2)
    assert scene.capture.adverts("db1", since=ended, priority=0), "a farewell"
    assert not [pid for pid in proc.family(one.process.pid) if proc.alive(pid)]


HEALTH = ["[plugin health]", "module = http", "url = http://127.0.0.1:8080/health", "interval = 100ms", "timeout = 80ms"]


@pytest.mark.limit(60)
def test_checks_go_on_in_new_processes_and_none_fails(scene, programs):
    for host in ("db1", "db2"):
        listens = os.path.join(scene.lab.directory, "listens-" + host)
        application = proc.start_in(scene.lab.namespace(host), ["/usr/bin/python3", os.path.join(ROOT, "netns-tests", "lib", "health.py"), "8080",
                                                                os.path.join(scene.lab.directory, "sick"), listens])
        scene.lab.undo.callback(lambda process=application: (process.kill(), process.wait(5)))
        wait_until(lambda listens=listens: os.path.exists(listens), 10, "the application of %s listens" % host)
    one, other = scene.pair(extra=("check = health",), daemon={"programs": programs, "sections": HEALTH, "plugins": plugin_dir()})

    def hosts():
        return {pid for pid in one.pids() if proc.process_name(pid) == "baton-health"}
    wait_until(hosts, 5, "a plugin host")
    before, began = hosts(), time.time()
    for _ in range(5):
        reexec(one)
        time.sleep(0.3)
    wait_until(lambda: hosts() and not hosts() & before, 5, "a new plugin host")
    undisturbed(scene, began, one, other)
    assert [check["state"] for check in one.json("status")["checks"]] == ["pass"]
    assert "plugin_host_died" not in one.log()
    told = [line for line in one.log().split("event=reexec_begun", 1)[1].splitlines() if "event=check " in line]
    assert not [line for line in told if " state=pass " not in line], told


@pytest.mark.limit(60)
def test_the_service_manager_and_the_watchdog_see_one_process_that_is_well(scene, programs):
    path, dog = os.path.join(scene.lab.directory, "notify"), os.path.join(scene.lab.directory, "watchdog")
    open(dog, "w", encoding="ascii").close()
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(path)
    manager.settimeout(5)
    one = scene.start("baton", "db1", Service(priority=200), programs=programs, environment={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "400000"},
                      daemon_keys=("log_level = debug", "watchdog = " + dog, "watchdog_timeout = 2s"))
    assert manager.recv(4096).decode() == "READY=1"
    scene.wait_holder("db1", deadline=10)
    one.wait_ready()
    meals = []

    def watch_meals():
        size, end = os.path.getsize(dog), time.monotonic() + 4
        while time.monotonic() < end:
            now = os.path.getsize(dog)
            if now > size:
                meals.append(time.monotonic())
            size = now
            time.sleep(0.005)
    watching = threading.Thread(target=watch_meals)
    watching.start()
    asked = one.control_process("reexec")
    fed, texts, end = [], [], time.monotonic() + 2
    while time.monotonic() < end:
        texts.append(manager.recv(4096).decode())
        if texts[-1] == "WATCHDOG=1":
            fed.append(time.monotonic())
    assert asked.wait(10) == 0
    watching.join()
    assert len(meals) > 3 and max(after - before for before, after in zip(meals, meals[1:])) < 2, "the hardware watchdog's timeout"
    assert max(after - before for before, after in zip(fed, fed[1:])) < 0.4
    assert not [text for text in texts if "STOPPING" in text or "READY" in text or "MAINPID" in text], texts
    assert "V" not in open(dog, encoding="ascii").read(), "never closed"
    manager.close()


@pytest.mark.limit(60)
def test_a_program_that_becomes_another_keeps_no_descriptor_too_many(scene, programs):
    one, _ = pair(scene, programs)

    def open_files():
        return sorted(os.readlink("/proc/%d/fd/%s" % (one.process.pid, fd)).split(":")[0] for fd in os.listdir("/proc/%d/fd" % one.process.pid))
    def go_over():
        steward = one.process_of("steward")
        reexec(one)
        wait_until(lambda: one.process_of("steward") not in (None, steward), 3, "a new steward")
        one.json("status")  # it answers
    go_over()
    first = open_files()
    for _ in range(3):
        go_over()
        wait_until(lambda: open_files() == first, 3, "the same files are open as before")


@pytest.mark.limit(60)
def test_while_something_is_under_way_it_is_put_off(scene, programs):
    one, other = pair(scene, programs)
    with open(one.config, "a", encoding="ascii") as file:
        file.write("# padding\n" * 700_000)  # long enough to be caught at work
    began = time.time()
    one.hang_up()
    reader = wait_until(lambda: next((pid for pid in one.pids() if proc.process_name(pid) == "baton-config"), None), 3, "a reader", every=0.001)
    os.kill(reader, signal.SIGSTOP)
    refused = one.control("reexec")
    os.kill(reader, signal.SIGCONT)
    assert refused.returncode == 6 and "a reload is under way; try again later" in refused.stderr, refused.stderr
    wait_until(lambda: "event=reloaded" in one.log(), 8, "the reload goes on")
    reexec(one)
    undisturbed(scene, began, one, other)
