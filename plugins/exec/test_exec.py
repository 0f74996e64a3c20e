"""exec against real programs: the checks of monitoring-plugins, scripts of all manners, systemd as process 1."""
import os
import pathlib
import re
import signal
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/plugins"))
from plugin import Session, call, complaints  # noqa: E402
from systemd_machine import Machine  # noqa: E402


def script(directory, name, text, mode=0o755):
    path = directory / name
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def gone(pid, seconds=3.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not pathlib.Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("code,state,warning", [(0, "pass", False), (1, "pass", True), (2, "fail", False),
                                                (3, "unknown", False), (126, "unknown", False), (127, "unknown", False)])
def test_exit_code_is_the_state(code, state, warning):
    answer = call("exec", "probe", {"command": f"/bin/sh -c 'echo it is so; exit {code}'"})
    assert (answer.status, answer.state, answer.warning) == ("ok", state, warning)
    assert answer.facts["exit_code"] == str(code)
    assert answer.sentence == ("it is so" if code < 4 else f"/bin/sh exited with {code}: it is so")


def test_monitoring_plugin_gives_its_line_and_performance_data():
    answer = call("exec", "probe", {"command": "/usr/lib/nagios/plugins/check_load -w 1000,1000,1000 -c 2000,2000,2000"})
    assert (answer.status, answer.state) == ("ok", "pass")
    assert answer.sentence.startswith("LOAD OK") or answer.sentence.startswith("OK")
    assert "|" not in answer.sentence
    assert {"load1", "load5", "load15"} <= set(answer.facts)


def test_performance_data_label_may_be_quoted_and_thresholds_are_left_out():
    line = "DISK WARN | '/ free'=12MB;20;10;0;100 time=0.5s 'it''s'=3 broken"
    answer = call("exec", "probe", {"command": f'/bin/sh -c "echo \\"$1\\"; exit 1" sh "{line}"'})
    assert answer.sentence == "DISK WARN"
    assert answer.facts == {"exit_code": "1", "/ free": "12MB", "time": "0.5s", "it's": "3"}


def test_words_are_kept_by_quotes_and_nothing_is_expanded(tmp_path):
    path = script(tmp_path, "show", "#!/bin/sh\nprintf '<%s>' \"$@\"\n")
    answer = call("exec", "probe", {"command": path + r""" 'a  $HOME' "b \" \\ \n" c\ d '' * $PATH 'it'"'"'s'"""})
    assert answer.sentence == r"""<a  $HOME><b " \ \n><c d><><*><$PATH><it's>"""


@pytest.mark.parametrize("value,message", [
    ("check_load -w 5", "'check_load' is no absolute path: PATH is not searched"),
    ("/bin/echo 'open", "the quote ' at character 11 is not closed"),
    ("/bin/echo a\\", "ends with a backslash"),
    ("/bin/echo a | /usr/bin/wc",
     "no shell runs this, and | would be a mere word: quote it if it is meant so, or write /bin/sh -c '...'"),
    ("  ", "names no program")])
def test_a_bad_command_is_refused_when_the_file_is_checked(value, message):
    assert complaints("exec", {"leave_command": value}) == [("leave_command", message)]


def test_a_quoted_operator_is_an_argument():
    assert complaints("exec", {"command": "/usr/bin/find / -exec true \\;"}) == []


def test_a_section_that_runs_nothing_and_bad_variables_are_refused():
    assert complaints("exec", {}) == [
        (None, "names no program: write command, enter_command, leave_command or notify_command")]
    assert complaints("exec", {"command": "/bin/true", "environment": ["A", "1B=2", "BATON_VERB=x", "GOOD="]}) == [
        ("environment", "'A' is not NAME=VALUE"), ("environment", "'1B' is no name of a variable"),
        ("environment", "BATON_VERB: names that begin with BATON_ are Baton's")]


def test_each_reason_for_not_starting_has_its_words(tmp_path):
    missing = call("exec", "probe", {"command": f"{tmp_path}/none"})
    assert (missing.status, missing.facts["cause"]) == ("config", "missing")
    assert missing.sentence == f"could not be started: {tmp_path}/none: No such file or directory"
    plain = script(tmp_path, "plain", "#!/bin/sh\n", 0o644)
    answer = call("exec", "probe", {"command": plain})
    assert (answer.status, answer.state, answer.facts["cause"]) == ("config", "unknown", "permission")
    assert answer.sentence == f"could not be started: {plain}: not executable for this user (Permission denied)"
    bare = script(tmp_path, "bare", "#!/nowhere/python\n")
    assert call("exec", "probe", {"command": bare}).sentence == (
        f"could not be started: {bare}: its interpreter (the #! line, or the loader) does not exist")
    data = script(tmp_path, "data", "no program\n")
    answer = call("exec", "probe", {"command": data})
    assert (answer.status, answer.facts["cause"]) == ("config", "start")
    assert answer.sentence == f"could not be started: {data}: neither a program for this machine nor a script with a #! line"
    answer = call("exec", "probe", {"command": "/bin/true", "directory": "/nowhere"})
    assert answer.sentence == "could not be started: cannot change to the directory /nowhere: No such file or directory"


def test_no_process_left_by_the_limit_may_work_later():
    import pwd
    import resource
    before = resource.getrlimit(resource.RLIMIT_NPROC)
    resource.setrlimit(resource.RLIMIT_NPROC, (1, before[1]))  # inherited; root alone is exempt from it
    try:
        session = Session("exec", {"enter_command": "/bin/true", "transient_unit": "no"}, "act",
                          user=pwd.getpwnam("nobody"))
    finally:
        resource.setrlimit(resource.RLIMIT_NPROC, before)
    with session:
        answer = session.call("enter")
    assert (answer.status, answer.facts["cause"]) == ("transient", "resources")
    assert answer.sentence == ("could not be started: cannot start /bin/true: Resource temporarily unavailable "
                               "(the limit of processes is reached)")


def test_a_signal_is_unknown_and_named():
    answer = call("exec", "probe", {"command": "/bin/sh -c 'kill -SEGV $$'"})
    assert (answer.status, answer.state, answer.facts["signal"]) == ("transient", "unknown", "11")
    assert answer.sentence == "/bin/sh was ended by SIGSEGV"


def test_late_program_gets_sigterm_and_its_whole_group_ends(tmp_path):
    late = script(tmp_path, "late", f"#!/bin/sh\necho half\necho $$ >{tmp_path}/pid\nsleep 60 &\necho $! >{tmp_path}/child\n"
                                    "wait\n")
    answer = call("exec", "probe", {"command": late}, timeout=1.0)
    assert (answer.status, answer.state, answer.facts["cause"]) == ("transient", "unknown", "timeout")
    assert answer.sentence == f"{late} gave no answer within {answer.sentence.split('within ')[1]}"
    assert answer.sentence.endswith(" ms: half") and "SIGTERM" not in answer.sentence
    assert 0.75 <= answer.seconds < 1.0
    for name in ("pid", "child"):
        assert gone((tmp_path / name).read_text().strip())


def test_who_ignores_sigterm_is_killed_before_the_deadline(tmp_path):
    deaf = script(tmp_path, "deaf", f"#!/bin/sh\ntrap '' TERM\necho $$ >{tmp_path}/pid\nwhile :; do /bin/sleep 0.05; done\n")
    answer = call("exec", "probe", {"command": deaf}, timeout=1.0)
    assert answer.status == "transient" and answer.seconds < 1.0
    assert answer.sentence.endswith("and ignored SIGTERM")
    assert gone((tmp_path / "pid").read_text().strip())


def test_a_daemon_made_by_a_direct_command_ends_with_it_and_no_zombie_stays(tmp_path):
    daemon = script(tmp_path, "daemon", f"#!/bin/sh\nsetsid /bin/sh -c 'echo $$ >{tmp_path}/pid; exec /bin/sleep 60' &\n"
                                        f"while [ ! -s {tmp_path}/pid ]; do /bin/sleep 0.01; done\necho started\n")
    with Session("exec", {"enter_command": daemon, "transient_unit": "no"}, "act") as session:
        answer = session.call("enter", 5.0)
        assert (answer.status, answer.sentence) == ("ok", "started")
        assert gone((tmp_path / "pid").read_text().strip())
        children = pathlib.Path(f"/proc/{session.process.pid}/task/{session.process.pid}/children").read_text()
        assert children == ""


def test_the_command_dies_with_its_host(tmp_path):
    path = script(tmp_path, "stay", f"#!/bin/sh\necho $$ >{tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid\n"
                                    "exec /bin/sleep 60\n")
    with Session("exec", {"command": path}) as session:
        session.pipe.send(("probe", 60.0, {}))
        end = time.monotonic() + 5
        while not (tmp_path / "pid").exists() and time.monotonic() < end:
            time.sleep(0.01)
        pid = (tmp_path / "pid").read_text().strip()
        assert pathlib.Path(f"/proc/{pid}").exists()
        os.kill(session.process.pid, signal.SIGKILL)
        assert gone(pid)


def test_a_flood_is_read_to_its_end_and_cut():
    flood = "/bin/sh -c 'echo first; head -c 5000000 /dev/zero; head -c 5000000 /dev/zero >&2; exit 2'"
    answer = call("exec", "probe", {"command": flood}, timeout=10.0)
    assert (answer.status, answer.state, answer.sentence) == ("ok", "fail", "first")


def test_who_says_nothing_on_stdout_is_quoted_from_stderr_and_stdin_is_empty():
    answer = call("exec", "probe", {"command": "/bin/sh -c 'cat; echo >&2 lost; exit 2'"})
    assert answer.sentence == "lost"
    assert call("exec", "probe", {"command": "/bin/false"}).sentence == "/bin/false exited with 1 and said nothing"


def test_descriptors_and_environment_of_the_host_stay_there(tmp_path):
    os.environ["SECRET_OF_THE_HOST"] = "1"
    with open(tmp_path / "leak", "w") as leak:
        os.set_inheritable(leak.fileno(), True)
        answer = call("exec", "probe", {"command": "/bin/sh -c 'echo $(readlink /proc/$$/fd/* | grep -c leak) "
                                                   "$(/usr/bin/env | wc -l) $SECRET_OF_THE_HOST $PATH $PWD'"})
    del os.environ["SECRET_OF_THE_HOST"]
    # PATH, LANG, the PWD of sh, and nine of Baton's.
    assert answer.sentence == "0 12 /usr/sbin:/usr/bin:/sbin:/bin /"


@pytest.mark.parametrize("verb", ["enter", "leave", "notify"])
def test_acts_say_what_it_is_about(verb, tmp_path):
    show = script(tmp_path, "show", '#!/bin/sh\necho "$BATON_INSTANCE,$BATON_VERB,$BATON_FROM,$BATON_TO,$BATON_REASON,'
                                    '$BATON_REASON_WORDS,$BATON_HOST,$BATON_SECTION,$EXTRA"\n')
    with Session("exec", {f"{verb}_command": show, "environment": ["EXTRA=a b"], "transient_unit": "no"}, "act",
                 section="hook", host_name="db1") as session:
        answer = session.call(verb, 5.0, instance="pg", from_state="backup", to_state="active", reason="why",
                              reason_words="for a reason")
    assert (answer.status, answer.sentence) == ("ok", f"pg,{verb},backup,active,why,for a reason,db1,hook,a b")


@pytest.mark.parametrize("code,status", [(0, "ok"), (75, "transient"), (77, "config"), (78, "config"), (1, "fatal"),
                                         (2, "fatal"), (255, "fatal")])
def test_exit_code_of_an_act_is_its_result(code, status):
    answer = call("exec", "enter", {"enter_command": f"/bin/sh -c 'echo said; exit {code}'", "transient_unit": "no"})
    assert answer.status == status
    assert answer.sentence == ("said" if code == 0 else f"/bin/sh exited with {code}: said")


def test_the_half_that_is_not_set_is_nothing_to_do():
    answer = call("exec", "leave", {"enter_command": "/bin/true"})
    assert (answer.status, answer.sentence) == ("ok", "nothing to run: there is no leave_command")
    assert call("exec", "notify", {"enter_command": "/bin/true"}).status == "config"


@pytest.fixture(scope="module")
def machine():
    made = Machine()
    try:
        yield made.start()
    finally:
        made.stop()


def test_under_systemd_an_act_has_a_unit_of_its_own_and_what_it_starts_outlives_it(machine):
    begin = script(machine.share, "begin", "#!/bin/sh\nsetsid /bin/sleep 300 >/dev/null 2>&1 &\n"
                                           "echo $! >/run/share/pid\ngrep ^0:: /proc/self/cgroup\n")
    answer = machine.call("exec", "enter", {"enter_command": "/run/share/begin"}, timeout=10.0)
    assert answer.status == "ok", answer
    unit = answer.facts["unit"]
    assert unit.startswith("baton-test-enter-") and answer.sentence.endswith("/" + unit), answer
    assert machine.run(["systemctl", "is-active", unit], check=False).stdout != "active\n"
    pid = (machine.share / "pid").read_text().strip()
    assert machine.run(["cat", f"/proc/{pid}/comm"]).stdout == "sleep\n"
    assert begin
    # What the first run has left does not stand in the way of the next.
    again = machine.call("exec", "enter", {"enter_command": "/run/share/begin"}, timeout=10.0)
    assert again.status == "ok", again


def test_under_systemd_the_exit_code_words_and_variables_come_through(machine):
    answer = machine.call("exec", "leave", {"leave_command": "/bin/sh -c 'echo \"$BATON_INSTANCE $1\"; exit 75' sh '$HOME'"},
                          timeout=10.0, instance="pg")
    assert (answer.status, answer.sentence) == ("transient", "/bin/sh exited with 75: pg $HOME"), answer
    missing = machine.call("exec", "leave", {"leave_command": "/nowhere/none"}, timeout=10.0)
    assert (missing.status, missing.facts["cause"]) == ("config", "missing"), missing


def test_under_systemd_a_late_unit_is_ended(machine):
    script(machine.share, "late", "#!/bin/sh\necho $$ >/run/share/late_pid\nexec /bin/sleep 300\n")
    answer = machine.call("exec", "enter", {"enter_command": "/run/share/late"}, timeout=2.0)
    assert (answer.status, answer.facts["cause"]) == ("transient", "timeout"), answer
    pid = (machine.share / "late_pid").read_text().strip()
    end = time.monotonic() + 5
    while machine.run(["test", "-e", f"/proc/{pid}"], check=False).returncode == 0 and time.monotonic() < end:
        time.sleep(0.05)
    assert machine.run(["test", "-e", f"/proc/{pid}"], check=False).returncode == 1


def test_under_systemd_who_may_not_is_told_what_to_write(machine):
    answer = machine.call("exec", "enter", {"enter_command": "/bin/true"}, timeout=10.0, user="nobody")
    assert (answer.status, answer.facts["cause"]) == ("config", "permission"), answer
    assert "polkit action org.freedesktop.systemd1.manage-units, or write `user = root`" in answer.sentence


def test_the_manuals_name_each_variable():
    folder = pathlib.Path(__file__).resolve().parent
    code = (folder / "exec.cc").read_text(encoding="utf-8")
    given = set(re.findall(r'\{"(BATON_\w+)"', code))
    assert len(given) == 9
    manual = code[code.index("kManual ="):]
    readme = (folder / "README.md").read_text(encoding="utf-8")
    for name in given:
        assert re.search(rf"\b{name}\b", manual) and f"`{name}`" in readme, name
