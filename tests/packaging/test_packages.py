"""The Debian packages in a fresh root of Debian 12: installed, used, upgraded, removed, purged; nothing is left.

Needs build/deb (packaging/build-deb; BATON_DEB_DIR names another place), root, and a mirror. The tests go on from one another."""
import hashlib
import os
import pathlib
import re
import stat
import subprocess
import sys

import pytest

pytestmark = pytest.mark.packages

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/plugins"))
from mysql_root import mirror  # noqa: E402

DEBS = pathlib.Path(os.environ.get("BATON_DEB_DIR", ROOT / "build/deb"))
PACKAGES = {"baton", "baton-plugin-redis", "baton-plugin-mysql", "baton-plugin-postgres", "baton-plugin-mongodb", "baton-plugin-etcd", "baton-dev",
            "baton-doc"}
MODULES = {"container", "cron", "etcd", "exec", "fence-agents", "file", "http", "interface", "mongodb", "mysql", "patroni", "ping", "postgres",
           "process", "redis", "redis-sentinel", "systemd", "tcp", "webhook"}
ACCOUNTS = {"baton-engine", "baton-steward", "baton-scribe", "baton-check", "baton-act"}
TOOLS = ["iproute2", "iputils-ping", "procps", "util-linux"]
# What every installation changes: dpkg's and apt's own books, caches, logs. piuparts passes over the same.
VOLATILE = re.compile(r"(var/(lib/(dpkg|apt|systemd/deb-systemd-helper-\w+)|cache|log)|run|proc|sys|dev|tmp|etc/ld\.so\.cache|etc/\.pwd\.lock)(/|$)")
BOOKS = {"etc/passwd", "etc/group", "etc/shadow", "etc/gshadow", "etc/subuid", "etc/subgid"}
IN_ROOT = """
set -e
mount --make-rprivate /
mount -t proc proc "$0/proc"; mount -t sysfs sysfs "$0/sys"; mount --rbind /dev "$0/dev"; mount -t tmpfs run "$0/run"
ip link set lo up
root=$0
exec chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
"""
# Stands in for systemctl, as if systemd ran: what the scripts of packages ask of it is written down.
SYSTEMCTL = "#!/bin/sh\necho \"$*\" >>/systemctl.log\ncase \" $* \" in *' is-active '*|*' is-enabled '*) exit 0 ;; esac\n"


def control(deb, field):
    return subprocess.run(["dpkg-deb", "-f", deb, field], capture_output=True, text=True, check=True).stdout.strip()


def dependencies(debs):
    """Names of what they need besides each other; of alternatives the first."""
    names = set()
    for deb in debs:
        for clause in filter(None, control(deb, "Depends").split(",")):
            names.add(re.match(r"\s*([a-z0-9.+-]+)", clause)[1])
    return sorted(name for name in names if not name.startswith("baton"))


class FreshRoot:
    def __init__(self, directory):
        self.path = directory / "root"
        self.debs = {control(deb, "Package"): deb for deb in DEBS.glob("*.deb") if "dbgsym" not in deb.name}
        assert set(self.debs) == PACKAGES, f"packaging/build-deb makes them in {DEBS}"
        made = subprocess.run(["mmdebstrap", "--mode=root", "--variant=apt", "--quiet", "--include=" + ",".join(dependencies(self.debs.values()) + TOOLS),
                               "bookworm", self.path, f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {mirror()} bookworm main"],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert made.returncode == 0, made.stderr[-2000:]
        self.before = self.snapshot()

    def run(self, *argv, check=True, timeout=300):
        """In the root, in namespaces of its own: what it leaves running ends with it."""
        done = subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", IN_ROOT, self.path, *argv],
                              capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
        assert not check or done.returncode == 0, f"{argv} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done

    def dpkg(self, *words, systemd=False):
        """With systemd: as on a host that it runs. Returns what was asked of it."""
        log, fake = self.path / "systemctl.log", self.path / "usr/local/bin/systemctl"
        script = 'dpkg "$@"'
        if systemd:
            fake.write_text(SYSTEMCTL, encoding="utf-8")
            fake.chmod(0o755)
            script = 'mkdir -p /run/systemd/system; ' + script
        try:
            self.run("sh", "-c", script, "sh", *words)
            return log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        finally:
            log.unlink(missing_ok=True)
            fake.unlink(missing_ok=True)

    def put(self, debs):
        """Copies them in; their paths there."""
        place = self.path / "tmp/debs"
        place.mkdir(exist_ok=True)
        for deb in debs:
            (place / deb.name).write_bytes(deb.read_bytes())
        return [f"/tmp/debs/{deb.name}" for deb in debs]

    def snapshot(self):
        """{path: what it is}, without what changes by itself."""
        found = {}
        for directory, names, files in os.walk(self.path):
            for name in names + files:
                path = pathlib.Path(directory, name)
                relative = str(path.relative_to(self.path))
                if VOLATILE.match(relative) or relative.rstrip("-") in BOOKS:
                    continue
                status = path.lstat()
                content = os.readlink(path) if path.is_symlink() else (
                    hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(status.st_mode) else "")
                found[relative] = (oct(status.st_mode), status.st_uid, status.st_gid, content)
        return found

    def accounts(self):
        return {line.split(":")[0] for line in (self.path / "etc/passwd").read_text(encoding="utf-8").splitlines() if line.startswith("baton")}


@pytest.fixture(scope="module", name="root")
def _root(tmp_path_factory):
    assert os.geteuid() == 0, "needs root"
    directory = tmp_path_factory.mktemp("fresh")
    directory.chmod(0o755)
    directory.parent.chmod(0o755)
    yield FreshRoot(directory)
    subprocess.run(["rm", "-rf", "--one-file-system", directory], check=True)


@pytest.fixture(scope="module", name="newer")
def _newer(root, tmp_path_factory):
    """The same packages, called the next version."""
    directory = tmp_path_factory.mktemp("newer")
    made = []
    for name, deb in root.debs.items():
        tree = directory / name
        subprocess.run(["dpkg-deb", "-R", deb, tree], check=True)
        path = tree / "DEBIAN/control"
        path.write_text(re.sub(r"^Version: (.*)$", r"Version: \1+1", path.read_text(encoding="utf-8"), flags=re.MULTILINE), encoding="utf-8")
        made.append(directory / f"{name}_newer.deb")
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, made[-1]], check=True, capture_output=True)
    return made


def test_lintian_has_nothing_to_say():
    log = (DEBS / "lintian.log").read_text(encoding="utf-8")
    assert [line for line in log.splitlines() if not line.startswith("N:")] == []


def test_overrides_are_explained():
    for path in (ROOT / "packaging/debian").glob("*lintian-overrides"):
        lines = path.read_text(encoding="utf-8").splitlines()
        for before, line in zip([""] + lines, lines):
            assert line.startswith("#") or before.startswith("#") or before.split(":")[0] == line.split(":")[0], f"{path.name}: {line}"


def test_no_script_restarts_the_daemon(root):
    scripts = {}
    for name, deb in root.debs.items():
        for script in ("preinst", "postinst", "prerm", "postrm"):
            text = subprocess.run(["dpkg-deb", "-I", deb, script], capture_output=True, text=True, check=False).stdout
            # Not what it says, but what it does.
            scripts[name, script] = re.sub(r"^\s*#.*$|echo .*", "", text, flags=re.MULTILINE)
    assert [key for key, text in scripts.items() if "restart" in text] == []
    stopping = [key for key, text in scripts.items() if re.search(r"invoke +stop", text)]
    assert stopping == [("baton", "prerm")]
    assert '"$1" = remove ]' in scripts["baton", "prerm"], "not at an upgrade"


def test_installed_it_starts_nothing_and_says_what_is_missing(root):
    asked = root.dpkg("-i", *root.put(root.debs.values()), systemd=True)
    assert [line for line in asked if re.search(r"\brestart\b", line)] == []
    assert root.accounts() == ACCOUNTS
    assert (root.path / "etc/systemd/system/multi-user.target.wants/baton.service").is_symlink()
    checked = root.run("batonctl", "check", check=False)
    assert checked.returncode == 5
    assert "there is no [instance NAME] section" in checked.stderr + checked.stdout
    condition = re.search(r"^ExecCondition=(.*)$", (root.path / "lib/systemd/system/baton.service").read_text(encoding="utf-8"), re.MULTILINE)[1]
    assert root.run("sh", "-c", condition.replace('"', "'"), check=False).returncode == 1
    assert root.run("systemd-analyze", "verify", "--man=no", "/lib/systemd/system/baton.service").stderr == ""


def test_the_journal_knows_its_messages(root):
    catalog = (root.path / "usr/lib/systemd/catalog/baton.catalog").read_text(encoding="utf-8")
    assert len(re.findall(r"^-- [0-9a-f]{32}$", catalog, re.MULTILINE)) > 100


def test_every_module_loads(root):
    listed = root.run("batonctl", "plugin", "list").stdout
    assert "BROKEN" not in listed
    assert {line.split()[0] for line in listed.splitlines()[1:] if re.match(r"[a-z]", line) and not line.startswith("in /")} == MODULES
    assert listed.splitlines()[-1] == "in /usr/lib/baton/plugins"


def test_the_autopkgtest_fails_over(root):
    tests = root.path / "tmp/tests"
    subprocess.run(["cp", "-r", ROOT / "packaging/debian/tests", tests], check=True)
    done = root.run("/tmp/tests/failover")
    assert [line for line in done.stdout.splitlines() if line.startswith("ok:")] == [
        "ok: db1 holds the address, and it answers", "ok: db1 was killed, db2 holds the address, and it answers",
        "ok: db1 is back and has it again", "ok: both stopped, nothing is left"]


def test_an_upgrade_restarts_nothing_and_keeps_the_configuration(root, newer):
    config = root.path / "etc/baton/baton.conf"
    config.write_text(config.read_text(encoding="utf-8") + "# mine\n", encoding="utf-8")
    (root.path / "var/lib/baton/history").write_text("kept", encoding="utf-8")
    asked = root.dpkg("-i", *root.put(newer), systemd=True)
    assert [line for line in asked if re.search(r"\b(stop|restart|try-restart|reload-or-restart)\b", line)] == []
    assert config.read_text(encoding="utf-8").endswith("# mine\n")
    assert (root.path / "var/lib/baton/history").read_text(encoding="utf-8") == "kept"
    assert "+1" in root.run("dpkg-query", "-W", "baton").stdout


def test_removed_the_configuration_stays_and_the_daemon_is_stopped(root):
    asked = root.dpkg("-r", *sorted(PACKAGES), systemd=True)
    assert any(re.search(r"\bstop\b.*\bbaton\.service", line) for line in asked)
    assert (root.path / "etc/baton/baton.conf").exists()
    assert not list((root.path / "usr/lib").glob("baton*"))
    assert not (root.path / "usr/sbin/batond").exists()


def test_purged_nothing_is_left_but_the_accounts(root):
    root.dpkg("-P", *sorted(PACKAGES))
    for name in ("tmp/debs", "tmp/tests"):
        subprocess.run(["rm", "-rf", root.path / name], check=True)
    after = root.snapshot()
    assert {path for path in after if path not in root.before} == set()
    assert {path for path in root.before if after.get(path) != root.before[path]} == set()
    assert root.accounts() == ACCOUNTS, "they stay, as postrm says"
