"""The mysql module with pairs of MariaDB servers, driven with exactly the privileges of its manual."""
import pathlib
import sys
import threading

import pymysql
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/plugins"))
import mysql_server  # noqa: E402
from mysql_pair import SEMI_SYNC, PairOf, move  # noqa: E402
from mysql_server import MariaDB, Writer, numbers  # noqa: E402
from plugin import complaints  # noqa: E402
from servers import run, wait_until  # noqa: E402


@pytest.fixture
def pair(tmp_path):
    with PairOf(tmp_path) as one:
        yield one.begin()


def test_probe_says_what_each_member_is(pair):
    one, two = pair.probe("db1"), pair.probe("db2")
    assert (one.state, one.role, one.generation, one.facts["writable"]) == ("pass", "primary", 1, "yes")
    assert (two.state, two.role, two.generation, two.facts["writable"]) == ("pass", "replica", 1, "no")
    assert two.facts["upstream"] == f"127.0.0.1:{pair.db1.port}" and two.facts["link"] == "up"
    assert one.position == two.position == pair.db1.value("SELECT @@gtid_binlog_pos")
    assert one.facts["version"].startswith("MariaDB 10.11.")
    assert not one.warning and not two.warning and two.lag_ms == 0


def test_planned_move_under_load_loses_nothing(pair):
    target = [pair.db1]
    with Writer(lambda: target[0]) as writer:
        writer.wait_for(200)
        blocked = pair.act("db1", "block_writes")
        assert blocked.status == "ok", blocked
        position = blocked.position
        about = dict(target="db1", planned=True, position=position)
        assert pair.act("db2", "can_promote", **about).status == "ok"
        assert pair.act("db2", "drain", **about).status == "ok"
        promoted = pair.act("db2", "promote", generation=2, **about)
        assert (promoted.status, promoted.role, promoted.generation) == ("ok", "primary", 2), promoted
        assert promoted.facts["lost_at_most"] == "0"
        target[0] = pair.db2
        demoted = pair.act("db1", "demote", target="db2", generation=2)
        assert (demoted.status, demoted.facts["link"]) == ("ok", "up"), demoted
        writer.wait_for(200)
    assert set(writer.acknowledged) - numbers(pair.db2) == set()
    pair.level()
    assert numbers(pair.db1) == numbers(pair.db2)
    assert pair.probe("db1").role == "replica" and pair.probe("db2").role == "primary"
    print(f"acknowledged {len(writer.acknowledged)}, gap {writer.gap:.3f} s")


# Verbs may be repeated.

def test_verbs_repeated_change_nothing(pair):
    first = pair.act("db1", "block_writes")
    second = pair.act("db1", "block_writes")
    assert (first.status, second.status) == ("ok", "ok")
    about = dict(target="db1", planned=True, position=second.position)
    for _ in range(2):
        assert pair.act("db2", "promote", generation=2, **about).status == "ok"
    for _ in range(2):
        answer = pair.act("db1", "demote", target="db2")
        assert (answer.status, answer.role, answer.facts["link"]) == ("ok", "replica", "up")
    verified = pair.act("db2", "verify", generation=2)
    assert (verified.status, verified.role, verified.generation) == ("ok", "primary", 2)
    assert pair.act("db2", "verify", generation=3).status == "conflict"
    assert pair.db2.sql("SELECT generation, host FROM baton.baton_generation ORDER BY 1") == ((1, "db1"), (2, "db2"))


def test_there_and_back_again(pair):
    move(pair, "db1", "db2", 2)
    pair.db2.sql("INSERT INTO shop.orders VALUES (1)")
    move(pair, "db2", "db1", 3)
    pair.db1.sql("INSERT INTO shop.orders VALUES (2)")
    pair.level()
    assert numbers(pair.db1) == numbers(pair.db2) == {1, 2}


def test_promote_of_a_primary_with_another_generation_is_a_conflict(pair):
    answer = pair.act("db1", "promote", generation=7)
    assert answer.status == "conflict" and "generation 1 of db1, not with 7" in answer.sentence
    assert pair.act("db1", "promote", generation=1).status == "ok"


def test_promote_with_an_old_generation_is_a_conflict(pair):
    pair.db1.kill()
    answer = pair.act("db2", "promote", generation=1, target="db1")
    assert answer.status == "conflict" and "bears generation 1 of db1, and 1 was asked for" in answer.sentence
    assert pair.db2.value("SELECT @@read_only") == 1


def test_promote_continues_after_a_crash_between_its_statements(pair):
    pair.db1.kill()
    # As it stands when the daemon died after the source was forgotten and before the server was opened.
    pair.db2.sql("STOP SLAVE", "INSERT INTO baton.baton_generation (generation, host) VALUES (2, 'db2')", "RESET SLAVE ALL")
    answer = pair.act("db2", "promote", generation=2, target="db1")
    assert (answer.status, answer.generation) == ("ok", 2), answer
    assert pair.db2.value("SELECT @@read_only") == 0


def test_blocked_writes_can_be_unblocked(pair):
    assert pair.act("db1", "block_writes").status == "ok"
    assert pair.db1.value("SELECT @@read_only") == 1
    assert pair.act("db1", "unblock_writes").status == "ok"
    pair.db1.sql("INSERT INTO shop.orders VALUES (1)", user="app", password="app-secret")
    assert pair.act("db2", "unblock_writes").status == "refused"


def test_open_transaction_cannot_commit_after_the_block(pair):
    app = pair.db1.connect("app", "app-secret")
    app.begin()
    with app.cursor() as cursor:
        cursor.execute("INSERT INTO shop.orders VALUES (1)")
    assert pair.act("db1", "block_writes", settings={"kill_writers": "no"}).status == "ok"
    with pytest.raises(pymysql.Error):
        app.commit()
    assert pair.act("db1", "unblock_writes").status == "ok"
    assert numbers(pair.db1) == set()


def test_block_ends_a_statement_that_holds_it_up(pair):
    slow = pair.db1.connect("app", "app-secret")
    ended = []

    def run():
        try:
            with slow.cursor() as cursor:
                cursor.execute("INSERT INTO shop.orders SELECT 1 + SLEEP(30)")
        except (pymysql.Error, OSError, AttributeError) as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: any("SLEEP" in str(row[7]) for row in pair.db1.sql("SHOW PROCESSLIST")))
    answer = pair.act("db1", "block_writes", settings={"query_timeout": "500ms"})
    thread.join(5)
    assert answer.status == "ok" and ended and numbers(pair.db1) == set()


def test_block_that_cannot_settle_undoes_itself(pair):
    ended = threading.Event()

    def root():  # whom read_only does not stop
        number = 0
        while not ended.is_set():
            number += 1
            try:
                pair.db1.sql(f"INSERT INTO shop.orders VALUES ({number})")
            except (pymysql.Error, AttributeError, OSError):
                pass

    thread = threading.Thread(target=root)
    thread.start()
    try:
        answer = pair.act("db1", "block_writes", settings={"settle": "100ms", "kill_writers": "no"})
    finally:
        ended.set()
        thread.join(5)
    assert answer.status == "transient" and "still moves" in answer.sentence and "writable again" in answer.sentence
    assert pair.db1.value("SELECT @@read_only") == 0


# Crashes.

def test_crash_loses_no_more_than_reported(pair):
    target = [pair.db1]
    with Writer(lambda: target[0]) as writer:
        writer.wait_for(100)
        wait_until(lambda: len(numbers(pair.db2)) >= 50)
        # What the standby does not get: its link is cut as by a broken cable, and the last position heard is later.
        pair.db2.sql("STOP SLAVE IO_THREAD")
        writer.wait_for(50)
        heard = pair.probe("db1").position
        pair.db1.kill()
        target[0] = None
        about = dict(target="db1", position=heard)
        assert pair.act("db2", "can_promote", **about).status == "ok"
        answer = pair.act("db2", "promote", generation=2, **about)
    missing = set(writer.acknowledged) - numbers(pair.db2)
    after_heard = int(answer.facts["lost_at_most"])
    assert answer.status == "ok" and after_heard >= 50, answer
    # Acknowledged after `heard`: between the probe and the kill.
    number = int(heard.split("-")[2])
    last = max(int(part.split("-")[2]) for part in binlog_end(pair.db1))
    assert len(missing) <= after_heard + (last - number) and len(missing) < len(writer.acknowledged) - 49
    print(f"acknowledged {len(writer.acknowledged)}, missing {len(missing)}, reported {after_heard}, "
          f"after the last word {last - number}")


def binlog_end(server):
    """gtid_binlog_pos of a server that was killed."""
    server.start()
    return server.value("SELECT @@gtid_binlog_pos").split(",")


def test_crash_drains_what_was_received(pair):
    with pair.db2.connect() as lock:
        with lock.cursor() as cursor:
            cursor.execute("LOCK TABLES shop.orders READ")  # the applier has to wait
        pair.db1.sql(*[f"INSERT INTO shop.orders VALUES ({n})" for n in range(20)])
        heard = pair.db1.value("SELECT @@gtid_binlog_pos")
        wait_until(lambda: pair.db2.slave()["Gtid_IO_Pos"] == heard)
        pair.db1.kill()
        refused = pair.act("db2", "promote", generation=2, target="db1", position=heard, settings={"drain_timeout": "300ms"})
        assert refused.status == "refused" and "not applied within 300 ms" in refused.sentence, refused
        assert pair.db2.value("SELECT @@read_only") == 1 and pair.db2.slave()["Slave_IO_Running"] != "No"
    answer = pair.act("db2", "promote", generation=2, target="db1", position=heard)
    assert (answer.status, answer.facts["lost_at_most"]) == ("ok", "0"), answer
    assert numbers(pair.db2) == set(range(20))


def test_crash_without_a_last_word_says_unknown(pair):
    pair.db1.kill()
    answer = pair.act("db2", "promote", generation=2, target="db1")
    assert (answer.status, answer.facts["lost_at_most"]) == ("ok", "unknown")


# A former primary comes back.

def crashed(pair, extra):
    """db1 crashes with `extra` transactions that db2 never got; db2 takes over and goes on."""
    pair.db2.sql("STOP SLAVE IO_THREAD")
    pair.db1.sql(*[f"INSERT INTO shop.orders VALUES ({1000 + n})" for n in range(extra)])
    pair.db1.kill()
    assert pair.act("db2", "promote", generation=2, target="db1").status == "ok"
    pair.db2.sql("INSERT INTO shop.orders VALUES (1)")
    pair.db1.start()


def test_former_primary_with_nothing_of_its_own_rejoins(pair):
    crashed(pair, 0)
    assert pair.probe("db1").role == "none"
    answer = pair.act("db1", "rejoin", target="db2", generation=2)
    assert (answer.status, answer.role, answer.facts["link"]) == ("ok", "replica", "up"), answer
    pair.level()
    assert numbers(pair.db1) == {1}


def test_diverged_former_primary_is_a_conflict_and_keeps_what_it_has(pair):
    before = pair.db1.value("SELECT @@gtid_binlog_pos")
    crashed(pair, 3)
    for verb in ("rejoin", "demote"):
        answer = pair.act("db1", verb, target="db2", generation=2)
        assert answer.status == "conflict" and "follows" not in answer.sentence, answer
        assert answer.facts["cause"] == "diverged" and answer.facts["kept"].startswith("binlog.0")
    assert pair.db1.value("SELECT @@read_only") == 1 and pair.db1.slave() == {}
    assert {1000, 1001, 1002} <= numbers(pair.db1)
    first = int(before.split("-")[2]) + 1
    assert answer.facts["alone"] == f"0-1-{first}..0-1-{first + 2}" or "0-1-" in answer.facts["alone"]
    assert pair.probe("db1").role == "none"


def test_equal_sequence_numbers_of_different_servers_are_a_conflict(pair):
    # The new generation's row makes one, the new primary's own write another: as many as db1 has alone.
    crashed(pair, 2)
    own, new = (one.value("SELECT @@gtid_binlog_pos").split("-") for one in (pair.db1, pair.db2))
    assert int(new[2]) >= int(own[2]) and own[1] == "1" and new[1] == "2"
    answer = pair.act("db1", "rejoin", target="db2", generation=2)
    assert answer.status == "conflict" and "at least" in answer.sentence, answer
    assert pair.db1.slave() == {}


def test_manual_rejoin_only_examines(pair):
    crashed(pair, 0)
    answer = pair.act("db1", "rejoin", target="db2", generation=2, settings={"rejoin": "manual"})
    assert answer.status == "refused" and "rejoin = manual" in answer.sentence and pair.db1.slave() == {}


def test_rejoin_waits_for_the_generation_and_for_the_target(pair):
    crashed(pair, 0)
    assert pair.act("db1", "rejoin", target="db2", generation=3).status == "transient"
    pair.db2.kill()
    answer = pair.act("db1", "rejoin", target="db2", generation=2)
    assert (answer.status, answer.facts["cause"]) == ("transient", "unreachable")


def test_former_primary_that_nobody_replaced_may_be_promoted_again(pair):
    pair.db1.kill()
    pair.db2.kill()
    pair.db1.start()
    answer = pair.act("db1", "promote", generation=2, target="db2")
    assert answer.status == "ok", answer
    pair.db1.sql("INSERT INTO shop.orders VALUES (1)", user="app", password="app-secret")


def test_demote_without_a_target_to_be_reached_closes_for_writes(pair):
    pair.db2.kill()
    answer = pair.act("db1", "demote", target="db2")
    assert answer.status == "ok" and "follows nobody new" in answer.sentence
    assert pair.db1.value("SELECT @@read_only") == 1


def test_wrong_upstream_is_mended_by_demote(pair):
    pair.db2.sql("STOP SLAVE", "CHANGE MASTER TO MASTER_HOST='127.0.0.9'", "START SLAVE")
    wrong = pair.probe("db2")
    assert (wrong.state, wrong.facts["cause"]) == ("fail", "wrong_upstream")
    answer = pair.act("db2", "demote", target="db1")
    assert (answer.status, answer.facts["link"]) == ("ok", "up"), answer
    assert pair.db2.slave()["Master_Host"] == "127.0.0.1"


def by_hand(pair, *more):
    """As an administrator sets a standby up: without our intervals."""
    pair.db2.sql("STOP SLAVE", "RESET SLAVE ALL", f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={pair.db1.port}, "
                 "MASTER_USER='baton_repl', MASTER_PASSWORD='repl-secret', MASTER_USE_GTID=slave_pos", *more)


def test_standby_that_receives_meanwhile_is_no_conflict(pair):
    with Writer(lambda: pair.db1) as writer:
        for _ in range(20):
            by_hand(pair, "START SLAVE")
            until_now = set(writer.acknowledged)
            wait_until(lambda: numbers(pair.db2) >= until_now)
            writer.wait_for(10)
            answer = pair.act("db2", "demote", target="db1")
            assert (answer.status, answer.facts["link"]) == ("ok", "up"), answer
            assert pair.db2.slave()["Connect_Retry"] == 1
    pair.level()


def test_standby_set_up_by_hand_that_is_stopped_gets_our_intervals_too(pair):
    by_hand(pair)
    answer = pair.act("db2", "demote", target="db1")
    assert (answer.status, answer.facts["link"]) == ("ok", "up"), answer
    assert pair.db2.slave()["Connect_Retry"] == 1 and float(pair.db2.slave()["Slave_heartbeat_period"]) == 0.5
    # Not where the source cannot be asked: then it goes on with what it has.
    by_hand(pair)
    pair.db1.kill()
    answer = pair.act("db2", "demote", target="db1")
    assert (answer.status, answer.facts["link"]) == ("ok", "down"), answer
    assert pair.db2.slave()["Slave_IO_Running"] == "Connecting"


def test_standby_stays_standby_over_a_restart(pair):
    move(pair, "db1", "db2", 2)
    pair.db1.restart()
    wait_until(lambda: pair.db1.slave()["Slave_IO_Running"] == "Yes")
    answer = pair.probe("db1")
    assert (answer.role, answer.facts["read_only"], answer.facts["link"]) == ("replica", "yes", "up")


# Fence.

def test_fence_by_the_others_database(pair):
    with Writer(lambda: pair.db1) as writer:
        writer.wait_for(10)
        answer = pair.act("db2", "fence", target="db1")
        assert answer.status == "ok", answer
        wait_until(lambda: writer.errors)
    assert pair.db1.value("SELECT @@read_only") == 1
    assert answer.position == pair.db1.value("SELECT @@gtid_binlog_pos")
    # Fenced, the living stream is no reason any more.
    assert pair.act("db2", "can_promote", target="db1", position=answer.position).status == "ok"
    promoted = pair.act("db2", "promote", target="db1", position=answer.position, generation=2)
    assert (promoted.status, promoted.facts["lost_at_most"]) == ("ok", "0")
    assert set(writer.acknowledged) - numbers(pair.db2) == set()


def test_what_a_fenced_source_has_is_taken_along(pair):
    pair.db2.sql("STOP SLAVE IO_THREAD")
    pair.db1.sql(*[f"INSERT INTO shop.orders VALUES ({n})" for n in range(50)])
    fenced = pair.act("db2", "fence", target="db1")
    pair.db2.sql("START SLAVE IO_THREAD")
    answer = pair.act("db2", "promote", target="db1", position=fenced.position, generation=2)
    assert (answer.status, answer.facts["lost_at_most"]) == ("ok", "0"), answer
    assert numbers(pair.db2) == set(range(50))


def test_fence_of_a_dead_database_is_no_success(pair):
    pair.db1.kill()
    answer = pair.act("db2", "fence", target="db1")
    assert (answer.status, answer.facts["cause"]) == ("transient", "refused")


# Semi-synchronous.

@pytest.fixture
def strict(tmp_path):
    with PairOf(tmp_path, options=SEMI_SYNC, durability="strict") as one:
        yield one.begin()


def semi_sync(server):
    return server.sql("SELECT @@rpl_semi_sync_master_enabled, @@rpl_semi_sync_slave_enabled")[0]


def test_strict_sets_both_sides_by_role(strict):
    assert (semi_sync(strict.db1), semi_sync(strict.db2)) == ((1, 0), (0, 1))
    assert strict.db1.sql("SELECT @@rpl_semi_sync_master_wait_point, @@rpl_semi_sync_master_timeout, "
                          "@@rpl_semi_sync_master_wait_no_slave") == (("AFTER_SYNC", 4294967295, 1),)
    wait_until(lambda: strict.db2.sql("SELECT generation, strict FROM baton.baton_generation") == ((1, 1),))
    assert not strict.probe("db1").warning and strict.probe("db1").facts["semi_sync"] == "source"
    with Writer(lambda: strict.db1) as writer:
        writer.wait_for(50)
    move(strict, "db1", "db2", 2)
    assert (semi_sync(strict.db1), semi_sync(strict.db2)) == ((0, 1), (1, 0))
    assert set(writer.acknowledged) - numbers(strict.db2) == set()


def test_strict_crash_loses_nothing_and_the_former_primary_rejoins_clean(strict):
    target = [strict.db1]
    with Writer(lambda: target[0]) as writer:
        writer.wait_for(100)
        strict.db2.sql("STOP SLAVE IO_THREAD")  # from here on nothing is acknowledged
        wait_until(lambda: any("semi-sync" in str(row[6]) and row[5] >= 1 for row in strict.db1.sql("SHOW PROCESSLIST")))
        waiting = strict.probe("db1")
        assert waiting.warning and waiting.facts["cause"] == "not_synchronous", waiting
        acknowledged = len(writer.acknowledged)
        strict.db1.kill()
        target[0] = None
        answer = strict.act("db2", "promote", generation=2, target="db1", position=waiting.position)
        assert answer.status == "ok" and len(writer.acknowledged) == acknowledged, answer
        assert int(answer.facts["lost_at_most"]) == 1  # the one that waited
    assert set(writer.acknowledged) - numbers(strict.db2) == set()
    strict.db1.start()
    rejoined = strict.act("db1", "rejoin", target="db2", generation=2)
    assert (rejoined.status, rejoined.facts["link"]) == ("ok", "up"), rejoined
    strict.level()
    assert numbers(strict.db1) == numbers(strict.db2)
    assert (semi_sync(strict.db1), semi_sync(strict.db2)) == ((0, 1), (1, 0))


def test_strict_refuses_a_generation_that_did_not_wait(pair):
    pair.db1.kill()
    strict = {"durability": "strict"}
    answer = pair.act("db2", "can_promote", target="db1", settings=strict)
    assert any("generation 1 did not wait for this standby's acknowledgements" in reason for reason in answer.refusals)
    assert any("semi-synchronous replication is off here" in reason for reason in answer.refusals)
    assert pair.act("db2", "promote", target="db1", generation=2, settings=strict).status == "refused"


def test_strict_does_not_ask_for_acknowledgements_of_a_source_that_is_read_only_and_level(pair):
    strict = {"durability": "strict"}
    blocked = pair.act("db1", "block_writes")
    wait_until(lambda: pair.db2.value("SELECT @@gtid_binlog_pos") == blocked.position)
    assert pair.act("db2", "can_promote", target="db1", settings=strict).status == "ok"
    # One transaction that is not here, and it matters.
    pair.db2.sql("STOP SLAVE IO_THREAD")
    pair.db1.sql("INSERT INTO shop.orders VALUES (1)")
    answer = pair.act("db2", "can_promote", target="db1", settings=strict)
    assert any("generation 1 did not wait for this standby's acknowledgements" in reason for reason in answer.refusals), answer


def test_strict_primary_that_waits_can_be_demoted_without_acknowledging(strict):
    with Writer(lambda: strict.db1) as writer:
        writer.wait_for(10)
        strict.db2.kill()
        wait_until(lambda: any("semi-sync" in str(row[6]) and row[5] >= 1 for row in strict.db1.sql("SHOW PROCESSLIST")))
        before = len(writer.acknowledged)
        answer = strict.act("db1", "demote", target="db2")
        assert answer.status == "ok", answer
        assert strict.db1.value("SELECT @@read_only") == 1 and len(writer.acknowledged) == before


# Settings.

def test_settings_that_cannot_be_right(tmp_path):
    (tmp_path / "p").write_text("x")
    good = {"member": ["host1 10.0.0.1", "host2 [fd00::2]:3307"], "check_user": "c", "drive_user": "d",
            "replication_user": "r"}
    assert complaints("mysql", good) == []
    def said(**changes):
        return " | ".join(f"{key}: {words}" for key, words in complaints("mysql", {**good, **changes}))
    assert "expected HOST ADDRESS[:PORT]" in said(member=["host1", "host2 10.0.0.2"])
    assert "is no IPv4 or IPv6 address" in said(member=["host1 db.example", "host2 10.0.0.2"])
    assert "from 1 to 65535" in said(member=["host1 10.0.0.1:70000", "host2 10.0.0.2"])
    assert "host1 is listed twice" in said(member=["host1 10.0.0.1", "host1 10.0.0.2"])
    assert "have the same address, 10.0.0.1:3306" in said(member=["host1 10.0.0.1", "host2 10.0.0.1:3306"])
    assert "no entry is for this host, host1" in said(member=["host3 10.0.0.1", "host2 10.0.0.2"])
    assert "an entry for each host of the pair" in said(member=["host1 10.0.0.1"])
    assert "tls_ca" in said(tls="verify")
    assert "mode = drive needs a drive_user" in " | ".join(
        words for _, words in complaints("mysql", {"member": good["member"], "check_user": "c"}))


def test_manual_has_the_grants_of_the_tests():
    manual = (pathlib.Path(__file__).parent / "README.md").read_text()
    assert mysql_server.GRANTS in manual
