"""The crash table of a database's transaction: all of Baton dies at each line of a promotion and of a demotion. What follows is
decided by the record and by the data: never two writable, and no acknowledged write lost that the other host had."""
import os
import shutil
import signal
import time

import pytest

from lib import proc, roles
from lib.proc import wait_until
from lib.redis_crash import CrashedPair, record
from lib.redis_pair import VIP
from lib.watch import GROUPS, AddressTable


@pytest.mark.limit(150)
def test_killed_before_the_point_of_no_return_nothing_was_done_and_the_generation_is_burned(scene):
    """A claim that is on disk (all lines but the first) is never made again."""
    pair = CrashedPair(scene)
    two, server = pair.daemons["db2"], pair.servers["db2"]
    began, expected = time.monotonic(), 1
    for line in ("claiming", "granting", "waiting", ("first", "fence"), ("first", "can_promote"), "deciding"):
        pair.stop_at("db2", line)
        if line == "claiming":
            pair.lose_db1()
        pair.wait_at("db2", line)
        two.kill()
        pair.without_address("db2")
        assert server.role() == "slave", line
        on_disk = record(two)
        if line == "claiming":
            assert (on_disk["role"], on_disk["generation"], on_disk["dirty"]) == ("standby", "1", "no")
        else:
            expected += 1
            assert (on_disk["role"], int(on_disk["generation"]), on_disk["dirty"]) == ("claiming", expected, "no"), line
        pair.let_go()
        two.start()
    lost = pair.ended("db2")
    data = roles.data_of(two)
    assert (data["role"], data["generation"]) == ("active", expected + 1)
    assert len(lost) <= 20, lost
    print("measure: six deaths of Baton in one takeover: %.1f s, acknowledged %d, lost %d" % (time.monotonic() - began, len(pair.clients.acknowledged), len(lost)))


@pytest.mark.limit(150)
def test_killed_after_the_point_of_no_return_the_promotion_is_taken_up_again(scene):
    """Before the database was promoted, after it, and before it was verified. db1 has given the role away and has been told to stay out."""
    pair = CrashedPair(scene)
    two, server = pair.daemons["db2"], pair.servers["db2"]
    began = None
    for line, role in ((("first", "promote"), "slave"), (("last", "promote"), "master"), (("last", "verify"), "master")):
        pair.stop_at("db2", line)
        if began is None:
            began = time.monotonic()
            roles.move_away(pair.daemons["db1"])
        pair.wait_at("db2", line)
        shown = roles.data_of(two)
        assert (shown["role"], shown["step"]) == ("promoting", "verifying" if line[1] == "verify" else "promoting")
        two.kill()
        pair.without_address("db2")
        assert server.role() == role, line
        assert (record(two)["role"], record(two)["dirty"]) == ("promoting", "yes"), line
        pair.let_go()
        two.start()
    lost = pair.ended("db2")
    assert lost == []
    roles.measure("three deaths of Baton in one planned move", pair.clients, began, len(lost))


@pytest.mark.limit(150)
def test_killed_with_its_database_promoted_a_lone_survivor_goes_on_with_its_generation(scene):
    """db1 is dead with its server. db2's record, the stamp in its data and the witness all say that nobody else can have been promoted."""
    pair = CrashedPair(scene)
    two, server = pair.daemons["db2"], pair.servers["db2"]
    pair.stop_at("db2", ("last", "promote"))
    pair.lose_db1()
    pair.wait_at("db2", ("last", "promote"))
    assert server.role() == "master" and record(two)["role"] == "promoting"
    two.kill()
    pair.let_go()
    began = time.monotonic()
    two.start()
    pair.serving("db2", 20)
    took = time.monotonic() - began
    assert roles.data_of(two)["generation"] == 2 and record(two)["role"] == "active"
    assert [event["verb"] for event in two.events() if event.get("plugin") == "redis" and event.get("verb") in ("demote", "rejoin")] == []
    lost = pair.ended("db2")
    assert len(lost) <= 20, lost
    print("measure: a lone survivor goes on %.2f s after the start of its Baton" % took)


@pytest.mark.limit(150)
def test_after_a_restart_data_that_was_promoted_elsewhere_since_is_not_gone_on_with(scene):
    """db1's Baton is away for so long that db2 takes over; db1's server was cut off meanwhile and still is a primary of its own generation."""
    pair = CrashedPair(scene)
    one, server = pair.daemons["db1"], pair.servers["db1"]
    one.kill()
    scene.faults.unplug("db1")
    pair.serving("db2", 40)
    assert server.role() == "master"
    one.start()
    wait_until(lambda: server.role() == "slave", 20, "db1 takes no writes")
    pair.without_address("db1")
    scene.faults.heal()
    wait_until(lambda: roles.data_of(one.wait_ready()).get("role") in ("standby", "needs_rejoin"), 40, "db1 is out")
    pair.samples.stop()
    pair.clients.stop()
    assert roles.data_of(pair.daemons["db2"])["generation"] == 2


def kill_when_the_address_leaves(pair, host):
    """At CLEARING, or as soon after it as a process can be killed."""
    baton = pair.daemons[host]
    pids = baton.pids()
    with AddressTable(pair.scene.lab.namespace(host), GROUPS) as view:
        roles.move_away(baton)
        wait_until(lambda: (view.poll(), not view.holds(VIP))[1], 20, "the address leaves " + host, every=0.0005)
    proc.signal_all(pids, signal.SIGKILL)
    baton.kill()


@pytest.mark.limit(240)
def test_killed_on_the_way_down_the_demotion_is_finished_and_the_other_host_takes_over(scene):
    """Before writes are blocked, after that, when the address leaves, before the database is demoted, after that."""
    # Addresses that do not lapse by themselves: what is gone after a restart was deleted by it.
    pair = CrashedPair(scene, lines=("address_lifetime = permanent",))
    giver, taker = "db1", "db2"
    for line in (("last", "block_writes"), ("first", "block_writes"), "clearing", ("last", "demote"), ("first", "demote")):
        baton, server = pair.daemons[giver], pair.servers[giver]
        began = time.monotonic()
        if line == "clearing":
            kill_when_the_address_leaves(pair, giver)
        else:
            pair.stop_at(giver, line)
            roles.move_away(baton)
            pair.wait_at(giver, line)
            shown = roles.data_of(baton)
            assert (shown["role"], shown["step"]) == ("demoting", "demoting" if line[1] == "demote" else "blocking")
            baton.kill()
        # Nothing on the way down waits for a disk: that this host has to be demoted is there already.
        assert (record(baton)["role"], record(baton)["dirty"]) == ("active", "yes"), line
        # Between the address and the demotion there may be less than a kill takes.
        assert line == "clearing" or server.role() == ("slave" if line == ("first", "demote") else "master"), line
        blocked = line[1] == "block_writes"
        assert (giver in scene.owners.holders(VIP)) == blocked, line
        role = server.role()
        pair.let_go()
        pair.stop_at(giver, ("last", "demote"))
        baton.start()
        # First of all: that waits for nothing that is asked of the database.
        wait_until(lambda: giver not in scene.owners.holders(VIP), 10, "no address is left on " + giver)
        pair.wait_at(giver, ("last", "demote"))
        assert server.role() == role, line
        pair.let_go()
        pair.serving(taker, 40)
        pair.clients.wait_more(50)
        wait_until(lambda: server.upstream()[0] == scene.lab.ip4(taker) and server.linked(), 30, "%s follows %s" % (giver, taker))
        wait_until(lambda: roles.data_of(baton.wait_ready()).get("role") == "standby", 20, giver + " is a standby")
        print(line, "%.1f s" % (time.monotonic() - began))
        assert baton.control("undrain").returncode == 0
        giver, taker = taker, giver
    assert pair.ended(giver) == []


@pytest.mark.limit(150)
def test_a_holder_whose_baton_dies_and_returns_serves_again_and_nothing_is_lost(scene):
    """First while db2's Baton is away too, so that nobody can take over; then while it is there and may."""
    pair = CrashedPair(scene)
    one, two = pair.daemons["db1"], pair.daemons["db2"]
    assert two.stop() == 0
    one.kill()
    assert record(one)["role"] == "active"
    one.start()
    wait_until(lambda: roles.data_of(one.wait_ready()).get("role") == "active", 20, "db1 goes on")
    assert roles.data_of(one)["generation"] == 1, "nobody has been promoted since"
    pair.serving("db1", 20)
    pair.clients.wait_more(50)
    two.start()
    wait_until(lambda: roles.data_of(two.wait_ready()).get("role") == "standby" and pair.servers["db2"].linked(), 20, "db2 follows again")
    began = time.monotonic()
    one.kill()
    one.start()
    holder = wait_until(lambda: next((host for host in scene.owners.holders(VIP) if pair.servers[host].role() == "master"
                                      and roles.data_of(pair.daemons[host].wait_ready()).get("role") == "active"), None), 40, "somebody serves")
    lost = pair.ended(holder)
    assert lost == []
    pair.clients.gaps = [(gap, last) for gap, last in pair.clients.gaps if last + gap > began]
    roles.measure("Baton of the holder dies and returns, the database lives (%s serves)" % holder, pair.clients, began, len(lost))


@pytest.mark.limit(150)
def test_an_unreadable_record_fences_through_restarts_until_an_operator_accepts_the_loss(scene):
    pair = CrashedPair(scene)
    one, two = pair.daemons["db1"], pair.daemons["db2"]
    one.kill()
    path = os.path.join(one.state, "instances", "svc.state")
    with open(path, "r+", encoding="ascii") as file:
        text = file.read().replace("generation 1", "generation 7")  # its checksum is of the text before
        file.seek(0)
        file.write(text)
    one.start()
    wait_until(lambda: roles.data_of(one.wait_ready()).get("role") == "fenced", 20, "db1 is fenced")
    assert "checksum" in one.log()
    pair.serving("db2", 40)
    wait_until(lambda: pair.servers["db1"].role() == "slave", 10, "db1 takes no writes")
    pair.clients.wait_more(50)
    one.kill()
    one.start()
    wait_until(lambda: roles.data_of(one.wait_ready()).get("role") == "fenced", 20, "db1 is still fenced")
    # Nobody else is there any more: it does not come forward.
    two.kill()
    wait_until(lambda: scene.owners.holders(VIP) == [], 10, "nobody holds the address")
    proc.hold(lambda: scene.owners.holders(VIP) == [], 3, "db1 stays out")
    assert one.control("forgive", "svc").returncode == 2
    assert roles.data_of(one)["role"] == "fenced"
    two.start()
    pair.serving("db2", 40)
    assert one.control("forgive", "svc", "--i-accept-loss").returncode == 0
    wait_until(lambda: roles.data_of(one).get("role") == "standby", 10, "an operator's word clears it")
    assert pair.ended("db2") == []


@pytest.mark.limit(150)
def test_a_copied_record_fences_both_hosts_until_an_operator_says_which_data_counts(scene):
    """db2 starts with db1's record, as a cloned machine does: two hosts say that they were promoted as generation 1."""
    pair = CrashedPair(scene, peers=True)
    one, two = pair.daemons["db1"], pair.daemons["db2"]
    two.kill()
    path = os.path.join("instances", "svc.state")
    shutil.copyfile(os.path.join(one.state, path), os.path.join(two.state, path))
    two.start()
    for baton in (one, two):
        wait_until(lambda: roles.data_of(baton.wait_ready()).get("role") == "fenced", 20, baton.host + " is fenced")
        wait_until(lambda: "same_generation" in baton.alarms(), 10, "an alarm of " + baton.host)
        assert "promoted under this host's generation: both are fenced" in " ".join(baton.control("status").stdout.split())
    wait_until(lambda: scene.owners.holders(VIP) == [], 10, "nobody holds the address")
    wait_until(lambda: [server.role() for server in pair.servers.values()] == ["slave", "slave"], 20, "nobody takes writes")
    for baton in (one, two):
        wait_until(lambda: record(baton)["role"] == "fenced", 10, "it is on disk")
        baton.kill()
        baton.start()
    for baton in (one, two):
        wait_until(lambda: roles.data_of(baton.wait_ready()).get("role") == "fenced", 20, baton.host + " is still fenced")
    proc.hold(lambda: scene.owners.holders(VIP) == [], 3, "both stay out")
    assert one.control("forgive", "svc", "--i-accept-loss").returncode == 0
    pair.serving("db1", 40)
    assert roles.data_of(one)["generation"] == 2
    assert roles.data_of(two)["role"] == "fenced"
    assert two.control("forgive", "svc", "--i-accept-loss").returncode == 0
    wait_until(lambda: roles.data_of(two).get("role") == "standby" and pair.servers["db2"].linked(), 20, "db2 follows")
    assert "same_generation" not in one.alarms() | two.alarms()
    assert pair.ended("db1") == []
