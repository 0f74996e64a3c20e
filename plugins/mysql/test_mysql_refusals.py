"""The mysql module refuses: each reason of can_promote, one by one; promote refuses the same."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/plugins"))
import mysql_server  # noqa: E402
from mysql_pair import PairOf, outcome, refusal  # noqa: E402
from servers import free_port, run, wait_until  # noqa: E402


@pytest.fixture
def pair(tmp_path):
    with PairOf(tmp_path) as one:
        yield one.begin()


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


def test_refused_when_the_last_known_position_was_too_old_when_its_host_was_last_heard(pair):
    position = pair.probe("db1").position
    pair.db1.kill()
    about = {"position": position, "settings": {"max_position_age": "2s"}}
    assert "was 2500 ms old when it was last heard, more than max_position_age = 2 s" in refusal(pair, position_age=2.5, **about)
    for age in (2.0, None):  # None: not known
        answer = pair.act("db2", "can_promote", target="db1", position_age=age, **dict(about, settings=dict(about["settings"])))
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


def test_planned_refused_when_the_position_does_not_come_although_the_link_is_up(pair):
    domain, server, number = pair.db1.value("SELECT @@gtid_binlog_pos").split("-")
    about = dict(target="db1", planned=True, position=f"{domain}-{server}-{int(number) + 2}")
    answer = pair.act("db2", "promote", generation=2, **about)
    assert answer.status == "refused" and "lacks 2 transactions of the final position" in answer.sentence, answer
    assert pair.db2.value("SELECT @@read_only") == 1
    wait_until(lambda: pair.db2.slave()["Slave_IO_Running"] == "Yes")  # as it was


@pytest.mark.parametrize("trouble", ["dead", "frozen", "login"])
def test_planned_refused_when_the_other_database_cannot_be_asked_though_all_of_it_is_here(pair, trouble):
    about = dict(target="db1", planned=True, position=pair.act("db1", "block_writes").position)
    assert pair.act("db2", "drain", **about).status == "ok"
    assert pair.act("db2", "can_promote", **about).status == "ok"
    {"dead": pair.db1.kill, "frozen": pair.db1.freeze,
     "login": lambda: pair.db1.sql("SET sql_log_bin=0", "ALTER USER baton_drive@'%' ACCOUNT LOCK")}[trouble]()
    answer = pair.act("db2", "can_promote", **about)
    words = refusal(pair, **about)
    pair.db1.thaw()
    assert len(answer.refusals) == 1 and words.startswith("the other database cannot be asked whether it has all that is here: "), answer
    assert f"127.0.0.1:{pair.db1.port}" in words and pair.db2.slave()["Slave_SQL_Running"] == "Yes"


def test_two_that_were_writable_before_there_was_a_generation_are_a_conflict_and_neither_is_taken(tmp_path):
    with PairOf(tmp_path) as pair:
        for one in (pair.db1, pair.db2):
            one.sql("SET sql_log_bin=0", *mysql_server.statements(mysql_server.GRANTS), "SET GLOBAL read_only=0")
        for host, other in (("db1", "db2"), ("db2", "db1")):
            answer = pair.act(host, "promote", generation=1, target=other)
            assert answer.status == "conflict" and "both databases are writable" in answer.sentence, answer
            assert f"the database of {other} (" in answer.sentence
        for one in (pair.db1, pair.db2):
            assert one.value("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_NAME='baton_generation'") == 0
        pair.db2.sql("SET GLOBAL read_only=1")
        answer = pair.act("db1", "promote", generation=1, target="db2")
        assert (answer.status, answer.role, answer.generation) == ("ok", "primary", 1), answer


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
