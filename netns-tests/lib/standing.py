"""The lab that stays: two hosts with batond, a client and a switch, found again by name. Used by `lab` and by `demo`."""
import os
import signal
import subprocess

from lib import proc
from lib.daemons import BATON_BIN, ROOT, Baton, plugin_dir
from lib.topology import Lab

PREFIX = "baton-lab"
DIRECTORY = "/run/baton-lab"
VIP = "10.77.0.50"
INTERVAL_MS = 200
LONGEST_STOP = 60  # seconds: actions are left first
PRIORITY = {"db1": 110, "db2": 100}
CONFIG = """# The same file on both hosts; `key@HOST` is for one host only.
[instance web]
interface = eth0
virtual_router_id = 51
priority = 100
priority@db1 = 110
advertisement_interval = 200ms
address = 10.77.0.50/24
# The application must be well for a host to hold the address.
check = health

[plugin health]
module = http
url = http://127.0.0.1:8080/health
interval = 200ms
timeout = 150ms

[peer db1]
address = 10.77.0.1
[peer db2]
address = 10.77.0.2
"""


def ensure_built(say):
    """Installs and builds what is missing; the build is that of the README."""
    if os.path.exists(os.path.join(BATON_BIN, "batond")) and os.path.exists(os.path.join(BATON_BIN, "batonctl")) and "BATON_BIN_DIR" in os.environ:
        return
    say("installing what is missing (tests/install-deps lab) ...")
    subprocess.run([os.path.join(ROOT, "tests", "install-deps"), "lab"], check=True)
    say("building (cmake --preset release) ...")
    log = os.path.join(ROOT, "build", "demo-build.log")
    os.makedirs(os.path.dirname(log), exist_ok=True)
    with open(log, "wb") as sink:
        for command in (["cmake", "--preset", "release"], ["cmake", "--build", "--preset", "release"]):
            if subprocess.run(command, cwd=ROOT, stdout=sink, stderr=sink, check=False).returncode != 0:
                raise SystemExit("the build failed; see " + log)
    plugin_dir()  # what was built just now


class StandingLab(Lab):
    def __init__(self):
        super().__init__(PREFIX, directory=DIRECTORY)
        os.makedirs(DIRECTORY, exist_ok=True)
        self.batons = {}

    def exists(self):
        return os.path.exists("/run/netns/" + self.switch)

    def baton(self, host):
        if host not in self.batons:
            self.batons[host] = Baton(self, host, (), config=CONFIG, plugins=plugin_dir())
        return self.batons[host]

    def start_application(self, host):
        """Something that answers on port 8080 of the host; see health.py."""
        listens = self.baton(host).path("listens")
        if os.path.exists(listens):
            return
        self.baton(host).launch(["/usr/bin/python3", os.path.join(ROOT, "netns-tests", "lib", "health.py"), "8080", self.sick_file(host), listens])
        proc.wait_until(lambda: os.path.exists(listens), 10, "the application of %s listens" % host)

    def sick_file(self, host):
        return self.baton(host).path("sick")

    def make_sick(self, host):
        self.baton(host).write("sick", "the application is sick\n")

    def make_well(self, host):
        if os.path.exists(self.sick_file(host)):
            os.remove(self.sick_file(host))

    def start(self, host):
        self.start_application(host)
        baton = self.baton(host)
        if os.path.exists(baton.config):  # perhaps edited: it stays until `down`
            with open(baton.config, encoding="utf-8") as file:
                baton.text = file.read()
        baton.start()
        baton.write("pid", "%d\n" % baton.process.pid)
        wrapper = baton.write("batonctl", '#!/bin/sh\nexec "%s/batonctl" --runtime-dir "%s" "$@"\n' % (BATON_BIN, baton.runtime))
        os.chmod(wrapper, 0o755)
        return baton

    def guardian(self, host):
        """pid of batond on the host; None when it does not run."""
        try:
            with open(self.baton(host).path("pid"), encoding="ascii") as file:
                pid = int(file.read())
        except (OSError, ValueError):
            return None
        return pid if proc.alive(pid) and proc.process_name(pid).startswith("batond") else None

    def engine(self, host):
        pid = self.guardian(host)
        return next((child for child in proc.family(pid) if proc.process_name(child) == "baton-engine"), None) if pid else None

    def stop(self, host, number=signal.SIGTERM):
        pid = self.guardian(host)
        if pid:
            proc.signal_all(proc.family(pid) if number == signal.SIGKILL else [pid], number)
            try:
                proc.wait_until(lambda: not self.guardian(host), LONGEST_STOP, "batond of %s ends" % host)
            except AssertionError:
                raise SystemExit("batond of %s still runs after %d s: its actions are being left; `lab kill %s` does not wait" % (host, LONGEST_STOP, host)) from None

    def down(self):
        for host in self.hosts:
            pid = self.guardian(host)
            if pid:
                proc.signal_all(proc.family(pid), signal.SIGKILL)
        super().down()

    def holders(self):
        return [host for host in self.hosts if self.holds(host, VIP)]
