"""Redis under Sentinel, a Sentinel on each host and one on the client's side: the address is where the primary is that a majority names,
wherever they move it, and nowhere else."""
import os
import time

import pytest

from lib import proc, roles  # first: it knows where the servers are
from lib.daemons import Service, plugin_dir
from lib.proc import hold, wait_until
from lib.redis_pair import PORT, VIP, Client, writable

import redis_server as rs
os.environ.setdefault("BATON_PLUGIN_DIR", plugin_dir())

HOSTS = ("db1", "db2")
SENTINEL_PORT = 26379
# Redis acknowledges before the replica has it, and no module can bound what a crash loses (Baton promotes nothing here and reports nothing). What these
# tests may lose is bounded by how they write: the answer to a client and the stream to the replica leave in the same turn of the server's loop, and
# the break takes both wires at once. So a writer that waits for each answer may have one write acknowledged that is on no wire to the replica.
# More are lost only while a turn sends the one and not yet the other, or a packet is behind; for that the machine gets 40 ms, in which a writer
# with this pause has no more than twenty.
PAUSE, BEHIND = 0.002, 0.040
LOST_AT_MOST = round(BEHIND / PAUSE)
ACL = ("user %s on >%s %s" % (rs.CHECK_USER, rs.CHECK_PASSWORD, rs.FOLLOW_CHECK_RIGHTS), "user %s on >%s %s" % (rs.DRIVE_USER, rs.DRIVE_PASSWORD, rs.FOLLOW_DRIVE_RIGHTS))


class HostSentinel(rs.Sentinel):
    """One in a network namespace."""

    def local(self):
        with proc.in_namespace(self.namespace):
            return super().local()


class Followed:
    """db1 is primary, db2 its replica, and Baton on both."""

    def __init__(self, scene, lines=()):
        self.scene, self.servers, self.sentinels, self.daemons = scene, {}, {}, {}
        directory = os.path.join(scene.lab.directory, "redis")
        os.makedirs(directory)
        for host in HOSTS:
            self.servers[host] = rs.RedisServer(directory, host, address=scene.lab.ip4(host), port=PORT, namespace=scene.lab.namespace(host), acl=False,
                                                options=("bind * -::*", "protected-mode no", *ACL), replicaof=None if host == "db1" else (scene.lab.ip4("db1"), PORT))
        for host in (*HOSTS, "client"):
            self.sentinels[host] = HostSentinel(directory, "sentinel-" + host, address=scene.lab.ip4(host), port=SENTINEL_PORT, namespace=scene.lab.namespace(host))
        for one in self.sentinels.values():
            one.watch(self.servers["db1"], [self.servers["db2"]], self.sentinels.values())
        for one in (*self.servers.values(), *self.sentinels.values()):
            scene.lab.undo.callback(one.kill)
            one.start()
        wait_until(self.servers["db2"].linked, 15, "db2 replicates")
        wait_until(self.quorum, 30, "the Sentinels could fail over")
        self.settings = {"member": ["%s %s:%d" % (host, scene.lab.ip4(host), PORT) for host in HOSTS],
                         "sentinel": ["%s:%d" % (one.address, SENTINEL_PORT) for one in self.sentinels.values()]}
        for prefix, user, text in (("", rs.CHECK_USER, rs.CHECK_PASSWORD), ("drive_", rs.DRIVE_USER, rs.DRIVE_PASSWORD)):
            path = os.path.join(scene.lab.directory, prefix + "password")
            with open(path, "w", encoding="ascii") as file:
                file.write(text + "\n")
            os.chmod(path, 0o600)
            for where in ("", "sentinel_"):
                self.settings.update({where + prefix + "username": user, where + prefix + "password_file": path})
        sections = ["[plugin redis]", "module = redis-sentinel", "interval = 300ms", "timeout = 290ms", "fall = 2"]
        for key, value in self.settings.items():
            sections += ["%s = %s" % (key, each) for each in (value if isinstance(value, list) else [value])]
        for host, priority in zip(HOSTS, (200, 100)):
            service = Service(priority=priority, interval_ms=300, extra=("promote = redis", "check = redis", "grant = follow", *lines))
            self.daemons[host] = scene.daemon("baton", host, service, sections=sections, plugins=plugin_dir(),
                                              daemon_keys=roles.daemon_keys(scene)).start()
        self.serving("db1", 20)

    def quorum(self):
        """Each Sentinel could, and knows the replica."""
        for one in self.sentinels.values():
            try:
                if "usable" not in one.command("SENTINEL", "CKQUORUM", "mymaster"):
                    return False
                replicas = [dict(zip(each[::2], each[1::2])) for each in one.command("SENTINEL", "REPLICAS", "mymaster")]
            except rs.RedisError:
                return False
            if [(each["flags"], each["master-link-status"]) for each in replicas] != [("slave", "ok")]:
                return False
        return True

    def named(self, by="client"):
        address, _ = self.sentinels[by].primary()
        return next(host for host in HOSTS if self.scene.lab.ip4(host) == address)

    def serving(self, host, deadline):
        self.scene.wait_holder(host, VIP, deadline)
        assert self.servers[host].role() == "master" and self.named() == host

    def writer(self):
        return self.until_the_end(roles.Writer(self.scene.lab.namespace("client"), Client, pause=PAUSE))

    def sampler(self):
        """Who takes writes and has the address."""
        return self.until_the_end(roles.Sampler({host: lambda host=host: self.scene.lab.holds(host, VIP) and writable(self.servers[host]) for host in HOSTS}))

    def until_the_end(self, thread):
        """Whatever becomes of the test, it does not outlive it."""
        self.scene.lab.undo.callback(thread.stop)
        return thread

    def numbers(self, host):
        return {int(key[2:]) for key in self.servers[host].keys() if key.startswith("n:")}

    def lost(self, writer, host, since, what):
        """After the writer's end: of what was acknowledged before `host` had the address only the newest may be missing there, and nothing of later."""
        acknowledged, present = writer.acknowledged, self.numbers(host)
        moved = self.scene.owners.changes(VIP, host)[0][0]
        count = sum(writer.at[number] < moved for number in acknowledged)
        assert 0 < count < len(acknowledged)
        missing = roles.lost_tail(acknowledged[:count], present)
        roles.measure("redis-sentinel " + what, writer, since, len(missing))
        assert len(missing) <= LOST_AT_MOST, missing
        later = [number for number in acknowledged[count:] if number not in present]
        assert not later, "acknowledged by the new primary, and missing there: %s" % later

    def check(self, host):
        return next((one for one in self.daemons[host].json("status").get("checks", []) if one["name"] == "redis"), {})

    def cause(self, host):
        return ((self.check(host).get("latest") or {}).get("facts") or {}).get("cause")


@pytest.mark.limit(150)
def test_a_crash_of_the_primarys_host_moves_the_address_to_the_one_that_the_sentinels_elect(scene):
    followed = Followed(scene)
    writer, sampler = followed.writer(), followed.sampler()
    writer.wait_more(200)
    began = time.monotonic()
    scene.faults.unplug("db1")
    followed.daemons["db1"].kill()
    followed.servers["db1"].kill()
    followed.sentinels["db1"].kill()
    followed.serving("db2", 60)
    writer.wait_more(50)
    writer.stop()
    sampler.stop()
    sampler.never_two()
    followed.lost(writer, "db2", began, "crash")


@pytest.mark.limit(150)
def test_a_planned_move_of_the_primary_takes_the_address_along_and_loses_nothing(scene):
    followed = Followed(scene)
    writer, sampler = followed.writer(), followed.sampler()
    writer.wait_more(200)
    began = time.monotonic()
    roles.hand_over(followed.daemons["db1"])
    followed.serving("db2", 30)
    writer.wait_more(200)
    wait_until(followed.servers["db1"].linked, 15, "db1 follows")
    acknowledged = set(writer.stop())
    sampler.stop()
    sampler.never_two()
    missing = acknowledged - followed.numbers("db2")
    roles.measure("redis-sentinel planned", writer, began, len(missing))
    assert not missing, sorted(missing)[:20]


@pytest.mark.limit(180)
def test_a_primary_that_only_its_own_sentinel_names_has_no_address_and_gets_none_when_it_returns(scene):
    """Cut off, db1 goes on calling itself primary, and does so for a while after it is back."""
    followed = Followed(scene)
    writer, sampler = followed.writer(), followed.sampler()
    writer.wait_more(100)
    began = time.monotonic()
    scene.faults.cut("db1")
    followed.serving("db2", 60)
    writer.wait_more(50)
    assert followed.servers["db1"].role() == "master" and followed.named("db1") == "db1", "it knows nothing of that"
    assert followed.cause("db1") == "no_quorum" and not scene.lab.holds("db1", VIP)
    both = scene.owners.spans(VIP, lambda holders: len(holders) > 1)
    assert not both, "both held the address for %.3f s" % (both[0][1] - both[0][0])
    healed = time.time()
    scene.faults.heal()
    wait_until(lambda: followed.cause("db1") == "deposed" or followed.servers["db1"].role() == "slave", 30, "db1 learns of it")
    wait_until(followed.servers["db1"].linked, 60, "db1 is made a replica")
    assert not scene.owners.changes(VIP, "db1", healed) and scene.owners.holders(VIP) == ["db2"]
    writer.stop()
    sampler.stop()
    sampler.never_two()
    followed.lost(writer, "db2", began, "cut off")


@pytest.mark.limit(150)
@pytest.mark.parametrize("policy", ["release", "hold"])
def test_without_a_majority_of_sentinels_the_address_leaves_or_stays_as_configured(scene, policy):
    followed = Followed(scene, lines=("on_unknown = " + policy,))
    for host in ("db2", "client"):
        followed.sentinels[host].freeze()
    wait_until(lambda: followed.check("db1").get("state") == "unknown" and followed.cause("db1") == "no_quorum", 30, "db1's check has no majority: %s" % followed.check("db1"))
    if policy == "release":
        wait_until(lambda: scene.owners.holders(VIP) == [], 15, "nobody has the address")
        hold(lambda: scene.owners.holders(VIP) == [], 3, "and nobody gets it")
    else:
        hold(lambda: scene.owners.holders(VIP) == ["db1"], 5, "db1 keeps it")
    for host in ("db2", "client"):
        followed.sentinels[host].thaw()
    wait_until(lambda: [followed.named()] == scene.owners.holders(VIP), 60, "the address is where the primary is")
    wait_until(lambda: followed.servers[followed.named()].role() == "master", 10, "it is one")


@pytest.mark.limit(120)
def test_a_wrong_password_and_a_lost_right_are_named_and_move_nothing_and_a_frozen_primary_is_replaced_by_the_sentinels(scene):
    followed = Followed(scene)
    server = followed.servers["db1"]
    for cause, wrong, right in (("auth", ("resetpass", ">another"), ("resetpass", ">" + rs.CHECK_PASSWORD)), ("privilege", ("-info",), ("+info",))):
        server.command("ACL", "SETUSER", rs.CHECK_USER, *wrong)
        wait_until(lambda: (followed.check("db1").get("result"), followed.check("db1").get("state"), followed.cause("db1")) == ("config", "unknown", cause), 20,
                   "db1's check: %s" % followed.check("db1"))
        scene.sole("db1", seconds=2)
        server.command("ACL", "SETUSER", rs.CHECK_USER, *right)
        wait_until(lambda: followed.check("db1").get("state") == "pass", 20, "it may look again")
    sampler = followed.sampler()
    server.freeze()
    wait_until(lambda: (followed.check("db1").get("state"), followed.cause("db1")) == ("fail", "hung"), 20, "db1's check: %s" % followed.check("db1"))
    followed.serving("db2", 60)
    server.thaw()
    wait_until(server.linked, 60, "db1 is made a replica")
    assert scene.owners.holders(VIP) == ["db2"]
    sampler.stop()
    sampler.never_two()
