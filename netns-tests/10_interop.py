"""Beside keepalived 2.2.7 and FRR 8.4's vrrpd: who is elected, in both directions, and that one host alone holds the address.

BATON_DUT=keepalived runs the same tests with keepalived in Baton's place: that is how the tests themselves were tried.
"""
import ipaddress
import os
import time

import pytest

from lib.daemons import Service
from lib.proc import wait_until

DUT = os.environ.get("BATON_DUT", "baton")
VIP, VIP6 = "10.77.0.50", "fd77::50"
IPV4 = ("10.77.0.50/24",)
IPV6 = ("fe80::50/64", "fd77::50/64")
PEERS = ["keepalived", "frr"]
#                version, interval, VIPs: v2 knows whole seconds and IPv4 only
KINDS = {"v3": dict(version=3, interval_ms=100, vips=IPV4), "v3-ipv6": dict(version=3, interval_ms=100, vips=IPV6),
         "v2": dict(version=2, interval_ms=1000, vips=IPV4)}

all_peers = pytest.mark.parametrize("peer", PEERS)
all_kinds = pytest.mark.parametrize("kind", KINDS)
both_ways = pytest.mark.parametrize("dut_host", ["db1", "db2"], ids=["dut-wins", "peer-wins"])


def vip_of(kind):
    return VIP6 if kind == "v3-ipv6" else VIP


def kinds_of(dut_host, peer):
    """{host: daemon}: the DUT on dut_host, the peer on the other."""
    return {"db1": DUT if dut_host == "db1" else peer, "db2": DUT if dut_host == "db2" else peer}


def start(scene, dut_host, peer, kind, high=200, low=100, **options):
    """db1 with priority `high`, db2 with `low`; options_db1 and options_db2 change one side."""
    changes = {host: options.pop("options_" + host, {}) for host in ("db1", "db2")}
    found = {}
    for host, daemon in kinds_of(dut_host, peer).items():
        wanted = dict(KINDS[kind], priority=high if host == "db1" else low, **options)
        found[host] = scene.start(daemon, host, Service(**dict(wanted, **changes[host])))
    return found["db1"], found["db2"]


def down_interval(kind, priority=100):
    return Service(priority=priority, **KINDS[kind]).active_down_interval()


def slack(daemon):
    """Seconds for a busy machine. FRR waits until its macvlan is up before its first advert."""
    return 0.2 if daemon.kind == "frr" else 0.05


@all_peers
@all_kinds
@both_ways
def test_election_the_higher_priority_is_active_and_alone(scene, peer, kind, dut_host):
    start(scene, dut_host, peer, kind)
    scene.wait_holder("db1", vip_of(kind), 4 * down_interval(kind) + 2, settled=0.3)
    began = time.time()
    scene.sole("db1", vip_of(kind), 1.5 * down_interval(kind) + 0.3)
    scene.silent("db2", since=began)


@all_peers
@pytest.mark.parametrize("kind", ["v3", "v3-ipv6"])
@both_ways
def test_F13_equal_priority_the_higher_address_is_active(scene, peer, kind, dut_host):
    scene.faults.cut("db2")  # equal priority never preempts (S-11): the tie is between two that are Active
    start(scene, dut_host, peer, kind, high=100, low=100)
    vip = vip_of(kind)
    wait_until(lambda: scene.owners.holders(vip) == ["db1", "db2"], 5, "both are Active while the network is cut")
    sources = {host: ipaddress.ip_address(wait_until(lambda: scene.capture.adverts(host), 2)[-1].source) for host in ("db1", "db2")}
    scene.faults.heal()
    winner = max(sources, key=lambda host: sources[host])  # FRR's IPv6 address is random
    assert winner == "db2" or kind == "v3-ipv6" and peer == "frr"
    scene.wait_holder(winner, vip, 3)
    scene.sole(winner, vip, 1.0)
    scene.silent("db1" if winner == "db2" else "db2", 0.5)


@all_peers
@all_kinds
@both_ways
def test_death_the_other_takes_over_at_the_active_down_interval(scene, peer, kind, dut_host):
    active, db2 = start(scene, dut_host, peer, kind)
    vip, down = vip_of(kind), down_interval(kind)
    scene.wait_holder("db1", vip, 4 * down + 2)
    time.sleep(0.3)
    active.kill()
    killed = time.time()
    first = wait_until(lambda: scene.capture.adverts("db2", since=killed), down + 2)[0]
    last = [frame for frame in scene.capture.adverts("db1", until=killed)][-1]
    # FRR cuts its skew to whole centiseconds: up to 10 ms early.
    assert down - 0.011 < first.at - last.at < down + slack(db2), first.at - last.at
    wait_until(lambda: scene.capture.announcements(vip, since=killed), 2)
    assert "db2" in scene.owners.holders(vip)


@all_peers
@all_kinds
@both_ways
def test_priority_zero_the_other_takes_over_after_its_skew_time(scene, peer, kind, dut_host):
    active, db2 = start(scene, dut_host, peer, kind)
    vip, down = vip_of(kind), down_interval(kind)
    scene.wait_holder("db1", vip, 4 * down + 3, settled=0.5)  # FRR may fall back once while its macvlan comes up
    wait_until(lambda: not scene.capture.adverts("db2", since=time.time() - 0.5), 3)
    asked = time.time()
    active.stop()
    farewell = wait_until(lambda: scene.capture.adverts("db1", since=asked, priority=0), 3)[0]
    first = wait_until(lambda: scene.capture.adverts("db2", since=farewell.at), down + 2)[0]
    skew = (256 - 100) / 256 * (1.0 if kind == "v2" else 0.1)
    assert skew - 0.011 < first.at - farewell.at < skew + slack(db2), first.at - farewell.at
    scene.wait_holder("db2", vip, 2)
    if active.kind == "baton":
        assert len(scene.capture.adverts("db1", since=asked, priority=0)) == 1
        assert scene.owners.longest_double(vip, asked) == 0.0
    scene.sole("db2", vip, 0.5)


@all_peers
@pytest.mark.parametrize("kind", ["v3", "v3-ipv6"])
@both_ways
@pytest.mark.parametrize("preempt", [True, False], ids=["preempt", "no-preempt"])
def test_a_later_higher_priority_preempts_only_if_it_may(scene, peer, kind, dut_host, preempt):
    kinds, vip, down = kinds_of(dut_host, peer), vip_of(kind), down_interval(kind)
    scene.start(kinds["db2"], "db2", Service(priority=100, **KINDS[kind]))
    scene.wait_holder("db2", vip, 5)
    began = time.time()
    scene.start(kinds["db1"], "db1", Service(priority=200, preempt=preempt, **KINDS[kind]))
    if preempt:
        scene.wait_holder("db1", vip, 5)
        scene.sole("db1", vip, 2 * down)
    else:
        wait_until(lambda: scene.daemons[-1].process.poll() is None, 1)
        scene.sole("db2", vip, 4 * down + 1.0)
        scene.silent("db1", since=began)


@both_ways
def test_F22_v2_password_interoperates_with_keepalived(scene, dut_host):
    start(scene, dut_host, "keepalived", "v2", password="SECRET12")
    scene.wait_holder("db1", VIP, 10)
    scene.sole("db1", VIP, 4.5)
    scene.silent("db2", since=time.time() - 3)


@pytest.mark.limit(40)
@both_ways
def test_F22_v2_wrong_password_is_refused_and_said(scene, dut_host):
    hosts = start(scene, dut_host, "keepalived", "v2", password="SECRET12", options_db2={"password": "OTHER"})
    wait_until(lambda: scene.owners.holders(VIP) == ["db1", "db2"], 10, "each ignores the other")
    for daemon in hosts:
        if daemon.kind == "baton":
            daemon.alarmed("adverts_rejected")


@all_peers
def test_F06_F92_vip_mismatch_is_said(scene, peer):
    """Rule R-14: we accept; keepalived 2.2.7 discards ours and goes MASTER beside us, and our alarm must say so."""
    dut = scene.start(DUT, "db1", Service(priority=200, vips=("10.77.0.50/24", "10.77.0.51/24")))
    scene.wait_holder("db1")
    # as in the checksum test: a silent keepalived is given away by its delayed ARP
    scene.start(peer, "db2", Service(priority=100, vips=("10.77.0.50/24",), extra=("garp_master_delay 1",) if peer == "keepalived" else ()))
    if peer == "keepalived":
        wait_until(lambda: "db2" in scene.owners.holders(VIP), 5, "keepalived goes MASTER beside us")
        if dut.kind == "baton":
            dut.alarmed("dual_active")
            dut.alarmed("vip_mismatch")
    else:
        scene.sole("db1", VIP, 1.5)


def test_F06_vip_mismatch_as_backup_we_accept_the_better_router(scene):
    scene.start("keepalived", "db2", Service(priority=200, vips=("10.77.0.50/24",)))
    scene.wait_holder("db2")
    began = time.time()
    dut = scene.start(DUT, "db1", Service(priority=100, vips=("10.77.0.50/24", "10.77.0.51/24")))
    if dut.kind == "baton":
        dut.wait_ready()
        scene.sole("db2", VIP, 1.5)
        scene.silent("db1", since=began)
        dut.alarmed("vip_mismatch")


@all_peers
@both_ways
def test_F07_F92_v3_interval_mismatch_the_backup_learns(scene, peer, dut_host):
    hosts = start(scene, dut_host, peer, "v3", options_db1={"interval_ms": 500})
    scene.wait_holder("db1", VIP, 8)
    began = time.time()
    scene.sole("db1", VIP, 2.5)
    scene.silent("db2", since=began)
    for daemon in hosts:
        if daemon.kind == "baton" and daemon.host == "db2":
            daemon.alarmed("interval_mismatch")


@pytest.mark.limit(40)
@both_ways
def test_F07_v2_interval_mismatch_is_dropped_and_said(scene, dut_host):
    """RFC 3768 section 7.1 demands the discard, so both are Active by design of version 2; we say so."""
    hosts = start(scene, dut_host, "keepalived", "v2", options_db1={"interval_ms": 2000})
    wait_until(lambda: scene.owners.holders(VIP) == ["db1", "db2"], 15, "each ignores the other")
    for daemon in hosts:
        if daemon.kind == "baton":
            daemon.alarmed("adverts_rejected")


@pytest.mark.skipif(DUT != "baton", reason="needs Baton")
def test_keepalived_accepts_the_checksum_that_auto_sends(scene):
    """C-05: keepalived 2.2.7 rejects the message-only form and would go MASTER; auto sends the other."""
    start(scene, "db1", "keepalived", "v3")
    scene.wait_holder("db1")
    scene.sole("db1", VIP, 1.0)
    assert {frame.form for frame in scene.capture.adverts("db1")} == {"P"}


@pytest.mark.skipif(DUT != "baton", reason="needs Baton")
def test_message_only_checksum_makes_keepalived_go_master_beside_us(scene):
    # keepalived starts its advert timer anew at each advert of ours and may send no second one: then its delayed ARP gives it away
    start(scene, "db1", "keepalived", "v3", options_db1={"extra": ("checksum = message",)}, options_db2={"extra": ("garp_master_delay 1",)})
    wait_until(lambda: scene.owners.holders(VIP) == ["db1", "db2"], 5, "keepalived rejects our form")
    assert {frame.form for frame in scene.capture.adverts("db1")} == {"M"}
    scene.daemons[0].alarmed("dual_active")
