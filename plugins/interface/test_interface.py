"""interface in network namespaces of its own, with real links, addresses and routes."""
import multiprocessing
import os
import pathlib
import pwd
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/plugins"))
from plugin import Session, complaints  # noqa: E402

NAME = f"bt-if-{os.getpid()}"


def ip(*words, namespace=NAME):
    subprocess.run(["ip", "-n", namespace, *words], check=True)


def _probe_there(pipe, settings, user):
    with open(f"/run/netns/{NAME}") as where:
        import ctypes
        assert ctypes.CDLL(None).setns(where.fileno(), 0) == 0
    # sysfs shows the links of the namespace in which it was mounted.
    assert ctypes.CDLL(None).unshare(0x00020000) == 0
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "sysfs", "sysfs", "/sys"], check=True)
    with Session("interface", settings, user=user) as session:
        pipe.send(session.call("probe"))


def probe(settings, user=None):
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_probe_there, args=(theirs, settings, user))
    process.start()
    try:
        assert ours.poll(10)
        return ours.recv()
    finally:
        process.join(5)
        process.kill()


def probe_until(settings, state, seconds=5.0):
    end = time.monotonic() + seconds
    while True:
        answer = probe(settings)
        if answer.state == state or time.monotonic() > end:
            return answer
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def namespace():
    subprocess.run(["ip", "netns", "add", NAME], check=True)
    try:
        for pair in ("a", "b"):
            ip("link", "add", f"{pair}0", "type", "veth", "peer", "name", f"{pair}1")
            ip("link", "set", f"{pair}0", "up")
            ip("link", "set", f"{pair}1", "up")
        yield
    finally:
        subprocess.run(["ip", "netns", "del", NAME], check=True)


def test_a_link_goes_and_comes():
    settings = {"interface": ["a0"]}
    answer = probe_until(settings, "pass")
    assert (answer.status, answer.state, answer.sentence) == ("ok", "pass", "a0 is up")
    ip("link", "set", "a1", "down")
    answer = probe_until(settings, "fail")
    assert (answer.state, answer.sentence, answer.facts["cause"]) == ("fail", "a0 has no carrier", "carrier")
    assert probe({**settings, "carrier": "no"}).state == "pass"
    ip("link", "set", "a0", "down")
    answer = probe(settings)
    assert (answer.sentence, answer.facts["cause"]) == ("a0 is set down", "down")
    ip("link", "set", "a0", "up")
    ip("link", "set", "a1", "up")
    assert probe_until(settings, "pass").state == "pass"
    ip("link", "del", "a0")
    answer = probe(settings)
    assert (answer.sentence, answer.facts["cause"]) == ("a0 does not exist", "missing")


def test_some_of_several_links_are_enough():
    settings = {"interface": ["a0", "b0", "none"], "minimum": "2"}
    assert probe_until({"interface": ["a0", "b0"]}, "pass").sentence == "2 of 2 links are up"
    answer = probe(settings)
    assert (answer.state, answer.sentence) == ("pass", "2 of 3 links are up; none does not exist")
    assert answer.facts == {"up": "2", "a0": "up", "b0": "up", "none": "does not exist"}
    ip("link", "set", "b0", "down")
    answer = probe(settings)
    assert (answer.state, answer.facts["cause"]) == ("fail", "down")
    assert answer.sentence == "1 of 3 links are up, 2 wanted; b0 is set down; none does not exist"


def test_speed_is_the_drivers_word():
    assert probe_until({"interface": ["a0"], "minimum_speed": "10000"}, "pass").state == "pass"  # a veth says 10000
    answer = probe({"interface": ["a0"], "minimum_speed": "25000"})
    assert (answer.state, answer.sentence) == ("fail", "a0 runs at 10000 Mbit/s, at least 25000 are wanted")
    ip("link", "set", "lo", "up")
    answer = probe({"interface": ["lo"], "minimum_speed": "10"})
    assert (answer.state, answer.facts["cause"], answer.sentence) == ("fail", "speed", "lo does not say how fast it is")


@pytest.mark.parametrize("address", ["10.9.0.5/24", "2001:db8:0::5/64"])
def test_an_address_has_to_be_there_on_that_link(address):
    plain = address.split("/")[0]
    answer = probe({"address": [plain]})
    assert (answer.state, answer.facts["cause"]) == ("fail", "address")
    ip("address", "add", address, "dev", "a0", *(["nodad"] if ":" in address else []))
    for wanted in (plain, address):
        assert probe({"address": [wanted]}).sentence == "all addresses and routes are in place"
    assert probe_until({"address": [plain], "interface": ["a0"]}, "pass").state == "pass"
    answer = probe({"address": [plain], "interface": ["b0"]})
    assert answer.state == "fail" and answer.sentence.endswith(" on b0")
    assert probe({"address": [plain + "/25"]}).state == "fail"


def test_an_address_that_another_host_has_too_fails():
    other = NAME + "x"
    subprocess.run(["ip", "netns", "add", other], check=True)
    try:
        ip("link", "set", "a1", "netns", other)
        ip("link", "set", "a1", "up", namespace=other)
        ip("address", "add", "2001:db8::7/64", "dev", "a1", "nodad", namespace=other)
        ip("address", "add", "2001:db8::7/64", "dev", "a0")
        end = time.monotonic() + 8
        while (answer := probe({"address": ["2001:db8::7"]})).facts["cause"] != "duplicate" and time.monotonic() < end:
            assert answer.facts["cause"] == "tentative"
            time.sleep(0.05)
        assert answer.sentence == "address 2001:db8::7 is used by another host, too (duplicate address detection)"
    finally:
        subprocess.run(["ip", "netns", "del", other], check=True)


def test_a_route_has_to_be_there():
    ip("address", "add", "10.9.0.5/24", "dev", "a0")
    ip("address", "add", "2001:db8::5/64", "dev", "a0", "nodad")
    answer = probe({"route": ["default via 10.9.0.1"]})
    assert (answer.state, answer.sentence) == ("fail", "there is no route default via 10.9.0.1")
    ip("route", "add", "default", "via", "10.9.0.1")
    ip("route", "add", "10.20.0.0/16", "via", "10.9.0.2")
    ip("-6", "route", "add", "default", "via", "2001:db8::1")
    good = ["default", "default via 10.9.0.1", "10.20.0.0/16", "10.20.3.4/16", "default6 via 2001:db8:0:0::1", "10.9.0.0/24"]
    assert probe({"route": good}).state == "pass"
    for bad in ("default via 10.9.0.2", "10.20.0.0/17", "10.21.0.0/16", "default6 via 2001:db8::2"):
        assert probe({"route": [bad]}).state == "fail"
    assert probe({"route": ["default"], "interface": ["b0"]}).state == "fail"
    ip("route", "add", "unreachable", "10.30.0.0/16")
    assert probe({"route": ["10.30.0.0/16"]}).state == "fail"


def test_one_hop_of_a_multipath_route_is_enough_and_a_dead_one_is_not():
    ip("address", "add", "10.9.0.5/24", "dev", "a0")
    ip("address", "add", "10.8.0.5/24", "dev", "b0")
    ip("route", "add", "10.20.0.0/16", "nexthop", "via", "10.9.0.1", "nexthop", "via", "10.8.0.1")
    assert probe({"route": ["10.20.0.0/16 via 10.8.0.1"]}).state == "pass"
    ip("link", "set", "b1", "down")
    answer = probe_until({"route": ["10.20.0.0/16 via 10.8.0.1"]}, "fail")
    assert (answer.state, answer.sentence) == ("fail", "the route 10.20.0.0/16 via 10.8.0.1 leads to a dead link")
    assert probe({"route": ["10.20.0.0/16"]}).state == "pass"


def test_anybody_may_ask():
    probe_until({"interface": ["a0"]}, "pass")
    assert probe({"interface": ["a0"]}, user=pwd.getpwnam("nobody")).state == "pass"


@pytest.mark.parametrize("settings,complaint", [
    ({}, (None, "asks nothing: write interface, address or route")),
    ({"interface": ["a/b"]}, ("interface", "'a/b' is no name of an interface")),
    ({"interface": ["a", "a"]}, ("interface", "a stands here twice")),
    ({"interface": ["a"], "minimum": "2"}, ("minimum", "is more than there are interfaces here (1)")),
    ({"address": ["10.0.0.1/33"]}, ("address", "'10.0.0.1/33' is no address")),
    ({"route": ["10.0.0.0/8 by 1.2.3.4"]}, ("route", "'10.0.0.0/8 by 1.2.3.4' is not PREFIX or PREFIX via ADDRESS"))])
def test_what_cannot_be_meant_is_refused(settings, complaint):
    assert complaints("interface", settings) == [complaint]
