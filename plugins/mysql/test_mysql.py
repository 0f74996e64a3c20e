"""The mysql module with pairs of MariaDB servers, driven with exactly the privileges of its manual."""
import pathlib
import socket
import sys
import threading

import pymysql
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/plugins"))
import mysql_server  # noqa: E402
from mysql_server import MariaDB, Writer, numbers, statements  # noqa: E402
from plugin import Session, call, complaints  # noqa: E402
from servers import Certificates, Raw, free_port, run, silent, wait_until  # noqa: E402

SEMI_SYNC = ["--init-rpl-role=SLAVE", "--rpl-semi-sync-slave-enabled=1"]


class PairOf:
    """db1 and db2 with the manual's accounts; db1 is the primary of generation 1, db2 its standby."""

    def __init__(self, directory, options=(), **settings):
        self.db1 = MariaDB("db1", 1, options=options)
        self.db2 = MariaDB("db2", 2, options=options)
        self.directory = pathlib.Path(directory)
        for who in ("check", "drive", "repl"):
            (self.directory / who).write_text(f"{who}-secret\n")
        self.settings = {
            "member": [f"db1 127.0.0.1:{self.db1.port}", f"db2 127.0.0.1:{self.db2.port}"],
            "check_user": "baton_check", "check_password_file": self.directory / "check",
            "drive_user": "baton_drive", "drive_password_file": self.directory / "drive",
            "replication_user": "baton_repl", "replication_password_file": self.directory / "repl",
            "settle": "200ms", **settings}

    def __enter__(self):
        for one in (self.db1, self.db2):
            one.launch()
        for one in (self.db1, self.db2):
            one.wait()
        return self

    def __exit__(self, *_):
        self.db1.remove()
        self.db2.remove()

    def begin(self):
        """What the manual's first steps say."""
        self.db1.sql(*statements(mysql_server.GRANTS))
        self.db1.sql("CREATE DATABASE shop", "CREATE TABLE shop.orders (n BIGINT PRIMARY KEY) ENGINE=InnoDB",
                     "CREATE USER app@'%' IDENTIFIED BY 'app-secret'", "GRANT SELECT, INSERT ON shop.* TO app@'%'")
        # The standby is a copy: here, of the whole history.
        self.db2.sql(f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={self.db1.port}, MASTER_USER='baton_repl', "
                     "MASTER_PASSWORD='repl-secret', MASTER_USE_GTID=slave_pos", "START SLAVE")
        wait_until(lambda: self.db2.value("SELECT COUNT(*) FROM mysql.user WHERE user='app'") == 1, 20)
        assert self.act("db1", "promote", generation=1).status == "ok"
        answer = self.act("db2", "demote", target="db1")
        assert (answer.status, answer.facts.get("link")) == ("ok", "up"), answer
        self.level()
        return self

    def level(self):
        want = self.primary().value("SELECT @@gtid_binlog_pos")
        both = (self.db1, self.db2)
        wait_until(lambda: all(one.value("SELECT @@gtid_binlog_pos") == want for one in both), 20)
        # A row is seen a moment after it stands in the binary log.
        wait_until(lambda: numbers(self.db1) == numbers(self.db2))

    def primary(self):
        return next(one for one in (self.db1, self.db2) if one.value("SELECT @@read_only") == 0)

    def act(self, host, verb, timeout=20.0, **about):
        changes = about.pop("settings", {})
        with Session("mysql", {**self.settings, **changes}, "act", host_name=host) as session:
            return session.call(verb, timeout, **about)

    def probe(self, host, timeout=2.0, **changes):
        with Session("mysql", {**self.settings, **changes}, "probe", host_name=host) as session:
            return session.call("probe", timeout)


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

def move(pair, old, new, generation):
    """A planned move, as the daemon makes it."""
    blocked = pair.act(old, "block_writes")
    assert blocked.status == "ok", blocked
    about = dict(target=old, planned=True, position=blocked.position)
    assert pair.act(new, "drain", **about).status == "ok"
    promoted = pair.act(new, "promote", generation=generation, **about)
    assert promoted.status == "ok", promoted
    demoted = pair.act(old, "demote", target=new, generation=generation)
    assert (demoted.status, demoted.facts["link"]) == ("ok", "up"), demoted


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
    assert pair.act("db1", "block_writes").status == "ok"
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
    assert len(missing) <= after_heard + (last - number)
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


def test_fence_of_a_dead_database_is_no_success(pair):
    pair.db1.kill()
    answer = pair.act("db2", "fence", target="db1")
    assert (answer.status, answer.facts["cause"]) == ("transient", "refused")


# Refusals of can_promote, one by one; promote refuses the same.

def refusal(pair, host="db2", **about):
    answer = pair.act(host, "can_promote", **{"target": "db1", **about})
    assert answer.status == "refused", answer
    promoted = pair.act(host, "promote", generation=2, **{"target": "db1", **about})
    assert promoted.status == "refused" and pair.db2.value("SELECT @@read_only") == 1, promoted
    return "\n".join(answer.refusals)


def test_refused_while_the_other_database_is_writable(pair):
    assert "answers and is writable" in refusal(pair)


def test_refused_when_the_other_database_does_not_let_us_look(pair):
    pair.db1.sql("ALTER USER baton_drive@'%' IDENTIFIED BY 'other'", "SET GLOBAL max_connections=500")
    wait_until(lambda: pair.db2.value("SELECT authentication_string FROM mysql.user WHERE user='baton_drive'")
               == pair.db1.value("SELECT authentication_string FROM mysql.user WHERE user='baton_drive'"))
    (pair.directory / "old").write_text("drive-secret")
    pair.db2.sql("SET sql_log_bin=0", "ALTER USER baton_drive@'%' IDENTIFIED BY 'drive-secret'")
    assert "whether it is writable cannot be seen" in refusal(pair)


def test_refused_while_heartbeats_still_come(pair):
    # To us the other database looks dead (a port where nobody listens); to replication it does not.
    dead = {"member": [f"db1 127.0.0.1:{free_port()}", pair.settings["member"][1]]}
    answer = pair.act("db2", "can_promote", target="db1", settings=dead)
    assert any("is alive (heartbeats" in reason for reason in answer.refusals), answer


def test_not_refused_when_the_stream_only_seems_to_live(pair):
    pair.db1.freeze()
    assert pair.db2.slave()["Slave_IO_Running"] == "Yes"
    answer = pair.act("db2", "can_promote", target="db1")
    pair.db1.thaw()
    assert answer.status == "ok", answer


def test_refused_with_the_applier_stopped(pair):
    pair.db2.sql("STOP SLAVE SQL_THREAD")
    pair.db1.kill()
    assert "the applier has stopped" in refusal(pair)


def test_refused_with_the_applier_in_error(pair):
    pair.db2.sql("SET sql_log_bin=0", "INSERT INTO shop.orders VALUES (5)")
    pair.db1.sql("INSERT INTO shop.orders VALUES (5)")
    wait_until(lambda: pair.db2.slave()["Slave_SQL_Running"] == "No")
    assert pair.probe("db2").state == "fail" and pair.probe("db2").facts["cause"] == "broken_link"
    pair.db1.kill()
    assert "error 1062" in refusal(pair)


def test_refused_when_more_is_missing_than_max_lag(pair):
    pair.db2.sql("STOP SLAVE IO_THREAD")
    pair.db1.sql(*[f"INSERT INTO shop.orders VALUES ({n})" for n in range(6)])
    heard = pair.db1.value("SELECT @@gtid_binlog_pos")
    pair.db1.kill()
    answer = pair.act("db2", "can_promote", target="db1", position=heard, settings={"max_lag": "5"})
    assert "6 transactions of the last known position are missing here, more than max_lag = 5" in answer.refusals[0]
    answer = pair.act("db2", "can_promote", target="db1", position=heard, settings={"max_lag": "6"})
    assert answer.status == "ok"


def test_refused_with_errant_transactions(pair):
    pair.db2.sql("INSERT INTO shop.orders VALUES (77)")
    assert "transactions are here alone (errant)" in "\n".join(
        pair.act("db2", "can_promote", target="db1", planned=True).refusals)
    pair.db1.kill()
    assert "1 transactions were made here and did not come by replication (errant)" in refusal(pair)


def test_refused_with_replication_filters(pair):
    pair.db2.sql("STOP SLAVE", "SET GLOBAL replicate_ignore_db='other'", "START SLAVE")
    pair.db1.kill()
    assert "replication filters" in refusal(pair)


def test_refused_without_log_slave_updates(tmp_path):
    with PairOf(tmp_path) as pair:
        pair.begin()
        pair.db1.kill()
        pair.db2.restart("--log-slave-updates=0")
        assert "log_slave_updates is off" in refusal(pair)
        pair.db2.restart("--skip-log-bin", "--log-slave-updates=0")
        assert "log_bin is off" in refusal(pair)


def test_refused_without_gtids_in_replication(pair):
    pair.db2.sql("STOP SLAVE", "CHANGE MASTER TO MASTER_USE_GTID=no", "START SLAVE")
    pair.db1.kill()
    assert "does not use GTIDs" in refusal(pair)


def test_refused_with_several_sources_or_a_named_one(pair):
    pair.db2.sql("CHANGE MASTER 'second' TO MASTER_HOST='127.0.0.9', MASTER_USE_GTID=slave_pos")
    pair.db1.kill()
    assert "it follows 2 sources" in refusal(pair)
    pair.db2.sql("STOP SLAVE", "RESET SLAVE ALL")
    assert "is named second" in refusal(pair)


def test_refused_when_it_follows_somebody_else(pair):
    pair.db2.sql("STOP SLAVE", "CHANGE MASTER TO MASTER_HOST='127.0.0.9'", "START SLAVE")
    pair.db1.kill()
    assert "it follows 127.0.0.9" in refusal(pair)


def test_refused_when_it_follows_nobody_and_was_not_the_last_primary(pair):
    pair.db2.sql("STOP SLAVE", "RESET SLAVE ALL")
    pair.db1.kill()
    assert "it follows nobody, and generation 1 was made by db1" in refusal(pair)


def test_planned_refused_without_a_link(pair):
    pair.db2.sql("STOP SLAVE IO_THREAD")
    answer = pair.act("db2", "can_promote", target="db1", planned=True)
    assert any("nothing comes from 127.0.0.1" in reason for reason in answer.refusals)


def test_planned_refused_when_the_position_is_not_reached(pair):
    pair.db2.sql("STOP SLAVE IO_THREAD")
    pair.db1.sql("INSERT INTO shop.orders VALUES (1)")
    blocked = pair.act("db1", "block_writes")
    about = dict(target="db1", planned=True, position=blocked.position)
    drained = pair.act("db2", "drain", settings={"drain_timeout": "300ms"}, **about)
    assert drained.status == "transient" and "1 transactions are not applied" in drained.sentence
    assert pair.act("db2", "promote", generation=2, **about).status == "refused"
    pair.db2.sql("START SLAVE IO_THREAD")
    assert pair.act("db2", "promote", generation=2, target="db1", planned=True).status == "refused"  # no position
    assert pair.db2.value("SELECT @@read_only") == 1


def test_planned_refused_with_little_disk(pair):
    answer = pair.act("db2", "can_promote", target="db1", planned=True, settings={"min_free_disk": "100"})
    assert any("is free (min_free_disk 100%)" in reason for reason in answer.refusals)
    assert pair.probe("db2", min_free_disk="100").facts["cause"] == "disk"


def test_read_only_file_system_is_the_disk_and_refused(pair):
    data = str(pair.db2.datadir)
    run("mount", "--bind", data, data)
    try:
        run("mount", "-o", "remount,bind,ro", data)
        answer = pair.probe("db2")
        assert outcome(answer) == ("fail", "ok", "disk") and "is read-only" in answer.sentence
        pair.db1.kill()
        assert "the file system of" in refusal(pair)
    finally:
        run("umount", data)


def test_standby_has_no_writes_to_block(pair):
    assert pair.act("db2", "block_writes").status == "refused"


# What a probe says of a server that is not well, or not to be asked.

def outcome(answer):
    return answer.state, answer.status, answer.facts.get("cause")


def test_wrong_password_is_no_dead_database(pair):
    (pair.directory / "wrong").write_text("wrong")
    answer = pair.probe("db1", check_password_file=pair.directory / "wrong")
    assert outcome(answer) == ("unknown", "config", "auth") and "does not let in the user baton_check" in answer.sentence
    assert "wrong" not in answer.sentence.replace("wrong password", "")


def test_locked_and_expired_accounts_are_auth(pair):
    pair.db1.sql("ALTER USER baton_check@'%' ACCOUNT LOCK")
    assert outcome(pair.probe("db1")) == ("unknown", "config", "auth")
    pair.db1.sql("ALTER USER baton_check@'%' ACCOUNT UNLOCK", "ALTER USER baton_check@'%' PASSWORD EXPIRE")
    assert outcome(pair.probe("db1")) == ("unknown", "config", "auth")


def test_lost_privilege_is_named(pair):
    pair.db1.sql("REVOKE REPLICA MONITOR ON *.* FROM baton_check@'%'")
    answer = pair.probe("db1")
    assert outcome(answer) == ("unknown", "config", "privilege") and "SLAVE MONITOR" in answer.sentence
    pair.db1.sql("REVOKE READ_ONLY ADMIN ON *.* FROM baton_drive@'%'")
    answer = pair.act("db1", "block_writes")
    assert (answer.status, answer.facts["cause"]) == ("config", "privilege") and pair.db1.value("SELECT @@read_only") == 0


def test_nobody_listens(pair):
    pair.db1.kill()
    assert outcome(pair.probe("db1")) == ("fail", "ok", "refused")
    assert outcome(pair.probe("db1", socket=pair.db1.home / "nothing")) == ("fail", "ok", "refused")


def test_frozen_server_is_hung_within_the_time(pair):
    pair.db1.freeze()
    answer = pair.probe("db1", timeout=0.6)
    pair.db1.thaw()
    assert outcome(answer) == ("fail", "transient", "hung") and answer.seconds < 0.6


def test_server_that_freezes_between_statements_is_hung(pair):
    with Session("mysql", pair.settings, "probe", host_name="db1") as session:
        assert session.call("probe", 2.0).state == "pass"
        with pair.db1.connect() as lock:
            with lock.cursor() as cursor:
                cursor.execute("LOCK TABLES baton.baton_generation WRITE")
            answer = session.call("probe", 0.8)
            assert outcome(answer)[0] == "fail" and answer.facts["cause"] in ("hung", "timeout") and answer.seconds < 0.8
        assert session.call("probe", 2.0).state == "pass"


def test_too_many_connections_is_not_dead(pair):
    pair.db1.sql("SET GLOBAL max_connections=10")
    held = []
    with pytest.raises(pymysql.Error):
        while True:
            held.append(pair.db1.connect("app", "app-secret"))
    answer = pair.probe("db1")
    for one in held:
        one.close()
    assert outcome(answer) == ("unknown", "transient", "too_many_connections")


def test_no_boot_guard_is_a_warning(tmp_path):
    with PairOf(tmp_path) as pair:
        pair.begin()
        pair.db2.options.append("--skip-read-only") if False else None
        command = pair.db2.command
        pair.db2.command = lambda: [word for word in command() if word != "--read-only=1"]
        pair.db2.restart()
        answer = pair.probe("db2")
    assert answer.warning and answer.facts["boot_guard"] == "no" and answer.facts["writable"] == "yes"


def test_standby_of_a_dead_primary_is_well(pair):
    pair.db1.kill()
    wait_until(lambda: pair.db2.slave()["Slave_IO_Running"] == "Connecting")
    answer = pair.probe("db2")
    assert (answer.state, answer.role, answer.warning, answer.facts["cause"]) == ("pass", "replica", True, "broken_link")


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
        wait_until(lambda: any("semi-sync" in str(row[6]) for row in strict.db1.sql("SHOW PROCESSLIST")))
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


def test_strict_primary_that_waits_can_be_demoted_without_acknowledging(strict):
    with Writer(lambda: strict.db1) as writer:
        writer.wait_for(10)
        strict.db2.kill()
        wait_until(lambda: any("semi-sync" in str(row[6]) for row in strict.db1.sql("SHOW PROCESSLIST")))
        before = len(writer.acknowledged)
        answer = strict.act("db1", "demote", target="db2")
        assert answer.status == "ok", answer
        assert strict.db1.value("SELECT @@read_only") == 1 and len(writer.acknowledged) == before


# TLS and ways to authenticate.

@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("tls"))


def tls_options(certificates, name="good"):
    return [f"--ssl-ca={certificates['ca.crt']}", f"--ssl-cert={certificates[name + '.crt']}",
            f"--ssl-key={certificates[name + '.key']}"]


def test_tls_for_connections_and_replication(tmp_path, certificates):
    with PairOf(tmp_path, options=tls_options(certificates), tls="verify", tls_ca=certificates["ca.crt"]) as pair:
        pair.begin()
        pair.db1.sql("ALTER USER baton_drive@'%' REQUIRE SSL", "ALTER USER baton_check@'%' REQUIRE X509",
                     "ALTER USER baton_repl@'%' REQUIRE SSL")
        client = dict(tls_cert=certificates["client.crt"], tls_key=certificates["client.key"])
        assert pair.probe("db1", **client).state == "pass"
        assert outcome(pair.probe("db1")) == ("unknown", "config", "auth")
        move(pair, "db1", "db2", 2)
        assert pair.db1.slave()["Master_SSL_Allowed"] == "Yes" and pair.db1.slave()["Master_SSL_Verify_Server_Cert"] == "Yes"
        assert outcome(pair.probe("db2", tls="no", **client))[1] == "config"


@pytest.mark.parametrize("name", ["wrong", "untrusted", "expired"])
def test_certificate_that_is_not_the_servers_is_tls_and_no_dead_database(tmp_path, certificates, name):
    with PairOf(tmp_path, options=tls_options(certificates, name)) as pair:
        pair.begin()
        answer = pair.probe("db1", tls="verify", tls_ca=certificates["ca.crt"])
        assert outcome(answer) == ("unknown", "config", "tls"), answer
        assert pair.probe("db1", tls="yes").state == "pass"


def test_server_without_tls_is_not_spoken_to_in_clear_text(pair):
    assert outcome(pair.probe("db1", tls="yes")) == ("unknown", "config", "tls")


def test_ed25519_and_the_local_socket(pair):
    pair.db1.sql("INSTALL SONAME 'auth_ed25519'", "ALTER USER baton_check@'%' IDENTIFIED VIA ed25519 USING PASSWORD('check-secret')")
    assert pair.probe("db1").state == "pass"
    answer = pair.probe("db1", socket=pair.db1.socket)
    assert answer.state == "pass" and pair.db1.socket in answer.sentence


def test_password_is_never_handed_out_in_clear_text(tmp_path):
    greeting = b"\x0a5.7.0\x00" + b"\x01\0\0\0" + b"12345678\0" + b"\xff\xff\x21\x02\0\xff\xff\x15" + b"\0" * 10 + \
        b"123456789012\0" + b"mysql_native_password\0"
    got = []

    def asks_for_it(connection):
        connection.sendall(len(greeting).to_bytes(3, "little") + b"\0" + greeting)
        header = connection.recv(4)
        got.append(connection.recv(int.from_bytes(header[:3], "little")))
        request = b"\xfemysql_clear_password\0"
        connection.sendall(len(request).to_bytes(3, "little") + bytes([header[3] + 1]) + request)
        got.append(connection.recv(1000))

    (tmp_path / "check").write_text("check-secret")
    with Raw(asks_for_it) as server:
        answer = call("mysql", "probe", {"member": [f"host1 127.0.0.1:{server.port}", "host2 127.0.0.2"], "check_user": "c",
                                         "check_password_file": tmp_path / "check", "drive_user": "d",
                                         "replication_user": "r"}, timeout=2.0)
    assert answer.state == "unknown" and got and not any(b"check-secret" in one for one in got)


def test_server_that_says_nothing_is_hung_and_a_lost_network_a_timeout(pair):
    with Raw(silent) as server:
        member = [f"db1 127.0.0.1:{server.port}", pair.settings["member"][1]]
        answer = pair.probe("db1", timeout=2.0, member=member, connect_timeout="300ms")
    assert outcome(answer) == ("fail", "transient", "hung") and answer.seconds < 0.5
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    held = [socket.socket() for _ in range(3)]
    for one in held:  # fill the backlog: the kernel answers no further attempt
        one.setblocking(False)
        one.connect_ex(full.getsockname())
    member = [f"db1 127.0.0.1:{full.getsockname()[1]}", pair.settings["member"][1]]
    answer = pair.probe("db1", timeout=2.0, member=member, connect_timeout="300ms")
    for one in held + [full]:
        one.close()
    assert outcome(answer) == ("fail", "transient", "timeout") and answer.seconds < 0.5


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
