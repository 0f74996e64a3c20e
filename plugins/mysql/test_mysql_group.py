"""The mysql module with MySQL 9.7: an asynchronous pair, and three members of a replication group. Skips where MySQL cannot
be had, and says so."""
import contextlib
import pathlib
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/plugins"))
import mysql_root  # noqa: E402
from mysql_root import Group, MySQL  # noqa: E402
from mysql_server import Writer, numbers, statements  # noqa: E402
from plugin import Session  # noqa: E402
from redis_server import Relay  # noqa: E402
from servers import Certificates, free_port, wait_until  # noqa: E402


@pytest.fixture(scope="module")
def root():
    with mysql_root.root() as directory:
        yield directory


def settings_for(directory, servers, **more):
    for who in ("check", "drive", "repl"):
        (directory / who).write_text(f"{who}-secret\n")
    return {"member": [f"{one.name} 127.0.0.1:{one.port}" for one in servers], "settle": "200ms",
            "check_user": "baton_check", "check_password_file": directory / "check",
            "drive_user": "baton_drive", "drive_password_file": directory / "drive",
            "replication_user": "baton_repl", "replication_password_file": directory / "repl", **more}


def calls(settings):
    def call(host, verb="probe", timeout=20.0, **about):
        changes = about.pop("settings", {})
        purpose = "probe" if verb == "probe" else "act"
        with Session("mysql", {**settings, **changes}, purpose, host_name=host) as session:
            return session.call(verb, timeout, **about)
    return call


SHOP = ("CREATE DATABASE shop", "CREATE TABLE shop.orders (n BIGINT PRIMARY KEY)",
        "CREATE USER app@'%' IDENTIFIED BY 'app-secret'", "GRANT SELECT, INSERT ON shop.* TO app@'%'")


# An asynchronous pair.

@contextlib.contextmanager
def mysql_pair(root, directory, *first, **settings):
    """db1 is the primary of generation 1, db2 its standby. first: statements for both before all others."""
    with contextlib.ExitStack() as stack:
        db1, db2 = (stack.enter_context(MySQL(root, f"db{i}", i)) for i in (1, 2))
        call = calls(settings_for(directory, [db1, db2], **settings))
        for one in (db1, db2):
            one.sql(*first)
        db2.sql("SET GLOBAL super_read_only=1")
        db1.sql(*statements(mysql_root.GRANTS), *SHOP)
        db2.sql(f"CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={db1.port}, SOURCE_USER='baton_repl', "
                "SOURCE_PASSWORD='repl-secret', SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1", "START REPLICA")
        wait_until(lambda: db2.value("SELECT COUNT(*) FROM mysql.user WHERE user='app'") == 1, 20)
        answer = call("db1", "promote", generation=1, target="db2")
        assert answer.status == "ok", answer
        answer = call("db2", "demote", target="db1")
        assert (answer.status, answer.facts["link"]) == ("ok", "up"), answer
        yield db1, db2, call


@pytest.fixture
def pair(root, tmp_path):
    with mysql_pair(root, tmp_path) as one:
        yield one


def test_mysql_pair_planned_move_under_load_loses_nothing_and_stays_over_a_restart(pair):
    db1, db2, call = pair
    one, two = call("db1"), call("db2")
    assert (one.state, one.role, one.generation) == ("pass", "primary", 1), one
    assert (two.state, two.role, two.facts["link"], two.facts["read_only"]) == ("pass", "replica", "up", "super"), two
    target = [db1]
    with Writer(lambda: target[0]) as writer:
        writer.wait_for(100)
        blocked = call("db1", "block_writes")
        assert blocked.status == "ok", blocked
        about = dict(target="db1", planned=True, position=blocked.position)
        assert call("db2", "can_promote", **about).status == "ok"
        assert call("db2", "drain", **about).status == "ok"
        promoted = call("db2", "promote", generation=2, **about)
        assert (promoted.status, promoted.role, promoted.generation) == ("ok", "primary", 2), promoted
        target[0] = db2
        demoted = call("db1", "demote", target="db2", generation=2)
        assert (demoted.status, demoted.facts["link"]) == ("ok", "up"), demoted
        writer.wait_for(100)
    assert set(writer.acknowledged) - numbers(db2) == set()
    wait_until(lambda: numbers(db1) == numbers(db2))
    print(f"acknowledged {len(writer.acknowledged)}, gap {writer.gap:.3f} s")
    db1.restart()
    assert db1.sql("SELECT @@read_only, @@super_read_only") == ((1, 1),)
    db2.restart()  # a primary that restarts is read-only, too: SET PERSIST, while it runs SET GLOBAL
    assert db2.sql("SELECT @@read_only, @@super_read_only") == ((1, 1),)


def test_mysql_pair_crash_and_a_diverged_former_primary(pair):
    db1, db2, call = pair
    assert any("is writable" in reason for reason in call("db2", "can_promote", target="db1").refusals)
    db2.sql("STOP REPLICA IO_THREAD")
    db1.sql(*[f"INSERT INTO shop.orders VALUES ({n})" for n in range(3)])
    heard = call("db1").position
    db1.kill()
    answer = call("db2", "promote", generation=2, target="db1", position=heard)
    assert (answer.status, answer.facts["lost_at_most"]) == ("ok", "3"), answer
    db1.start()
    answer = call("db1", "rejoin", target="db2", generation=2)
    assert (answer.status, answer.facts["cause"], answer.facts["alone_count"]) == ("conflict", "diverged", "3"), answer
    assert db1.value("SELECT @@super_read_only") == 1 and db1.slave() == {} and numbers(db1) == {0, 1, 2}


class Chunks:
    """A gate of Relay that closes for good after so many more chunks (64 KiB at most), once it is told to."""

    def __init__(self):
        self.left = None

    def wait(self, seconds):
        if self.left is None:
            return True
        self.left -= 1
        return self.left >= 0 or threading.Event().wait(seconds)


def half_a_transaction(pair, *grants):
    """db2 follows db1 by a relay that stands still within a transaction of 3 MB; the member list with the relay."""
    db1, db2, call = pair
    relay = Relay(db1.port)
    relay.open = Chunks()
    members = {"member": [f"db1 127.0.0.1:{relay.port}", f"db2 127.0.0.1:{db2.port}"]}
    answer = call("db2", "demote", target="db1", settings=members)
    assert (answer.status, answer.facts["link"]) == ("ok", "up"), answer
    db1.sql(*grants, "CREATE TABLE shop.big (n INT PRIMARY KEY, filler LONGBLOB)")
    wait_until(lambda: db2.value("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_NAME='big'") == 1)
    relay.open.left = 4
    db1.sql("BEGIN", *[f"INSERT INTO shop.big VALUES ({n}, REPEAT('x', 100000))" for n in range(30)], "COMMIT")
    wait_until(lambda: db2.value("SELECT PROCESSING_TRANSACTION FROM performance_schema.replication_applier_status_by_coordinator") != "", 20)
    return relay, members


def test_mysql_pair_a_source_that_died_within_sending_a_transaction_is_replaced_at_once_without_it(pair):
    db1, db2, call = pair
    relay, members = half_a_transaction(pair, *statements(mysql_root.PAIR_GRANTS))
    heard = call("db1").position
    db1.kill()
    relay.close()
    begin = time.monotonic()
    answer = call("db2", "promote", generation=2, target="db1", position=heard, settings=members)
    assert (answer.status, answer.facts.get("lost_at_most")) == ("ok", "1"), answer
    assert time.monotonic() - begin < 10  # it would be a minute
    assert db2.value("SELECT COUNT(*) FROM shop.big") == 0 and db2.value("SELECT @@read_only") == 0
    db1.start()
    answer = call("db1", "rejoin", target="db2", generation=2)
    assert (answer.status, answer.facts["cause"], answer.facts["alone_count"]) == ("conflict", "diverged", "1"), answer


def test_mysql_pair_without_the_right_to_kill_the_applier_a_half_transaction_is_waited_for_and_said(pair):
    db1, db2, call = pair
    relay, members = half_a_transaction(pair)
    limit = db2.value("SELECT @@rpl_stop_replica_timeout")
    db1.kill()
    relay.close()
    answer = call("db2", "promote", generation=2, target="db1", settings=members)
    assert (answer.status, answer.facts["cause"]) == ("transient", "applier") and "SYSTEM_USER" in answer.sentence, answer
    assert db2.value("SELECT @@super_read_only") == 1 and db2.value("SELECT @@rpl_stop_replica_timeout") == limit
    db2.sql("STOP REPLICA IO_THREAD", "START REPLICA IO_THREAD")  # nobody waits behind that


def test_mysql_pair_an_applier_that_has_given_up_half_a_transaction_does_not_begin_it_again(pair):
    db1, db2, call = pair
    relay, members = half_a_transaction(pair)
    db1.kill()
    relay.close()
    db2.sql("STOP REPLICA IO_THREAD")
    db2.sql("KILL %d" % db2.value("SELECT PROCESSLIST_ID FROM performance_schema.threads WHERE NAME='thread/sql/replica_sql'"))  # as after the minute
    wait_until(lambda: db2.slave()["Last_SQL_Errno"] == 1756)
    probed = call("db2", settings=members)
    assert (probed.state, probed.warning, probed.facts["cause"]) == ("pass", True, "broken_link"), probed
    assert call("db2", "can_promote", target="db1", settings=members).status == "ok"  # it has all that came as a whole
    answer = call("db2", "demote", target="db1", settings=members)
    assert (answer.status, answer.facts["link"]) == ("ok", "down"), answer
    answer = call("db2", "promote", generation=2, target="db1", settings=members)
    assert answer.status == "ok" and db2.value("SELECT @@read_only") == 0, answer


def test_mysql_pair_a_standby_within_a_transaction_is_pointed_anew_at_once_and_gets_all_of_it(pair):
    db1, db2, call = pair
    relay, _ = half_a_transaction(pair, *statements(mysql_root.PAIR_GRANTS))
    relay.close()
    begin = time.monotonic()
    answer = call("db2", "demote", target="db1")
    assert (answer.status, answer.facts["link"]) == ("ok", "up"), answer
    assert time.monotonic() - begin < 10
    wait_until(lambda: db2.value("SELECT COUNT(*) FROM shop.big") == 30, 20)
    assert db2.slave()["Last_SQL_Error"] == ""


def refusal(call, words, **about):
    answer = call("db2", "can_promote", **{"target": "db1", **about})
    assert answer.status == "refused" and words in "\n".join(answer.refusals), answer
    answer = call("db2", "promote", generation=2, **{"target": "db1", **about})
    assert answer.status == "refused", answer


def test_mysql_pair_refuses_while_the_other_lives_or_replication_is_not_as_it_must_be(pair):
    db1, db2, call = pair
    refusal(call, "answers and is writable")
    dead = {"member": [f"db1 127.0.0.1:{free_port()}", f"db2 127.0.0.1:{db2.port}"]}
    refusal(call, "is alive (heartbeats", settings=dead)
    db2.sql("STOP REPLICA IO_THREAD")
    refusal(call, "nothing comes from 127.0.0.1", planned=True)
    db1.sql(*[f"INSERT INTO shop.orders VALUES ({n})" for n in range(6)])
    heard = call("db1").position
    db1.kill()
    refusal(call, "6 transactions of the last known position are missing here, more than max_lag = 5", position=heard, settings={"max_lag": "5"})
    assert call("db2", "can_promote", target="db1", position=heard, settings={"max_lag": "6"}).status == "ok"
    db2.sql("STOP REPLICA SQL_THREAD")
    refusal(call, "the applier has stopped")
    db2.sql("CHANGE REPLICATION FILTER REPLICATE_IGNORE_DB = (other)", "START REPLICA")
    refusal(call, "replication filters")
    db2.sql("STOP REPLICA", "CHANGE REPLICATION FILTER REPLICATE_IGNORE_DB = ()", "CHANGE REPLICATION SOURCE TO SOURCE_AUTO_POSITION=0", "START REPLICA")
    refusal(call, "does not use GTIDs")
    db2.sql("STOP REPLICA", "CHANGE REPLICATION SOURCE TO SOURCE_AUTO_POSITION=1, SOURCE_HOST='127.0.0.9'", "START REPLICA")
    refusal(call, "it follows 127.0.0.9")
    db2.sql("STOP REPLICA", "RESET REPLICA ALL")
    refusal(call, "it follows nobody, and generation 1 was made by db1")
    assert db2.value("SELECT @@super_read_only") == 1


def test_mysql_pair_refuses_a_standby_that_is_no_copy(pair):
    db1, db2, call = pair
    db2.sql("SET GLOBAL super_read_only=0", "SET GLOBAL read_only=0", "INSERT INTO shop.orders VALUES (77)", "SET GLOBAL super_read_only=1")
    refusal(call, "transactions are here alone (errant)", planned=True)
    db1.sql("INSERT INTO shop.orders VALUES (77)")
    wait_until(lambda: db2.slave()["Replica_SQL_Running"] == "No")
    answer = call("db2")
    assert (answer.state, answer.facts["cause"]) == ("fail", "broken_link"), answer
    db1.kill()
    refusal(call, "the applier has stopped (error 1062)")
    db2.restart("--log-replica-updates=OFF")
    refusal(call, "log_replica_updates is off")


def test_mysql_pair_refuses_without_gtid_mode(pair):
    db1, db2, call = pair
    db1.kill()
    assert call("db2", "can_promote", target="db1").status == "ok"
    for mode in ("ON_PERMISSIVE", "OFF_PERMISSIVE"):
        if mode == "OFF_PERMISSIVE":  # there nobody follows by GTIDs
            db2.sql("STOP REPLICA", "CHANGE REPLICATION SOURCE TO SOURCE_AUTO_POSITION=0")
        db2.sql(f"SET GLOBAL gtid_mode={mode}")
        refusal(call, "gtid_mode is not ON")
    db2.sql("SET GLOBAL gtid_mode=ON_PERMISSIVE", "SET GLOBAL gtid_mode=ON", "CHANGE REPLICATION SOURCE TO SOURCE_AUTO_POSITION=1",
            "START REPLICA")
    assert call("db2", "can_promote", target="db1").status == "ok"


def test_mysql_pair_planned_refused_when_the_other_cannot_be_asked(pair):
    db1, db2, call = pair
    about = dict(planned=True, target="db1", position=call("db1", "block_writes").position)
    assert call("db2", "drain", **about).status == "ok" and call("db2", "can_promote", **about).status == "ok"
    db1.kill()
    answer = call("db2", "can_promote", **about)
    assert len(answer.refusals) == 1, answer
    refusal(call, "the other database cannot be asked whether it has all that is here: ", **about)
    assert db2.value("SELECT @@super_read_only") == 1


def test_mysql_pair_that_was_writable_on_both_sides_without_a_generation_is_a_conflict(pair):
    db1, db2, call = pair
    db2.sql("STOP REPLICA", "RESET REPLICA ALL", "SET GLOBAL super_read_only=0", "SET GLOBAL read_only=0")
    for one in (db1, db2):
        one.sql("SET sql_log_bin=0", "DROP TABLE baton.baton_generation")
    for host, other in (("db1", "db2"), ("db2", "db1")):
        answer = call(host, "promote", generation=5, target=other)
        assert answer.status == "conflict" and "both databases are writable" in answer.sentence, answer
    db2.sql("SET GLOBAL super_read_only=1")
    answer = call("db1", "promote", generation=5, target="db2")
    assert (answer.status, answer.generation) == ("ok", 5), answer


# Semi-synchronous, in the words of MySQL.

PLUGINS = [f"INSTALL PLUGIN rpl_semi_sync_{side} SONAME 'semisync_{side}.so'" for side in ("source", "replica")]


@pytest.fixture
def strict(root, tmp_path):
    with mysql_pair(root, tmp_path, *PLUGINS, durability="strict") as one:
        one[0].sql(*statements(mysql_root.PAIR_GRANTS))  # a source may end within a transaction
        yield one


def semi_sync(server):
    return server.sql("SELECT @@rpl_semi_sync_source_enabled, @@rpl_semi_sync_replica_enabled")[0]


def status(server, name):
    return server.sql(f"SHOW GLOBAL STATUS LIKE '{name}'")[0][1]


def strict_move(call, old, new, generation):
    blocked = call(old, "block_writes")
    assert blocked.status == "ok", blocked
    about = dict(target=old, planned=True, position=blocked.position)
    for verb in ("can_promote", "drain", "promote"):
        answer = call(new, verb, generation=generation, **about)
        assert answer.status == "ok", (verb, answer)
    answer = call(old, "demote", target=new, generation=generation)
    assert (answer.status, answer.facts["link"]) == ("ok", "up"), answer


def test_mysql_pair_strict_sets_both_sides_by_role_and_waits(strict):
    db1, db2, call = strict
    assert (semi_sync(db1), semi_sync(db2)) == ((1, 0), (0, 1))
    assert db1.sql("SELECT @@rpl_semi_sync_source_wait_point, @@rpl_semi_sync_source_timeout, "
                   "@@rpl_semi_sync_source_wait_no_replica") == (("AFTER_SYNC", 4294967295, 1),)
    wait_until(lambda: db2.sql("SELECT generation, strict FROM baton.baton_generation") == ((1, 1),))
    one, two = call("db1"), call("db2")
    assert not one.warning and (one.facts["semi_sync"], two.facts["semi_sync"]) == ("source", "replica"), (one, two)
    acknowledged = int(status(db1, "Rpl_semi_sync_source_yes_tx"))
    with Writer(lambda: db1) as writer:
        writer.wait_for(50)
    assert int(status(db1, "Rpl_semi_sync_source_yes_tx")) >= acknowledged + 50 and status(db1, "Rpl_semi_sync_source_no_tx") == "0"
    strict_move(call, "db1", "db2", 2)
    assert (semi_sync(db1), semi_sync(db2)) == ((0, 1), (1, 0))
    assert set(writer.acknowledged) - numbers(db2) == set()
    assert call("db2").facts["semi_sync"] == "source" and not call("db2").warning


def test_mysql_pair_strict_crash_loses_nothing_and_what_nobody_acknowledged_is_told(strict):
    db1, db2, call = strict
    target = [db1]
    with Writer(lambda: target[0]) as writer:
        writer.wait_for(100)
        db2.sql("STOP REPLICA IO_THREAD")  # from here on nothing is acknowledged
        # Both: a moment's wait is every commit's, and the source notices late that its standby has gone.
        wait_until(lambda: status(db1, "Rpl_semi_sync_source_clients") == "0" and
                   int(status(db1, "Rpl_semi_sync_source_wait_sessions")) >= 1, 20)
        waiting = call("db1")
        assert waiting.warning and waiting.facts["cause"] == "not_synchronous", waiting
        acknowledged = len(writer.acknowledged)
        db1.kill()
        target[0] = None
        answer = call("db2", "promote", generation=2, target="db1", position=waiting.position)
        assert answer.status == "ok" and len(writer.acknowledged) == acknowledged, answer
        assert answer.facts["lost_at_most"] == "0"  # what waits does not count as executed
    assert set(writer.acknowledged) - numbers(db2) == set()
    assert semi_sync(db2) == (0, 0)  # nobody is attached yet: it must not wait
    db2.sql("INSERT INTO shop.orders VALUES (0)")
    db1.start()  # MySQL commits then what it had in its log
    answer = call("db1", "rejoin", target="db2", generation=2)
    assert (answer.status, answer.facts["cause"]) == ("conflict", "diverged") and int(answer.facts["alone_count"]) >= 1, answer
    assert numbers(db1) - numbers(db2) and db1.value("SELECT @@super_read_only") == 1


def test_mysql_pair_strict_refuses_a_generation_that_did_not_wait_and_a_server_without_the_plugins(pair):
    db1, db2, call = pair
    settings = {"durability": "strict"}
    answer = call("db2", "demote", target="db1", settings=settings)
    assert (answer.status, answer.facts["cause"]) == ("config", "semi_sync") and "semi-sync plugins" in answer.sentence, answer
    db1.kill()
    refusal(call, "generation 1 did not wait for this standby's acknowledgements", settings=settings)
    refusal(call, "semi-synchronous replication is off here", settings=settings)


def test_mysql_pair_tells_what_is_for_a_person_from_what_is_wrong_with_the_server(pair, tmp_path):
    db1, _, call = pair
    (tmp_path / "wrong").write_text("wrong")
    answer = call("db1", settings={"check_password_file": tmp_path / "wrong"})
    assert (answer.state, answer.status, answer.facts["cause"]) == ("unknown", "config", "auth"), answer
    db1.sql("ALTER USER baton_check@'%' REQUIRE X509")
    assert call("db1").facts["cause"] == "auth"
    db1.sql("ALTER USER baton_check@'%' REQUIRE NONE", "REVOKE SELECT ON performance_schema.* FROM baton_check@'%'")
    answer = call("db1")
    db1.sql("GRANT SELECT ON performance_schema.* TO baton_check@'%'", "REVOKE REPLICATION CLIENT ON *.* FROM baton_check@'%'")
    assert (answer.state, answer.status, answer.facts["cause"]) == ("unknown", "config", "privilege"), answer
    answer = call("db1")
    assert (answer.state, answer.status, answer.facts["cause"]) == ("unknown", "config", "privilege"), answer
    db1.sql("GRANT REPLICATION CLIENT ON *.* TO baton_check@'%'", "REVOKE SYSTEM_VARIABLES_ADMIN ON *.* FROM baton_drive@'%'")
    answer = call("db1", "block_writes")
    assert (answer.status, answer.facts["cause"]) == ("config", "privilege"), answer
    assert db1.value("SELECT @@read_only") == 0
    # It makes a certificate for itself at its first start, which no authority of ours has signed.
    certificates = Certificates(tmp_path)
    answer = call("db1", settings={"tls": "verify", "tls_ca": certificates["ca.crt"]})
    assert (answer.state, answer.status, answer.facts["cause"]) == ("unknown", "config", "tls"), answer
    assert call("db1", settings={"tls": "yes"}).state == "pass"
    db1.freeze()
    answer = call("db1", timeout=0.6)
    db1.thaw()
    assert (answer.state, answer.status, answer.facts["cause"]) == ("fail", "transient", "hung") and answer.seconds < 0.6, answer
    relay = Relay(db1.port)
    try:
        member = {"member": [f"db1 127.0.0.1:{relay.port}", "db2 127.0.0.1:1"]}
        assert call("db1", settings=member).state == "pass"
        relay.hold()  # it takes the connection and says nothing
        answer = call("db1", timeout=0.6, settings=member)
        assert (answer.state, answer.status, answer.facts["cause"]) == ("fail", "transient", "hung") and answer.seconds < 0.6, answer
    finally:
        relay.close()


# A replication group.

@pytest.fixture(scope="module")
def group(root, tmp_path_factory):
    with Group(root) as one:
        one.members[0].sql(*statements(mysql_root.GRANTS + mysql_root.GROUP_GRANTS), *SHOP)
        one.call = calls(settings_for(tmp_path_factory.mktemp("group"), one.members, mode="follow"))
        wait_until(lambda: all(m.value("SELECT COUNT(*) FROM mysql.user WHERE user='app'") == 1 for m in one.members), 20)
        yield one


def test_group_members_say_their_role(group):
    primary = group.primary().name
    for one in group.members:
        answer = group.call(one.name)
        assert answer.state == "pass" and not answer.warning, answer
        assert answer.role == ("primary" if one.name == primary else "replica")
        assert (answer.facts["cluster"], answer.facts["quorum"], answer.facts["members"]) == ("group_replication", "yes", "3")
        expected = "ok" if one.name == primary else "refused"
        assert group.call(one.name, "promote", generation=1).status == expected
        assert group.call(one.name, "can_promote").status == expected
        assert group.call(one.name, "can_promote", planned=True).status == "ok"
    # What elects for itself is not driven.
    drive = group.call("db1", settings={"mode": "drive"})
    assert (drive.status, drive.facts["cause"]) == ("config", "cluster")
    assert any("replication group" in r for r in group.call("db2", "can_promote", settings={"mode": "drive"}).refusals)


def test_group_step_down_moves_the_primary_and_loses_nothing(group):
    old = group.primary()
    new = next(one for one in group.members if one is not old)
    target = [old]
    with Writer(lambda: target[0]) as writer:
        writer.wait_for(100)
        begin = time.monotonic()
        answer = group.call(old.name, "step_down", target=new.name)
        took = time.monotonic() - begin
        assert answer.status == "ok", answer
        assert group.primary() is new
        target[0] = new
        writer.wait_for(100)
    assert group.call(new.name).role == "primary" and group.call(old.name).role == "replica"
    assert group.call(old.name, "step_down", target=new.name).status == "ok"  # repeated
    assert group.call(old.name, "demote", target=new.name).status == "ok"
    assert set(writer.acknowledged) - numbers(new) == set()
    print(f"step_down {took:.3f} s, acknowledged {len(writer.acknowledged)}, gap {writer.gap:.3f} s")


def test_group_step_down_without_the_privilege_says_so(group):
    old = group.primary()
    new = next(one for one in group.members if one is not old)
    old.sql("REVOKE GROUP_REPLICATION_ADMIN ON *.* FROM baton_drive@'%'")
    answer = group.call(old.name, "step_down", target=new.name)
    old.sql("GRANT GROUP_REPLICATION_ADMIN ON *.* TO baton_drive@'%'")
    assert (answer.status, answer.facts["cause"]) == ("config", "privilege"), answer
    assert group.primary() is old


def test_group_member_without_a_quorum_is_not_the_primary(group):
    """Last, for it breaks the group: two of three are killed, and the third goes on to call itself ONLINE."""
    primary = group.primary()
    for one in group.members:
        if one is not primary:
            one.kill()
    wait_until(lambda: group.online(primary) == 1, 40)
    answer = group.call(primary.name)
    assert (answer.state, answer.role, answer.facts["cause"], answer.facts["member_state"]) == \
        ("fail", "none", "no_quorum", "ONLINE"), answer
    assert group.call(primary.name, "promote", generation=1).status == "refused"


def test_manual_has_the_grants_of_these_tests():
    manual = (pathlib.Path(__file__).parent / "README.md").read_text()
    for text in (mysql_root.GRANTS, mysql_root.GROUP_GRANTS, mysql_root.PAIR_GRANTS):
        assert text in manual
