"""What the mysql module says of servers that are not well, or not to be asked; TLS and logins."""
import pathlib
import socket
import sys

import pymysql
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/plugins"))
import mysql_root  # noqa: E402
from galera_server import Galera  # noqa: E402
from mysql_pair import PairOf, move, outcome  # noqa: E402
from mysql_server import statements  # noqa: E402
from plugin import Session, call  # noqa: E402
from redis_server import Relay  # noqa: E402
from servers import Certificates, Raw, silent, wait_until  # noqa: E402


@pytest.fixture
def pair(tmp_path):
    with PairOf(tmp_path) as one:
        yield one.begin()


class Served:
    """A server, and the module that probes it in one of its modes."""

    def __init__(self, server, directory, settings, privilege=None):
        self.server, self.directory, self.settings, self.privilege = server, directory, settings, privilege

    @classmethod
    def followed(cls, server, directory, **more):
        (directory / "check").write_text("check-secret")
        return cls(server, directory, {"mode": "follow", "check_user": "baton_check", "check_password_file": directory / "check",
                                       "member": [f"{server.name} 127.0.0.1:{server.port}"]}, **more)

    def session(self, **changes):
        return Session("mysql", {**self.settings, **changes}, "probe", host_name=self.server.name)

    def probe(self, timeout=2.0, **changes):
        with self.session(**changes) as session:
            return session.call("probe", timeout)

    def members(self, port):
        """The server is there by another port."""
        return [f"{self.server.name} 127.0.0.1:{port}", *self.settings["member"][1:]]


@pytest.fixture(scope="module")
def galera():
    with Galera() as one:
        one.one.sql("CREATE USER 'baton_check'@'%' IDENTIFIED BY 'check-secret'")
        yield one


@pytest.fixture(scope="module")
def group():
    with mysql_root.root() as root, mysql_root.Group(root) as one:
        one.members[0].sql("CREATE DATABASE baton", *statements(mysql_root.CHECK_GRANTS))
        yield one


@pytest.fixture
def served(request, tmp_path):
    """A driven pair's primary, a node of Galera, the primary of a replication group: they share the code of connections, and
    each asks what the others do not."""
    if request.param == "pair":
        pair = request.getfixturevalue("pair")
        one = Served(pair.db1, tmp_path, pair.settings, ("REPLICA MONITOR ON *.*", "SLAVE MONITOR"))
    elif request.param == "galera":
        one = Served.followed(request.getfixturevalue("galera").one, tmp_path)  # which needs no privilege that could be lost
    else:
        group = request.getfixturevalue("group")
        wait_until(lambda: group.primary() is not None, 60)
        one = Served.followed(group.primary(), tmp_path, privilege=("SELECT ON performance_schema.*", "SELECT command denied"))
    wait_until(lambda: outcome(one.probe())[0] == "pass", 60)
    yield one
    one.server.thaw()
    one.server.sql("ALTER USER baton_check@'%' IDENTIFIED BY 'check-secret' ACCOUNT UNLOCK")


def in_modes(*modes):
    return pytest.mark.parametrize("served", modes, indirect=True)


ALL = in_modes("pair", "galera", "group")


@ALL
def test_wrong_password_is_no_dead_database(served):
    (served.directory / "wrong").write_text("wrong")
    answer = served.probe(check_password_file=served.directory / "wrong")
    assert outcome(answer) == ("unknown", "config", "auth") and "does not let in the user baton_check" in answer.sentence
    assert "wrong" not in answer.sentence.replace("wrong password", "")


@ALL
def test_locked_and_expired_accounts_are_auth(served):
    served.server.sql("ALTER USER baton_check@'%' ACCOUNT LOCK")
    assert outcome(served.probe()) == ("unknown", "config", "auth")
    served.server.sql("ALTER USER baton_check@'%' ACCOUNT UNLOCK", "ALTER USER baton_check@'%' PASSWORD EXPIRE")
    assert outcome(served.probe()) == ("unknown", "config", "auth")


@in_modes("pair", "group")
def test_lost_privilege_is_named(served):
    lost, named = served.privilege
    served.server.sql(f"REVOKE {lost} FROM baton_check@'%'")
    answer = served.probe()
    served.server.sql(f"GRANT {lost} TO baton_check@'%'")
    assert outcome(answer) == ("unknown", "config", "privilege") and named in answer.sentence, answer
    assert served.probe().state == "pass"


def test_lost_privilege_to_drive_is_named(pair):
    pair.db1.sql("REVOKE READ_ONLY ADMIN ON *.* FROM baton_drive@'%'")
    answer = pair.act("db1", "block_writes")
    assert (answer.status, answer.facts["cause"]) == ("config", "privilege") and pair.db1.value("SELECT @@read_only") == 0


def test_nobody_listens(pair):
    pair.db1.kill()
    assert outcome(pair.probe("db1")) == ("fail", "ok", "refused")
    assert outcome(pair.probe("db1", socket=pair.db1.home / "nothing")) == ("fail", "ok", "refused")


@ALL
def test_frozen_server_is_hung_within_the_time(served):
    served.server.freeze()
    answer = served.probe(timeout=0.6)
    served.server.thaw()
    assert outcome(answer) == ("fail", "transient", "hung") and answer.seconds < 0.6 and answer.role == "none", answer


def test_server_that_freezes_between_statements_is_hung(pair):
    with Session("mysql", pair.settings, "probe", host_name="db1") as session:
        assert session.call("probe", 2.0).state == "pass"
        with pair.db1.connect() as lock:
            with lock.cursor() as cursor:
                cursor.execute("LOCK TABLES baton.baton_generation WRITE")
            answer = session.call("probe", 0.8)
            assert outcome(answer)[0] == "fail" and answer.facts["cause"] in ("hung", "timeout") and answer.seconds < 0.8
        assert session.call("probe", 2.0).state == "pass"


@ALL
def test_connection_that_is_open_on_this_side_only_is_hung_in_time(served):
    relay = Relay(served.server.port)
    try:
        with served.session(member=served.members(relay.port)) as session:
            assert session.call("probe", 2.0).role == "primary"
            relay.hold()
            answer = session.call("probe", 0.8)
            assert outcome(answer)[0] == "fail" and answer.facts["cause"] in ("hung", "timeout") and answer.seconds < 0.8, answer
            relay.release()
            assert session.call("probe", 2.0).state == "pass"
    finally:
        relay.close()


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


@pytest.mark.parametrize("mode", ["drive", "follow"])
def test_server_that_says_nothing_is_hung_and_a_lost_network_a_timeout(mode):
    def probe(port):
        settings = {"mode": mode, "member": [f"host1 127.0.0.1:{port}", "host2 127.0.0.2"], "check_user": "c", "drive_user": "d",
                    "replication_user": "r", "connect_timeout": "300ms"}
        return call("mysql", "probe", settings, timeout=2.0)
    with Raw(silent) as server:
        answer = probe(server.port)
    assert outcome(answer) == ("fail", "transient", "hung") and answer.seconds < 0.5
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    held = [socket.socket() for _ in range(3)]
    for one in held:  # fill the backlog: the kernel answers no further attempt
        one.setblocking(False)
        one.connect_ex(full.getsockname())
    answer = probe(full.getsockname()[1])
    for one in held + [full]:
        one.close()
    assert outcome(answer) == ("fail", "transient", "timeout") and answer.seconds < 0.5
