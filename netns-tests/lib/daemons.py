"""The daemons under test, behind one face: start, stop, kill, pause, and what each calls its configuration.

A Service says what is wanted of one virtual router in words of RFC 9568; each class writes it in its own language.
"""
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys

from lib import proc

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(os.path.join(ROOT, "tests", "plugins"))
import places  # noqa: E402

BATON_BUILD = os.path.dirname(os.path.abspath(os.environ.get("BATON_BIN_DIR", os.path.join(ROOT, "build", "release", "bin"))))
BATON_BIN = str(places.usable(BATON_BUILD) / "bin")


def plugin_dir():
    """The built plugins where Baton accepts them and its users reach them."""
    return str(places.usable(BATON_BUILD) / "lib/baton/plugins")


@dataclasses.dataclass
class Service:
    """One virtual service as a host sees it. `vips` may mix families (for keepalived and FRR: one virtual router each)."""
    name: str = "svc"
    link: int = 0
    vrid: int = 10
    priority: int = 100
    interval_ms: int = 100
    vips: tuple = ("10.77.0.50/24",)
    version: int = 3
    preempt: bool = True
    preempt_delay: str = ""
    password: str = ""
    unicast_source: str = ""
    unicast_peers: tuple = ()
    owner: bool = False
    extra: tuple = ()          # further lines of the daemon's own language, inside the instance

    def active_down_interval(self):
        """Seconds: RFC 9568 section 6.1 (v2: the skew is not scaled)."""
        interval = self.interval_ms / 1000
        return 3 * interval + (256 - self.priority) / 256 * (1.0 if self.version == 2 else interval)


class Daemon:
    """One program on one host; subclasses say how it is configured and started."""
    kind = "?"

    def __init__(self, lab, host, services, tag=""):
        self.lab, self.host, self.services = lab, host, list(services)
        name = "%s-%s%s" % (host, self.kind, tag)
        self.directory, self.memory = os.path.join(lab.directory, name), os.path.join(lab.memory, name)
        for path in (self.directory, self.memory):
            os.makedirs(path, exist_ok=True)
            os.chmod(path, 0o755)
        self.log_path = os.path.join(self.memory, "log")
        self.process = None
        lab.undo.callback(self.end)

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), 0o644)
        return self.path(name)

    def launch(self, argv, log=None, environment=None):
        with open(log or self.log_path, "ab") as sink:
            return subprocess.Popen(["ip", "netns", "exec", self.lab.namespace(self.host)] + argv, stdin=subprocess.DEVNULL, stdout=sink,
                                    stderr=sink, env=dict(os.environ, **(environment or {})), start_new_session=True)

    def start(self):
        self.configure()
        self.process = self.launch(self.command())
        return self

    def configure(self):
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def log(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def pids(self):
        return proc.family(self.process.pid) if self.process else []

    def signal(self, number):
        proc.signal_all(self.pids(), number)

    def stop(self, patience=5.0):
        """SIGTERM to the first process; its exit status."""
        return proc.stop_process(self.process, signal.SIGTERM, patience)

    def kill(self):
        """SIGKILL to every process at once."""
        pids = self.pids()
        proc.signal_all(pids, signal.SIGSTOP)
        proc.signal_all(pids, signal.SIGKILL)
        self.process.wait(5)
        proc.wait_until(lambda: not any(proc.alive(pid) for pid in pids), 5, "all processes are gone")

    def pause(self):
        self.signal(signal.SIGSTOP)

    def resume(self):
        self.signal(signal.SIGCONT)

    def hang_up(self):
        os.kill(self.process.pid, signal.SIGHUP)

    def end(self):
        """After a test: gone, whatever state it is in."""
        if self.process and self.process.poll() is None:
            self.kill()


def split_families(service):
    """A service with both families is two virtual routers for daemons that know one family an instance."""
    for suffix, wanted in (("", False), ("6", True)):
        vips = tuple(vip for vip in service.vips if (":" in vip) == wanted)
        if vips:
            yield dataclasses.replace(service, name=service.name + suffix, vips=vips), wanted


class Keepalived(Daemon):
    kind = "keepalived"

    def __init__(self, lab, host, services, tag="", extra_globals=("vrrp_garp_master_repeat 1", "vrrp_garp_master_delay 0", "vrrp_garp_lower_prio_repeat 1"),
                 quiet=False):
        """quiet: no log at all and keepalived's own defaults, for measurements."""
        super().__init__(lab, host, services, tag)
        self.extra_globals, self.quiet = () if quiet else extra_globals, quiet

    def configure(self):
        lines = ["global_defs {"] + ["  " + line for line in self.extra_globals] + ["}"]
        for service in self.services:
            for one, six in split_families(service):
                lines += self._instance(one, six)
        self.write("keepalived.conf", "\n".join(lines) + "\n")

    def _instance(self, service, six):
        interval = service.interval_ms / 1000
        lines = ["vrrp_instance %s {" % service.name, "  interface eth%d" % service.link, "  virtual_router_id %d" % service.vrid,
                 "  priority %d" % (255 if service.owner else service.priority), "  advert_int %g" % interval, "  version %d" % (3 if six else service.version)]
        if not service.preempt:
            lines.append("  nopreempt")
        if service.preempt_delay:
            lines.append("  preempt_delay " + service.preempt_delay)
        if service.password:
            lines += ["  authentication {", "    auth_type PASS", "    auth_pass " + service.password, "  }"]
        if service.unicast_peers:
            lines += ["  unicast_src_ip " + service.unicast_source, "  unicast_peer {"] + ["    " + peer for peer in service.unicast_peers] + ["  }"]
        lines += ["  " + line for line in service.extra]
        return lines + ["  virtual_ipaddress {"] + ["    " + vip for vip in service.vips] + ["  }", "}"]

    def command(self):
        return (["keepalived", "--dont-fork", "--vrrp", "--use-file", self.path("keepalived.conf"), "--pid", self.path("pid"), "--vrrp_pid",
                 self.path("vrrp.pid")] + ([] if self.quiet else ["--log-console"]))

    def reload(self):
        self.configure()
        self.hang_up()


class Frr(Daemon):
    """FRR 8.4: zebra and vrrpd. vrrpd wants a macvlan with the virtual MAC and the VIPs for each virtual router."""
    kind = "frr"

    def __init__(self, lab, host, services, tag=""):
        super().__init__(lab, host, services, tag)
        self.zebra = None
        lab.virtual_mac_host = host
        shutil.chown(self.directory, "frr", "frr")

    def configure(self):
        lines = ["log stdout", "debug vrrp protocol"]
        for service in self.services:
            lines += ["interface eth%d" % service.link, " vrrp %d version %d" % (service.vrid, service.version),
                      " vrrp %d priority %d" % (service.vrid, service.priority), " vrrp %d advertisement-interval %d" % (service.vrid, service.interval_ms)]
            lines.append(" %svrrp %d preempt" % ("" if service.preempt else "no ", service.vrid))
            for one, six in split_families(service):
                device = "vrrp%d-%d-%d" % (6 if six else 4, service.link, service.vrid)
                self.lab._batch(self.host, [
                    "link add %s link eth%d address 00:00:5e:00:%02x:%02x type macvlan mode bridge" % (device, service.link, 2 if six else 1, service.vrid),
                    "link set %s addrgenmode random" % device]
                    + ["addr add %s dev %s%s" % (vip, device, " nodad" if six else "") for vip in one.vips] + ["link set %s up" % device])
                lines += [" vrrp %d %s %s" % (service.vrid, "ipv6" if six else "ip", vip.split("/")[0]) for vip in one.vips]
        self.write("vrrpd.conf", "\n".join(lines) + "\n")
        self.write("zebra.conf", "log stdout\n")

    def _common(self, name):
        return ["-z", self.path("zserv"), "-i", self.path(name + ".pid"), "--vty_socket", self.directory, "-A", "127.0.0.1", "-P", "0", "-f", self.path(name + ".conf")]

    def command(self):
        return ["/usr/lib/frr/vrrpd"] + self._common("vrrpd")

    def start(self):
        self.configure()
        self.zebra = self.launch(["/usr/lib/frr/zebra"] + self._common("zebra"), self.path("zebra.log"))
        proc.wait_until(lambda: os.path.exists(self.path("zserv")), 10, "zebra's socket")
        self.process = self.launch(self.command())
        # A macvlan is up until vrrpd runs: only from here on does "up" mean that FRR holds the address.
        vips = [vip.split("/")[0] for service in self.services for vip in service.vips]
        proc.wait_until(lambda: not any(self.lab.holds(self.host, vip) for vip in vips), 10, "vrrpd is Backup: " + self.log()[-500:], every=0.005)
        return self

    def end(self):
        super().end()
        if self.zebra and self.zebra.poll() is None:
            self.zebra.kill()
            self.zebra.wait(5)

    def show(self):
        """vrrpd's own view, from vtysh."""
        text = self.lab.run(self.host, "vtysh", "--vty_socket", self.directory, "-d", "vrrpd", "-c", "show vrrp json", check=False).stdout
        return json.loads(text) if text.strip().startswith("[") else []


class Baton(Daemon):
    kind = "baton"

    def __init__(self, lab, host, services, tag="", config=None, daemon_keys=("log_level = debug",), environment=None, sections=(), plugins=None, programs=BATON_BIN):
        """config: the whole text instead of one made from `services`. sections: lines after the instances; plugins: their directory; programs: that of batond."""
        super().__init__(lab, host, services, tag)
        self.programs = programs
        self.text, self.daemon_keys, self.environment = config, daemon_keys, environment or {}
        self.sections, self.plugins = list(sections), plugins
        self.runtime = os.path.join(self.memory, "run")
        self.state = self.path("state")
        self.config = self.path("baton.conf")
        os.makedirs(self.runtime, exist_ok=True)
        os.makedirs(self.state, exist_ok=True)

    def configure(self):
        self.write("baton.conf", self.text if self.text is not None else self.compose())

    def compose(self):
        lines = ["[daemon]"] + list(self.daemon_keys)
        for service in self.services:
            lines += ["", "[instance %s]" % service.name, "interface = eth%d" % service.link, "virtual_router_id = %d" % service.vrid]
            lines += ["owner = yes"] if service.owner else ["priority = 50", "priority@%s = %d" % (self.host, service.priority)]
            lines += ["version = %d" % service.version, "advertisement_interval = %dms" % service.interval_ms]
            lines += ["address = " + vip for vip in service.vips]
            if not service.preempt:
                lines.append("preempt = no")
            if service.preempt_delay:
                lines.append("preempt_delay = " + service.preempt_delay)
            if service.password:
                lines.append("password_file = " + self.write(service.name + ".password", service.password + "\n"))
                os.chmod(self.path(service.name + ".password"), 0o600)
            if service.unicast_source:
                lines.append("unicast_source@%s = %s" % (self.host, service.unicast_source))
            lines += ["unicast_peer = " + peer for peer in service.unicast_peers]
            lines += list(service.extra)
        lines += [""] + self.sections
        for host in self.lab.hosts:
            lines += ["", "[peer %s]" % host] + ["address = " + self.lab.ip4(host, link) for link in range(self.lab.links)]
        return "\n".join(lines) + "\n"

    def command(self):
        return [os.path.join(self.programs, "batond"), "--config", self.config, "--host", self.host, "--runtime-dir", self.runtime, "--state-dir", self.state] + (
            ["--plugin-dir", self.plugins] if self.plugins else [])

    def start(self):
        self.configure()
        self.process = self.launch(self.command(), environment=self.environment)
        return self

    def wait_ready(self, deadline=10.0):
        """Until batonctl answers."""
        proc.wait_until(lambda: self.control("status", "--json").returncode in (0, 8), deadline, "batonctl status of %s: %s" % (self.host, self.log()[-2000:]), every=0.05)
        return self

    def control(self, *argv, timeout=20):
        """batonctl on this host; the completed process."""
        return self.lab.run(self.host, os.path.join(BATON_BIN, "batonctl"), "--runtime-dir", self.runtime, *argv, check=False, timeout=timeout)

    def control_process(self, *argv):
        """The same, while it runs: its Popen object."""
        return proc.start_in(self.lab.namespace(self.host), [os.path.join(BATON_BIN, "batonctl"), "--runtime-dir", self.runtime, *argv],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill_process(self, name):
        os.kill(self.process_of(name), signal.SIGKILL)

    def json(self, *argv):
        done = self.control(*argv, "--json")
        try:
            document = json.loads(done.stdout)
            return document.get("result", document) if isinstance(document, dict) else document
        except ValueError:
            raise AssertionError("batonctl %s: exit %d: %s%s" % (" ".join(argv), done.returncode, done.stdout, done.stderr)) from None

    def instance(self, name="svc"):
        """The instance's part of `batonctl status --json`."""
        return next(one for one in self.json("status")["instances"] if one["name"] == name)

    def alarms(self):
        """Tokens of the alarms in force: the host's and all instances'."""
        status = self.json("status")
        return set(status.get("alarms", [])).union(*[one["alarms"] for one in status["instances"]])

    def alarmed(self, token, deadline=5.0):
        """Waits until the alarm is in force, or was since the start; fails with what there is instead."""
        def seen():
            return token in self.alarms() or any(entry.get("alarm") == token for entry in self.events())
        try:
            proc.wait_until(seen, deadline, every=0.1)
        except AssertionError:
            raise AssertionError("no alarm %s on %s; in force: %s" % (token, self.host, sorted(self.alarms()))) from None

    def events(self):
        return self.json("events")["entries"]

    def transitions(self, name="svc"):
        return self.instance(name)["transitions"]

    def statistics(self, name="svc", router=0):
        return self.instance(name)["virtual-routers"][router]["statistics"]

    def process_of(self, name):
        """pid of the engine, steward or scribe; None while there is none."""
        return next((pid for pid in self.pids() if proc.process_name(pid) == "baton-" + name and proc.alive(pid)), None)


KINDS = {cls.kind: cls for cls in (Keepalived, Frr, Baton)}
