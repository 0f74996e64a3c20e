"""Two Redis servers as the manual of the module `redis` sets them up, and the module on each host."""
import contextlib
import pathlib

import redis_server as rs
import servers
from plugin import Session
from redis_server import RedisServer
from servers import wait_until

PASSWORDS = (rs.CHECK_PASSWORD, rs.DRIVE_PASSWORD, rs.REPLICATION_PASSWORD)


class Pair:
    """db1 and db2 as the manual sets them up, and the module on each host."""

    def __init__(self, directory, **options):
        self.directory = pathlib.Path(directory)
        self.servers = {}
        for name in ("db1", "db2"):
            self.servers[name] = RedisServer(directory, name, **options)
        self.a, self.b = self.servers["db1"], self.servers["db2"]
        self.secrets = {}
        for name, text in (("check", rs.CHECK_PASSWORD), ("drive", rs.DRIVE_PASSWORD), ("wrong", "wrong")):
            self.secrets[name] = str(self.directory / f"{name}.password")
            pathlib.Path(self.secrets[name]).write_text(text + "\n")
        self.settings = {"member": [self.a.member, self.b.member], "username": rs.CHECK_USER,
                         "password_file": self.secrets["check"], "drive_username": rs.DRIVE_USER,
                         "drive_password_file": self.secrets["drive"]}
        self.said = []

    def start(self):
        for server in self.servers.values():
            server.start()
        return self

    def session(self, host, purpose, **more):
        settings = {key: value for key, value in {**self.settings, **more}.items() if value is not None}
        return Session("redis", settings, purpose, host_name=host)

    def probe(self, host, timeout=2.0, **more):
        with self.session(host, "probe", **more) as session:
            return self._note(session.call("probe", timeout))

    def act(self, host, verb, timeout=10.0, settings=None, **about):
        with self.session(host, "act", **(settings or {})) as session:
            return self._note(session.call(verb, timeout, **about))

    def _note(self, answer):
        self.said += [answer.sentence, *answer.refusals, *answer.facts.values(), *(text for _, text in answer.log)]
        return answer

    def ready(self):
        """db1 is the primary of generation 1, db2 its replica."""
        assert self.act("db1", "promote", generation=1, target="db2").status == "ok"
        assert self.act("db2", "demote", target="db1").status == "ok"
        self.a.command("SET", "first", "1")
        wait_until(lambda: "first" in self.b.keys())
        return self

    def writable(self):
        return [name for name, server in self.servers.items() if server.role() == "master"]

    def primary_port(self):
        """Where clients go: to the one that takes writes, as the address would."""
        for server in self.servers.values():
            with contextlib.suppress(Exception):
                if server.role() == "master":
                    return "127.0.0.1", server.port
        return None

    def stop(self):
        for server in self.servers.values():
            server.kill()
        assert not [text for text in self.said for password in PASSWORDS if password in text]


@contextlib.contextmanager
def pair_of(**options):
    with servers.directory() as directory:
        one = Pair(directory, **options)
        try:
            yield one.start()
        finally:
            one.stop()


def outcome(answer):
    return answer.status, answer.state, answer.facts.get("cause")


def break_snapshots(server):
    """A directory stands where the snapshot should go."""
    with contextlib.suppress(FileNotFoundError):
        (server.directory / "dump.rdb").unlink()
    (server.directory / "dump.rdb").mkdir()
    (server.directory / "dump.rdb" / "x").write_text("")
    wait_until(lambda: server.info()["aof_rewrite_in_progress"] == "0")
    server.command("BGSAVE")
    wait_until(lambda: server.info()["rdb_bgsave_in_progress"] == "0")


def refused(answer, *words):
    assert answer.status == "refused", answer
    assert [reason for reason in answer.refusals if all(word in reason for word in words)], answer.refusals
