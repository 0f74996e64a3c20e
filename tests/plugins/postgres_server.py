"""PostgreSQL servers for tests: real ones of Debian's postgresql-15, in directories of their own, run as the user postgres, on
loopback or in network namespaces. Never the cluster that the package may have made.

    with postgres_server.pair(directory) as (db1, db2):   # db1 the primary, db2 its standby
        settings = postgres_server.settings(db1, db2)
        ...

Each server has a baton-postgres-control beside it, which starts and stops it for the plugin."""
import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import psycopg2

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from servers import free_port, run, wait_until  # noqa: E402

BIN = pathlib.Path("/usr/lib/postgresql/15/bin")
ROOT = pathlib.Path(__file__).resolve().parents[2]
PLUGIN_DIR = pathlib.Path(os.environ.get("BATON_PLUGIN_DIR", ROOT / "build/release/lib/baton/plugins"))
CONTROL = PLUGIN_DIR.parents[2] / "bin/baton-postgres-control"
POSTGRES = pwd.getpwnam("postgres")

# Exactly what the manual tells an administrator to run; the test of the manual compares the two.
PRIVILEGES = [
    "CREATE ROLE baton_check LOGIN PASSWORD 'check-secret'",
    "GRANT pg_monitor TO baton_check",
    "CREATE ROLE baton_drive LOGIN PASSWORD 'drive-secret'",
    "GRANT pg_monitor, pg_checkpoint TO baton_drive",
    "GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer), pg_reload_conf() TO baton_drive",
    "GRANT ALTER SYSTEM ON PARAMETER primary_conninfo TO baton_drive",
    "CREATE ROLE baton_replication LOGIN REPLICATION PASSWORD 'replication-secret'",
    "CREATE TABLE public.baton_generation (one boolean PRIMARY KEY DEFAULT true CHECK (one), generation bigint NOT NULL, "
    "node text NOT NULL, at timestamptz NOT NULL)",
    "GRANT SELECT ON public.baton_generation TO baton_check",
    "GRANT SELECT, INSERT, UPDATE ON public.baton_generation TO baton_drive",
]
REWIND_PRIVILEGES = [
    "GRANT EXECUTE ON FUNCTION pg_ls_dir(text, boolean, boolean), pg_stat_file(text, boolean), pg_read_binary_file(text), "
    "pg_read_binary_file(text, bigint, bigint, boolean) TO baton_drive",
]
PASSWORDS = {"check": "check-secret", "drive": "drive-secret", "replication": "replication-secret"}

CONFIGURATION = """
listen_addresses = '{address}'
port = {port}
unix_socket_directories = '{directory}'
shared_buffers = 16MB
wal_level = replica
wal_log_hints = on
wal_keep_size = 64MB
hot_standby = on
wal_receiver_status_interval = 1s
wal_retrieve_retry_interval = 200ms
wal_sender_timeout = 4s
wal_receiver_timeout = 5s
logging_collector = off
log_min_messages = info
{more}
"""
HBA = """
local all postgres peer
local all all scram-sha-256
host all all all scram-sha-256
host replication baton_replication all scram-sha-256
"""


def as_postgres(*command, namespace=None, check=True, **options):
    words = [str(word) for word in command]
    if namespace:
        words = ["ip", "netns", "exec", namespace, "setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups",
                 *words]
        return subprocess.run(words, check=check, capture_output=True, text=True, cwd="/", **options)
    return subprocess.run(words, check=check, capture_output=True, text=True, cwd="/", user=POSTGRES.pw_uid,
                          group=POSTGRES.pw_gid, extra_groups=[], **options)


def make_template(directory):
    """A cluster with the roles and the table, cleanly shut down; servers are copies of it."""
    data = pathlib.Path(directory) / "template"
    data.mkdir()
    shutil.chown(data, "postgres", "postgres")
    as_postgres(BIN / "initdb", "-D", data, "-A", "peer", "--no-sync", "-E", "UTF8", "--locale", "C.UTF-8", "-U", "postgres",
                "--wal-segsize=1")  # small files: servers are made by copying
    statements = ["CREATE ROLE writer LOGIN PASSWORD 'writer'", "CREATE TABLE rows (n bigint PRIMARY KEY, filler text)",
                  "GRANT SELECT, INSERT ON rows TO writer", *PRIVILEGES, *REWIND_PRIVILEGES]
    as_postgres(BIN / "postgres", "--single", "-D", data, "postgres", input="\n".join(statements) + "\n")
    return data


class Server:
    def __init__(self, name, directory, template, address="127.0.0.1", port=None, namespace=None, more="", hba=HBA):
        self.name, self.address, self.namespace = name, address, namespace
        self.port = port or free_port()
        self.directory = pathlib.Path(directory) / name
        self.data = self.directory / "data"
        self.directory.mkdir()
        os.chmod(self.directory, 0o755)
        shutil.chown(self.directory, "postgres", "postgres")
        subprocess.run(["cp", "-a", str(template), str(self.data)], check=True)
        self.more = more
        (self.data / "postgresql.conf").write_text(
            CONFIGURATION.format(address=address, port=self.port, directory=self.directory, more=more))
        (self.data / "pg_hba.conf").write_text(hba)
        self.control_socket = self.directory / "control"
        self.helper = None

    # How it runs

    def pid(self):
        try:
            pid = int((self.data / "postmaster.pid").read_text().split()[0])
            return pid if "postgres" in pathlib.Path(f"/proc/{pid}/comm").read_text() else None
        except (OSError, ValueError, IndexError):
            return None

    def processes(self):
        """The postmaster and all its children."""
        pid = self.pid()
        if pid is None:
            return []
        return [pid] + [int(one) for one in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def start(self):
        """By the helper, which takes note of its end, too."""
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(str(self.control_socket))
            one.sendall(b"start 20000\n")
            answer = one.recv(500).decode().strip()
        if answer != "ok":
            raise RuntimeError(f"{self.name} does not start: {answer}\n" + (self.directory / "log").read_text()[-2000:])

    def stop(self, mode="fast"):
        as_postgres(BIN / "pg_ctl", "-D", self.data, "-w", "-m", mode, "stop", check=False)

    def kill(self):
        """As a power cut, but for the kernel's memory of files."""
        processes = self.processes()
        for pid in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # Until somebody has taken note of the postmaster's end: a server does not start beside its zombie.
        wait_until(lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in processes))

    def freeze(self):
        self.frozen = self.processes()
        for pid in self.frozen:
            os.kill(pid, signal.SIGSTOP)

    def thaw(self):
        for pid in getattr(self, "frozen", []):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self.frozen = []

    def start_helper(self):
        command = [str(CONTROL), "--socket", str(self.control_socket), "--data", str(self.data), "--bin", str(BIN), "--log",
                   str(self.directory / "log")]
        if self.namespace:
            command = ["ip", "netns", "exec", self.namespace, "setpriv", "--reuid", "postgres", "--regid", "postgres",
                       "--clear-groups", *command]
            self.helper = subprocess.Popen(command, cwd="/")
        else:
            self.helper = subprocess.Popen(command, cwd="/", user=POSTGRES.pw_uid, group=POSTGRES.pw_gid, extra_groups=[])
        def listens():
            try:
                with socket.socket(socket.AF_UNIX) as one:
                    one.connect(str(self.control_socket))
                return True
            except OSError:
                return False
        wait_until(listens)

    def end(self):
        self.thaw()
        if self.helper:
            self.helper.terminate()
            self.helper.wait()
        if self.pid():
            self.stop("immediate")

    # What it says

    def connect(self, user="postgres", password=None, timeout=2):
        # The socket: it works from any network namespace.
        one = psycopg2.connect(host=str(self.directory), port=self.port, user=user, password=password, dbname="postgres",
                               connect_timeout=timeout)
        one.autocommit = True
        return one

    def sql(self, statement, *values):
        """As the superuser, by the socket."""
        words = [BIN.parent.parent.parent.parent / "bin/psql", "-X", "-A", "-t", "-h", self.directory, "-p", self.port, "-d",
                 "postgres", "-v", "ON_ERROR_STOP=1", "-c", statement % values if values else statement]
        return as_postgres(*words).stdout.strip()

    def is_primary(self):
        return self.sql("SELECT NOT pg_is_in_recovery()") == "t"

    def rows(self):
        return {int(line) for line in self.sql("SELECT n FROM rows").split()}

    def position(self):
        return self.sql("SELECT pg_current_wal_lsn()")

    def wait_quiet(self):
        """Until nothing more is written by itself, as after a start, and the standby has it all."""
        self.sql("CHECKPOINT")
        seen = {}
        def quiet():
            seen[time.monotonic()] = self.position()
            everywhere = self.sql("SELECT bool_and(replay_lsn = pg_current_wal_lsn()) FROM pg_stat_replication")
            return everywhere == "t" and len(seen) > 5 and len(set(list(seen.values())[-5:])) == 1
        wait_until(quiet)

    def wait_ready(self, seconds=10):
        def ready():
            try:
                return self.sql("SELECT 1") == "1"
            except subprocess.CalledProcessError:
                return False
        wait_until(ready, seconds)

    def make_standby(self, upstream):
        (self.data / "standby.signal").touch()
        (self.data / "baton.pgpass").write_text(f"{upstream.address}:{upstream.port}:replication:baton_replication:"
                                                "replication-secret\n")
        for name in ("standby.signal", "baton.pgpass"):
            shutil.chown(self.data / name, "postgres", "postgres")
            os.chmod(self.data / name, 0o600)
        with (self.data / "postgresql.auto.conf").open("a") as file:
            file.write(f"primary_conninfo = 'host={upstream.address} port={upstream.port} user=baton_replication "
                       f"passfile=''{self.data}/baton.pgpass'' application_name={self.name}'\n")

    def wait_streaming_to(self, standby, seconds=10):
        wait_until(lambda: self.sql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND "
                                    f"application_name = '{standby.name}' AND replay_lsn = pg_current_wal_lsn()") == "1", seconds)


@contextlib.contextmanager
def pair(directory, template, namespaces=(None, None), addresses=("127.0.0.1", "127.0.0.1"), more="", hba=HBA, port=None):
    """db1, the primary, and db2, its standby, both running, each with its helper."""
    servers = [Server(name, directory, template, address, port, namespace, more, hba)
               for name, namespace, address in zip(("db1", "db2"), namespaces, addresses)]
    try:
        servers[1].make_standby(servers[0])
        for server in servers:
            server.start_helper()
            server.start()
        servers[0].wait_streaming_to(servers[1])
        yield servers
    except BaseException:
        for server in servers:
            if (server.directory / "log").exists():
                print(f"--- the log of {server.name}\n" + (server.directory / "log").read_text()[-3000:])
        raise
    finally:
        for server in servers:
            server.end()


def settings(servers, own, **more):
    """The [plugin] section on the host `own`."""
    secrets = own.directory.parent / "secrets"
    secrets.mkdir(exist_ok=True)
    for name, password in PASSWORDS.items():
        (secrets / name).write_text(password + "\n")
    return {"member": [f"{one.name} {one.address}:{one.port}" for one in servers], "check_password_file": secrets / "check",
            "drive_password_file": secrets / "drive", "replication_password_file": secrets / "replication",
            "control": "pg_ctl", "control_socket": own.control_socket, "data_directory": own.data, **more}


class Writer:
    """Inserts numbers one by one on the server that `where` names now, and remembers those that were acknowledged."""

    def __init__(self, where):
        self.where, self.acknowledged, self.tried, self.longest_gap = where, [], 0, 0.0
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        connection, server, last = None, None, time.monotonic()
        while not self.ending.is_set():
            try:
                if connection is None or server is not self.where():
                    server = self.where()
                    connection = server.connect("writer", "writer")
                self.tried += 1
                connection.cursor().execute("INSERT INTO rows VALUES (%s, repeat('x', 50))", (self.tried,))
                now = time.monotonic()
                self.acknowledged.append(self.tried)
                self.longest_gap, last = max(self.longest_gap, now - last), now
            except psycopg2.Error:
                connection = None
                self.ending.wait(0.005)

    def __enter__(self):
        self.thread.start()
        wait_until(lambda: len(self.acknowledged) > 20)
        return self

    def stop(self):
        self.ending.set()
        self.thread.join()

    def __exit__(self, *_):
        self.stop()
