"""The postgres plugin against pairs of real servers."""
import contextlib
import pathlib
import pwd
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/plugins"))
import postgres_server  # noqa: E402
import servers  # noqa: E402
from plugin import Session, complaints  # noqa: E402
from postgres_server import Writer  # noqa: E402
from servers import wait_until  # noqa: E402

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

    def probe(self, server, timeout=3.0, **more):
        return self._call(server, "probe", timeout, "probe", CHECK, more)

    def act(self, server, verb, timeout=20.0, more=(), **about):
        about.setdefault("target", self.other(server).name)
        return self._call(server, verb, timeout, "act", ACT, dict(more), **about)

    def _call(self, server, verb, timeout, purpose, user, more, **about):
        settings = postgres_server.settings([self.db1, self.db2], server, **more)
        with Session("postgres", settings, purpose, host_name=server.name, user=user) as session:
            return session.call(verb, timeout, **about)


@contextlib.contextmanager
def running(template, **more):
    with servers.directory() as directory, postgres_server.pair(directory, template, **more) as (db1, db2):
        yield Pair(db1, db2)


@pytest.fixture
def pair(template):
    with running(template) as one:
        yield one


def test_probe_tells_primary_and_standby_apart(pair):
    primary, standby = pair.probe(pair.db1), pair.probe(pair.db2)
    assert (primary.status, primary.state, primary.role) == ("ok", "pass", "primary"), primary
    assert (standby.status, standby.state, standby.role) == ("ok", "pass", "replica"), standby


def test_planned_move_goes_through(pair):
    blocked = pair.act(pair.db1, "block_writes")
    assert blocked.status == "ok", blocked
    assert pair.db1.pid() is None
    about = {"planned": True, "position": blocked.position, "generation": 7}
    for verb in ("can_promote", "drain", "promote"):
        answer = pair.act(pair.db2, verb, **about)
        assert answer.status == "ok", answer
    assert pair.db2.is_primary()
    assert pair.db2.sql("SELECT generation, node FROM baton_generation") == "7|db2"
    demoted = pair.act(pair.db1, "demote")
    assert demoted.status == "ok", demoted
    assert not pair.db1.is_primary()
    pair.db2.wait_streaming_to(pair.db1)
