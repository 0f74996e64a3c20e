"""The harness itself, proven with two keepalived: what it says about ownership, frames, faults and clients is true."""
import time

import pytest

from lib import frames
from lib.daemons import Service
from lib.proc import wait_until

VIP = "10.77.0.50"


def pair(scene, **options):
    one = scene.start("keepalived", "db1", Service(priority=200, **options))
    other = scene.start("keepalived", "db2", Service(priority=100, **options))
    scene.wait_holder("db1")
    return one, other


def test_a_capture_reads_what_keepalived_sends(scene):
    pair(scene)
    advert = wait_until(lambda: scene.capture.adverts("db1"), 5)[-1]
    assert (advert.version, advert.vrid, advert.priority, advert.interval, advert.vips) == (3, 10, 200, 10, (VIP,))
    assert (advert.ttl, advert.target, advert.form) == (255, "224.0.0.18", "P")
    announced = wait_until(lambda: scene.capture.announcements(VIP, "db1"), 5)[0]
    assert announced.announced_mac == scene.lab.mac("db1")


def test_a_cut_moves_the_address_and_the_record_shows_the_double_holding(scene):
    pair(scene)
    before = time.time()
    scene.faults.cut("db1")
    wait_until(lambda: scene.owners.holders(VIP) == ["db1", "db2"], 3, "both hold it while the network is cut")
    scene.faults.heal()
    scene.wait_holder("db1")
    assert scene.owners.longest_double(VIP, before) > 0.005
    assert scene.capture.adverts("db2", since=before)


def test_a_pulled_cable_takes_the_carrier_and_the_capture_survives_it(scene):
    pair(scene)
    before = time.time()
    scene.faults.unplug("db1")
    scene.wait_holder("db2", deadline=3)
    wait_until(lambda: len(scene.capture.adverts("db2", since=before)) > 3, 3)
    scene.faults.plug("db1")
    scene.wait_holder("db1")


def test_one_way_loss_is_one_way(scene):
    pair(scene)
    scene.faults.one_way("db1", "db2")
    wait_until(lambda: scene.owners.holders(VIP) == ["db1", "db2"], 3, "db2 does not hear db1")
    last = time.time()
    wait_until(lambda: scene.capture.adverts("db1", since=last), 2, "db1 goes on: it hears only a lower priority")


def test_a_client_sees_the_gap(scene):
    _, other = pair(scene)
    scene.owners.holders(VIP)
    pinger = scene.ping(VIP)
    wait_until(lambda: len(pinger.answers) > 20, 3)
    before = time.time()
    scene.daemons[0].kill()
    scene.lab.ip("db1", "addr", "del", VIP + "/24", "dev", "eth0")
    scene.wait_holder("db2", deadline=3)
    wait_until(lambda: [at for at in pinger.answers if at > before + 0.3], 3, "answers from db2")
    gap = pinger.longest_gap(before)
    assert 0.2 < gap < 1.0, gap
    assert other.pids()


def test_an_injected_priority_zero_makes_keepalived_yield_its_timer(scene):
    pair(scene)
    db1_mac, db1_ip = scene.lab.mac("client"), scene.lab.ip4("client")
    scene.faults.one_way("db1", "db2")
    injector = frames.Injector(scene.lab.namespace("client"), "eth0")
    before = time.time()
    injector.send(frames.advert(db1_ip, db1_mac, priority=0, interval=10))
    first = wait_until(lambda: scene.capture.adverts("db2", since=before), 2)[0]
    assert first.at - before < 0.2  # Skew_Time 61 ms, not Active_Down_Interval 361 ms
    injector.close()


@pytest.mark.parametrize("vips", [("10.77.0.50/24",), ("fe80::50/64", "fd77::50/64")])
def test_frr_vrrpd_elects_beside_keepalived(scene, vips):
    scene.start("frr", "db1", Service(priority=200, vips=vips))
    scene.start("keepalived", "db2", Service(priority=100, vips=vips))
    scene.wait_holder("db1", vips[-1].split("/")[0], deadline=10)
    wait_until(lambda: scene.capture.adverts("db1"), 3)
