"""Two fresh machines with nothing of Baton but its packages: a pair is made by the words of the guide alone, fails over, is
upgraded without a failover, and goes without a trace. The tests go on from one another."""
import json
import re
import shutil
import subprocess
import time

import pytest
from fresh_root import Host, Switch, accounts

pytestmark = pytest.mark.packages

GUIDE = "usr/share/doc/baton/first-pair.md"
FLOATING = "10.0.0.50"
ACCOUNTS = {"baton-engine", "baton-steward", "baton-scribe", "baton-check", "baton-act"}


def within(seconds, condition, what):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what() if callable(what) else what}"
        time.sleep(0.05)


class Pair:
    def __init__(self, switch, hosts):
        self.switch, self.hosts = switch, hosts
        self.db1, self.db2 = hosts
        self.before = {host.name: host.changed() for host in hosts}

    def section(self, number):
        """That chapter of the guide, as it is installed."""
        return re.search(rf"^## {number}\. .*?(?=^## )", self.db1.path(GUIDE).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)[0]

    def blocks(self, number, kind):
        return [text for of, text in re.findall(r"^```(\w*)\n(.*?)^```$", self.section(number), re.MULTILINE | re.DOTALL) if of == kind]

    def commands(self, number):
        return [line for block in self.blocks(number, "") for line in block.splitlines()]

    def follow(self, host, line):
        """A line of the guide, in a shell of that host; scp, which a fresh root lacks, by hand."""
        copied = re.fullmatch(r"scp -p (.*) db2:(\S+)/", line)
        if not copied:
            return host.shell(line, timeout=60)
        for file in copied[1].split():
            shutil.copy2(host.path(file), self.db2.path(copied[2]))
        return None

    def put(self, debs):
        """On both hosts, at /run/share/debs."""
        for host in self.hosts:
            place = host.share / "debs"
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            for deb in debs:
                shutil.copy(deb, place)

    def holders(self):
        return [host for host in self.hosts if FLOATING in host.ip("-oneline", "address", "show", "dev", "eth0")]

    def settled(self, holder):
        """That one has it, and both say that all is well."""
        within(15, lambda: self.holders() == [holder], self.said)
        within(15, lambda: all(host.run(["batonctl", "status", "--exit-code"], check=False).returncode == 0 for host in self.hosts), self.said)
        assert self.switch.reaches(FLOATING)

    def said(self):
        return "\n".join(f"--- {host.name}\n" + host.shell("batonctl status; journalctl -b -u baton --no-pager | tail -n 40", check=False).stdout
                         for host in self.hosts)

    def other(self, host):
        return self.hosts[1 - self.hosts.index(host)]


@pytest.fixture(scope="module", name="pair")
def _pair(fresh):
    with Switch() as switch:
        hosts = [Host(fresh, name) for name in ("db1", "db2")]
        try:
            for number, host in enumerate(hosts, 1):
                switch.connect(host.start(), f"10.0.0.{number}/24")
            yield Pair(switch, hosts)
        finally:
            for host in hosts:
                host.stop()


def install(host):
    return host.shell("DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends /run/share/debs/*.deb 2>&1", timeout=120).stdout


def main_pid(host):
    return int(host.show("baton", "MainPID"))


def test_installed_it_starts_nothing_and_is_no_failure(pair, debs):
    pair.put([debs["baton"], debs["baton-doc"]])
    for host in pair.hosts:
        install(host)
        assert host.run(["systemctl", "is-enabled", "baton"]).stdout == "enabled\n"
        assert (host.show("baton", "ActiveState"), host.show("baton", "Result")) in {("inactive", "success"), ("inactive", "exec-condition")}
        assert host.run(["systemctl", "is-system-running"]).stdout == "running\n"
        assert accounts(host.path("/")) == ACCOUNTS
        owners = host.run(["stat", "-c", "%n %U:%G %a", "/run/baton", "/var/lib/baton"]).stdout.splitlines()
        assert owners == ["/run/baton baton-engine:root 775", "/var/lib/baton baton-scribe:baton-scribe 750"]


def test_the_guide_makes_a_pair(pair):
    configuration, = pair.blocks(2, "ini")
    pair.db1.path("etc/baton/baton.conf").write_text(configuration, encoding="utf-8")
    lines = pair.commands(2)
    assert lines[-1] == "batonctl check"
    for line in lines:
        pair.follow(pair.db1, line)
    assert "valid" in pair.follow(pair.db2, "batonctl check").stdout
    for host in pair.hosts:
        for line in pair.commands(3):
            pair.follow(host, line)
    pair.settled(pair.db1)
    assert "ACTIVE" in pair.db1.run(["batonctl", "status"]).stdout
    assert "BACKUP" in pair.db2.run(["batonctl", "status"]).stdout


def test_a_switchover_as_the_guide_has_it(pair):
    dry, switchover, history = pair.commands(4)
    pair.follow(pair.db1, dry)
    assert pair.holders() == [pair.db1]
    pair.follow(pair.db1, switchover)
    within(10, lambda: pair.holders() == [pair.db2], pair.said)
    for host, words in ((pair.db1, "Active -> Backup: gave up on request and stays yielded"),
                        (pair.db2, "Backup -> Active: the Active resigned (priority 0): db1 (10.0.0.1)")):
        assert pair.follow(host, history).stdout.rstrip().endswith(words), host.name
    assert "`batonctl undrain`" in pair.section(4)
    pair.follow(pair.db1, "batonctl undrain")
    pair.settled(pair.db2)


@pytest.mark.parametrize("number", [2, 1])
def test_it_fails_over_when_its_holder_is_killed(pair, number):
    holder = pair.hosts[number - 1]
    assert pair.holders() == [holder]
    killed = main_pid(holder)
    holder.run(["systemctl", "kill", "--signal=KILL", "--kill-who=all", "baton"])
    # 3.6 s after the last advert; the rest is for a busy machine.
    within(6, lambda: pair.holders() == [pair.other(holder)], pair.said)
    within(6, lambda: main_pid(holder) not in (0, killed), "systemd starts it again")
    pair.settled(pair.other(holder))


def adverts(printed):
    """[(time, source)]"""
    return [(float(found[1]), found[2]) for found in re.finditer(r"^([0-9.]+) IP ([0-9.]+) > 224\.0\.0\.18: ", printed, re.MULTILINE)]


def history(host):
    """Without the names of captures, which are written some seconds later."""
    entries = json.loads(host.run(["batonctl", "history", "--json"]).stdout)["entries"]
    return [{key: value for key, value in entry.items() if key != "capture"} for entry in entries]


def test_an_upgrade_moves_nothing_and_no_advert_is_late(pair, newer):
    pair.settled(pair.db2)
    pids = {host: main_pid(host) for host in pair.hosts}
    histories = {host: history(host) for host in pair.hosts}
    pair.put([newer["baton"], newer["baton-doc"]])
    capture = subprocess.Popen([*pair.switch.enter(), "tcpdump", "-Z", "root", "-i", "lan", "-l", "-n", "-tt", "ip proto 112"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        first = capture.stdout.readline()
        said = [install(host) for host in pair.hosts]
        time.sleep(2)  # two adverts more
    finally:
        capture.terminate()
        seen = adverts(first + capture.communicate(timeout=10)[0])
    assert {source for _, source in seen} == {"10.0.0.2"}
    gaps = [after - before for (before, _), (after, _) in zip(seen, seen[1:])]
    assert len(gaps) >= 3 and max(gaps) <= 1.25, gaps
    for host, text in zip(pair.hosts, said):
        assert host.run(["dpkg-query", "-W", "-f", "${Version}", "baton"]).stdout.endswith("+1")
        assert main_pid(host) == pids[host]
        assert history(host) == histories[host], host.name
        assert "the daemon went over from version" in text
        assert host.run(["readlink", f"/proc/{pids[host]}/exe"]).stdout.strip() == "/usr/sbin/batond", "what is installed now"
        assert "peer_key_file" in host.path("etc/baton/baton.conf").read_text(encoding="utf-8"), "the configuration is the administrator's"
    pair.settled(pair.db2)


@pytest.mark.parametrize("number", [2, 1])
def test_removed_it_gives_the_address_up_and_nothing_is_left(pair, number):
    host = pair.hosts[number - 1]
    assert pair.holders() == [host]
    host.shell("DEBIAN_FRONTEND=noninteractive apt-get purge -y baton baton-doc 2>&1", timeout=60)
    assert host not in pair.holders()
    if number == 2:
        within(6, lambda: pair.holders() == [pair.db1], "the other host takes over at once")
    assert host.changed() == pair.before[host.name]
    assert not host.path("run/baton").exists()
    assert "baton" not in host.run(["ps", "-eo", "args"]).stdout
    assert "baton" not in host.run(["systemctl", "list-units", "--all", "--no-pager"]).stdout
    assert host.run(["systemctl", "is-system-running"]).stdout == "running\n"
    assert accounts(host.path("/")) == ACCOUNTS, "they stay, as postrm says"
