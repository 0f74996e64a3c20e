"""What was on the wire: `batonctl tap` with its verdicts, and the flight recorder's captures (design sections 2 and 9)."""
import json
import os
import signal
import subprocess
import time

import pytest

from lib import frames, proc
from lib.capture import Capture
from lib.daemons import BATON_BIN, Service
from lib.proc import wait_until

VIP = "10.77.0.50"


class Tap:
    """A running `batonctl tap --json` on a host, its lines as they come."""

    def __init__(self, baton, *argv):
        self.path = baton.path("tap.json")
        self.file = open(self.path, "w", encoding="utf-8")
        self.process = proc.start_in(baton.lab.namespace(baton.host), [os.path.join(BATON_BIN, "batonctl"), "--runtime-dir", baton.runtime, "tap",
                                     "--json", *argv], stdout=self.file, stderr=subprocess.DEVNULL)
        wait_until(lambda: self.lines() or self.process.poll() is not None, 5, "tap shows the first packet")

    def lines(self):
        with open(self.path, encoding="utf-8") as file:
            return [json.loads(line) for line in file.read().split("\n")[:-1]]

    def stop(self):
        """SIGINT, as Ctrl-C; its exit status."""
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(timeout=10)
        self.file.close()
        return status


def tshark(path, *fields, display="frame"):
    done = subprocess.run(["tshark", "-n", "-r", path, "-Y", display, "-T", "fields"] + [word for field in fields for word in ("-e", field)],
                          capture_output=True, text=True, check=True, timeout=60)
    assert "cut short" not in done.stderr, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def newest_transition(baton):
    found = [entry for entry in baton.json("history", "svc")["entries"] if entry["event"] == "transition"]
    return found[-1] if found else {}


def capture_of(baton, to, deadline=8):
    """Path of the capture of the newest transition, which went to `to`."""
    def there():
        newest = newest_transition(baton)
        return newest.get("to") == to and newest.get("capture")
    return wait_until(there, deadline, "the capture of a transition to " + to)


def test_a_failover_leaves_a_capture_of_both_holders(scene):
    """It holds the last adverts of the dead holder, the first of the new one, and its gratuitous ARP."""
    one, other = scene.pair()
    began = time.time()
    wait_until(lambda: len(scene.capture.adverts("db1", since=began)) > 10, 5)
    cut = time.time()
    one.kill()
    scene.wait_holder("db2", deadline=5)
    path = capture_of(other, "active")
    assert path.startswith(other.state + "/captures/") and path.endswith(".pcapng")
    assert os.stat(path).st_mode & 0o777 == 0o600
    dead, fresh = scene.lab.mac("db1"), scene.lab.mac("db2")
    adverts = [(float(at), mac) for at, mac in tshark(path, "frame.time_epoch", "eth.src", display="vrrp")]
    last = max(at for at, mac in adverts if mac == dead)
    first = min(at for at, mac in adverts if mac == fresh and at > cut)
    seen = scene.capture.adverts("db1")[-1].at, scene.capture.adverts("db2", since=cut)[0].at
    assert abs(last - seen[0]) < 0.01 and abs(first - seen[1]) < 0.01, (last, first, seen)
    assert len([at for at, mac in adverts if mac == dead and at > last - 0.95]) >= 9, "every one of the last second"
    assert len([at for at, mac in adverts if mac == fresh]) >= 20, "and those of the seconds after it"
    announced = tshark(path, "frame.time_epoch", "eth.src", "arp.src.proto_ipv4", display="arp.isgratuitous")
    assert [fresh, VIP] in [line[1:] for line in announced], announced
    names = {line[0] for line in tshark(path, "frame.interface_name")}
    assert names == {"eth0"}
    assert path in other.control("history", "svc").stdout
    assert path in other.control("explain", "svc").stdout
    assert other.json("explain", "svc")["instances"][0]["last_transition"]["capture"] == path


def test_the_farewell_of_a_stop_is_in_its_capture(scene):
    one, _ = scene.pair()
    assert one.stop() == 0
    path = max(os.path.join(one.state, "captures", name) for name in os.listdir(os.path.join(one.state, "captures")))
    assert [scene.lab.mac("db1")] in tshark(path, "eth.src", display="vrrp.prio == 0")


def test_tap_names_the_rule_of_each_verdict(scene):
    _, other = scene.pair()
    source, mac = scene.lab.ip4("client"), scene.lab.mac("client")
    before = other.statistics()

    def advert(**wanted):
        return frames.advert(wanted.pop("source", source), mac, **dict({"priority": 250, "interval": 10, "vips": (VIP,)}, **wanted))

    def fragment(raw):
        head = raw[:6] + b"\x20\x00" + raw[8:10] + b"\0\0" + raw[12:20]
        return head[:10] + frames.checksum(head).to_bytes(2, "big") + head[12:] + raw[20:]

    sent = [
        (advert(message=lambda raw: raw[:6] + bytes([raw[6], raw[7] ^ 1]) + raw[8:]), "dropped", "R-08", "checksum-errors"),
        (advert(ttl=254), "dropped", "R-02", "ip-ttl-errors"),
        (advert(vrid=77), "dropped", "R-09", "vrid-errors"),
        (advert(version=4), "dropped", "R-03", "version-errors"),
        (advert(kind=2), "dropped", "R-04", "invalid-type-pkts-rcvd"),
        (advert(message=lambda raw: raw[:7]), "dropped", "R-05", "packet-length-errors"),
        (advert(count=0), "dropped", "R-07", "zero-count"),
        (advert(interval=0), "dropped", "R-11", "zero-interval"),
        (advert(source="192.0.2.7"), "dropped", "R-15", "wrong-source"),
        (advert(source=scene.lab.ip4("db2")), "dropped", "R-01", "own"),
        (advert(packet=fragment), "dropped", "R-16", "fragments"),
        (advert(priority=10), "accepted", None, None),
        (frames.gratuitous_arp(VIP, mac), "conflict", "A6-7", None),
        (frames.gratuitous_arp("10.77.0.99", mac), "foreign", None, None),
    ]
    tap = Tap(other)
    injector = scene.injector()
    wait_until(lambda: any(line.get("verdict") == "accepted" for line in tap.lines()), 3, "an advert of db1")
    for number, (frame, verdict, rule, reason) in enumerate(sent):
        already = len(tap.lines())
        injector.send(frame)
        line = wait_until(lambda: [line for line in tap.lines()[already:] if line.get("source_mac") == mac], 3, "packet %d is shown" % number)[0]
        assert (line["verdict"], line["rule"], line["reason"], line["direction"]) == (verdict, rule, reason, "in"), (number, line)
    assert tap.stop() == 0
    assert "shown" in tap.lines()[-1]["summary"]
    after = other.statistics()
    for counter in ("checksum-errors", "ip-ttl-errors", "version-errors", "invalid-type-pkts-rcvd", "packet-length-errors"):
        assert after[counter] == before[counter] + 1, "the engine counts what tap shows: " + counter


def test_tap_shows_what_this_host_sends(scene):
    one, _ = scene.pair()
    tap = Tap(one, "svc", "--count", "5")
    assert tap.process.wait(timeout=10) == 0
    shown = [line for line in tap.lines() if "verdict" in line]
    assert len(shown) == 5 and tap.lines()[-1]["summary"] == {"shown": 5, "left_out": 0}
    assert {(line["verdict"], line["direction"], line["instance"]) for line in shown} == {("sent", "out", "svc")}
    assert shown[0]["addresses"] == [VIP] and shown[0]["vrid"] == 10 and shown[0]["priority"] == 200


def test_tap_writes_what_tshark_opens_with_the_verdicts(scene):
    _, other = scene.pair()
    path = other.path("tap.pcapng")
    done = other.control("tap", "eth0", "--count", "5", "--write", path)
    assert done.returncode == 0, done.stderr
    assert "accepted" in done.stdout and "5 packets shown, 0 left out" in done.stderr
    lines = tshark(path, "eth.src", "frame.comment", display="vrrp")
    assert [scene.lab.mac("db1"), "accepted"] in lines, lines
    assert "1 packet shown, 0 left out" in other.control("tap", "eth0", "--count", "1").stderr


def test_tap_refuses_clearly_who_may_not_listen(scene):
    _, other = scene.pair()
    tool = os.path.join(BATON_BIN, "batonctl")
    done = scene.lab.run("db2", "setpriv", "--bounding-set", "-net_raw", tool, "--runtime-dir", other.runtime, "tap", check=False)
    assert done.returncode == 4 and "CAP_NET_RAW" in done.stderr and "eth0" in done.stderr, (done.returncode, done.stderr)
    done = scene.lab.run("db2", "setpriv", "--reuid", "65534", "--clear-groups", tool, "--runtime-dir", other.runtime, "tap", check=False)
    assert done.returncode == 4 and "baton-view" in done.stderr, (done.returncode, done.stderr)
    done = other.control("tap", "sv")
    assert done.returncode == 1 and "'sv' is no instance, group or interface here; instances: svc" in done.stderr


def rss_kb(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


@pytest.mark.alone
def test_a_flood_costs_no_advert_and_no_memory(scene):
    """50,000 packets a second of the kind that the recorder keeps, with a tap beside it."""
    one, _ = scene.pair()
    scribe = one.process_of("scribe")
    before = rss_kb(scribe)
    scene.capture.close()  # a capture of the flood itself would lose frames
    scene.capture = Capture(scene.lab, os.path.join(scene.lab.directory, "quiet"), expression="ether src " + scene.lab.mac("db1"))
    tap = Tap(one)
    injector = scene.injector()
    mac = scene.lab.mac("client")
    flood = [frames.advert(scene.lab.ip4("client"), mac, vrid=99, priority=10), frames.gratuitous_arp("10.77.0.99", mac)]
    began, sent = time.time(), 0
    while time.time() - began < 1.0:
        if sent < 50_000 * (time.time() - began):
            for _ in range(50):
                injector.send(*flood)
            sent += 100
    ended = time.time()
    wait_until(lambda: scene.capture.adverts("db1", since=ended), 2)
    seen = scene.capture.adverts("db1", since=began - 0.2, until=ended)
    gap = max(after.at - earlier.at for earlier, after in zip(seen, seen[1:]))
    grown = rss_kb(scribe) - before
    print("flood of %d packets in a second; longest gap %.1f ms, scribe grew by %d kB" % (sent, 1000 * gap, grown))
    assert sent > 10_000
    assert gap < 0.125, "an advert each 100 ms"
    assert grown < 12 * 1024, "rings of 3 MiB, and as much again while a capture is open"
    assert not scene.owners.changes(VIP, since=began)
    status = tap.stop()
    summary = tap.lines()[-1]["summary"]
    assert status == 0 and summary["shown"] > 100, summary


def test_without_a_recorder_nothing_is_kept_until_a_reload_asks_for_it(scene):
    one, other = scene.pair(daemon={"daemon_keys": ("recorder = 0",)})
    assert one.control("switchover").returncode == 0
    scene.wait_holder("db2", deadline=3)
    wait_until(lambda: newest_transition(other).get("to") == "active", 3)
    with open(other.config, encoding="utf-8") as file:
        text = file.read()
    with open(other.config, "w", encoding="utf-8") as file:
        file.write(text.replace("recorder = 0", "recorder = 5s"))
    assert other.control("reload").returncode == 0
    assert one.control("undrain").returncode == 0  # the higher priority takes it back
    scene.wait_holder("db1", deadline=3)
    path = capture_of(other, "backup")
    assert tshark(path, "eth.src", display="vrrp")
    kept = {entry["to"]: "capture" in entry for entry in other.json("history", "svc")["entries"] if entry["event"] == "transition"}
    assert kept["backup"] and not kept["active"], "the one before the reload would have been written long ago"
    assert not os.listdir(os.path.join(one.state, "captures")), "db1 still has none"
