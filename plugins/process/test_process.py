"""process against real processes: living, dead, zombies, stopped, recycled numbers, systemd units."""
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/plugins"))
from plugin import Session, call, complaints  # noqa: E402
from systemd_machine import Machine  # noqa: E402


@pytest.fixture
def begin(tmp_path):
    """Starts a copy of sleep under a name of its own; all are ended and waited for."""
    running = []

    def start(name="batontest", **options):
        program = tmp_path / name
        if not program.exists():
            shutil.copy("/bin/sleep", program)
        process = subprocess.Popen([str(program), "300"], **options)
        running.append(process)
        wait_for(lambda: pathlib.Path(f"/proc/{process.pid}/comm").read_text().strip() == name[:15])
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()


def wait_for(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def state_of(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def write(path, text):
    path.write_text(text)
    return str(path)


def test_a_process_that_dies_and_returns_fails_and_passes_again(begin, tmp_path):
    path = tmp_path / "x.pid"
    with Session("process", {"pid_file": str(path)}) as session:
        answer = session.call("probe")
        assert (answer.status, answer.state, answer.sentence) == ("ok", "fail", f"{path} does not exist")
        one = begin()
        write(path, f" {one.pid}\n")
        answer = session.call("probe")
        assert (answer.state, answer.sentence) == ("pass", f"process {one.pid} (batontest) of {path} runs")
        assert (answer.facts["pid"], answer.facts["program"]) == (str(one.pid), str(tmp_path / "batontest"))
        one.kill()
        wait_for(lambda: state_of(one.pid) == "Z")
        answer = session.call("probe")
        assert (answer.state, answer.facts["cause"]) == ("fail", "zombie")
        one.wait()
        answer = session.call("probe")
        assert (answer.state, answer.facts["cause"]) == ("fail", "missing")
        assert answer.sentence == f"{path} names process {one.pid}, which does not run"
        write(path, str(begin().pid))
        assert session.call("probe").state == "pass"


def test_a_stopped_process_does_not_serve(begin, tmp_path):
    one = begin()
    path = write(tmp_path / "x.pid", str(one.pid))
    os.kill(one.pid, signal.SIGSTOP)
    wait_for(lambda: state_of(one.pid) == "T")
    answer = call("process", "probe", {"pid_file": path})
    assert (answer.state, answer.facts["cause"]) == ("fail", "stopped")
    assert f"kill -CONT {one.pid}" in answer.sentence
    assert call("process", "probe", {"name": "batontest"}).facts["cause"] == "stopped"
    os.kill(one.pid, signal.SIGCONT)
    wait_for(lambda: state_of(one.pid) == "S")
    assert call("process", "probe", {"pid_file": path}).state == "pass"


def test_a_number_that_another_has_got_fails(begin, tmp_path):
    one = begin()
    path = tmp_path / "x.pid"
    write(path, str(one.pid))
    os.utime(path, (time.time() - 60, time.time() - 60))
    answer = call("process", "probe", {"pid_file": str(path)})
    assert (answer.state, answer.facts["cause"]) == ("fail", "recycled")
    assert answer.sentence == (f"{path} is older than process {one.pid} (batontest) that it names: another process has got "
                               "the number")
    # The clock may have been set meanwhile: who is called as it has to be passes, with a warning.
    answer = call("process", "probe", {"pid_file": str(path), "program": "batontest"})
    assert (answer.state, answer.warning) == ("pass", True)


@pytest.mark.parametrize("program,state", [("batontest", "pass"), ("PATH", "pass"), ("nginx", "fail"),
                                           ("/usr/sbin/nginx", "fail")])
def test_a_pid_file_may_have_to_name_a_certain_program(begin, tmp_path, program, state):
    one = begin()
    path = write(tmp_path / "x.pid", str(one.pid))
    program = str(tmp_path / "batontest") if program == "PATH" else program
    answer = call("process", "probe", {"pid_file": path, "program": program})
    assert answer.state == state
    if state == "fail":
        assert answer.facts["cause"] == "other"
        assert answer.sentence == (f"{path} names process {one.pid} (batontest), which is not {program} but "
                                   f"{tmp_path}/batontest")


@pytest.mark.parametrize("text,words", [("", "is empty"), ("\n", "is empty"), ("12x", "'12x' is no process number"),
                                        ("-1", "'-1' is no process number"), ("0", "'0' is no process number")])
def test_a_half_written_pid_file_is_unknown(tmp_path, text, words):
    answer = call("process", "probe", {"pid_file": write(tmp_path / "x.pid", text)})
    assert (answer.status, answer.state, answer.facts["cause"]) == ("transient", "unknown", "content")
    assert answer.sentence.endswith(words)


def test_a_fifo_as_pid_file_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "x.pid")
    answer = call("process", "probe", {"pid_file": str(tmp_path / "x.pid")})
    assert (answer.status, answer.state) == ("config", "unknown") and answer.seconds < 0.5


def test_processes_of_a_name_are_counted(begin, tmp_path):
    settings = {"name": "batontest"}
    answer = call("process", "probe", settings)
    assert (answer.state, answer.facts["cause"]) == ("fail", "missing")
    assert answer.sentence == "0 processes batontest run, at least 1 wanted"
    begin(), begin()
    answer = call("process", "probe", settings)
    assert (answer.state, answer.sentence, answer.facts["count"]) == ("pass", "2 processes batontest run", "2")
    assert call("process", "probe", {**settings, "minimum": "3"}).state == "fail"
    answer = call("process", "probe", {**settings, "maximum": "1"})
    assert (answer.state, answer.facts["cause"]) == ("fail", "count")
    assert answer.sentence == "2 processes batontest run, at most 1 allowed"
    assert call("process", "probe", {"name": str(tmp_path / "batontest"), "minimum": "2"}).state == "pass"
    assert call("process", "probe", {"name": "/usr/bin/batontest"}).state == "fail"


def test_none_may_be_what_is_wanted(begin):
    settings = {"name": "batontest", "minimum": "0", "maximum": "0"}
    assert call("process", "probe", settings).state == "pass"
    begin()
    assert call("process", "probe", settings).state == "fail"


def test_a_long_name_is_compared_as_a_whole(begin):
    begin("batontest-with-a-long-name")
    assert call("process", "probe", {"name": "batontest-with-a-long-name"}).state == "pass"
    assert call("process", "probe", {"name": "batontest-with-another"}).state == "fail"


def test_the_owner_counts(begin, tmp_path):
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:3]:
        if parent.name.startswith("pytest"):
            parent.chmod(0o755)
    begin(user="nobody")
    assert call("process", "probe", {"name": "batontest", "owner": "nobody"}).state == "pass"
    assert call("process", "probe", {"name": "batontest", "owner": str(pwd.getpwnam("nobody").pw_uid)}).state == "pass"
    assert call("process", "probe", {"name": "batontest", "owner": "root"}).state == "fail"
    answer = call("process", "probe", {"name": "batontest", "owner": "nosuchuser"})
    assert (answer.status, answer.sentence) == ("config", "there is no user nosuchuser on this host")


def test_an_upgraded_program_is_still_it(begin, tmp_path):
    begin()
    (tmp_path / "batontest").unlink()
    assert call("process", "probe", {"name": str(tmp_path / "batontest")}).state == "pass"


def test_anybody_may_ask_by_name_and_path(begin, tmp_path):
    begin()
    for name in ("batontest", str(tmp_path / "batontest")):
        with Session("process", {"name": name}, user=pwd.getpwnam("nobody")) as session:
            assert session.call("probe").state == "pass"


def test_hidden_processes_are_unknown_not_dead(begin, tmp_path):
    one = begin()
    path = write(tmp_path / "x.pid", str(one.pid))
    code = ("import sys, pwd; sys.path.insert(0, sys.argv[1]); from plugin import Session\n"
            "for s in ({'pid_file': sys.argv[2]}, {'name': 'batontest'}):\n"
            "  with Session('process', s, user=pwd.getpwnam('nobody')) as session:\n"
            "    a = session.call('probe'); print(a.status, a.state, a.facts.get('cause'))\n")
    for parent in (tmp_path, *tmp_path.parents[:3]):
        if parent.name.startswith("pytest") or parent == tmp_path:
            parent.chmod(0o755)
    done = subprocess.run(["unshare", "--mount", "sh", "-c", 'mount -t proc -o hidepid=2 proc /proc && exec "$@"', "sh",
                           "/usr/bin/python3", "-c", code, str(pathlib.Path(__file__).resolve().parents[2] / "tests/plugins"),
                           path], stdout=subprocess.PIPE, text=True, timeout=20)
    assert done.stdout == "config unknown permission\nconfig unknown permission\n"


def test_without_systemd_a_unit_is_for_a_person():
    answer = call("process", "probe", {"unit": "nginx"})
    assert (answer.status, answer.state, answer.facts["cause"]) == ("config", "unknown", "systemd")
    assert answer.sentence == ("systemd does not run this machine: nginx.service is not known here; use pid_file or name")


@pytest.fixture(scope="module")
def machine():
    made = Machine(bus=True)
    try:
        yield made.start()
    finally:
        made.stop()


def test_the_main_process_of_a_unit(machine):
    machine.unit("web.service", "[Service]\nExecStart=/bin/sleep 300\n")
    settings = {"unit": "web"}
    answer = machine.call("process", "probe", settings, user="nobody")
    assert (answer.status, answer.state, answer.facts["cause"]) == ("ok", "fail", "missing"), answer
    assert answer.sentence == "web.service is inactive (dead) and has no main process"
    machine.run(["systemctl", "start", "web.service"])
    pid = machine.show("web.service", "MainPID")
    answer = machine.call("process", "probe", {**settings, "program": "sleep"}, user="nobody")
    assert (answer.state, answer.sentence) == ("pass", f"process {pid} (sleep) of web.service runs"), answer
    machine.run(["kill", "-STOP", pid])
    assert machine.call("process", "probe", settings).facts["cause"] == "stopped"
    machine.run(["systemctl", "kill", "--signal=KILL", "web.service"])
    wait_for(lambda: machine.show("web.service", "ActiveState") == "failed")
    answer = machine.call("process", "probe", settings)
    assert answer.sentence == "web.service is failed (failed) and has no main process"
    answer = machine.call("process", "probe", {"unit": "none.service"})
    assert (answer.status, answer.sentence) == ("config", "systemd knows no unit none.service")


@pytest.mark.parametrize("settings,complaint", [
    ({}, (None, "exactly one of pid_file, name and unit says which process is meant")),
    ({"name": "a", "unit": "b"}, (None, "exactly one of pid_file, name and unit says which process is meant")),
    ({"name": "a", "program": "b"}, ("program", "goes with pid_file or unit; `name` says it already")),
    ({"unit": "a", "maximum": "2"}, ("maximum", "goes with name")),
    ({"name": "a", "minimum": "3", "maximum": "2"}, ("maximum", "is less than minimum: nothing would pass")),
    ({"unit": "../x"}, ("unit", "'../x' is no name of a unit"))])
def test_what_cannot_be_meant_is_refused(settings, complaint):
    assert complaints("process", settings) == [complaint]
