"""A replica set's primary and the address: scripted members on both hosts and on the client's side speak MongoDB's protocol (there is no
mongod to be had). That shows what Baton makes of what a set says, not elections."""
import os
import time

import pymongo
import pytest

from lib import roles  # first: it knows where the servers are
from lib.daemons import Service, plugin_dir
from lib.proc import hold, wait_until

from mongo_server import FakeSet, User  # noqa: E402

VIP = "10.77.0.50"
PORT = 27017
HOSTS = ("db1", "db2")
USER, SECRET = "baton", "drive-secret"  # with the manual's rights for a planned move; `readWrite` is for the client, too


class Client:
    """One that knows no replica set: it talks to whoever has the address."""

    def __init__(self, timeout):
        self.client = pymongo.MongoClient(VIP, PORT, directConnection=True, username=USER, password=SECRET, serverSelectionTimeoutMS=int(timeout * 1000),
                                          connectTimeoutMS=int(timeout * 1000), socketTimeoutMS=int(timeout * 1000), retryWrites=False)

    def write(self, number):
        self.client.test.rows.insert_one({"_id": number})

    def close(self):
        self.client.close()


class Hosts:
    """A set whose primary is db1, and Baton on both hosts; `mode` and `grant` as in its configuration."""

    def __init__(self, scene, mode="follow", grant=("grant = follow",), sections=(), lines=(), fall=2):
        self.scene, self.daemons = scene, {}
        self.fake = FakeSet([{"address": scene.lab.ip4(host), "port": PORT, "namespace": scene.lab.namespace(host), "bind": "0.0.0.0"} for host in (*HOSTS, "client")],
                            users={USER: User(SECRET, ["clusterMonitor", "clusterManager", "readWrite"])}, election=1.0, replicates=True)
        scene.lab.undo.callback(self.fake.__exit__)
        self.members = dict(zip((*HOSTS, "client"), self.fake.members))
        secret = os.path.join(scene.lab.directory, "mongo.password")
        with open(secret, "w", encoding="ascii") as file:
            file.write(SECRET + "\n")
        os.chmod(secret, 0o600)
        plugin = ["[plugin mongo]", "module = mongodb", "mode = " + mode, "interval = 400ms", "timeout = 390ms", "fall = %d" % fall, "replica_set = rs0",
                  "username = " + USER, "password_file = " + secret]
        plugin += ["member = %s %s:%d" % (host, scene.lab.ip4(host), PORT) for host in HOSTS]
        for host, priority in zip(HOSTS, (200, 100)):
            service = Service(priority=priority, interval_ms=300, extra=("promote = mongo", "check = mongo", *grant, *lines))
            self.daemons[host] = scene.daemon("baton", host, service, sections=[*plugin, "", *sections], plugins=plugin_dir(),
                                              daemon_keys=roles.daemon_keys(scene)).start()
        self.serving("db1", 20)

    def serving(self, host, deadline):
        self.scene.wait_holder(host, VIP, deadline)
        assert self.fake.primary is self.members[host]

    def generation(self):
        """What stands in the data: (generation, host)."""
        row = self.fake.data["generation"]["svc"]
        return row["generation"], row["host"]

    def writer(self):
        writer = roles.Writer(self.scene.lab.namespace("client"), Client, pause=0.01)
        self.scene.lab.undo.callback(writer.stop)
        return writer

    def check(self, host):
        return next((one for one in self.daemons[host].json("status").get("checks", []) if one["name"] == "mongo"), {})

    def cause(self, host):
        return ((self.check(host).get("latest") or {}).get("facts") or {}).get("cause")

    def kill(self, host):
        with self.fake.lock:
            self.members[host].kill()
        self.fake.look_for_primary()

    def never_on_two(self):
        both = self.scene.owners.spans(VIP, lambda holders: len(holders) > 1)
        assert not both, "both held the address for %.3f s" % (both[0][1] - both[0][0])

    def lost(self, writer, since, what):
        """At the end of it all: what of that which was acknowledged is not in the set."""
        acknowledged = set(writer.stop())
        writer.gaps = [(gap, last) for gap, last in writer.gaps if last + gap > since]
        missing = acknowledged - set(self.fake.data["rows"])
        roles.measure("mongodb (scripted set) " + what, writer, since, len(missing))
        self.never_forced()
        return missing

    def never_forced(self):
        """Of all that the set was ever asked."""
        forced = [command for name in ("replSetStepDown", "replSetReconfig") for _, command in self.fake.commands(name) if "force" in command]
        assert not forced, forced
        assert [one["votes"] for _, command in self.fake.commands("replSetReconfig") for one in command["replSetReconfig"]["members"] if one["votes"] != 1] == []


@pytest.mark.limit(120)
def test_the_address_goes_where_a_step_down_takes_the_primary_and_back_again(scene):
    followed = Hosts(scene)
    writer = followed.writer()
    writer.wait_more(30)
    for giver, taker in (("db1", "db2"), ("db2", "db1")):
        began = time.monotonic()
        roles.hand_over(followed.daemons[giver])
        followed.serving(taker, 30)
        writer.wait_more(30)
        followed.members[giver].stepped_down_until = 0.0  # a minute later
    assert len(followed.fake.commands("replSetStepDown")) == 2 and not followed.fake.commands("replSetReconfig")
    assert not followed.lost(writer, began, "planned")
    followed.never_on_two()


def leading(scene):
    """mode = lead: who has the grant of the witness has the primary, too."""
    roles.etcd_on(scene, "client")
    return Hosts(scene, "lead", ("grant = witness", "witness = witness", "cooldown = 0"), roles.etcd_section(scene, "client"),
                 fall=4)  # longer than an election


@pytest.mark.limit(120)
def test_where_baton_leads_the_primary_goes_with_the_address_in_a_planned_move_and_after_batons_end(scene):
    led = leading(scene)
    assert [one.priority for one in led.fake.members] == [2, 1, 1] and led.generation() == (1, "db1")
    writer = led.writer()
    writer.wait_more(30)
    began = time.monotonic()
    roles.hand_over(led.daemons["db1"])
    led.serving("db2", 30)
    writer.wait_more(30)
    assert [one.priority for one in led.fake.members] == [1, 2, 1] and led.generation() == (2, "db2")
    led.members["db1"].stepped_down_until = 0.0  # a minute later
    wait_until(lambda: roles.data_of(led.daemons["db1"]).get("role") == "standby", 20, "db1 is a standby")
    # Its Baton dies; the member lives, and is primary until the other host may have the address.
    led.daemons["db2"].kill()
    led.serving("db1", 40)
    writer.wait_more(30)
    assert led.generation() == (3, "db1")
    assert not led.lost(writer, began, "lead: planned, then Baton of the holder dies")
    led.never_on_two()


@pytest.mark.limit(120)
def test_a_crash_of_the_primarys_host_moves_the_address_to_the_one_that_is_elected(scene):
    followed = Hosts(scene)
    writer = followed.writer()
    writer.wait_more(30)
    began = time.monotonic()
    scene.faults.unplug("db1")
    followed.daemons["db1"].kill()
    followed.fake.wins = followed.members["db2"]
    followed.kill("db1")
    followed.serving("db2", 40)
    writer.wait_more(30)
    assert not followed.lost(writer, began, "crash")


@pytest.mark.limit(120)
def test_where_the_primary_is_on_no_host_of_batons_nobody_has_the_address(scene):
    followed = Hosts(scene)
    with followed.fake.lock:
        followed.members["db1"].state, followed.members["db1"].election = 2, None
        followed.fake.elect(followed.members["client"])
    wait_until(lambda: scene.owners.holders(VIP) == [], 20, "nobody has the address")
    hold(lambda: scene.owners.holders(VIP) == [], 2, "and nobody gets it")
    assert any(reason.get("reason") == "not_primary" for reason in followed.daemons["db2"].instance()["against"])
    with followed.fake.lock:
        followed.members["client"].state, followed.members["client"].election = 2, None
        followed.fake.elect(followed.members["db2"])
    followed.serving("db2", 20)
    followed.never_on_two()
    followed.never_forced()


@pytest.mark.limit(120)
@pytest.mark.parametrize("policy", ["release", "hold"])
def test_a_primary_without_a_majority_has_no_address_whatever_is_configured(scene, policy):
    """That is no missing answer: the set has said that it is none."""
    followed = Hosts(scene, lines=("on_unknown = " + policy,))
    for host in ("db2", "client"):
        followed.kill(host)
    wait_until(lambda: followed.cause("db1") == "no_quorum", 20, "db1's check: %s" % followed.check("db1"))
    wait_until(lambda: scene.owners.holders(VIP) == [], 10, "nobody has the address")
    hold(lambda: scene.owners.holders(VIP) == [], 2, "and nobody gets it")
    with followed.fake.lock:
        for host in ("db2", "client"):
            followed.members[host].state = 2
            followed.members[host].listen(PORT)
    followed.serving("db1", 20)
    followed.never_on_two()
    followed.never_forced()


@pytest.mark.limit(120)
def test_a_frozen_primary_loses_the_address_and_one_that_does_not_let_us_log_in_or_look_keeps_it(scene):
    followed = Hosts(scene)
    right = followed.fake.users[USER]
    followed.fake.users[USER] = User("another", ["clusterMonitor"])
    wait_until(lambda: (followed.check("db1").get("result"), followed.cause("db1")) == ("config", "auth"), 20, "db1's check: %s" % followed.check("db1"))
    scene.sole("db1", seconds=3)
    followed.fake.users[USER] = User(SECRET, ["readWrite"])
    wait_until(lambda: (followed.check("db1").get("result"), followed.cause("db1")) == ("config", "privilege"), 20, "db1's check: %s" % followed.check("db1"))
    scene.sole("db1", seconds=2)
    followed.fake.users[USER] = right
    wait_until(lambda: followed.check("db1").get("state") == "pass", 20, "it may log in and look again")
    followed.members["db1"].silent = True
    wait_until(lambda: scene.owners.holders(VIP) == [], 20, "nobody has the address")
    assert followed.cause("db1") == "timeout", followed.check("db1")
    followed.members["db1"].silent = False
    followed.serving("db1", 20)
