"""The measurements of the benchmark: each runs one daemon, keepalived or Baton, in a fresh lab and returns plain numbers (seconds)."""
import os
import statistics
import time

from lib import netlink, proc
from lib.capture import Capture
from lib.daemons import KINDS, ROOT, Baton, Service, plugin_dir
from lib.topology import Lab

PRIORITY = {"db1": 200, "db2": 100}
DOWN = {100: 0.3609375, 10: 0.03609375}  # Active_Down_Interval of db2 by interval in ms, worked by hand


class Bench:
    """A lab of two hosts that both run one kind of daemon."""

    def __init__(self, kind, links=1):
        self.kind = kind
        self.lab = Lab("bench-%s-%d" % (kind, os.getpid()), clients=(), links=links)
        self.daemons = {}

    def __enter__(self):
        self.lab.__enter__()
        return self

    def __exit__(self, *unused):
        self.lab.__exit__()

    def services(self, host, build):
        return [build(PRIORITY[host])] if callable(build) else [one(PRIORITY[host]) for one in build]

    def start(self, build, settle):
        for host in self.lab.hosts:
            self.daemons[host] = KINDS[self.kind](self.lab, host, self.services(host, build), **self.options())
            self.daemons[host].start()
        self.wait_count("db1", "db2", settle)

    def options(self):
        return {"daemon_keys": ("log_level = warning",)} if self.kind == "baton" else {"quiet": True}

    def floating(self, host):
        return sum(1 for entry in self.lab.addresses(host) if entry["local"].startswith(("10.1", "fd78")))

    def wait_count(self, holder, other, wanted, deadline=120):
        proc.wait_until(lambda: self.floating(holder) == wanted and self.floating(other) == 0, deadline,
                        "%s holds %d addresses and %s none (%s)" % (holder, wanted, other, self.kind), every=0.25)

    def capture(self, name, expression, snap=96):
        return Capture(self.lab, os.path.join(self.lab.directory, name), expression=expression, snap=snap, live=False)

    def cut_db1(self):
        ports = "".join("link set %s down\n" % self.lab.port("db1", link) for link in range(self.lab.links))
        proc.run("ip", "-n", self.lab.switch, "-batch", "-", text_input=ports)


def many_vips(count, six=False):
    """One instance with `count` addresses, the first of them in the advert."""
    vips = ["fd78::%x" % (number + 1) for number in range(count)] if six else ["10.100.%d.%d" % (number >> 8, number & 255) for number in range(count)]
    length = "/128" if six else "/32"
    return vips, length


def many_vips_service(kind, vips, length):
    rest = [vip + length for vip in vips[1:]]
    if kind == "keepalived":
        extra = ["virtual_ipaddress_excluded {"] + ["  " + vip for vip in rest] + ["}"] if rest else []
    else:
        extra = ["extra_address = " + vip for vip in rest]
    first = (vips[0] + length,)
    if length == "/128" and kind == "keepalived":
        first = ("fe80::7:10/128",) + first
    return lambda priority: Service(priority=priority, vips=first, extra=tuple(extra))


def failover(kind, count, six=False, trials=5):
    """Cable cut with `count` addresses: [(first, last)] announcement after (last advert + Active_Down_Interval), seconds."""
    found = []
    vips, length = many_vips(count, six)
    with Bench(kind) as bench:
        bench.start(many_vips_service(kind, vips, length), count)
        for trial in range(trials):
            capture = bench.capture("trial%d" % trial, "ip proto 112 or ip6 proto 112 or arp or icmp6")
            time.sleep(0.5 + 0.017 * trial)  # not always the same phase of the interval
            bench.cut_db1()
            time.sleep(2.0 + count / 500)
            lost = capture.dropped()
            assert not lost, "the capture lost %d frames" % lost
            found.append(takeover(capture, set(vips)))
            bench.lab.faults.heal()
            bench.wait_count("db1", "db2", count)
            time.sleep(1.0)
    return found


def takeover(capture, vips):
    last_advert = max(frame.at_ns for frame in capture.adverts("db1"))
    bound = last_advert + int(DOWN[100] * 1e9)
    first_of = {}
    for frame in capture.announcements(host="db2", since=last_advert / 1e9):
        if frame.address in vips:
            first_of.setdefault(frame.address, frame.at_ns)
    missing = len(vips) - len(first_of)
    assert not missing, "%d of %d addresses were not announced" % (missing, len(vips))
    return (min(first_of.values()) - bound) / 1e9, (max(first_of.values()) - bound) / 1e9


def kernel(count, six=False, trials=3):
    """The kernel's own time for `count` addresses on one interface; the median."""
    vips, _ = many_vips(count, six)
    times = []
    for _ in range(trials):
        with Lab("bench-kernel-%d" % os.getpid(), clients=()) as lab:
            times.append(netlink.time_to_add(lab.namespace("db2"), "eth0", vips))
    return statistics.median(times)


def instance_builders(links, interval_ms):
    """255 instances on each link, one address each."""
    def builder(link, vrid):
        return lambda priority: Service(name="i%d-%d" % (link, vrid), link=link, vrid=vrid, priority=priority, interval_ms=interval_ms,
                                        vips=("10.10%d.0.%d/32" % (link, vrid),))
    return [builder(link, vrid) for link in range(links) for vrid in range(1, 256)]


def gaps(capture, host="db1", since=0.0):
    """Times between successive adverts, seconds, over all (link, VRID)."""
    last, found = {}, []
    for link in capture.files:
        for frame in capture.adverts(host, since=since, link=link):
            key = (link, frame.vrid)
            if key in last:
                found.append((frame.at_ns - last[key]) / 1e9)
            last[key] = frame.at_ns
    return found


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def cpu_share(bench, seconds):
    """Share of one core that each host's processes used over `seconds`."""
    pids = {host: daemon.pids() for host, daemon in bench.daemons.items()}
    before, began = {host: proc.cpu_nanoseconds(found) for host, found in pids.items()}, time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - began
    return {host: (proc.cpu_nanoseconds(found) - before[host]) / 1e9 / passed for host, found in pids.items()}


def instances(kind, links=4, interval_ms=100, seconds=15, what=("cpu", "lateness", "memory", "reload", "reexec", "cut")):
    """Many instances: a dict of the numbers named in `what`."""
    result = {}
    builders = instance_builders(links, interval_ms)
    with Bench(kind, links) as bench:
        bench.start(builders, len(builders))
        time.sleep(5)  # second bursts of announcements are over
        if "cpu" in what:
            share = cpu_share(bench, seconds)
            result["cpu_active"], result["cpu_backup"] = share["db1"], share["db2"]
        if "memory" in what:
            result["memory"] = proc.proportional_memory(bench.daemons["db1"].pids())
        if "steady" in what:
            result["takeovers"] = steady(bench, seconds)
        if "lateness" in what:
            capture = bench.capture("steady", "ip proto 112", snap=64)
            time.sleep(seconds)
            result["capture_lost"] = capture.dropped()
            late = [gap - interval_ms / 1000 for gap in gaps(capture)]
            result["late_p99"], result["late_max"] = percentile(late, 0.99), max(late)
        if "reload" in what:
            result["reload_gap"], result["reload_takeovers"] = reload_gap(bench, builders)
        if "reexec" in what and kind == "baton":
            result["reexec_gap"], result["reexec_takeovers"] = reexec_gap(bench)
        if "cut" in what:
            result["cut_last"] = cut_all(bench, len(builders))
    return result


def hanging_plugin(directory):
    """A plugin whose probe never returns, built here; the path of its .so."""
    source, target = os.path.join(directory, "hang.c"), os.path.join("/var/lib/baton-tests", "hang-%d.so" % os.getpid())
    os.makedirs("/var/lib/baton-tests", mode=0o755, exist_ok=True)
    with open(source, "w", encoding="ascii") as file:
        file.write('#include <unistd.h>\n#include "plugin.h"\n'
                   "static int32_t probe(void* self, const baton_call* call, baton_result* result) { for (;;) pause(); }\n"
                   "BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {.struct_size = sizeof(baton_plugin), .name = \"hang\", "
                   '.version = "1", .summary = "never answers", .probe = probe};\n')
    proc.run("cc", "-shared", "-fPIC", "-I", os.path.join(ROOT, "src", "plugin_api"), "-o", target, source)
    os.chmod(target, 0o755)
    return target


def with_checks(count, instances_wanted, interval_ms=100, seconds=15):
    """Baton with `count` checks at 1 s on db1, one of which hangs: the engine's share of a core, and how late db1's adverts are."""
    with Bench("baton") as bench:
        sections, lines = [], []
        if count:
            hang = hanging_plugin(bench.lab.directory)
            bench.lab.undo.callback(os.remove, hang)
            for number in range(count):
                module = ["module = " + hang] if number == 0 else ["module = file", "path = /etc/hostname"]
                sections += ["[plugin c%d]" % number, *module, "interval = 1s"]
                # The hanging one only moves the preference: the host is to stay Active.
                lines.append("check = c%d%s" % (number, " prefer=1" if number == 0 else ""))

        def builder(vrid):
            return lambda priority: Service(name="i%d" % vrid, vrid=vrid, priority=priority, interval_ms=interval_ms, vips=("10.100.0.%d/32" % vrid,),
                                            extra=tuple(lines) if vrid == 1 and priority == PRIORITY["db1"] else ())

        for host in bench.lab.hosts:
            options = dict(bench.options(), sections=sections if host == "db1" else (), plugins=plugin_dir())
            bench.daemons[host] = Baton(bench.lab, host, [builder(vrid)(PRIORITY[host]) for vrid in range(1, instances_wanted + 1)], **options).start()
        bench.wait_count("db1", "db2", instances_wanted)
        time.sleep(5)
        engine = bench.daemons["db1"].process_of("engine")
        capture = bench.capture("checks", "ip proto 112", snap=64)
        before, began = proc.cpu_nanoseconds([engine]), time.monotonic()
        time.sleep(seconds)
        share = (proc.cpu_nanoseconds([engine]) - before) / 1e9 / (time.monotonic() - began)
        capture.close()
        late = [abs(gap - interval_ms / 1000) for gap in gaps(capture)]
        return {"cpu": share, "late_p50": percentile(late, 0.5), "late_p99": percentile(late, 0.99), "late_max": max(late)}


def steady(bench, seconds):
    """Adverts of db2 in `seconds`: each is a false takeover."""
    capture = bench.capture("false", "ip proto 112 and (%s)" % " or ".join("ether src " + bench.lab.mac("db2", link) for link in range(bench.lab.links)), 64)
    time.sleep(seconds)
    capture.close()
    return len(capture.select("vrrp"))


def reload_gap(bench, builders):
    """One instance's priority changes by reload: the largest gap between adverts of all the others, and adverts of db2."""
    capture = bench.capture("reload", "ip proto 112", snap=64)
    time.sleep(1.0)
    daemon = bench.daemons["db1"]
    daemon.services[-1] = builders[-1](PRIORITY["db1"] - 1)
    daemon.configure()
    daemon.hang_up()
    time.sleep(5.0)
    capture.close()
    return max(gaps(capture)), len([frame for link in capture.files for frame in capture.adverts("db2", link=link)])


def reexec_gap(bench):
    """The Active goes over to the program on disk: the largest gap between its adverts, and adverts of db2."""
    capture = bench.capture("reexec", "ip proto 112", snap=64)
    time.sleep(1.0)
    done = bench.daemons["db1"].control("reexec")
    assert done.returncode == 0, done.stdout + done.stderr
    time.sleep(3.0)
    capture.close()
    return max(gaps(capture)), len([frame for link in capture.files for frame in capture.adverts("db2", link=link)])


def cut_all(bench, count):
    """All cables of db1 are pulled: the latest first announcement after its own bound, over all instances."""
    capture = bench.capture("cut", "ip proto 112 or arp", snap=64)
    time.sleep(1.0)
    bench.cut_db1()
    time.sleep(4.0)
    capture.close()
    last_advert, first = {}, {}
    for link in capture.files:
        for frame in capture.adverts("db1", link=link):
            last_advert["10.10%d.0.%d" % (link, frame.vrid)] = frame.at_ns
    cut_at = max(last_advert.values())
    for frame in capture.announcements(host="db2", since=(cut_at - 100_000_000) / 1e9):
        first.setdefault(frame.address, frame.at_ns)
    missing = [vip for vip in last_advert if vip not in first]
    assert not missing and len(last_advert) == count, "%d of %d not announced, e.g. %s" % (len(missing), count, missing[:3])
    return max(first[vip] - last_advert[vip] for vip in last_advert) / 1e9 - DOWN[100]
