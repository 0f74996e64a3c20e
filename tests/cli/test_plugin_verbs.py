"""batonctl's plugin verbs and `check` against the real plugin host and a real plugin."""
import json
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BATON_BUILD_DIR", ROOT / "build/release"))
INSTANCE = """[instance web]
interface = lo
virtual_router_id = 51
address = 10.9.0.50/32
check = m
[plugin m]
module = mirror
"""


@pytest.fixture(scope="module")
def plugins():
    # Only root may be able to change a plugin, and the directories above it.
    with tempfile.TemporaryDirectory(prefix="baton-mirror-", dir="/run") as directory:
        os.chmod(directory, 0o755)
        target = pathlib.Path(directory) / "mirror.so"
        subprocess.run(["cc", "-std=gnu99", "-Wall", "-Werror", "-fPIC", "-shared", f"-I{ROOT}/src/plugin_api", "-o", target,
                        ROOT / "tests/cli/mirror.c"], check=True)
        yield pathlib.Path(directory)


@pytest.fixture
def readable():
    """A directory that everybody may read; those of pytest are root's."""
    with tempfile.TemporaryDirectory(prefix="baton-readable-", dir="/tmp") as directory:
        os.chmod(directory, 0o755)
        yield pathlib.Path(directory)


def batonctl(plugins, *words, user=None):
    drop = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
    return subprocess.run([*drop, BUILD / "bin/batonctl", "--plugin-dir", plugins, *map(str, words)], capture_output=True, text=True,
                          timeout=30)


def write(tmp_path, more, name="baton.conf"):
    file = tmp_path / name
    file.write_text(INSTANCE + more)
    return file


def probe(plugins, tmp_path, more, *words):
    done = batonctl(plugins, "plugin", "test", "m", "--config", write(tmp_path, more), "--json", *words)
    return done.returncode, json.loads(done.stdout)


def test_list_shows_what_is_there_and_why_something_is_broken(plugins):
    done = batonctl(plugins, "plugin", "list", "--json")
    assert done.returncode == 0, done.stdout
    (one,) = json.loads(done.stdout)["modules"]
    assert (one["name"], one["version"], one["verbs"]) == ("mirror", "0.9", ["probe", "enter"])
    assert one["file"] == str(plugins / "mirror.so")
    with tempfile.TemporaryDirectory(prefix="baton-broken-", dir="/run") as directory:
        os.chmod(directory, 0o755)
        shutil.copy(plugins / "mirror.so", f"{directory}/mirror.so")
        shutil.copy(plugins / "mirror.so", f"{directory}/open.so")
        os.chmod(f"{directory}/open.so", 0o777)
        pathlib.Path(directory, "text.so").write_text("no object at all\n")
        os.chmod(f"{directory}/text.so", 0o755)
        done = batonctl(directory, "plugin", "list", "--json")
        assert done.returncode == 1
        modules = {one["name"]: one for one in json.loads(done.stdout)["modules"]}
        assert "error" not in modules["mirror"]
        assert "/open.so can be written by others than root" in modules["open"]["error"]
        assert modules["text"]["error"]
        text = batonctl(directory, "plugin", "list").stdout
        assert "BROKEN" in text and "mirror  0.9" in text


def test_list_shows_names_that_a_section_can_use_and_each_file(plugins):
    with tempfile.TemporaryDirectory(prefix="baton-names-", dir="/run") as directory:
        os.chmod(directory, 0o755)
        for name in ("wrongname.so", "two words.so", "mirror.so.1"):
            shutil.copy(plugins / "mirror.so", f"{directory}/{name}")
        done = batonctl(directory, "plugin", "list", "--json")
        assert done.returncode == 1
        modules = {one["name"]: one for one in json.loads(done.stdout)["modules"]}
        assert set(modules) == {"wrongname", "two words.so", "mirror.so.1"}
        assert (modules["wrongname"]["calls_itself"], modules["wrongname"]["file"]) == ("mirror", f"{directory}/wrongname.so")
        for odd in ("two words.so", "mirror.so.1"):
            assert modules[odd]["error"].startswith("no section can name it: the file of a plugin is NAME.so")
        assert "wrongname     0.9      probe, enter  (calls itself mirror) Shows" in batonctl(directory, "plugin", "list").stdout


def test_a_plugin_directory_that_is_not_there_is_said(plugins):
    done = batonctl("/nosuch", "plugin", "list")
    assert done.returncode == 1 and "/nosuch: No such file or directory" in done.stderr


def test_who_cannot_enter_which_directory_is_said(plugins):
    with tempfile.TemporaryDirectory(prefix="baton-closed-", dir="/run") as directory:  # mode 0700
        program = pathlib.Path(directory) / "bin"
        program.mkdir()
        for name in ("batonctl", "baton-plugin-host"):
            shutil.copy(BUILD / "bin" / name, program / name)
        done = subprocess.run([program / "batonctl", "--plugin-dir", plugins, "plugin", "help", "mirror"], capture_output=True, text=True)
        assert f"start {program}/baton-plugin-host: user baton-check cannot enter {directory} (mode 0700)" in done.stderr
        shutil.copy(plugins / "mirror.so", f"{directory}/mirror.so")
        done = batonctl(directory, "plugin", "help", "mirror", user="baton-act")
        assert f"cannot look at {directory}/mirror.so: this user cannot enter {directory} (mode 0700)" in done.stderr
        os.chmod(directory, 0o755)
        os.chmod(f"{directory}/mirror.so", 0o600)
        done = batonctl(directory, "plugin", "help", "mirror")
        assert f"user baton-check may not read {directory}/mirror.so: chmod 755 it" in done.stderr


def test_help_is_the_manual(plugins):
    done = batonctl(plugins, "plugin", "help", "mirror")
    assert done.returncode == 0
    for words in ("mirror 0.9 - Shows who looks into it", "A manual of one line.", "count  (integer from 1 to 9)",
                  "Runs as   baton-check for probes, baton-act for acts", "interval  (10ms..1h; default 1s)"):
        assert words in done.stdout, words
    assert batonctl(plugins, "plugin", "help", plugins / "mirror.so").returncode == 0
    done = batonctl(plugins, "plugin", "help", "miror")
    assert done.returncode == 1 and "; the nearest is mirror" in done.stderr


def test_check_finds_wrong_keys_with_their_line(plugins, tmp_path):
    done = batonctl(plugins, "check", write(tmp_path, "cuont = 3\n"))
    assert done.returncode == 5
    assert "baton.conf:8:1: error[E023]: module `mirror` has no key `cuont`" in done.stdout
    assert "help: did you mean `count`?" in done.stdout
    done = batonctl(plugins, "check", write(tmp_path, "count = 10\n"))
    assert done.returncode == 5 and "baton.conf:8:9: error[E031]: count: 10 is not within 1 to 9" in done.stdout
    done = batonctl(plugins, "check", write(tmp_path, "count = 9\n"))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("user", [None, 65534])
def test_who_describes_a_module_has_no_rights(plugins, readable, user):
    done = batonctl(plugins, "check", write(readable, "mode = confess\n"), user=user)
    assert done.returncode == 5
    assert "baton.conf:8:8: error[E046]: mode: uid=" in done.stdout, done.stdout
    assert "uid=0 " not in done.stdout
    assert "CapPrm=0000000000000000 no_new_privs=1 secret=0" in done.stdout


@pytest.mark.parametrize("arguments", [["--check"], []], ids=["check", "daemon"])
def test_the_daemons_reader_hands_on_no_rights_either(plugins, tmp_path, readable, arguments):
    """The reader of a starting daemon may read every file, for the secrets; whom it asks may not."""
    secret = tmp_path / "token"
    secret.write_text("hunter2\n")
    secret.chmod(0o600)
    done = subprocess.run(["unshare", "--net", BUILD / "bin/batond", *arguments, "--plugin-dir", plugins,
                           "--runtime-dir", tmp_path / "run", "--state-dir", tmp_path / "state", "--config",
                           write(readable, f"mode = confess\ntoken = {secret}\n")], capture_output=True, text=True, timeout=30)
    assert done.returncode == 5, done.stderr
    assert "CapPrm=0000000000000000 no_new_privs=1 secret=7" in done.stderr, done.stderr
    assert "uid=0 " not in done.stderr and "hunter2" not in done.stderr


@pytest.mark.parametrize("mode", ["hang-in-check", "crash-in-check"])
def test_a_module_that_breaks_while_it_is_asked_is_an_error_of_the_file(plugins, tmp_path, mode):
    begin = time.monotonic()
    done = batonctl(plugins, "check", write(tmp_path, f"mode = {mode}\n"))
    assert done.returncode == 5 and "baton.conf:7:10: error[E044]" in done.stdout, done.stdout
    assert time.monotonic() - begin < 5


def test_a_probe_runs_as_the_daemon_would_run_it(plugins, tmp_path):
    secret = tmp_path / "token"
    secret.write_text("hunter2\n")
    secret.chmod(0o600)
    status, answer = probe(plugins, tmp_path, f"token = {secret}\n")
    assert (status, answer["verdict"], answer["status"]) == (0, "pass", "ok")
    assert answer["sentence"] == "the mirror shows you"
    assert (answer["role"], answer["lag_ms"], answer["lag_bytes"]) == ("replica", 7, None)
    assert answer["facts"]["uid"] == str(pwd.getpwnam("baton-check").pw_uid)
    assert answer["facts"]["capabilities"] == "0000000000000000"
    assert answer["facts"]["secret_length"] == "7"
    assert int(answer["facts"]["open_files"]) <= 7
    assert answer["consequence"] == "the check passes at once"
    assert 0 < answer["took_us"] < 1_000_000 and answer["limit_ms"] == 1000


def test_a_failed_probe_is_exit_status_1(plugins, tmp_path):
    status, answer = probe(plugins, tmp_path, "mode = fail\nfall = 2\n")
    assert (status, answer["verdict"]) == (1, "fail")
    assert answer["consequence"] == "the check fails after 2 such results in a row, one every 1s"
    status, answer = probe(plugins, tmp_path, "mode = transient\n")
    assert (status, answer["verdict"], answer["status"], answer["sentence"]) == (1, "unknown", "transient", "not now")


def test_a_hanging_probe_is_killed_at_its_timeout(plugins, tmp_path):
    begin = time.monotonic()
    status, answer = probe(plugins, tmp_path, "mode = hang\ntimeout = 300ms\n")
    assert (status, answer["verdict"], answer["status"]) == (7, "unknown", "timeout")
    assert 0.3 <= time.monotonic() - begin < 3


def test_a_crashing_probe_is_said(plugins, tmp_path):
    status, answer = probe(plugins, tmp_path, "mode = crash\n")
    assert (status, answer["verdict"], answer["status"]) == (1, "unknown", "crashed")


def test_an_act_needs_to_be_meant(plugins, tmp_path):
    status, answer = probe(plugins, tmp_path, "", "--verb", "enter")
    assert status == 6 and "--really" in answer["error"]
    status, answer = probe(plugins, tmp_path, "", "--verb", "enter", "--really")
    assert (status, answer["verdict"], answer["sentence"]) == (0, "done", "entered")
    assert answer["facts"]["uid"] == str(pwd.getpwnam("baton-act").pw_uid)


def test_a_secret_that_only_acts_need_is_not_in_the_process_that_probes(plugins, tmp_path):
    secret = tmp_path / "ticket"
    secret.write_text("hunter2\n")
    secret.chmod(0o600)
    assert probe(plugins, tmp_path, f"ticket = {secret}\n", "--verb", "enter", "--really")[1]["facts"]["ticket"] == "1 of 7"
    assert probe(plugins, tmp_path, f"ticket = {secret}\n")[1]["facts"]["ticket"] == "0 of 0"


def test_what_cannot_be_tried_is_said_before_anything_runs(plugins, tmp_path, readable):
    assert probe(plugins, tmp_path, "count = 0\n")[0] == 5
    status, answer = probe(plugins, tmp_path, "", "--verb", "fence", "--really")
    assert status == 2 and answer["error"] == "module 'mirror' has no fence; it has probe, enter"
    done = batonctl(plugins, "plugin", "test", "n", "--config", write(tmp_path, ""))
    assert done.returncode == 2 and "has no [plugin n]; did you mean 'm'?" in done.stderr
    done = batonctl(plugins, "plugin", "test", "m", "--config", write(readable, ""), user=65534)
    assert done.returncode == 4 and "baton-check" in done.stderr


def test_the_text_of_a_probe(plugins, tmp_path):
    done = batonctl(plugins, "plugin", "test", "m", "--config", write(tmp_path, "user = root\n"))
    lines = [line.split(None, 1) for line in done.stdout.splitlines()]
    assert lines[0] == ["probe", "pass"] and ["fact", "uid = 0"] in lines
    assert ["says", "the mirror shows you"] in lines and ["role", "replica"] in lines and ["lag", "7 ms"] in lines
    assert ["ran", f"as      root, {plugins}/mirror.so"] in lines
    assert any(line[0] == "took" and line[1].endswith(" ms of 1s") for line in lines)


def diff_against(plugins, tmp_path, running, *file, path=None):
    """`config diff` while a daemon runs `running`; the daemon is a socket with that one answer."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "control.sock"))
        listener.listen()
        answer = json.dumps({"ok": True, "exit": 0, "verb": "config", "result": {"host": "db1", "text": running, "path": str(path or "")}}) + "\n"

        def serve():
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer.encode())

        server = threading.Thread(target=serve)
        server.start()
        done = batonctl(plugins, "--runtime-dir", tmp_path, "config", "diff", *file)
        server.join()
    (tmp_path / "control.sock").unlink()
    return done


def test_config_diff_looks_at_the_file_that_the_daemon_was_started_with(plugins, tmp_path):
    own = write(tmp_path, "count = 4\n", "other.conf")
    done = diff_against(plugins, tmp_path, INSTANCE + "count = 3\n", path=own)
    assert done.stdout == "~ plugin m\n    count: 3 -> 4\n", done.stdout + done.stderr
    named = write(tmp_path, "count = 5\n")
    assert diff_against(plugins, tmp_path, INSTANCE + "count = 3\n", named, path=own).stdout == "~ plugin m\n    count: 3 -> 5\n"


def test_config_diff_shows_what_changed_in_a_plugin_section(plugins, tmp_path):
    secret = tmp_path / "token"
    secret.write_text("hunter2\n")
    secret.chmod(0o600)
    more = f"token = {secret}\ncount = 3\n"
    assert diff_against(plugins, tmp_path, INSTANCE + more, write(tmp_path, more)).stdout == "no difference\n"
    done = diff_against(plugins, tmp_path, INSTANCE + more, write(tmp_path, more + "mode = fail\nfall = 9\n"))
    assert done.stdout == "~ plugin m\n    fall: 3 -> 9\n    mode: pass -> fail\n"
    # A key that the module had when the daemon was started.
    done = diff_against(plugins, tmp_path, INSTANCE + "gone = 1\n", write(tmp_path, ""))
    assert done.returncode == 0 and "    gone: 1 -> (none)\n" in done.stdout, done.stdout + done.stderr
