"""What the tests of PostgreSQL roles share: a client through the VIP that gives up in time, and a look at who takes writes."""
import contextlib
import select
import time

import psycopg2
import psycopg2.extensions as pg

from lib import roles

PORT = 5432
# In the log a row of a table with a primary key is three records (the row, its key, the commit), each with a header of 24 bytes.
WRITE_LEAST = 3 * 24


class Session:
    """One connection, by address or by the directory of a socket; whatever takes longer than `timeout` raises."""

    def __init__(self, host, timeout, port=PORT, user="writer", password="writer"):
        self.timeout = timeout
        self.connection = psycopg2.connect(host=host, port=port, user=user, password=password, dbname="postgres", async_=True)
        try:
            self._finish()
        except BaseException:
            self.close()
            raise

    def _finish(self):
        end = time.monotonic() + self.timeout
        while True:
            state = self.connection.poll()
            if state == pg.POLL_OK:
                return
            reading = [self.connection] if state == pg.POLL_READ else []
            writing = [self.connection] if state == pg.POLL_WRITE else []
            left = end - time.monotonic()
            if left <= 0 or not any(select.select(reading, writing, [], left)):
                raise TimeoutError("no answer within %.1f s" % self.timeout)

    def query(self, statement, *values):
        """The first value of the first row, if there is one."""
        cursor = self.connection.cursor()
        cursor.execute(statement, values)
        self._finish()
        return cursor.fetchone()[0] if cursor.description else None

    def close(self):
        with contextlib.suppress(psycopg2.Error):
            self.connection.close()


class Client:
    """What roles.Writer needs: each write is a row of its own, committed: number N as N + first."""

    def __init__(self, vip, timeout, first=0):
        self.session, self.first = Session(vip, timeout), first

    def write(self, number):
        self.session.query("INSERT INTO rows VALUES (%s, 'x')", self.first + number)

    def close(self):
        self.session.close()


class Look:
    """Whether a server takes writes, asked by its socket on a connection that is kept; leaves no trace in the data."""

    def __init__(self, server):
        self.server, self.session = server, None

    def __call__(self):
        try:
            if self.session is None:
                self.session = Session(str(self.server.directory), 0.3, port=self.server.port)
            return self.session.query("SELECT NOT pg_is_in_recovery()")
        except Exception:
            if self.session is not None:
                self.session.close()
            self.session = None
            raise


class Break:
    """A moment at which the old holder stops acknowledging: a crash, a cut cable."""

    def __init__(self, writer):
        self.writer, self.at = writer, time.monotonic()
        self.count = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.count = len(self.writer.acknowledged)  # nothing more comes from there

    def judge(self, what, present, baton=None):
        """After the writer's end, against what the new holder has: only the newest from before the break may be missing, none from
        after it. baton: the one that promoted, if one did; no more than it reported. What is missing; measured as `what`."""
        acknowledged = self.writer.acknowledged
        missing = roles.lost_tail(acknowledged[:self.count], present)
        later = [number for number in acknowledged[self.count:] if number not in present]
        roles.measure(what, self.writer, self.at, len(missing) + len(later))
        assert not later, "acknowledged by the new holder, and missing there: %s" % later
        if baton:
            roles.within_bound(baton, self.writer, missing, WRITE_LEAST)
        return missing


class ServerLog:
    """For the evidence of a test that fails, beside the daemons' logs."""

    def __init__(self, server, host):
        self.kind, self.host, self.path = server.__class__.__name__, host, server.directory / "log"

    def log(self):
        return self.path.read_text(errors="replace") if self.path.exists() else ""


def in_recovery(server):
    """What it answers; None if it does not."""
    try:
        session = Session(str(server.directory), 1.0, port=server.port)
    except Exception:
        return None
    try:
        return session.query("SELECT pg_is_in_recovery()")
    except Exception:
        return None
    finally:
        session.close()


def runs_as_standby(server):
    return in_recovery(server) is True


def takes_writes(server):
    return in_recovery(server) is False
