"""The postgres plugin against pairs of real servers: what it says of them, what it refuses, its settings and its manual."""
import contextlib
import os
import pathlib
import re
import shutil
import socket
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/plugins"))
import postgres_server  # noqa: E402
import repmgr_server  # noqa: E402
import servers  # noqa: E402
from plugin import Session  # noqa: E402
from postgres_pair import CHECK, calm, pair, planned_move, refused, running, template  # noqa: E402, F401
from postgres_server import PRIVILEGES, REWIND_PRIVILEGES  # noqa: E402
from redis_server import Relay  # noqa: E402
from servers import Certificates, Network, free_port, isolated, wait_until  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
@contextlib.contextmanager
def changed(server, statement, back):
    server.sql(statement)
    try:
        yield
    finally:
        server.sql(back)


def setting(server, name, value, back="RESET"):
    """A setting for the time of a `with`, loaded."""
    @contextlib.contextmanager
    def during():
        server.sql(f"ALTER SYSTEM SET {name} = {value}")
        server.sql("SELECT pg_reload_conf()")
        wait_until(lambda: server.sql(f"SHOW {name}") == value.strip("'"))
        try:
            yield
        finally:
            server.sql(f"ALTER SYSTEM RESET {name}")
            server.sql("SELECT pg_reload_conf()")
            wait_until(lambda: server.sql(f"SHOW {name}") != value.strip("'"))
    return during()


def lsn(text):
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


# What it says of a server


def test_a_primary_says_position_standbys_and_that_it_takes_writes(calm):
    calm.probe(calm.db1)  # the first session reads, and thereby writes hints
    calm.db1.wait_quiet()
    where = calm.db1.sql("SELECT system_identifier FROM pg_control_system()")
    before = lsn(calm.db1.sql("SELECT pg_current_wal_insert_lsn()"))
    answer = calm.probe(calm.db1, write_test="no")
    after = lsn(calm.db1.sql("SELECT pg_current_wal_insert_lsn()"))
    assert (answer.status, answer.state, answer.role, answer.warning) == ("ok", "pass", "primary", False), answer
    system, timeline, at, how = answer.position.split(":")
    assert (system, timeline, how) == (where, "1", "async") and before <= lsn(at) <= after
    assert answer.facts["standbys"] == "db2 streaming async -0"
    assert answer.facts["writable"] == "yes" and answer.facts["version"].startswith("15.")
    assert answer.generation == 0


def test_a_standby_says_upstream_and_lag(calm):
    calm.db1.wait_quiet()
    answer = calm.probe(calm.db2)
    assert (answer.status, answer.state, answer.role, answer.warning) == ("ok", "pass", "replica", False), answer
    assert (answer.lag_bytes, answer.lag_ms) == (0, 0)
    assert answer.facts["upstream"] == f"127.0.0.1:{calm.db1.port}" and answer.facts["link"] == "streaming"


def test_the_write_test_of_a_probe_reaches_the_log(calm):
    calm.db1.wait_quiet()
    before = calm.db1.position()
    calm.probe(calm.db1, write_test="no")
    assert calm.db1.position() == before
    calm.probe(calm.db1)
    assert calm.db1.position() != before


def test_a_local_socket_serves_as_the_way_in(calm):
    answer = calm.probe(calm.db1, socket=calm.db1.directory)
    assert answer.state == "pass" and f"{calm.db1.directory}/.s.PGSQL.{calm.db1.port}" in answer.sentence


def test_a_wrong_password_is_a_matter_for_a_person_and_stays_secret(calm):
    wrong = calm.db1.directory.parent / "wrong"
    wrong.write_text("not-the-password")
    answer = calm.probe(calm.db1, check_password_file=wrong)
    assert (answer.status, answer.state, answer.facts["cause"]) == ("config", "unknown", "auth"), answer
    assert "baton_check" in answer.sentence and "not-the-password" not in str(answer)


def test_a_lost_privilege_is_a_matter_for_a_person(calm):
    with changed(calm.db1, "REVOKE pg_monitor FROM baton_check", "GRANT pg_monitor TO baton_check"):
        answer = calm.probe(calm.db1)
        assert (answer.status, answer.state, answer.facts["cause"]) == ("config", "unknown", "privilege"), answer
        assert "GRANT pg_monitor TO baton_check" in answer.sentence
    with changed(calm.db1, "REVOKE SELECT ON baton_generation FROM baton_check", "GRANT SELECT ON baton_generation TO baton_check"):
        answer = calm.probe(calm.db1)
        assert (answer.status, answer.facts["cause"]) == ("config", "privilege"), answer


def test_too_many_connections_is_told_apart(calm):
    with changed(calm.db1, "ALTER ROLE baton_check CONNECTION LIMIT 0", "ALTER ROLE baton_check CONNECTION LIMIT -1"):
        answer = calm.probe(calm.db1)
        assert (answer.state, answer.facts["cause"]) == ("fail", "connections"), answer


@pytest.mark.parametrize("code, cause", [("53100", "disk"), ("58030", "disk"), ("25006", "read_only")])
def test_errors_of_the_disk_are_told_apart(calm, code, cause):
    make = ("ALTER TABLE baton_generation RENAME TO kept; CREATE FUNCTION broken() RETURNS bigint LANGUAGE plpgsql AS "
            f"$$BEGIN RAISE 'broken' USING ERRCODE = '{code}'; END$$; "
            "CREATE VIEW baton_generation AS SELECT broken() AS generation, 'x'::text AS node; "
            "GRANT SELECT ON baton_generation TO baton_check")
    back = "DROP VIEW baton_generation; DROP FUNCTION broken; ALTER TABLE kept RENAME TO baton_generation"
    with changed(calm.db1, make, back):
        answer = calm.probe(calm.db1)
        assert (answer.state, answer.facts["cause"]) == ("fail", cause), answer


def test_read_only_by_default_leaves_the_role_and_warns(calm):
    with setting(calm.db1, "default_transaction_read_only", "on"):
        answer = calm.probe(calm.db1)
        assert (answer.state, answer.role, answer.warning) == ("pass", "primary", True), answer
        assert (answer.facts["writable"], answer.facts["cause"]) == ("no", "read_only")


def test_a_server_that_is_not_there_has_failed(calm):
    with Session("postgres", calm.settings(calm.db1, member=[f"db1 127.0.0.1:{free_port()}", "db2 127.0.0.1:1"]), "probe",
                 host_name="db1", user=CHECK) as session:
        answer = session.call("probe")
    assert (answer.status, answer.state, answer.facts["cause"]) == ("ok", "fail", "refused"), answer


def test_a_server_that_takes_no_sessions_yet_is_loading(template):
    with running(template) as pair:
        pair.db2.stop()
        (pair.db2.data / "postgresql.conf").open("a").write("hot_standby = off\n")
        postgres_server.as_postgres(postgres_server.BIN / "pg_ctl", "-D", pair.db2.data, "-s", "-W", "-l",
                                    pair.db2.directory / "log", "start")
        wait_until(lambda: pair.probe(pair.db2).facts.get("cause") == "loading")
        answer = pair.probe(pair.db2)
        assert (answer.state, answer.facts["cause"]) == ("fail", "loading"), answer


def test_a_frozen_server_costs_no_more_than_the_patience(pair):
    pair.db1.freeze()
    answer = pair.probe(pair.db1, timeout=3.0, connect_timeout="400ms")
    assert (answer.status, answer.state, answer.facts["cause"]) == ("transient", "fail", "hung"), answer
    assert 0.35 < answer.seconds < 0.8
    answer = pair.probe(pair.db1, timeout=0.3)
    assert answer.facts["cause"] == "hung" and answer.seconds < 0.3


def test_a_connection_that_is_open_on_this_side_only_costs_no_more_than_the_patience(pair):
    relay = Relay(pair.db1.port)
    member = [f"db1 127.0.0.1:{relay.port}", f"db2 127.0.0.1:{pair.db2.port}"]
    try:
        with Session("postgres", pair.settings(pair.db1, member=member), "probe", host_name="db1", user=CHECK) as session:
            assert session.call("probe", 2.0).role == "primary"
            relay.hold()
            answer = session.call("probe", 0.8)
            assert (answer.status, answer.state, answer.facts["cause"]) == ("transient", "fail", "hung") and answer.seconds < 0.8, answer
            relay.release()
            assert session.call("probe", 2.0).state == "pass"
    finally:
        relay.close()


def test_a_link_that_swallows_packets_is_a_timeout():
    member = ["db1 10.98.0.2:5432", "db2 10.98.0.3:5432"]
    with Network() as network:
        network.firewall("drop")
        answer = isolated(_probe_alone, {"member": member, "data_directory": "/nonexistent", "connect_timeout": "300ms"},
                          network=network.near)
        assert (answer.status, answer.state, answer.facts["cause"]) == ("transient", "fail", "timeout"), answer
        assert "db1 (10.98.0.2:5432)" in answer.sentence
        network.firewall("reject with icmp type host-unreachable")
        answer = isolated(_probe_alone, {"member": member, "data_directory": "/nonexistent"}, network=network.near)
        assert answer.facts["cause"] == "unreachable", answer


def _probe_alone(settings):
    with Session("postgres", settings, "probe", host_name="db1") as session:
        return session.call("probe")


def test_a_name_without_an_address_says_nothing_of_the_server():
    answer = _probe_alone({"member": ["db1 no-such-host.invalid", "db2 10.0.0.2"], "data_directory": "/nonexistent"})
    assert (answer.status, answer.state, answer.facts["cause"]) == ("transient", "unknown", "dns"), answer


def test_tls_is_verified_and_its_failures_are_for_a_person(template):
    with servers.directory() as directory:
        certificates = Certificates(directory)
        for name in ("good.crt", "good.key"):
            shutil.chown(certificates[name], "postgres", "postgres")
            os.chmod(certificates[name], 0o600)
        more = f"ssl = on\nssl_cert_file = '{certificates['good.crt']}'\nssl_key_file = '{certificates['good.key']}'\n"
        hba = "local all postgres peer\nlocal all all scram-sha-256\nhostssl all all all scram-sha-256\n" \
              "host replication baton_replication all scram-sha-256\n"
        with running(template, more=more, hba=hba) as pair:
            assert pair.probe(pair.db1, tls="yes").state == "pass"
            verified = pair.probe(pair.db1, tls="verify", tls_ca=certificates["ca.crt"])
            assert verified.state == "pass", verified
            other = pair.probe(pair.db1, tls="verify", tls_ca=certificates["other-ca.crt"])
            assert (other.status, other.state, other.facts["cause"]) == ("config", "unknown", "tls"), other
            plain = pair.probe(pair.db1)
            assert (plain.status, plain.facts["cause"]) == ("config", "auth"), plain
            moved = planned_move(pair, more={"tls": "verify", "tls_ca": certificates["ca.crt"]})
            assert moved.status == "ok"
            assert "sslmode=verify-full" in pair.db1.sql("SHOW primary_conninfo")


def test_tls_wanted_from_a_server_without_is_for_a_person(calm):
    answer = calm.probe(calm.db1, tls="yes")
    assert (answer.status, answer.state, answer.facts["cause"]) == ("config", "unknown", "tls"), answer


def test_a_standby_of_a_stranger_has_failed(calm):
    with Session("postgres", calm.settings(calm.db2, member=["db1 127.0.0.1:1", f"db2 127.0.0.1:{calm.db2.port}"]), "probe",
                 host_name="db2", user=CHECK) as session:
        answer = session.call("probe")
    assert (answer.state, answer.facts["cause"]) == ("fail", "wrong_upstream"), answer


def test_a_standby_without_a_stream_passes_with_a_warning(pair):
    pair.db1.kill()
    wait_until(lambda: pair.db2.sql("SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'") == "0")
    answer = pair.probe(pair.db2)
    assert (answer.state, answer.role, answer.warning) == ("pass", "replica", True), answer
    assert answer.facts["cause"] == "broken_link"


# What it refuses


def test_refuses_while_replay_is_paused(calm):
    with changed(calm.db2, "SELECT pg_wal_replay_pause()", "SELECT pg_wal_replay_resume()"):
        wait_until(lambda: calm.db2.sql("SELECT pg_get_wal_replay_pause_state()") == "paused")
        refused(calm.act(calm.db2, "can_promote", planned=True), "replay is paused")
        assert calm.probe(calm.db2).facts["cause"] == "paused"


def test_refuses_while_its_upstream_is_heard(calm):
    calm.probe(calm.db1)  # its message comes over the stream
    refused(calm.act(calm.db2, "can_promote"), r"was heard \d+ ms ago: it lives")


def test_refuses_while_the_old_primary_answers(calm):
    refused(calm.act(calm.db2, "can_promote", more={"link_fresh": "100ms"}), r"answers and is a primary that takes writes")


def test_refuses_while_the_old_primary_lives_but_lets_nobody_in(calm):
    access = calm.db1.data / "pg_hba.conf"
    before = access.read_text()
    access.write_text("local all postgres peer\nhost replication baton_replication all scram-sha-256\n")
    calm.db1.sql("SELECT pg_reload_conf()")
    try:
        refused(calm.act(calm.db2, "can_promote", more={"link_fresh": "100ms"}), "the old primary lives: .*no pg_hba.conf entry")
    finally:
        access.write_text(before)
        calm.db1.sql("SELECT pg_reload_conf()")


def test_refuses_a_planned_promotion_of_a_standby_that_nothing_streams_to(pair):
    pair.db1.stop()
    wait_until(lambda: pair.db2.sql("SELECT count(*) FROM pg_stat_wal_receiver") == "0")
    refused(pair.act(pair.db2, "can_promote", planned=True), "nothing streams to this standby")


def test_refuses_when_more_than_max_lag_is_missing(calm):
    system = calm.db1.sql("SELECT system_identifier FROM pg_control_system()")
    have = int(calm.db2.sql("SELECT pg_last_wal_replay_lsn() - '0/0'"))
    ahead = have + 5000
    position = f"{system}:1:{ahead >> 32:X}/{ahead & 0xFFFFFFFF:X}:async"
    answer = calm.act(calm.db2, "can_promote", position=position, more={"max_lag": "1000"})
    refused(answer, r"[45]\d\d\d bytes of the old primary's log are missing here \(max_lag is 1000\)")


def test_refuses_a_position_of_another_cluster(calm):
    refused(calm.act(calm.db2, "can_promote", position="123:1:0/1000:async"), "another cluster")


def test_refuses_a_position_of_another_timeline(calm):
    system = calm.db1.sql("SELECT system_identifier FROM pg_control_system()")
    refused(calm.act(calm.db2, "can_promote", position=f"{system}:9:0/1000:async"), "on timeline 9, this server is on timeline 1")


def test_refuses_without_the_table_of_generations(calm):
    with changed(calm.db1, "ALTER TABLE baton_generation RENAME TO hidden", "ALTER TABLE hidden RENAME TO baton_generation"):
        calm.db1.wait_streaming_to(calm.db2)
        refused(calm.act(calm.db2, "can_promote", planned=True), "baton_generation is missing")
    calm.db1.wait_streaming_to(calm.db2)


def test_refuses_a_generation_that_the_data_is_beyond(calm):
    with changed(calm.db1, "INSERT INTO baton_generation VALUES (true, 8, 'db1', now())", "DELETE FROM baton_generation"):
        calm.db1.wait_streaming_to(calm.db2)
        refused(calm.act(calm.db2, "can_promote", planned=True, generation=8), "bears generation 8 of db1")
        assert calm.act(calm.db2, "can_promote", planned=True, generation=9).status == "ok"
    calm.db1.wait_streaming_to(calm.db2)


def test_refuses_beside_another_cluster_manager(calm):
    import psycopg2
    one = psycopg2.connect(host=calm.db2.address, port=calm.db2.port, user="writer", password="writer", dbname="postgres",
                           application_name="Patroni")
    refused(calm.act(calm.db2, "can_promote", planned=True), "another cluster manager is connected to this server: Patroni")
    one.close()
    mark = calm.db2.data / "patroni.dynamic.json"
    mark.write_text("{}")
    refused(calm.act(calm.db2, "can_promote", planned=True), "Patroni leads this server")
    mark.unlink()


def beside_repmgrd(root, template, more):
    """In a process of its own: what the sessions of a real repmgrd are called, the answer beside it, and the one without it."""
    repmgr_server.lay_over(root)
    with running(template, more=repmgr_server.NEEDED) as pair:
        with repmgr_server.Repmgrd(root, pair.db1, pair.db2, more) as repmgrd:
            called, beside = repmgrd.sessions(), pair.act(pair.db2, "can_promote", planned=True)
        wait_until(lambda: repmgrd.sessions() == "")
        return called, beside, pair.act(pair.db2, "can_promote", planned=True)


@pytest.mark.parametrize("more, name", [
    ("application_name=repmgrd", "repmgrd"),
    ("", "repmgr"),  # what it calls its sessions where its conninfo gives no name
])
def test_refuses_beside_repmgrd(template, more, name):
    called, beside, without = isolated(beside_repmgrd, repmgr_server.root(), template, more)
    if called != name or without.status != "ok":  # which is not what may fail here
        raise RuntimeError(f"a session called {called}; without repmgrd {without}")
    refused(beside, f"another cluster manager is connected to this server: {name}$")


def beside_pacemaker(template):
    """Its executor's socket is all that is looked at: `lrmd`, filled up with zero bytes, as Pacemaker 2.1.5 was seen to bind it."""
    with running(template) as pair:
        with socket.socket(socket.AF_UNIX) as executor:
            executor.bind("\0lrmd".ljust(108, "\0"))
            executor.listen()
            beside = pair.act(pair.db2, "can_promote", planned=True)
        return beside, pair.act(pair.db2, "can_promote", planned=True)


def test_refuses_beside_pacemaker(template):
    with Network() as network:  # the socket is one of a network namespace
        beside, without = isolated(beside_pacemaker, template, network=network.near)
    refused(beside, "Pacemaker runs on this host")
    assert without.status == "ok", without


def test_refuses_where_received_log_cannot_be_replayed(pair):
    db1, db2 = pair.db1, pair.db2
    lsn = lambda server, function: int(server.sql(f"SELECT {function}() - '0/0'"))  # noqa: E731
    db1.sql("CREATE TABLE filler (words text)")
    db1.wait_streaming_to(db2)
    db2.sql("SELECT pg_wal_replay_pause()")
    wait_until(lambda: db2.sql("SELECT pg_get_wal_replay_pause_state()") == "paused")
    bad = lsn(db2, "pg_last_wal_replay_lsn") + 65536
    db1.sql("INSERT INTO filler SELECT repeat('x', 100) FROM generate_series(1, 3000)")  # of more than 130 bytes each
    end = lsn(db1, "pg_current_wal_flush_lsn")
    wait_until(lambda: lsn(db2, "pg_last_wal_receive_lsn") >= end)
    system = db1.sql("SELECT system_identifier FROM pg_control_system()")
    db1.kill()
    size = int(db2.sql("SELECT setting FROM pg_settings WHERE name = 'wal_segment_size'"))
    with open(db2.data / "pg_wal" / f"0000000100000000{bad // size:08X}", "r+b") as segment:
        segment.seek(bad % size)
        segment.write(b"\xff" * 64)
    db2.sql("SELECT pg_wal_replay_resume()")
    wait_until(lambda: lsn(db2, "pg_last_wal_replay_lsn") > bad - 32768 and db2.sql(
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'startup' AND wait_event LIKE 'Recovery%'") == "1")
    position = f"{system}:1:{end >> 32:X}/{end & 0xFFFFFFFF:X}:async"
    about = {"position": position, "generation": 1}
    missing = r"\d{6} bytes of the old primary's log are missing here \(max_lag is 100000\)"
    for verb in ("can_promote", "promote"):
        refused(pair.act(db2, verb, more={"max_lag": "100000", "link_fresh": "100ms"}, **about), missing)
    assert pair.act(db2, "can_promote", more={"max_lag": "1000000", "link_fresh": "100ms"}, **about).status == "ok"


def test_refuses_over_an_incomplete_base_backup(calm):
    mark = calm.db2.data / "backup_label"
    mark.write_text("")
    refused(calm.act(calm.db2, "can_promote", planned=True), "base backup that is not complete")
    mark.unlink()


def test_refuses_a_planned_promotion_on_a_full_disk(calm):
    refused(calm.act(calm.db2, "can_promote", planned=True, more={"min_free": str(1 << 49)}), r"only \d+ bytes are free")


def test_refuses_a_standby_that_holds_back(calm):
    with setting(calm.db2, "recovery_min_apply_delay", "'1h'"):
        refused(calm.act(calm.db2, "can_promote", planned=True), "recovery_min_apply_delay is 1h")


def test_strict_refuses_a_standby_that_did_not_acknowledge(calm):
    position = calm.primary_position()
    assert position.endswith(":async")
    more = {"durability": "strict"}
    refused(calm.act(calm.db2, "can_promote", position=position, more=more), "db2 was not the synchronous standby")
    refused(calm.act(calm.db2, "can_promote", more=more), "no position of the old primary is known")
    refused(calm.act(calm.db2, "can_promote", planned=True, more=more), "synchronous_standby_names is empty here")
    answer = calm.probe(calm.db1, durability="strict")
    assert answer.warning and answer.facts["cause"] == "durability"


def test_a_planned_promotion_without_the_final_position_is_refused(calm):
    for position in ("", calm.primary_position()):
        refused(calm.act(calm.db2, "promote", planned=True, position=position, generation=5), "needs the old primary's final")
    assert not calm.db2.is_primary()


def test_block_writes_is_refused_on_a_standby(calm):
    answer = calm.act(calm.db2, "block_writes")
    assert (answer.status, answer.facts["cause"]) == ("refused", "role"), answer


def test_block_writes_is_refused_when_nobody_would_have_the_last_record(pair):
    pair.db2.stop()
    wait_until(lambda: pair.db1.sql("SELECT count(*) FROM pg_stat_replication") == "0")
    answer = pair.act(pair.db1, "block_writes", planned=True)
    assert (answer.status, answer.facts["cause"]) == ("refused", "broken_link"), answer
    assert pair.db1.is_primary() and not (pair.db1.data / "standby.signal").exists()


# Settings, secrets, the manual


GOOD = {"member": ["db1 10.0.0.1", "db2 [fd00::2]:5433"], "data_directory": "/d", "unit": "postgresql@15-main"}


def settings_complaints(host="db1", **more):
    settings = {**GOOD, **more}
    with Session("postgres", {k: v for k, v in settings.items() if v is not None}, "check", host_name=host) as session:
        return session.call("check").complaints


@pytest.mark.parametrize("more, key, words", [
    ({}, None, None),
    ({"member": ["db1 10.0.0.1"]}, "member", "at least two"),
    ({"member": ["db1 10.0.0.1", "db1 10.0.0.2", "db2 10.0.0.3"]}, "member", "db1 appears twice"),
    ({"member": ["db1 10.0.0.1", "db2 10.0.0.1"]}, "member", "address of another member"),
    ({"member": ["db8 10.0.0.1", "db2 10.0.0.2"]}, "member", "this host, db1, is not among"),
    ({"member": ["db1", "db2 10.0.0.2", "db3 10.0.0.3"]}, "member", "not of the form"),
    ({"member": ["db1 10.0.0.1:x", "db2 10.0.0.2", "db3 10.0.0.3"]}, "member", "`x` is no port"),
    ({"member": ["db1 [::1", "db2 10.0.0.2", "db3 10.0.0.3"]}, "member", "bracket is not closed"),
    ({"unit": None}, "unit", "is needed with `control = systemd`"),
    ({"control": "pg_ctl"}, "control_socket", "is needed"),
    ({"control": "command", "start_command": "/x"}, "stop_command", "is needed"),
    ({"control": "command", "start_command": "/x", "stop_command": "y"}, "stop_command", "absolute"),
    ({"start_command": "/x"}, "start_command", "of no use"),
    ({"tls": "verify"}, "tls_ca", "is needed with `tls = verify`"),
    ({"tls": "yes", "tls_cert": "/x"}, "tls_cert", "belong together"),
    ({"tls_ca": "/x"}, "tls_ca", "of no use"),
])
def test_settings_that_cannot_work_are_refused(more, key, words):
    said = settings_complaints(**more)
    if key is None:
        assert said == []
    else:
        assert any(one == key and words in message for one, message in said), said


def test_no_password_reaches_a_log_a_setting_or_an_answer(pair):
    planned_move(pair)
    for server in (pair.db1, pair.db2):
        texts = [(server.directory / "log").read_text(), (server.data / "postgresql.auto.conf").read_text(),
                 str(pair.probe(server))]
        for password in postgres_server.PASSWORDS.values():
            assert not any(password in text for text in texts)
    assert (pair.db1.data / "baton.pgpass").stat().st_mode & 0o777 == 0o600


def test_the_manual_has_the_privileges_that_the_tests_run_with():
    manual = re.sub(r"\s+", " ", (HERE / "README.md").read_text())
    for statement in PRIVILEGES + REWIND_PRIVILEGES:
        assert re.sub(r"'\w+-secret'", "'...'", statement) + ";" in manual, statement
