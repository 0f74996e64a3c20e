"""Rules of RFC 9568 about ARP, ND, forwarding, snooping and RFC 8347's names, that only a kernel and a wire can show."""
import json
import time

import pytest

from lib import frames
from lib.daemons import Service
from lib.proc import wait_until

VIP, VIP6 = "10.77.0.50", "fd77::50"
DUAL = ("10.77.0.50/24", "fe80::50/64", "fd77::50/64")


def arping(scene, count=3):
    """MACs that answered `count` ARP requests of the client for the VIP, as the capture saw them."""
    began = time.time()
    mac = scene.lab.mac("client")
    body = bytes([0, 1, 8, 0, 6, 4, 0, 1]) + frames.mac_bytes(mac) + frames.packed(scene.lab.ip4("client")) + bytes(6) + frames.packed(VIP)
    injector = scene.injector()
    for _ in range(count):
        injector.send(frames.ethernet(body, mac, "ff:ff:ff:ff:ff:ff", 0x0806))
        time.sleep(0.1)
    return {frame.mac for frame in scene.capture.select("arp", since=began, source=VIP, operation=2)}


def solicitation(scene, target):
    """A neighbor solicitation of the client for `target`, to its solicited-node group."""
    source, mac = scene.lab.link_local("client"), scene.lab.mac("client")
    group = frames.ipaddress.ip_address(frames.packed("ff02::1:ff00:0")[:13] + frames.packed(target)[13:])
    body = bytes([135, 0, 0, 0, 0, 0, 0, 0]) + frames.packed(target) + b"\x01\x01" + frames.mac_bytes(mac)
    value = frames.checksum(frames.pseudo(source, str(group), len(body), 58) + body)
    packet = frames.ip6(body[:2] + value.to_bytes(2, "big") + body[4:], source, str(group), protocol=58)
    return frames.ethernet(packet, mac, frames.group_mac(str(group)))


def answers(scene, target, seconds=0.5):
    """Solicited neighbor advertisements for `target` after a solicitation."""
    began = time.time()
    scene.injector().send(solicitation(scene, target))
    time.sleep(seconds)
    return [frame for frame in scene.capture.select("na", since=began, address=target) if frame.target != "ff02::1"]


def test_A01_V01_a_backup_answers_neither_arp_nor_ping_for_the_vip(scene):
    scene.pair()
    assert arping(scene) == {scene.lab.mac("db1")}, "the Active alone answers"
    scene.lab.ip("client", "neigh", "replace", VIP, "lladdr", scene.lab.mac("db2"), "dev", "eth0", "nud", "permanent")
    assert scene.lab.run("client", "ping", "-c", "3", "-i", "0.1", "-W", "1", VIP, check=False).returncode == 1
    scene.lab.ip("client", "neigh", "replace", VIP, "lladdr", scene.lab.mac("db1"), "dev", "eth0", "nud", "permanent")
    assert scene.lab.run("client", "ping", "-c", "1", "-W", "1", VIP, check=False).returncode == 0, "the same way reaches the Active"


def test_N01_N03_only_the_active_answers_solicitations_and_with_solicited_and_override(scene):
    """R is set as far as the host forwards: without a virtual MAC the kernel answers, with the interface's own MAC."""
    scene.pair(vips=DUAL)
    wait_until(lambda: scene.capture.announcements(VIP6, "db1"), 3)
    found = answers(scene, VIP6)
    assert {frame.mac for frame in found} == {scene.lab.mac("db1")}
    assert {frame.flags for frame in found} == {0x60}, "S and O; a host is no router"
    scene.lab.run("db1", "sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
    found = answers(scene, VIP6)
    assert {(frame.mac, frame.flags) for frame in found} == {(scene.lab.mac("db1"), 0xE0)}, "R, S and O where the host forwards"


def test_N02_only_the_active_is_in_the_solicited_node_group(scene):
    scene.pair(vips=DUAL)
    group = "ff02::1:ff00:50"
    wait_until(lambda: group in scene.lab.ip("db1", "-6", "maddr", "show", "dev", "eth0"), 2)
    assert group not in scene.lab.ip("db2", "-6", "maddr", "show", "dev", "eth0")
    scene.faults.unplug("db1")
    scene.wait_holder("db2", VIP6, 3)
    wait_until(lambda: group in scene.lab.ip("db2", "-6", "maddr", "show", "dev", "eth0"), 2)
    wait_until(lambda: group not in scene.lab.ip("db1", "-6", "maddr", "show", "dev", "eth0"), 2)


def test_V05_N07_nothing_is_said_for_a_vip_before_it_is_held(scene):
    began = time.time()
    scene.start("baton", "db1", Service(vips=DUAL))
    scene.wait_holder("db1", VIP6)
    wait_until(lambda: scene.capture.announcements(VIP6, "db1") and scene.capture.announcements(VIP, "db1"), 3)
    for vip in (VIP, VIP6):
        held = scene.owners.changes(vip, "db1", began)[0][0]
        spoken = [frame for frame in scene.capture.frames() if frame.mac == scene.lab.mac("db1") and frame.kind in ("garp", "arp", "na", "ns")
                  and vip in (frame.source, frame.address)]
        assert spoken and spoken[0].at >= held - 0.005


def test_V06_an_owner_that_boots_sends_nothing_for_the_vip_but_its_announcement(scene):
    """Without a virtual MAC the announcement itself carries the interface's own MAC; nothing else may be sent for the address."""
    own = scene.lab.ip4("db1")
    began = time.time()
    scene.start("baton", "db1", Service(vips=(own + "/24",), owner=True))
    first = wait_until(lambda: scene.capture.announcements(own, "db1", since=began), 3)[0]
    assert first.at >= scene.capture.adverts("db1", since=began)[0].at
    time.sleep(0.5)
    spoken = scene.capture.select("arp", since=began, mac=scene.lab.mac("db1"), source=own)
    assert not spoken, spoken


def test_N08_the_vip_never_fails_duplicate_address_detection(scene):
    scene.pair(vips=DUAL)
    for host in ("db1", "db2"):
        scene.lab.run(host, "sysctl", "-qw", "net.ipv6.conf.eth0.accept_dad=1")
    scene.faults.cut_between("db1", "db2")
    scene.faults.heal()
    scene.faults.unplug("db1")
    scene.wait_holder("db2", VIP6, 3)
    text = scene.lab.ip("db2", "-6", "addr", "show", "dev", "eth0", "to", VIP6)
    assert VIP6 in text and "nodad" in text, text
    assert "dadfailed" not in text and "tentative" not in text, text


def test_I07_a_host_prefix_makes_no_second_connected_route(scene):
    scene.pair(vips=("10.77.0.50/32",))
    routes = json.loads(scene.lab.ip("db1", "-json", "route", "show", "proto", "kernel"))
    assert [route["dst"] for route in routes] == ["10.77.0.0/24"], routes


def test_I08_adverts_pass_a_switch_that_snoops(scene):
    """With snooping and a querier the switch forwards the group only to ports that reported it."""
    scene.lab.run("switch", "sh", "-c", "cd /sys/class/net/br0/bridge; echo 1 > multicast_querier; echo 1 > multicast_snooping")
    scene.pair(vips=DUAL)
    table = wait_until(lambda: (lambda text: text if "ff02::12" in text and "224.0.0.18" in text or "ff02::12" in text else "")(
        scene.lab.run("switch", "bridge", "mdb", "show", "dev", "br0")), 5, "the reports are seen by the switch")
    for host in ("db1", "db2"):
        assert [line for line in table.splitlines() if scene.lab.port(host) in line and "ff02::12" in line], table
        assert "224.0.0.18" in scene.lab.ip(host, "maddr", "show", "dev", "eth0")
    scene.sole("db1", seconds=1.5)


@pytest.mark.lab(links=2)
def test_E07_R16_adverts_are_not_forwarded_and_count_on_their_own_link_only(scene):
    one = scene.start("baton", "db1", Service(priority=100))
    scene.wait_holder("db1")
    scene.lab.run("db1", "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    began = time.time()
    other_link, same_link = scene.injector(link=1), scene.injector()
    for _ in range(10):
        other_link.send(frames.advert("10.77.1.3", scene.lab.mac("client", 1), priority=250, interval=10))
        same_link.send(frames.advert("10.77.0.3", scene.lab.mac("client"), vrid=77, priority=250, interval=10))
        time.sleep(0.05)
    assert not scene.owners.changes(VIP, since=began), "VRID 10 on another interface is another virtual router"
    assert one.instance()["role"] == "active"
    assert len(scene.capture.adverts("client", since=began, vrid=77)) == 10
    assert not scene.capture.select("vrrp", since=began, link=1, vrid=77), "nothing is forwarded from eth0 to eth1"
    same_link.send(frames.advert("10.77.0.3", scene.lab.mac("client"), priority=250, interval=10))
    wait_until(lambda: scene.owners.changes(VIP, "db1", began), 1, "on its own interface the same advert is obeyed")


RFC_8347 = {"state", "is-owner", "last-adv-source", "up-datetime", "master-down-interval", "skew-time", "last-event", "new-master-reason", "statistics"}
RFC_8347_COUNTERS = {"master-transitions", "advertisement-rcvd", "advertisement-sent", "interval-errors", "priority-zero-pkts-rcvd",
                     "priority-zero-pkts-sent", "invalid-type-pkts-rcvd", "address-list-errors", "packet-length-errors"}


def router(baton):
    return baton.instance()["virtual-routers"][0]


def test_M01_every_name_of_rfc_8347_is_in_the_status(scene):
    one, other = scene.pair()
    for baton, state, priority in ((one, "master", 200), (other, "backup", 100)):
        found = router(baton)
        assert RFC_8347 <= set(found), RFC_8347 - set(found)
        assert RFC_8347_COUNTERS <= set(found["statistics"]), RFC_8347_COUNTERS - set(found["statistics"])
        assert (found["state"], found["is-owner"]) == (state, False)
        assert found["skew-time"] == {200: 21875, 100: 60937}[priority]            # (256 - priority) / 256 * 100 ms, in us, cut
        assert found["master-down-interval"] == {200: 32, 100: 36}[priority]       # centiseconds, cut
    assert router(other)["last-adv-source"] == "10.77.0.1"


def event(baton, name):
    wait_until(lambda: router(baton)["last-event"] == "vrrp-event-" + name, 4, "last-event " + name + ": " + router(baton)["last-event"])


def test_M02_last_events_of_an_election(scene):
    one, other = scene.pair()
    event(one, "lower-priority-master") if router(one)["last-event"] != "vrrp-event-master-timeout" else None
    one.stop()
    event(other, "master-timeout")
    one.start().wait_ready()
    event(other, "higher-priority-backup")
    event(one, "lower-priority-master")


def test_M02_last_events_of_an_interface(scene):
    one = scene.start("baton", "db1", Service()).wait_ready()
    event(one, "master-timeout")
    scene.faults.unplug("db1")
    event(one, "interface-down")
    scene.lab.ip("db1", "addr", "flush", "dev", "eth0")
    scene.faults.plug("db1")
    event(one, "no-primary-ip-address")
    scene.lab.ip("db1", "addr", "add", "10.77.0.1/24", "dev", "eth0")
    event(one, "master-timeout")


def test_M02_last_events_of_an_owner_and_of_preempt_delay(scene):
    own = scene.lab.ip4("db1")
    event(scene.start("baton", "db1", Service(vips=(own + "/24",), owner=True)).wait_ready(), "owner-preempt")


def test_M02_preempt_hold_timeout(scene):
    scene.start("baton", "db2", Service(priority=100))
    scene.wait_holder("db2")
    one = scene.start("baton", "db1", Service(priority=200, preempt_delay="1s")).wait_ready()
    scene.wait_holder("db1")
    event(one, "preempt-hold-timeout")
