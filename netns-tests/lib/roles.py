"""What the tests of database roles share: a witness on the client's side, writers that record what was acknowledged, and a sampler
that looks every 20 ms at which hosts are writable."""
import ctypes
import datetime
import math
import os
import sys
import threading
import time

from lib import proc
from lib.daemons import ROOT

sys.path.insert(0, os.path.join(ROOT, "tests", "plugins"))

WITNESS_PORT = 2379
CLONE_NEWNET = 0x40000000


def enter(namespace):
    """This thread, and no other, moves into the network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/run/netns/" + namespace, "rb") as where:
        if libc.setns(where.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns " + namespace)


class Writer:
    """Writes one value after the other through the VIP from `namespace` and notes which were acknowledged, and when (`at`, time of day).

    `connect(timeout)` gives an object with write(n) and close(); whatever either raises counts as "not acknowledged"."""

    def __init__(self, namespace, connect, pause=0.002):
        self.namespace, self.connect, self.pause = namespace, connect, pause
        self.acknowledged, self.unknown, self.gaps, self.at = [], [], [], {}
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        enter(self.namespace)
        connection, number, last = None, 0, None
        while not self.stopped.is_set():
            number += 1
            try:
                if connection is None:
                    connection = self.connect(1.0)
                connection.write(number)
            except Exception:
                self.unknown.append(number)
                if connection is not None:
                    connection.close()
                connection = None
                self.stopped.wait(0.01)
                continue
            now = time.monotonic()
            if last is not None:
                self.gaps.append((now - last, last))
            last = now
            self.at[number] = time.time()
            self.acknowledged.append(number)
            self.stopped.wait(self.pause)
        if connection is not None:
            connection.close()

    def longest_gap(self):
        return max((gap for gap, _ in self.gaps), default=0.0)

    def wait_more(self, count=50, deadline=30.0):
        target = len(self.acknowledged) + count
        proc.wait_until(lambda: len(self.acknowledged) >= target, deadline, "%d more writes acknowledged" % count)

    def stop(self):
        self.stopped.set()
        self.thread.join(10)
        return self.acknowledged


class Sampler:
    """Every 20 ms: which hosts are writable. `looks`: host -> function that says so; an exception means it is not."""

    def __init__(self, looks):
        self.looks, self.samples = looks, []
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.stopped.wait(0.02):
            writable = self._writable()
            if len(writable) > 1:  # or did the role move between one look and the next?
                writable &= self._writable()
            self.samples.append((time.time(), frozenset(writable)))

    def _writable(self):
        found = set()
        for host, look in self.looks.items():
            try:
                if look():
                    found.add(host)
            except Exception:
                pass
        return found

    def stop(self):
        self.stopped.set()
        self.thread.join(10)

    def never_two(self):
        double = [(at, sorted(hosts)) for at, hosts in self.samples if len(hosts) > 1]
        assert not double, "writable at once, %d of %d samples, first %s" % (len(double), len(self.samples), double[0])
        assert len(self.samples) > 20, "the sampler looked only %d times" % len(self.samples)


def etcd_on(scene, host):
    """One etcd in `host`'s namespace; ended with the scene."""
    from etcd_server import EtcdCluster
    place = {"address": scene.lab.ip4(host), "namespace": scene.lab.namespace(host), "client_port": WITNESS_PORT, "peer_port": 2380}
    cluster = EtcdCluster(os.path.join(scene.lab.directory, "etcd"), places=[place])
    scene.lab.undo.callback(cluster.__exit__)
    cluster.__enter__()
    return cluster


def etcd_section(scene, host, lease="3s", port=WITNESS_PORT):
    return ["[plugin witness]", "module = etcd", "endpoint = http://%s:%d" % (scene.lab.ip4(host), port), "lease = " + lease,
            "query_timeout = 500ms", "interval = 1s"]


def daemon_keys(scene):
    """A [daemon] section whose hosts talk to each other."""
    path = os.path.join(scene.lab.directory, "peer.key")
    if not os.path.exists(path):
        with open(path, "w", encoding="ascii") as file:
            file.write("k" * 32 + "\n")
        os.chmod(path, 0o600)
    return ("log_level = debug", "peer_key_file = " + path)


def data_of(baton, name="svc"):
    """The instance's part of status that concerns its data; {} while it is not known yet."""
    found = [one for one in baton.json("status").get("instances", []) if one["name"] == name]
    return found[0].get("data", {}) if found else {}


def hand_over(baton, *to, instance="svc"):
    """A planned move in which both hosts take part; returns when it is over. to: "--to", HOST."""
    proc.wait_until(lambda: baton.control("switchover", instance, "--dry-run", *to).returncode == 0, 30, "the other host could take over")
    done = baton.control("switchover", instance, *to, timeout=60)
    assert done.returncode == 0, "switchover: exit %d: %s%s" % (done.returncode, done.stdout, done.stderr)


def move_away(baton, instance="svc"):
    """Another way to move it: this host is taken out, and another one takes over by itself."""
    done = baton.control("drain")  # the whole host; its only instance in these tests is `instance`
    assert done.returncode == 0, "drain: exit %d: %s%s" % (done.returncode, done.stdout, done.stderr)


def lost_tail(acknowledged, present):
    """What of `acknowledged` (in order) is not in `present`. Only the newest may be missing: a hole is no lag, but a lost history."""
    missing = [number for number in acknowledged if number not in present]
    newest = acknowledged[len(acknowledged) - len(missing):]
    assert missing == newest, "missing are not the newest %d acknowledged %s, but %s" % (len(missing), newest[:10], missing[:10])
    return missing


def told_at(entry):
    """The time of day of an event."""
    return datetime.datetime.fromisoformat(entry["time"]).timestamp()


def may_not(entry):
    """An event of a host that tried to take the role: the witness says no, or the other host can be asked nothing and not be demoted."""
    return (entry.get("verb"), entry.get("result")) in (("acquire", "refused"), ("fence", "transient")) or entry.get("reason") == "no_grant"


def wait_heard(holder, other, check, position=None):
    """Until `other` has heard where the data of `holder` stands, as its check says it. position: asks the database itself, which takes no
    writes meanwhile; None: that it takes some, and any position from now on will do."""
    def known():
        found = next(one for one in holder.json("status")["checks"] if one["name"] == check)
        return (found["latest"] or {}).get("position")
    before = known()
    proc.wait_until(lambda: known() == position() if position else known() != before, 10, "%s knows its position" % holder.host)
    since = time.monotonic() + 0.1
    proc.wait_until(lambda: other.json("status")["peers"][0]["heard_ms"] / 1000 < time.monotonic() - since, 10, "%s hears it" % other.host)


def reported_bound(baton, instance="svc"):
    """What the newest promotion after a crash said may be lost: (how much, in the plugin's unit; until when). It is counted from the old
    holder's last word: what was acknowledged after that time of day is in no count. All hosts of a lab have one clock. Who knows the loss
    without that word (strict: none) speaks of all that was ever acknowledged."""
    acts = [entry for entry in baton.events() if entry.get("instance") == instance and entry.get("result") == "ok"]
    place = max((place for place, entry in enumerate(acts) if entry.get("verb") == "promote"), default=None)
    assert place is not None, "%s has promoted nothing" % baton.host
    said = acts[place].get("lost_at_most")
    assert said not in (None, "unknown"), "%s does not know what may be lost: %s" % (baton.host, acts[place])
    if acts[place]["position_age_ms"] is None:
        return int(said.split()[0]), math.inf
    # Promote was asked for after this was answered. Its own time and duration would leave out how long it was on its way.
    asked = next(entry for entry in reversed(acts[:place]) if entry.get("verb") == "can_promote")
    age = datetime.timedelta(milliseconds=acts[place]["position_age_ms"])
    return int(said.split()[0]), (datetime.datetime.fromisoformat(asked["time"]) - age).timestamp()


def within_bound(baton, writer, missing, least=1):
    """After a crash: of what is missing no more had been acknowledged before the old holder's last word than `baton`, which promoted, said.
    `least`: so much of the plugin's unit a write has at least. How many those are."""
    most, until = reported_bound(baton)
    counted = [number for number in missing if writer.at[number] <= until]
    print("measure: bound: %d are missing, %d of them from before the old holder's last word; reported %d (a write has at least %d)" % (len(missing), len(counted), most, least))
    assert len(counted) * least <= most, "%d writes of at least %d are missing, at most %d were reported" % (len(counted), least, most)
    return len(counted)


def measure(what, writer, since, lost):
    """One line for the table of measurements. `since`: monotonic time of the order or of the crash."""
    gap, last = max(writer.gaps)
    print("measure: %s: serves again after %.2f s, client gap %.2f s, acknowledged %d, lost %d"
          % (what, last + gap - since, gap, len(writer.acknowledged), lost))
