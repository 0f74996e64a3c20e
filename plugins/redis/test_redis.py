"""What the redis module sees of real servers, and that its manual and its settings are what it says."""
import contextlib
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/plugins"))
import redis_server as rs  # noqa: E402
import servers  # noqa: E402
from plugin import Session, complaints as all_complaints  # noqa: E402
from redis_pair import Pair, break_snapshots, outcome, pair_of  # noqa: E402
from redis_server import RedisError  # noqa: E402
from servers import Certificates, Network, Raw, free_port, resets, says, silent, wait_until  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent


@pytest.fixture
def pair():
    with pair_of() as one:
        yield one.ready()


@pytest.fixture
def fresh():
    with pair_of() as one:
        yield one


# What the manual says

def test_the_rights_of_the_tests_are_those_of_the_manual():
    text = (HERE / "README.md").read_text()
    assert f"user {rs.CHECK_USER} on >CHECK-PASSWORD {rs.CHECK_RIGHTS}" in text
    assert f"user {rs.DRIVE_USER} on >DRIVE-PASSWORD {rs.DRIVE_RIGHTS}" in text
    assert f"user {rs.REPLICATION_USER} on >REPLICATION-PASSWORD {rs.REPLICATION_RIGHTS}" in text


def test_settings_that_cannot_be_meant_are_refused():
    def complain(**settings):
        return [f"{key}: {message}" for key, message in all_complaints("redis", settings)]
    good = ["host1 10.0.0.1", "db2 [fd00::2]:6380"]
    assert complain(member=good) == []
    assert "HOST ADDRESS[:PORT]" in complain(member=["host1"])[0]
    assert "is no ADDRESS[:PORT]" in complain(member=["host1 10.0.0.1:99999", "db2 10.0.0.2"])[0]
    assert "two entries" in complain(member=["host1 10.0.0.1", "host1 10.0.0.2"])[0]
    assert "the same server" in complain(member=["host1 10.0.0.1", "db2 10.0.0.1:6379"])[0]
    assert "none of them is this host, host1" in complain(member=["db1 10.0.0.1", "db2 10.0.0.2"])[0]
    assert "at least 2" in complain(member=["host1 10.0.0.1"])[0]
    assert complain(member=good, username="x")[0].startswith("username: a password is needed")
    assert complain(member=good, tls_ca="/x")[0] == "tls_ca: is of no use with `tls = no`"
    assert "of no use with `tls = unverified`" in complain(member=good, tls="unverified", tls_ca="/x")[0]


# What a check sees

def test_primary_and_replica_tell_role_position_lag_and_generation(pair):
    primary, replica = pair.probe("db1"), pair.probe("db2")
    assert (primary.status, primary.state, primary.role, primary.warning) == ("ok", "pass", "primary", False)
    assert (replica.status, replica.state, replica.role, replica.warning) == ("ok", "pass", "replica", False)
    assert primary.generation == replica.generation == 1
    assert primary.facts["writable"] == "yes" and replica.facts["writable"] == "no" and replica.facts["read_only"] == "yes"
    assert primary.facts["replicas"] == "1" and replica.facts["link"] == "up"
    assert replica.facts["upstream"] == f"127.0.0.1:{pair.a.port}" and replica.facts["stamped_by"] == "db1"
    assert primary.position.split(":")[0] == pair.a.info()["master_replid"] == replica.position.split(":")[0]
    wait_until(lambda: pair.probe("db1").facts.get("replica_lag_bytes") == "0")


def test_the_local_server_is_asked_by_its_socket(pair):
    socket_path = str(pair.a.directory / "socket")
    answer = pair.probe("db1", socket=socket_path, member=["db1 127.0.0.1:1", pair.b.member])
    assert (answer.state, answer.role) == ("pass", "primary")


def test_a_standby_whose_upstream_died_passes_with_a_warning(pair):
    pair.a.kill()
    wait_until(lambda: not pair.b.linked())
    answer = pair.probe("db2")
    assert (answer.state, answer.role, answer.warning) == ("pass", "replica", True)
    assert (answer.facts["cause"], answer.facts["link"]) == ("broken_link", "down")


def test_a_standby_that_answers_masterdown_is_alive(pair):
    pair.b.command("CONFIG", "SET", "replica-serve-stale-data", "no")
    pair.a.kill()
    wait_until(lambda: not pair.b.linked())
    with pytest.raises(RedisError, match="MASTERDOWN"):
        pair.b.command("PING")
    assert (pair.probe("db2").state, pair.probe("db2").role) == ("pass", "replica")


def test_a_position_survives_the_link(pair):
    before = pair.probe("db2").position
    pair.a.kill()
    wait_until(lambda: not pair.b.linked())
    replid, offset = pair.probe("db2").position.split(":")
    assert replid == before.split(":")[0] and int(offset) >= int(before.split(":")[1]) > 0


def test_a_wrong_upstream_fails(pair):
    pair.b.command("REPLICAOF", "127.0.0.1", free_port())
    assert outcome(pair.probe("db2")) == ("ok", "fail", "wrong_upstream")


def test_refused_and_reset_and_silence_are_told_apart(fresh):
    def probe_port(port):
        return fresh.probe("db1", timeout=1.0, query_timeout="300ms", member=[f"db1 127.0.0.1:{port}", fresh.b.member])
    assert outcome(probe_port(free_port())) == ("ok", "fail", "refused")
    with Raw(resets) as raw:
        assert outcome(probe_port(raw.port)) == ("ok", "fail", "reset")
    with Raw(silent) as raw:
        answer = probe_port(raw.port)
        assert outcome(answer) == ("transient", "fail", "hung") and answer.seconds < 0.6
    with Raw(says(b"+OK\r\n-ERR max number of clients reached\r\n")) as raw:
        assert outcome(probe_port(raw.port)) == ("ok", "fail", "connections")
    with Raw(says(b"+OK\r\n-LOADING Redis is loading the dataset in memory\r\n-LOADING x\r\n")) as raw:
        assert outcome(probe_port(raw.port)) == ("ok", "fail", "loading")
    with Raw(says(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as raw:
        assert outcome(probe_port(raw.port)) == ("config", "unknown", "protocol")


def test_a_frozen_server_is_hung(pair):
    pair.a.freeze()
    answer = pair.probe("db1", timeout=1.0, query_timeout="300ms")
    pair.a.thaw()
    assert outcome(answer) == ("transient", "fail", "hung") and "has not answered" in answer.sentence


def test_a_connection_that_is_open_on_this_side_only_is_hung_in_time_and_its_late_answers_are_nobodys(pair):
    relay = rs.Relay(pair.a.port)
    try:
        with pair.session("db1", "probe", query_timeout="300ms", member=[f"db1 127.0.0.1:{relay.port}", pair.b.member]) as session:
            assert session.call("probe", 1.0).role == "primary"
            relay.hold()
            for _ in range(2):
                answer = session.call("probe", 1.0)
                assert outcome(answer) == ("transient", "fail", "hung") and answer.seconds < 0.7, answer
            relay.release()
            assert outcome(session.call("probe", 1.0)) == ("ok", "pass", None)
    finally:
        relay.close()


def test_packets_that_vanish_are_a_timeout_and_a_name_without_address_is_dns():
    with Network() as network, servers.directory() as directory:
        secret = pathlib.Path(directory) / "p"
        secret.write_text("x\n")
        network.firewall("tcp dport 6379 drop")
        settings = {"member": ["host1 10.98.0.2", "db2 10.98.0.1"], "password_file": str(secret), "connect_timeout": "200ms"}
        answer = servers.isolated(_probe, settings, network=network.near)
        assert outcome(answer) == ("transient", "fail", "timeout")
        settings["member"] = ["host1 nowhere.invalid", "db2 10.98.0.1"]
        answer = servers.isolated(_probe, settings, network=network.near)
        assert outcome(answer) == ("transient", "unknown", "dns")


def _probe(settings):
    with Session("redis", settings) as session:
        return session.call("probe", 1.0)


def test_credentials_and_rights_are_for_a_person_and_say_nothing_of_health(pair):
    wrong = pair.probe("db1", password_file=pair.secrets["wrong"])
    assert outcome(wrong) == ("config", "unknown", "auth") and rs.CHECK_USER in wrong.sentence
    pair.a.command("ACL", "SETUSER", "default", ">x")
    none = pair.probe("db1", username=None, password_file=None)
    assert outcome(none) == ("config", "unknown", "auth")
    for right in ("info", "get"):
        with pair.a.local() as connection:
            connection.command("AUTH", "default", "x")
            connection.command("ACL", "SETUSER", rs.CHECK_USER, f"-{right}")
        answer = pair.probe("db1")
        assert outcome(answer) == ("config", "unknown", "privilege") and rs.CHECK_USER in answer.sentence
        with pair.a.local() as connection:
            connection.command("AUTH", "default", "x")
            connection.command("ACL", "SETUSER", rs.CHECK_USER, f"+{right}")


def test_a_locked_user_is_auth(pair):
    pair.a.command("ACL", "SETUSER", rs.CHECK_USER, "off")
    assert outcome(pair.probe("db1")) == ("config", "unknown", "auth")


def test_a_server_that_loads_is_not_ready():
    with pair_of(options=("key-load-delay 100000", "loading-process-events-interval-bytes 1024")) as pair:
        pair.ready()
        for i in range(30):
            pair.a.command("SET", f"k{i}", os.urandom(2000).hex())
        pair.a.command("BGREWRITEAOF")
        wait_until(lambda: pair.a.info()["aof_rewrite_in_progress"] == "0")
        pair.a.kill().start(wait=False)
        seen = []
        wait_until(lambda: seen.append(pair.probe("db1")) or seen[-1].facts.get("cause") == "loading")
        assert (seen[-1].state, seen[-1].role, seen[-1].position) == ("fail", "none", "")
        pair.a.kill()


def test_a_server_in_an_endless_script_is_busy():
    with pair_of(options=("lua-time-limit 50",)) as pair:
        pair.ready()
        with pair.a.local() as connection:
            connection.socket.sendall(b"*3\r\n$4\r\nEVAL\r\n$17\r\nwhile true do end\r\n$1\r\n0\r\n")
            seen = []
            wait_until(lambda: seen.append(pair.probe("db1", query_timeout="300ms")) or seen[-1].facts.get("cause") == "busy")
            assert outcome(seen[-1]) == ("ok", "fail", "busy")
            pair.a.command("SCRIPT", "KILL")


def test_a_primary_that_cannot_save_fails(pair):
    break_snapshots(pair.a)
    with pytest.raises(RedisError, match="MISCONF"):
        pair.a.command("SET", "x", "1")
    answer = pair.probe("db1")
    assert outcome(answer) == ("ok", "fail", "disk")
    assert (answer.role, answer.facts["writable"]) == ("primary", "no")
    assert pair.probe("db1", snapshot_failure="warn").state == "pass"


def test_a_full_disk_is_seen():
    with servers.directory() as directory:
        servers.run("mount", "-t", "tmpfs", "-o", "size=2m", "none", directory)
        try:
            one = Pair(directory, options=("appendfsync always",))
            try:
                one.start().ready()
                one.a.command("CONFIG", "SET", "appendfsync", "everysec")
                with open(f"{directory}/fill", "wb", buffering=0) as file, contextlib.suppress(OSError):
                    while True:
                        file.write(b"x" * 4096)
                with contextlib.suppress(RedisError):
                    for i in range(50):
                        one.a.command("SET", f"big{i}", "y" * 20000)
                wait_until(lambda: one.a.info()["aof_last_write_status"] == "err")
                answer = one.probe("db1")
                assert outcome(answer) == ("ok", "fail", "disk") and "append-only" in answer.sentence
            finally:
                one.stop()
        finally:
            servers.run("umount", directory)


def test_memory_that_is_used_up_is_a_warning_not_a_reason_to_move(pair):
    pair.a.command("CONFIG", "SET", "maxmemory", "1mb")
    answer = pair.probe("db1")
    assert outcome(answer) == ("ok", "pass", "memory") and answer.facts["writable"] == "no" and answer.warning


def test_data_that_vanishes_is_a_warning(pair):
    with pair.session("db1", "probe") as session:
        assert session.call("probe").warning is False
        pair.a.command("FLUSHALL")
        assert session.call("probe").facts["cause"] == "collapsed"


@pytest.fixture(scope="module")
def certificates():
    with servers.directory() as directory:
        yield Certificates(directory)


def test_tls_is_verified(certificates):
    port = free_port()
    tls = (f"tls-port {port}", f"tls-cert-file {certificates['good.crt']}", f"tls-key-file {certificates['good.key']}",
           f"tls-ca-cert-file {certificates['ca.crt']}", "tls-auth-clients yes")
    with servers.directory() as directory:
        one = Pair(directory)
        one.a.conf.write_text(one.a.conf.read_text() + "\n".join(tls) + "\n")
        try:
            one.start()
            settings = {"tls": "yes", "tls_ca": certificates["ca.crt"], "tls_cert": certificates["client.crt"],
                        "tls_key": certificates["client.key"], "member": [f"db1 127.0.0.1:{port}", one.b.member]}
            assert one.probe("db1", **settings).state == "pass"
            untrusted = one.probe("db1", **{**settings, "tls_ca": certificates["other-ca.crt"]})
            assert outcome(untrusted) == ("config", "unknown", "tls") and "(tls_ca)" in untrusted.sentence
            name = one.probe("db1", **{**settings, "tls_server_name": "other.test"})
            assert outcome(name) == ("config", "unknown", "tls") and "(tls_server_name)" in name.sentence
            plain = one.probe("db1", **{**settings, "member": [one.a.member, one.b.member]})
            assert outcome(plain) == ("ok", "fail", "tls")  # it hangs up, as a dying server would
            assert one.probe("db1", **{**settings, "tls": "unverified", "tls_ca": None}).state == "pass"
            assert one.act("db1", "position", settings=settings).status == "ok"
        finally:
            one.stop()
