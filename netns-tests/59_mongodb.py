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
INTERVAL, TIMEOUT = 400, 390  # ms, of the check
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


class InsideClient(Client):
    """Writes other numbers than Client does."""

    def write(self, number):
        super().write(1_000_000 + number)


class Hosts:
    """A set whose primary is db1, and Baton on both hosts; `mode` and `grant` as in its configuration."""

    def __init__(self, scene, mode="follow", grant=("grant = follow",), sections=(), lines=(), fall=2, election=1.0):
        self.scene, self.daemons, self.fall = scene, {}, fall
        self.fake = FakeSet([{"address": scene.lab.ip4(host), "port": PORT, "namespace": scene.lab.namespace(host), "bind": "0.0.0.0"} for host in (*HOSTS, "client")],
                            users={USER: User(SECRET, ["clusterMonitor", "clusterManager", "readWrite"])}, election=election, replicates=True)
        scene.lab.undo.callback(self.fake.__exit__)
        self.members = dict(zip((*HOSTS, "client"), self.fake.members))
        secret = os.path.join(scene.lab.directory, "mongo.password")
        with open(secret, "w", encoding="ascii") as file:
            file.write(SECRET + "\n")
        os.chmod(secret, 0o600)
        plugin = ["[plugin mongo]", "module = mongodb", "mode = " + mode, "interval = %dms" % INTERVAL, "timeout = %dms" % TIMEOUT, "fall = %d" % fall, "replica_set = rs0",
                  "username = " + USER, "password_file = " + secret]
        plugin += ["member = %s %s:%d" % (host, scene.lab.ip4(host), PORT) for host in HOSTS]
        for host, priority in zip(HOSTS, (200, 100)):
            service = Service(priority=priority, interval_ms=300, extra=("promote = mongo", "check = mongo", *grant, *lines))
            self.daemons[host] = scene.daemon("baton", host, service, sections=[*plugin, "", *sections], plugins=plugin_dir(),
                                              daemon_keys=roles.daemon_keys(scene))
        self.daemons["db1"].start()
        self.serving("db1", 20)
        self.daemons["db2"].start().wait_ready()  # later: where Baton leads, the grant is for who asks first
        wait_until(lambda: self.check("db2").get("state") == "pass", 20, "db2's check passes")

    def serving(self, host, deadline):
        self.scene.wait_holder(host, VIP, deadline)
        assert self.fake.primary is self.members[host]

    def generation(self):
        """What stands in the data: (generation, host)."""
        row = self.fake.data["generation"]["svc"]
        return row["generation"], row["host"]

    def writer(self, where="client", client=Client):
        return self.until_the_end(roles.Writer(self.scene.lab.namespace(where), client, pause=0.01))

    def until_the_end(self, thread):
        """Whatever becomes of the test, it does not outlive it."""
        self.scene.lab.undo.callback(thread.stop)
        return thread

    def holds(self, host):
        return host in self.scene.owners.holders(VIP)

    def writable(self):
        """Who calls itself primary and has the address."""
        return self.until_the_end(roles.Sampler({host: lambda host=host: self.holds(host) and self.members[host].state == 1 for host in HOSTS}))

    def astray(self):
        """Who has the address and is not whom a majority knows as primary."""
        return self.until_the_end(roles.Sampler({host: lambda host=host: self.holds(host) and (
            self.fake.primary is not self.members[host] or self.members[host].apart) for host in HOSTS}))

    def moved_and_never_two(self, sampler):
        sampler.stop()
        sampler.never_two()
        assert {frozenset([host]) for host in HOSTS} <= {hosts for _, hosts in sampler.samples}, "a look that sees nothing"

    def not_astray(self, sampler):
        """A check fails after `fall` results in a row (baton-plugins(7)). A look that was on its way when the primary was lost may still pass,
        then `fall` follow, and the last takes all of its time. One second more for a machine that does other things, too."""
        sampler.stop()
        bound = (self.fall * INTERVAL + TIMEOUT) / 1000 + 1.0
        longest, began = 0.0, {}
        for at, hosts in sampler.samples:
            began = {host: began.get(host, at) for host in hosts}
            longest = max([longest, *(at - since for since in began.values())])
        print("measure: mongodb (scripted set): the address was where no primary is for %.2f s at most, bound %.2f s" % (longest, bound))
        assert longest <= bound, "the address was for %.2f s where no primary is, at most %.2f s are promised" % (longest, bound)

    def cut_off(self, host, believes=None):
        """The host with all that is on it; see FakeSet."""
        self.scene.faults.cut(host)
        self.fake.cut_off(self.members[host], believes)

    def heal(self, host):
        self.scene.faults.heal()
        self.fake.join(self.members[host])

    def power_off(self, host):
        """All that is on the host, at once."""
        self.scene.faults.unplug(host)
        self.daemons[host].kill()
        self.kill(host)

    def power_on(self, host):
        """The host is back: Baton is there at once, the member after a while, and not as a secondary at first."""
        self.scene.faults.heal()
        self.daemons[host].start().wait_ready()
        wait_until(lambda: self.cause(host) == "refused", 20, "%s's check: %s" % (host, self.check(host)))
        with self.fake.lock:
            self.members[host].revive()
            self.members[host].state = 3
        wait_until(lambda: self.cause(host) == "recovering", 20, "%s's check: %s" % (host, self.check(host)))
        self.members[host].state = 2
        self.passes_as_secondary(host)

    def passes_as_secondary(self, host):
        def passes():
            check = self.check(host)
            return (check.get("state"), ((check.get("latest") or {}).get("facts") or {}).get("state")) == ("pass", "secondary")
        wait_until(passes, 30, "%s's check: %s" % (host, self.check(host)))

    def stays_out(self, host, since):
        """It has the higher priority and may preempt; the address has not been there since then, and does not get there."""
        other = next(one for one in HOSTS if one != host)
        assert self.daemons[host].services[0].priority > self.daemons[other].services[0].priority and self.daemons[host].services[0].preempt
        self.scene.sole(other, seconds=3)
        assert not self.scene.owners.changes(VIP, host, since), self.scene.owners.changes(VIP, host, since)
        assert self.fake.primary is self.members[other]

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

    def lost(self, writer, since, what, inside=None):
        """At the end of it all: what of that which was acknowledged is not in the set."""
        acknowledged = set(writer.stop()) | {1_000_000 + number for number in (inside.stop() if inside else ())}
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
    writer, writable = followed.writer(), followed.writable()
    writer.wait_more(30)
    began = time.monotonic()
    followed.fake.wins = followed.members["db2"]
    followed.power_off("db1")
    followed.serving("db2", 40)
    writer.wait_more(30)
    returned = time.time()
    followed.power_on("db1")
    followed.stays_out("db1", returned)
    writer.wait_more(30)
    followed.moved_and_never_two(writable)
    assert not followed.lost(writer, began, "crash")


# What MongoDB takes ten seconds for (electionTimeoutMillis): longer than a check takes to fail.
ELECTION = 4.0


@pytest.mark.limit(150)
@pytest.mark.parametrize("believes", [0.3, None], ids=["steps down before the others elect", "believes in itself until after its return"])
def test_a_primary_that_is_cut_off_loses_the_address_to_the_one_that_is_elected_and_gets_none_when_it_returns(scene, believes):
    followed = Hosts(scene, election=ELECTION)
    writer, inside, writable, astray = followed.writer(), followed.writer("db1", InsideClient), followed.writable(), followed.astray()
    writer.wait_more(30)
    inside.wait_more(30)
    began = time.monotonic()
    followed.cut_off("db1", believes)
    before = len(inside.acknowledged)
    followed.serving("db2", 40)
    writer.wait_more(30)
    wait_until(lambda: followed.cause("db1") == ("no_primary" if believes else "no_quorum"), 10, "db1's check: %s" % followed.check("db1"))
    hold(lambda: scene.owners.holders(VIP) == ["db2"], 3, "db1 does not take it back")
    assert len(inside.acknowledged) <= before + 1, "no majority has it"  # one was on its way
    healed = time.time()
    followed.heal("db1")
    if not believes:
        wait_until(lambda: followed.cause("db1") == "stale_primary", 20, "db1's check: %s" % followed.check("db1"))
        assert followed.members["db1"].state == 1
        hold(lambda: scene.owners.holders(VIP) == ["db2"], 3, "what it says of itself is not enough")
        followed.fake.step_aside(followed.members["db1"])
        assert followed.fake.rolled_back, "it took writes"
    followed.passes_as_secondary("db1")
    followed.stays_out("db1", healed)
    inside.wait_more(30)
    writer.wait_more(30)
    followed.moved_and_never_two(writable)
    followed.not_astray(astray)
    followed.never_on_two()
    assert not followed.lost(writer, began, "cut off", inside)


@pytest.mark.limit(150)
@pytest.mark.parametrize("believes", [0.3, None], ids=["steps down before the others elect", "believes in itself until after its return"])
def test_where_baton_leads_a_holder_that_is_cut_off_loses_grant_and_address_and_the_next_one_brings_the_primary_to_itself(scene, believes):
    """The set elects the member that is on no host of Baton's: the address is on db2 only when the primary is, too."""
    led = leading(scene)
    writer, inside, writable, astray = led.writer(), led.writer("db1", InsideClient), led.writable(), led.astray()
    writer.wait_more(30)
    inside.wait_more(30)
    began = time.monotonic()
    led.members["db2"].frozen_until = began + 60
    led.cut_off("db1", believes)
    before = len(inside.acknowledged)
    wait_until(lambda: led.fake.primary is led.members["client"], 20, "the others elect")
    led.serving("db2", 60)
    writer.wait_more(30)
    assert [one.priority for one in led.fake.members] == [1, 2, 1] and led.generation() == (2, "db2")
    hold(lambda: scene.owners.holders(VIP) == ["db2"], 3, "db1 does not take it back")
    assert len(inside.acknowledged) <= before + 1, "no majority has it"  # one was on its way
    healed = time.time()
    led.heal("db1")
    if not believes:
        wait_until(lambda: led.cause("db1") == "stale_primary" or led.members["db1"].state == 2, 20, "db1's check: %s" % led.check("db1"))
        hold(lambda: scene.owners.holders(VIP) == ["db2"], 3, "what it says of itself is not enough")
        led.fake.step_aside(led.members["db1"])
        assert led.fake.rolled_back, "it took writes"
    led.passes_as_secondary("db1")
    wait_until(lambda: roles.data_of(led.daemons["db1"]).get("role") == "standby", 40, "db1 is a standby")
    led.stays_out("db1", healed)
    inside.wait_more(30)
    writer.wait_more(30)
    led.moved_and_never_two(writable)
    led.not_astray(astray)
    led.never_on_two()
    assert led.generation() == (2, "db2")
    assert not led.lost(writer, began, "lead: cut off", inside)


@pytest.mark.limit(150)
def test_where_baton_leads_a_crash_of_the_holders_host_brings_address_and_primary_to_the_other_and_they_stay_there(scene):
    led = leading(scene)
    writer, writable = led.writer(), led.writable()
    writer.wait_more(30)
    began = time.monotonic()
    led.members["db2"].frozen_until = began + 60  # so that another is elected
    led.power_off("db1")
    wait_until(lambda: led.fake.primary is led.members["client"], 20, "the others elect")
    led.serving("db2", 60)
    writer.wait_more(30)
    assert [one.priority for one in led.fake.members] == [1, 2, 1] and led.generation() == (2, "db2")
    returned = time.time()
    led.power_on("db1")
    wait_until(lambda: roles.data_of(led.daemons["db1"]).get("role") == "standby", 40, "db1 is a standby")
    led.stays_out("db1", returned)
    writer.wait_more(30)
    led.moved_and_never_two(writable)
    led.never_on_two()
    assert led.generation() == (2, "db2")
    assert not led.lost(writer, began, "lead: crash")


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
