"""A pair of MariaDB servers with the accounts of the mysql module's manual, for its tests and those of whole hosts."""
import pathlib

import mysql_server
from mysql_server import MariaDB, numbers, statements
from plugin import Session
from servers import wait_until

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


def refusal(pair, host="db2", **about):
    answer = pair.act(host, "can_promote", **{"target": "db1", **about})
    assert answer.status == "refused", answer
    promoted = pair.act(host, "promote", generation=2, **{"target": "db1", **about})
    assert promoted.status == "refused" and pair.db2.value("SELECT @@read_only") == 1, promoted
    return "\n".join(answer.refusals)


def outcome(answer):
    return answer.state, answer.status, answer.facts.get("cause")
