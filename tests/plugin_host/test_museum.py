"""The museum of bad plugins: what the real host makes of each, with which reason, and that nothing is left behind."""
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import time

import pytest
import host
from host import Host, MUSEUM, PROGRAM, VERBS, children, read_answer, read_page, until


@pytest.fixture(autouse=True)
def no_orphans():
    host.adopt_orphans()
    yield
    host.end_all_children()


def describe(path):
    return subprocess.run([PROGRAM, "--describe", path], capture_output=True, text=True, errors="replace", timeout=20)


# --- A plugin as it should be --------------------------------------------------------------------------------------

SETTINGS = {"word": ["blue", "green"], "pause": ["1.5s"]}


def test_probe_is_confined_and_answers():
    with Host("good", settings=SETTINGS) as good:
        outcome = good.outcome()
    assert (outcome.status, outcome.state, outcome.role, outcome.lag_ms) == ("ok", "pass", "replica", 12)
    assert outcome.sentence == "all is well"  # the line break is gone
    assert (outcome.sequence, outcome.streak, outcome.incarnation) == (1, 1, 77)
    assert 0 <= outcome.finished - outcome.started < 0.3
    assert outcome.facts == {
        "uid": str(pwd.getpwnam("baton-check").pw_uid), "variables": "2", "path": "/usr/sbin:/usr/bin:/sbin:/bin",
        "no_new_privs": "1", "dumpable": "0", "group_leader": "1", "mount": "1", "unshare": "1",  # 1: EPERM
        "raw_socket": "0", "word": "blue", "words": "2", "pause": "1500000000"}


def test_nothing_of_who_starts_it_is_inherited():
    with Host("good", settings=SETTINGS) as good:  # started by one in another directory, with umask 077, and 100
        good.outcome()
        of_it = f"/proc/{good.pid}/"
        assert os.readlink(of_it + "cwd") == "/"
        with open(of_it + "status") as status:
            assert "Umask:\t0022\n" in status.read()
        with open(of_it + "oom_score_adj") as score:
            assert score.read() == "0\n"


@pytest.mark.parametrize("needs, opened", [(0, "0"), (1, "1")])
def test_raw_sockets_are_for_those_who_need_them(needs, opened):
    with Host("good", raw=True, needs=needs, settings=SETTINGS) as good:
        assert good.outcome().facts["raw_socket"] == opened


def test_probes_come_at_the_interval_and_ring_only_for_news():
    with Host("good", interval=0.1, ring_for=3, settings=SETTINGS) as good:
        good.outcome()
        begin = time.monotonic()
        last = good.outcome(sequence=11)
        assert 0.8 < time.monotonic() - begin < 1.6
        assert last.streak == last.sequence
        assert good.rings() == 3  # the streak was 1, 2 and 3; since then nothing was new


def test_a_host_started_anew_counts_on():
    with Host("good", settings=SETTINGS) as first:
        before = first.outcome(sequence=2)
        os.kill(first.pid, signal.SIGKILL)
        assert first.end() == ("signal", 9)
        before = read_page(first.page)
        with Host("garbage_state", page=first.page_fd, incarnation=78) as second:
            after = second.outcome(sequence=before.sequence + 1)
            assert (after.incarnation, after.streak) == (78, 1)  # another state: the row begins anew
            assert after.sequence == before.sequence + 1
            assert second.rings() >= 1


def test_acts_are_answered_and_the_end_of_the_channel_is_the_end():
    with Host("good", kind="act", settings=SETTINGS) as good:
        answer = good.act("enter", nonce=5, generation=9)
        assert (answer.nonce, answer.status, answer.generation) == (5, "ok", 9)
        assert answer.sentence == "enter of web: backup to active"
        assert good.act("promote", nonce=6).status == "config"
        # An action may have one end only.
        assert good.act("leave", nonce=7).status == "ok"
        good.channel.close()
        assert good.end() == ("exit", 0)


def test_a_request_that_is_none_ends_the_host():
    with Host("good", kind="act", settings=SETTINGS) as good:
        good.channel.send(b"rubbish")
        assert good.end() == ("exit", 65)
        assert "not a request" in good.log()


def test_host_dies_with_its_parent():
    reader, writer = os.pipe()
    parent = os.fork()
    if parent == 0:
        good = Host("good", settings=SETTINGS)
        good.outcome()
        os.write(writer, struct.pack("i", good.pid))
        os._exit(0)
    child = struct.unpack("i", os.read(reader, 4))[0]
    os.waitpid(parent, 0)
    pid, status = until(lambda: (lambda r: r if r[0] else None)(os.waitpid(child, os.WNOHANG)), 5, "its end")
    assert os.WTERMSIG(status) == signal.SIGKILL


def once(exhibit, verb, **order):
    """`--once VERB`, as batonctl plugin test asks: (exit status or -signal, what it printed)."""
    memory = host.sealed(host.order_bytes(MUSEUM / f"{exhibit}.so", **order))
    asked = subprocess.Popen(["/bin/bash", "-c", f"exec {PROGRAM} --once {verb} 3<&{memory}"], pass_fds=[memory],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.close(memory)
    out, _ = asked.communicate(timeout=20)
    return asked.returncode, out


def test_one_verb_as_the_daemon_would():
    status, out = once("good", "probe", settings=SETTINGS)
    assert (status, read_page(out).state, read_page(out).facts["no_new_privs"]) == (0, "pass", "1")
    assert read_page(out).facts["uid"] == str(pwd.getpwnam("baton-check").pw_uid)
    status, out = once("good", "enter", settings=SETTINGS)
    assert (status, read_answer(out).sentence) == (0, "enter of test: backup to active")
    status, out = once("hangs", "probe")
    assert (status, read_page(out).status) == (71, "timeout")
    status, out = once("hangs", "fence")
    assert (status, read_answer(out).status) == (71, "timeout")
    assert once("aborts", "probe") == (-signal.SIGABRT, b"")
    assert once("exits", "probe") == (70, b"")


# --- What is not loaded --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("exhibit, words", [
    ("missing_symbol", "does not export baton_plugin_v1: it is no Baton plugin"),
    ("wrong_major", "was built for a newer plugin interface (it exports baton_plugin_v2, this Baton knows baton_plugin_v1)"),
    ("short_struct", "is too short: 80 bytes, at least 96 are needed"),
    ("wants_root", "wants to act as root by itself"),
    ("bad_default", "declares the key 'pause' with a default that is no value of its own: `nonsense` is no time"),
    ("bad_word", "declares the key 'method' with a default that is no value of its own: `POST` is none of GET, HEAD"),
    ("same_key", "declares the key 'path' twice"),
    ("acts_text", "declares the key 'user_name' for acts only (BATON_KEY_ACTS): that is for secrets"),
    ("bad_key", "declares the key 'max lag': names have 1 to 32 characters of a-z, 0-9, _ and -"),
])
def test_refused_with_its_reason(exhibit, words):
    asked = describe(MUSEUM / f"{exhibit}.so")
    assert asked.returncode == 65 and asked.stdout == ""
    assert words in asked.stderr and f"{exhibit}.so" in asked.stderr


def elf(path, machine=183, bits=2, kind=3):
    header = b"\x7fELF" + bytes([bits, 1, 1]) + bytes(9) + struct.pack("<HH", kind, machine) + bytes(44)
    path.write_bytes(header)
    return path


@pytest.fixture
def place():
    """A directory that all of the checks are content with."""
    path = MUSEUM.parent / f"museum-annex-{os.getpid()}"
    path.mkdir(mode=0o755)
    yield path
    shutil.rmtree(path)


def test_other_architectures_are_named(place):
    assert "was built for aarch64, this host is x86-64" in describe(elf(place / "arm.so")).stderr
    assert "was built for x86, this host is x86-64" in describe(elf(place / "old.so", machine=3, bits=1)).stderr
    assert "is no shared object" in describe(elf(place / "core.so", machine=62, kind=4)).stderr
    (place / "text.so").write_text("#!/bin/sh\necho this is a script, not a plugin\n")
    assert "is no shared object" in describe(place / "text.so").stderr
    (place / "empty.so").write_text("")
    assert "is no shared object" in describe(place / "empty.so").stderr


def test_what_others_can_write_is_not_loaded(place):
    target = place / "good.so"
    shutil.copy(MUSEUM / "good.so", target)
    target.chmod(0o755)
    assert describe(target).returncode == 0
    target.chmod(0o757)
    assert f"{target} can be written by others than root" in describe(target).stderr
    target.chmod(0o775)
    os.chown(target, 0, pwd.getpwnam("nobody").pw_gid)
    assert f"{target} can be written by others than root" in describe(target).stderr
    os.chown(target, pwd.getpwnam("nobody").pw_uid, 0)
    assert "belongs to user" in describe(target).stderr
    os.chown(target, 0, 0)
    target.chmod(0o775)  # root's own group: an access control list looks like this, too
    assert f"{target} can be written by others than root" in describe(target).stderr
    target.chmod(0o755)
    place.chmod(0o775)
    assert f"{place} can be written by others than root" in describe(target).stderr
    place.chmod(0o777)
    assert f"{place} can be written by others than root" in describe(target).stderr
    place.chmod(0o1777)  # nobody can replace there what is root's
    assert describe(target).returncode == 0


def give_to_nobody(path):
    """An access control list: user::rwx, user:nobody:rwx, group::r-x, mask::rwx, other::r-x."""
    nobody = pwd.getpwnam("nobody").pw_uid
    entries = [(1, 7, 0xFFFFFFFF), (2, 7, nobody), (4, 5, 0xFFFFFFFF), (0x10, 7, 0xFFFFFFFF), (0x20, 5, 0xFFFFFFFF)]
    os.setxattr(path, "system.posix_acl_access", struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *one) for one in entries))


def test_what_an_access_control_list_gives_to_others_is_not_loaded(place):
    target = place / "good.so"
    shutil.copy(MUSEUM / "good.so", target)
    target.chmod(0o755)
    give_to_nobody(target)
    assert f"{target} can be written by others than root" in describe(target).stderr
    os.removexattr(target, "system.posix_acl_access")
    target.chmod(0o755)
    assert describe(target).returncode == 0
    give_to_nobody(place)
    assert f"{place} can be written by others than root" in describe(target).stderr


def test_the_directories_of_a_link_are_looked_at(place):
    (place / "open").mkdir()
    (place / "open").chmod(0o777)
    (place / "open/link.so").symlink_to(MUSEUM / "good.so")
    assert f"{place}/open can be written by others than root" in describe(place / "open/link.so").stderr
    (place / "second.so").symlink_to("open/link.so")
    assert f"{place}/open can be written by others than root" in describe(place / "second.so").stderr
    (place / "open").chmod(0o755)
    assert describe(place / "second.so").returncode == 0
    (place / "up.so").symlink_to("open/../open/./link.so")
    assert describe(place / "up.so").returncode == 0


def test_a_link_is_judged_by_where_it_leads(place):
    (place / "open").mkdir()
    (place / "open").chmod(0o777)
    shutil.copy(MUSEUM / "good.so", place / "open/good.so")
    (place / "link.so").symlink_to(place / "open/good.so")
    assert f"{place}/open can be written by others than root" in describe(place / "link.so").stderr


def test_a_directory_or_fifo_is_no_plugin(place):
    (place / "folder.so").mkdir()
    assert "is no regular file" in describe(place / "folder.so").stderr
    os.mkfifo(place / "fifo.so", 0o600)
    assert "is no regular file" in describe(place / "fifo.so").stderr


def test_crash_while_loading_is_a_death_of_the_asked_process_alone():
    assert describe(MUSEUM / "crashes_at_load.so").returncode == -signal.SIGABRT


def test_hang_while_loading_ends_in_time():
    begin = time.monotonic()
    assert describe(MUSEUM / "hangs_at_load.so").returncode == -signal.SIGALRM
    assert 9 < time.monotonic() - begin < 12


def test_what_cannot_be_loaded_says_so_on_the_page():
    with Host("missing_symbol") as bad:
        outcome = bad.outcome()
        assert (outcome.status, outcome.state) == ("config", "unknown")
        assert "does not export baton_plugin_v1" in outcome.sentence
        assert bad.rings() == 1
        assert bad.end() == ("exit", 65)
        assert "event=plugin_not_loaded" in bad.log()


def test_newer_minor_works():
    with Host("newer_minor", settings={"second": ["from the future"]}) as newer:
        assert (newer.outcome().state, newer.outcome().sentence) == ("pass", "from the future")
    assert b"second" in subprocess.run([PROGRAM, "--describe", MUSEUM / "newer_minor.so"], capture_output=True).stdout


def test_older_minor_works_and_nothing_behind_its_struct_is_called():
    with Host("older_minor") as older:
        assert older.outcome().state == "pass"
    with Host("older_minor", kind="act") as older:
        answer = older.act("promote")
        assert (answer.status, answer.sentence) == ("config", "the module has no verb promote")


# --- Late ----------------------------------------------------------------------------------------------------------

def gone():
    """Nothing below this test runs any more; the dead are collected."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
    return not children()


def late(bad, begin, limit=0.3):
    assert bad.end() == ("exit", 71)
    assert limit + 0.15 < time.monotonic() - begin < limit + 1.2  # the limit and 200 ms of grace
    until(gone, 2, "the end of all that it started")


@pytest.mark.parametrize("exhibit", ["hangs", "hangs_in_open", "ignores_sigterm", "forks_and_hangs", "closes_everything",
                                     "answers_late"])
def test_a_late_probe_is_a_timeout_and_all_of_it_is_killed(exhibit):
    begin = time.monotonic()
    with Host(exhibit) as bad:
        outcome = bad.outcome()
        assert (outcome.status, outcome.state) == ("timeout", "unknown")
        assert outcome.sentence == "no answer within 300 ms"
        assert 0.29 < outcome.finished - outcome.started < 0.6
        late(bad, begin)


@pytest.mark.parametrize("verb", VERBS[1:])
def test_a_hang_in_each_verb_is_a_timeout(verb):
    begin = time.monotonic()
    with Host("hangs", kind="act") as bad:
        answer = bad.act(verb, nonce=3, timeout=0.2)
        assert (answer.nonce, answer.status, answer.sentence) == (3, "timeout", "not done within 200 ms")
        late(bad, begin, 0.2)


@pytest.mark.parametrize("exhibit", ["hangs_in_open", "ignores_sigterm", "forks_and_hangs", "answers_late"])
def test_a_late_act_is_a_timeout_and_all_of_it_is_killed(exhibit):
    begin = time.monotonic()
    with Host(exhibit, kind="act") as bad:
        assert bad.act("enter").status == "timeout"
        late(bad, begin)


# --- Dead ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("exhibit, end", [
    ("exits", ("exit", 70)), ("exits_hard", ("exit", 0)), ("aborts", ("signal", 6)), ("segfaults", ("signal", 11)),
    ("forks_and_crashes", ("signal", 6))])
@pytest.mark.parametrize("kind", ["probe", "act"])
def test_a_crash_is_the_end_of_one_process_and_no_outcome(exhibit, end, kind):
    with Host(exhibit, kind=kind) as bad:
        if kind == "act":
            bad.request("enter")
        assert bad.end() == end
        assert read_page(bad.page) is None
        if kind == "act":
            host.end_all_children()  # as the guardian does; they hold a copy of the channel
            bad.channel.setblocking(False)
            assert bad.channel.recv(100) == b""  # closed, without an answer


# --- Wrong words ---------------------------------------------------------------------------------------------------

def test_exceptions_are_answers():
    with Host("throws") as bad:
        outcome = bad.outcome(sequence=2)
        assert (outcome.status, outcome.state, outcome.sentence) == ("fatal", "unknown", "the plugin threw out of cheese")
    with Host("throws", kind="act") as bad:
        answer = bad.act("enter")
        assert (answer.status, answer.sentence) == ("fatal", "the plugin threw something that is no std::exception")


def test_values_that_do_not_exist_are_garbage():
    with Host("garbage_state") as bad:
        outcome = bad.outcome()
        assert (outcome.status, outcome.state, outcome.role) == ("garbage", "unknown", "none")
        assert outcome.sentence == "the plugin answered state 7, role 9, which do not exist"
    with Host("garbage_state", kind="act") as bad:
        assert bad.act("enter").status == "garbage"
    with Host("garbage_status") as bad:
        assert (bad.outcome().status, bad.outcome().state) == ("garbage", "unknown")


def test_open_is_tried_again_until_it_works():
    with Host("open_fails") as bad:
        outcome = bad.outcome()
        assert (outcome.status, outcome.state, outcome.sentence) == ("config", "unknown", "the license file is missing")
        assert (bad.outcome(sequence=3).status, bad.outcome(sequence=3).state) == ("ok", "pass")


def test_endless_and_binary_words_are_cut_and_plain():
    with Host("many_words", timeout=3, interval=3) as bad:
        outcome = bad.outcome()
        assert outcome.sentence == "bell ?, escape ?[31m and tab end"
        assert outcome.position == "a" * 1023
        assert len(outcome.facts) == 16 and set(outcome.facts.values()) == {"a" * 95}
        lines = [line for line in bad.log().splitlines() if "plugin_says" in line]
        assert len(lines) == 20 and "more is left out" in lines[-1]


def test_a_position_that_is_too_long_is_refused_not_cut():
    with Host("long_position") as bad:
        outcome = bad.outcome()
        assert (outcome.status, outcome.state, outcome.position) == ("garbage", "unknown", "")
        assert outcome.sentence == "the plugin gave a position of more than 1023 bytes"


def test_target_position_and_flags_reach_the_plugin():
    with Host("repeats", kind="act") as host:
        answer = host.act("drain", target="db2", position="0/3000148", planned=True, generation=7)
        assert (answer.status, answer.sentence, answer.position) == ("ok", "flags 1 target db2 generation 7", "0/3000148")
        assert host.act("drain", nonce=2).sentence == "flags 0 target  generation 0"


# --- Too much ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("exhibit, word", [("leaks_memory", "grown too large"), ("leaks_descriptors", "does not close")])
def test_leaks_end_in_a_fresh_process(exhibit, word):
    with Host(exhibit, interval=0.1, timeout=0.1) as bad:
        assert bad.end(15) == ("exit", 75)
        outcome = read_page(bad.page)
        assert (outcome.status, outcome.state) == ("ok", "pass")  # nothing was lost
        log = bad.log()
        assert "event=plugin_recycled" in log and word in log


def test_memory_has_an_end():
    with Host("eats_memory", timeout=10, interval=10) as bad:
        assert bad.outcome(seconds=12).status == "transient"  # malloc failed; the machine did not notice


def test_children_that_nobody_waits_for_do_not_gather():
    with Host("zombies", interval=0.05) as bad:
        bad.outcome(sequence=10)
        assert sum(state == "Z" for _, state in children()) <= 5


def test_what_a_probe_leaves_running_ends_with_it():
    with Host("leaks_processes", interval=0.1) as bad:
        assert bad.outcome(sequence=5).state == "pass"
        def gone():
            living = [pid for pid, state in children() if state != "Z" and pid != bad.pid]
            return len(living) <= 20  # those of one probe, not of five
        until(gone, 2, "the end of what is left over")
        before = bad.outcome().sequence
        bad.outcome(sequence=before + 3)
        assert len(children()) <= 41  # 20 of one probe and their 20 children
        assert bad.log().count("event=plugin_left_processes") == 1


def test_a_host_that_cannot_have_a_thread_says_why_in_the_log():
    with Host("good", settings=SETTINGS, processes=1) as starved:
        assert starved.end() == ("exit", 65)
        log = starved.log()
        assert "event=plugin_host_failed" in log and "plugin=exhibit" in log
        assert "Resource temporarily unavailable; user baton-check has too many processes" in log


def test_a_flood_on_page_and_bell_ends_with_the_host():
    with Host("floods_bell") as bad:
        until(lambda: bad.rings() > 1000, 5, "a flood")
        assert bad.running()
        os.kill(bad.pid, signal.SIGTERM)
        assert bad.end() == ("signal", 15)
        bad.rings()
        assert bad.rings() == 0


def test_garbage_on_the_page_is_seen_as_such_and_gives_way():
    with Host("garbage_page", interval=0.3) as bad:
        until(lambda: bad.page[0] == 0xFF, 5, "garbage")
        assert read_page(bad.page) is None
        assert until(lambda: read_page(bad.page), 5, "an outcome").state == "pass"


def test_floods_on_the_channel_do_not_hide_the_answer():
    with Host("floods_channel", kind="act") as bad:
        bad.request("enter", nonce=8)
        junk = 0
        while (message := bad.message()) == b"x" * 64:
            junk += 1
        assert junk > 10
        assert read_answer(message).nonce == 8


def test_garbage_and_answers_for_another_act_can_be_told_from_the_answer():
    with Host("garbage_channel", kind="act") as bad:
        bad.request("enter", nonce=8)
        assert bad.message() == b"rubbish"
        assert read_answer(bad.message()).nonce == 8
    with Host("other_nonce", kind="act") as bad:
        bad.request("enter", nonce=8)
        assert [read_answer(bad.message()).nonce for _ in range(2)] == [0x5555555555555555, 8]
