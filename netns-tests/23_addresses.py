"""The floating address in the kernel: marks, lifetimes, who else touches it, and links that come and go (design section 5)."""
import time

import pytest

from lib import frames, netlink
from lib.daemons import Service
from lib.proc import wait_until
from lib.watch import AddressTable

VIP, VIP6 = "10.77.0.50", "fd77::50"
FOREVER = 0xFFFFFFFF


def marks(scene, host, address):
    with AddressTable(scene.lab.namespace(host)) as table:
        return table.marks(address)


def test_the_address_is_marked_and_ages(scene):
    scene.pair(vips=("10.77.0.50/24", "fe80::50/64", "fd77::50/64"))
    length, flags, protocol, valid, _ = marks(scene, "db1", VIP)
    assert (length, protocol) == (24, netlink.BATON_PROTOCOL)
    assert 1 <= valid <= 3, "auto lifetime of up to 256 IPv4 addresses: 3 s, refreshed each second"
    length6, flags6, protocol6, _, _ = marks(scene, "db1", VIP6)
    assert (length6, protocol6) == (64, netlink.BATON_PROTOCOL)
    assert flags6 & netlink.NODAD and flags6 & netlink.NOPREFIXROUTE
    wait_until(lambda: marks(scene, "db1", VIP6)[3] != FOREVER, 5, "the IPv6 address is converted to a finite lifetime")
    time.sleep(4)
    assert scene.lab.holds("db1", VIP) and scene.lab.holds("db1", VIP6), "it is refreshed for as long as we are Active"
    assert flags is not None and not scene.owners.changes(VIP6, since=time.time() - 3)


def test_the_hosts_own_connected_route_never_ages(scene):
    scene.pair(vips=("10.77.0.50/24", "fe80::50/64", "fd77::50/64"))
    time.sleep(1.5)
    for family in ("-4", "-6"):
        routes = scene.lab.ip("db1", family, "route", "show", "dev", "eth0")
        assert "expires" not in routes, routes


@pytest.mark.parametrize("vip", ["10.77.0.50/24", "fd77::50/64"])
def test_F36_a_removed_address_is_back_within_100_ms_and_announced(scene, vip):
    scene.pair(vips=("fe80::50/64", vip) if ":" in vip else (vip,))
    address = vip.split("/")[0]
    time.sleep(0.5)
    removed = time.time()
    scene.lab.ip("db1", "addr", "del", vip, "dev", "eth0")
    back = wait_until(lambda: [entry for entry in scene.owners.changes(address, "db1", removed) if entry[3]], 2)[0][0]
    gone = [entry for entry in scene.owners.changes(address, "db1", removed) if not entry[3]][0][0]
    assert back - gone < 0.1, back - gone
    wait_until(lambda: scene.capture.announcements(address, "db1", since=gone), 1)
    assert not scene.owners.changes(address, "db2", removed)


def test_F36_a_fight_ends_in_yielding_and_names_it(scene):
    one, _ = scene.pair()
    for _ in range(8):
        scene.lab.ip("db1", "addr", "del", VIP + "/24", "dev", "eth0", check=False)
        time.sleep(0.25)
    scene.wait_holder("db2", deadline=3)
    one.alarmed("address_fight")
    assert one.instance()["reason"] == "address_fight"


def test_F37_a_stray_address_of_somebody_else_is_left_and_reported(scene):
    _, other = scene.pair()
    with netlink.RouteSocket(scene.lab.namespace("db2")) as route:
        route.add(VIP + "/24")
    other.alarmed("stray_address")
    time.sleep(0.5)
    assert scene.lab.holds("db2", VIP), "it is not ours"
    assert marks(scene, "db2", VIP)[3] == FOREVER


def test_F37_a_stray_address_with_our_mark_is_removed(scene):
    scene.pair()
    with netlink.RouteSocket(scene.lab.namespace("db2")) as route:
        route.add(VIP + "/24", protocol=netlink.BATON_PROTOCOL)
    wait_until(lambda: not scene.lab.holds("db2", VIP), 1)


def test_an_address_that_is_there_already_is_never_replaced(scene):
    """EEXIST without our mark is somebody else's: reported, left, not made ageing."""
    with netlink.RouteSocket(scene.lab.namespace("db1")) as route:
        route.add(VIP + "/24")
    one = scene.start("baton", "db1", Service(priority=200)).wait_ready()
    other = scene.start("baton", "db2", Service())
    wait_until(lambda: one.alarms() & {"address_foreign", "stray_address"}, 5, "it says so")
    time.sleep(1.5)
    protocol, valid = marks(scene, "db1", VIP)[2:4]
    assert (protocol, valid) == (0, FOREVER)
    assert other.pids()
    one.stop()
    assert scene.lab.holds("db1", VIP), "it is not ours to remove"


def test_an_address_of_ours_found_at_start_is_removed_before_the_election(scene):
    scene.start("baton", "db2", Service())
    scene.wait_holder("db2")
    with netlink.RouteSocket(scene.lab.namespace("db1")) as route:
        route.add(VIP + "/24", protocol=netlink.BATON_PROTOCOL)
    scene.start("baton", "db1", Service(priority=50))
    wait_until(lambda: not scene.lab.holds("db1", VIP), 2)
    scene.sole("db2", seconds=0.5)


def test_F39_a_removed_prefix_route_is_not_ours_to_restore(scene):
    scene.pair()
    scene.lab.ip("db1", "route", "del", "10.77.0.0/24", "dev", "eth0")
    scene.sole("db1", seconds=1.2)
    assert "10.77.0.0/24" not in scene.lab.ip("db1", "route", "show", "dev", "eth0")


def test_F39_without_promote_secondaries_the_address_goes_with_the_hosts_own_and_comes_back(scene):
    one, _ = scene.pair()
    removed = time.time()
    scene.lab.ip("db1", "addr", "del", "10.77.0.1/24", "dev", "eth0")
    scene.wait_holder("db2", deadline=3)
    assert one.instance()["reason"] == "no_primary_address"
    assert one.instance()["role"] == "initialize"
    scene.lab.ip("db1", "addr", "add", "10.77.0.1/24", "dev", "eth0")
    scene.wait_holder("db1", deadline=4)
    assert scene.owners.longest_double(VIP, removed) < 0.05


def test_F31_carrier_flaps_ten_times_a_second_leak_no_address(scene):
    one, _ = scene.pair()
    before = one.transitions()
    for _ in range(30):
        scene.faults.unplug("db1")
        time.sleep(0.05)
        scene.faults.plug("db1")
        time.sleep(0.05)
    scene.faults.unplug("db1")
    wait_until(lambda: scene.owners.holders(VIP) == ["db2"], 3)
    assert one.transitions() - before <= 2 * 31 + 2
    scene.faults.plug("db1")
    scene.wait_holder("db1", deadline=4)


def test_F32_an_interface_deleted_and_made_again_resumes_within_a_second(scene):
    one, _ = scene.pair()
    scene.lab.ip("switch", "link", "del", scene.lab.port("db1"))
    scene.wait_holder("db2", deadline=2)
    wait_until(lambda: one.instance()["reason"] == "interface_missing", 2)
    again = time.time()
    scene.lab.lay_cable("db1")
    scene.wait_holder("db1", deadline=4)
    # Active_Down_Interval of priority 200 is 322 ms; the rest is ours.
    assert scene.owners.changes(VIP, "db1", again)[-1][0] - again < 1.0
    assert one.process.poll() is None


def test_an_interface_that_comes_late_is_a_normal_state(scene):
    scene.lab.ip("switch", "link", "del", scene.lab.port("db1"))
    one = scene.start("baton", "db1", Service()).wait_ready()
    assert (one.instance()["role"], one.instance()["reason"]) == ("initialize", "interface_missing")
    scene.lab.lay_cable("db1")
    scene.wait_holder("db1", deadline=3)


def test_a_renamed_interface_is_lost_and_found_by_name(scene):
    one, _ = scene.pair()
    scene.lab.ip("db1", "link", "set", "eth0", "down")
    scene.lab.ip("db1", "link", "set", "eth0", "name", "other0")
    scene.lab.ip("db1", "link", "set", "other0", "up")
    scene.wait_holder("db2", deadline=2)
    wait_until(lambda: one.instance()["reason"] == "interface_missing", 2)
    scene.lab.ip("db1", "link", "set", "other0", "down")
    scene.lab.ip("db1", "link", "set", "other0", "name", "eth0")
    scene.lab._batch("db1", ["link set eth0 up"])
    scene.wait_holder("db1", deadline=4)


def test_an_interface_without_an_address_waits_for_one(scene):
    scene.lab.ip("db1", "addr", "del", "10.77.0.1/24", "dev", "eth0")
    one = scene.start("baton", "db1", Service()).wait_ready()
    assert (one.instance()["role"], one.instance()["reason"]) == ("initialize", "no_primary_address")
    scene.lab.ip("db1", "addr", "add", "10.77.0.1/24", "dev", "eth0")
    scene.wait_holder("db1", deadline=3)


def test_S12_interface_set_down_and_up_goes_through_initialize_and_backup(scene):
    one, _ = scene.pair()
    scene.lab.ip("db1", "link", "set", "eth0", "down")
    wait_until(lambda: one.instance()["role"] == "initialize", 2)
    assert one.instance()["reason"] == "interface_down"
    assert one.instance()["virtual-routers"][0]["last-event"] == "vrrp-event-interface-down"
    up = time.time()
    scene.lab.ip("db1", "link", "set", "eth0", "up")
    first = wait_until(lambda: scene.capture.adverts("db1", since=up), 3)[0]
    assert first.at - up > 0.3, "Backup first, a whole Active_Down_Interval"


def test_F35_a_changed_mac_is_announced(scene):
    scene.pair()
    pinger = scene.ping(VIP)
    wait_until(lambda: len(pinger.answers) > 5, 2)
    changed = time.time()
    scene.lab.ip("db1", "link", "set", "eth0", "address", "02:77:00:00:00:99")
    found = wait_until(lambda: [frame for frame in scene.capture.announcements(VIP, since=changed) if frame.announced_mac == "02:77:00:00:00:99"], 3)
    assert found[0].mac == "02:77:00:00:00:99"
    wait_until(lambda: pinger.answers[-1] > found[0].at + 0.05, 2, "the client follows")


def test_S14_the_next_advert_has_the_new_primary_address(scene):
    one, _ = scene.pair()
    before = one.transitions()
    scene.lab.ip("db1", "addr", "add", "10.77.0.9/24", "dev", "eth0")
    scene.lab.ip("db1", "addr", "change", "10.77.0.9/24", "dev", "eth0")
    time.sleep(0.5)
    assert {frame.source for frame in scene.capture.adverts("db1", since=time.time() - 0.4)} == {"10.77.0.1"}, "E-04: it does not change without need"
    assert one.transitions() == before


def test_F23_an_mtu_below_the_advert_is_a_reason_and_not_silence(scene):
    vips = tuple("10.77.0.%d/24" % number for number in range(50, 90))  # 8 + 40 * 4 + 20 = 188 bytes
    one, _ = scene.pair(vips=vips, settled=0.5)
    scene.lab.ip("db1", "link", "set", "eth0", "mtu", "128")
    wait_until(lambda: "db2" in scene.owners.holders("10.77.0.60") and "db1" not in scene.owners.holders("10.77.0.60"), 4)
    assert one.instance()["reason"] == "mtu_too_small"
    one.alarmed("mtu")
    scene.lab.ip("db1", "link", "set", "eth0", "mtu", "1500")
    scene.wait_holder("db1", "10.77.0.60", deadline=4)


@pytest.mark.limit(60)
def test_F43_after_a_storm_of_netlink_messages_the_address_is_mended(scene):
    """The engine stands still for a second while the table changes tens of thousands of times; our address is removed among them."""
    one, _ = scene.pair(interval_ms=1000)
    with netlink.RouteSocket(scene.lab.namespace("db1"), "lo") as route:
        prefixes = ["10.200.%d.%d/32" % (number >> 8, number & 255) for number in range(1000)]
        import os
        import signal
        engine = one.process_of("engine")
        os.kill(engine, signal.SIGSTOP)
        stopped = time.time()
        while time.time() - stopped < 0.8:
            route.many(netlink.RTM_NEWADDR, prefixes)
            route.many(netlink.RTM_DELADDR, prefixes)
        scene.lab.ip("db1", "addr", "del", VIP + "/24", "dev", "eth0")
        while time.time() - stopped < 1.0:
            route.many(netlink.RTM_NEWADDR, prefixes)
            route.many(netlink.RTM_DELADDR, prefixes)
        os.kill(engine, signal.SIGCONT)
        resumed = time.time()
    scene.wait_holder("db1", deadline=2)
    assert scene.owners.changes(VIP, "db1", resumed - 0.01)[-1][3]
    assert not scene.owners.changes(VIP, "db2")


def test_F45_a_netlink_message_that_is_not_the_kernels_is_ignored(scene):
    one, _ = scene.pair()
    scene.owners.tables["db1"].socket  # our own watcher hears it too; it is not under test
    began = time.time()
    before = one.instance()["transitions"]
    with netlink.RouteSocket(scene.lab.namespace("db1")) as forger:
        message = netlink.address_message(netlink.RTM_DELADDR, forger.index, VIP + "/24", header_flags=0)
        link_gone = netlink.struct.pack("=IHHIIBxHiII", 32, 17, 0, 0, 0, 0, 1, forger.index, 0, 0)
        own = {table.socket.getsockname()[0] for table in scene.owners.tables.values()} | {forger.socket.getsockname()[0]}
        sent = 0
        for port in netlink.user_ports(scene.lab.namespace("db1")):
            if port not in own:
                for forged in (message, link_gone):
                    forger.socket.sendto(forged, (port, 0))
                    sent += 1
    assert sent, "no netlink socket of the daemon was found"
    time.sleep(1.2)
    assert one.instance()["transitions"] == before and one.instance()["role"] == "active"
    assert not scene.capture.announcements(VIP, "db1", since=began + 0.2), "no reaction to the forged removal"


@pytest.mark.alone
def test_adverts_stay_on_time_while_the_rtnl_lock_is_busy(scene):
    scene.pair()
    with netlink.BusyRtnl(scene.lab.namespace("client")):
        began = time.time()
        time.sleep(4)
        seen = scene.capture.adverts("db1", since=began)
    gaps = [after.at - before.at for before, after in zip(seen, seen[1:])]
    assert max(gaps) < 0.11, "the latest advert: %.1f ms" % (1000 * max(gaps))
    scene.silent("db2", since=began)


def test_F21_a_tentative_link_local_address_is_waited_for(scene):
    _enable_dad(scene, "db1")
    scene.lab.ip("db1", "link", "set", "eth0", "down")
    one = scene.start("baton", "db1", Service(vips=("fe80::50/64", "fd77::50/64"))).wait_ready()
    up = time.time()
    scene.lab.ip("db1", "link", "set", "eth0", "up")
    scene.lab.ip("db1", "addr", "add", "fd77::1/64", "dev", "eth0", check=False)
    scene.wait_holder("db1", VIP6, deadline=6)
    usable = [entry for entry in scene.capture.select("ns", since=up)]
    assert scene.capture.adverts("db1", since=up)[0].at - up > 0.9, "duplicate address detection takes a second"
    assert usable and one.process.poll() is None


def test_F21_failed_duplicate_address_detection_is_a_reason(scene):
    _enable_dad(scene, "db1")
    scene.lab.ip("db2", "link", "set", "eth0", "addrgenmode", "none")
    scene.lab.ip("db2", "addr", "add", scene.lab.link_local("db1") + "/64", "dev", "eth0", "nodad")
    scene.lab.ip("db1", "link", "set", "eth0", "down")
    scene.lab.ip("db1", "link", "set", "eth0", "up")
    wait_until(lambda: "dadfailed" in scene.lab.ip("db1", "-6", "addr", "show", "dev", "eth0"), 4, "the kernel found the duplicate")
    one = scene.start("baton", "db1", Service(vips=("fe80::50/64", "fd77::50/64"))).wait_ready()
    time.sleep(1.0)
    assert (one.instance()["role"], one.instance()["reason"]) == ("initialize", "address_tentative")
    assert not scene.capture.adverts("db1")


def _enable_dad(scene, host):
    scene.lab.run(host, "sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/all/accept_dad; echo 1 > /proc/sys/net/ipv6/conf/eth0/accept_dad")


@pytest.mark.parametrize("kind", ["arp", "na"])
def test_a_rival_that_announces_our_address_is_answered_and_alarmed(scene, kind):
    """Peers' pain 3.1: after a rival's ARP or NA the clients must learn our MAC again."""
    one, _ = scene.pair(vips=(VIP + "/24",) if kind == "arp" else ("fe80::50/64", "fd77::50/64"))
    address = VIP if kind == "arp" else VIP6
    time.sleep(0.5)
    injector = scene.injector()
    claimed = time.time()
    mac = scene.lab.mac("client")
    injector.send(frames.gratuitous_arp(address, mac) if kind == "arp" else frames.unsolicited_na(address, mac))
    answered = wait_until(lambda: scene.capture.announcements(address, "db1", since=claimed), 2)[0]
    assert answered.at - claimed < 0.5
    one.alarmed("rival")
