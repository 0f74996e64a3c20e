"""file against real files: switches, backups, half-written numbers, FIFOs, what may not be looked at."""
import os
import pathlib
import pwd
import socket
import subprocess
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/plugins"))
from plugin import Session, call, complaints  # noqa: E402


def probe(path, timeout=1.0, **settings):
    return call("file", "probe", {"path": str(path), **settings}, timeout)


def aged(path, seconds, text="x"):
    path.write_text(text)
    os.utime(path, (time.time() - seconds, time.time() - seconds))
    return path


def test_a_maintenance_switch_fails_while_it_is_there(tmp_path):
    switch = tmp_path / "maintenance"
    answer = probe(switch, state="absent")
    assert (answer.status, answer.state, answer.sentence) == ("ok", "pass", f"{switch} is absent")
    aged(switch, 60)
    answer = probe(switch, state="absent")
    assert (answer.state, answer.facts["cause"]) == ("fail", "present")
    assert answer.sentence == f"{switch} is there, since 60 s"
    switch.unlink()
    assert probe(switch, state="absent").state == "pass"
    switch.symlink_to("/nowhere")
    assert probe(switch, state="absent").state == "fail"


def test_what_has_to_be_there_fails_when_it_is_not(tmp_path):
    answer = probe(tmp_path / "none")
    assert (answer.state, answer.facts["cause"], answer.sentence) == ("fail", "missing", f"{tmp_path}/none does not exist")
    (tmp_path / "link").symlink_to(tmp_path / "none")
    assert probe(tmp_path / "link").sentence == f"{tmp_path}/link is a link to something that does not exist"
    (tmp_path / "none").write_text("12345")
    answer = probe(tmp_path / "link")
    assert (answer.state, answer.facts["type"], answer.facts["size"]) == ("pass", "file", "5")
    assert answer.sentence == f"{tmp_path}/link exists, changed 0 s ago, 5 bytes"


def test_age_has_two_ends(tmp_path):
    backup = aged(tmp_path / "backup", 7230)
    answer = probe(backup, max_age="1h")
    assert (answer.state, answer.facts["cause"]) == ("fail", "old")
    assert answer.sentence == f"{backup} was changed 2 h 0 min ago, at most 60 min are allowed"
    assert probe(backup, max_age="3h").state == "pass"
    answer = probe(backup, min_age="3h")
    assert (answer.state, answer.facts["cause"]) == ("fail", "young")


def test_a_date_in_the_future_hides_no_age(tmp_path):
    backup = aged(tmp_path / "backup", -600)
    answer = probe(backup, max_age="1h")
    assert (answer.state, answer.facts["cause"]) == ("unknown", "clock")
    assert "in the future: its age is not known" in answer.sentence
    assert probe(backup).state == "pass"


def test_of_a_directory_the_newest_match_counts(tmp_path):
    aged(tmp_path / "old.dump", 9000, "a" * 500)
    aged(tmp_path / "new.dump", 100, "b" * 20)
    aged(tmp_path / "newer.part", 1)
    aged(tmp_path / ".hidden.dump", 1)
    (tmp_path / "directory.dump").mkdir()
    answer = probe(tmp_path, pattern="*.dump", max_age="1h")
    assert (answer.state, answer.facts["path"]) == ("pass", f"{tmp_path}/new.dump")
    answer = probe(tmp_path, pattern="*.dump", min_size="100")
    assert (answer.state, answer.sentence) == ("fail", f"{tmp_path}/new.dump has 20 bytes, at least 100 are wanted")
    answer = probe(tmp_path, pattern="*.sql")
    assert (answer.state, answer.sentence) == ("fail", f"no file in {tmp_path} matches *.sql")
    assert probe(tmp_path / "new.dump", pattern="*").sentence == f"{tmp_path}/new.dump is no directory but a file"


@pytest.mark.parametrize("content,state", [("5", "pass"), (" 10\n", "pass"), ("10.5\n", "fail"), ("4", "fail"),
                                           ("-7", "fail"), ("", "unknown"), ("five", "unknown"), ("7 of 9", "pass")])
def test_a_number_stands_at_the_beginning(tmp_path, content, state):
    (tmp_path / "number").write_text(content)
    assert probe(tmp_path / "number", number_min="5", number_max="10").state == state


def test_a_number_is_found_by_a_pattern(tmp_path):
    (tmp_path / "status").write_text("name: db\nlag: 12.5 s\n")
    answer = probe(tmp_path / "status", number_pattern="^lag: ([0-9.]+)", number_max="10")
    assert (answer.state, answer.facts["number"]) == ("fail", "12.5")
    assert answer.sentence == f"the number in {tmp_path}/status is 12.5, at most 10 is allowed"
    assert probe(tmp_path / "status", number_pattern="^lag: ([0-9.]+)", number_max="12.5").state == "pass"
    answer = probe(tmp_path / "status", number_pattern="^delay: ([0-9]+)", number_max="10")
    assert (answer.state, answer.sentence) == ("unknown", f"{tmp_path}/status holds nothing like ^delay: ([0-9]+)")


def test_a_half_written_file_is_unknown_and_its_rest_passes(tmp_path):
    path = tmp_path / "number"
    with Session("file", {"path": str(path), "number_min": "1000"}) as session:
        with path.open("w") as file:
            answer = session.call("probe")
            assert (answer.state, answer.sentence) == ("unknown", f"{path} is empty: no number in it")
            file.write("1234\n")
        assert session.call("probe").state == "pass"


def test_only_the_beginning_of_a_large_file_is_read(tmp_path):
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.write(b"42\n")
        file.truncate(1 << 40)
    answer = probe(path, number_max="42")
    assert answer.state == "pass" and answer.seconds < 0.5


def test_neither_fifo_nor_socket_nor_device_holds_it_up(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    answer = probe(tmp_path / "fifo", number_min="1")
    assert (answer.state, answer.sentence) == ("fail", f"{tmp_path}/fifo is a fifo: no number is read from it")
    assert probe(tmp_path / "fifo", type="fifo").state == "pass"
    assert probe("/dev/zero", number_min="1").facts["cause"] == "type"
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "socket"))
    assert probe(tmp_path / "socket", type="socket").state == "pass"
    assert probe(tmp_path / "socket", type="file").sentence == f"{tmp_path}/socket is no file but a socket"
    server.close()


def test_a_fifo_that_takes_the_place_of_the_file_meanwhile_does_not_hang(tmp_path):
    path = tmp_path / "number"
    done = threading.Event()

    def swap():
        while not done.is_set():
            os.mkfifo(tmp_path / "new")
            os.rename(tmp_path / "new", path)
            (tmp_path / "new").write_text("1")
            os.rename(tmp_path / "new", path)

    path.write_text("1")
    thread = threading.Thread(target=swap)
    with Session("file", {"path": str(path), "number_min": "1"}) as session:
        thread.start()
        seen = {session.call("probe").status for _ in range(300)}
        done.set()
        thread.join()
    assert "timeout" not in seen


def test_what_may_not_be_looked_at_is_unknown_never_absent(tmp_path):
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_mode & 0o001 == 0 and parent.owner() == "root" and parent != pathlib.Path("/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    nobody = pwd.getpwnam("nobody")
    for state in ("exists", "absent"):
        with Session("file", {"path": str(hidden / "x"), "state": state}, user=nobody) as session:
            answer = session.call("probe")
        assert (answer.status, answer.state, answer.facts["cause"]) == ("config", "unknown", "permission")
        assert answer.sentence == f"{hidden}/x: Permission denied (the section's user may not look at it)"
    (tmp_path / "secret").write_text("5")
    (tmp_path / "secret").chmod(0o600)
    with Session("file", {"path": str(tmp_path / "secret"), "number_min": "1"}, user=nobody) as session:
        assert session.call("probe").facts["cause"] == "permission"


def test_a_loop_of_links_is_for_a_person(tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    answer = probe(loop)
    assert (answer.status, answer.state) == ("config", "unknown")
    assert answer.sentence == f"{loop}: Too many levels of symbolic links"


def test_a_real_backup_by_tar(tmp_path):
    (tmp_path / "data").write_text("y" * 1000)
    subprocess.run(["tar", "-cf", tmp_path / "b.tar", "-C", tmp_path, "data"], check=True)
    assert probe(tmp_path, pattern="*.tar", max_age="1m", min_size="1024").state == "pass"


@pytest.mark.parametrize("settings,complaint", [
    ({"number_min": "five"}, ("number_min", "'five' is no decimal number")),
    ({"number_min": "5", "number_max": "4"}, ("number_max", "is less than number_min: nothing would pass")),
    ({"number_min": "5", "number_pattern": "(a"},
     ("number_pattern", "is no extended regular expression: Unmatched ( or \\(")),
    ({"number_pattern": "a"},
     ("number_pattern", "finds a number that nothing is asked of: write number_min or number_max")),
    ({"max_age": "1m", "min_age": "1h"}, ("max_age", "is less than min_age: nothing would pass")),
    ({"max_size": "1", "min_size": "2"}, ("max_size", "is less than min_size: nothing would pass")),
    ({"state": "absent", "max_age": "1h"}, ("max_age", "asks something of a file that has to be absent")),
    ({"state": "absent", "type": "file"}, ("type", "asks something of a file that has to be absent"))])
def test_what_cannot_be_meant_is_refused(settings, complaint):
    assert complaints("file", {"path": "/x", **settings}) == [complaint]
