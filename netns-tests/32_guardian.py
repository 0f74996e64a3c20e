"""What only the guardian does: readers of the configuration, side processes without zombies, the service manager, refusals at start."""
import os
import pwd
import shutil
import signal
import socket
import time

import pytest

from lib import proc
from lib.daemons import BATON_BIN, Service
from lib.pids import PidsLimit
from lib.proc import wait_until

VIP = "10.77.0.50"


def longest_gap(scene, host, since):
    frames = scene.capture.adverts(host, since=since)
    return max(after.at - before.at for before, after in zip(frames, frames[1:]))


def children(pid):
    """(pid, name, state letter) of each child, dead ones that nobody asked for among them."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % entry, encoding="utf-8", errors="replace") as file:
                text = file.read()
        except OSError:
            continue
        name, rest = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()
        if int(rest[1]) == pid:
            found.append((int(entry), name, rest[0]))
    return found


@pytest.mark.limit(40)
def test_a_reader_of_the_configuration_that_hangs_is_killed_and_nothing_changes(scene):
    one, _ = scene.pair()
    one.wait_ready()
    before = one.json("config", "show")["hash"]
    # Long enough to be caught at work.
    with open(one.config, "a", encoding="ascii") as file:
        file.write("# padding\n" * 700_000)
    began = time.time()
    one.hang_up()
    deadline = time.monotonic() + 3
    reader = None
    while reader is None and time.monotonic() < deadline:
        reader = next((pid for pid, name, _ in children(one.process.pid) if name in ("baton-config", "batond")), None)
    assert reader, "no reader was seen"
    os.kill(reader, signal.SIGSTOP)
    wait_until(lambda: "took longer than 5 s" in one.log(), 8, "the reader is given up", every=0.1)
    wait_until(lambda: not [name for _, name, _ in children(one.process.pid) if name == "baton-config"], 2, "and gone")
    scene.sole("db1", seconds=0.3)
    assert longest_gap(scene, "db1", began) < 0.14
    assert one.json("config", "show")["hash"] == before


@pytest.mark.limit(40)
def test_reloads_and_restarts_leave_no_zombie(scene):
    one, _ = scene.pair()
    for name in ("engine", "steward", "scribe"):
        os.kill(wait_until(lambda name=name: one.process_of(name), 5), signal.SIGKILL)
        one.hang_up()
        time.sleep(0.7)
    for name in ("engine", "steward", "scribe"):
        wait_until(lambda name=name: one.process_of(name), 5, "a new " + name)
    dead = [child for child in children(one.process.pid) if child[2] == "Z"]
    assert not dead, dead
    assert sorted(name for _, name, _ in children(one.process.pid)) == ["baton-engine", "baton-scribe", "baton-steward"]


def test_a_stopped_guardian_moves_nothing(scene):
    one, _ = scene.pair()
    began = time.time()
    os.kill(one.process.pid, signal.SIGSTOP)
    scene.sole("db1", seconds=2)
    os.kill(one.process.pid, signal.SIGCONT)
    scene.sole("db1", seconds=0.5)
    scene.silent("db2", since=began)
    assert longest_gap(scene, "db1", began) < 0.14
    assert "engine_hung" not in one.log()


def test_a_stopped_engine_is_taken_for_hung_after_half_the_interval(scene):
    """Advertisement_Interval 100 ms, priority 200: Active_Down_Interval 321.875 ms; half of it is 160 ms."""
    one, _ = scene.pair(options_db2={"priority": 1})
    stopped = time.time()
    os.kill(one.process_of("engine"), signal.SIGSTOP)
    wait_until(lambda: "event=engine_ready adopted=yes" in one.log(), 3, every=0.002)
    assert 0.05 < time.time() - stopped < 0.32
    assert "limit_ms=160" in one.log(), one.log()[-600:]
    scene.sole("db1", seconds=0.5)


@pytest.mark.limit(40)
def test_the_service_manager_hears_ready_watchdog_and_the_end(scene):
    path = os.path.join(scene.lab.directory, "notify")
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(path)
    manager.settimeout(5)
    one = scene.start("baton", "db1", Service(priority=200), environment={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "400000"})
    heard = manager.recv(4096).decode()
    assert heard == "READY=1"
    seen = []
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        seen.append((time.monotonic(), manager.recv(4096).decode()))
    fed = [at for at, text in seen if text == "WATCHDOG=1"]
    assert len(fed) >= 5 and max(after - before for before, after in zip(fed, fed[1:])) < 0.4
    one.process.send_signal(signal.SIGTERM)
    last = manager.recv(4096).decode()
    while last == "WATCHDOG=1":
        last = manager.recv(4096).decode()
    assert last.startswith("STOPPING=1")
    assert one.process.wait(5) == 0
    manager.close()


def watchdog_fed(manager, within):
    """Whether WATCHDOG=1 comes in that time."""
    end = time.monotonic() + within
    while (left := end - time.monotonic()) > 0:
        manager.settimeout(left)
        try:
            if manager.recv(4096) == b"WATCHDOG=1":
                return True
        except TimeoutError:
            break
    return False


@pytest.mark.limit(60)
def test_the_service_managers_watchdog_starves_while_nobody_elects(scene):
    """The engine is stopped, and no process can be made to replace it: the guardian lives, and has nothing to vouch for."""
    path = os.path.join(scene.lab.directory, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        one = scene.start("baton", "db1", Service(priority=200), environment={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "400000"})
        scene.wait_holder("db1", deadline=10)
        assert watchdog_fed(manager, 1)
        guardian = one.process.pid
        limit = PidsLimit(scene, one.pids())
        limit.write("pids.max", "1")
        os.kill(one.process_of("engine"), signal.SIGSTOP)
        wait_until(lambda: "event=engine_not_started" in one.log(), 5)
        # Five times what it is fed in.
        wait_until(lambda: not watchdog_fed(manager, 1), 10, "it is not fed any more")
        limit.open()
        assert watchdog_fed(manager, 10), "another engine is well"
        scene.wait_holder("db1", deadline=10)
        assert one.process.pid == guardian and proc.alive(guardian)


def test_the_log_file_has_what_happened_and_its_writer_ends_with_the_daemon(scene):
    path = os.path.join(scene.lab.directory, "batond.log")
    one = scene.start("baton", "db1", Service(priority=200), daemon_keys=("log_file = " + path,))
    scene.wait_holder("db1", deadline=10)
    writer = next(pid for pid, name, _ in children(one.process.pid) if name == "baton-log")
    assert one.stop() == 0
    wait_until(lambda: not proc.alive(writer), 3, "the writer ends")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert "instance=svc vrid=10 from=backup to=active reason=active_down_expired" in text
    assert text.splitlines()[-1].split(" ", 1)[1].startswith("level=info process=guardian event=stopped")


def test_a_writer_of_the_log_that_hangs_delays_no_advert(scene):
    path = os.path.join(scene.lab.directory, "batond.log")
    one = scene.start("baton", "db1", Service(priority=200), daemon_keys=("log_level = trace", "log_file = " + path))
    scene.wait_holder("db1", deadline=10, settled=0.3)
    os.kill(next(pid for pid, name, _ in children(one.process.pid) if name == "baton-log"), signal.SIGSTOP)
    began = time.time()
    scene.sole("db1", seconds=2)
    assert longest_gap(scene, "db1", began) < 0.14


@pytest.mark.parametrize("name", ["baton-engine", "baton-steward", "baton-scribe"])
def test_a_missing_user_is_named_with_the_way_to_make_it(scene, name):
    assert pwd.getpwnam(name)
    one = scene.daemon("baton", "db1", Service())
    one.configure()
    passwd = os.path.join(scene.lab.directory, "passwd")
    with open("/etc/passwd", encoding="utf-8") as source, open(passwd, "w", encoding="utf-8") as target:
        target.writelines(line for line in source if not line.startswith(name + ":"))
    one.process = one.launch(["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/passwd && exec "$@"', passwd] + one.command())
    assert one.process.wait(10) == 1
    assert "there is no user %s; create it with: useradd --system" % name in one.log(), one.log()


def test_S1_a_symbolic_link_as_runtime_directory_is_refused(scene):
    one = scene.daemon("baton", "db1", Service())
    one.configure()
    shutil.rmtree(one.runtime)
    os.symlink("/tmp", one.runtime)
    one.process = one.launch(one.command())
    assert one.process.wait(10) == 1
    assert "open directory: %s" % one.runtime in one.log(), one.log()


def test_S1_the_directories_belong_to_who_writes_them(scene):
    one = scene.start("baton", "db1", Service()).wait_ready()
    runtime, state, control = os.stat(one.runtime), os.stat(one.state), os.stat(os.path.join(one.runtime, "control.sock"))
    assert (runtime.st_uid, runtime.st_mode & 0o7777) == (pwd.getpwnam("baton-engine").pw_uid, 0o775)
    assert (state.st_uid, state.st_mode & 0o7777) == (pwd.getpwnam("baton-scribe").pw_uid, 0o750)
    assert control.st_uid == 0 and runtime.st_gid == 0
    one.stop()
    assert not os.path.exists(os.path.join(one.runtime, "control.sock"))


def test_version_help_check_and_usage_have_their_exit_codes(scene):
    batond = os.path.join(BATON_BIN, "batond")
    one = scene.daemon("baton", "db1", Service())
    one.configure()
    run = lambda *argv: scene.lab.run("db1", batond, *argv, check=False)
    assert run("--version").returncode == 0 and run("--version").stdout.startswith("batond ")
    assert run("--help").returncode == 0 and "Usage: batond" in run("--help").stdout
    assert run("--nonsense").returncode == 2 and "--nonsense" in run("--nonsense").stderr
    assert run("--check", "--config", one.config, "--host", "db1").returncode == 0
    with open(one.config, "a", encoding="ascii") as file:
        file.write("nonsense = 1\n")
    bad = run("--check", "--config", one.config, "--host", "db1")
    assert bad.returncode == 5 and "nonsense" in bad.stderr
