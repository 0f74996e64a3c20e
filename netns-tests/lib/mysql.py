"""What the tests of MySQL-family roles share: a client through the VIP, a look at who takes writes, and a pair of servers on two hosts
as the manual of the module sets it up."""
import contextlib
import os
import socket

import pymysql

from lib import roles  # first: it knows where the servers are
from lib.daemons import Service, plugin_dir
from lib.disks import Disk
from lib.proc import wait_until

import mysql_server  # noqa: E402
from mysql_server import MariaDB, numbers, statements  # noqa: E402

VIP = "10.77.0.50"
PORT = 3306
SHOP = ("CREATE DATABASE shop", "CREATE TABLE shop.orders (n BIGINT PRIMARY KEY) ENGINE=InnoDB",
        "CREATE USER app@'%' IDENTIFIED BY 'app-secret'", "GRANT SELECT, INSERT ON shop.* TO app@'%'")


def connection(family, address, timeout):
    """As the application's user. pymysql's own way to connect renders a traceback for each refusal, and Python 3.11 may not parse in
    two threads at once (pytest does, when it reports a failure)."""
    made = pymysql.connect(user="app", password="app-secret", autocommit=True, read_timeout=timeout, write_timeout=timeout, defer_connect=True)
    made._secure = family == socket.AF_UNIX  # what it would find out itself
    plug = socket.socket(family)
    try:
        plug.settimeout(min(timeout, 0.25))  # what waits for a second hides how long a move takes
        plug.connect(address)
        made.connect(plug)
    except BaseException:
        plug.close()
        raise
    return made


class Client:
    """One connection to the VIP; each write is a row of its own, committed."""

    def __init__(self, timeout):
        self.connection = connection(socket.AF_INET, (VIP, PORT), timeout)

    def write(self, number):
        with self.connection.cursor() as cursor:
            cursor.execute("INSERT INTO shop.orders (n) VALUES (%d)" % number)

    def close(self):
        with contextlib.suppress(pymysql.Error):  # closed already
            self.connection.close()


class Look:
    """Whether a server takes writes: as a client would, by its socket, and taken back. Leaves no trace in the data."""

    def __init__(self, server):
        self.server, self.connection = server, None

    def __call__(self):
        try:
            if self.connection is None:
                self.connection = connection(socket.AF_UNIX, self.server.socket, 1)
            with self.connection.cursor() as cursor:
                try:
                    cursor.execute("BEGIN")
                    cursor.execute("INSERT INTO shop.orders (n) VALUES (-1)")
                    return True
                finally:
                    cursor.execute("ROLLBACK")
        except Exception:
            if self.connection is not None and not self.connection.open:
                self.connection = None
            raise


def secrets(scene):
    """The files with the passwords of the manual's accounts, by user, and with the hosts' common key ("peer")."""
    found = {}
    for who, secret in (("check", "check-secret"), ("drive", "drive-secret"), ("repl", "repl-secret"), ("peer", "k" * 32)):
        found[who] = os.path.join(scene.lab.directory, who + ".secret")
        with open(found[who], "w", encoding="ascii") as file:
            file.write(secret + "\n")
        os.chmod(found[who], 0o600)
    return found


def daemon_on(scene, host, service, sections, known):
    return scene.daemon("baton", host, service, sections=sections, plugins=plugin_dir(),
                        daemon_keys=("log_level = debug", "peer_key_file = " + known["peer"]))


class ServerLog:
    """A database's log among the daemons', for whoever looks at a failure."""

    kind = "database"

    def __init__(self, server):
        self.host, self.server = server.name, server

    def log(self):
        try:
            return (self.server.home / "log").read_text(errors="replace")
        except OSError:
            return ""


class MariaDBs:
    """How MariaDB servers are made and first put together."""

    name, position, hold_back = "mariadb", "gtid_binlog_pos", "STOP SLAVE IO_THREAD"

    def __init__(self, options=()):
        self.options = options

    def server(self, lab, host, number):
        return MariaDB(host, number, namespace=lab.namespace(host), address="*", port=PORT, options=self.options)

    def join(self, one, other, address):
        one.sql(*statements(mysql_server.GRANTS), *SHOP)
        other.sql("CHANGE MASTER TO MASTER_HOST='%s', MASTER_PORT=%d, MASTER_USER='baton_repl', MASTER_PASSWORD='repl-secret', "
                  "MASTER_USE_GTID=slave_pos" % (address, PORT), "START SLAVE")

    def upstream(self, server):
        status = server.slave()
        return status.get("Master_Host"), status.get("Slave_IO_Running") == "Yes" and status.get("Slave_SQL_Running") == "Yes"


class OnDisks(MariaDBs):
    """The same, each with its data on a disk of its own."""

    def __init__(self, kind="tmpfs"):
        super().__init__()
        self.disk, self.disks = kind, {}

    def server(self, lab, host, number):
        made = super().server(lab, host, number)
        self.disks[host] = Disk(lab, made.datadir, self.disk)
        return made


class MySQLs:
    """The same for MySQL, in the given root."""

    name, position, hold_back = "mysql", "gtid_executed", "STOP REPLICA IO_THREAD"

    def __init__(self, root):
        self.root = root

    def server(self, lab, host, number):
        from mysql_root import MySQL
        return MySQL(self.root, host, number, namespace=lab.namespace(host), address=lab.ip4(host))

    def join(self, one, other, address):
        import mysql_root
        other.sql("SET GLOBAL super_read_only=1")
        one.sql(*statements(mysql_root.GRANTS + mysql_root.PAIR_GRANTS), *SHOP)
        other.sql("CHANGE REPLICATION SOURCE TO SOURCE_HOST='%s', SOURCE_PORT=%d, SOURCE_USER='baton_repl', SOURCE_PASSWORD='repl-secret', "
                  "SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1" % (address, PORT), "START REPLICA")

    def upstream(self, server):
        status = server.slave()
        return status.get("Source_Host"), status.get("Replica_IO_Running") == "Yes" and status.get("Replica_SQL_Running") == "Yes"


class Pair:
    """Two servers, Baton on both hosts, and the witness (if that grants) on the client's side."""

    def __init__(self, scene, kind, lines=(), section=(), grant="witness", sockets=True):
        """sockets: whether Baton's way to the local server is its socket."""
        self.scene, self.kind, self.grant, self.sockets, self.servers = scene, kind, grant, sockets, {}
        for number, host in enumerate(("db1", "db2"), 1):
            self.servers[host] = kind.server(scene.lab, host, number)
            scene.lab.undo.callback(self.servers[host].remove)
            scene.daemons.append(ServerLog(self.servers[host]))
            self.servers[host].launch()
        for server in self.servers.values():
            server.wait()
        one, other = self.servers.values()
        kind.join(one, other, scene.lab.ip4("db1"))
        wait_until(lambda: other.value("SELECT COUNT(*) FROM mysql.user WHERE user='app'") == 1, 20, "db2 has what db1 has")
        self.daemons = {}
        self.section, self.secrets = list(section), secrets(scene)
        extra = ["promote = db", "check = db", "grant = " + grant, "cooldown = 0", *lines]
        sections = self.plugin()
        if grant == "witness":
            roles.etcd_on(scene, "client")
            extra.append("witness = witness")
            sections += [""] + roles.etcd_section(scene, "client")
        for host, priority in (("db1", 200), ("db2", 100)):
            service = Service(priority=priority, extra=tuple(extra), preempt=False)
            self.daemons[host] = daemon_on(scene, host, service, sections, self.secrets)

    def plugin(self):
        lines = ["[plugin db]", "module = mysql", "interval = 400ms", "timeout = 380ms", "deadline = 20s", "settle = 200ms"]
        lines += ["member = %s %s:%d" % (host, self.scene.lab.ip4(host), PORT) for host in self.servers]
        lines += ["socket@%s = %s" % (host, server.socket) for host, server in self.servers.items() if self.sockets]
        for who, key in (("check", "check"), ("drive", "drive"), ("repl", "replication")):
            lines += ["%s_user = baton_%s" % (key, who), "%s_password_file = %s" % (key, self.secrets[who])]
        return lines + self.section

    def start(self):
        """db1 first, so that it becomes the holder."""
        self.daemons["db1"].start()
        if self.grant == "peer":
            wait_until(lambda: roles.data_of(self.daemons["db1"].wait_ready()).get("role") == "claiming", 30, "db1 wants the role")
            self.daemons["db2"].start()  # whose promise is needed
            self.serving("db1", 30)
        else:
            self.serving("db1", 30)
            self.daemons["db2"].start()
        self.follows("db2", "db1", 30)
        wait_until(lambda: roles.data_of(self.daemons["db2"].wait_ready()).get("role") == "standby", 20, "db2 is a standby")
        return self

    def serving(self, host, deadline=20.0):
        self.scene.wait_holder(host, VIP, deadline)
        assert Look(self.servers[host])(), "%s takes writes" % host

    def follows(self, host, other, deadline=30.0):
        wait_until(lambda: self.kind.upstream(self.servers[host]) == (self.scene.lab.ip4(other), True), deadline, "%s replicates from %s" % (host, other))

    def writer(self):
        return roles.Writer(self.scene.lab.namespace("client"), Client)

    def sampler(self):
        return roles.Sampler({host: Look(server) for host, server in self.servers.items()})

    def numbers(self, host):
        return numbers(self.servers[host])

    def crash(self, host):
        """As when its power is lost: Baton, the database and the link at once."""
        self.daemons[host].kill()
        self.servers[host].kill()
        self.scene.faults.unplug(host)

    def role(self, host):
        return roles.data_of(self.daemons[host]).get("role")


class Followed:
    """Servers of a cluster that elects for itself, by host, and Baton there, whose address follows."""

    def __init__(self, scene, cluster, servers):
        self.scene, self.servers, self.daemons = scene, servers, {}
        scene.daemons += [ServerLog(server) for server in servers.values()]
        known = secrets(scene)
        lines = ["[plugin db]", "module = mysql", "mode = follow", "cluster = " + cluster, "interval = 400ms", "timeout = 380ms",
                 "check_user = baton_check", "check_password_file = " + known["check"]]
        if cluster == "group_replication":
            lines += ["drive_user = baton_drive", "drive_password_file = " + known["drive"]]
        lines += ["member = %s %s:%d" % (host, scene.lab.ip4(host), PORT) for host in servers]
        lines += ["socket@%s = %s" % (host, server.socket) for host, server in servers.items()]
        for host, priority in zip(servers, (200, 150, 100)):
            service = Service(priority=priority, preempt=False, extra=("promote = db", "check = db", "grant = follow"))
            self.daemons[host] = daemon_on(scene, host, service, lines, known)

    def start(self, holder):
        self.daemons[holder].start()
        self.serving(holder, 30)
        for host in self.servers:
            if host != holder:
                self.daemons[host].start()
                self.daemons[host].wait_ready()
                wait_until(lambda: self.check(host).get("state") == "pass", 20, "the check of %s passes" % host)
        return self

    def check(self, host):
        return next((one for one in self.daemons[host].json("status")["checks"] if one["name"] == "db"), {})

    serving, writer, numbers, crash = Pair.serving, Pair.writer, Pair.numbers, Pair.crash
