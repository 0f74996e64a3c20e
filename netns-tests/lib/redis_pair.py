"""A Redis pair as the manual sets it up, with Baton on both hosts and a witness on the client's side."""
import os
import time

from lib import roles  # first: it knows where the servers are
from lib.daemons import Service, plugin_dir
from lib.proc import wait_until

import redis_server as rs  # noqa: E402

VIP = "10.77.0.50"
PORT = 6379
# In the stream of replication: *3 $3 SET $3 n:1 $1 x, each with a line end of two bytes.
WRITE_LEAST = 4 + 4 + 5 + 4 + 5 + 4 + 3


class Client:
    """One connection to the VIP; n:NUMBER is what it writes."""

    def __init__(self, timeout):
        self.connection = rs.Connection(VIP, PORT, timeout)

    def write(self, number):
        self.connection.command("SET", "n:%d" % number, "x")

    def close(self):
        self.connection.close()


def writable(server):
    """Whether it takes a write, by its local socket. One that makes writers wait does not. The key does not exist, so that nothing is
    changed: a look must not be what makes the data of two hosts differ."""
    try:
        with server.local() as connection:
            connection.socket.settimeout(0.3)
            return connection.command("DEL", "sampler") == 0
    except (OSError, rs.RedisError):
        return False


class RedisPair:
    """Two servers as the manual sets them up, Baton on both hosts, and the witness on the client's side."""

    def __init__(self, scene, grant="witness", lines=(), options=(), promote=("redis",), sections=(), section=(), interval_ms=100, witness_port=roles.WITNESS_PORT, peers=False):
        """promote: the row of sections; sections: lines of those among them that are not Redis; section: further lines of Redis' own; peers: the stewards talk."""
        self.scene, self.servers, self.grant = scene, {}, grant
        directory = os.path.join(scene.lab.directory, "redis")
        os.makedirs(directory)
        os.chmod(scene.lab.directory, 0o755)
        for host in ("db1", "db2"):
            self.servers[host] = rs.RedisServer(directory, host, address=scene.lab.ip4(host), port=PORT, namespace=scene.lab.namespace(host),
                                                options=("bind * -::*", "protected-mode no", *options))
            scene.lab.undo.callback(self.servers[host].stop)
            self.servers[host].start()
        # As an administrator has them when Baton is installed: a primary with its replica.
        self.servers["db1"].command("REPLICAOF", "NO", "ONE")
        self.servers["db2"].command("REPLICAOF", scene.lab.ip4("db1"), PORT)
        wait_until(self.servers["db2"].linked, 10, "db2 replicates from db1")
        secrets = {}
        for name, text in (("check", rs.CHECK_PASSWORD), ("drive", rs.DRIVE_PASSWORD)):
            secrets[name] = os.path.join(scene.lab.directory, name + ".password")
            with open(secrets[name], "w", encoding="ascii") as file:
                file.write(text + "\n")
            os.chmod(secrets[name], 0o600)
        sections = [*sections, "", "[plugin redis]", "module = redis", "interval = 200ms", "timeout = 180ms", "deadline = 20s",
                    "link_silence = 2s", "link_timeout = 5s"]
        sections += ["member = %s %s:%d" % (host, scene.lab.ip4(host), PORT) for host in ("db1", "db2")]
        sections += [*section, "username = " + rs.CHECK_USER, "password_file = " + secrets["check"], "drive_username = " + rs.DRIVE_USER,
                     "drive_password_file = " + secrets["drive"]]
        extra = ["promote = " + name for name in promote] + ["check = redis", "grant = " + grant, "cooldown = 0", *lines]
        if grant == "witness":
            self.witness = roles.etcd_on(scene, "client")
            sections += [""] + roles.etcd_section(scene, "client", port=witness_port)
            extra.append("witness = witness")
        self.daemons = {}
        for host, priority in (("db1", 200), ("db2", 100)):
            service = Service(priority=priority, extra=tuple(extra), preempt=False, interval_ms=interval_ms)
            self.daemons[host] = scene.daemon("baton", host, service, sections=sections, plugins=plugin_dir(),
                                              daemon_keys=roles.daemon_keys(scene) if peers else ("log_level = debug",))

    def start(self, first="db1"):
        """Both hosts; `first` becomes the holder."""
        other = "db2" if first == "db1" else "db1"
        self.daemons[first].start()
        if self.grant == "peer":
            self.daemons[other].start()  # its promise is needed
            self.serving(first, 20)
        else:
            self.serving(first, 20)
            self.daemons[other].start()
        wait_until(lambda: self.servers[other].linked() and roles.data_of(self.daemons[other].wait_ready()).get("role") == "standby", 20,
                   "%s replicates from %s" % (other, first))
        return self

    def serving(self, host, deadline=15.0):
        self.scene.wait_holder(host, VIP, deadline)
        assert self.servers[host].role() == "master"

    def writer(self):
        return self.until_the_end(roles.Writer(self.scene.lab.namespace("client"), Client))

    def sampler(self):
        return self.until_the_end(roles.Sampler({host: lambda server=server: writable(server) for host, server in self.servers.items()}))

    def until_the_end(self, thread):
        """Whatever becomes of the test, it does not outlive it."""
        self.scene.lab.undo.callback(thread.stop)
        return thread

    def numbers(self, host):
        return {int(key[2:]) for key in self.servers[host].keys() if key.startswith("n:")}

    def lose(self, host):
        """The host and all that is on it; the moment after which it acknowledges nothing more."""
        self.scene.faults.unplug(host)
        moment = time.time()
        self.daemons[host].kill()
        self.servers[host].kill()
        return moment

    def nothing_lost(self, writer, sampler, host):
        """At the end: never two were writable, and every acknowledged write is on `host`."""
        acknowledged = set(writer.stop())
        sampler.stop()
        sampler.never_two()
        missing = acknowledged - self.numbers(host)
        assert not missing, sorted(missing)[:20]

    def lost(self, writer, host, since):
        """After a crash at `since` (time of day): what was acknowledged and is not on `host`, which took over: the newest, and no more
        than it said."""
        acknowledged = writer.stop()
        old = [number for number in acknowledged if writer.at[number] <= since + 0.2]  # nobody takes over so soon
        present = self.numbers(host)
        missing = roles.lost_tail(old, present)
        assert set(acknowledged) - set(old) <= present, "what the new holder acknowledged is there"
        roles.within_bound(self.daemons[host], writer, missing, WRITE_LEAST)
        return missing


def calm_pair(scene, **options):
    """Its adverts are slow: a machine that is busy for a moment moves nothing."""
    return RedisPair(scene, interval_ms=300, **options)
