"""The mysql module with pairs of MariaDB servers, driven with exactly the privileges of its manual."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/plugins"))
import mysql_server  # noqa: E402
from mysql_server import MariaDB, Writer, numbers, statements  # noqa: E402
from plugin import Session, call, complaints  # noqa: E402
from servers import wait_until  # noqa: E402

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
        self.db1.start()
        self.db2.start()
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
        wait_until(lambda: all(one.value("SELECT @@gtid_binlog_pos") == want for one in (self.db1, self.db2)), 20)

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
