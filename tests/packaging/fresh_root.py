"""A fresh Debian 12, and machines that run it: for what is tested with nothing of Baton but its packages.

    path = fresh_root(debs)                           # made by mmdebstrap, with what these packages depend on
    with Switch() as switch:
        db1 = Host(path, "db1").start()               # its own systemd, processes, network, files
        switch.connect(db1, "10.0.0.1/24")            # as eth0
        db1.run(["apt-get", "install", "-y", "/run/share/baton.deb"])   # db1.share on the host
        db1.stop()
"""
import fcntl
import hashlib
import os
import pathlib
import re
import stat
import subprocess
import sys
import tempfile
import time
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/plugins"))
import places  # noqa: E402
from mysql_root import mirror  # noqa: E402
from systemd_machine import Machine  # noqa: E402

TOOLS = ["iproute2", "iputils-ping", "openssl", "procps", "util-linux"]
# What every installation changes: dpkg's and apt's own books, caches, logs. piuparts passes over the same.
VOLATILE = re.compile(r"(var/(lib/(dpkg|apt|systemd)|cache|log)|run|proc|sys|dev|tmp|etc/ld\.so\.cache|etc/\.pwd\.lock)(/|$)")
BOOKS = {"etc/passwd", "etc/group", "etc/shadow", "etc/gshadow", "etc/subuid", "etc/subgid"}

# $1: the machine's directory, $2: the fresh root, which stays as it is, $3: its name. What it changes is at /run/changed.
BOOT = r"""
set -eu
machine=$1 root=$2
hostname "$3"
mount --make-rprivate /
mkdir "$machine/disk" "$machine/root"
mount -t tmpfs -o mode=755 disk "$machine/disk"
mkdir "$machine/disk/changed" "$machine/disk/work"
mount -t overlay -o "lowerdir=$root,upperdir=$machine/disk/changed,workdir=$machine/disk/work" root "$machine/root"
cd "$machine/root"
echo "$3" >etc/hostname
tr -d - </proc/sys/kernel/random/uuid >etc/machine-id
for unit in console-getty.service getty.target; do ln -s /dev/null "etc/systemd/system/$unit"; done
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 dev dev
for node in null zero full random urandom tty; do touch "dev/$node"; mount --bind "/dev/$node" "dev/$node"; done
touch dev/console dev/kmsg
mount --bind /dev/null dev/console
mount --bind "$machine/kmsg" dev/kmsg
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777 shm dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
mount -t tmpfs -o mode=755 run run
mkdir run/share run/changed
mount --bind "$machine/share" run/share
mount --bind "$machine/disk/changed" run/changed
ip link set lo up
pivot_root . mnt
cd /
umount -l /mnt
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 SYSTEMD_LOG_TARGET=kmsg \
  /lib/systemd/systemd --unit=multi-user.target
"""


def control(deb, field):
    return subprocess.run(["dpkg-deb", "-f", deb, field], capture_output=True, text=True, check=True).stdout.strip()


def dependencies(debs):
    """Names of what they need besides each other; of alternatives the first."""
    names = set()
    for deb in debs:
        for clause in filter(None, control(deb, "Depends").split(",")):
            names.add(re.match(r"\s*([a-z0-9.+-]+)", clause)[1])
    return sorted(name for name in names if not name.startswith("baton"))


def what_it_is(path):
    """What a package manager would say of a file; None if there is none."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    content = os.readlink(path) if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(status.st_mode) else ""
    return oct(status.st_mode), status.st_uid, status.st_gid, content


def lasting(top):
    """Paths below, relative to it, of what does not change by itself."""
    for directory, names, files in os.walk(top):
        for name in names + files:
            path = os.path.relpath(os.path.join(directory, name), top)
            if not VOLATILE.match(path) and path.rstrip("-") not in BOOKS:
                yield path


def accounts(top):
    """Users of Baton's in that root."""
    return {line.split(":")[0] for line in (top / "etc/passwd").read_text(encoding="utf-8").splitlines() if line.startswith("baton")}


def fresh_root(debs):
    """Where a Debian 12 is, with what these packages depend on, and TOOLS. Nobody writes there: it is kept for a week."""
    names = dependencies(debs) + TOOLS
    place = places.COPIES / f"fresh-root-{zlib.crc32(' '.join(names).encode()):08x}"
    place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with open(places.COPIES / ".fresh-root.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if place.exists() and place.stat().st_mtime < time.time() - 7 * 86400:
            subprocess.run(["rm", "-rf", "--one-file-system", place], check=True)
        if not place.exists():
            making = pathlib.Path(tempfile.mkdtemp(prefix=".fresh-root-", dir=places.COPIES))
            try:
                make_root(making / "root", names)
                (making / "root").rename(place)
            finally:
                subprocess.run(["rm", "-rf", "--one-file-system", making], check=False)
    return place


def make_root(path, names):
    made = subprocess.run(["mmdebstrap", "--mode=root", "--variant=apt", "--quiet", "--include=" + ",".join(names), "bookworm", path,
                           f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {mirror()} bookworm main"],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert made.returncode == 0, made.stderr[-2000:]
    os.utime(path)


class Switch:
    """What the hosts are plugged into, and a third machine on it."""
    ADDRESS = "10.0.0.9/24"

    def __enter__(self):
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sh", "-c", "echo here; exec sleep infinity"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()
        for words in (["link", "set", "lo", "up"], ["link", "add", "lan", "type", "bridge", "forward_delay", "0", "mcast_snooping", "0"],
                      ["address", "add", self.ADDRESS, "dev", "lan"], ["link", "set", "lan", "up"]):
            subprocess.run([*self.enter(), "ip", *words], check=True)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def enter(self):
        return ["nsenter", "-t", str(self.process.pid), "-n"]

    def connect(self, host, address):
        subprocess.run(["ip", "link", "add", host.name, "netns", str(self.process.pid), "type", "veth", "peer", "name", "eth0", "netns", str(host.pid)],
                       check=True)
        subprocess.run([*self.enter(), "ip", "link", "set", host.name, "master", "lan", "up"], check=True)
        host.ip("address", "add", address, "dev", "eth0")
        host.ip("link", "set", "eth0", "up")

    def reaches(self, address):
        return subprocess.run([*self.enter(), "ping", "-q", "-c", "1", "-W", "1", address], capture_output=True, check=False).returncode == 0


class Host(Machine):
    """A machine that runs a fresh root of its own. What it changes there goes with it."""
    boot = BOOT

    def __init__(self, root, name):
        super().__init__(bus=False)
        self.root, self.name = root, name

    def boot_arguments(self):
        return [str(self.root), self.name]

    def ip(self, *words):
        return subprocess.run(["nsenter", "-t", str(self.pid), "-n", "ip", *words], check=True, capture_output=True, text=True).stdout

    def path(self, inside):
        """The file there, for one who looks from outside."""
        return pathlib.Path(f"/proc/{self.pid}/root", str(inside).lstrip("/"))

    def shell(self, line, **options):
        return self.run(["sh", "-c", line], **options)

    def changed(self):
        """{path: what it is} of all that is not as it was before it was started."""
        found = {}
        for path in lasting(self.path("run/changed")):
            now = what_it_is(self.path(path))
            if now != what_it_is(pathlib.Path(self.root, path)):
                found[path] = now
        return found
