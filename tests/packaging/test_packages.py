"""The Debian packages in a fresh root of Debian 12 that no systemd runs: installed, used, upgraded, removed, purged; nothing is left.

Needs build/deb (packaging/build-deb; BATON_DEB_DIR names another place), root, and a mirror. The tests go on from one another."""
import json
import re
import subprocess

import pytest
from conftest import DEBS, PACKAGES, ROOT
from fresh_root import accounts, lasting, what_it_is

pytestmark = pytest.mark.packages

MODULES = {"container", "cron", "etcd", "exec", "fence-agents", "file", "http", "interface", "mongodb", "mysql", "patroni", "ping", "postgres",
           "process", "redis", "redis-sentinel", "systemd", "tcp", "webhook"}
ACCOUNTS = {"baton-engine", "baton-steward", "baton-scribe", "baton-check", "baton-act"}
# What systemctl can be asked that begins or ends a service.
MOVES = re.compile(r"\b(start|stop|restart|try-restart|reload-or-restart|kill|isolate)\b")
IN_ROOT = """
set -e
mount --make-rprivate /
mount --bind "$0" "$0"
mount -t proc proc "$0/proc"; mount -t sysfs sysfs "$0/sys"; mount --rbind /dev "$0/dev"; mount -t tmpfs run "$0/run"
ip link set lo up
root=$0
exec chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
"""
# Stands in for systemctl, as if systemd ran: what the scripts of packages ask of it is written down. To enable needs none;
# what is not enabled they would not start.
SYSTEMCTL = """\
#!/bin/sh
echo "$*" >>/systemctl.log
case " $* " in
  *' preset '*) exec /bin/systemctl "$@" ;;
  *' is-enabled '*) echo enabled ;;
esac
"""


class Installation:
    """A copy of the fresh root."""

    def __init__(self, fresh, path):
        subprocess.run(["cp", "-a", "--reflink=auto", fresh, path], check=True)
        self.path = path
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
        return {path: what_it_is(self.path / path) for path in lasting(self.path)}

    def files(self, package):
        """What dpkg says is in it, directories too."""
        return set(self.run("dpkg-query", "-L", package).stdout.splitlines())


@pytest.fixture(scope="module", name="root")
def _root(fresh, tmp_path_factory):
    directory = tmp_path_factory.mktemp("installation")
    directory.chmod(0o755)
    yield Installation(fresh, directory / "root")
    subprocess.run(["rm", "-rf", "--one-file-system", directory], check=True)


def test_lintian_has_nothing_to_say():
    log = (DEBS / "lintian.log").read_text(encoding="utf-8")
    assert [line for line in log.splitlines() if not line.startswith("N:")] == []


def test_overrides_are_explained():
    for path in (ROOT / "packaging/debian").glob("*lintian-overrides"):
        lines = path.read_text(encoding="utf-8").splitlines()
        for before, line in zip([""] + lines, lines):
            assert line.startswith("#") or before.startswith("#") or before.split(":")[0] == line.split(":")[0], f"{path.name}: {line}"


def test_no_script_restarts_the_daemon(debs):
    scripts = {}
    for name, deb in debs.items():
        for script in ("preinst", "postinst", "prerm", "postrm"):
            text = subprocess.run(["dpkg-deb", "-I", deb, script], capture_output=True, text=True, check=False).stdout
            # Not what it says, but what it does.
            scripts[name, script] = re.sub(r"^\s*#.*$|echo .*", "", text, flags=re.MULTILINE)
    assert [key for key, text in scripts.items() if "restart" in text] == []
    stopping = [key for key, text in scripts.items() if re.search(r"invoke +stop", text)]
    assert stopping == [("baton", "prerm")]
    assert re.search(r'if \[ "\$1" = remove \] .*\n  deb-systemd-invoke stop', scripts["baton", "prerm"]), "not at an upgrade"


def test_installed_it_starts_nothing_and_says_what_is_missing(root, debs):
    asked = root.dpkg("-i", *root.put(debs.values()), systemd=True)
    assert [line for line in asked if MOVES.search(line)] == []
    assert accounts(root.path) == ACCOUNTS
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


def test_each_module_comes_with_its_page_and_its_chapter(root):
    contents = {name: root.files(name) for name in PACKAGES}
    for module in MODULES:
        owners = [name for name, files in contents.items() if f"/usr/lib/baton/plugins/{module}.so" in files]
        assert [name for name, files in contents.items() if f"/usr/share/man/man7/baton-plugin-{module}.7.gz" in files] == owners
        assert f"/usr/share/doc/baton/plugins/{module}.md" in contents["baton-doc"]
    pages = {path for files in contents.values() for path in files if re.search(r"/man\d/.", path)}
    assert len(pages) == len(MODULES) + 6
    assert pages - contents["baton"] == {f"/usr/share/man/man7/baton-plugin-{module}.7.gz" for module in (
        "etcd", "mongodb", "mysql", "patroni", "postgres", "redis", "redis-sentinel")}


def test_rules_dashboard_and_drop_ins_are_examples(root):
    examples = root.path / "usr/share/doc/baton/examples"
    subprocess.run(["promtool", "check", "rules", examples / "prometheus/baton.rules.yml"], check=True, capture_output=True)
    assert json.loads((examples / "grafana/baton.json").read_text(encoding="utf-8"))["panels"]
    assert {path.name for path in (examples / "systemd").iterdir()} == {path.name for path in (ROOT / "packaging/systemd/examples").iterdir()}
    for module in MODULES:
        assert (examples / f"plugin-{module}.conf").exists(), module


def test_what_other_programs_read_is_where_they_read_it(root):
    for source, place in {"polkit/50-baton.rules": "share/polkit-1/rules.d/50-baton.rules", "sysusers.conf": "lib/sysusers.d/baton.conf",
                          "tmpfiles.conf": "lib/tmpfiles.d/baton.conf"}.items():
        assert (root.path / "usr" / place).read_bytes() == (ROOT / "packaging" / source).read_bytes()
    # As needrestart does it.
    said = root.run("perl", "-we", 'our %nrconf = (override_rc => {}); do "/etc/needrestart/conf.d/baton.conf" // die; print %{$nrconf{override_rc}}').stdout
    assert said.endswith("0") and "baton" in said
    # As bash-completion does it when a command's name has been typed.
    said = root.run("bash", "-c", ". /usr/share/bash-completion/completions/batonctl; complete -p batonctl").stdout
    assert said == "complete -o bashdefault -o filenames -F _batonctl batonctl\n"
    assert (root.path / "usr/share/zsh/vendor-completions/_batonctl").read_text(encoding="utf-8").startswith("#compdef batonctl\n")
    # Its abstractions are of this machine's own package apparmor: in the root there is none, whose kernel is this one.
    parsed = subprocess.run(["apparmor_parser", "-Q", "-K", "-I", "/etc/apparmor.d", root.path / "etc/apparmor.d/usr.sbin.batond"],
                            capture_output=True, text=True, check=False)
    assert parsed.returncode == 0, parsed.stderr
    assert (root.path / "etc/apparmor.d/local/usr.sbin.batond").exists(), "for the administrator"
    conffiles = root.run("dpkg-query", "-W", "-f", "${Conffiles}", "baton").stdout
    assert {line.split()[0] for line in conffiles.splitlines() if line} == {
        "/etc/apparmor.d/usr.sbin.batond", "/etc/baton/baton.conf", "/etc/baton/conf.d/README", "/etc/needrestart/conf.d/baton.conf"}


def test_directories_are_made_by_tmpfiles(root):
    made = root.run("sh", "-c", "systemd-tmpfiles --create baton.conf && stat -c '%n %U:%G %a' /run/baton /var/lib/baton").stdout
    assert made.splitlines() == ["/run/baton baton-engine:root 775", "/var/lib/baton baton-scribe:baton-scribe 750"]


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
    for name in ("peer.key", "conf.d/web.conf"):
        (root.path / "etc/baton" / name).write_text("# mine\n", encoding="utf-8")
    asked = root.dpkg("-i", *root.put(newer.values()), systemd=True)
    assert any("daemon-reload" in line for line in asked)
    assert [line for line in asked if MOVES.search(line)] == [], "nor started, if it was stopped"
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
    assert accounts(root.path) == ACCOUNTS, "they stay, as postrm says"
