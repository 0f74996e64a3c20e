"""The stewards' own conversation: each host shows the other over every path, says when it is lost or configured otherwise, and changes its key
without a gap. Whoever has no key is not heard, and costs the adverts nothing. What fails on all hosts moves nothing."""
import os
import struct
import threading
import time

import pytest

from lib import frames, proc
from lib.capture import Capture
from lib.daemons import plugin_dir
from lib.proc import wait_until

VIP = "10.77.0.50"
PORT = 5112
LOST_AFTER_MS = 3500  # PeerChannel::kLostAfter
RECENTLY = 4.5        # longer than that, and than the second that may pass until the next word


def key_file(scene, name, content):
    path = os.path.join(scene.lab.directory, name)
    with open(path, "w", encoding="ascii") as file:
        file.write(content + "\n")
    os.chmod(path, 0o600)
    return path


def with_keys(*paths):
    return {"daemon_keys": ["log_level = debug"] + ["peer_key_file = " + path for path in paths]}


def peer(baton):
    found = baton.json("status")["peers"]
    return found[0] if found else {}


def hears(baton):
    return peer(baton).get("heard", False)


def both_hear(scene):
    one, other = scene.daemons[:2]
    wait_until(lambda: hears(one) and hears(other), 10, "both hear each other")


def alarm_events(token, *batons):
    return [entry for baton in batons for entry in baton.events() if entry.get("alarm") == token]


def test_each_host_shows_the_other_and_says_when_it_is_lost(scene):
    key = key_file(scene, "key", "k" * 32)
    one, other = scene.pair(daemon=with_keys(key))
    both_hear(scene)
    wait_until(lambda: peer(other)["instances"] and peer(other)["instances"][0]["role"] == "active", 2, "db2 knows that db1 is Active")
    seen = peer(other)
    assert (seen["host"], seen["paths"], seen["same_config"]) == ("db1", 1, False)  # the lab gives each host a file of its own
    assert [(each["name"], each["role"], each["eligible"]) for each in seen["instances"]] == [("svc", "active", True)]
    assert peer(one)["instances"][0]["role"] == "backup"
    assert "config_differs" in one.alarms()
    scene.faults.block("udp dport %d" % PORT)
    wait_until(lambda: not hears(one) and not hears(other), 10, "neither hears the other")
    wait_until(lambda: "peer_lost" in one.alarms() and "peer_lost" in other.alarms(), 5, "both say so")
    gone = peer(one)
    assert (gone["instances"], gone["same_config"], gone["paths_heard"]) == ([], None, 0)
    assert "config_differs" not in one.alarms(), "nothing is known of the other's configuration any more"
    scene.sole("db1", seconds=0.5)  # it moves nothing by itself
    scene.faults.heal()
    both_hear(scene)
    wait_until(lambda: "peer_lost" not in one.alarms() | other.alarms(), 5, "the alarm is over")


@pytest.mark.parametrize("gone", ["key", "peer"])
def test_the_alarm_is_over_once_the_lost_host_is_out_of_the_configuration(scene, gone):
    one, other = scene.pair(daemon=with_keys(key_file(scene, "key", "k" * 32)))
    both_hear(scene)
    other.stop()
    wait_until(lambda: "peer_lost" in one.alarms(), 10, "db2 is lost")
    text = one.compose()
    one.text = text[:text.index("[peer db2]")] if gone == "peer" else text.replace("peer_key_file = ", "# ")
    one.configure()
    assert one.control("reload").returncode == 0
    wait_until(lambda: not peer(one) and "peer_lost" not in one.alarms(), 5, "no host is missed any more")


# ---- Several paths ---------------------------------------------------------------------------------------------------

@pytest.mark.lab(links=2)
@pytest.mark.limit(90)
def test_one_of_two_paths_is_enough_and_the_loss_of_both_is_said(scene):
    one, other = scene.pair(daemon=with_keys(key_file(scene, "key", "k" * 32)))

    def cut(link):
        for host in ("db1", "db2"):
            scene.faults.block("udp dport %d" % PORT, host, link)

    def paths(heard):
        return all((peer(baton)["paths"], peer(baton)["paths_heard"]) == (2, heard) for baton in (one, other))

    wait_until(lambda: paths(2), 10, "each hears the other by both paths")
    for link in (0, 1):
        cut(link)
        wait_until(lambda: paths(1), 10, "one path is left")
        proc.hold(lambda: hears(one) and hears(other) and paths(1), RECENTLY, "heard by the other path", every=0.2)
        scene.faults.heal()
        wait_until(lambda: paths(2), 10, "both paths again")
    assert not alarm_events("peer_lost", one, other)
    cut(0)
    cut(1)
    wait_until(lambda: not hears(one) and not hears(other), 10, "neither hears the other")
    wait_until(lambda: "peer_lost" in one.alarms() and "peer_lost" in other.alarms(), 5, "both say so")
    wait_until(lambda: paths(0), 5, "no path is heard")
    scene.faults.heal()
    wait_until(lambda: paths(2), 10, "both paths again")
    wait_until(lambda: "peer_lost" not in one.alarms() | other.alarms(), 5, "the alarm is over")
    assert not scene.owners.changes(VIP, "db2"), "the loss of the peer channel moves nothing"


# ---- Who has no key --------------------------------------------------------------------------------------------------

def datagram(scene, payload, source, target="db1"):
    """From the client's own MAC, whatever the source: the switch would take another one for a move of the host."""
    udp = struct.pack(">HHHH", PORT, PORT, 8 + len(payload), 0) + payload
    packet = frames.ip4(udp, source, scene.lab.ip4(target), ttl=64, protocol=17)
    return frames.ethernet(packet, scene.lab.mac("client"), scene.lab.mac(target))


def recorded(capture, source, since=0.0):
    """Payloads of the peer channel that `source` has sent."""
    return [frame.raw[42:14 + struct.unpack(">H", frame.raw[16:18])[0]] for frame in capture.select(since=since, source=source)]


def hostile(scene, earlier, present, own):
    """One frame of each kind; `earlier`, `present`, `own`: payloads of db2's session before the last start, of this one, and of db1."""
    db2, client = scene.lab.ip4("db2"), scene.lab.ip4("client")
    signed = present[0]
    changed = signed[:-1] + bytes([signed[-1] ^ 1])
    other_key = signed[:5] + os.urandom(8) + signed[13:]
    wrong = [b"", b"\0", os.urandom(64), os.urandom(1400), signed[:20], signed[:-33], signed + b"\0", signed[:4] + b"\2" + signed[5:], changed, other_key]
    spoofed = wrong + present + earlier + own
    return [datagram(scene, payload, db2) for payload in spoofed] + [datagram(scene, payload, client) for payload in wrong + present[:1]]


class Flood(threading.Thread):
    """Sends the frames round and round, `rate` of them a second (None: as many as it can)."""

    def __init__(self, scene, sent, rate, seconds):
        super().__init__(daemon=True)
        self.socket, self.frames, self.rate, self.seconds, self.count = scene.injector().socket, sent, rate, seconds, 0

    def run(self):
        began = time.monotonic()
        while (passed := time.monotonic() - began) < self.seconds:
            due = self.count + len(self.frames) if self.rate is None else int(passed * self.rate)
            while self.count < due:
                self.socket.send(self.frames[self.count % len(self.frames)])
                self.count += 1
            if self.rate is not None:
                time.sleep(0.005)


def udp_seen(scene, host):
    """Datagrams that came to a socket of the host, or found it full."""
    lines = [line.split() for line in scene.lab.run(host, "cat", "/proc/net/snmp").splitlines() if line.startswith("Udp:")]
    counters = dict(zip(lines[0][1:], map(int, lines[1][1:])))
    return counters["InDatagrams"] + counters["RcvbufErrors"]


@pytest.mark.alone
@pytest.mark.limit(90)
@pytest.mark.parametrize("rate", [5000, None], ids=["5000-a-second", "as-fast-as-it-goes"])
def test_a_hostile_peer_costs_the_adverts_nothing(scene, rate):
    """Garbage, wrong keys, changed and recorded packets, of this session and of an earlier one, from the peer's address and from a stranger's."""
    seconds = 6
    tap = Capture(scene.lab, os.path.join(scene.lab.directory, "peer"), expression="udp port %d" % PORT)
    one, other = scene.pair(daemon=with_keys(key_file(scene, "key", "k" * 32)))
    both_hear(scene)
    earlier = wait_until(lambda: recorded(tap, scene.lab.ip4("db2"))[-3:], 5)
    other.kill()
    restarted = time.time()
    other.start().wait_ready()
    both_hear(scene)
    present = wait_until(lambda: recorded(tap, scene.lab.ip4("db2"), restarted)[-3:], 5)
    own = recorded(tap, scene.lab.ip4("db1"), restarted)[-3:]
    for capture in (tap, scene.capture):
        capture.close()  # one of the flood itself would lose frames
    scene.capture = Capture(scene.lab, os.path.join(scene.lab.directory, "quiet"), expression="ether src " + scene.lab.mac("db1"))
    scene.wait_holder("db1", settled=0.5)
    transitions = [baton.transitions() for baton in (one, other)]
    lost, lines, received = len(alarm_events("peer_lost", one)), len(one.log().splitlines()), udp_seen(scene, "db1")

    flood = Flood(scene, hostile(scene, earlier, present, own), rate, seconds)
    began = time.time()
    flood.start()
    flood.join()
    ended = time.time()

    wait_until(lambda: hears(one) and hears(other), 2, "heard, at the latest at once after it")
    adverts = scene.capture.adverts("db1", since=began, until=ended)
    gap = max(after.at - before.at for before, after in zip(adverts, adverts[1:]))
    print("flood of %d packets a second; the largest gap between adverts %.1f ms; the peer was lost %d times" % (
        flood.count / seconds, 1000 * gap, (len(alarm_events("peer_lost", one)) - lost + 1) // 2))  # each begins and ends
    assert flood.count > 0.8 * seconds * (rate or 5000), "the sender did not get that far: %d" % flood.count
    assert udp_seen(scene, "db1") - received > 0.9 * flood.count, "it came to the socket"
    assert len(adverts) > 9 * seconds
    assert gap < 0.125 + 0.005, "%.1f ms between two adverts" % (1000 * gap)
    assert [baton.transitions() for baton in (one, other)] == transitions
    assert not scene.owners.changes(VIP, since=began)
    if rate:
        assert len(alarm_events("peer_lost", one)) == lost, "never lost meanwhile"
    # It is said, and not as often as it happens.
    fresh = one.log().splitlines()[lines:]
    assert len([line for line in one.log().splitlines() if "peer_refused" in line]) == 1
    assert len(fresh) < 20, fresh[:20]
    # Strangers get no answer, and the peer no more than fifty words a second, each of at most two parts.
    answers = [frame for frame in scene.capture.select(since=began, until=ended, mac=scene.lab.mac("db1")) if frame.raw[12:14] == b"\x08\0" and frame.raw[23] == 17]
    assert {frame.target for frame in answers} == {scene.lab.ip4("db2")}
    assert len(answers) < 2 * 55 * (ended - began)


def test_recorded_packets_do_not_keep_a_restarted_host_from_being_heard(scene):
    tap = Capture(scene.lab, os.path.join(scene.lab.directory, "peer"), expression="udp port %d" % PORT)
    one, other = scene.pair(daemon=with_keys(key_file(scene, "key", "k" * 32)))
    both_hear(scene)
    earlier = wait_until(lambda: recorded(tap, scene.lab.ip4("db2"))[-3:], 5)
    tap.close()
    other.kill()
    flood = Flood(scene, [datagram(scene, payload, scene.lab.ip4("db2")) for payload in earlier], 2000, 9)
    flood.start()
    wait_until(lambda: not hears(one), 6, "db2 is lost, whatever was recorded of it")
    other.start().wait_ready()
    both_hear(scene)
    assert flood.is_alive(), "and that during the flood"
    flood.join()


@pytest.mark.lab(links=2)
def test_recorded_packets_do_not_make_a_dead_path_look_alive(scene):
    tap = Capture(scene.lab, os.path.join(scene.lab.directory, "peer"), links=[1], expression="udp port %d" % PORT)
    one, other = scene.pair(daemon=with_keys(key_file(scene, "key", "k" * 32)))
    wait_until(lambda: peer(one)["paths_heard"] == 2 and peer(other)["paths_heard"] == 2, 10, "both paths")
    source = scene.lab.ip4("db2", 1)
    payload = wait_until(lambda: recorded(tap, source), 5)[-1]
    tap.close()
    scene.faults.block("udp dport %d" % PORT, "db2", 1)
    scene.faults.block("ether saddr %s udp dport %d" % (scene.lab.mac("db2", 1), PORT), "db1", 1)
    replay = frames.ethernet(frames.ip4(struct.pack(">HHHH", PORT, PORT, 8 + len(payload), 0) + payload, source, scene.lab.ip4("db1", 1), ttl=64, protocol=17),
                             scene.lab.mac("client", 1), scene.lab.mac("db1", 1))
    injector = scene.injector(link=1)
    wait_until(lambda: peer(other)["paths_heard"] == 1, 10, "the path is dead")

    def seen_dead():
        injector.send(replay)
        return peer(one)["paths_heard"] == 1

    wait_until(seen_dead, 8, "db1 sees it, too", every=0.2)


# ---- Keys ------------------------------------------------------------------------------------------------------------

@pytest.mark.limit(120)
def test_a_host_with_another_key_is_not_heard_and_a_key_is_changed_without_a_gap(scene):
    old, new = key_file(scene, "old", "o" * 32), key_file(scene, "new", "n" * 32)
    one, other = scene.pair(daemon=with_keys(old))
    both_hear(scene)

    def change(baton, *paths):
        baton.daemon_keys = with_keys(*paths)["daemon_keys"]
        baton.configure()
        assert baton.control("reload").returncode == 0

    def hear_without_a_gap():
        seen = [peer(baton) for baton in (one, other)]
        return all(each["heard"] and each["heard_ms"] <= LOST_AFTER_MS and each["trouble"] is None for each in seen)

    for baton, keys in ((one, (old, new)), (other, (old, new)), (one, (new, old)), (other, (new, old)), (one, (new,)), (other, (new,))):
        change(baton, *keys)
        step = "%s with %s" % (baton.host, ", ".join(map(os.path.basename, keys)))
        proc.hold(hear_without_a_gap, RECENTLY, "both hear each other: " + step, every=0.1)
    assert not alarm_events("peer_lost", one, other)
    change(other, old)
    wait_until(lambda: not hears(one) and not hears(other), 10, "a host with the old key is not heard, and hears nobody")
    assert all("key" in peer(baton)["trouble"] for baton in (one, other))
    wait_until(lambda: alarm_events("peer_lost", one) and alarm_events("peer_lost", other), 5, "both say so")


def test_a_host_that_is_started_again_is_heard_again(scene):
    key = key_file(scene, "key", "k" * 32)
    one, other = scene.pair(daemon=with_keys(key))
    both_hear(scene)
    other.kill()
    wait_until(lambda: not hears(one), 10, "db2 is lost")
    other.start()
    wait_until(lambda: hears(one) and hears(other.wait_ready()), 10, "both hear each other again")
    assert peer(one)["trouble"] is None


# ---- Shared fate -----------------------------------------------------------------------------------------------------

class SharedFate:
    """A pair with a `relative` check of a switch on each host; `same`: one switch for both. more: lines of the check's section."""

    def __init__(self, scene, *more, same=False, use="relative"):
        flags = {host: os.path.join(scene.lab.directory, "broken" + ("" if same else "-" + host)) for host in ("db1", "db2")}
        section = ["[plugin service]", "module = file", "state = absent", "interval = 100ms", "timeout = 80ms", "fall = 2"]
        section += ["path@%s = %s" % each for each in flags.items()] + list(more)
        self.scene, self.flags = scene, flags
        self.pair = scene.pair(extra=("check = service " + use,),
                               daemon={**with_keys(key_file(scene, "key", "k" * 32)), "sections": section, "plugins": plugin_dir()})
        self.batons = dict(zip(("db1", "db2"), self.pair))
        both_hear(scene)
        wait_until(lambda: all(self.state(host) == "pass" for host in self.batons), 5, "the check passes on both")

    def state(self, host):
        return next(one["state"] for one in self.batons[host].json("status")["checks"] if one["name"] == "service")

    def breaks(self, host):
        proc.touch(self.flags[host])
        wait_until(lambda: self.state(host) == "fail", 5, "the check fails on " + host)

    def mended(self, host):
        os.remove(self.flags[host])
        wait_until(lambda: self.state(host) == "pass", 5, "the check passes on " + host)


def test_what_fails_on_the_active_alone_moves_the_address(scene):
    fate = SharedFate(scene)
    began = time.time()
    fate.breaks("db1")
    scene.wait_holder("db2", deadline=3)
    scene.sole("db2", seconds=RECENTLY)  # and it stays there: db2's word is renewed
    assert fate.pair[0].instance()["why"].startswith("a required check fails: service")
    assert scene.owners.longest_double(VIP, began) < 0.05
    fate.mended("db1")
    scene.wait_holder("db1", deadline=3)


@pytest.mark.limit(90)
def test_what_fails_on_both_moves_nothing_until_it_is_well_on_the_backup(scene):
    fate = SharedFate(scene)
    transitions = [baton.transitions() for baton in fate.pair]
    began = time.time()
    fate.breaks("db2")
    scene.sole("db1", seconds=1.5)  # db1 has heard of it by then
    fate.breaks("db1")
    scene.sole("db1", seconds=RECENTLY)
    assert [baton.transitions() for baton in fate.pair] == transitions and not scene.owners.changes(VIP, since=began)
    fate.mended("db2")
    scene.wait_holder("db2", deadline=3)
    scene.sole("db2", seconds=1.5)
    fate.mended("db1")
    scene.wait_holder("db1", deadline=3)


@pytest.mark.parametrize("first", ["db2", "db1"])
def test_what_both_lose_at_the_same_moment_moves_nothing(scene, first):
    """One service for both, whose end one host notices 200 ms before the other, as its probes happen to fall."""
    later = "db1" if first == "db2" else "db2"
    fate = SharedFate(scene, "fall@%s = 4" % later, same=True)
    transitions = [baton.transitions() for baton in fate.pair]
    began = time.time()
    fate.breaks(first)
    wait_until(lambda: fate.state(later) == "fail", 5, "it fails on the other, too")
    scene.sole("db1", seconds=RECENTLY)
    assert [baton.transitions() for baton in fate.pair] == transitions and not scene.owners.changes(VIP, since=began)


def test_a_better_host_that_is_not_heard_takes_nothing(scene):
    fate = SharedFate(scene)
    scene.faults.block("udp dport %d" % PORT)
    wait_until(lambda: not any(hears(baton) for baton in fate.pair), 10, "neither hears the other")
    began = time.time()
    fate.breaks("db1")
    scene.sole("db1", seconds=RECENTLY)
    assert not scene.owners.changes(VIP, since=began)
    scene.faults.heal()
    scene.wait_holder("db2", deadline=5)


# ---- Configurations --------------------------------------------------------------------------------------------------

ONE_FILE = """\
[daemon]
log_level = debug
peer_key_file = %s
[instance svc]
interface = eth0
virtual_router_id = 10
priority@db1 = 200
priority@db2 = 100
advertisement_interval = 100ms
address = 10.77.0.50/24
[peer db1]
address = 10.77.0.1
[peer db2]
address = 10.77.0.2
"""


def test_hosts_with_one_file_say_so_and_a_difference_is_an_alarm_until_it_is_gone(scene):
    text = ONE_FILE % key_file(scene, "key", "k" * 32)
    one, other = [scene.start("baton", host, config=text) for host in ("db1", "db2")]
    scene.wait_holder("db1", settled=0.3)
    both_hear(scene)

    def same(expected):
        seen = [(peer(baton)["same_config"], "config_differs" not in baton.alarms()) for baton in (one, other)]
        return seen == [(expected, expected)] * 2

    def reload(baton, wanted):
        baton.text = wanted
        baton.configure()
        assert baton.control("reload").returncode == 0

    assert same(True)
    # Words and their order in a file are no difference.
    head, instance, rest = text.partition("[instance svc]")[0], *text.partition("[instance svc]")[1:]
    peers = rest[rest.index("[peer db1]"):]
    reload(one, "# another order\n" + peers + instance + rest[:rest.index("[peer db1]")] + head)
    proc.hold(lambda: same(True), 2.5, "still the same", every=0.1)
    assert not alarm_events("config_differs", one, other)
    different = text.replace("priority@db2 = 100", "priority@db2 = 90")
    reload(other, different)
    wait_until(lambda: same(False), 5, "both say that they differ")
    assert len({baton.json("status")["config_hash"] for baton in (one, other)}) == 2
    proc.hold(lambda: same(False), 2.5, "as long as it is so", every=0.1)
    reload(one, different)
    wait_until(lambda: same(True), 5, "the same again")
    assert len({baton.json("status")["config_hash"] for baton in (one, other)}) == 1
    for baton in (one, other):
        assert [entry["event"] for entry in alarm_events("config_differs", baton)] == ["alarm", "alarm_cleared"]
    assert not scene.owners.changes(VIP, "db2"), "it moves nothing"
