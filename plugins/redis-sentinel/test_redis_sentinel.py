"""The redis-sentinel module with real servers and three real Sentinels."""
import contextlib
import pathlib
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/plugins"))
import redis_server as rs  # noqa: E402
import servers  # noqa: E402
from plugin import Session, complaints as all_complaints  # noqa: E402
from redis_server import Relay, RedisServer, Sentinel, Writer  # noqa: E402
from servers import Certificates, Raw, free_port, silent, wait_until  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
PASSWORDS = (rs.CHECK_PASSWORD, rs.DRIVE_PASSWORD)
ACL = (f"user {rs.CHECK_USER} on >{rs.CHECK_PASSWORD} {rs.FOLLOW_CHECK_RIGHTS}",
       f"user {rs.DRIVE_USER} on >{rs.DRIVE_PASSWORD} {rs.FOLLOW_DRIVE_RIGHTS}")


class Site:
    """db1 is the primary, the others its replicas; three Sentinels. certificates: all have a port for TLS, too, in tls_ports; the
    last Sentinel's certificate is of another authority."""

    def __init__(self, directory, replicas=1, certificates=None):
        self.directory = pathlib.Path(directory)
        self.tls_ports = {}

        def tls(name, certificate="good"):
            if not certificates:
                return ()
            self.tls_ports[name] = free_port()
            return (f"tls-port {self.tls_ports[name]}", f"tls-cert-file {certificates[certificate + '.crt']}",
                    f"tls-key-file {certificates[certificate + '.key']}", f"tls-ca-cert-file {certificates['ca.crt']}",
                    "tls-auth-clients no")

        self.a = RedisServer(directory, "db1", acl=False, options=ACL + tls("db1"), replicaof=None)
        others = [RedisServer(directory, f"db{i + 2}", acl=False, options=ACL + tls(f"db{i + 2}"),
                              replicaof=(self.a.address, self.a.port)) for i in range(replicas)]
        self.b = others[0]
        self.servers = {one.name: one for one in (self.a, *others)}
        self.sentinels = [Sentinel(directory, f"s{i}", options=tls(f"s{i}", "good" if i < 2 else "untrusted")) for i in range(3)]
        for one in self.sentinels:
            one.watch(self.a, others, self.sentinels)
        self.secrets = {}
        for name, text in (("check", rs.CHECK_PASSWORD), ("drive", rs.DRIVE_PASSWORD), ("wrong", "wrong")):
            self.secrets[name] = str(self.directory / f"{name}.password")
            pathlib.Path(self.secrets[name]).write_text(text + "\n")
        self.settings = {
            "member": [one.member for one in self.servers.values()],
            "sentinel": [f"{one.address}:{one.port}" for one in self.sentinels],
            "username": rs.CHECK_USER, "password_file": self.secrets["check"],
            "drive_username": rs.DRIVE_USER, "drive_password_file": self.secrets["drive"],
            "sentinel_username": rs.CHECK_USER, "sentinel_password_file": self.secrets["check"],
            "sentinel_drive_username": rs.DRIVE_USER, "sentinel_drive_password_file": self.secrets["drive"]}
        self.said = []

    def start(self):
        for one in self.servers.values():
            one.start()
        wait_until(lambda: all(one.linked() for one in self.servers.values() if one is not self.a))
        for one in self.sentinels:
            one.start()
        wait_until(lambda: self.ready(), 15)
        # To its primary a replica is there with its first acknowledgement, up to a second after it says that it follows.
        wait_until(lambda: self.probe("db1").facts.get("replicas") == str(len(self.servers) - 1), 15)
        return self

    def ready(self):
        """All Sentinels could fail over, and all have looked at the replicas."""
        for one in self.sentinels:
            with contextlib.suppress(rs.RedisError):
                if "usable" not in one.command("SENTINEL", "CKQUORUM", "mymaster"):
                    return False
                replicas = one.command("SENTINEL", "REPLICAS", "mymaster")
                if not replicas:
                    return False  # it has not asked the primary yet
                for replica in replicas:
                    known = dict(zip(replica[::2], replica[1::2]))
                    if known["flags"] != "slave" or known["master-link-status"] != "ok":
                        return False
                continue
            return False
        return True

    def knows_priority(self, priority):
        """Until each Sentinel has seen it at db2; they look every ten seconds."""
        def seen(sentinel):
            replicas = [dict(zip(one[::2], one[1::2])) for one in sentinel.command("SENTINEL", "REPLICAS", "mymaster")]
            return [one["slave-priority"] for one in replicas if one["port"] == str(self.b.port)] == [priority]
        wait_until(lambda: all(seen(one) for one in self.sentinels), 30)

    def session(self, host, purpose="probe", **more):
        settings = {key: value for key, value in {**self.settings, **more}.items() if value is not None}
        return Session("redis-sentinel", settings, purpose, host_name=host)

    def probe(self, host, timeout=2.0, **more):
        with self.session(host, **more) as session:
            return self.note(session.call("probe", timeout))

    def act(self, host, verb, timeout=40.0, settings=None, **about):
        with self.session(host, "act", **(settings or {})) as session:
            return self.note(session.call(verb, timeout, **about))

    def note(self, answer):
        self.said += [answer.sentence, *answer.refusals, *answer.facts.values()]
        return answer

    def primary_port(self):
        with contextlib.suppress(Exception):
            return self.sentinels[0].primary()
        return None

    def stop(self):
        for one in (*self.sentinels, *self.servers.values()):
            one.kill()
        assert not [text for text in self.said for password in PASSWORDS if password in text]


@contextlib.contextmanager
def site_of(**options):
    with servers.directory() as directory:
        one = Site(directory, **options)
        try:
            yield one.start()
        finally:
            one.stop()


@pytest.fixture(scope="module")
def quiet():
    """For tests that change no role."""
    with site_of() as one:
        yield one


@pytest.fixture
def site():
    with site_of() as one:
        yield one


def outcome(answer):
    return answer.status, answer.state, answer.role, answer.facts.get("cause")


def test_the_rights_of_the_tests_are_those_of_the_manual():
    text = (HERE / "README.md").read_text()
    for rights in (rs.SENTINEL_CHECK_RIGHTS, rs.FOLLOW_CHECK_RIGHTS):
        assert f"user {rs.CHECK_USER} on >CHECK-PASSWORD {rights}\n" in text
    for rights in (rs.SENTINEL_DRIVE_RIGHTS, rs.FOLLOW_DRIVE_RIGHTS):
        assert f"user {rs.DRIVE_USER} on >DRIVE-PASSWORD {rights}\n" in text


def test_settings_that_cannot_be_meant_are_refused():
    def complain(**settings):
        return [f"{key}: {message}" for key, message in all_complaints("redis-sentinel", settings)]
    members = ["host1 10.0.0.1", "db2 10.0.0.2"]
    three = ["10.0.0.1", "10.0.0.2", "10.0.0.3:26380"]
    assert complain(member=members, sentinel=three) == []
    assert "at least three" in complain(member=members, sentinel=three[:2])[0]
    assert "there twice" in complain(member=members, sentinel=["10.0.0.1", "10.0.0.1:26379", "10.0.0.3"])[0]
    assert "is no ADDRESS[:PORT]" in complain(member=members, sentinel=["x:y", *three])[0]
    assert complain(member=members, sentinel=three, sentinel_username="x")[0].startswith("sentinel_username: a password")
    assert "none of them is this host" in complain(member=["db1 10.0.0.1", "db2 10.0.0.2"], sentinel=three)[0]


def test_primary_and_replica(quiet):
    primary, replica = quiet.probe("db1"), quiet.probe("db2")
    assert outcome(primary) == ("ok", "pass", "primary", None) and outcome(replica) == ("ok", "pass", "replica", None)
    assert primary.facts["named"] == replica.facts["named"] == f"127.0.0.1:{quiet.a.port}"
    assert primary.facts["failover"] == "possible" and primary.facts["replicas"] == "1" and replica.facts["link"] == "up"
    assert primary.facts["sentinels"] == "2 of 2 asked, 3 in all"  # a majority is enough
    assert quiet.act("db1", "can_promote").status == "ok"
    assert quiet.act("db2", "can_promote").status == "refused"
    assert quiet.act("db1", "verify").role == "primary"


def test_one_frozen_sentinel_costs_nothing_and_two_leave_no_majority(quiet):
    first, second, _ = quiet.sentinels
    try:
        first.freeze()
        with quiet.session("db1") as session:
            assert session.call("probe", 1.0).state == "pass"
            again = session.call("probe", 1.0)
            assert again.state == "pass" and again.seconds < 0.2
        second.freeze()
        alone = quiet.probe("db1", timeout=1.0)
        assert outcome(alone) == ("transient", "unknown", "none", "no_quorum") and alone.seconds < 1.0
        standby = quiet.probe("db2", timeout=1.0)
        assert outcome(standby) == ("ok", "pass", "replica", "no_quorum") and standby.warning
        refused = quiet.act("db1", "step_down", target="db2", settings={"query_timeout": "300ms"})
        assert (refused.status, refused.facts["cause"]) == ("refused", "no_quorum")
    finally:
        first.thaw()
        second.thaw()
    wait_until(quiet.ready)


def test_credentials_and_names_are_for_a_person(quiet):
    wrong = quiet.secrets["wrong"]
    assert outcome(quiet.probe("db1", sentinel_password_file=wrong)) == ("config", "unknown", "none", "auth")
    assert outcome(quiet.probe("db1", password_file=wrong)) == ("config", "unknown", "none", "auth")
    unknown = quiet.probe("db1", master_name="other")
    assert outcome(unknown) == ("config", "unknown", "none", "unknown_name") and '"other"' in unknown.sentence
    for one in quiet.sentinels:
        one.command("ACL", "SETUSER", rs.CHECK_USER, "-sentinel|master")
    assert outcome(quiet.probe("db1")) == ("config", "unknown", "none", "privilege")
    for one in quiet.sentinels:
        one.command("ACL", "SETUSER", rs.CHECK_USER, "+sentinel|master")


def test_a_dead_local_server_fails(quiet):
    answer = quiet.probe("db2", member=[quiet.a.member, "db2 127.0.0.1:1"])
    assert outcome(answer) == ("ok", "fail", "none", "refused")
    quiet.b.freeze()
    frozen = quiet.probe("db2", timeout=1.0, query_timeout="300ms")
    quiet.b.thaw()
    assert outcome(frozen) == ("transient", "fail", "none", "hung")


def test_tls_failures_of_the_sentinels_and_of_the_own_server_are_for_a_person():
    with servers.directory() as directory:
        certificates = Certificates(directory)
        with site_of(certificates=certificates) as site:
            ports = site.tls_ports
            by_tls = {"sentinel_tls": "yes", "tls_ca": certificates["ca.crt"], "sentinel": [f"127.0.0.1:{ports[f's{i}']}" for i in (2, 0, 1)]}
            answer = site.probe("db1", **by_tls)  # one whose certificate is wrong is a Sentinel less, no more
            assert outcome(answer) == ("ok", "pass", "primary", None) and answer.facts["sentinels"] == "2 of 3 asked, 3 in all", answer
            for wrong in ({"tls_ca": certificates["other-ca.crt"], "sentinel": by_tls["sentinel"][::-1]}, {"tls_server_name": "other.test"}):
                answer = site.probe("db1", **{**by_tls, **wrong})
                assert outcome(answer) == ("config", "unknown", "none", "tls"), answer
                answer = site.probe("db2", **{**by_tls, **wrong})
                assert outcome(answer) == ("config", "unknown", "replica", "tls"), answer
            # A port without TLS hangs up, as one that dies would: no matter for a person.
            plain = {**by_tls, "sentinel": site.settings["sentinel"]}
            assert outcome(site.probe("db1", **plain)) == ("transient", "unknown", "none", "no_quorum")
            own = {"tls": "yes", "sentinel_tls": "no", "tls_ca": certificates["ca.crt"],
                   "member": [site.a.member, f"db2 127.0.0.1:{ports['db2']}"]}
            assert outcome(site.probe("db2", **own)) == ("ok", "pass", "replica", None)
            answer = site.probe("db2", **{**own, "tls_ca": certificates["other-ca.crt"]})
            assert outcome(answer) == ("config", "unknown", "none", "tls") and "(tls_ca)" in answer.sentence, answer
            assert outcome(site.probe("db2", **{**own, "tls_server_name": "other.test"})) == ("config", "unknown", "none", "tls")
            answer = site.probe("db2", **{**own, "member": [site.a.member, site.b.member]})
            assert outcome(answer) == ("ok", "fail", "none", "tls"), answer  # it hangs up


def test_sentinels_that_take_connections_and_say_nothing_are_no_majority_in_time(quiet):
    with Raw(silent) as one, Raw(silent) as two:
        first, second, third = (f"127.0.0.1:{port}" for port in (one.port, two.port, quiet.sentinels[0].port))
        answer = quiet.probe("db1", timeout=2.0, sentinel=[first, third, f"127.0.0.1:{quiet.sentinels[1].port}"])
        assert outcome(answer) == ("ok", "pass", "primary", None), answer  # one of three
        for host, expected in (("db1", ("transient", "unknown", "none", "no_quorum")), ("db2", ("ok", "pass", "replica", "no_quorum"))):
            answer = quiet.probe(host, timeout=1.0, sentinel=[first, second, third])
            assert outcome(answer) == expected and answer.seconds < 1.0, answer
            assert "has not answered" in answer.sentence, answer
        assert answer.warning


def test_an_own_server_whose_connection_is_open_on_this_side_only_is_hung_in_time(quiet):
    with Raw(silent) as raw:
        answer = quiet.probe("db2", timeout=1.0, query_timeout="300ms", member=[quiet.a.member, f"db2 127.0.0.1:{raw.port}"])
        assert outcome(answer) == ("transient", "fail", "none", "hung") and answer.seconds < 0.7, answer
    relay = Relay(quiet.b.port)
    try:
        with quiet.session("db2", query_timeout="300ms", member=[quiet.a.member, f"db2 127.0.0.1:{relay.port}"]) as session:
            assert outcome(session.call("probe", 2.0)) == ("ok", "pass", "replica", None)
            relay.hold()
            answer = session.call("probe", 1.0)
            assert outcome(answer) == ("transient", "fail", "none", "hung") and answer.seconds < 0.7, answer
            relay.release()
            assert outcome(session.call("probe", 2.0)) == ("ok", "pass", "replica", None)
    finally:
        relay.close()


class Says:
    """A Sentinel that names who it is told to, in the epoch it is told."""

    def __init__(self, port, epoch):
        self.port, self.epoch = port, epoch

    def __call__(self, connection):
        while text := connection.recv(4096):
            if b"AUTH" in text:
                connection.sendall(b"+OK\r\n")
                continue
            bulk = lambda word: f"${len(str(word))}\r\n{word}\r\n"
            connection.sendall(("*2\r\n" + bulk("127.0.0.1") + bulk(self.port) + "*4\r\n" + bulk("config-epoch") +
                                bulk(self.epoch) + bulk("flags") + bulk("master") + "+OK 3 usable\r\n").encode())


def test_a_majority_of_an_older_epoch_is_not_believed(quiet):
    with contextlib.ExitStack() as stack:
        fakes = [Says(quiet.a.port, 7) for _ in range(3)]
        ports = [stack.enter_context(Raw(fake)).port for fake in fakes]
        with quiet.session("db1", sentinel=[f"127.0.0.1:{port}" for port in ports]) as session:
            assert outcome(session.call("probe")) == ("ok", "pass", "primary", None)
            for fake in fakes:
                fake.epoch = 6
            assert outcome(session.call("probe")) == ("transient", "unknown", "none", "old_epoch")
            fakes[0].port, fakes[0].epoch = 1, 8  # one alone decides nothing
            fakes[1].epoch = fakes[2].epoch = 9
            assert session.call("probe").role == "primary"
            for fake, port in zip(fakes, (1, 2, quiet.a.port)):
                fake.port = port
            assert outcome(session.call("probe")) == ("transient", "unknown", "none", "no_quorum")


def test_a_crash_moves_the_role_and_the_returning_primary_gets_nothing(site):
    samples, local_primary = [], 0
    with site.session("db1") as one, site.session("db2") as two, Writer(site.primary_port) as writer:
        wait_until(lambda: len(writer.acknowledged) > 50)

        def sample():
            roles = one.call("probe", 1.0).role, two.call("probe", 1.0).role
            samples.append(roles)
            return roles
        assert sample() == ("primary", "replica")
        site.a.kill()
        wait_until(lambda: sample() == ("none", "primary"), 20)
        site.a.start()
        end = time.monotonic() + 15
        while site.a.role() == "master" and time.monotonic() < end:
            answer = one.call("probe", 1.0)
            if answer.role == "replica":  # converted between the two looks
                break
            if answer.status != "ok":  # no answer in time: no role either
                assert answer.role == "none", answer
                continue
            local_primary += 1
            assert outcome(answer) == ("ok", "fail", "none", "deposed"), answer
            samples.append((answer.role, two.call("probe", 1.0).role))
            time.sleep(0.02)
        wait_until(lambda: sample() == ("replica", "primary"), 20)
    assert local_primary > 5  # it did call itself the primary for a while
    assert ("primary", "primary") not in samples
    print(f"crash: {len(samples)} samples, never two primaries; the old one called itself primary in {local_primary}")


def test_a_planned_move_under_load_loses_nothing(site):
    with Writer(site.primary_port) as writer:
        wait_until(lambda: len(writer.acknowledged) > 200)
        before = len(writer.acknowledged)
        answer = site.act("db1", "step_down", target="db2")
        assert answer.status == "ok", answer
        wait_until(lambda: len(writer.acknowledged) > before + 200)
        assert site.a.role() == "slave" and site.b.role() == "master"
        assert site.probe("db2").role == "primary"
        assert site.act("db1", "step_down", target="db2").status == "ok"  # moved already
    wait_until(lambda: site.a.linked() and site.a.position() == site.b.position())
    assert set(writer.acknowledged) - site.b.keys() == set() == set(writer.acknowledged) - site.a.keys()
    end = time.monotonic() + 12  # and Sentinel leaves it so
    while time.monotonic() < end:
        assert site.b.role() == "master" and site.a.role() == "slave"
        time.sleep(0.2)
    print(f"planned: {answer.facts['took']}, longest gap {writer.longest_gap * 1000:.0f} ms, "
          f"acknowledged {len(writer.acknowledged)}, lost 0")


@contextlib.contextmanager
def small_disk(server):
    """Before it starts: its directory is a disk of 2 MB."""
    configuration = server.conf.read_text()
    servers.run("mount", "-t", "tmpfs", "-o", "size=2m", "none", server.directory)
    try:
        server.conf.write_text(configuration)
        yield server.directory / "filler"
    finally:
        servers.run("umount", "-l", server.directory)


def fill(filler):
    with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)


def test_a_primary_whose_disk_is_full_is_a_warning_until_the_sentinels_have_replaced_it_without_loss():
    """It answers PING with MISCONF, too, which to a Sentinel is no answer."""
    with servers.directory() as directory, contextlib.ExitStack() as stack:
        site = Site(directory)
        filler = stack.enter_context(small_disk(site.a))
        stack.callback(site.stop)
        site.start()
        with site.session("db1") as one, site.session("db2") as two, Writer(site.primary_port) as writer:
            wait_until(lambda: len(writer.acknowledged) > 50)
            assert outcome(one.call("probe", 1.0)) == ("ok", "pass", "primary", None)
            fill(filler)
            wait_until(lambda: site.a.info()["aof_last_write_status"] == "err")
            with pytest.raises(rs.RedisError, match="MISCONF"):
                site.a.command("SET", "x", "1")
            answer = site.note(one.call("probe", 1.0))
            assert outcome(answer) == ("ok", "pass", "primary", "disk") and answer.warning, answer
            assert answer.sentence.endswith("; it cannot save to its disk")
            wait_until(lambda: two.call("probe", 1.0).role == "primary", 20)
            assert one.call("probe", 1.0).role != "primary"
            before = len(writer.acknowledged)
            wait_until(lambda: len(writer.acknowledged) > before + 50)
        assert set(writer.acknowledged) - site.b.keys() == set()
        filler.unlink()
        wait_until(lambda: outcome(site.probe("db1")) == ("ok", "pass", "replica", None), 40)
        wait_until(lambda: set(writer.acknowledged) <= site.a.keys())


def save(server):
    """To disk, beside the server's work. Not while it rewrites its append-only file, as after its first synchronisation."""
    wait_until(lambda: all(server.info()[name] == "0" for name in ("aof_rewrite_in_progress", "aof_rewrite_scheduled", "rdb_bgsave_in_progress")))
    server.command("BGSAVE")


def test_a_replica_whose_disk_is_full_is_a_warning_and_the_primary_stays():
    with servers.directory() as directory, contextlib.ExitStack() as stack:
        site = Site(directory)
        filler = stack.enter_context(small_disk(site.b))
        stack.callback(site.stop)
        site.start()
        save(site.b)
        fill(filler)
        save(site.b)
        wait_until(lambda: site.b.info()["rdb_last_bgsave_status"] == "err")
        answer = site.probe("db2")
        assert outcome(answer) == ("ok", "pass", "replica", "disk") and answer.warning, answer
        end = time.monotonic() + 6  # longer than a Sentinel takes to replace a primary
        while time.monotonic() < end:
            assert site.probe("db1").role == "primary" and site.a.role() == "master"
            time.sleep(0.2)
        filler.unlink()
        save(site.b)
        wait_until(lambda: outcome(site.probe("db2")) == ("ok", "pass", "replica", None))


def refused(answer, *words):
    assert answer.status == "refused", answer
    assert [reason for reason in answer.refusals if all(word in reason for word in words)], answer.refusals


def test_a_move_that_cannot_be_without_loss_is_refused(quiet):
    move = lambda: quiet.act("db1", "step_down", target="db2")
    assert quiet.act("db1", "step_down", target="nobody").status == "refused"
    quiet.b.command("REPLICAOF", "127.0.0.1", "1")
    refused(move(), "db2 is no replica of this server")
    quiet.b.command("REPLICAOF", "127.0.0.1", quiet.a.port)
    wait_until(quiet.b.linked)
    assert quiet.a.command("SET", "x", "1") == "OK"


def test_a_target_that_does_not_catch_up_ends_the_move_without_loss(quiet):
    quiet.b.freeze()
    try:
        answer = quiet.act("db1", "step_down", target="db2", settings={"query_timeout": "300ms"})
        assert answer.status == "transient" and answer.facts["cause"] == "hung"
    finally:
        quiet.b.thaw()
    assert quiet.a.command("SET", "x", "1") == "OK" and quiet.a.role() == "master"
    wait_until(quiet.ready, 15)


def test_a_move_without_its_rights_gives_writes_back(quiet):
    wait_until(quiet.ready, 15)
    for one in quiet.sentinels:
        one.command("ACL", "SETUSER", rs.DRIVE_USER, "-sentinel|failover")
    answer = quiet.act("db1", "step_down", target="db2")
    for one in quiet.sentinels:
        one.command("ACL", "SETUSER", rs.DRIVE_USER, "+sentinel|failover")
    assert (answer.status, answer.facts["cause"]) == ("config", "privilege")
    assert quiet.a.command("SET", "x", "1") == "OK" and quiet.a.role() == "master"


def test_the_sentinels_must_take_the_one_that_is_meant():
    with site_of(replicas=2) as site:
        refused(site.act("db2", "step_down", target="db3"), "is not the primary")
        refused(site.act("db1", "step_down", target="db2"), "may take", "replica-priority 100", "instead of db2")
        site.b.command("CONFIG", "SET", "replica-priority", "0")
        site.knows_priority("0")
        refused(site.act("db1", "step_down", target="db2"), "never take it")
        site.b.command("CONFIG", "SET", "replica-priority", "10")
        site.knows_priority("10")
        answer = site.act("db1", "step_down", target="db2")
        assert answer.status == "ok", answer
        assert site.b.role() == "master"
        wait_until(lambda: site.servers["db3"].upstream() == ("127.0.0.1", site.b.port), 15)
