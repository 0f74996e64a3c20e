"""batonctl run --while: one crontab for both hosts; a job lives only while its host has the role, and is stopped when that goes."""
import json
import os
import signal
import subprocess

from lib import proc
from lib.daemons import BATON_BIN
from lib.proc import alive, hold, wait_until


def guard(daemon, *words):
    """`batonctl run` on this daemon's host; the Popen object is batonctl's."""
    return proc.start_in(daemon.lab.namespace(daemon.host), [os.path.join(BATON_BIN, "batonctl"), "--runtime-dir", daemon.runtime, "run", *words],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process, deadline):
    out, err = process.communicate(timeout=deadline)
    return process.returncode, out, err


class Job:
    """A job that tells the numbers of its two processes. `stubborn`: they do not hear SIGTERM."""

    def __init__(self, daemon, name, stubborn=False):
        self.path = daemon.path(name)
        trap = "trap '' TERM; " if stubborn else ""
        self.command = ["sh", "-c", "%ssleep 1000 & echo $$ $! >%s.new; mv %s.new %s; wait; wait" % (trap, self.path, self.path, self.path)]

    def pids(self):
        if not os.path.exists(self.path):
            return []
        with open(self.path, encoding="ascii") as file:
            return [int(word) for word in file.read().split()]

    def wait_running(self):
        wait_until(lambda: len(self.pids()) == 2 and all(map(alive, self.pids())), 5, "the job runs")
        return self

    def is_gone(self):
        return not any(map(alive, self.pids()))


def test_only_the_active_host_runs_it_and_its_status_is_passed_on(scene):
    one, other = scene.pair()
    # The same line on both hosts.
    done = {host.host: finish(guard(host, "--while", "active", "svc", "--", "sh", "-c", "echo $BATON_INSTANCE $BATON_ROLE; exit 7"), 10) for host in (one, other)}
    assert done == {"db1": (7, "svc active\n", ""), "db2": (0, "", "")}
    assert finish(guard(other, "--while", "backup", "svc", "--", "echo", "status", "--json", "--"), 10) == (0, "status --json --\n", "")
    assert finish(guard(one, "--while", "backup", "svc", "--must-run", "--", "true"), 10) == (6, "", "batonctl: not run: svc is active here\n")
    assert finish(guard(one, "--while", "active", "svc", "--", "sh", "-c", "kill -9 $$"), 10)[0] == 137
    code, out, err = finish(guard(one, "--while", "active", "svc", "--", "/no/such/program"), 10)
    assert (code, out, err) == (127, "", "batonctl: cannot execute /no/such/program: No such file or directory\n")
    code, out, _ = finish(guard(one, "--while", "active", "svc", "--json", "--", "sh", "-c", "exit 3"), 10)
    assert (code, json.loads(out)) == (3, {"ok": False, "exit": 3, "why": "ended", "command_exit": 3})
    code, out, err = finish(guard(one, "--while", "active", "nothing", "--", "true"), 10)
    assert (code, err) == (1, "batonctl: no instance or group 'nothing'\n")


def test_what_a_job_leaves_in_its_group_ends_with_it(scene):
    one, _ = scene.pair()
    left = one.path("left")
    code, _, _ = finish(guard(one, "--while", "active", "svc", "--", "sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $! >%s" % left), 10)
    with open(left, encoding="ascii") as file:
        assert code == 0 and not alive(int(file.read()))


def test_when_the_role_moves_the_job_is_stopped_and_the_other_host_may_run_it(scene):
    one, other = scene.pair()
    job = Job(one, "job")
    guarded = guard(one, "--while", "active", "svc", "--", *job.command)
    standby = Job(other, "standby")
    waiting = guard(other, "--while", "backup", "svc", "--", *standby.command)
    job.wait_running()
    standby.wait_running()
    hold(lambda: guarded.poll() is None and waiting.poll() is None, 1.5, "both go on while nothing moves")
    assert one.control("switchover").returncode == 0
    scene.wait_holder("db2")
    code, _, err = finish(guarded, 3)
    assert code == 6 and err.startswith("batonctl: stopped: svc is ") and job.is_gone(), err
    code, _, err = finish(waiting, 3)
    assert code == 6 and err.startswith("batonctl: stopped: svc is active here") and standby.is_gone()
    assert finish(guard(other, "--while", "active", "svc", "--", "echo", "here"), 10) == (0, "here\n", "")


def test_who_does_not_hear_sigterm_is_killed_after_the_grace(scene):
    one, _ = scene.pair()
    job = Job(one, "job", stubborn=True)
    guarded = guard(one, "--while", "active", "svc", "--grace", "2s", "--", *job.command)
    job.wait_running()
    assert one.control("switchover").returncode == 0
    scene.wait_holder("db2")
    hold(lambda: all(map(alive, job.pids())), 1.0, "it is given its grace")
    assert finish(guarded, 5)[0] == 6
    wait_until(job.is_gone, 1)


def test_a_steward_that_is_started_again_does_not_end_a_job(scene):
    one, _ = scene.pair()
    job = Job(one, "job")
    guarded = guard(one, "--while", "active", "svc", "--", *job.command)
    job.wait_running()
    before = one.process_of("steward")
    one.kill_process("steward")
    wait_until(lambda: one.process_of("steward") not in (None, before), 10, "a new steward")
    one.wait_ready()
    hold(lambda: guarded.poll() is None and not job.is_gone(), 6.0, "longer than a silence is borne")
    guarded.send_signal(signal.SIGTERM)
    code, _, err = finish(guarded, 5)
    assert (code, err) == (143, "batonctl: stopped by signal 15\n") and job.is_gone()


def test_a_daemon_that_cannot_be_asked_ends_the_job(scene):
    one, _ = scene.pair()
    job = Job(one, "job")
    guarded = guard(one, "--while", "active", "svc", "--", *job.command)
    job.wait_running()
    one.kill()
    hold(lambda: guarded.poll() is None, 3.0, "a restart is borne")
    code, _, err = finish(guarded, 6)
    assert code == 3 and err.startswith("batonctl: stopped: no daemon at ") and job.is_gone()
    code, _, err = finish(guard(one, "--while", "active", "svc", "--", "touch", one.path("ran")), 10)
    assert code == 3 and err.startswith("batonctl: no daemon at ") and not os.path.exists(one.path("ran"))


def test_a_guard_that_is_killed_takes_its_job_along(scene):
    one, _ = scene.pair()
    ready = one.path("ready")
    guarded = guard(one, "--while", "active", "svc", "--", "sh", "-c", "echo $$ >%s.new; mv %s.new %s; exec sleep 1000" % (ready, ready, ready))
    wait_until(lambda: os.path.exists(ready), 5)
    with open(ready, encoding="ascii") as file:
        pid = int(file.read())
    guarded.kill()
    guarded.wait(5)
    wait_until(lambda: not alive(pid), 2, "the job has ended")


def test_usage(scene):
    one, _ = scene.pair()
    for words in (["--while", "active", "svc"], ["--while", "master", "svc", "--", "true"], ["svc", "--", "true"],
                  ["--while", "active", "--", "true"], ["--while", "active", "svc", "--grace", "2", "--", "true"], ["--while", "active", "svc", "--"]):
        code, out, err = finish(guard(one, *words), 10)
        assert code == 2 and err.startswith("batonctl: ") and out == "", (words, code, out, err)
