"""PostgreSQL pairs: the address appears only where the primary is, a planned move loses nothing, a crash only the newest tail, and a
host that comes back with a log of its own stays out and keeps it."""
import os
import signal
import time

import pytest

from lib import postgres, roles
from lib.daemons import BATON_BIN, Service, plugin_dir
from lib.proc import hold, wait_until

import postgres_server as ps  # noqa: E402
import servers  # noqa: E402

VIP = "10.77.0.50"
HOSTS = ("db1", "db2")
# Clients come by any address; what is lost is what the kernel has not got, so nothing has to wait for the disk.
SERVER = "listen_addresses = '*'\nfsync = off\nwal_receiver_status_interval = 1s\n"


@pytest.fixture(scope="module")
def template():
    with servers.directory() as directory:
        yield ps.make_template(directory)


class Pair:
    """Two servers as the manual sets them up, Baton on both hosts, and the witness on the client's side."""

    def __init__(self, scene, template, settings=(), lines=(), server=""):
        self.scene, self.servers, self.daemons, self.helpers = scene, {}, {}, []
        ps.CONTROL = os.path.join(BATON_BIN, "baton-postgres-control")
        directory = os.path.join(scene.lab.directory, "postgres")
        os.makedirs(directory)
        for host in HOSTS:
            self.servers[host] = ps.Server(host, directory, template, address=scene.lab.ip4(host), port=postgres.PORT,
                                           namespace=scene.lab.namespace(host), more=SERVER + server)
            scene.lab.undo.callback(self.servers[host].end)
        # As an administrator has them when Baton is installed: a primary with its standby.
        self.servers["db2"].make_standby(self.servers["db1"])
        for one in self.servers.values():
            one.start_helper()
            one.start()
        self.servers["db1"].wait_streaming_to(self.servers["db2"], 20)
        self.witness = roles.etcd_on(scene, "client")
        key = self.secret("peer.key", "k" * 64)
        extra = ("promote = pg", "check = pg", "grant = witness", "witness = witness", "cooldown = 0", *lines)
        for host, priority in zip(HOSTS, (200, 100)):
            service = Service(priority=priority, extra=extra, preempt=False)
            self.daemons[host] = scene.daemon("baton", host, service, sections=self.sections(host, settings), plugins=plugin_dir(),
                                              daemon_keys=("log_level = debug", "peer_key_file = " + key))

    def secret(self, name, text):
        path = os.path.join(self.scene.lab.directory, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text + "\n")
        os.chmod(path, 0o600)
        return path

    def sections(self, host, settings):
        wanted = {"interval": "500ms", "timeout": "500ms", "deadline": "30s", "link_fresh": "2s"}
        for name, value in ps.settings(list(self.servers.values()), self.servers[host]).items():
            wanted[name] = value
            if name.endswith("password_file"):
                os.chmod(value, 0o600)
        wanted.update(settings)
        lines = ["[plugin pg]", "module = postgres"]
        for name, value in wanted.items():
            lines += ["%s = %s" % (name, one) for one in (value if isinstance(value, list) else [value])]
        return lines + [""] + roles.etcd_section(self.scene, "client")

    def start(self):
        """Both hosts; db1 becomes the holder."""
        self.daemons["db1"].start()
        self.serving("db1", 40)
        self.daemons["db2"].start()
        self.standby("db2")
        return self

    def serving(self, host, deadline):
        self.scene.wait_holder(host, VIP, deadline)
        assert self.servers[host].is_primary()

    def role(self, host):
        return roles.data_of(self.daemons[host].wait_ready()).get("role")

    def streams(self, host, upstream):
        return self.servers[host].sql("SELECT status || ' ' || sender_host FROM pg_stat_wal_receiver") == "streaming " + self.scene.lab.ip4(upstream)

    def standby(self, host, deadline=30):
        other = HOSTS[1 - HOSTS.index(host)]
        wait_until(lambda: self.streams(host, other) and self.role(host) == "standby", deadline, "%s streams from %s" % (host, other), every=0.1)

    def writer(self):
        return roles.Writer(self.scene.lab.namespace("client"), lambda timeout: postgres.Client(VIP, timeout))

    def sampler(self):
        return roles.Sampler({host: postgres.Look(server) for host, server in self.servers.items()})

    def crash(self, host):
        """All of the host at once, and its link."""
        began = time.monotonic()
        self.scene.faults.unplug(host)
        self.daemons[host].signal(signal.SIGSTOP)
        for pid in self.servers[host].processes():
            os.kill(pid, signal.SIGKILL)
        self.daemons[host].kill()
        return began

    def lost_bound(self, host):
        """How many writes may be missing by what Baton on `host`, the new holder, reported; None: it reported nothing."""
        return None


@pytest.mark.limit(120)
def test_a_planned_move_under_load_loses_no_acknowledged_write_and_the_old_primary_streams_without_a_rewind(scene, template):
    pair = Pair(scene, template).start()
    assert (pair.role("db1"), roles.data_of(pair.daemons["db1"])["generation"]) == ("active", 1)
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(200)
    began = time.monotonic()
    roles.move_away(pair.daemons["db1"])
    pair.serving("db2", 40)
    took = time.monotonic() - began
    writer.wait_more(200)
    pair.standby("db1")
    acknowledged = writer.stop()
    sampler.stop()
    sampler.never_two()
    missing = set(acknowledged) - pair.servers["db2"].rows()
    postgres.report("planned", writer, took, len(missing))
    assert not missing
    assert roles.data_of(pair.daemons["db2"])["generation"] == 2
    wait_until(lambda: roles.data_of(pair.daemons["db1"]).get("dirty") is False, 20, "db1 is clean")
    pair.servers["db2"].wait_streaming_to(pair.servers["db1"])
    assert pair.servers["db1"].rows() == pair.servers["db2"].rows()
