"""The postgres plugin against pairs of real servers: how the role moves, what a crash costs, how a server comes back."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import psycopg2
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/plugins"))
import postgres_server  # noqa: E402
from postgres_pair import CHECK, calm, durable, pair, planned_move, refused, running, template  # noqa: E402, F401
from postgres_server import Writer  # noqa: E402
from servers import Network, isolated, wait_until  # noqa: E402


# The planned move


def test_a_planned_move_under_load_loses_nothing(durable):
    pair = durable
    place = [pair.db1]
    with Writer(lambda: place[0]) as writer:
        begin = time.monotonic()
        blocked = pair.good(pair.db1, "block_writes", planned=True)
        place[0] = pair.db2  # the address
        about = {"planned": True, "position": blocked.position, "generation": 7}
        for verb in ("can_promote", "drain", "promote"):
            promoted = pair.good(pair.db2, verb, **about)
        took = time.monotonic() - begin
        before = len(writer.acknowledged)
        wait_until(lambda: len(writer.acknowledged) > before + 20)
        pair.good(pair.db1, "demote")
        writer.stop()
    assert blocked.position.endswith(":shutdown")
    assert set(writer.acknowledged) - pair.db2.rows() == set()
    assert promoted.facts["lost_at_most"] == "0"
    assert pair.db2.sql("SELECT generation, node FROM baton_generation") == "7|db2"
    pair.db2.wait_streaming_to(pair.db1)
    assert set(writer.acknowledged) - pair.db1.rows() == set() and not pair.db1.is_primary()
    assert "rewind" not in (pair.db1.directory / "log").read_text()
    print(f"\nplanned: {took:.2f} s, gap {writer.longest_gap:.2f} s, acknowledged {len(writer.acknowledged)}, lost 0")


def test_each_verb_of_the_move_may_be_repeated(pair):
    blocked = pair.good(pair.db1, "block_writes", planned=True)
    assert pair.good(pair.db1, "block_writes", planned=True).position == blocked.position
    about = {"planned": True, "position": blocked.position, "generation": 7}
    for verb in ("can_promote", "can_promote", "drain", "drain", "promote", "promote", "can_promote", "drain"):
        pair.good(pair.db2, verb, **about)
    again = pair.act(pair.db2, "promote", planned=True, position=blocked.position, generation=8)
    assert again.status == "conflict" and "generation 7, not 8" in again.sentence, again
    for _ in range(2):
        assert pair.good(pair.db1, "demote").role == "replica"
    verified = pair.good(pair.db2, "verify", generation=7)
    assert (verified.role, verified.generation) == ("primary", 7)
    assert pair.act(pair.db2, "verify", generation=8).status == "conflict"
    # And back.
    pair.db2.wait_streaming_to(pair.db1)
    position = pair.good(pair.db2, "block_writes", planned=True).position
    pair.good(pair.db1, "promote", planned=True, position=position, generation=8)
    pair.good(pair.db2, "demote")
    assert pair.db1.is_primary() and pair.db1.sql("SELECT timeline_id FROM pg_control_checkpoint()") is not None


def test_a_move_that_is_given_up_leaves_the_old_primary_as_it_was(pair):
    with Writer(lambda: pair.db1) as writer:
        pair.good(pair.db1, "block_writes", planned=True)
        before = len(writer.acknowledged)
        pair.good(pair.db1, "unblock_writes")
        pair.good(pair.db1, "unblock_writes")
        wait_until(lambda: len(writer.acknowledged) > before + 20)
        writer.stop()
    assert set(writer.acknowledged) - pair.db1.rows() == set()
    assert pair.db1.sql("SELECT timeline_id FROM pg_control_checkpoint()") == "1"
    pair.db1.wait_streaming_to(pair.db2)


def test_a_stop_that_does_not_end_is_undone(pair):
    receiver = pair.receiver(pair.db2)
    with Writer(lambda: pair.db1) as writer:
        os.kill(receiver, signal.SIGSTOP)  # the link is there, but nobody takes the log
        try:
            answer = pair.act(pair.db1, "block_writes", planned=True, timeout=4.0)
            assert (answer.status, answer.facts["cause"]) == ("transient", "timeout"), answer
            assert answer.sentence.endswith("it is the primary as before")
            before = len(writer.acknowledged)
            wait_until(lambda: len(writer.acknowledged) > before + 20)
        finally:
            os.kill(receiver, signal.SIGCONT)
        writer.stop()
    assert set(writer.acknowledged) - pair.db1.rows() == set()


def test_who_has_to_give_the_role_up_stays_stopped_though_nobody_takes_the_rest_of_its_log(pair):
    receiver = pair.receiver(pair.db2)
    os.kill(receiver, signal.SIGSTOP)
    try:
        pair.db1.sql("INSERT INTO rows SELECT n, repeat('x', 50) FROM generate_series(1, 200) AS n")
        answer = pair.act(pair.db1, "block_writes", timeout=4.0)
        assert (answer.status, answer.facts["cause"]) == ("transient", "timeout"), answer
        assert "primary as before" not in answer.sentence
        with pytest.raises(psycopg2.OperationalError):
            pair.db1.connect("writer", "writer")
        pair.good(pair.db1, "demote", timeout=10.0)
        assert not pair.db1.is_primary() and len(pair.db1.rows()) == 200
    finally:
        os.kill(receiver, signal.SIGCONT)


def test_a_standby_that_lacks_the_last_record_is_not_promoted(pair):
    receiver = pair.receiver(pair.db2)
    os.kill(receiver, signal.SIGSTOP)
    try:
        pair.db1.sql("INSERT INTO rows SELECT n, repeat('x', 50) FROM generate_series(1, 200) AS n")
        blocked = pair.good(pair.db1, "block_writes", planned=True, timeout=25.0)  # the walsender gives up after 4 s
        about = {"planned": True, "position": blocked.position, "generation": 7}
        drained = pair.act(pair.db2, "drain", timeout=5.0, more={"drain_timeout": "300ms"}, **about)
        assert drained.status == "transient" and re.search(r"\d+ bytes before the old primary's last record", drained.sentence)
        refused(pair.act(pair.db2, "promote", **about), "before the old primary's last record")
        assert not pair.db2.is_primary()
    finally:
        os.kill(receiver, signal.SIGCONT)
    pair.good(pair.db1, "unblock_writes")
    assert len(pair.db1.rows()) == 200 and pair.db1.is_primary()


def test_the_record_at_the_final_position_has_to_be_the_shutdown(calm):
    """A standby that is beyond, but by other records, has another history."""
    system = calm.db1.sql("SELECT system_identifier FROM pg_control_system()")
    here = calm.db1.sql("SELECT pg_current_wal_insert_lsn()")
    calm.db1.sql("INSERT INTO rows VALUES (-1, 'x'); DELETE FROM rows")
    calm.db1.wait_streaming_to(calm.db2)
    about = {"planned": True, "position": f"{system}:1:{here}:shutdown", "generation": 5}
    refused(calm.act(calm.db2, "promote", **about), "not the old primary's shutdown checkpoint")
    assert calm.act(calm.db2, "drain", timeout=5.0, **about).status == "refused"


def test_the_stream_of_an_old_primary_that_gave_the_role_up_is_no_veto_once_all_of_it_is_here(pair):
    receiver = pair.receiver(pair.db2)
    os.kill(receiver, signal.SIGSTOP)
    try:
        pair.db1.sql("INSERT INTO rows SELECT n, repeat('x', 50) FROM generate_series(1, 200) AS n")
        pair.good(pair.db1, "demote", timeout=25.0)
        refused(pair.act(pair.db2, "promote", generation=7), r"db1 .* is a standby that sends this server what it has more: \d+ bytes")
    finally:
        os.kill(receiver, signal.SIGCONT)
    wait_until(lambda: pair.db2.sql("SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'") == "1")
    wait_until(lambda: pair.act(pair.db2, "can_promote").status == "ok")
    assert pair.db2.sql("SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming' AND "
                        "last_msg_receipt_time > now() - interval '5s'") == "1"
    pair.good(pair.db2, "promote", generation=7)
    assert len(pair.db2.rows()) == 200


def test_promotion_that_ended_before_its_stamp_is_finished(pair):
    pair.db1.kill()
    pair.db2.sql("SELECT pg_promote()")
    answer = pair.act(pair.db2, "promote", generation=7)
    assert answer.status == "conflict", answer  # nobody knows who promoted it
    (pair.db2.data / "baton.promoting").write_text("7")
    shutil.chown(pair.db2.data / "baton.promoting", "postgres", "postgres")
    assert pair.good(pair.db2, "promote", generation=7).generation == 7
    assert pair.db2.sql("SELECT generation, node FROM baton_generation") == "7|db2"


# After a crash


def crash_with_tail(pair):
    """db1 acknowledged rows that db2 never got, and is dead. Returns (acknowledged, position last heard)."""
    with Writer(lambda: pair.db1) as writer:
        receiver = pair.receiver(pair.db2)
        os.kill(receiver, signal.SIGSTOP)
        before = len(writer.acknowledged)
        wait_until(lambda: len(writer.acknowledged) > before + 50)
        writer.stop()
    position = pair.primary_position()
    pair.db1.kill()
    os.kill(receiver, signal.SIGKILL)  # what is in its socket dies with it; the standby's postmaster restarts all
    pair.db2.wait_ready()
    return writer.acknowledged, position


def test_a_crash_loses_no_more_than_was_said(pair):
    acknowledged, position = crash_with_tail(pair)
    promoted = pair.good(pair.db2, "promote", position=position, generation=7)
    bound = int(promoted.facts["lost_at_most"].removesuffix(" bytes"))
    missing = len(set(acknowledged) - pair.db2.rows())
    assert missing > 40 and missing * 100 <= bound, (missing, bound)  # each row is more than 100 bytes of log
    assert f"at most {bound} bytes" in promoted.sentence
    print(f"\ncrash: acknowledged {len(acknowledged)}, lost {missing}, bound {bound} bytes")


def test_a_crash_in_the_midst_of_writes_loses_what_was_not_sent_at_most(durable):
    pair = durable
    place = [pair.db1]
    with Writer(lambda: place[0]) as writer:
        heard = len(writer.acknowledged)
        position = pair.primary_position()
        pair.db1.kill()
        begin = time.monotonic()
        pair.good(pair.db2, "can_promote", position=position)
        promoted = pair.good(pair.db2, "promote", position=position, generation=7)
        place[0] = pair.db2
        took = time.monotonic() - begin
        before = len(writer.acknowledged)
        wait_until(lambda: len(writer.acknowledged) > before + 20)
        writer.stop()
    missing = len(set(writer.acknowledged) - pair.db2.rows())
    bound = int(promoted.facts["lost_at_most"].removesuffix(" bytes"))
    # Of what was acknowledged before the position was read, no more than it says.
    assert 100 * len(set(writer.acknowledged[:heard]) - pair.db2.rows()) <= bound, promoted
    print(f"\ncrash under load: {took:.2f} s, gap {writer.longest_gap:.2f} s, acknowledged {len(writer.acknowledged)}, lost {missing}")


def test_what_a_crash_right_after_a_move_loses_is_known_too(pair):
    """The standby's control file does not know the new timeline yet."""
    assert planned_move(pair).status == "ok"
    pair.db2.wait_streaming_to(pair.db1)
    for statement in ("ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()"):
        pair.db1.sql(statement)
    wait_until(lambda: pair.db1.sql("SELECT count(*) FROM pg_stat_wal_receiver") == "0")
    for number in range(20):
        pair.db2.sql(f"INSERT INTO rows VALUES ({number}, 'x')")
    position = pair.act(pair.db2, "position").position
    pair.db2.kill()
    assert pair.db1.sql("SELECT timeline_id FROM pg_control_checkpoint()") == "1"
    behind = pair.good(pair.db1, "can_promote", position=position)
    refused(pair.act(pair.db1, "can_promote", position=position, more={"max_lag": "100"}), r"bytes of the old primary's log are missing here \(max_lag is 100\)")
    promoted = pair.good(pair.db1, "promote", position=position, generation=8)
    bound = int(promoted.facts["lost_at_most"].removesuffix(" bytes"))
    assert 20 * 100 <= bound < 20 * 1000, (behind, promoted)  # each row is more than 100 bytes of log
    assert not pair.db1.rows()


def test_what_may_be_lost_is_not_known_without_a_position(pair):
    pair.db1.kill()
    assert pair.good(pair.db2, "promote", generation=7).facts["lost_at_most"] == "unknown"


def test_a_cut_link_is_a_live_one_until_it_has_been_silent_for_long_enough(template):
    with Network() as network, running(template, namespaces=(network.near, network.far), addresses=("10.98.0.1", "10.98.0.2"),
                                       more="fsync = off\n") as pair:
        def act(server, verb, **about):
            return isolated(lambda: pair.act(server, verb, **about), network=server.namespace)

        assert isolated(lambda: pair.probe(pair.db1), network=network.near).role == "primary"
        position = act(pair.db1, "position").position
        pair.db1.sql("SELECT pg_logical_emit_message(true, 'x', 'x')")
        pair.db1.wait_streaming_to(pair.db2)
        network.firewall('iifname "v0" drop')  # half-open: neither side is told
        refused(act(pair.db2, "can_promote", position=position), r"was heard \d+ ms ago: it lives")
        more = {"link_fresh": "1s"}
        wait_until(lambda: act(pair.db2, "can_promote", position=position, more=more).status == "ok", 10)
        promoted = act(pair.db2, "promote", position=position, generation=7, more=more)
        assert promoted.status == "ok" and promoted.facts["lost_at_most"] == "0 bytes", promoted
        assert isolated(lambda: pair.probe(pair.db1), network=network.near).role == "primary"  # writes its message
        # The one that was cut off cannot know, and ceases to take writes without an answer from the other one.
        demoted = act(pair.db1, "demote")
        assert demoted.status == "ok" and demoted.facts["upstream"] == "none", demoted
        assert not pair.db1.is_primary()
        network.firewall("")
        # Only its own shutdown checkpoint (and such) is beyond: a diverged log, but nobody's data.
        answer = act(pair.db1, "rejoin")
        assert (answer.status, answer.facts["diverged_transactions"]) == ("conflict", "0"), answer
        answer = act(pair.db1, "rejoin", more={"rejoin": "safe"})
        assert answer.status == "ok" and "kept" in answer.facts, answer
        pair.db2.wait_streaming_to(pair.db1)


def test_strict_promotes_the_synchronous_standby_and_loses_nothing(template):
    more = "synchronous_standby_names = '*'\n"
    with running(template, more=more) as pair:
        with Writer(lambda: pair.db1) as writer:
            position = pair.primary_position()
            assert position.endswith(":sync=db2"), position
            pair.db1.kill()
            writer.stop()
        promoted = pair.good(pair.db2, "promote", position=position, generation=7, more={"durability": "strict"})
        assert promoted.generation == 7
        assert set(writer.acknowledged) - pair.db2.rows() == set()
        # Commits wait for a standby now; the probe's own write does not.
        answer = pair.probe(pair.db2, durability="strict")
        assert (answer.state, answer.role, answer.facts["cause"]) == ("pass", "primary", "broken_link"), answer


def test_a_crashed_primary_without_a_tail_follows_without_a_rewind(pair):
    pair.db1.sql("INSERT INTO rows VALUES (1, 'x')")
    pair.db1.wait_streaming_to(pair.db2)
    pair.db1.kill()
    pair.good(pair.db2, "promote", generation=7)
    pair.good(pair.db1, "rejoin")
    pair.db2.wait_streaming_to(pair.db1)
    assert pair.db1.rows() == {1} and not pair.db1.is_primary()


def test_a_standby_that_cannot_go_on_where_the_new_primary_is_is_not_promoted(pair):
    """In recovery, and its receiver would wait for ever: its log forked off before what was the last heard."""
    _, position = crash_with_tail(pair)
    pair.good(pair.db2, "promote", position=position, generation=7)
    (pair.db1.data / "standby.signal").write_text("")  # the boot guard
    pair.db1.start()
    assert pair.db1.sql("SELECT pg_is_in_recovery()") == "t"
    position = pair.act(pair.db2, "position").position
    pair.db2.kill()
    for verb in ("can_promote", "promote"):
        refused(pair.act(pair.db1, verb, position=position, generation=8), "the position is on timeline 2, this server is on timeline 1")
    assert not pair.db1.is_primary()


def test_a_diverged_primary_stays_read_only_and_keeps_its_data(pair):
    acknowledged, position = crash_with_tail(pair)
    pair.good(pair.db2, "promote", position=position, generation=7)
    for verb in ("demote", "rejoin", "rejoin"):
        answer = pair.act(pair.db1, verb)
        assert answer.status == "conflict" and answer.facts["cause"] == "diverged", answer
        assert int(answer.facts["diverged_bytes"]) > 4000
        assert int(answer.facts["diverged_transactions"]) >= len(set(acknowledged) - pair.db2.rows()) > 40
    answer = pair.act(pair.db1, "rejoin", more={"rejoin": "safe"})
    assert answer.status == "conflict", answer  # these are somebody's data
    assert not pair.db1.is_primary() and set(acknowledged) - pair.db1.rows() == set()
    assert pair.db1.sql("SELECT count(*) FROM pg_stat_wal_receiver") == "0"
    # Through a start of the host, too.
    pair.db1.kill()
    pair.db1.start()
    assert not pair.db1.is_primary()


def test_a_rewind_keeps_the_tail_aside(pair):
    acknowledged, position = crash_with_tail(pair)
    pair.good(pair.db2, "promote", position=position, generation=7)
    missing = set(acknowledged) - pair.db2.rows()
    answer = pair.good(pair.db1, "rejoin", more={"rejoin": "rewind"})
    assert answer.facts["kept"] in answer.sentence
    kept = pathlib.Path(answer.facts["kept"])
    assert kept.parent == pathlib.Path(f"{pair.db1.data}.baton-kept")
    assert (kept / "records.txt").read_text().count("Transaction") >= len(missing) > 40  # one commit for each lost row
    assert re.fullmatch("0{7}1[0-9A-F]{16}", sorted(one.name for one in kept.iterdir())[0])
    pair.db2.wait_streaming_to(pair.db1)
    assert pair.db1.rows() == pair.db2.rows() and not pair.db1.is_primary()
    assert not (pair.db1.data / "baton.rewind-pgpass").exists()


def test_a_rewind_ends_though_the_new_primary_writes_meanwhile(pair):
    _, position = crash_with_tail(pair)
    pair.good(pair.db2, "promote", position=position, generation=7)
    writer = Writer(lambda: pair.db2)
    writer.tried = 1000000  # beside what the first writer left
    with writer:
        pair.good(pair.db1, "rejoin", more={"rejoin": "rewind"})
        assert not (pair.db1.data / "baton.rewound").exists()
        # Ended between the rewind and its start: the next attempt starts it so that it gets what it lacks.
        pair.db1.stop()
        (pair.db1.data / "baton.rewound").write_text("db2\n")
        (pair.db1.data / "postgresql.auto.conf").write_text("primary_conninfo = ''\n")
        pair.good(pair.db1, "rejoin", more={"rejoin": "rewind"})
        writer.stop()
    pair.db2.wait_streaming_to(pair.db1)
    assert pair.db1.rows() == pair.db2.rows() and set(writer.acknowledged) <= pair.db1.rows()


def test_two_that_were_both_promoted_do_not_follow_each_other(pair):
    pair.db1.stop()
    wait_until(lambda: pair.db2.sql("SELECT count(*) FROM pg_stat_wal_receiver") == "0")
    pair.good(pair.db2, "promote", generation=7)
    pair.db1.make_standby(pair.db2)  # by hand, and promoted by hand at the very same place
    (pair.db1.data / "postgresql.auto.conf").write_text("primary_conninfo = ''\n")
    pair.db1.start()
    pair.db1.sql("SELECT pg_promote()")
    pair.db1.sql("INSERT INTO baton_generation VALUES (true, 9, 'db1', now())")
    answer = pair.act(pair.db1, "demote")
    assert answer.status == "conflict", answer
    assert not pair.db1.is_primary()


def test_every_start_of_a_promoted_server_is_that_of_a_standby(pair):
    pair.db1.kill()
    pair.good(pair.db2, "promote", generation=7)
    assert pair.db2.is_primary()
    pair.db2.kill()
    pair.db2.start()
    assert not pair.db2.is_primary()
    assert pair.good(pair.db2, "promote", generation=8).generation == 8


def test_demote_without_the_target_leaves_it_read_only_and_says_so(pair):
    pair.db2.stop()
    answer = pair.good(pair.db1, "demote")
    assert "standby of nobody" in answer.sentence and answer.facts["upstream"] == "none"
    assert not pair.db1.is_primary()
    # To have rejoined is more than that.
    answer = pair.act(pair.db1, "rejoin")
    assert (answer.status, answer.facts["cause"], answer.facts["upstream"]) == ("transient", "refused", "none"), answer


def test_demote_does_not_follow_one_that_is_no_primary(pair):
    answer = pair.good(pair.db1, "demote")
    assert "is no primary yet" in answer.sentence and answer.facts["cause"] == "target"
    assert not pair.db1.is_primary()


def test_demote_mends_a_wrong_upstream(pair):
    pair.db2.sql("ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port=1 user=baton_replication'")
    pair.db2.sql("SELECT pg_reload_conf()")
    assert pair.probe(pair.db2).facts["cause"] == "wrong_upstream"
    pair.good(pair.db2, "demote")
    pair.db1.wait_streaming_to(pair.db2)


def test_demote_of_a_frozen_server_ends_it_all_the_same(pair):
    pair.db1.freeze()
    answer = pair.act(pair.db1, "demote", timeout=8.0)
    assert answer.status == "ok", answer
    assert not pair.db1.is_primary()


def test_a_wrong_password_of_the_drive_user_stops_nothing(pair):
    wrong = pair.db1.directory.parent / "wrong"
    wrong.write_text("not-the-password")
    for server, verb in ((pair.db1, "block_writes"), (pair.db2, "demote"), (pair.db2, "promote"), (pair.db2, "can_promote")):
        answer = pair.act(server, verb, more={"drive_password_file": wrong}, generation=7)
        assert (answer.status, answer.facts["cause"]) == ("config", "auth"), (verb, answer)
    assert pair.db1.is_primary() and not pair.db2.is_primary()
    assert pair.db1.sql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == "1"
    # But who has to give the role ceases to take writes, whether it lets us in or not.
    answer = pair.act(pair.db1, "demote", more={"drive_password_file": wrong})
    assert (answer.status, answer.facts["cause"]) == ("config", "auth") and "takes no writes" in answer.sentence, answer
    assert not pair.db1.is_primary()


def test_without_the_right_to_promote_it_stays_a_standby(pair):
    pair.db1.sql("REVOKE EXECUTE ON FUNCTION pg_promote(boolean, integer) FROM baton_drive")
    pair.db1.wait_streaming_to(pair.db2)
    pair.db1.kill()
    answer = pair.act(pair.db2, "promote", generation=7)
    assert (answer.status, answer.facts["cause"]) == ("config", "privilege"), answer
    assert "pg_promote" in answer.sentence and not pair.db2.is_primary()


# Who stops and starts


def test_a_missing_helper_is_for_a_person_and_nothing_is_changed(pair):
    answer = pair.act(pair.db1, "block_writes", planned=True, more={"control_socket": "/nonexistent/control"})
    assert (answer.status, answer.facts["cause"]) == ("config", "control"), answer
    assert "baton-postgres-control does not listen on /nonexistent/control" in answer.sentence
    assert pair.db1.is_primary()


def test_a_command_may_stop_and_start(pair):
    script = pair.db1.directory.parent / "order.py"
    script.write_text("import socket, sys\none = socket.socket(socket.AF_UNIX)\n"
                      f"one.connect('{pair.db1.control_socket}')\none.sendall(sys.argv[1].encode() + b' 10000\\n')\n"
                      "sys.exit(one.recv(200) != b'ok\\n')\n")
    more = {"control": "command", "stop_command": f"/usr/bin/python3 {script} stop",
            "start_command": f"/usr/bin/python3 {script} start"}
    assert pair.act(pair.db1, "block_writes", planned=True, more=more).status == "ok"
    assert pair.act(pair.db1, "unblock_writes", more=more).status == "ok"
    assert pair.db1.is_primary()


def test_systemd_where_there_is_none_is_for_a_person(pair):
    if pathlib.Path("/run/systemd/system").exists():
        pytest.fail("this test is for a host without systemd")
    answer = pair.act(pair.db1, "block_writes", planned=True, more={"control": "systemd", "unit": "postgresql@15-main"})
    assert (answer.status, answer.facts["cause"]) == ("config", "no-systemd"), answer
    assert pair.db1.is_primary()


def test_the_server_outlives_the_plugin_and_the_helper(pair):
    pair.good(pair.db1, "block_writes", planned=True)
    pair.good(pair.db1, "unblock_writes")
    pair.db1.helper.terminate()
    pair.db1.helper.wait()
    assert pair.db1.is_primary()
    limits = pathlib.Path(f"/proc/{pair.db1.pid()}/status").read_text()
    assert "NoNewPrivs:\t0" in limits


def test_the_helper_obeys_only_its_own_user_and_only_two_orders(calm):
    def order(text):
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(str(calm.db1.control_socket))
            one.sendall(text)
            return one.recv(200).decode().strip()
    assert order(b"restart 1000\n") == "refused an order that is none"
    assert order(b"stop -5\n") == "refused an order that is none"
    probe = f"import socket; socket.socket(socket.AF_UNIX).connect('{calm.db1.control_socket}')"
    tried = subprocess.run(["/usr/bin/python3", "-c", probe], user=CHECK.pw_uid, group=CHECK.pw_gid, extra_groups=[],
                           capture_output=True, text=True)
    assert "PermissionError" in tried.stderr
    assert calm.db1.is_primary()
    assert subprocess.run([postgres_server.CONTROL, "--socket", "/tmp/x", "--data", "/x", "--bin", "/x"]).returncode == 1
