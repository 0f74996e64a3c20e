"""A pair of real PostgreSQL servers and the postgres plugin's verbs on each of its hosts, for the tests of that plugin."""
import contextlib
import pwd
import re

import postgres_server
import pytest
import servers
from plugin import Session

CHECK, ACT = pwd.getpwnam("baton-check"), pwd.getpwnam("postgres")


@pytest.fixture(scope="module")
def template():
    with servers.directory() as directory:
        yield postgres_server.make_template(directory)


class Pair:
    def __init__(self, db1, db2):
        self.db1, self.db2 = db1, db2

    def other(self, server):
        return self.db2 if server is self.db1 else self.db1

    def settings(self, server, **more):
        return postgres_server.settings([self.db1, self.db2], server, **more)

    def probe(self, server, timeout=3.0, **more):
        return self._call(server, "probe", timeout, "probe", CHECK, more)

    def act(self, server, verb, timeout=20.0, more=(), **about):
        about.setdefault("target", self.other(server).name)
        return self._call(server, verb, timeout, "act", ACT, dict(more), **about)

    def _call(self, server, verb, timeout, purpose, user, more, **about):
        with Session("postgres", self.settings(server, **more), purpose, host_name=server.name, user=user) as session:
            return session.call(verb, timeout, **about)

    def good(self, server, verb, **about):
        answer = self.act(server, verb, **about)
        assert answer.status == "ok", (answer, (server.directory / "log").read_text()[-2500:])
        return answer

    def primary_position(self):
        return self.act(self.db1, "position").position

    def receiver(self, standby):
        """The walreceiver's process."""
        return int(standby.sql("SELECT pid FROM pg_stat_wal_receiver"))


@contextlib.contextmanager
def running(template, **more):
    with servers.directory() as directory, postgres_server.pair(directory, template, **more) as (db1, db2):
        yield Pair(db1, db2)


@pytest.fixture
def pair(template):
    with running(template, more="fsync = off\n") as one:
        yield one


@pytest.fixture
def durable(template):
    """With every commit on the disk, for what is measured."""
    with running(template) as one:
        yield one


@pytest.fixture(scope="module")
def calm(template):
    """For tests that leave the pair as they found it."""
    with running(template) as one:
        yield one


def refused(answer, words):
    assert answer.status == "refused", answer
    assert any(re.search(words, reason) for reason in answer.refusals), answer.refusals


def planned_move(pair, generation=7, more=()):
    blocked = pair.act(pair.db1, "block_writes", planned=True, more=more)
    assert blocked.status == "ok", blocked
    about = {"planned": True, "position": blocked.position, "generation": generation, "more": more}
    for verb in ("can_promote", "drain", "promote"):
        answer = pair.act(pair.db2, verb, **about)
        assert answer.status == "ok", answer
    demoted = pair.act(pair.db1, "demote", more=more)
    assert demoted.status == "ok" and demoted.facts["upstream"] == f"127.0.0.1:{pair.db2.port}", demoted
    return answer
