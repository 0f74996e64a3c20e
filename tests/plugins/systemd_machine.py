"""A machine with the real systemd as process 1, for tests: its own pid, mount, uts, ipc, cgroup and network namespace.

    machine = Machine(); machine.start()              # or the fixture of the test that uses it
    machine.unit("web.service", "[Service]\\nExecStart=/bin/sleep infinity\\n")
    machine.run(["systemctl", "start", "web.service"])
    answer = machine.call("systemd", "probe", {"unit": "web.service"}, user="nobody")
    machine.stop()

It sees the host's files, but /run, /tmp, /var/tmp, /var/log, /var/lib/systemd, /etc/systemd/system and systemd's own unit
directory are empty file systems of its own: only the units that stand here exist, and nothing of the host is cleaned,
enabled or written. It needs root and a kernel with cgroup2. With bus=True a dbus-daemon is the system bus.
"""
import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import plugin  # noqa: E402

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

# Enough for units with default dependencies. No tmpfiles, journal or device unit is among them, on purpose.
UNITS = {
    "shutdown.target": "[Unit]\nDefaultDependencies=no\nRefuseManualStart=yes\n",
    "sysinit.target": "[Unit]\nDefaultDependencies=no\n",
    "basic.target": "[Unit]\nDefaultDependencies=no\nRequires=sysinit.target\nAfter=sysinit.target\n",
    "multi-user.target": "[Unit]\nRequires=basic.target\nAfter=basic.target\nAllowIsolate=yes\n",
    "timers.target": "[Unit]\nDefaultDependencies=no\nConflicts=shutdown.target\n",
    "sockets.target": "[Unit]\nDefaultDependencies=no\nConflicts=shutdown.target\n",
    "slices.target": "[Unit]\nDefaultDependencies=no\n",
    "paths.target": "[Unit]\nDefaultDependencies=no\nConflicts=shutdown.target\n",
    "exit.target": "[Unit]\nDefaultDependencies=no\n",
}
BUS = {
    "dbus.socket": "[Unit]\nDefaultDependencies=no\n[Socket]\nListenStream=/run/dbus/system_bus_socket\n",
    "dbus.service": "[Unit]\nDefaultDependencies=no\nRequires=dbus.socket\nAfter=dbus.socket\n[Service]\nType=notify\n"
                    "NotifyAccess=main\nExecStart=/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile"
                    " --systemd-activation --syslog-only\n",
}

# $1: the machine's directory; then what it must still see although it stands under /tmp or /run.
BOOT = r"""
set -eu
machine=$1; shift
mount --make-rprivate /
mount -t proc proc /proc
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount --bind "$machine/kmsg" /dev/kmsg
mount --bind /dev/null /dev/console
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount --bind "$machine/units" /lib/systemd/system
for directory in /etc/systemd/system /lib/systemd/system-generators /var/log /var/lib/systemd; do
  [ ! -d "$directory" ] || mount -t tmpfs -o mode=755 machine "$directory"
done
mount -t tmpfs -o mode=1777 machine /var/tmp
mount -t tmpfs -o mode=755 machine "$machine/run"
mkdir -p "$machine/run/dbus" "$machine/run/share" "$machine/run/keep"
mount --bind "$machine/share" "$machine/run/share"
for keep; do
  mkdir -p "$machine/run/keep$keep"
  mount --bind "$keep" "$machine/run/keep$keep"
done
mount -n --move "$machine/run" /run
mount -t tmpfs -o mode=1777 machine /tmp
for keep; do
  mkdir -p "$keep"
  mount --bind "/run/keep$keep" "$keep"
done
ip link set lo up
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 SYSTEMD_LOG_TARGET=kmsg \
  /lib/systemd/systemd --unit=multi-user.target
"""


def _cgroup2():
    """Where the host has its cgroup2 hierarchy; mounted if nobody has done so."""
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind = line.split()[:3]
        if kind == "cgroup2":
            return pathlib.Path(where)
    where = pathlib.Path("/run/baton-test-cgroup2")
    where.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "cgroup2", "cgroup2", str(where)], check=True)
    return where


class Machine:
    """One machine. `share` on the host is /run/share inside."""
    boot = BOOT  # run by sh with the machine's directory and boot_arguments() as its words

    def __init__(self, bus=True):
        self.bus = bus
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="baton-machine-"))
        self.directory.chmod(0o755)
        self.share = self.directory / "share"
        self.unit_directory = self.directory / "units"
        for directory in (self.share, self.unit_directory, self.directory / "run"):
            directory.mkdir(mode=0o755)
        self.share.chmod(0o777)
        (self.directory / "kmsg").touch()
        self.cgroup = _cgroup2() / self.directory.name
        self.parent = None
        self.pid = None

    def start(self, seconds=20.0):
        units = UNITS | (BUS if self.bus else {})
        for name, text in units.items():
            (self.unit_directory / name).write_text(text)
        if self.bus:
            self._want("multi-user.target", "dbus.service")
        (self.directory / "boot").write_text(self.boot)
        self.cgroup.mkdir()
        self.parent = subprocess.Popen(
            # It does not outlive the test run, even a killed one.
            ["setpriv", "--pdeathsig", "KILL", "sh", "-c", 'echo $$ > "$1/cgroup.procs"; shift; exec "$@"', "sh",
             str(self.cgroup), "unshare", "--kill-child", "--pid", "--fork", "--mount", "--uts", "--ipc", "--cgroup", "--net", "sh", str(self.directory / "boot"),
             str(self.directory), *self.boot_arguments()], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        end = time.monotonic() + seconds
        state = "no process"
        while time.monotonic() < end:
            if self.parent.poll() is not None:
                raise RuntimeError(f"the machine did not start: {self.parent.stdout.read().decode()}{self.kernel_log()}")
            state = self._progress()
            if state in ("running", "degraded"):
                return self
            time.sleep(0.05)
        raise RuntimeError(f"the machine is not up after {seconds:g} s ({state}):\n{self.kernel_log()}")

    def boot_arguments(self):
        """What it must still see although it stands under /tmp or /run."""
        return [str(path) for path in (plugin.ROOT, plugin.PLUGIN_DIR.resolve()) if str(path).startswith(("/tmp/", "/run/"))]

    def _progress(self):
        children = pathlib.Path(f"/proc/{self.parent.pid}/task/{self.parent.pid}/children").read_text().split()
        if not children:
            return "no process"
        self.pid = int(children[0])
        if pathlib.Path(f"/proc/{self.pid}/comm").read_text() != "systemd\n":
            return "booting"
        state = self.run(["systemctl", "is-system-running"], check=False).stdout.strip()
        return state

    def _want(self, target, name):
        wants = self.unit_directory / f"{target}.wants"
        wants.mkdir(exist_ok=True)
        (wants / name).symlink_to(f"../{name}")

    def kernel_log(self):
        """What systemd has logged."""
        return (self.directory / "kmsg").read_text(errors="replace")

    def enter(self, argv):
        """The words that run argv in the machine."""
        return ["nsenter", "-t", str(self.pid), "-m", "-u", "-i", "-n", "-p", "-C", "env", "-i", f"PATH={PATH}",
                "LANG=C.UTF-8", *map(str, argv)]

    def run(self, argv, check=True, timeout=30, **options):
        """Runs argv inside and waits; stdout is text."""
        done = subprocess.run(self.enter(argv), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout,
                              **options)
        if check and done.returncode != 0:
            raise RuntimeError(f"{argv} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def unit(self, name, text):
        """Writes a unit file and has systemd read it. Under the name of an earlier one: replaces it."""
        (self.unit_directory / name).write_text(text)
        self.run(["systemctl", "daemon-reload"])

    def show(self, unit, name):
        """A property of a unit, as `systemctl show` prints it."""
        return self.run(["systemctl", "show", "-P", name, unit]).stdout.strip()

    def call(self, module, verb, settings=None, timeout=5.0, user=None, capabilities=True, **about):
        """Calls a plugin inside, in a process of its own; user is a name. capabilities=False: as the daemon's own hosts."""
        request = {"module": module, "verb": verb, "settings": settings or {}, "timeout": timeout, "user": user,
                   "about": about}
        bounds = [] if capabilities else ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
        argv = [*bounds, "/usr/bin/python3", __file__]
        environment = f"BATON_PLUGIN_DIR={plugin.PLUGIN_DIR.resolve()}"
        done = self.run(["env", environment, *argv], input=json.dumps(request), timeout=timeout + 20)
        return plugin.Answer(**json.loads(done.stdout))

    def stop(self):
        """Ends it: process 1 of a pid namespace takes all others with it."""
        if self.pid is not None and self.parent.poll() is None:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.parent is not None:
            if self.pid is None:
                self.parent.kill()
            self.parent.wait(10)
            self.parent.stdout.close()
        for root, _, _ in os.walk(self.cgroup, topdown=False):
            _remove_cgroup(root)
        shutil.rmtree(self.directory)


def _remove_cgroup(path):
    """The last process leaves its cgroup a moment after it was waited for."""
    end = time.monotonic() + 5
    while True:
        try:
            os.rmdir(path)
            return
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def _call_here():
    """The inner half of Machine.call: a request on stdin, the answer on stdout, both JSON."""
    request = json.load(sys.stdin)
    user = pwd.getpwnam(request["user"]) if request["user"] else None
    purpose = "probe" if request["verb"] in ("probe", "check") else "act"
    with plugin.Session(request["module"], request["settings"], purpose, user=user) as session:
        answer = session.call(request["verb"], request["timeout"], **request["about"])
    print(json.dumps(vars(answer)))


if __name__ == "__main__":
    _call_here()
