"""A replica set's primary and the address: scripted members on both hosts and on the client's side speak MongoDB's protocol (there is no
mongod to be had). That shows what Baton makes of what a set says, not elections."""
import os
import time

import pymongo
import pytest

from lib import proc, roles  # first: it knows where the servers are
from lib.daemons import Service, plugin_dir
from lib.proc import hold, wait_until

from mongo_server import FakeSet, User
os.environ.setdefault("BATON_PLUGIN_DIR", plugin_dir())
from plugin import Session  # noqa: E402

VIP = "10.77.0.50"
PORT = 27017
HOSTS = ("db1", "db2")
CHECK, DRIVE = ("baton-check", "check-secret"), ("baton", "drive-secret")


class Client:
    """One that knows no replica set: it talks to whoever has the address."""

    def __init__(self, timeout):
        self.client = pymongo.MongoClient(VIP, PORT, directConnection=True, username=DRIVE[0], password=DRIVE[1], serverSelectionTimeoutMS=int(timeout * 1000),
                                          connectTimeoutMS=int(timeout * 1000), socketTimeoutMS=int(timeout * 1000), retryWrites=False)

    def write(self, number):
        self.client.test.rows.insert_one({"_id": number})

    def close(self):
        self.client.close()


class Followed:
    """db1 is primary; Baton on both."""

    def __init__(self, scene, lines=()):
        self.scene, self.daemons = scene, {}
        self.fake = FakeSet([{"address": scene.lab.ip4(host), "port": PORT, "namespace": scene.lab.namespace(host), "bind": "0.0.0.0"} for host in (*HOSTS, "client")],
                            users={CHECK[0]: User(CHECK[1], ["clusterMonitor"]), DRIVE[0]: User(DRIVE[1], ["clusterMonitor", "clusterManager", "readWrite"])}, election=1.0, replicates=True)
        scene.lab.undo.callback(self.fake.__exit__)
        self.members = dict(zip((*HOSTS, "client"), self.fake.members))
        self.settings = {"mode": "follow", "replica_set": "rs0", "member": ["%s %s:%d" % (host, scene.lab.ip4(host), PORT) for host in HOSTS]}
        secrets = {}
        for user, text in (CHECK, DRIVE):
            secrets[user] = os.path.join(scene.lab.directory, user + ".password")
            with open(secrets[user], "w", encoding="ascii") as file:
                file.write(text + "\n")
            os.chmod(secrets[user], 0o600)
        self.drive = {**self.settings, "username": DRIVE[0], "password_file": secrets[DRIVE[0]]}
        sections = ["[plugin mongo]", "module = mongodb", "interval = 400ms", "timeout = 390ms", "fall = 2", "username = " + CHECK[0], "password_file = " + secrets[CHECK[0]]]
        for key, value in self.settings.items():
            sections += ["%s = %s" % (key, each) for each in (value if isinstance(value, list) else [value])]
        for host, priority in zip(HOSTS, (200, 100)):
            service = Service(priority=priority, interval_ms=300, extra=("promote = mongo", "check = mongo", "grant = follow", *lines))
            self.daemons[host] = scene.daemon("baton", host, service, sections=sections, plugins=plugin_dir()).start()
        self.serving("db1", 20)

    def serving(self, host, deadline):
        self.scene.wait_holder(host, VIP, deadline)
        assert self.fake.primary is self.members[host]

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

    def step_down(self, host, target):
        """What a switchover asks the plugin on the host of the primary."""
        with proc.in_namespace(self.scene.lab.namespace(host)), Session("mongodb", self.drive, "act", host_name=host) as session:
            return session.call("step_down", 40.0, target=target)

    def never_on_two(self):
        both = self.scene.owners.spans(VIP, lambda holders: len(holders) > 1)
        assert not both, "both held the address for %.3f s" % (both[0][1] - both[0][0])


@pytest.mark.limit(120)
def test_the_address_goes_where_a_step_down_takes_the_primary_and_back_again(scene):
    followed = Followed(scene)
    writer = followed.writer()
    writer.wait_more(30)
    began = time.monotonic()
    for giver, taker in (("db1", "db2"), ("db2", "db1")):
        began = time.monotonic()
        answer = followed.step_down(giver, taker)
        assert answer.status == "ok", answer.sentence
        followed.serving(taker, 30)
        writer.wait_more(30)
        followed.members[giver].stepped_down_until = 0.0  # a minute later
    acknowledged = set(writer.stop())
    followed.never_on_two()
    writer.gaps = [(gap, last) for gap, last in writer.gaps if last + gap > began]
    roles.measure("mongodb (scripted set) planned", writer, began, len(acknowledged - set(followed.fake.data["rows"])))


@pytest.mark.limit(120)
def test_a_crash_of_the_primarys_host_moves_the_address_to_the_one_that_is_elected(scene):
    followed = Followed(scene)
    writer = followed.writer()
    writer.wait_more(30)
    began = time.monotonic()
    scene.faults.unplug("db1")
    followed.daemons["db1"].kill()
    followed.fake.wins = followed.members["db2"]
    followed.kill("db1")
    followed.serving("db2", 40)
    writer.wait_more(30)
    acknowledged = set(writer.stop())
    roles.measure("mongodb (scripted set) crash", writer, began, len(acknowledged - set(followed.fake.data["rows"])))


@pytest.mark.limit(120)
def test_where_the_primary_is_on_no_host_of_batons_nobody_has_the_address(scene):
    followed = Followed(scene)
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


@pytest.mark.limit(120)
@pytest.mark.parametrize("policy", ["release", "hold"])
def test_a_primary_without_a_majority_has_no_address_whatever_is_configured(scene, policy):
    """That is no missing answer: the set has said that it is none."""
    followed = Followed(scene, lines=("on_unknown = " + policy,))
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


@pytest.mark.limit(120)
def test_a_frozen_primary_loses_the_address_and_one_that_does_not_let_us_log_in_keeps_it(scene):
    followed = Followed(scene)
    right = followed.fake.users[CHECK[0]]
    followed.fake.users[CHECK[0]] = User("another", ["clusterMonitor"])
    wait_until(lambda: (followed.check("db1").get("result"), followed.cause("db1")) == ("config", "auth"), 20, "db1's check: %s" % followed.check("db1"))
    scene.sole("db1", seconds=3)
    followed.fake.users[CHECK[0]] = right
    wait_until(lambda: followed.check("db1").get("state") == "pass", 20, "it may log in again")
    followed.members["db1"].silent = True
    wait_until(lambda: scene.owners.holders(VIP) == [], 20, "nobody has the address")
    assert followed.cause("db1") == "timeout", followed.check("db1")
    followed.members["db1"].silent = False
    followed.serving("db1", 20)
