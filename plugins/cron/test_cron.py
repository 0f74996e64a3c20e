"""cron against real directories, and against the real cron in a mount and pid namespace of its own."""
import os
import pathlib
import pwd
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/plugins"))
from plugin import Session, complaints  # noqa: E402

HEADER = "# Written by Baton for [plugin jobs], there only while this host is Active. Do not edit.\n"
JOB = "*/5 * * * * root /bin/true"


@pytest.fixture
def spool(tmp_path):
    """A directory that anybody may search, as /etc/cron.d."""
    for parent in (tmp_path, *tmp_path.parents[:3]):
        if parent.name.startswith("pytest") or parent == tmp_path:
            parent.chmod(0o755)
    directory = tmp_path / "cron.d"
    directory.mkdir()
    return directory


def run(spool, *verbs, user=None, **settings):
    chosen = {"directory": str(spool), **({"job": [JOB]} if "source" not in settings else {}), **settings}
    with Session("cron", chosen, "act", section="jobs", user=user) as session:
        answers = [session.call(verb, 5.0) for verb in verbs]
    return answers[0] if len(answers) == 1 else answers


def test_it_is_installed_at_enter_and_removed_at_leave_and_each_may_be_repeated(spool):
    path = spool / "baton-jobs"
    answers = run(spool, "leave", "enter", "enter")
    assert [(answer.status, answer.sentence) for answer in answers] == [
        ("ok", f"{path} was not installed"), ("ok", f"installed {path}"), ("ok", f"{path} was installed already")]
    assert path.read_text() == HEADER + JOB + "\n"
    status = path.stat()
    assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o644, 0, 0)
    assert os.listdir(spool) == ["baton-jobs"]
    answers = run(spool, "leave", "leave")
    assert [answer.sentence for answer in answers] == [f"removed {path}", f"{path} was not installed"]
    assert os.listdir(spool) == []


def test_what_was_changed_or_half_written_is_renewed(spool):
    path = spool / "baton-jobs"
    path.write_text(HEADER + "* * * * * ro")
    (spool / ".baton-jobs.new").write_text("half")
    assert run(spool, "enter").sentence == f"renewed {path}"
    assert path.read_text() == HEADER + JOB + "\n" and os.listdir(spool) == ["baton-jobs"]
    path.chmod(0o666)
    assert run(spool, "enter").sentence == f"renewed {path}"
    assert path.stat().st_mode & 0o7777 == 0o644


@pytest.mark.parametrize("verb", ["enter", "leave"])
def test_a_foreign_file_stays_as_it_is(spool, verb):
    path = spool / "baton-jobs"
    path.write_text("* * * * * root /bin/mine\n")
    answer = run(spool, verb)
    assert (answer.status, path.read_text()) == ("config", "* * * * * root /bin/mine\n")
    assert answer.sentence == f"{path} does not begin with Baton's header: it is somebody else's, and stays as it is"
    path.rename(spool / "other")
    (spool / "other").write_text(HEADER)
    path.symlink_to(spool / "other")
    assert run(spool, verb).status == "config" and path.is_symlink()
    path.unlink()
    os.mkfifo(path)
    assert run(spool, verb).status == "config" and path.is_fifo()


def test_without_the_right_it_says_what_to_write(spool):
    answer = run(spool, "enter", user=pwd.getpwnam("nobody"))
    assert (answer.status, os.listdir(spool)) == ("config", [])
    assert answer.sentence == (f"cannot create {spool}/.baton-jobs.new: Permission denied; write `user = root` into "
                               "[plugin jobs]")
    run(spool, "enter")
    answer = run(spool, "leave", user=pwd.getpwnam("nobody"))
    assert answer.status == "config" and answer.sentence.startswith(f"cannot remove {spool}/baton-jobs: Permission denied")
    answer = run(spool / "none", "enter")
    assert (answer.status, answer.sentence) == (
        "config", f"{spool}/none/baton-jobs: No such file or directory; is cron installed?")


@pytest.fixture
def read_only(spool):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", spool], check=True)
    yield spool
    subprocess.run(["umount", spool], check=True)


def test_a_read_only_file_system_is_no_question_of_the_user(read_only):
    answer = run(read_only, "enter")
    assert (answer.status, answer.sentence) == (
        "config", f"cannot create {read_only}/.baton-jobs.new: the file system is read-only for this service; under systemd, "
                  f"`systemctl edit baton` and write ReadWritePaths={read_only} below [Service]")


def test_a_source_is_read_and_tested_line_by_line(spool, tmp_path):
    source = tmp_path / "jobs"
    source.write_text("# mine\nMAILTO=root\n\n*/5 * * * * root /bin/true")
    assert run(spool, "enter", source=str(source)).status == "ok"
    assert (spool / "baton-jobs").read_text() == HEADER + "# mine\nMAILTO=root\n\n*/5 * * * * root /bin/true\n"
    source.write_text("MAILTO=root\n60 * * * * root /bin/true\n")
    answer = run(spool, "enter", source=str(source))
    assert (answer.status, answer.sentence) == ("config", f"{source}:2: '60' is no minute")
    source.write_text("* * * * * nosuchuser /bin/true\n")
    assert run(spool, "enter", source=str(source)).sentence == (
        f"{source}:1: there is no user nosuchuser on this host; cron would leave out the file")
    assert "*/5" in (spool / "baton-jobs").read_text()


def test_a_check_says_whether_it_is_as_wanted(spool):
    path = spool / "baton-jobs"
    nobody = pwd.getpwnam("nobody")
    for wanted, state in (("any", "pass"), ("absent", "pass"), ("installed", "fail")):
        assert run(spool, "probe", wanted=wanted, user=nobody).state == state
    run(spool, "enter")
    for wanted, state in (("any", "pass"), ("absent", "fail"), ("installed", "pass")):
        answer = run(spool, "probe", wanted=wanted, user=nobody)
        assert (answer.state, answer.facts["installed"]) == (state, "yes")
    path.write_text(HEADER + "@daily root /bin/other\n")
    assert run(spool, "probe").facts["cause"] == "content"
    path.write_text("x")
    assert run(spool, "probe").facts["cause"] == "foreign"


def run_cron(spool, tmp_path, until, seconds=10.0):
    """Starts the real cron on `spool` until `until()`; @reboot jobs run at once."""
    script = ('mount --make-rprivate / && mount -t tmpfs run /run && mount --bind "$1" /etc/cron.d && '
              'mount -t proc proc /proc && exec /usr/sbin/cron -f -L 15')
    process = subprocess.Popen(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, "sh",
                                str(spool)], stdin=subprocess.DEVNULL)
    try:
        end = time.monotonic() + seconds
        while not until() and time.monotonic() < end:
            assert process.poll() is None
            time.sleep(0.02)
        return until()
    finally:
        process.kill()
        process.wait()


def test_the_real_cron_takes_and_runs_it(spool, tmp_path):
    forms = ["*/5 0-6,8 1-31/2 jan-mar,Dec mon-FRI root /bin/true", "0 0 * * 7 root /bin/true a%b",
             "@weekly root /bin/true", "1,2,3-9/3\t*\t*\t*\t*\troot\t/bin/true"]
    jobs = [*forms, f"@reboot root /bin/touch {tmp_path}/ran"]
    assert complaints("cron", {"job": jobs}) == []
    assert run(spool, "enter", job=jobs).status == "ok"
    assert run_cron(spool, tmp_path, (tmp_path / "ran").exists)


@pytest.mark.parametrize("line,words", [
    ("60 * * * * root /bin/true", "'60' is no minute"), ("* 24 * * * root /bin/true", "'24' is no hour"),
    ("* * 0 * * root /bin/true", "'0' is no day of the month"), ("* * * 13 * root /bin/true", "'13' is no month"),
    ("* * * * 8 root /bin/true", "'8' is no day of the week"), ("*/0 * * * * root /bin/true", "'*/0' is no minute"),
    ("* * * *", "'' is no day of the week"), ("* * * * * ", "names no user after the time"),
    ("@daily root", "has no command after the user 'root'"),
    ("@often root /bin/true", "'@often' is none of @reboot @yearly @annually @monthly @weekly @daily @midnight @hourly")])
def test_a_bad_line_is_refused_when_the_file_is_checked(line, words):
    assert complaints("cron", {"job": [JOB, line]}) == [("job", f"'{line}': {words}")]


def test_the_real_cron_leaves_out_a_whole_file_for_a_line_that_we_refuse(spool, tmp_path):
    # What the refusals above are for. The good file beside it shows when cron has read them.
    (spool / "a-bad").write_text(f"60 * * * * root /bin/true\n@reboot root /bin/touch {tmp_path}/bad\n")
    (spool / "z-good").write_text(f"@reboot root /bin/sleep 1; /bin/touch {tmp_path}/good\n")
    assert run_cron(spool, tmp_path, (tmp_path / "good").exists)
    assert not (tmp_path / "bad").exists()


@pytest.mark.parametrize("settings,complaint", [
    ({}, (None, "wants either job or source")),
    ({"job": [JOB], "source": "/x"}, (None, "wants either job or source")),
    ({"job": [JOB], "file": "a.b"}, ("file", "'a.b': cron passes over names with other than letters, digits, - and _"))])
def test_what_cannot_be_meant_is_refused(settings, complaint):
    assert complaints("cron", settings) == [complaint]
