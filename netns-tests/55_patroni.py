"""A Patroni cluster of two members whose store is one etcd on the client's side: the address is where the leader is that the store
confirms, wherever Patroni moves it, and nowhere else."""
import os
import signal
import time

import pytest

from lib import postgres, roles  # first: they know where the servers are
from lib.daemons import Service, plugin_dir
from lib.proc import hold, wait_until

from patroni_server import PatroniCluster  # noqa: E402

VIP = "10.77.0.50"
HOSTS = ("db1", "db2")


class Followed:
    """The cluster, led by db1, and Baton on both hosts."""

    def __init__(self, scene):
        self.scene, self.daemons = scene, {}
        etcd = roles.etcd_on(scene, "client")
        directory = os.path.join(scene.lab.directory, "patroni")
        os.makedirs(directory)
        places = [{"address": scene.lab.ip4(host), "port": postgres.PORT, "api": 8008, "namespace": scene.lab.namespace(host), "listen": "*"}
                  for host in HOSTS]
        self.cluster = PatroniCluster(directory, etcd.endpoints, HOSTS, places)
        scene.lab.undo.callback(self.cluster.__exit__)
        scene.daemons += [postgres.ServerLog(member, member.name) for member in self.cluster.members]
        self.cluster.__enter__()
        self.members = dict(zip(HOSTS, self.cluster.members))
        for statement in ("CREATE ROLE writer LOGIN PASSWORD 'writer'", "CREATE TABLE rows (n bigint PRIMARY KEY, filler text)",
                          "GRANT SELECT, INSERT ON rows TO writer"):
            self.members["db1"].sql(statement)
        sections = ["[plugin pg]", "module = patroni", "interval = 500ms", "timeout = 500ms", "stale_after = 20s"]
        sections += ["member = %s %s:8008" % (host, scene.lab.ip4(host)) for host in HOSTS]
        secret = os.path.join(scene.lab.directory, "api.password")
        with open(secret, "w", encoding="ascii") as file:
            file.write("api-secret\n")
        os.chmod(secret, 0o600)
        sections += ["api_user = baton", "api_password_file = " + secret]
        for host, priority in zip(HOSTS, (200, 100)):
            service = Service(priority=priority, extra=("promote = pg", "check = pg", "grant = follow"))
            self.daemons[host] = scene.daemon("baton", host, service, sections=sections, plugins=plugin_dir(),
                                              daemon_keys=roles.daemon_keys(scene)).start()
        self.serving("db1", 30)

    def serving(self, host, deadline):
        self.scene.wait_holder(host, VIP, deadline)
        assert self.members[host].is_primary()

    def stays_out(self, host, since):
        """The host is back and its server follows; it has the higher priority and may preempt, and has not had the address since then."""
        other = next(one for one in HOSTS if one != host)
        wait_until(lambda: postgres.runs_as_standby(self.members[host]) and self.members[host].get("/replica")[0] == 200, 90, host + " follows")
        self.cluster.wait_healthy(60)
        service = self.daemons[host].services[0]
        assert service.preempt and service.priority > self.daemons[other].services[0].priority
        wait_until(lambda: self.role(host) == ("pass", "no"), 20, "%s's check: %s, %s" % (host, *self.role(host)))
        self.scene.sole(other, seconds=3)
        assert not self.scene.owners.changes(VIP, host, since), self.scene.owners.changes(VIP, host, since)
        assert self.members[other].is_primary() and not postgres.takes_writes(self.members[host])

    def role(self, host):
        """(state, whether its server takes writes) as its check has it."""
        check = next((one for one in self.daemons[host].json("status").get("checks", []) if one["name"] == "pg"), {})
        return check.get("state"), ((check.get("latest") or {}).get("facts") or {}).get("writable")

    def same_rows(self):
        """After the writer's end: no host has a row that the other has not."""
        wait_until(lambda: self.members["db1"].rows() == self.members["db2"].rows(), 20, "the hosts have the same rows")

    def writer(self):
        return self._until_the_end(roles.Writer(self.scene.lab.namespace("client"), lambda timeout: postgres.Client(VIP, timeout)))

    def sampler(self):
        return self._until_the_end(roles.Sampler({host: postgres.Look(member) for host, member in self.members.items()}))

    def _until_the_end(self, thread):
        self.scene.lab.undo.callback(thread.stop)
        return thread


@pytest.mark.limit(120)
def test_the_address_follows_a_switchover_under_load_without_loss(scene):
    followed = Followed(scene)
    writer, sampler = followed.writer(), followed.sampler()
    writer.wait_more(200)
    began = time.monotonic()
    roles.hand_over(followed.daemons["db1"])
    followed.serving("db2", 40)
    writer.wait_more(200)
    acknowledged = writer.stop()
    sampler.stop()
    sampler.never_two()
    missing = set(acknowledged) - followed.members["db2"].rows()
    roles.measure("patroni planned", writer, began, len(missing))
    assert not missing


@pytest.mark.limit(300)
def test_a_crash_of_the_leader_moves_the_address_to_the_new_one_and_it_stays_there_when_the_old_one_returns(scene):
    followed = Followed(scene)
    writer, sampler = followed.writer(), followed.sampler()
    writer.wait_more(200)
    with postgres.Break(writer) as point:
        scene.faults.unplug("db1")
        followed.members["db1"].kill()
        followed.daemons["db1"].kill()
    followed.serving("db2", 80)
    writer.wait_more(50)
    returned = time.time()
    scene.faults.heal()
    followed.daemons["db1"].start().wait_ready()
    wait_until(lambda: followed.role("db1")[0] == "fail", 20, "nobody vouches for db1's server")
    hold(lambda: scene.owners.holders(VIP) == ["db2"], 3, "db1 does not take the address")
    followed.members["db1"].start()
    followed.stays_out("db1", returned)
    writer.wait_more(50)
    writer.stop()
    sampler.stop()
    sampler.never_two()
    point.judge("patroni crash", followed.members["db2"].rows())
    followed.same_rows()


@pytest.mark.limit(300)
def test_a_leader_that_its_store_does_not_confirm_loses_the_address_and_the_other_has_it_once_it_leads_and_keeps_it(scene):
    followed = Followed(scene)
    writer, sampler = followed.writer(), followed.sampler()
    writer.wait_more(100)
    with postgres.Break(writer) as point:
        scene.faults.cut("db1")
    followed.serving("db2", 80)
    writer.wait_more(50)
    assert not postgres.takes_writes(followed.members["db1"]) and not scene.lab.holds("db1", VIP)
    healed = time.time()
    scene.faults.heal()
    followed.stays_out("db1", healed)
    writer.wait_more(50)
    writer.stop()
    sampler.stop()
    sampler.never_two()
    both = scene.owners.spans(VIP, lambda holders: len(holders) > 1)
    assert not both, "both held the address for %.3f s" % (both[0][1] - both[0][0])
    point.judge("patroni cut off", followed.members["db2"].rows())
    followed.same_rows()


@pytest.mark.limit(120)
def test_without_patroni_nobody_vouches_for_the_server_and_the_address_leaves(scene):
    followed = Followed(scene)
    os.kill(followed.members["db1"].process.pid, signal.SIGSTOP)
    wait_until(lambda: "db1" not in scene.owners.holders(VIP), 30, "db1 does not hold the address")
    followed.serving("db2", 80)
    os.kill(followed.members["db1"].process.pid, signal.SIGCONT)
    # A Patroni that was stopped between its look at the store and its word to it takes the lead back. Whoever has it then
    # has the address, and the other follows.

    def one_leads():
        leaders = [host for host in HOSTS if postgres.takes_writes(followed.members[host])]
        follows = [host for host in HOSTS if postgres.runs_as_standby(followed.members[host])]
        return len(leaders) == 1 and len(follows) == 1 and scene.owners.holders(VIP) == leaders
    wait_until(one_leads, 40, "the address is where the only primary is")
