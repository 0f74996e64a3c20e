"""What every test gets: a lab of its own that is gone afterwards, a time limit, and its capture kept for the check by tshark."""
import json
import os
import signal
import sys
import time

import pytest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from lib import proc                       # noqa: E402
from lib.capture import Capture            # noqa: E402
from lib.daemons import KINDS, ROOT, Service  # noqa: E402
from lib.frames import Injector            # noqa: E402
from lib.topology import Lab               # noqa: E402
from lib.watch import Ownership, Pinger    # noqa: E402

CAPTURES = os.environ.get("BATON_CAPTURES", os.path.join(ROOT, "build", "netns-captures"))
DEFAULT_LIMIT = 60
DUT = os.environ.get("BATON_DUT", "baton")
_made = []


def pytest_configure(config):
    config.addinivalue_line("markers", "limit(seconds): time limit of one test instead of %d s" % DEFAULT_LIMIT)
    config.addinivalue_line("markers", "alone: needs the machine for itself; not beside other tests")
    config.addinivalue_line("markers", "lab(**options): how the test's lab is made (hosts, clients, links)")


def pytest_collection_modifyitems(config, items):
    """BATON_SHARD=I/N runs every Nth test from the Ith that may run beside others; BATON_SHARD=alone those that may not."""
    shard = os.environ.get("BATON_SHARD")
    if not shard:
        return
    alone = [item for item in items if item.get_closest_marker("alone")]
    shared = [item for item in items if not item.get_closest_marker("alone")]
    chosen = alone if shard == "alone" else shared[int(shard.split("/")[0])::int(shard.split("/")[1])]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    marker = item.get_closest_marker("limit")
    limit = marker.args[0] if marker else DEFAULT_LIMIT

    def expire(number, stack):
        raise TimeoutError("test took longer than %d s" % limit)

    before = signal.signal(signal.SIGALRM, expire)
    signal.alarm(limit)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    scene = getattr(item, "scene", None)
    if report.when == "call" and report.failed and scene:
        report.sections += scene.evidence()


class Scene:
    """A lab with its capture, its ownership record and its daemons, as one test uses them."""

    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        self.faults = lab.faults
        self.capture = Capture(lab, os.path.join(lab.directory, "wire"))
        self.owners = Ownership(lab)
        self.daemons = []
        self.pingers = []

    def daemon(self, kind, host, *services, **options):
        kind = DUT if kind == "baton" else kind  # BATON_DUT=keepalived tries the tests themselves
        daemon = KINDS[kind](self.lab, host, services, **options)
        self.daemons.append(daemon)
        return daemon

    def start(self, kind, host, *services, **options):
        return self.daemon(kind, host, *services, **options).start()

    def pair(self, settled=0.3, options_db1=None, options_db2=None, daemon=None, **options):
        """Baton on db1 (priority 200) and db2 (100); returns both when db1 alone holds the first address. daemon: options of the daemon itself."""
        wanted = {"db1": {"priority": 200, **options, **(options_db1 or {})}, "db2": {"priority": 100, **options, **(options_db2 or {})}}
        one, other = [self.start("baton", host, Service(**wanted[host]), **(daemon or {})) for host in ("db1", "db2")]
        self.wait_holder("db1", one.services[0].vips[-1].split("/")[0], 10, settled)
        return one, other

    def injector(self, who="client", link=0):
        return Injector(self.lab.namespace(who), "eth%d" % link)

    def ping(self, address, client="client", interval=0.01):
        self.pingers.append(Pinger(self.lab, client, address, interval))
        return self.pingers[-1]

    def wait_holder(self, host, vip="10.77.0.50", deadline=5.0, settled=0.0):
        """Until `host` alone holds `vip`, and has done so for `settled` seconds."""
        proc.wait_until(lambda: self.owners.holders(vip) == [host] and not self.owners.changes(vip, since=time.time() - settled), deadline,
                        "%s alone holds %s" % (host, vip))

    def sole(self, host, vip="10.77.0.50", seconds=1.0):
        """For `seconds` from now `host`, and nobody else, holds `vip` at every instant."""
        began = time.time()
        time.sleep(seconds)
        wrong = self.owners.spans(vip, lambda holders: holders != {host}, began)
        assert not wrong, "%s should be on %s alone; for %.3f s it was on %s" % (vip, host, wrong[0][1] - wrong[0][0], sorted(wrong[0][2]))

    def silent(self, host, seconds=0.0, since=None):
        """No advert of `host` since `since`, or for `seconds` from now."""
        since = since or time.time()
        time.sleep(seconds)
        spoken = [frame for link in range(self.lab.links) for frame in self.capture.adverts(host, since=since, link=link)]
        assert not spoken, "%s sent %d adverts, the first with priority %d" % (host, len(spoken), spoken[0].priority)

    def evidence(self):
        found = [("%s on %s" % (daemon.kind, daemon.host), daemon.log()[-6000:]) for daemon in self.daemons]
        frames = self.capture.frames()
        lines = ["%.6f link%d %s %s %s > %s vrid=%s prio=%s form=%s %s" % (frame.at, frame.link, frame.kind, frame.mac, frame.source, frame.target, frame.vrid,
                 frame.priority, frame.form, frame.address) for frame in frames[-60:]]
        return found + [("the last frames", "\n".join(lines)), ("ownership", "\n".join(map(str, self.owners.history[-40:])))]

    def close(self):
        for pinger in self.pingers:
            pinger.close()
        self.owners.close()
        batons = [daemon for daemon in self.daemons if daemon.kind == "baton"]
        self.lab.undo.close()  # daemons end while the capture still runs
        self.capture.close()
        if batons:
            os.makedirs(CAPTURES, exist_ok=True)
            macs = [self.lab.mac(daemon.host, link) for daemon in batons for link in range(self.lab.links)]
            for link, path in self.capture.files.items():
                base = os.path.join(CAPTURES, "%s.%d" % (self.name, link))
                os.replace(path, base + ".pcap") if os.stat(path).st_dev == os.stat(CAPTURES).st_dev else proc.run("mv", path, base + ".pcap")
                with open(base + ".json", "w", encoding="utf-8") as file:
                    json.dump(macs, file)


@pytest.fixture
def scene(request):
    marker = request.node.get_closest_marker("lab")
    name = "".join(c if c.isalnum() else "_" for c in request.node.name)
    lab = Lab("bt%d-%d" % (os.getpid(), len(_made)), **(marker.kwargs if marker else {}))
    _made.append(lab)
    with lab:
        made = Scene(lab, os.path.basename(request.node.fspath)[:-3] + "." + name)
        request.node.scene = made
        yield made
        made.close()


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left():
    yield
    left = [name.split()[0] for name in proc.run("ip", "netns", "list").splitlines() if name.startswith("bt%d-" % os.getpid())]
    assert not left, "namespaces left behind: %s" % left
