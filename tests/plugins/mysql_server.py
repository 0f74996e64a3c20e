"""MariaDB servers for tests: each in its own directory, on loopback or in a network namespace, ended by process id.

    with MariaDB("db1", server_id=1) as one:
        one.sql("CREATE DATABASE shop")

MySQL (from a root made by mmdebstrap) is in mysql_root.py."""
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import pymysql
from servers import free_port, wait_until

# What the manual of the module says, to be run by an administrator on the server that is writable first.
CHECK_GRANTS = """\
CREATE USER 'baton_check'@'%' IDENTIFIED BY 'check-secret';
GRANT REPLICA MONITOR ON *.* TO 'baton_check'@'%';
GRANT SELECT ON baton.* TO 'baton_check'@'%';
"""
DRIVE_GRANTS = """\
CREATE USER 'baton_drive'@'%' IDENTIFIED BY 'drive-secret';
GRANT REPLICATION SLAVE ADMIN, REPLICATION MASTER ADMIN, REPLICA MONITOR, BINLOG MONITOR, READ_ONLY ADMIN, RELOAD, CONNECTION ADMIN, PROCESS ON *.* TO 'baton_drive'@'%';
GRANT SELECT, INSERT, UPDATE, CREATE ON baton.* TO 'baton_drive'@'%';
"""
REPLICATION_GRANTS = """\
CREATE USER 'baton_repl'@'%' IDENTIFIED BY 'repl-secret';
GRANT REPLICATION SLAVE ON *.* TO 'baton_repl'@'%';
"""
GRANTS = "CREATE DATABASE baton;\n" + CHECK_GRANTS + DRIVE_GRANTS + REPLICATION_GRANTS


FAST = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # many small commits, each on disk before it is acknowledged


def statements(text):
    return [line.rstrip(";") for line in text.splitlines() if line.strip()]


class _Template:
    """An empty data directory, made once and copied."""
    directory = None

    @classmethod
    def get(cls):
        for tries_left in (2, 1, 0):  # mariadbd --bootstrap may crash (signal 11) where the machine is busy
            if cls.directory is not None:
                break
            directory = tempfile.TemporaryDirectory(prefix="baton-mariadb-")
            made = subprocess.run(["mariadb-install-db", "--no-defaults", f"--datadir={directory.name}/data", "--user=root",
                                   "--auth-root-authentication-method=normal", "--skip-test-db"], capture_output=True, text=True)
            if made.returncode == 0:
                cls.directory = directory
            elif not tries_left:
                raise RuntimeError(f"mariadb-install-db: {made.stdout[-2000:]}{made.stderr[-2000:]}")
        return pathlib.Path(cls.directory.name) / "data"


class MariaDB:
    def __init__(self, name, server_id, namespace=None, address="127.0.0.1", port=None, options=()):
        self.name, self.server_id, self.namespace, self.address = name, server_id, namespace, address
        self.port = port or (3306 if namespace else free_port())
        self.options = list(options)
        template = _Template.get()
        self.home = pathlib.Path(tempfile.mkdtemp(prefix=f"baton-{name}-", dir=FAST))
        self.home.chmod(0o755)
        self.datadir, self.socket = self.home / "data", str(self.home / "sock")
        shutil.copytree(template, self.datadir)
        self.process = None

    def command(self):
        inside = ["ip", "netns", "exec", self.namespace] if self.namespace else []
        return inside + ["mariadbd", "--no-defaults", "--user=root", f"--datadir={self.datadir}", f"--socket={self.socket}",
                         f"--port={self.port}", f"--bind-address={self.address}", f"--server-id={self.server_id}",
                         f"--pid-file={self.home}/pid", "--log-bin=binlog", "--relay-log=relay", "--log-slave-updates=1",
                         "--gtid-strict-mode=1", "--read-only=1", "--sync-binlog=1", "--skip-name-resolve",
                         "--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M", "--key-buffer-size=1M",
                         "--slave-net-timeout=5", *self.options]

    def start(self, *more):
        self.launch(*more)
        return self.wait()

    def launch(self, *more):
        log = open(self.home / "log", "ab")
        self.process = subprocess.Popen(self.command() + list(more), stdout=log, stderr=log, cwd=self.datadir)
        log.close()

    def wait(self):
        wait_until(self._answers, 30)
        return self

    def _answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name}: {(self.home / 'log').read_text()[-2000:]}")
        try:
            self.connect().close()
            return True
        except pymysql.Error:
            return False

    def stop(self):
        if self.process and self.process.poll() is None:
            self.thaw()
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def remove(self):
        if self.process and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.remove()

    def connect(self, user="root", password="", **options):
        return pymysql.connect(unix_socket=self.socket, user=user, password=password, autocommit=True,
                               **{"connect_timeout": 5, "read_timeout": 30, **options})

    def sql(self, *texts, user="root", password=""):
        """Runs statements; the rows of the last."""
        connection = self.connect(user, password)
        try:
            with connection.cursor() as cursor:
                for text in texts:
                    cursor.execute(text)
                return cursor.fetchall() if texts else ()
        finally:
            connection.close()

    def value(self, text):
        rows = self.sql(text)
        return rows[0][0] if rows else None

    def slave(self):
        connection = self.connect(cursorclass=pymysql.cursors.DictCursor)
        try:
            with connection.cursor() as cursor:
                cursor.execute("SHOW ALL SLAVES STATUS")
                return (cursor.fetchall() or [{}])[0]
        finally:
            connection.close()

    def restart(self, *more):
        self.stop()
        return self.start(*more)


class Writer:
    """Inserts numbers through `place()` (a server, or None) and records what was acknowledged."""

    def __init__(self, place, table="shop.orders", user="app", password="app-secret"):
        self.place, self.table, self.login = place, table, (user, password)
        self.acknowledged, self.errors, self.ended = [], [], False
        self.gap = 0.0
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def _run(self):
        number, connection, last = 0, None, time.monotonic()
        while not self.ended:
            number += 1
            try:
                if connection is None:
                    connection = self.place().connect(*self.login, connect_timeout=1, read_timeout=3)
                with connection.cursor() as cursor:
                    cursor.execute(f"INSERT INTO {self.table} (n) VALUES ({number})")
                self.acknowledged.append(number)
                now = time.monotonic()
                self.gap, last = max(self.gap, now - last), now
            except (pymysql.Error, OSError, AttributeError) as error:
                self.errors.append(error)
                with contextlib.suppress(Exception):
                    connection and connection.close()
                connection = None
                threading.Event().wait(0.002)

    def wait_for(self, count, seconds=20):
        begin = len(self.acknowledged)
        wait_until(lambda: len(self.acknowledged) >= begin + count, seconds)

    def __exit__(self, *_):
        self.ended = True
        self.thread.join(10)


def numbers(server, table="shop.orders"):
    return {row[0] for row in server.sql(f"SELECT n FROM {table}")}
