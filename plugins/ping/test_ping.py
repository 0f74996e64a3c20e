"""ping in network namespaces: a host and two gateways on a bridge that nft cuts, one way or both."""
import ctypes
import multiprocessing
import os
import pathlib
import pwd
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/plugins"))
from plugin import Session, complaints  # noqa: E402

PREFIX = f"bt-ping-{os.getpid()}-"
HOST, SWITCH, ONE, TWO = (PREFIX + name for name in ("host", "switch", "one", "two"))


def inside(namespace, *argv, **options):
    return subprocess.run(["ip", "netns", "exec", namespace, *argv], check=True, **options)


def plug(namespace, port, *addresses):
    subprocess.run(["ip", "netns", "add", namespace], check=True)
    inside(SWITCH, "ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", namespace)
    inside(SWITCH, "ip", "link", "set", port, "master", "br0", "up")
    inside(namespace, "ip", "link", "set", "lo", "up")
    inside(namespace, "ip", "link", "set", "eth0", "up")
    for address in addresses:
        inside(namespace, "ip", "address", "add", address, "dev", "eth0", *(["nodad"] if ":" in address else []))


@pytest.fixture(scope="module", autouse=True)
def network():
    names = [SWITCH, HOST, ONE, TWO]
    try:
        subprocess.run(["ip", "netns", "add", SWITCH], check=True)
        inside(SWITCH, "ip", "link", "add", "br0", "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
        inside(SWITCH, "ip", "link", "set", "br0", "up")
        plug(HOST, "host", "10.77.0.5/24", "2001:db8:77::5/64")
        plug(ONE, "one", "10.77.0.1/24", "2001:db8:77::1/64", "10.78.0.1/32")
        plug(TWO, "two", "10.77.0.2/24", "2001:db8:77::2/64")
        inside(HOST, "ip", "route", "add", "10.78.0.0/24", "via", "10.77.0.1")
        inside(HOST, "sysctl", "-qw", "net.ipv4.ping_group_range=1 0")
        yield
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False)


@pytest.fixture
def cut():
    """Rules of the switch's or of another namespace's firewall, gone after the test."""
    where = []

    def rules(text, namespace=SWITCH):
        where.append(namespace)
        inside(namespace, "nft", "-f", "-", input=text.replace("}", "\n}\n"), text=True)

    yield rules
    for namespace in where:
        inside(namespace, "nft", "flush", "ruleset")


def _probe_there(pipe, settings, timeout, user):
    with open(f"/run/netns/{HOST}") as where:
        assert ctypes.CDLL(None).setns(where.fileno(), 0) == 0
    with Session("ping", settings, user=user) as session:
        pipe.send(session.call("probe", timeout))


def probe(timeout=0.5, user=None, **settings):
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_probe_there, args=(theirs, settings, timeout, user))
    process.start()
    try:
        assert ours.poll(10)
        return ours.recv()
    finally:
        process.join(5)
        process.kill()


V4, V6 = "10.77.0.1", "2001:db8:77::1"

# Gratuitous ARP replies and unsolicited neighbour adverts of the first gateway, a hundred a second.
UNASKED = """
import socket, time
own = socket.inet_aton("10.77.0.1")
mac = bytes.fromhex(open("/sys/class/net/eth0/address").read().strip().replace(":", ""))
arp = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
arp.bind(("eth0", 0x806))
nd = socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58)
nd.setsockopt(41, 18, 255)
nd.setsockopt(41, 17, socket.if_nametoindex("eth0"))
reply = b"\\xff" * 6 + mac + bytes.fromhex("0806000108000604" "0002") + mac + own + b"\\xff" * 6 + own
advert = bytes.fromhex("8800000020000000") + socket.inet_pton(socket.AF_INET6, "2001:db8:77::1")
for i in range(300):
    arp.send(reply)
    nd.sendto(advert, ("ff02::1", 0))
    if i == 0:
        print("sending", flush=True)
    time.sleep(0.01)
"""


@pytest.mark.parametrize("target,method,word", [(V4, "arp", "ARP"), (V4, "icmp", "ICMP"), (V4, "auto", "ARP"),
                                                (V6, "arp", "NDP"), (V6, "icmp", "ICMP"), (V6, "auto", "NDP"),
                                                ("10.78.0.1", "auto", "ICMP")])
def test_a_target_that_answers_passes(target, method, word):
    answer = probe(target=[target], method=method, timeout=2.0)
    assert (answer.status, answer.state) == ("ok", "pass"), answer
    assert answer.sentence.startswith(f"{target} answers within ") and answer.sentence.endswith(" ms")
    assert answer.facts[target].endswith(f" ms ({word})")
    assert answer.seconds < 1.5  # it does not wait when all have answered


@pytest.mark.parametrize("target,method", [(V4, "arp"), (V4, "icmp"), (V6, "arp"), (V6, "icmp")])
@pytest.mark.parametrize("direction", ["to", "from"])
def test_a_gateway_cut_one_way_fails_though_it_is_heard(cut, target, method, direction):
    probe(target=[target], method=method)  # neighbours know each other
    name = {"to": "oifname", "from": "iifname"}[direction]
    cut(f'table bridge cut {{ chain forward {{ type filter hook forward priority 0; {name} "one" counter drop; }} }}')
    # The gateway says all the while, unasked, that it is there.
    noise = subprocess.Popen(["ip", "netns", "exec", ONE, "/usr/bin/python3", "-c", UNASKED], stdout=subprocess.PIPE)
    assert noise.stdout.readline() == b"sending\n"
    try:
        answer = probe(target=[target], method=method, timeout=0.6)
    finally:
        noise.kill()
        noise.wait()
    assert (answer.status, answer.state, answer.facts["cause"]) == ("ok", "fail", "timeout"), answer
    word = {"icmp": "ICMP", "arp": "ARP" if target == V4 else "NDP"}[method]
    assert answer.sentence.startswith(f"{target} does not answer; {target}: no answer within 5")
    assert answer.sentence.endswith(f" ms ({word})")
    assert answer.seconds < 0.6


def test_icmp_may_be_filtered_where_arp_is_answered(cut):
    cut("table inet filter { chain input { type filter hook input priority 0; meta l4proto icmp drop; } }", ONE)
    assert probe(target=[V4], method="icmp").state == "fail"
    assert probe(target=[V4], method="auto").state == "pass"


def test_some_of_several_targets_are_enough_and_all_are_asked_at_once():
    targets = [V4, "10.77.0.2", "10.77.0.99", "2001:db8:77::99"]
    answer = probe(target=targets, minimum="2", timeout=0.6)
    assert (answer.state, answer.facts["answered"]) == ("pass", "2"), answer
    assert answer.sentence.startswith("2 of 4 targets answer within ")
    assert "; 10.77.0.99: no answer within " in answer.sentence and "; 2001:db8:77::99: no answer" in answer.sentence
    assert answer.seconds < 0.6
    answer = probe(target=targets, minimum="3", timeout=0.6)
    assert (answer.state, answer.facts["cause"]) == ("fail", "timeout")
    assert answer.sentence.startswith("2 of 4 targets answer, 3 wanted; 10.77.0.99: no answer within ")


def test_a_lost_question_is_asked_again(cut):
    # Of each pair of ARP requests the first is lost.
    cut('table bridge cut { chain forward { type filter hook forward priority 0; oifname "one" arp operation request '
        'numgen inc mod 2 0 drop; } }')
    assert probe(target=[V4], method="arp", count="1").state == "fail"
    answer = probe(target=[V4], method="arp", count="3", timeout=0.9)
    assert answer.state == "pass" and answer.seconds < 0.6


def test_each_kind_of_silence_has_its_cause(cut):
    answer = probe(target=["192.0.2.1"])
    assert (answer.state, answer.facts["cause"]) == ("fail", "unreachable")
    assert answer.sentence == "192.0.2.1 does not answer; 192.0.2.1: Network is unreachable (ICMP)"
    inside(ONE, "ip", "route", "add", "unreachable", "10.78.0.9")
    inside(ONE, "sysctl", "-qw", "net.ipv4.ip_forward=1")
    answer = probe(target=["10.78.0.9"])
    assert (answer.state, answer.facts["cause"]) == ("fail", "unreachable")
    assert answer.sentence == "10.78.0.9 does not answer; 10.78.0.9: No route to host (ICMP)"
    cut("table inet filter { chain output { type filter hook output priority 0; meta l4proto icmp drop; } }", HOST)
    answer = probe(target=["10.78.0.1"])
    assert (answer.state, answer.facts["cause"]) == ("fail", "firewall"), answer


def test_without_the_right_the_answer_is_for_a_person():
    nobody = pwd.getpwnam("nobody")
    answer = probe(target=[V4], method="arp", user=nobody)
    assert (answer.status, answer.state, answer.facts["cause"]) == ("config", "unknown", "permission")
    assert answer.sentence.startswith("may not ask by ARP: the process needs CAP_NET_RAW")
    assert probe(target=[V4], user=nobody).status == "config"
    inside(HOST, "sysctl", "-qw", "net.ipv4.ping_group_range=0 2147483647")
    try:
        answer = probe(target=[V4], user=nobody)
        assert answer.state == "pass" and answer.facts[V4].endswith("(ICMP)")
        assert probe(target=[V6], user=nobody, method="icmp").state == "pass"
    finally:
        inside(HOST, "sysctl", "-qw", "net.ipv4.ping_group_range=1 0")


def test_interface_and_source_are_kept_to(cut):
    inside(HOST, "ip", "address", "add", "10.77.0.6/24", "dev", "eth0")
    cut('table ip filter { chain input { type filter hook input priority 0; ip saddr 10.77.0.5 drop; } }', ONE)
    assert probe(target=[V4], method="icmp").state == "fail"
    assert probe(target=[V4], method="icmp", source=["10.77.0.6"], interface="eth0").state == "pass"
    answer = probe(target=[V4], method="icmp", interface="lo")
    assert answer.state == "fail"
    answer = probe(target=[V4], method="icmp", interface="eth9")
    assert (answer.status, answer.sentence) == ("config", "there is no interface eth9")
    answer = probe(target=["10.78.0.1"], method="arp")
    assert (answer.status, answer.sentence) == (
        "config", "10.78.0.1 cannot be asked as a neighbour: no Ethernet link that is up has an address of its network")


def test_a_link_local_gateway_is_asked_through_its_interface():
    text = inside(ONE, "ip", "-6", "-o", "address", "show", "dev", "eth0", "scope", "link", stdout=subprocess.PIPE,
                  text=True).stdout
    target = text.split("inet6 ")[1].split("/")[0]
    for method in ("arp", "icmp"):
        assert probe(target=[target], interface="eth0", method=method, timeout=2.0).state == "pass"


@pytest.mark.parametrize("settings,complaint", [
    ({"target": [V4], "minimum": "2"}, ("minimum", "is more than there are targets (1)")),
    ({"target": [V4, V4]}, ("target", f"{V4} stands here twice")),
    ({"target": ["255.255.255.255"]}, ("target", "255.255.255.255 is no host: many would answer, or none")),
    ({"target": ["224.0.0.18"]}, ("target", "224.0.0.18 is no host: many would answer, or none")),
    ({"target": ["ff02::1"]}, ("target", "ff02::1 is no host: many would answer, or none")),
    ({"target": ["fe80::1"]}, ("target", "fe80::1 is link-local: write the interface, too")),
    ({"target": [V4], "source": ["10.0.0.1", "10.0.0.2"]}, ("source", "one for each family is enough"))])
def test_what_cannot_be_meant_is_refused(settings, complaint):
    assert complaints("ping", settings) == [complaint]
