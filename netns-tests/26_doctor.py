"""batonctl doctor: real faults of interfaces, settings, packet filters and of who else speaks on the wire; each is named, and a healthy pair
is left in peace."""
import json
import os
import shutil
import tempfile

import pytest

from lib import proc, roles
from lib.daemons import BATON_BIN, ROOT, Service
from lib.proc import in_namespace, wait_until

VIP = "10.77.0.50"
CTL = os.path.join(BATON_BIN, "batonctl")


def examine(baton, *argv, listen="1"):
    """The document of `doctor --json`; its exit status agrees with it."""
    done = baton.control("doctor", "--json", "--listen", listen, *argv, timeout=40)
    assert done.returncode in (0, 1), (done.returncode, done.stdout, done.stderr)
    document = json.loads(done.stdout)
    bad = [one["id"] for one in document["findings"] if one["severity"] != "note"]
    assert (document["exit"], document["ok"]) == (done.returncode, not bad) and bool(done.returncode) == bool(bad), document
    return document


def ids(document):
    """All that was found but the clock, which is the machine's."""
    return [one["id"] for one in document["findings"] if one["id"] != "clock_unsynchronised"]


def finding(document, name):
    found = [one for one in document["findings"] if one["id"] == name]
    assert len(found) == 1, (name, document["findings"])
    assert found[0]["meaning"] and found[0]["fix"]
    return found[0]


def sysctl(scene, host, key, value):
    with in_namespace(scene.lab.namespace(host)), open("/proc/sys/net/" + key, "w", encoding="ascii") as file:
        file.write(value)


@pytest.mark.limit(90)
def test_a_healthy_pair_is_left_in_peace(scene):
    one, other = scene.pair(vips=(VIP + "/24", "fd77::50/64"))
    for baton in (one, other):
        document = examine(baton, listen="3")
        assert ids(document) == [], document
        assert all(check["state"] in (("left_out",) if check["check"] == "peers" else ("ok", "note")) for check in document["checks"])
        assert {check["check"]: check["left_out"] for check in document["checks"] if check["left_out"]} == {
            "peers": ["there is no peer channel (peer_key_file)"]}, document["checks"]
    assert {(each["vrid"], each["address-family"], each["this_host"]) for each in document["heard"]} == {(10, "ipv4", False), (10, "ipv6", False)}
    text = other.control("doctor", "--listen", "1")
    assert text.returncode == 0 and "nothing wrong" in text.stdout, text
    scene.sole("db1", seconds=0.2)


def test_an_interface_that_is_down_or_without_carrier(scene):
    one, _ = scene.pair()
    scene.faults.unplug("db1")
    wait_until(lambda: one.instance()["role"] != "active", 5)
    assert finding(examine(one), "no_carrier")["subject"] == "eth0"
    scene.faults.plug("db1")
    scene.lab.ip("db1", "link", "set", "eth0", "down")
    wait_until(lambda: one.instance()["role"] != "active", 5)
    document = examine(one)
    assert finding(document, "interface_down")["command"] == "ip link set eth0 up"
    assert {check["check"]: check["left_out"] for check in document["checks"]}["wire"] == ["no interface is up"]


def test_no_address_and_an_address_that_somebody_else_set(scene):
    one, other = scene.pair()
    scene.lab.ip("db2", "addr", "add", VIP + "/24", "dev", "eth0")
    document = examine(other)
    assert finding(document, "vip_foreign")["command"] == "ip address del %s/24 dev eth0" % VIP
    scene.lab.ip("db2", "addr", "del", VIP + "/24", "dev", "eth0")
    scene.lab.ip("db2", "-4", "addr", "flush", "dev", "eth0")
    assert {"no_source_address", "vip_outside_prefix"} <= set(ids(examine(other)))
    scene.wait_holder("db1")


@pytest.mark.lab(links=2)
def test_kernel_settings(scene):
    one, _ = scene.pair()
    scene.lab.ip("db1", "route", "add", "default", "via", "10.77.1.9", "dev", "eth1")
    sysctl(scene, "db1", "ipv4/conf/all/rp_filter", "1")
    sysctl(scene, "db1", "ipv4/conf/eth0/arp_ignore", "8")
    sysctl(scene, "db1", "ipv4/ip_nonlocal_bind", "1")
    document = examine(one)
    assert sorted(ids(document)) == ["arp_ignore", "nonlocal_bind", "rp_filter"], document
    assert finding(document, "rp_filter")["text"] == "rp_filter of eth0 is 1 (strict), but the default route is by eth1"
    # The command that it gives mends it.
    scene.lab.run("db1", *finding(document, "arp_ignore")["command"].split())
    scene.lab.run("db1", *finding(document, "rp_filter")["command"].split())
    scene.lab.ip("db1", "addr", "add", "10.77.0.99/24", "dev", "eth1")
    sysctl(scene, "db1", "ipv4/conf/eth0/arp_ignore", "0")
    assert ids(examine(one)) == ["arp_flux", "nonlocal_bind"]


def test_F41_a_rule_that_drops_unicast_adverts_is_named(scene):
    peers = tuple(scene.lab.ip4(host) for host in scene.lab.hosts)
    one, _ = scene.pair(options_db1={"unicast_source": peers[0], "unicast_peers": peers}, options_db2={"unicast_source": peers[1], "unicast_peers": peers})
    assert ids(examine(one)) == []
    scene.faults.filter_on("db1", "output", "ip protocol 112")
    scene.wait_holder("db2", deadline=4)
    hit = finding(examine(one), "firewall_drops")
    listed = scene.lab.run("db1", "nft", "-a", "list", "chain", "inet", "faults", "output")
    handle = next(line.split("# handle ")[1] for line in listed.splitlines() if "drop" in line)
    assert hit["text"] == "adverts that leave by eth0 to 10.77.0.2 are dropped by table inet faults, chain output, handle %s: ip protocol 112 drop" % handle
    # Its command, as it stands, is what mends it.
    scene.lab.run("db1", *hit["command"].split())
    scene.wait_holder("db1", deadline=15)
    wait_until(lambda: ids(examine(one)) == [], 15)


def test_F41_a_rule_that_multicast_passes_by_is_a_note(scene):
    one, _ = scene.pair()
    scene.faults.filter_on("db1", "input", "ip protocol 112")
    document = examine(one)
    assert ids(document) == ["firewall_passed_by"] and document["exit"] == 0
    assert "table inet faults, chain input, handle" in finding(document, "firewall_passed_by")["text"]
    # Of the device: behind it nothing is heard by anybody.
    scene.lab.run("db1", "nft", "-f", "-", text_input='add table netdev near\nadd chain netdev near in { type filter hook ingress device "eth0" priority 0; }\n'
                  'add rule netdev near in ip protocol 112 counter drop comment "no vrrp"\n')
    hit = finding(examine(one), "firewall_drops")
    assert "table netdev near, chain in, handle" in hit["text"] and hit["text"].endswith(': ip protocol 112 drop comment "no vrrp"')


def test_a_policy_and_iptables_are_understood(scene):
    peers = tuple(scene.lab.ip4(host) for host in scene.lab.hosts)
    one, _ = scene.pair(options_db1={"unicast_source": peers[0], "unicast_peers": peers}, options_db2={"unicast_source": peers[1], "unicast_peers": peers})
    scene.lab.run("db1", "iptables-nft", "-A", "OUTPUT", "-p", "tcp", "-j", "ACCEPT")
    scene.lab.run("db1", "iptables-nft", "-P", "OUTPUT", "DROP")
    scene.wait_holder("db2", deadline=4)
    hit = finding(examine(one), "firewall_drops")
    assert hit["text"].endswith("dropped by table ip filter, chain OUTPUT: policy drop")
    scene.lab.run("db1", *hit["command"].split())
    scene.wait_holder("db1", deadline=15)


def test_F90_keepalived_with_our_vrid_is_found(scene):
    one = scene.start("baton", "db1", Service(vrid=10, priority=200))
    scene.wait_holder("db1", VIP, 5)
    theirs = scene.start("keepalived", "db1", Service(name="theirs", vrid=10, priority=50, vips=("10.77.0.60/24",)))
    one.alarmed("same_vrid_here", 15)
    document = examine(one)
    here = finding(document, "same_vrid_here")
    assert here["text"].startswith("keepalived") and here["text"].endswith("on this host sends VRID 10 (IPv4) on eth0, from 10.77.0.1"), here
    assert {"alarm", "other_speaker_here"} <= set(ids(document))
    theirs.stop()
    scene.start("keepalived", "db1", Service(name="theirs", vrid=11, priority=50, vips=("10.77.0.60/24",)), tag="2")
    wait_until(lambda: scene.capture.adverts("db1", vrid=11), 5)
    document = examine(one)
    assert "same_vrid_here" not in ids(document)
    assert "VRID 11 (IPv4) on eth0: this host's keepalived" in finding(document, "foreign_vrid")["text"]


@pytest.mark.lab(hosts=("db1", "db2"), clients=("client", "other"))
def test_F09_our_vrid_from_a_stranger_is_found(scene):
    one, other = scene.pair()
    scene.start("keepalived", "other", Service(name="theirs", vrid=10, priority=250, vips=("10.77.0.60/24",)))
    wait_until(lambda: one.instance()["role"] == "backup", 10)
    stranger = finding(examine(other), "same_vrid_elsewhere")
    assert stranger["text"] == "10.77.0.4 (02:77:00:00:00:04, priority 250) uses VRID 10 (IPv4) on eth0"


@pytest.mark.lab(hosts=("db1", "db2"), clients=("client", "other"))
def test_F08_a_foreign_vrid_is_listed(scene):
    one, _ = scene.pair()
    scene.start("keepalived", "other", Service(name="theirs", vrid=20, priority=150, vips=("10.77.0.60/24",)))
    wait_until(lambda: scene.capture.adverts("other", vrid=20), 10)
    document = examine(one)
    assert ids(document) == ["foreign_vrid"] and document["exit"] == 0, document
    assert finding(document, "foreign_vrid")["text"] == "VRID 20 (IPv4) on eth0: 10.77.0.4 (02:77:00:00:00:04, priority 150)"


def test_F40_a_group_that_is_eaten_is_found(scene):
    key = os.path.join(scene.lab.directory, "key")
    with open(key, "w", encoding="ascii") as file:
        file.write("k" * 32 + "\n")
    os.chmod(key, 0o600)
    one, other = scene.pair(daemon={"daemon_keys": ["log_level = debug", "peer_key_file = " + key]})
    wait_until(lambda: all(b.json("status")["peers"][0]["heard"] for b in (one, other)), 10)
    assert "multicast_eaten" not in ids(examine(other))
    scene.faults.block("ip daddr 224.0.0.18", "db2")
    wait_until(lambda: scene.owners.holders(VIP) == ["db1", "db2"], 2)
    wait_until(lambda: one.json("status")["peers"][0]["instances"][0]["role"] == "active", 5)
    there = examine(other)
    assert finding(there, "multicast_eaten")["text"] == "db1 says that it is Active, but none of its adverts for VRID 10 on eth0 arrive here"
    assert "unicast" in finding(there, "multicast_eaten")["fix"]
    here = examine(one)
    assert finding(here, "multicast_eaten")["text"] == "db2 is Active, too, for VRID 10 on eth0: it does not hear this host's adverts, or a filter on this host's interface keeps " \
        "Baton from hearing its"
    assert "two_actives" in ids(here)
    # A rule of the host's own that eats the peer channel is named, too.
    scene.faults.filter_on("db2", "input", "udp dport 5112")
    wait_until(lambda: not other.json("status")["peers"][0]["heard"], 10)
    document = examine(other)
    assert "chain input" in finding(document, "firewall_drops_peer_channel")["text"] and "peer_lost" in ids(document)


# Five seconds ahead, for the programs that it is preloaded into.
CLOCK = r"""
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t which, struct timespec* now) {
  const int failed = (int)syscall(SYS_clock_gettime, which, now);
  if (!failed && which == CLOCK_REALTIME) now->tv_sec += 5;
  return failed;
}
"""


def test_the_peers_clock(scene):
    keys = roles.daemon_keys(scene)
    source = os.path.join(scene.lab.directory, "clock.c")
    with open(source, "w", encoding="ascii") as file:
        file.write(CLOCK)
    library = source[:-2] + ".so"
    proc.run("cc", "-shared", "-fPIC", "-o", library, source, timeout=60)
    one = scene.start("baton", "db1", Service(priority=200), daemon_keys=keys)
    other = scene.start("baton", "db2", Service(priority=100), daemon_keys=keys, environment={"LD_PRELOAD": library})
    wait_until(lambda: all(baton.wait_ready().json("status")["peers"][0]["clock_ahead_ms"] is not None for baton in (one, other)), 10)
    assert 4000 < one.json("status")["peers"][0]["clock_ahead_ms"] <= 5000
    found = finding(examine(one), "clock_differs")
    assert found["subject"] == "db2" and found["text"].endswith(" ms ahead of this host's"), found
    assert finding(examine(other), "clock_differs")["text"].endswith(" ms behind this host's")


def test_a_run_directory_on_a_disk(scene):
    one = scene.daemon("baton", "db1", Service())
    with tempfile.TemporaryDirectory(dir=ROOT) as disk:
        one.runtime = disk
        one.start().wait_ready()
        scene.wait_holder("db1")
        assert finding(examine(one), "runtime_on_disk")["text"] == disk + " is on a disk, not in memory"
        one.stop()


def test_a_program_and_a_library_that_were_replaced(scene):
    one = scene.daemon("baton", "db1", Service(), environment={"LD_LIBRARY_PATH": scene.lab.directory})
    library = os.path.join(scene.lab.directory, "libmnl.so.0")
    shutil.copy("/usr/lib/x86_64-linux-gnu/libmnl.so.0", library)
    program = os.path.join(scene.lab.directory, "batond")
    shutil.copy(os.path.join(BATON_BIN, "batond"), program)
    command = one.command
    one.command = lambda: [program] + command()[1:]
    one.start().wait_ready()
    scene.wait_holder("db1")
    assert ids(examine(one)) == []
    os.unlink(library)
    os.replace(shutil.copy(os.path.join(BATON_BIN, "batond"), program + ".new"), program)
    document = examine(one)
    assert {"old_program", "deleted_libraries"} == set(ids(document)), document
    texts = [each["text"] for each in document["findings"]]
    assert any("(pid %d) runs on %s, replaced" % (one.process_of("engine"), library) in text for text in texts), texts


def test_without_a_daemon_it_says_what_it_left_out(scene):
    one = scene.daemon("baton", "db1", Service())
    one.configure()
    done = one.control("doctor")
    assert done.returncode == 3 and "--config" in done.stderr, done
    document = examine(one, "--config", one.config, "--host", "db1")
    left_out = {check["check"]: check["left_out"] for check in document["checks"] if check["left_out"]}
    assert set(left_out) == {"daemon", "peers"} and "no daemon" in left_out["daemon"][0], left_out
    assert "nobody_speaks" not in ids(document)
    assert one.control("doctor", "nothing", "--config", one.config, "--host", "db1").returncode == 2
    one.write("bad.conf", "[instance x]\ninterface = eth0\n")
    assert one.control("doctor", "--config", one.path("bad.conf"), "--host", "db1").returncode == 5


def test_without_root_the_rest_is_looked_at(scene):
    one, _ = scene.pair()
    namespace = scene.lab.namespace("db1")
    shutil.copy(CTL, os.path.join(scene.lab.directory, "batonctl"))
    done = scene.lab.run("db1", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", os.path.join(scene.lab.directory, "batonctl"), "--runtime-dir",
                         one.path("nowhere"), "doctor", "--config", one.config, "--host", "db1", "--json", "--listen", "1", check=False)
    document = json.loads(done.stdout)
    left_out = {check["check"]: check["left_out"] for check in document["checks"] if check["left_out"]}
    assert "run it as root" in left_out["firewall"][0] and "run it as root" in left_out["wire"][0], (namespace, left_out)
