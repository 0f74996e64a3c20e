"""The network between the hosts fails in part: cuts, one-way loss, random loss, filters, slow switches (faults F25 to F42)."""
import pathlib
import re
import time

import pytest

from lib.daemons import Service
from lib.proc import wait_until
from lib.relay import Relay

VIP = "10.77.0.50"
DOWN = 0.3609375
GUIDE = pathlib.Path(__file__).resolve().parents[1] / "packaging/doc/testing-failover.md"


def test_F25_a_full_cut_heals_within_an_advert_and_the_winner_announces_again(scene):
    scene.pair()
    scene.faults.cut("db2")
    wait_until(lambda: scene.owners.holders(VIP) == ["db1", "db2"], 2, "both are Active while the network is cut: that is VRRP")
    scene.faults.heal()
    healed = time.time()
    scene.wait_holder("db1", deadline=2)
    assert scene.owners.changes(VIP, "db2", healed - 0.05)[-1][0] - healed < 0.15, "one advert interval"
    again = wait_until(lambda: scene.capture.announcements(VIP, "db1", since=healed - 0.05), 2)[0]
    assert again.at - healed < 0.5
    scene.sole("db1", seconds=0.6)


def test_F25_the_client_reaches_the_winner_after_the_heal(scene):
    scene.pair()
    pinger = scene.ping(VIP)
    wait_until(lambda: len(pinger.answers) > 5, 2)
    scene.faults.cut_between("db1", "db2")
    wait_until(lambda: len(scene.owners.holders(VIP)) == 2, 2)
    time.sleep(0.3)
    assert scene.lab.neighbour_mac("client", VIP) == scene.lab.mac("db2"), "the client heard the later announcement"
    scene.faults.heal()
    scene.wait_holder("db1", deadline=2)
    wait_until(lambda: scene.lab.neighbour_mac("client", VIP) == scene.lab.mac("db1"), 2, "the client learns the winner's MAC again")


def test_F25_the_cut_of_the_guide_cuts_and_its_end_heals(scene):
    """Its lines as they stand, on both hosts."""
    text = re.search(r"^## What is allowed to be double\n.*?(?=^## )", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)[0]
    cut = re.search(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[1]
    heal = re.search(r"`(nft delete [^`]+)`", text)[1]
    scene.pair()
    for host in scene.lab.hosts:
        scene.lab.run(host, "sh", "-ec", cut)
    wait_until(lambda: scene.owners.holders(VIP) == ["db1", "db2"], 2, "both are Active while neither hears the other")
    time.sleep(1.0)
    assert scene.owners.holders(VIP) == ["db1", "db2"]
    for host in scene.lab.hosts:
        scene.lab.run(host, "sh", "-ec", heal)
    scene.wait_holder("db1", deadline=2)
    scene.sole("db1", seconds=0.6)


def test_F26_one_way_loss_settles_and_is_said(scene):
    """db2 does not hear db1 and becomes Active; db1 hears only a lower priority, stays, and says so after 3 intervals."""
    one, _ = scene.pair()
    scene.faults.one_way("db1", "db2")
    wait_until(lambda: scene.owners.holders(VIP) == ["db1", "db2"], 2)
    wait_until(lambda: one.alarms() & {"one_way", "dual_active"}, 5, "it is said")
    began = time.time()
    time.sleep(1.0)
    assert not scene.owners.changes(VIP, since=began), "it has settled"
    scene.faults.heal()
    scene.wait_holder("db1", deadline=2)
    scene.sole("db1", seconds=0.6)


def test_F26_one_way_loss_the_other_way_disturbs_nothing(scene):
    scene.pair()
    scene.faults.one_way("db2", "db1")
    scene.sole("db1", seconds=1.0)


@pytest.mark.limit(60)
@pytest.mark.parametrize("percent, most", [(10, 6), (30, 30)])
def test_F28_random_loss_flaps_no_more_than_chance(scene, percent, most):
    """A takeover needs three lost adverts in a row: p^3 of 150 adverts in 15 s (0.15 at 10 %, 4 at 30 %), and five sigma above."""
    scene.pair()
    began = time.time()
    scene.faults.loss(percent, "db1")
    time.sleep(15)
    taken = [entry for entry in scene.owners.changes(VIP, "db2", began) if entry[3]]
    assert len(taken) <= most, len(taken)
    assert not [entry for entry in scene.owners.changes(VIP, "db1", began)], "the higher priority never loses it"
    scene.faults.heal()
    scene.wait_holder("db1", deadline=2)
    scene.sole("db1", seconds=0.6)


@pytest.mark.limit(60)
def test_F28_sixty_percent_loss_heals_to_one_active(scene):
    scene.pair()
    scene.faults.loss(60)
    time.sleep(8)
    scene.faults.heal()
    scene.wait_holder("db1", deadline=2)
    scene.sole("db1", seconds=1.0)


def test_F40_a_switch_that_eats_the_group_is_seen_and_unicast_passes_it(scene):
    one, _ = scene.pair()
    scene.faults.block("ip daddr 224.0.0.18", "db2")
    wait_until(lambda: scene.owners.holders(VIP) == ["db1", "db2"], 2)
    wait_until(lambda: one.alarms() & {"one_way", "dual_active"}, 5, "the Active hears a router that should have yielded")
    peers = tuple(scene.lab.ip4(host) for host in scene.lab.hosts)
    for baton in scene.daemons:
        baton.services[0].unicast_source, baton.services[0].unicast_peers = scene.lab.ip4(baton.host), peers
        baton.configure()
        assert baton.control("reload").returncode == 0
    scene.wait_holder("db1", deadline=4)
    scene.sole("db1", seconds=0.8)


def test_F41_multicast_passes_the_hosts_own_filter(scene):
    """Adverts leave and arrive by packet sockets, before nftables."""
    scene.faults.filter_on("db1", "output", "ip protocol 112")
    scene.faults.filter_on("db2", "input", "ip protocol 112")
    scene.pair()
    began = time.time()
    scene.sole("db1", seconds=1.0)
    scene.silent("db2", since=began)


def test_F41_unicast_arrives_before_the_hosts_own_filter(scene):
    peers = tuple(scene.lab.ip4(host) for host in scene.lab.hosts)
    for host in scene.lab.hosts:
        scene.faults.filter_on(host, "input", "ip protocol 112")
    scene.pair(options_db1={"unicast_source": peers[0], "unicast_peers": peers}, options_db2={"unicast_source": peers[1], "unicast_peers": peers})
    began = time.time()
    scene.sole("db1", seconds=1.0)
    scene.silent("db2", since=began)


def test_F41_unicast_that_may_not_leave_is_a_reason(scene):
    peers = tuple(scene.lab.ip4(host) for host in scene.lab.hosts)
    one, _ = scene.pair(options_db1={"unicast_source": "10.77.0.1", "unicast_peers": peers}, options_db2={"unicast_source": "10.77.0.2", "unicast_peers": peers})
    refused = time.time()
    scene.faults.filter_on("db1", "output", "ip protocol 112")
    scene.wait_holder("db2", deadline=4)
    assert one.instance()["reason"] == "send_failed"
    one.alarmed("send_failed")
    assert scene.owners.changes(VIP, "db1", refused)[0][0] - refused < 1.0, "after two intervals"
    scene.faults.clear_filter("db1")
    scene.wait_holder("db1", deadline=15)


@pytest.mark.limit(60)
def test_F42_a_port_that_forwards_late_makes_no_second_active(scene):
    """The switch's port listens and learns for 4 s; startup_delay covers it."""
    scene.start("baton", "db2", Service(priority=100))
    scene.wait_holder("db2")
    scene.faults.unplug("db1")
    scene.lab.run("switch", "sh", "-c", "echo 1 > /sys/class/net/br0/bridge/stp_state; echo 200 > /sys/class/net/br0/bridge/forward_delay")
    scene.faults.plug("db1")
    booted = time.time()
    scene.start("baton", "db1", Service(priority=200, extra=("startup_delay = 6s",)))
    scene.wait_holder("db1", deadline=15)
    assert scene.owners.longest_double(VIP, booted) < 0.05
    assert scene.owners.changes(VIP, "db1", booted)[-1][0] - booted > 5.9




@pytest.mark.parametrize("delay, jitter", [(0.2, 0.0), (0.05, 0.25)], ids=["late", "out-of-order"])
def test_F30_a_slow_line_changes_nothing_while_its_jitter_is_below_the_down_interval(scene, delay, jitter):
    scene.pair()
    Relay(scene.lab, "db2", delay, jitter)
    time.sleep(0.6)  # the adverts that were on the way when the line became slow
    scene.wait_holder("db1", deadline=3)
    scene.sole("db1", seconds=2.0)


@pytest.mark.parametrize("vrid", [10, 11], ids=["our-vrid", "another-vrid"])
def test_F90_keepalived_with_our_vrid_on_this_host_is_said(scene, vrid):
    theirs = scene.start("keepalived", "db1", Service(name="theirs", vrid=vrid, priority=50, vips=("10.77.0.60/24",)))
    wait_until(lambda: scene.capture.adverts("db1", vrid=vrid), 5)
    ours = scene.start("baton", "db1", Service(vrid=10, priority=200))
    scene.wait_holder("db1", VIP, 5)
    if vrid == 10:
        ours.alarmed("same_vrid_here")
        assert "another program on this host" in ours.control("status").stdout
    else:
        began = time.time()
        wait_until(lambda: len(scene.capture.adverts("db1", since=began, vrid=vrid)) > 20, 5)
        assert not any(entry.get("alarm") == "same_vrid_here" for entry in ours.events()) and "same_vrid_here" not in ours.alarms()
    theirs.stop()
    assert ours.instance()["role"] == "active"


def test_F90_keepalived_that_comes_later_is_said_too(scene):
    ours = scene.start("baton", "db1", Service(vrid=10, priority=200))
    scene.wait_holder("db1", VIP, 5)
    scene.start("keepalived", "db1", Service(name="theirs", vrid=10, priority=50, vips=("10.77.0.60/24",)))
    ours.alarmed("same_vrid_here", 15)
