"""The container plugin against a real podman (its docker-compatible service), run by the real systemd of a machine of its
own: podman's health checks are systemd timers. What a healthy engine does not do is played by a socket that misbehaves."""
import pathlib
import socket
import sys
import tempfile
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/plugins"))
import plugin  # noqa: E402
from systemd_machine import Machine  # noqa: E402

CONFIGURATION = {
    "containers.conf": '[containers]\nnetns = "host"\nlog_driver = "k8s-file"\n'
                       '[engine]\ncgroup_manager = "systemd"\nevents_logger = "file"\nruntime = "runc"\n',
    "storage.conf": '[storage]\ndriver = "vfs"\ngraphroot = "/run/share/images"\nrunroot = "/run/share/containers"\n',
}
# Obeys SIGTERM at once, as init.
SERVE = ["/bin/sh", "-c", "trap exit TERM; while :; do sleep 0.1; done"]
STUBBORN = ["/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"]


class Podman:
    socket = "/run/podman/podman.sock"

    def __init__(self, machine):
        self.machine = machine
        for name, text in CONFIGURATION.items():
            (machine.share / name).write_text(text)
        environment = [f"CONTAINERS_CONF=/run/share/containers.conf", "CONTAINERS_STORAGE_CONF=/run/share/storage.conf"]
        self.environment = ["env", "HOME=/root", *environment]
        # For the timers of health checks.
        machine.run(["systemctl", "set-environment", *environment])
        machine.run([*self.environment, "sh", "-ec",
                     "mkdir -p /run/podman /run/share/image/bin; cd /run/share/image; cp /bin/busybox bin/\n"
                     "for name in sh sleep test touch rm echo; do ln -s busybox bin/$name; done\n"
                     "tar -c . | podman import - baton/busybox:1"])
        machine.unit("podman.service", "[Service]\nType=exec\nExecStart=/usr/bin/podman system service --time=0 "
                                       f"unix://{self.socket}\nKillMode=process\n")
        machine.run(["systemctl", "start", "podman"])
        machine.run(["sh", "-c", f"until [ -S {self.socket} ]; do sleep 0.05; done"], timeout=10)

    def __call__(self, *argv, check=True):
        return self.machine.run([*self.environment, "podman", *argv], check=check).stdout.strip()

    def create(self, name, *options, command=SERVE):
        self("create", "--name", name, "--pids-limit=-1", *options, "baton/busybox:1", *command)

    def status(self, name):
        return self("inspect", "-f", "{{.State.Status}}", name)

    def call(self, verb, container, timeout=8.0, user=None, **settings):
        return self.machine.call("container", verb, {"container": container, **settings}, timeout=timeout, user=user)


@pytest.fixture(scope="module")
def podman():
    machine = Machine()
    try:
        yield Podman(machine.start())
    finally:
        machine.stop()


def await_true(condition, what, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


HEALTH = ["--health-cmd", "echo no answer from the database; test -e /well", "--health-interval", "1s", "--health-retries", "2",
          "--health-start-period", "0s"]


# --- the check

def test_a_running_container_passes_with_its_facts(podman):
    podman.create("plain")
    podman("start", "plain")
    answer = podman.call("probe", "plain")
    assert (answer.status, answer.state) == ("ok", "pass")
    assert answer.sentence.startswith("plain runs since 20")
    facts = answer.facts
    assert (facts["container"], facts["status"], facts["image"], facts["restarts"], facts["socket"]) == (
        "plain", "running", "localhost/baton/busybox:1", "0", "/run/podman/podman.sock")
    assert "health" not in facts and "exit_code" not in facts and "cause" not in facts


def test_a_container_without_a_health_check_fails_where_one_is_asked_for(podman):
    podman.create("bare")
    podman("start", "bare")
    assert podman.call("probe", "bare", require_health="no").state == "pass"
    answer = podman.call("probe", "bare", require_health="yes")
    assert (answer.state, answer.facts["cause"]) == ("fail", "no_health_check")
    assert answer.sentence == "bare runs, but has no health check, and `require_health = yes` asks for one"


def test_health_is_followed_from_starting_to_unhealthy_to_healthy(podman):
    podman.create("sick", *HEALTH)
    podman("start", "sick")
    first = podman.call("probe", "sick")
    assert first.state == "fail"
    assert (first.facts["health"], first.facts["cause"]) == ("starting", "starting")
    assert first.sentence.startswith("sick runs, but its health check has not passed yet since 20")
    assert podman.call("probe", "sick", while_starting="pass").state == "pass"
    await_true(lambda: podman.call("probe", "sick").facts["health"] == "unhealthy", "the timer finds it unhealthy")
    answer = podman.call("probe", "sick")
    assert (answer.state, answer.facts["cause"], answer.facts["status"]) == ("fail", "unhealthy", "running")
    assert answer.sentence.startswith("sick runs, but is unhealthy: ")
    assert "health checks failed in a row, the last with exit code 1" in answer.sentence
    assert podman.call("probe", "sick", require_health="no").state == "pass"
    podman("exec", "sick", "touch", "/well")
    await_true(lambda: podman.call("probe", "sick").state == "pass", "the timer finds it healthy")
    answer = podman.call("probe", "sick")
    assert answer.sentence.startswith("sick runs and is healthy since 20")
    assert answer.facts["health"] == "healthy"


def test_an_ended_container_fails_with_its_exit_code(podman):
    podman.create("three", command=["/bin/sh", "-c", "exit 3"])
    podman("start", "three")
    await_true(lambda: podman.status("three") == "exited", "it ends")
    answer = podman.call("probe", "three")
    assert (answer.state, answer.facts["cause"], answer.facts["exit_code"]) == ("fail", "not_running", "3")
    assert answer.sentence.startswith("three is exited since 20")
    assert answer.sentence.endswith(": exit code 3")
    podman.create("shot")
    podman("start", "shot")
    podman("kill", "-s", "KILL", "shot")
    await_true(lambda: podman.status("shot") == "exited", "it ends")
    assert podman.call("probe", "shot").sentence.endswith(": exit code 137 (ended by signal 9)")


def test_one_that_was_never_started_and_one_that_is_not_there_fail(podman):
    podman.create("fresh")
    assert podman.call("probe", "fresh").sentence == "fresh is created: it was never started"
    answer = podman.call("probe", "nowhere")
    assert (answer.status, answer.state, answer.facts["cause"]) == ("ok", "fail", "missing")
    assert answer.sentence == "there is no container nowhere at /run/podman/podman.sock"


def test_a_paused_container_fails(podman):
    podman.create("frozen")
    podman("start", "frozen")
    podman("pause", "frozen")
    answer = podman.call("probe", "frozen")
    assert (answer.state, answer.sentence) == ("fail", "frozen is paused: its processes are frozen")


def test_of_several_containers_the_first_bad_one_is_named(podman):
    podman.create("left")
    podman.create("right")
    podman("start", "left")
    answer = podman.call("probe", ["left", "right"])
    assert (answer.state, answer.facts["container"], answer.facts["left"]) == ("fail", "right", "running")
    podman("start", "right")
    answer = podman.call("probe", ["left", "right"])
    assert answer.state == "pass"
    assert answer.sentence.startswith("all 2 containers run: left runs")


# --- the action

def test_enter_starts_and_leave_stops_and_both_may_be_repeated(podman):
    podman.create("web")
    answer = podman.call("enter", "web")
    assert (answer.status, answer.sentence, podman.status("web")) == ("ok", "started web", "running")
    process = podman("inspect", "-f", "{{.State.Pid}}", "web")
    answer = podman.call("enter", "web")
    assert (answer.status, answer.sentence, answer.facts["changed"]) == ("ok", "web was running", "0")
    assert podman("inspect", "-f", "{{.State.Pid}}", "web") == process
    answer = podman.call("leave", "web")
    assert (answer.status, answer.sentence, podman.status("web")) == ("ok", "stopped web", "exited")
    answer = podman.call("leave", "web")
    assert (answer.status, answer.sentence) == ("ok", "web was not running")


def test_several_start_in_order_and_stop_in_reverse(podman):
    podman.create("database")
    podman.create("frontend")
    names = ["database", "frontend"]
    assert podman.call("enter", names).sentence == "started database; started frontend"
    assert podman.call("leave", names).sentence == "stopped frontend; stopped database"


def test_enter_resumes_what_is_paused_and_leave_stops_it(podman):
    podman.create("nap")
    podman("start", "nap")
    podman("pause", "nap")
    assert podman.call("enter", "nap").sentence == "unpaused nap"
    assert podman.status("nap") == "running"
    podman("pause", "nap")
    assert podman.call("leave", "nap").sentence == "stopped nap"
    assert podman.status("nap") == "exited"


def test_enter_waits_until_healthy(podman):
    podman.create("slow", "--health-cmd", "test -e /well", "--health-interval", "1s", "--health-retries", "60",
                  command=["/bin/sh", "-c", "trap exit TERM; sleep 1; touch /well; while :; do sleep 0.1; done"])
    answer = podman.call("enter", "slow", timeout=15.0)
    assert (answer.status, answer.sentence) == ("ok", "started slow")
    assert podman.call("probe", "slow").facts["health"] == "healthy"


def test_enter_does_not_wait_for_health_when_told_not_to_and_says_what_it_waited_for(podman):
    podman.create("never", "--health-cmd", "test -e /well", "--health-interval", "1s", "--health-retries", "60")
    assert podman.call("enter", "never", wait_healthy="no").status == "ok"
    answer = podman.call("enter", "never", timeout=1.5)
    assert (answer.status, answer.facts["cause"]) == ("transient", "timeout")
    assert answer.sentence.startswith("time is over: never runs, but its health check has not passed yet")
    assert 1.0 < answer.seconds < 1.7


def test_what_ends_at_once_or_cannot_be_started_is_said(podman):
    podman.create("brief", command=["/bin/sh", "-c", "exit 4"])
    answer = podman.call("enter", "brief")
    assert answer.status in ("transient", "ok")
    if answer.status == "ok":  # it was seen running: then the check finds it
        answer = podman.call("probe", "brief")
    assert ": exit code 4" in answer.sentence
    podman.create("broken", command=["/bin/nothing"])
    answer = podman.call("enter", "broken")
    assert (answer.status, answer.facts["cause"]) == ("transient", "engine")
    assert answer.sentence.startswith("cannot start broken: the engine answers ")
    assert "/bin/nothing" in answer.sentence


def test_enter_never_creates_and_leave_of_nothing_is_well(podman):
    answer = podman.call("enter", "absent")
    assert (answer.status, answer.facts["cause"]) == ("config", "missing")
    assert answer.sentence == ("there is no container absent at /run/podman/podman.sock: create it; Baton only starts what "
                               "there is")
    assert podman("ps", "-a", "--filter", "name=absent", "-q") == ""
    answer = podman.call("leave", "absent")
    assert (answer.status, answer.sentence) == ("ok", "there is no container absent")


def test_the_engine_kills_after_stop_timeout(podman):
    podman.create("deaf", command=STUBBORN)
    podman("start", "deaf")
    answer = podman.call("leave", "deaf", stop_timeout="1s")
    assert (answer.status, answer.sentence) == ("ok", "stopped deaf")
    assert 0.9 < answer.seconds < 4
    assert podman("inspect", "-f", "{{.State.ExitCode}}", "deaf") == "137"


def test_one_that_will_not_stop_does_not_keep_the_others_running(podman):
    podman.create("good")
    podman.create("bad", command=STUBBORN)
    podman("start", "good", "bad")
    answer = podman.call("leave", ["good", "bad"], timeout=2.5, stop_timeout="30s")
    assert (answer.status, answer.facts["cause"]) == ("transient", "timeout")
    assert answer.facts["done"] == "stopped good"
    assert podman.status("good") == "exited"


def test_at_leave_nothing_leaves_it_running(podman):
    podman.create("both")
    podman("start", "both")
    answer = podman.call("leave", "both", at_leave="nothing")
    assert (answer.status, answer.sentence, podman.status("both")) == ("ok", "left as they are", "running")


def test_a_restart_policy_that_starts_at_boot_is_warned_of(podman):
    podman.create("eager", "--restart", "always")
    answer = podman.call("enter", "eager")
    assert [text.split(":")[0] for level, text in answer.log if level == 2] == ["eager has restart policy always"]


def test_a_user_without_rights_is_told_what_to_give(podman):
    answer = podman.call("probe", "plain", user="nobody")
    assert (answer.status, answer.state, answer.facts["cause"]) == ("config", "unknown", "denied")
    assert answer.sentence == ("nobody may not use /run/podman/podman.sock: write `user = root` in the section, or give that "
                               "user the socket's group (see the manual of module container)")


def test_an_engine_that_hangs_is_unknown_within_the_timeout(podman):
    process = int(podman.machine.show("podman", "MainPID"))
    podman.machine.run(["kill", "-STOP", process])
    try:
        answer = podman.call("probe", "plain", timeout=0.8)
    finally:
        podman.machine.run(["kill", "-CONT", process])
    assert (answer.status, answer.state, answer.facts["cause"]) == ("transient", "unknown", "timeout")
    assert "podman.sock" in answer.sentence
    assert 0.7 < answer.seconds < 1.1


def test_containers_outlive_the_engines_service_and_the_plugin(podman):
    """podman's service ends and returns: what enter started still runs."""
    podman.create("free")
    assert podman.call("enter", "free").status == "ok"
    podman.machine.run(["systemctl", "restart", "podman"])
    await_true(lambda: podman.call("probe", "free").state == "pass", "the service is back")


# --- a socket that is no engine

@pytest.fixture
def directory():
    with tempfile.TemporaryDirectory(prefix="baton-container-") as path:
        yield pathlib.Path(path)


class Play:
    """Answers each connection with the same bytes, or, of a list, with one after the other and then the last."""

    def __init__(self, path, answer):
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(path))
        self.server.listen(8)
        self.answer = answer
        self.requests = []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                one, _ = self.server.accept()
            except OSError:
                return
            self.requests.append(one.recv(65536).split(b"\r\n")[0].decode())
            answer = self.answer
            if isinstance(answer, list):
                answer = answer[min(len(self.requests), len(answer)) - 1]
            one.sendall(answer)
            one.close()

    def close(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.thread.join(5)


def http(status, body):
    return f"HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


@pytest.mark.parametrize("answer,expected,words", [
    (http(200, "not JSON"), ("transient", "body"), "is no container engine: no State.Status in its answer for web"),
    (http(200, "[]"), ("transient", "body"), "is no container engine"),
    (http(200, '{"State": "running"}'), ("transient", "body"), "is no container engine"),
    (http(403, '{"message": "denied by plugin"}'), ("config", "denied"), "answers 403: denied by plugin"),
    (http(500, '{"message": "disk on fire\\nmore"}'), ("transient", "engine"), "answers 500: disk on fire"),
    (b"SSH-2.0-OpenSSH\r\n", ("transient", "protocol"), "cannot inspect web: "),
    (b"", ("transient", "closed"), "cannot inspect web: "),
])
def test_an_answer_without_sense_is_unknown(directory, answer, expected, words):
    play = Play(directory / "s", answer)
    try:
        got = plugin.call("container", "probe", {"container": "web", "socket": str(directory / "s")})
    finally:
        play.close()
    assert (got.status, got.facts["cause"], got.state) == (*expected, "unknown")
    assert words in got.sentence
    assert play.requests[0] == "GET /containers/web/json HTTP/1.1", "no version: engines refuse old ones"


def test_fields_of_the_wrong_type_are_read_as_absent(directory):
    body = '{"State": {"Status": "running", "Health": 7, "ExitCode": "x"}, "RestartCount": [], "Config": null}'
    play = Play(directory / "s", http(200, body))
    try:
        got = plugin.call("container", "probe", {"container": "web", "socket": str(directory / "s")})
    finally:
        play.close()
    assert (got.status, got.state, got.sentence, got.facts["restarts"]) == ("ok", "pass", "web runs", "0")


def test_dockers_restarting_and_out_of_memory_are_said(directory):
    """As docker documents them; podman has no restarting state."""
    for body, sentence in [
        ('{"State": {"Status": "restarting", "ExitCode": 2}, "RestartCount": 9}',
         "web is being restarted by the engine (9 times so far): exit code 2"),
        ('{"State": {"Status": "exited", "ExitCode": 137, "OOMKilled": true, "FinishedAt": "2026-11-21T09:52:31.5Z"}}',
         "web is exited since 2026-11-21 09:52:31 UTC: exit code 137 (ended by signal 9), killed for want of memory")]:
        path = directory / f"s{len(body)}"
        play = Play(path, http(200, body))
        try:
            got = plugin.call("container", "probe", {"container": "web", "socket": str(path)})
        finally:
            play.close()
        assert (got.state, got.sentence) == ("fail", sentence)


def state(status, health, streak):
    return http(200, '{"State": {"Status": "%s", "Health": {"Status": "%s", "FailingStreak": %d, "Log": []}}}' % (status, health, streak))


def test_what_docker_calls_unhealthy_because_it_was_paused_is_waited_for(directory):
    """As docker 20.10 answers: paused, unpaused and not yet checked, checked."""
    play = Play(directory / "s", [state("paused", "unhealthy", 0), http(200, ""), state("running", "unhealthy", 0),
                                  state("running", "unhealthy", 0), state("running", "healthy", 0)])
    try:
        got = plugin.call("container", "enter", {"container": "web", "socket": str(directory / "s")}, timeout=5)
    finally:
        play.close()
    assert (got.status, got.sentence) == ("ok", "unpaused web")
    assert [request.split()[0] for request in play.requests] == ["GET", "POST", "GET", "GET", "GET"]
    play = Play(directory / "t", state("running", "unhealthy", 3))
    try:
        got = plugin.call("container", "enter", {"container": "web", "socket": str(directory / "t")}, timeout=5)
    finally:
        play.close()
    assert (got.status, got.facts["cause"]) == ("transient", "unhealthy")
    assert len(play.requests) == 2, "what has failed its checks is not waited for"


def test_a_missing_and_a_refusing_socket_are_told_apart(directory):
    path = directory / "s"
    got = plugin.call("container", "probe", {"container": "web", "socket": str(path)})
    assert (got.status, got.state, got.facts["cause"]) == ("config", "unknown", "missing")
    assert got.sentence == f"there is no socket {path}: the container engine is not running"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    got = plugin.call("container", "probe", {"container": "web", "socket": str(path)})
    assert (got.status, got.state, got.facts["cause"]) == ("transient", "unknown", "refused")


# --- the settings

def test_settings_are_refused_that_cannot_be_meant():
    assert plugin.complaints("container", {"container": "web_1.a-b"}) == []
    assert plugin.complaints("container", {"container": "a/../b"}) == [
        ("container", "'a/../b' has a '/', which no container's name has")]
    assert plugin.complaints("container", {"container": ["a", "a"]}) == [("container", "a stands here twice")]
    assert plugin.complaints("container", {"container": "a", "stop_timeout": "1500ms"}) == [
        ("stop_timeout", "has to be whole seconds: the engine counts no finer")]
