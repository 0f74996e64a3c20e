"""Every frame that Baton sent in the other tests is judged by tshark: its captures are kept in build/netns-captures.

A v3/IPv4 advert must be good under one of tshark's two readings of the checksum (`vrrp.v3_checksum_as_in_v2`); everything else in it,
and every other frame, must be good under both: no malformed packet, no wrong checksum anywhere.
"""
import glob
import json
import os
import subprocess

import pytest

from conftest import CAPTURES
from lib.daemons import Service
from lib.proc import wait_until

COMPLAINTS = ("_ws.malformed || _ws.expert.severity >= 0x00800000 || ip.checksum.status == 0 || icmpv6.checksum.status == 0")


def tshark(path, macs, display, message_only, fields=()):
    own = " || ".join("eth.src == " + mac for mac in macs)
    words = ["tshark", "-n", "-r", path, "-o", "vrrp.v3_checksum_as_in_v2:%s" % ("TRUE" if message_only else "FALSE"), "-o", "ip.check_checksum:TRUE",
             "-Y", "(%s) && (%s)" % (own, display)]
    if fields:
        words += ["-T", "fields"] + [word for field in fields for word in ("-e", field)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.splitlines()


def captures():
    found = []
    for path in sorted(glob.glob(os.path.join(CAPTURES, "*.pcap"))):
        with open(path[:-5] + ".json", encoding="utf-8") as file:
            found.append((path, json.load(file)))
    return found


def numbers(path, macs, display, message_only):
    return set(tshark(path, macs, display, message_only, ("frame.number",)))


def judge(path, macs):
    """How many adverts, and what is wrong."""
    all_vrrp = numbers(path, macs, "vrrp", False)
    bad_pseudo = numbers(path, macs, "vrrp.checksum.status == 0", False)
    bad_plain = numbers(path, macs, "vrrp.checksum.status == 0", True) if bad_pseudo else set()
    wrong = ["%s: frame %s: wrong VRRP checksum in both readings" % (path, number) for number in bad_pseudo & bad_plain]
    complaints = set(tshark(path, macs, "(%s) && !vrrp.checksum_bad.expert" % COMPLAINTS, False))
    wrong += ["%s: %s" % (path, line) for line in complaints]
    wrong += ["%s: %s: hop limit" % (path, line) for line in tshark(path, macs, "vrrp && (ip.ttl != 255 || ipv6.hlim != 255)", False)]
    return len(all_vrrp), wrong


@pytest.mark.limit(300)
def test_every_frame_of_baton_is_good(tmp_path):
    kept = captures()
    if not kept:
        pytest.skip("no capture was kept: run the other tests first (netns-tests/run)")
    groups = {}
    for path, macs in kept:
        groups.setdefault(tuple(macs), []).append(path)
    judged, wrong = 0, []
    for number, (macs, paths) in enumerate(groups.items()):
        merged = str(tmp_path / ("%d.pcap" % number))  # tshark takes longer to begin than to read
        subprocess.run(["mergecap", "-a", "-F", "pcap", "-w", merged, *paths], check=True, timeout=60)
        adverts, found = judge(merged, macs)
        judged += adverts
        if found:  # in which of them?
            wrong += [line for path in paths for line in judge(path, macs)[1]] or found
    assert not wrong, "\n".join(wrong[:40])
    assert judged > 0
    print("summary: tshark judged %d adverts in %d captures" % (judged, len(kept)))


def test_tshark_would_find_a_bad_frame(scene):
    """The judge can say no: an advert with a wrong checksum and one that is cut are both found."""
    from lib import frames
    mac = scene.lab.mac("client")
    injector = scene.injector()
    injector.send(frames.advert("10.77.0.3", mac, message=lambda raw: raw[:6] + bytes([raw[6] ^ 1, raw[7]]) + raw[8:]),
                  frames.advert("10.77.0.3", mac, count=4), frames.advert("10.77.0.3", mac))
    wait_until(lambda: len(scene.capture.select(mac=mac)) == 3, 3)
    path = scene.capture.files[0]
    assert numbers(path, [mac], "vrrp.checksum.status == 0", False) & numbers(path, [mac], "vrrp.checksum.status == 0", True) == {"1"}
    assert "2" in numbers(path, [mac], COMPLAINTS, False)
    assert "3" not in numbers(path, [mac], COMPLAINTS + " || vrrp.checksum.status == 0", False)


@pytest.mark.parametrize("form", ["pseudo-header", "message"])
def test_each_checksum_form_is_good_under_its_own_reading(scene, form):
    scene.start("baton", "db1", Service(extra=("checksum = " + form,)))
    wait_until(lambda: len(scene.capture.adverts("db1")) > 5, 5)
    scene.daemons[0].end()  # the capture does not grow between two looks at it
    path, macs = scene.capture.files[0], [scene.lab.mac("db1")]
    own, other = form == "message", form != "message"
    assert not numbers(path, macs, "vrrp.checksum.status == 0", own)
    assert numbers(path, macs, "vrrp.checksum.status == 0", other) == numbers(path, macs, "vrrp", other)
