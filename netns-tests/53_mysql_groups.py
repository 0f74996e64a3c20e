"""Galera and Group Replication elect for themselves: the address follows the host that may write and that a majority knows of, and
what was acknowledged through it is on the next one."""
import time

import pytest

from lib import roles
from lib.disks import Disk
from lib.mysql import SHOP, VIP, Client, Followed, Look
from lib.proc import hold, wait_until

import galera_server  # noqa: E402
import mysql_root  # noqa: E402
from mysql_server import statements  # noqa: E402


class InsideClient(Client):
    """Writes other numbers than Client does."""

    def write(self, number):
        super().write(1_000_000 + number)


# Galera: two nodes, and garbd on the client's side.

def galera(scene, prepare=None):
    places = [(scene.lab.namespace(who), scene.lab.ip4(who)) for who in ("db1", "db2", "client")]
    cluster = galera_server.Galera(places, prepare)
    scene.lab.undo.callback(cluster.__exit__)
    cluster.__enter__()
    cluster.one.sql("CREATE USER 'baton_check'@'%' IDENTIFIED BY 'check-secret'", *SHOP)
    followed = Followed(scene, "galera", {"db1": cluster.one, "db2": cluster.two})
    followed.cluster = cluster
    return followed


def all_there(followed, host, acknowledged):
    """What was acknowledged is on `host`, as soon as it has applied what it certified; what is missing then."""
    try:
        wait_until(lambda: set(acknowledged) <= followed.numbers(host), 10)
    except AssertionError:
        pass
    return sorted(set(acknowledged) - followed.numbers(host))


def serves(followed, host):
    """Who takes writes and has the address."""
    look = Look(followed.servers[host])
    return lambda: followed.scene.lab.holds(host, VIP) and look()


@pytest.mark.limit(150)
def test_galera_a_planned_move_and_a_crash_lose_nothing_acknowledged(scene):
    followed = galera(scene).start("db1")
    writer = followed.writer()
    writer.wait_more(200)
    began = time.monotonic()
    roles.hand_over(followed.daemons["db1"])
    followed.serving("db2", 30)
    writer.wait_more(100)
    missing = all_there(followed, "db2", list(writer.acknowledged))
    roles.measure("galera planned", writer, began, len(missing))
    assert not missing, missing
    assert followed.daemons["db1"].control("undrain").returncode == 0
    writer.gaps.clear()
    writer.wait_more(50)
    began = time.monotonic()
    followed.crash("db2")
    followed.serving("db1", 40)
    writer.wait_more(50)
    missing = all_there(followed, "db1", writer.stop())
    roles.measure("galera crash", writer, began, len(missing))
    assert not missing, missing


@pytest.mark.limit(150)
def test_galera_a_node_that_is_cut_off_gives_the_address_up_and_acknowledges_nothing_more(scene):
    followed = galera(scene).start("db1")
    writer, inside = followed.writer(), roles.Writer(scene.lab.namespace("db1"), InsideClient)
    writer.wait_more(50)
    inside.wait_more(50)
    scene.faults.cut("db1")
    cut_at, before = time.time(), len(inside.acknowledged)
    wait_until(lambda: not scene.lab.holds("db1", VIP), 20, "db1 gives the address up")
    followed.serving("db2", 20)
    writer.wait_more(50)
    hold(lambda: scene.owners.holders(VIP) == ["db2"], 3, "db1 does not take it back")
    # All nodes of a cluster take writes. What counts is who acknowledges them: never both sides of the cut.
    last, first = max(inside.at.values()), min(at for at in writer.at.values() if at > cut_at + 0.2)
    assert last < first, "db1 acknowledged for %.3f s beside db2" % (last - first)
    print("acknowledged inside after the cut: %d" % (len(inside.acknowledged) - before))
    acknowledged = inside.stop() + []
    scene.faults.heal()
    wait_until(lambda: followed.cluster.one.status("wsrep_local_state") == "4", 40, "db1 is in the cluster again")
    wait_until(lambda: followed.check("db1").get("state") == "pass", 20, "the check of db1 passes")
    scene.sole("db2", seconds=1)
    missing = all_there(followed, "db2", writer.stop()) + all_there(followed, "db2", [1_000_000 + number for number in acknowledged])
    assert not missing, missing


@pytest.mark.limit(150)
def test_galera_without_a_majority_nobody_holds_the_address(scene):
    followed = galera(scene).start("db1")
    followed.cluster.kill_arbiter()
    wait_until(lambda: followed.cluster.one.status("wsrep_cluster_size") == "2", 20, "garbd has left")
    scene.sole("db1", seconds=1)
    followed.crash("db2")
    wait_until(lambda: scene.owners.holders(VIP) == [], 30, "db1 gives the address up")
    assert followed.cluster.one.value("SELECT @@read_only") == 0, "which is why read_only is not asked"
    assert followed.check("db1")["latest"]["facts"]["cause"] == "no_quorum"
    hold(lambda: scene.owners.holders(VIP) == [], 3, "nobody holds the address")


def told(followed, host):
    found = followed.check(host)
    return found["result"], found["state"], ((found["latest"] or {}).get("facts") or {}).get("cause")


def writes_wait_for_room(followed, disk):
    """db1 is a good member all the while: its commits wait for room, and those of the others in the end for it."""
    scene, writer = followed.scene, followed.writer()
    writer.wait_more(100)
    began = time.time()
    disk.fill()
    wait_until(lambda: time.time() - writer.at[writer.acknowledged[-1]] > 1.5, 20, "no write is acknowledged any more")
    before = len(writer.acknowledged)
    scene.sole("db1", seconds=6)  # 15 probes
    assert len(writer.acknowledged) == before
    assert told(followed, "db1") == ("ok", "pass", None) == told(followed, "db2")
    disk.free()
    writer.wait_more(50, 90)  # the server looks for room once a minute
    scene.silent("db2", since=began)
    missing = all_there(followed, "db1", writer.stop()) + all_there(followed, "db2", writer.acknowledged)
    assert not missing and scene.owners.holders(VIP) == ["db1"], missing


def dies_and_is_replaced(followed, disk):
    """By the cluster, which has all that was acknowledged."""
    scene, writer = followed.scene, followed.writer()
    writer.wait_more(100)
    began = time.monotonic()
    disk.give_up()
    wait_until(lambda: told(followed, "db1") == ("ok", "fail", "refused"), 30, "the check of db1 fails: %s" % (followed.check("db1"),))
    wait_until(lambda: len(scene.owners.holders(VIP)) == 1 and scene.owners.holders(VIP) != ["db1"], 40, "another host holds the address")
    holder = scene.owners.holders(VIP)[0]
    writer.wait_more(50)
    scene.sole(holder, seconds=2)
    missing = all_there(followed, holder, writer.stop())
    roles.measure("read-only disk of the holder (%s serves)" % holder, writer, began, len(missing))
    assert not missing, missing


@pytest.mark.limit(200)
def test_F76_galera_a_holder_whose_disk_is_full_keeps_the_address_and_writes_wait_until_there_is_room(scene):
    disks = []
    followed = galera(scene, lambda node: disks.append(Disk(scene.lab, node.datadir))).start("db1")
    writes_wait_for_room(followed, disks[0])


@pytest.mark.limit(150)
def test_F76_galera_a_holder_whose_disk_is_read_only_dies_and_the_other_serves_without_loss(scene):
    disks = []
    followed = galera(scene, lambda node: disks.append(Disk(scene.lab, node.datadir, "ext4"))).start("db1")
    dies_and_is_replaced(followed, disks[0])


# Group Replication: three members.

@pytest.fixture
def group(scene, request):
    """Its parameter, if it has one: of what kind db1's disk is."""
    with mysql_root.root() as root:
        members = mysql_root.Group(root, [(scene.lab.namespace(who), scene.lab.ip4(who)) for who in ("db1", "db2", "db3")])
        first = members.members[0]
        disk = Disk(scene.lab, first.datadir, request.param, "600m") if hasattr(request, "param") else None
        scene.lab.undo.callback(members.__exit__)
        members.__enter__()
        first.sql(*statements(mysql_root.GRANTS + mysql_root.GROUP_GRANTS), *SHOP)
        wait_until(lambda: all(one.value("SELECT COUNT(*) FROM mysql.user WHERE user='app'") == 1 for one in members.members), 20)
        followed = Followed(scene, "group_replication", {one.name: one for one in members.members})
        followed.cluster, followed.disk = members, disk
        yield followed.start("db1")


def primary_host(followed):
    primary = followed.cluster.primary()
    return primary.name if primary else None


@pytest.mark.limit(200)
@pytest.mark.lab(hosts=("db1", "db2", "db3"))
def test_group_the_address_follows_the_primary_and_nothing_acknowledged_is_lost(scene, group):
    writer = group.writer()
    sampler = roles.Sampler({host: Look(server) for host, server in group.servers.items()})
    writer.wait_more(200)
    began = time.monotonic()
    roles.hand_over(group.daemons["db1"], "--to", "db2")
    group.serving("db2", 30)
    writer.wait_more(100)
    missing = all_there(group, "db2", list(writer.acknowledged))
    roles.measure("group replication planned", writer, began, len(missing))
    assert not missing, missing
    writer.gaps.clear()
    writer.wait_more(50)
    began = time.monotonic()
    group.crash("db2")
    new = wait_until(lambda: primary_host(group) not in (None, "db2") and primary_host(group), 60, "the group has another primary")
    group.serving(new, 30)
    writer.wait_more(50)
    missing = all_there(group, new, writer.stop())
    sampler.stop()
    sampler.never_two()
    roles.measure("group replication crash", writer, began, len(missing))
    assert not missing, missing


@pytest.mark.limit(300)
@pytest.mark.lab(hosts=("db1", "db2", "db3"))
def test_group_a_primary_that_is_cut_off_gives_the_address_up_acknowledges_nothing_more_and_returns_as_a_secondary(scene, group):
    writer, inside = group.writer(), roles.Writer(scene.lab.namespace("db1"), InsideClient)
    # Cut off, db1's server is not read-only until the group says so, but it acknowledges nothing: a look that asks it hangs.
    sampler = roles.Sampler({host: serves(group, host) for host in group.servers})
    writer.wait_more(50)
    inside.wait_more(50)
    scene.faults.cut("db1")
    wait_until(lambda: not scene.lab.holds("db1", VIP), 40, "db1 gives the address up")
    wait_until(lambda: scene.owners.holders(VIP) in (["db2"], ["db3"]), 60, "a member of the majority holds it")
    new = scene.owners.holders(VIP)[0]
    group.serving(new, 5)
    writer.wait_more(50)
    hold(lambda: scene.owners.holders(VIP) == [new], 3, "db1 does not take it back")
    assert group.check("db1")["latest"]["facts"]["cause"] == "no_quorum"
    healed = time.time()
    scene.faults.heal()
    returns_as_a_secondary(group, "db1", new)
    restart_to_preempt(group, "db1")
    wait_until(lambda: group.check("db1").get("state") == "pass", 20, "the check of db1 passes: %s" % group.check("db1"))
    scene.sole(new, seconds=3)
    assert not scene.owners.changes(VIP, "db1", healed), scene.owners.changes(VIP, "db1", healed)
    writer.wait_more(50)
    sampler.stop()
    sampler.never_two()
    acknowledged = writer.stop() + [1_000_000 + number for number in inside.stop()]
    for host in (new, "db1"):
        missing = all_there(group, host, acknowledged)
        assert not missing, (host, missing)
    wait_until(lambda: group.numbers("db1") == group.numbers(new), 20, "db1 has nothing that %s has not" % new)


@pytest.mark.limit(200)
@pytest.mark.lab(hosts=("db1", "db2", "db3"))
def test_group_without_a_majority_nobody_holds_the_address_until_the_members_hear_each_other_again(scene, group):
    """Each member alone: the primary still calls itself that, and nobody has a majority."""
    writer = group.writer()
    sampler = roles.Sampler({host: serves(group, host) for host in group.servers})
    writer.wait_more(100)
    began = time.monotonic()
    for host in ("db2", "db3"):
        scene.faults.cut(host)
    wait_until(lambda: scene.owners.holders(VIP) == [], 40, "db1 gives the address up")
    for host in group.servers:
        wait_until(lambda: no_majority(group, host), 30, "%s knows that it is in no majority" % host)
    before = len(writer.acknowledged)
    hold(lambda: scene.owners.holders(VIP) == [], 4, "nobody holds the address")
    assert len(writer.acknowledged) == before
    scene.faults.heal()
    wait_until(lambda: len(scene.owners.holders(VIP)) == 1, 60, "somebody holds it again")
    holder = scene.owners.holders(VIP)[0]
    assert primary_host(group) == holder
    writer.wait_more(50)
    missing = all_there(group, holder, writer.stop())
    sampler.stop()
    sampler.never_two()
    roles.measure("group replication without a majority for a while", writer, began, len(missing))
    assert not missing, missing
    wait_until(lambda: group.cluster.online(group.servers[holder]) == 3, 30, "all members are together again")


@pytest.mark.limit(200)
@pytest.mark.lab(hosts=("db1", "db2", "db3"))
def test_group_whose_other_members_have_died_serves_again_only_when_a_person_begins_the_group_anew(scene, group):
    one = group.servers["db1"]
    writer = group.writer()
    writer.wait_more(100)
    for host in ("db2", "db3"):
        group.servers[host].kill()
    wait_until(lambda: scene.owners.holders(VIP) == [] and no_majority(group, "db1"), 40, "db1 knows that it is in no majority")
    before = len(writer.acknowledged)
    hold(lambda: scene.owners.holders(VIP) == [], 4, "nobody holds the address")
    assert len(writer.acknowledged) == before
    one.kill()
    one.start().sql("SET GLOBAL group_replication_bootstrap_group=ON", "START GROUP_REPLICATION", "SET GLOBAL group_replication_bootstrap_group=OFF")
    group.serving("db1", 30)
    for host in ("db2", "db3"):
        group.servers[host].start().sql("START GROUP_REPLICATION")
    wait_until(lambda: group.cluster.online(one) == 3, 60, "all three are in the group")
    writer.wait_more(50)
    scene.sole("db1", seconds=1)
    missing = all_there(group, "db1", writer.stop()) + all_there(group, "db3", writer.acknowledged)
    assert not missing, missing


@pytest.mark.limit(200)
@pytest.mark.lab(hosts=("db1", "db2", "db3"))
@pytest.mark.parametrize("group", ["tmpfs"], indirect=True)
def test_F76_group_a_holder_whose_disk_is_full_keeps_the_address_and_writes_wait_until_there_is_room(group):
    writes_wait_for_room(group, group.disk)


@pytest.mark.limit(150)
@pytest.mark.lab(hosts=("db1", "db2", "db3"))
@pytest.mark.parametrize("group", ["ext4"], indirect=True)
def test_F76_group_a_holder_whose_disk_is_read_only_dies_and_the_group_elects_another_without_loss(group):
    dies_and_is_replaced(group, group.disk)


def returns_as_a_secondary(followed, host, primary):
    """It was expelled meanwhile, and joins again by itself."""
    wait_until(lambda: followed.cluster.online(followed.servers[primary]) == 3, 90, "%s is in the group again" % host)
    wait_until(lambda: followed.check(host).get("state") == "pass", 30, "the check of %s passes: %s" % (host, followed.check(host)))
    assert primary_host(followed) == primary and followed.servers[host].value("SELECT @@super_read_only") == 1


def restart_to_preempt(followed, host):
    """Its Baton anew, which knows nothing of before, has the highest priority, and may preempt."""
    baton = followed.daemons[host]
    assert baton.stop() == 0
    baton.services[0].preempt = True
    assert baton.services[0].priority == max(one.services[0].priority for one in followed.daemons.values())
    baton.start().wait_ready()


def no_majority(followed, host):
    found = followed.check(host)
    return (found["state"], ((found["latest"] or {}).get("facts") or {}).get("cause")) == ("fail", "no_quorum")
