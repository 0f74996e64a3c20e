"""MySQL 9.7 for tests, which Debian 12 does not have: servers in a root of Debian's development branch, made by mmdebstrap.

BATON_MYSQL_ROOT names one that is there already; else one is made in /var/lib/baton-tests, and kept. Where none can be had,
root() skips and prints why."""
import contextlib
import fcntl
import os
import pathlib
import shutil
import subprocess
import tempfile
import uuid

import places
import pymysql
import pytest
from mysql_server import MariaDB
from servers import free_port, wait_until

CHECK_GRANTS = """\
CREATE USER 'baton_check'@'%' IDENTIFIED BY 'check-secret';
GRANT REPLICATION CLIENT ON *.* TO 'baton_check'@'%';
GRANT SELECT ON performance_schema.* TO 'baton_check'@'%';
GRANT SELECT ON baton.* TO 'baton_check'@'%';
"""
DRIVE_GRANTS = """\
CREATE USER 'baton_drive'@'%' IDENTIFIED BY 'drive-secret';
GRANT REPLICATION CLIENT, RELOAD, PROCESS ON *.* TO 'baton_drive'@'%';
GRANT REPLICATION_SLAVE_ADMIN, SYSTEM_VARIABLES_ADMIN, CONNECTION_ADMIN ON *.* TO 'baton_drive'@'%';
GRANT SELECT ON performance_schema.* TO 'baton_drive'@'%';
GRANT SELECT, INSERT, UPDATE, CREATE ON baton.* TO 'baton_drive'@'%';
"""
REPLICATION_GRANTS = """\
CREATE USER 'baton_repl'@'%' IDENTIFIED BY 'repl-secret';
GRANT REPLICATION SLAVE ON *.* TO 'baton_repl'@'%';
"""
GROUP_GRANTS = """\
GRANT GROUP_REPLICATION_ADMIN ON *.* TO 'baton_drive'@'%';
"""
PAIR_GRANTS = """\
GRANT SYSTEM_USER ON *.* TO 'baton_drive'@'%';
"""
GRANTS = "CREATE DATABASE baton;\n" + CHECK_GRANTS + DRIVE_GRANTS + REPLICATION_GRANTS


def mirror():
    """The one that this machine's own apt uses."""
    for path in sorted(pathlib.Path("/etc/apt").glob("sources.list*")) + sorted(pathlib.Path("/etc/apt/sources.list.d").glob("*")):
        if path.is_file():
            for word in path.read_text().split():
                if word.startswith("http") and word.rstrip("/").endswith("/debian"):
                    return word
    return "http://deb.debian.org/debian"


KEPT = places.COPIES / "mysql-root"


def make(directory):
    """A root with MySQL and an empty data directory in var/tmp/template."""
    made = subprocess.run(
        ["mmdebstrap", "--mode=root", "--variant=apt", "--quiet", "--aptopt=Acquire::Check-Valid-Until \"false\"",
         "--include=mysql-server-core,mysql-client-core", "sid", directory,
         f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {mirror()} sid main"],
        capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if made.returncode != 0:
        print(f"no MySQL: {made.stderr[-500:]}")
        pytest.skip(f"no root with MySQL can be made: {made.stderr.strip().splitlines()[-1:]}")


def initialize(directory):
    if not (pathlib.Path(directory) / "var/tmp/template").exists():
        subprocess.run(["chroot", directory, "mysqld", "--no-defaults", "--user=root", "--initialize-insecure",
                        "--datadir=/var/tmp/template"], check=True, capture_output=True)


@contextlib.contextmanager
def root():
    """A directory with MySQL and an empty data directory in var/tmp/template. Made once, and kept like what is built."""
    given = os.environ.get("BATON_MYSQL_ROOT")
    KEPT.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with open(KEPT.parent / ".mysql-root.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test runs begin at once
        if given:
            initialize(given)
        elif not KEPT.exists():
            fresh = tempfile.mkdtemp(prefix=".mysql-root-", dir=KEPT.parent)
            try:
                make(fresh)
                initialize(fresh)
                os.chmod(fresh, 0o755)
                os.rename(fresh, KEPT)
            finally:
                subprocess.run(["rm", "-rf", "--one-file-system", fresh], check=False)
    yield pathlib.Path(given or KEPT)


class MySQL(MariaDB):
    """A server of the given root, on loopback or in a network namespace, where `address` is its own."""

    def __init__(self, root, name, server_id, options=(), namespace=None, address="127.0.0.1", port=None):
        self.root, self.name, self.server_id, self.namespace, self.address = root, name, server_id, namespace, address
        self.port, self.options, self.process = port or (3306 if namespace else free_port()), list(options), None
        self.home = pathlib.Path(tempfile.mkdtemp(prefix=f"baton-{name}-", dir=root / "var/tmp"))
        self.home.chmod(0o755)
        self.inside = "/" + str(self.home.relative_to(root))
        self.datadir, self.socket = self.home / "data", str(self.home / "sock")
        shutil.copytree(root / "var/tmp/template", self.datadir)
        (self.home / "cnf").write_text("")  # with --no-defaults what was persisted would not be read either
        (self.datadir / "auto.cnf").unlink()  # each server makes its own server_uuid

    def command(self):
        inside = ["ip", "netns", "exec", self.namespace] if self.namespace else []
        bind = "*" if self.namespace else self.address
        return inside + ["chroot", str(self.root), "mysqld", f"--defaults-file={self.inside}/cnf", "--user=root", "--secure-file-priv=",
                f"--datadir={self.inside}/data", f"--socket={self.inside}/sock", f"--pid-file={self.inside}/pid",
                f"--port={self.port}", f"--bind-address={bind}", f"--server-id={self.server_id}", "--mysqlx=OFF",
                "--log-bin=binlog", "--relay-log=relay", "--gtid-mode=ON", "--enforce-gtid-consistency=ON",
                f"--report-host={self.address}", f"--report-port={self.port}", "--innodb-buffer-pool-size=32M",
                "--skip-name-resolve", "--replica-net-timeout=5", *self.options]

    def slave(self):
        with contextlib.closing(self.connect(cursorclass=pymysql.cursors.DictCursor)) as connection:
            with connection.cursor() as cursor:
                cursor.execute("SHOW REPLICA STATUS")
                return (cursor.fetchall() or [{}])[0]


class Group:
    """Three members in single-primary mode; the first is the primary. places: (namespace, address) of each."""

    def __init__(self, root, places=((None, "127.0.0.1"),) * 3):
        own = [f"{address}:{free_port()}" for _, address in places]
        seeds = ",".join(own)
        name = str(uuid.uuid4())
        self.members = [MySQL(root, f"db{i + 1}", i + 1, namespace=places[i][0], address=places[i][1], options=[
            "--plugin-load-add=group_replication.so", f"--loose-group-replication-group-name={name}",
            f"--loose-group-replication-local-address={own[i]}",
            f"--loose-group-replication-group-seeds={seeds}", "--loose-group-replication-start-on-boot=OFF",
            "--loose-group-replication-bootstrap-group=OFF", "--loose-group-replication-recovery-get-public-key=ON",
            "--loose-group-replication-member-expel-timeout=0",
            "--loose-group-replication-consistency=BEFORE_ON_PRIMARY_FAILOVER"]) for i in range(3)]

    def __enter__(self):
        try:
            for one in self.members:
                one.start()
                one.sql("SET sql_log_bin=0", "CREATE USER repl@'%' IDENTIFIED BY 'repl'",
                        "GRANT REPLICATION SLAVE, BACKUP_ADMIN, CONNECTION_ADMIN, GROUP_REPLICATION_STREAM ON *.* TO repl@'%'",
                        "CHANGE REPLICATION SOURCE TO SOURCE_USER='repl', SOURCE_PASSWORD='repl' FOR CHANNEL "
                        "'group_replication_recovery'")
            first, *others = self.members
            first.sql("SET GLOBAL group_replication_bootstrap_group=ON", "START GROUP_REPLICATION",
                      "SET GLOBAL group_replication_bootstrap_group=OFF")
            for one in others:
                one.sql("START GROUP_REPLICATION")
            wait_until(lambda: self.online(first) == 3, 60)
        except BaseException:
            self.__exit__()
            raise
        return self

    def online(self, member):
        return member.value("SELECT COUNT(*) FROM performance_schema.replication_group_members WHERE MEMBER_STATE='ONLINE'")

    def primary(self):
        for one in self.members:
            if one.process.poll() is None:
                rows = one.sql("SELECT MEMBER_HOST, MEMBER_PORT FROM performance_schema.replication_group_members WHERE "
                               "MEMBER_ROLE='PRIMARY' AND MEMBER_STATE='ONLINE'")
                for other in self.members:
                    if rows and rows[0] == (other.address, other.port):
                        return other
        return None

    def __exit__(self, *_):
        for one in self.members:
            one.remove()
