"""PostgreSQL pairs: the address appears only where the primary is, a planned move loses nothing, a crash only the newest tail, and a
host that comes back with a log of its own stays out and keeps it."""
import os
import shutil
import signal
import subprocess
import time

import pytest

from lib import postgres, roles
from lib.daemons import BATON_BIN, Service, plugin_dir
from lib.disks import Disk
from lib.proc import hold, wait_until

import postgres_server as ps  # noqa: E402
import servers  # noqa: E402

VIP = "10.77.0.50"
HOSTS = ("db1", "db2")
# Clients come by any address; what is lost is what the kernel has not got, so nothing has to wait for the disk.
SERVER = "listen_addresses = '*'\nfsync = off\nwal_receiver_status_interval = 1s\n"


@pytest.fixture(scope="module")
def template():
    with servers.directory() as directory:
        yield ps.make_template(directory)


class Pair:
    """Two servers as the manual sets them up, Baton on both hosts, and the witness (if that grants) on the client's side."""

    def __init__(self, scene, template, settings=(), lines=(), server="", grant="witness", disk=None):
        """disk: what of a server's data is on a disk of its own ("." is all), and its kind."""
        self.scene, self.grant, self.servers, self.daemons, self.disks = scene, grant, {}, {}, {}
        ps.CONTROL = os.path.join(BATON_BIN, "baton-postgres-control")
        directory = os.path.join(scene.lab.directory, "postgres")
        os.makedirs(directory)
        for host in HOSTS:
            self.servers[host] = ps.Server(host, directory, template, address=scene.lab.ip4(host), port=postgres.PORT,
                                           namespace=scene.lab.namespace(host), more=SERVER + server)
            if disk:
                part, *kind = disk
                self.disks[host] = Disk(scene.lab, self.servers[host].data / part, *kind)
            scene.lab.undo.callback(self.servers[host].end)
            scene.daemons.append(postgres.ServerLog(self.servers[host], host))
        # As an administrator has them when Baton is installed: a primary with its standby.
        self.servers["db2"].make_standby(self.servers["db1"])
        for one in self.servers.values():
            one.start_helper()
            one.start()
        self.servers["db1"].wait_streaming_to(self.servers["db2"], 20)
        if grant == "witness":
            roles.etcd_on(scene, "client")
            lines = ("witness = witness", *lines)
        key = self.secret("peer.key", "k" * 64)
        extra = ("promote = pg", "check = pg", "grant = " + grant, "cooldown = 0", *lines)
        for host, priority in zip(HOSTS, (200, 100)):
            service = Service(priority=priority, extra=extra, preempt=False)
            self.daemons[host] = scene.daemon("baton", host, service, sections=self.sections(host, settings), plugins=plugin_dir(),
                                              daemon_keys=("log_level = debug", "peer_key_file = " + key))

    def secret(self, name, text):
        path = os.path.join(self.scene.lab.directory, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text + "\n")
        os.chmod(path, 0o600)
        return path

    def sections(self, host, settings):
        wanted = {"interval": "500ms", "timeout": "500ms", "deadline": "30s", "link_fresh": "2s"}
        for name, value in ps.settings(list(self.servers.values()), self.servers[host]).items():
            wanted[name] = value
            if name.endswith("password_file"):
                os.chmod(value, 0o600)
        wanted.update(settings)
        lines = ["[plugin pg]", "module = postgres"]
        for name, value in wanted.items():
            lines += ["%s = %s" % (name, one) for one in (value if isinstance(value, list) else [value])]
        return lines + ([""] + roles.etcd_section(self.scene, "client") if self.grant == "witness" else [])

    def start(self):
        """Both hosts; db1 becomes the holder."""
        self.daemons["db1"].start()
        if self.grant == "peer":
            wait_until(lambda: roles.data_of(self.daemons["db1"].wait_ready()).get("role") == "claiming", 30, "db1 wants the role")
            self.daemons["db2"].start()  # whose promise is needed
            self.serving("db1", 40)
        else:
            self.serving("db1", 40)
            self.daemons["db2"].start()
        self.standby("db2")
        return self

    def serving(self, host, deadline):
        self.scene.wait_holder(host, VIP, deadline)
        assert self.servers[host].is_primary()

    def role(self, host):
        return roles.data_of(self.daemons[host].wait_ready()).get("role")

    def streams(self, host, upstream):
        try:
            link = self.servers[host].sql("SELECT status || ' ' || sender_host FROM pg_stat_wal_receiver")
        except subprocess.CalledProcessError:
            return False  # it is being started
        return link == "streaming " + self.scene.lab.ip4(upstream)

    def standby(self, host, deadline=30):
        other = HOSTS[1 - HOSTS.index(host)]
        wait_until(lambda: self.streams(host, other) and self.role(host) == "standby", deadline, "%s streams from %s" % (host, other), every=0.1)

    def writer(self, first=0):
        return self._until_the_end(roles.Writer(self.scene.lab.namespace("client"), lambda timeout: postgres.Client(VIP, timeout, first)))

    def sampler(self):
        return self._until_the_end(roles.Sampler({host: postgres.Look(server) for host, server in self.servers.items()}))

    def _until_the_end(self, thread):
        self.scene.lab.undo.callback(thread.stop)
        return thread

    def crash(self, host):
        """All of the host at once, and its link."""
        self.scene.faults.unplug(host)
        self.daemons[host].signal(signal.SIGSTOP)
        for pid in self.servers[host].processes():
            os.kill(pid, signal.SIGKILL)
        self.daemons[host].kill()

    def revive(self, host):
        """The crashed host again, as its own start-up does it: the server, then Baton."""
        self.scene.faults.heal()
        self.servers[host].start()
        return self.daemons[host].start()

    def missing(self, point, what, reported=True):
        """What db2, the new holder, lacks; no more than it reported, if it had to."""
        point.writer.stop()
        return point.judge("postgres " + what, self.servers["db2"].rows(), self.daemons["db2"] if reported else None)


@pytest.mark.limit(120)
def test_planned_moves_there_and_back_under_load_lose_no_acknowledged_write_and_need_no_rewind(scene, template):
    pair = Pair(scene, template).start()
    assert (pair.role("db1"), roles.data_of(pair.daemons["db1"])["generation"]) == ("active", 1)
    sampler = pair.sampler()
    for generation, (old, new) in ((2, ("db1", "db2")), (3, ("db2", "db1"))):
        writer = pair.writer(first=generation * 1000000)
        writer.wait_more(200)
        pair.daemons[new].control("undrain")
        began = time.monotonic()
        roles.hand_over(pair.daemons[old])
        pair.serving(new, 40)
        writer.wait_more(200)
        pair.standby(old)
        acknowledged = writer.stop()
        missing = {generation * 1000000 + number for number in acknowledged} - pair.servers[new].rows()
        roles.measure("postgres planned", writer, began, len(missing))
        assert not missing
        assert roles.data_of(pair.daemons[new])["generation"] == generation
        wait_until(lambda: roles.data_of(pair.daemons[old]).get("dirty") is False, 20, "%s is clean" % old)
        pair.servers[new].wait_streaming_to(pair.servers[old])
        assert pair.servers["db1"].rows() == pair.servers["db2"].rows()
    sampler.stop()
    sampler.never_two()
    for server in pair.servers.values():
        assert "rewind" not in (server.directory / "log").read_text()


@pytest.mark.limit(120)
def test_a_crash_of_the_holder_moves_the_role_and_loses_only_the_newest(scene, template):
    pair = Pair(scene, template).start()
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(200)
    with postgres.Break(writer) as point:
        pair.crash("db1")
    pair.serving("db2", 60)
    writer.wait_more(100)
    sampler.stop()
    sampler.never_two()
    pair.missing(point, "crash")
    assert roles.data_of(pair.daemons["db2"])["generation"] == 2


@pytest.mark.limit(120)
def test_with_synchronous_replication_a_crash_loses_nothing(scene, template):
    pair = Pair(scene, template, server="synchronous_standby_names = '*'\n").start()
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(200, 60)
    with postgres.Break(writer) as point:
        pair.crash("db1")
    pair.serving("db2", 60)
    # As the manual says, commits wait until there is a standby again.
    pair.servers["db2"].sql("ALTER SYSTEM SET synchronous_standby_names = ''")
    pair.servers["db2"].sql("SELECT pg_reload_conf()")
    writer.wait_more(50)
    sampler.stop()
    sampler.never_two()
    assert pair.missing(point, "crash, synchronous") == []


@pytest.mark.limit(120)
@pytest.mark.parametrize("grant", ["witness", "peer"])
def test_hosts_that_do_not_hear_each_other_are_never_both_writable_and_the_holder_goes_on(scene, template, grant):
    pair = Pair(scene, template, grant=grant).start()
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(100)
    scene.faults.cut_between("db1", "db2")
    wait_until(lambda: any(roles.may_not(entry) for entry in pair.daemons["db2"].events()), 30, "db2 tries, and may not", every=0.1)
    writer.wait_more(100)
    scene.sole("db1", seconds=3.0)
    scene.faults.heal()
    pair.standby("db2", 60)
    acknowledged = writer.stop()
    sampler.stop()
    sampler.never_two()
    assert set(acknowledged) <= pair.servers["db1"].rows()
    pair.servers["db1"].wait_streaming_to(pair.servers["db2"])


@pytest.mark.limit(120)
def test_a_holder_that_is_cut_off_gives_up_before_the_other_is_promoted_and_comes_back_with_its_tail_kept(scene, template):
    pair = Pair(scene, template, settings={"rejoin": "rewind"}).start()
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(100)
    with postgres.Break(writer) as point:
        scene.faults.cut("db1")
    pair.serving("db2", 60)
    writer.wait_more(50)
    scene.faults.heal()
    pair.standby("db1", 60)
    assert scene.owners.holders(VIP) == ["db2"]
    sampler.stop()
    sampler.never_two()
    pair.missing(point, "cut off")
    one = pair.servers["db1"]
    assert one.data.with_name("data.baton-kept").exists() and list(one.data.with_name("data.baton-kept").glob("*/records.txt"))


@pytest.mark.limit(180)
def test_a_host_that_comes_back_with_writes_of_its_own_stays_out_through_a_reboot_and_keeps_them(scene, template):
    pair = Pair(scene, template, lines=("startup_delay = 0",)).start()
    one = pair.servers["db1"]
    # Cut off, db1's server takes a write that db2 never sees; its Baton is frozen, or it would stop it at once, and then dies.
    pair.daemons["db1"].pause()
    scene.faults.unplug("db1")
    one.sql("INSERT INTO rows VALUES (999999, 'of db1 alone')")
    one.kill()
    pair.daemons["db1"].kill()
    pair.serving("db2", 60)
    pair.servers["db2"].sql("INSERT INTO rows VALUES (1, 'of db2')")
    baton = pair.revive("db1")
    wait_until(lambda: pair.role("db1") == "needs_rejoin", 40, "db1 knows that its data is no part of db2's", every=0.1)
    assert one.rows() == {999999} and not one.is_primary()
    assert "rejoin" in baton.control("explain").stdout
    # A reboot.
    baton.kill()
    one.stop()
    pair.revive("db1")
    assert not one.is_primary()
    wait_until(lambda: pair.role("db1") == "needs_rejoin", 40, "that survives a reboot", every=0.1)
    # Nobody else is there any more: the highest priority still does not come forward.
    pair.daemons["db2"].pause()
    wait_until(lambda: scene.owners.holders(VIP) == [], 20, "nobody holds the address")
    hold(lambda: not one.is_primary() and scene.owners.holders(VIP) == [], 5.0, "db1 stays out", every=0.2)
    assert one.rows() == {999999}
    pair.daemons["db2"].resume()
    pair.serving("db2", 60)
    # An administrator lets it be rewound.
    baton.kill()
    baton.sections = pair.sections("db1", {"rejoin": "rewind"})
    baton.start()
    pair.standby("db1", 60)
    assert one.rows() == {1}
    kept = list(one.data.with_name("data.baton-kept").glob("*/records.txt"))
    assert len(kept) == 1 and "COMMIT" in kept[0].read_text()
    wait_until(lambda: roles.data_of(baton).get("dirty") is False, 20, "db1 is clean")


@pytest.mark.limit(90)
def test_a_wrong_password_and_a_lost_right_of_the_check_user_are_named_and_move_nothing(scene, template):
    pair = Pair(scene, template).start()
    pair.servers["db1"].sql("ALTER ROLE baton_check PASSWORD 'another'")
    for server in pair.servers.values():
        server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'baton_check'")

    def check(host):
        found = next(one for one in pair.daemons[host].json("status")["checks"] if one["name"] == "pg")
        return found["state"], found["result"], found["text"]

    for host in HOSTS:
        words = "%s (%s:5432) as user baton_check: password authentication failed" % (host, scene.lab.ip4(host))
        wait_until(lambda: check(host)[:2] == ("unknown", "config") and check(host)[2].startswith(words), 20, "%s names the password" % host,
                   every=0.1)
    scene.sole("db1", seconds=3.0)
    assert pair.servers["db1"].is_primary()
    pair.servers["db1"].sql("ALTER ROLE baton_check PASSWORD '%s'" % ps.PASSWORDS["check"])
    for host in HOSTS:
        wait_until(lambda: check(host)[0] == "pass", 20, "the check of %s passes again" % host, every=0.1)
    pair.servers["db1"].sql("REVOKE pg_monitor FROM baton_check")
    for host in HOSTS:
        wait_until(lambda: check(host)[:2] == ("unknown", "config") and "GRANT pg_monitor TO baton_check" in check(host)[2], 20,
                   "%s names the right" % host, every=0.1)
    scene.sole("db1", seconds=2.0)
    pair.servers["db1"].sql("GRANT pg_monitor TO baton_check")
    for host in HOSTS:
        wait_until(lambda: check(host)[0] == "pass", 20, "the check of %s passes again" % host, every=0.1)
    assert scene.owners.holders(VIP) == ["db1"] and roles.data_of(pair.daemons["db1"])["generation"] == 1


@pytest.mark.limit(90)
def test_a_certificate_of_another_authority_and_another_authoritys_file_are_named_and_move_nothing(scene, template):
    """The holder's server gets a certificate of one that nobody knows; then both hosts' Baton gets the wrong authority."""
    certificates = servers.Certificates(scene.lab.directory)
    for name, authority in (("known", "ca"), ("renewed", "other-ca")):
        certificates.issue(name, "web.test", names="IP:%s,IP:%s" % (scene.lab.ip4("db1"), scene.lab.ip4("db2")), ca=authority)
    trusted = shutil.copy(certificates["ca.crt"], os.path.join(scene.lab.directory, "trusted.crt"))
    own = {kind: os.path.join(scene.lab.directory, "server." + kind) for kind in ("crt", "key")}

    def present(name):
        for kind, path in own.items():
            shutil.copy(certificates["%s.%s" % (name, kind)], path)
            shutil.chown(path, "postgres", "postgres")
            os.chmod(path, 0o600)

    present("known")
    pair = Pair(scene, template, settings={"tls": "verify", "tls_ca": trusted}, server="ssl = on\nssl_cert_file = '%(crt)s'\nssl_key_file = '%(key)s'\n" % own).start()
    writer, sampler, server = pair.writer(), pair.sampler(), pair.servers["db1"]
    writer.wait_more(50)
    began = time.time()

    def renew(name):
        present(name)
        server.sql("SELECT pg_reload_conf()")  # of db1 alone; both have the same file

    def check(host):
        found = next(one for one in pair.daemons[host].json("status")["checks"] if one["name"] == "pg")
        return found["state"], found["result"], ((found["latest"] or {}).get("facts") or {}).get("cause")

    for wrong, right, hosts in ((lambda: renew("renewed"), lambda: renew("known"), ("db1",)),
                                (lambda: shutil.copy(certificates["other-ca.crt"], trusted), lambda: shutil.copy(certificates["ca.crt"], trusted), HOSTS)):
        wrong()
        for one in pair.servers.values():
            one.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'baton_check'")
        for host in hosts:
            wait_until(lambda: check(host) == ("unknown", "config", "tls"), 20, "the check of %s does not trust the certificate" % host, every=0.1)
        scene.sole("db1", seconds=3.0)
        right()
        for host in hosts:
            wait_until(lambda: check(host)[:2] == ("pass", "ok"), 20, "the check of %s passes again" % host, every=0.1)
    scene.silent("db2", since=began)
    writer.wait_more(50)
    acknowledged = writer.stop()
    sampler.stop()
    sampler.never_two()
    assert set(acknowledged) <= server.rows()
    assert scene.owners.holders(VIP) == ["db1"] and roles.data_of(pair.daemons["db1"])["generation"] == 1


@pytest.mark.limit(120)
def test_a_standby_that_holds_back_what_it_got_is_refused_in_words_and_then_lacks_only_what_it_never_got(scene, template):
    pair = Pair(scene, template).start()
    writer = pair.writer()
    writer.wait_more(50)
    standby = pair.servers["db2"]
    standby.sql("ALTER SYSTEM SET recovery_min_apply_delay = '1h'")
    standby.sql("SELECT pg_reload_conf()")
    scene.faults.block("ip saddr %s tcp sport %d" % (scene.lab.ip4("db1"), postgres.PORT), host="db2")
    writer.wait_more(30)
    # The newest word of db1 that db2 hears is of after the cut.
    roles.wait_heard(pair.daemons["db1"], pair.daemons["db2"], "pg")
    with postgres.Break(writer) as point:
        pair.crash("db1")

    words = "must not be promoted: recovery_min_apply_delay is 1h"
    wait_until(lambda: words in pair.daemons["db2"].control("history").stdout, 30, "db2 says why it is not promoted", every=0.2)
    assert not standby.is_primary() and "db2" not in scene.owners.holders(VIP)
    standby.sql("ALTER SYSTEM RESET recovery_min_apply_delay")
    standby.sql("SELECT pg_reload_conf()")
    pair.serving("db2", 60)
    writer.wait_more(20)
    missing = pair.missing(point, "crash with a cut stream, refused at first")
    assert 25 < len(missing) < point.count - 40
    assert roles.reported_bound(pair.daemons["db2"])[0] >= 25 * postgres.WRITE_LEAST


@pytest.mark.limit(120)
def test_a_frozen_server_of_the_holder_is_ended_before_the_other_is_promoted(scene, template):
    pair = Pair(scene, template, settings={"deadline": "12s"}).start()  # half of it the server has for a clean stop
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(100)
    with postgres.Break(writer) as point:
        pair.servers["db1"].freeze()
    pair.serving("db2", 90)
    writer.wait_more(50)
    pair.servers["db1"].thaw()
    pair.missing(point, "frozen server", reported=False)  # db1 is alive and has demoted it: no crash
    wait_until(lambda: postgres.runs_as_standby(pair.servers["db1"]), 20, "db1 runs as a standby")
    sampler.stop()
    sampler.never_two()


def told(pair, host):
    found = next(one for one in pair.daemons[host].json("status")["checks"] if one["name"] == "pg")
    return found["result"], found["state"], ((found["latest"] or {}).get("facts") or {}).get("cause")


@pytest.mark.limit(90)
def test_F76_a_holder_whose_tables_have_no_room_is_well_and_nothing_moves_until_there_is_room(scene, template):
    """Its log has room, so that its check passes: what has no room is for the statement that needs it."""
    pair = Pair(scene, template, disk=("base",)).start()
    one, server = pair.daemons["db1"], pair.servers["db1"]
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(50)
    began = time.time()
    pair.disks["db1"].fill()
    refused = "could not extend file"
    wait_until(lambda: refused in (server.directory / "log").read_text() and time.time() - writer.at[writer.acknowledged[-1]] > 1, 20,
               "no write is acknowledged any more", every=0.1)
    scene.sole("db1", seconds=6.0)  # 12 probes, two leases
    assert told(pair, "db1") == ("ok", "pass", None) and server.is_primary()
    assert server.rows() >= set(writer.acknowledged), "it is read as before"
    pair.disks["db1"].free()
    writer.wait_more(50)
    acknowledged = set(writer.stop())
    sampler.stop()
    sampler.never_two()
    assert acknowledged <= server.rows()
    server.wait_streaming_to(pair.servers["db2"])
    assert acknowledged <= pair.servers["db2"].rows()
    scene.silent("db2", since=began)
    assert scene.owners.holders(VIP) == ["db1"] and roles.data_of(one)["generation"] == 1


@pytest.mark.limit(150)
def test_F76_a_holder_whose_log_has_no_room_ends_and_the_role_moves_without_loss(scene, template):
    """PostgreSQL does not go on without its log: it comes up again, by its boot guard as a standby, which sends what it has acknowledged."""
    pair = Pair(scene, template, disk=("pg_wal", "tmpfs", "64m")).start()
    server = pair.servers["db1"]
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(100)
    pair.disks["db1"].fill()
    with postgres.Break(writer) as point, pytest.raises(subprocess.CalledProcessError):
        for _ in range(100):  # some of its files are there in advance
            server.sql("SELECT pg_logical_emit_message(false, 'test', repeat('x', 1000000))")
    assert "PANIC:  could not write to file \"pg_wal/xlogtemp" in (server.directory / "log").read_text()
    wait_until(lambda: told(pair, "db1") == ("ok", "pass", "broken_link"), 20, "db1 is a standby of nobody", every=0.05)
    pair.serving("db2", 60)
    writer.wait_more(50)
    scene.sole("db2", seconds=2.0)
    sampler.stop()
    sampler.never_two()
    assert not pair.missing(point, "log without room", reported=False)
    assert (pair.role("db2"), roles.data_of(pair.daemons["db2"])["generation"]) == ("active", 2)


@pytest.mark.limit(150)
def test_F76_a_holder_whose_disk_is_read_only_ends_gives_the_address_up_and_keeps_what_it_acknowledged(scene, template):
    pair = Pair(scene, template, server="fsync = on\n", disk=(".", "ext4")).start()
    server = pair.servers["db1"]
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(100, 60)
    began = time.monotonic()
    pair.disks["db1"].give_up()
    wait_until(lambda: told(pair, "db1") == ("ok", "fail", "refused"), 30, "the check of db1 fails", every=0.05)
    wait_until(lambda: "db1" not in scene.owners.holders(VIP), 30, "db1 has not the address any more")
    with pytest.raises(RuntimeError):
        server.start()
    pair.disks["db1"].mend()
    holder = wait_until(lambda: next((host for host in scene.owners.holders(VIP) if postgres.takes_writes(pair.servers[host])), None), 80, "somebody serves again", every=0.1)
    writer.wait_more(50)
    acknowledged = set(writer.stop())
    sampler.stop()
    sampler.never_two()
    missing = acknowledged - pair.servers[holder].rows()
    roles.measure("postgres read-only disk (%s serves)" % holder, writer, began, len(missing))
    assert not missing, sorted(missing)


@pytest.mark.limit(150)
def test_the_last_holder_goes_on_alone_after_an_orderly_restart_of_baton(scene, template):
    pair = Pair(scene, template).start()
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(50)
    pair.crash("db2")
    one = pair.daemons["db1"]
    one.stop(20)
    wait_until(lambda: scene.owners.holders(VIP) == [], 5, "nobody serves")
    one.start()
    pair.serving("db1", 60)
    writer.wait_more(50)
    acknowledged = set(writer.stop())
    sampler.stop()
    sampler.never_two()
    assert acknowledged <= pair.servers["db1"].rows()
