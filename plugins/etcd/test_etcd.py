"""The witness against real etcd 3.4 (one and three members, authentication, TLS, frozen and killed members), and against a proxy in
front of it that tells the lies which a real etcd never tells."""
import base64
import http.server
import json
import pathlib
import re
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/plugins"))
import servers  # noqa: E402
from etcd_server import EtcdCluster  # noqa: E402
from plugin import Session, complaints  # noqa: E402
from servers import Certificates, Raw, free_port, silent  # noqa: E402

README = pathlib.Path(__file__).resolve().parent / "README.md"
# The same text as the manual has it: test_the_manual_names_the_rights_that_the_tests_use.
RIGHTS = """etcdctl role add baton
etcdctl role grant-permission baton readwrite --prefix=true /baton/
etcdctl user add baton
etcdctl user grant-role baton baton
etcdctl auth enable
"""


@pytest.fixture(scope="module")
def single():
    with servers.directory() as directory, EtcdCluster(directory) as etcd:
        yield etcd


@pytest.fixture
def clean(single):
    """One member, without keys and without leases of other tests."""
    single.ctl("del", "--prefix", "/baton/")
    for lease in single.ctl("lease", "list").split("\n")[1:]:
        if lease:
            single.ctl("lease", "revoke", lease)
    return single


@pytest.fixture
def three():
    with servers.directory() as directory, EtcdCluster(directory, members=3) as etcd:
        yield etcd


@pytest.fixture
def sessions():
    """open(host, endpoints, **settings): a process of the plugin as db1's or db2's daemon has it."""
    opened = []

    def open_one(host, endpoints, purpose="act", **settings):
        one = Session("etcd", {"endpoint": endpoints, **settings}, purpose, host_name=host)
        opened.append(one)
        return one

    yield open_one
    for one in opened:
        one.close()


def ask(session, verb, generation=0, timeout=3.0, instance="pg"):
    return session.call(verb, timeout, instance=instance, generation=generation)


class Proxy:
    """In front of an etcd. `lie(path, request, answer)` gives the answer to tell: an object, raw bytes, (status, bytes), or None: the
    connection is cut. `before(path)` may wait. What is asked goes on to etcd first, unless `etcd` is None."""

    def __init__(self, etcd, lie=None, before=None):
        proxy = self
        self.etcd, self.lie, self.before, self.seen = etcd, lie, before, []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                proxy.answer(self, body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def forward(self, path, body, token):
        headers = {"Content-Type": "application/json"} | ({"Authorization": token} if token else {})
        request = urllib.request.Request(self.etcd + path, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return 200, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def answer(self, handler, body):
        self.seen.append((handler.path, body))
        if self.before:
            self.before(handler.path)
        status, answer = self.forward(handler.path, body, handler.headers["Authorization"]) if self.etcd else (200, {})
        told = self.lie(handler.path, body, answer) if self.lie else answer
        if told is None:
            handler.close_connection = True
            return
        if isinstance(told, tuple):
            status, told = told
        told = told if isinstance(told, bytes) else json.dumps(told).encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(told)))
        handler.end_headers()
        handler.wfile.write(told)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def b64(text):
    return base64.b64encode(text.encode()).decode()


def is_claim(path, request):
    return path == "/v3/kv/txn" and any("request_put" in one for one in request.get("success", []))


# --- what a witness is for

def test_one_host_is_granted_and_the_other_is_told_who_and_for_how_long(clean, sessions):
    db1, db2 = sessions("db1", clean.endpoints), sessions("db2", clean.endpoints)
    first = ask(db1, "acquire", 7)
    assert (first.status, first.generation, first.lease_ns) == ("ok", 7, 10_000_000_000)
    second = ask(db2, "acquire", 8)
    assert (second.status, second.token, second.lease_ns, second.generation) == ("refused", 0, 0, 7)
    assert (second.facts["cause"], second.facts["holder"], second.facts["holder_generation"]) == ("held", "db1", "7")
    assert second.facts["holder_seconds"] in ("9", "10")
    assert re.fullmatch(r"db1 holds /baton/pg/holder with generation 7, for at most (9|10) s more unless it renews", second.sentence)
    assert second.refusals == [second.sentence]
    assert ask(db2, "renew", 8).facts["cause"] == "held"


def test_the_token_is_the_create_revision_and_the_key_belongs_to_the_lease(clean, sessions):
    answer = ask(sessions("db1", clean.endpoints), "acquire", 1)
    value, created, lease = clean.get("/baton/pg/holder")
    assert answer.token == created and answer.facts["lease_id"] == str(lease) and lease > 0
    boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert json.loads(value) == {"host": "db1", "generation": 1, "boot": boot}
    highest = clean.get("/baton/pg/generation")
    assert json.loads(highest[0]) == {"host": "db1", "generation": 1, "boot": boot} and highest[2] == 0


def test_each_holder_has_a_greater_token_than_the_one_before(clean, sessions):
    tokens = []
    for generation in range(1, 6):
        host = sessions(f"db{generation % 2 + 1}", clean.endpoints)
        answer = ask(host, "acquire", generation)
        tokens.append(answer.token)
        assert ask(host, "release", generation).status == "ok"
    assert tokens == sorted(set(tokens)) and len(tokens) == 5


def test_instances_are_independent(clean, sessions):
    db1, db2 = sessions("db1", clean.endpoints), sessions("db2", clean.endpoints)
    assert ask(db1, "acquire", 1, instance="pg").status == "ok"
    assert ask(db2, "acquire", 1, instance="web").status == "ok"
    assert ask(db2, "acquire", 2, instance="pg").status == "refused"


def test_asking_again_is_harmless_even_from_a_new_process(clean, sessions):
    first = ask(sessions("db1", clean.endpoints), "acquire", 3)
    again = ask(sessions("db1", clean.endpoints), "acquire", 3)
    assert (again.status, again.token, again.facts["lease_id"]) == ("ok", first.token, first.facts["lease_id"])
    renewed = ask(sessions("db1", clean.endpoints), "renew", 3)
    assert (renewed.status, renewed.token, renewed.lease_ns) == ("ok", first.token, 10_000_000_000)


def test_the_lease_lapses_when_it_is_not_renewed_and_lasts_while_it_is(clean, sessions):
    db1, db2 = sessions("db1", clean.endpoints, lease="2s"), sessions("db2", clean.endpoints, lease="2s")
    begun = time.monotonic()
    assert ask(db1, "acquire", 1).lease_ns == 2_000_000_000
    while time.monotonic() - begun < 4:
        renewed = ask(db1, "renew", 1)
        last = time.monotonic() - renewed.seconds  # not later than it was sent
        assert renewed.status == "ok"
        assert ask(db2, "acquire", 2).status == "refused"
    servers.wait_until(lambda: ask(db2, "acquire", 2).status == "ok", 10)
    assert time.monotonic() - last >= 2.0
    lost = ask(db1, "renew", 1)
    assert (lost.status, lost.facts["cause"], lost.facts["holder"]) == ("refused", "held", "db2")


def test_a_lapsed_lease_is_not_renewed_and_its_generation_is_burned_for_all_others(clean, sessions):
    db1, db2 = sessions("db1", clean.endpoints, lease="2s"), sessions("db2", clean.endpoints, lease="2s")
    assert ask(db1, "acquire", 1).status == "ok"
    servers.wait_until(lambda: clean.get("/baton/pg/holder") is None, 10)
    lost = ask(db1, "renew", 1)
    assert (lost.status, lost.facts["cause"], lost.generation) == ("refused", "lapsed", 1)
    burned = ask(db2, "acquire", 1)
    assert (burned.status, burned.facts["cause"], burned.generation) == ("refused", "generation", 1)
    assert ask(db1, "acquire", 1).status == "ok"


def test_who_was_granted_the_highest_generation_may_have_it_again_only_in_the_same_boot_and_while_nobody_had_another(clean, sessions):
    db1, db2 = sessions("db1", clean.endpoints), sessions("db2", clean.endpoints)
    boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    clean.ctl("put", "/baton/pg/generation", '{"host": "db1", "generation": 7, "boot": "another"}')
    assert ask(db1, "acquire", 7).facts["cause"] == "generation"
    clean.ctl("put", "/baton/pg/generation", '{"host": "db1", "generation": 7, "boot": "%s"}' % boot)
    assert ask(db2, "acquire", 7).facts["cause"] == "generation"
    again = ask(db1, "acquire", 7)
    assert (again.status, again.generation) == ("ok", 7)
    assert ask(db1, "release", 7).status == "ok"
    assert ask(db2, "acquire", 8).status == "ok"
    assert ask(db2, "release", 8).status == "ok"
    assert ask(db1, "acquire", 7).facts["cause"] == "generation"


def test_a_highest_generation_that_a_person_wrote_is_nobodys(clean, sessions):
    db1 = sessions("db1", clean.endpoints)
    clean.ctl("put", "/baton/pg/generation", "7")
    refused = ask(db1, "acquire", 7)
    assert (refused.status, refused.generation) == ("refused", 7)
    assert ask(db1, "acquire", 8).status == "ok"


def test_generations_only_grow_and_the_highest_is_told(clean, sessions):
    db1, db2 = sessions("db1", clean.endpoints), sessions("db2", clean.endpoints)
    assert ask(db1, "acquire", 9).status == "ok"
    assert ask(db1, "release", 9).status == "ok"
    for generation in (8, 9):
        answer = ask(db2, "acquire", generation)
        assert (answer.status, answer.facts["cause"], answer.generation) == ("refused", "generation", 9)
        assert answer.sentence == f"generation {generation} is not above 9, the highest that was granted"
    assert ask(db2, "acquire", 10).generation == 10
    assert json.loads(clean.get("/baton/pg/generation")[0])["generation"] == 10


def test_the_holder_can_raise_its_generation_without_giving_up(clean, sessions):
    db1 = sessions("db1", clean.endpoints)
    first = ask(db1, "acquire", 1)
    raised = ask(db1, "acquire", 5)
    assert (raised.status, raised.generation, raised.token) == ("ok", 5, first.token)
    assert ask(db1, "renew", 1).facts["cause"] == "generation"
    assert ask(db1, "acquire", 4).status == "refused"
    assert ask(db1, "renew", 5).status == "ok"


def test_release_gives_up_at_once_and_only_ones_own(clean, sessions):
    db1, db2 = sessions("db1", clean.endpoints), sessions("db2", clean.endpoints)
    assert ask(db1, "acquire", 3).status == "ok"
    assert ask(db2, "release", 3).sentence == "db1 holds /baton/pg/holder, not this host"
    assert clean.get("/baton/pg/holder") is not None
    assert ask(db1, "release", 3).status == "ok"
    assert clean.get("/baton/pg/holder") is None
    assert ask(db1, "release", 3).sentence == "nobody holds /baton/pg/holder"
    assert ask(db2, "acquire", 4).status == "ok"
    assert clean.ctl("lease", "list").startswith("found 1 leases")  # db2's; db1's is revoked


def test_a_release_that_comes_late_takes_nothing_newer_away(clean, sessions):
    db1 = sessions("db1", clean.endpoints)
    assert ask(db1, "acquire", 3).status == "ok"
    assert ask(db1, "release", 2).sentence == "it is held with generation 3, not with 2: left alone"
    assert clean.get("/baton/pg/holder") is not None
    assert ask(db1, "release", 4).status == "ok"  # the acquire with 4 had not come through
    assert clean.get("/baton/pg/holder") is None


def test_a_host_of_the_same_name_or_of_an_earlier_boot_has_to_wait(clean, sessions):
    clean.ctl("put", "/baton/pg/holder", '{"host": "db1", "generation": 1, "boot": "another"}',
              f"--lease={clean.ctl('lease', 'grant', '60').split()[1]}")
    answer = ask(sessions("db1", clean.endpoints), "acquire", 2)
    assert (answer.status, answer.facts["cause"]) == ("refused", "held")
    assert "db1 itself, in an earlier boot, or another host of that name, holds" in answer.sentence


def test_a_key_without_a_lease_is_held_until_a_person_deletes_it(clean, sessions):
    clean.ctl("put", "/baton/pg/holder", "maintenance")
    answer = ask(sessions("db1", clean.endpoints), "acquire", 2)
    assert (answer.status, answer.facts["cause"]) == ("refused", "held")
    assert answer.sentence == ("somebody who is not Baton holds /baton/pg/holder with generation 0, without a lease, so for ever: "
                               "delete the key /baton/pg/holder")


def test_hosts_that_ask_at_the_same_time_never_both_get_it(clean, sessions):
    hosts = [sessions(f"db{i}", clean.endpoints) for i in range(1, 5)]
    for generation in range(1, 21):
        answers = [None] * 4
        threads = [threading.Thread(target=lambda i=i: answers.__setitem__(i, ask(hosts[i], "acquire", generation))) for i in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        granted = [i for i in range(4) if answers[i].status == "ok"]
        assert len(granted) == 1 and all(answers[i].status == "refused" for i in range(4) if i not in granted)
        assert json.loads(clean.get("/baton/pg/holder")[0])["host"] == f"db{granted[0] + 1}"
        ask(hosts[granted[0]], "release", generation)


def test_a_call_without_an_instance_is_refused(clean, sessions):
    assert ask(sessions("db1", clean.endpoints), "acquire", 1, instance="").facts["cause"] == "instance"


def test_probe_names_the_holders(clean, sessions):
    ask(sessions("db1", clean.endpoints), "acquire", 4)
    answer = sessions("db2", clean.endpoints, "probe").call("probe", 1.0)
    assert (answer.status, answer.state, answer.warning) == ("ok", "pass", False)
    assert answer.sentence == f"{clean.endpoints[0]} answers with a majority"
    assert answer.facts["holder_pg"] == "db1 generation 4"
    assert answer.facts["endpoints"] == "1 of 1" and answer.facts["version"].startswith("3.4.")


# --- members that fail

def test_a_frozen_or_dead_member_is_passed_over_within_the_deadline(three, sessions):
    db1, db2 = sessions("db1", three.endpoints), sessions("db2", three.endpoints)
    three.members[0].freeze()
    frozen = ask(db1, "acquire", 1, timeout=8.0)
    assert frozen.status == "ok", frozen
    assert ask(db2, "acquire", 2, timeout=8.0).facts["cause"] == "held"
    probed = sessions("db1", three.endpoints, "probe").call("probe", 1.5)
    assert (probed.state, probed.warning, probed.facts["endpoints"]) == ("pass", True, "2 of 3")
    assert probed.facts["cause"] == "timeout" and probed.seconds < 1.6
    three.members[0].thaw()
    three.members[0].kill()
    servers.wait_until(lambda: ask(db1, "renew", 1).status == "ok", 8)
    assert ask(db1, "renew", 1).seconds < 0.5  # the one that answered last is asked first


def test_without_a_majority_nothing_is_granted_and_nothing_is_renewed(three, sessions):
    db1, db2 = sessions("db1", three.endpoints, lease="3s"), sessions("db2", three.endpoints, lease="3s")
    assert ask(db1, "acquire", 1).status == "ok"
    three.members[1].kill()
    three.members[2].kill()
    for session, verb, generation in ((db1, "renew", 1), (db2, "acquire", 2), (db1, "release", 1)):
        answer = ask(session, verb, generation, timeout=2.0)
        assert (answer.status, answer.token, answer.lease_ns) == ("transient", 0, 0) and answer.seconds < 2.1
    alone = ask(sessions("db2", three.endpoints[:1], min_members="3"), "acquire", 2, timeout=2.0)
    assert alone.facts["cause"] == "no_quorum" and alone.seconds < 2.1
    probed = sessions("db1", three.endpoints[:1], "probe", min_members="3").call("probe", 1.0)
    assert (probed.state, probed.facts["cause"]) == ("fail", "no_quorum")
    three.restart(three.members[1])
    servers.wait_until(lambda: ask(db2, "acquire", 2).status in ("ok", "refused"), 10)
    # Its lease may go on for a while after the election, but somebody gets it in the end, and only one.
    servers.wait_until(lambda: ask(db2, "acquire", 2).status == "ok", 15)
    assert ask(db1, "renew", 1).facts["cause"] == "held"


def test_a_frozen_leader_does_not_keep_the_lease_alive_nor_let_two_hold_it(three, sessions):
    leader = three.leader()
    others = [one.endpoint for one in three.members if one is not leader]
    db1 = sessions("db1", [leader.endpoint], lease="2s", min_members="3")
    db2 = sessions("db2", others, lease="2s", min_members="3")
    assert ask(db1, "acquire", 1).status == "ok"
    sure = time.monotonic() + 2.0
    leader.freeze()
    assert ask(db1, "renew", 1, timeout=1.0).status == "transient"
    servers.wait_until(lambda: ask(db2, "acquire", 2, timeout=2.0).status == "ok", 15)
    assert time.monotonic() > sure
    leader.thaw()
    servers.wait_until(lambda: ask(db1, "renew", 1).status == "refused", 10)


def test_a_leader_that_lost_its_companions_goes_on_renewing_and_is_not_believed(three, sessions):
    leader = three.leader()
    db1 = sessions("db1", [leader.endpoint], min_members="3", lease="5s")
    lease = ask(db1, "acquire", 1).facts["lease_id"]
    for one in three.members:
        if one is not leader:
            one.freeze()
    request = urllib.request.Request(leader.endpoint + "/v3/lease/keepalive", json.dumps({"ID": lease}).encode())
    with urllib.request.urlopen(request, timeout=2) as answer:
        assert json.loads(answer.read())["result"]["TTL"] == "5"  # the real etcd says yes without its majority
    renewed = ask(db1, "renew", 1, timeout=1.0)
    assert (renewed.status, renewed.lease_ns, renewed.token) == ("transient", 0, 0), renewed


def test_the_other_host_waits_out_the_whole_lease_when_the_holder_vanishes(three, sessions):
    db1, db2 = sessions("db1", three.endpoints, lease="3s"), sessions("db2", three.endpoints, lease="3s")
    assert ask(db1, "acquire", 1).status == "ok"
    sent = time.monotonic()
    assert ask(db1, "renew", 1).lease_ns == 3_000_000_000
    three.leader().kill()
    servers.wait_until(lambda: ask(db2, "acquire", 2).status == "ok", 15)
    assert time.monotonic() - sent >= 3.0


def test_nobody_listens_is_told_apart_from_nobody_answers(sessions):
    port = free_port()
    refused = ask(sessions("db1", [f"http://127.0.0.1:{port}"]), "acquire", 1)
    assert (refused.status, refused.facts["cause"]) == ("transient", "refused")
    assert refused.sentence == f"127.0.0.1:{port} refused the connection: nobody listens there"
    with Raw(silent) as mute:
        hung = ask(sessions("db1", [f"http://127.0.0.1:{mute.port}"]), "acquire", 1, timeout=0.6)
        assert (hung.status, hung.facts["cause"]) == ("transient", "timeout") and hung.seconds < 0.65
        probed = sessions("db1", [f"http://127.0.0.1:{mute.port}"], "probe").call("probe", 0.6)
        assert (probed.status, probed.state, probed.facts["cause"]) == ("transient", "fail", "timeout")


# --- authentication and TLS

@pytest.fixture(scope="module")
def guarded():
    """etcd with authentication, and the user that the manual makes."""
    with servers.directory() as directory, EtcdCluster(directory) as etcd:
        etcd.ctl("user", "add", "root", "--interactive=false", input="geheim\n")
        etcd.ctl("user", "grant-role", "root", "root")
        for line in RIGHTS.splitlines():
            words = line.split()[1:]
            is_user = words[:2] == ["user", "add"]
            etcd.ctl(*words, *(["--interactive=false"] if is_user else []), input='streng"ge\\heim\n' if is_user else None)
        etcd.password = "root:geheim"
        etcd.ctl("user", "add", "nobody", "--interactive=false", input="nichts\n")
        etcd.good = pathlib.Path(directory, "password")
        etcd.good.write_text('streng"ge\\heim\n')
        etcd.wrong = pathlib.Path(directory, "wrong")
        etcd.wrong.write_text("falsch\n")
        etcd.none = pathlib.Path(directory, "none")
        etcd.none.write_text("nichts\n")
        yield etcd


def test_the_manual_names_the_rights_that_the_tests_use():
    assert f"```sh\n{RIGHTS}```" in README.read_text()


def test_with_exactly_the_documented_rights_every_verb_works(guarded, sessions):
    db1 = sessions("db1", guarded.endpoints, username="baton", password_file=str(guarded.good))
    for verb in ("acquire", "renew", "release"):
        answer = ask(db1, verb, 1)
        assert answer.status == "ok", answer
    probed = sessions("db1", guarded.endpoints, "probe", username="baton", password_file=str(guarded.good)).call("probe")
    assert (probed.status, probed.state) == ("ok", "pass")


def test_wrong_password_no_password_and_no_right_are_for_a_person_and_never_a_failed_state(guarded, sessions):
    for settings, cause, words in (
            ({"username": "baton", "password_file": str(guarded.wrong)}, "auth", "authentication failed"),
            ({}, "auth", "its authentication is on"),
            ({"username": "nobody", "password_file": str(guarded.none)}, "privilege", "readwrite on the whole prefix")):
        answer = ask(sessions("db1", guarded.endpoints, **settings), "acquire", 5)
        assert (answer.status, answer.facts["cause"]) == ("config", cause) and words in answer.sentence
        probed = sessions("db1", guarded.endpoints, "probe", **settings).call("probe")
        assert (probed.status, probed.state, probed.facts["cause"]) == ("config", "unknown", cause)
        assert not any(secret in answer.sentence for secret in ("falsch", "nichts"))


def test_a_name_for_an_etcd_that_asks_for_none_is_for_a_person(clean, sessions, guarded):
    answer = ask(sessions("db1", clean.endpoints, username="baton", password_file=str(guarded.good)), "acquire", 5)
    assert (answer.status, answer.facts["cause"]) == ("config", "auth")
    assert "it asks nobody for a password" in answer.sentence


def test_a_token_that_has_ended_is_replaced_once(guarded, sessions):
    ended = (401, b'{"error": "etcdserver: invalid auth token", "message": "etcdserver: invalid auth token", "code": 16}')
    left = []

    def lie(path, request, answer):
        if path != "/v3/kv/txn" or not left:
            return answer
        left.pop()
        return ended

    def logins(proxy):
        return sum(path == "/v3/auth/authenticate" for path, _ in proxy.seen)

    with Proxy(guarded.endpoints[0], lie) as proxy:
        db1 = sessions("db1", [proxy.url], username="baton", password_file=str(guarded.good))
        assert ask(db1, "acquire", 100).status == "ok" and logins(proxy) == 1
        left.append(1)
        assert ask(db1, "renew", 100).status == "ok" and logins(proxy) == 2
        left.extend([1] * 9)  # it takes no token any more: that is for a person, not for asking on and on
        answer = ask(db1, "renew", 100)
        assert (answer.status, answer.facts["cause"], logins(proxy)) == ("config", "auth", 3)
        left.clear()
        assert ask(db1, "release", 100).status == "ok"


def test_a_member_that_was_restarted_is_used_again(guarded, sessions):
    db1 = sessions("db1", guarded.endpoints, username="baton", password_file=str(guarded.good))
    assert ask(db1, "acquire", 200).status == "ok"
    guarded.members[0].kill()
    assert ask(db1, "renew", 200).facts["cause"] == "refused"
    guarded.restart(guarded.members[0])
    guarded.wait_ready()
    assert ask(db1, "renew", 200).status == "ok"
    assert ask(db1, "release", 200).status == "ok"


@pytest.fixture(scope="module")
def tls():
    with servers.directory() as directory:
        certificates = Certificates(directory)
        server = {"cert": certificates["good.crt"], "key": certificates["good.key"], "ca": certificates["ca.crt"]}
        client = {"ca": certificates["ca.crt"], "cert": certificates["client.crt"], "key": certificates["client.key"]}
        with EtcdCluster(directory, tls=server, client=client) as etcd:
            etcd.certificates = certificates
            yield etcd


def test_tls_with_a_client_certificate(tls, sessions):
    known = {"tls_ca": tls.certificates["ca.crt"], "tls_cert": tls.certificates["client.crt"], "tls_key": tls.certificates["client.key"]}
    db1 = sessions("db1", tls.endpoints, **known)
    for verb in ("acquire", "renew", "release"):
        answer = ask(db1, verb, 1)
        assert answer.status == "ok", answer


def test_what_tls_does_not_prove_is_no_witness(tls, sessions):
    known = {"tls_cert": tls.certificates["client.crt"], "tls_key": tls.certificates["client.key"]}
    for settings in ({"tls_ca": tls.certificates["other-ca.crt"], **known}, {"tls_ca": tls.certificates["ca.crt"]}):
        answer = ask(sessions("db1", tls.endpoints, **settings), "acquire", 5)
        assert (answer.status, answer.facts["cause"]) == ("config", "tls"), answer
        assert sessions("db1", tls.endpoints, "probe", **settings).call("probe").state == "unknown"
    plain = ask(sessions("db1", [tls.endpoints[0].replace("https", "http")]), "acquire", 5)
    assert plain.status in ("config", "transient") and plain.token == 0


# --- F84: a witness that is wrong, slow, or says yes to both

def echo(path, request, answer):
    """Says yes to whoever asks, and shows him what he wants to see."""
    if not is_claim(path, request):
        return answer
    puts = {one["request_put"]["key"]: one["request_put"] for one in request["success"] if "request_put" in one}
    revision = answer["header"]["revision"]
    ranges = [{"response_range": {"kvs": [{"key": key, "value": put["value"], "lease": put.get("lease", "0"),
                                           "create_revision": revision, "mod_revision": revision}]}} for key, put in puts.items()]
    return {"header": answer["header"], "succeeded": True, "responses": [{}] * len(puts) + ranges}


def test_a_witness_that_says_yes_to_both_is_found_out(clean, sessions):
    real = clean.endpoints[0]
    assert ask(sessions("db1", [real]), "acquire", 1).status == "ok"

    def hides_the_holder(path, request, answer):
        if path == "/v3/kv/txn" and not is_claim(path, request) and not hidden:
            hidden.append(True)
            answer["responses"] = [{"response_range": {}}, {"response_range": {}}]
            return answer
        return echo(path, request, answer)

    hidden = []
    with Proxy(real, hides_the_holder) as liar:
        answer = ask(sessions("db2", [liar.url]), "acquire", 2)
    assert (answer.status, answer.facts["cause"], answer.token, answer.lease_ns) == ("conflict", "two_answers", 0, 0)
    assert "says that db1 holds /baton/pg/holder" in answer.sentence


def test_a_yes_that_shows_somebody_else_is_no_yes(clean, sessions):
    def lie(path, request, answer):
        if is_claim(path, request):
            answer["succeeded"] = True
            for one in answer["responses"]:
                for pair in one.get("response_range", {}).get("kvs", []):
                    if pair["key"] == b64("/baton/pg/holder"):
                        pair["value"] = b64('{"host": "db9", "generation": 1, "boot": "x"}')
        return answer

    with Proxy(clean.endpoints[0], lie) as liar:
        answer = ask(sessions("db1", [liar.url]), "acquire", 1)
    assert (answer.status, answer.facts["cause"], answer.token) == ("conflict", "two_answers", 0)


def test_an_endpoint_of_another_cluster_stops_everything(clean, sessions):
    def lie(path, request, answer):
        answer["header"]["cluster_id"] = "12345"
        return answer

    with Proxy(clean.endpoints[0], lie) as liar:
        both = sessions("db1", [clean.endpoints[0], liar.url], min_members="1")
        answer = ask(both, "acquire", 1)
        assert (answer.status, answer.facts["cause"], answer.token) == ("config", "cluster", 0)
        assert "two clusters would say yes to two hosts" in answer.sentence
        probed = sessions("db1", [clean.endpoints[0], liar.url], "probe", min_members="1").call("probe")
        assert (probed.status, probed.state, probed.facts["cause"]) == ("config", "unknown", "cluster")
        pinned = ask(sessions("db1", [liar.url], cluster_id="0x99"), "acquire", 1)
        assert (pinned.status, pinned.facts["cause"]) == ("config", "cluster")
        assert "belongs to the etcd cluster 3039, not to 99" in pinned.sentence  # 12345 in hexadecimal
        assert ask(sessions("db2", [liar.url], cluster_id="12345"), "acquire", 1, instance="web").status == "ok"


def test_two_etcds_that_were_started_alone_are_no_witness(clean, sessions):
    with servers.directory() as directory, EtcdCluster(directory) as second:
        first = clean.endpoints[0]
        answers = [ask(sessions("db1", [first, second.endpoints[0]]), "acquire", 1),
                   ask(sessions("db2", [second.endpoints[0], first]), "acquire", 1)]
    assert [one.status for one in answers] == ["config", "config"]
    assert answers[0].facts["cause"] == "members"
    assert "is of a cluster of 1, but there should be 2 members (min_members)" in answers[0].sentence


def test_a_leader_that_was_cut_off_renews_in_vain(clean, sessions):
    def lie(path, request, answer):
        if path == "/v3/lease/keepalive":
            answer["result"]["header"]["raft_term"] = "1"
        return answer

    with Proxy(clean.endpoints[0], lie) as liar:
        db1 = sessions("db1", [liar.url])
        assert ask(db1, "acquire", 1).status == "ok"
        answer = ask(db1, "renew", 1)
    assert (answer.status, answer.facts["cause"], answer.lease_ns) == ("transient", "election", 0)


def test_an_etcd_that_has_gone_back_is_not_believed(clean, sessions):
    back = []

    def lie(path, request, answer):
        if back and path == "/v3/kv/txn":
            answer["header"]["revision"] = "1"
        return answer

    with Proxy(clean.endpoints[0], lie) as liar:
        db1 = sessions("db1", [liar.url])
        assert ask(db1, "acquire", 1).status == "ok"
        back.append(True)
        answer = ask(db1, "renew", 1)
    assert (answer.status, answer.facts["cause"], answer.lease_ns) == ("conflict", "rewound", 0)


def told(path_of_lie, what):
    def lie(path, request, answer):
        if path != path_of_lie:
            return answer
        return what(answer) if callable(what) else what
    return lie


def without(name):
    return lambda answer: {key: value for key, value in answer.items() if key != name}


@pytest.mark.parametrize("path,what,status,cause", [
    ("/v3/kv/txn", b"It works!", "config", "nonsense"),
    ("/v3/kv/txn", b"[]", "config", "nonsense"),
    ("/v3/kv/txn", b"{}", "config", "nonsense"),
    ("/v3/kv/txn", b"{\"header\": {\"cluster_id\": 1.5}}", "config", "nonsense"),
    ("/v3/kv/txn", without("responses"), "config", "nonsense"),
    ("/v3/kv/txn", lambda answer: {**answer, "responses": [{"response_range": {"kvs": 7}}, {}]}, "config", "nonsense"),
    ("/v3/kv/txn", lambda answer: {**answer, "responses": [{"response_range": {"kvs": [
        {"key": b64("/other"), "value": "", "create_revision": "1", "mod_revision": "1"}]}}, {}]}, "config", "nonsense"),
    ("/v3/kv/txn", lambda answer: {**answer, "responses": [{}, {"response_range": {"kvs": [
        {"key": b64("/baton/pg/generation"), "value": b64("many"), "create_revision": "1", "mod_revision": "1"}]}}]}, "config", "nonsense"),
    ("/v3/kv/txn", lambda answer: {**answer, "responses": [{"response_range": {"kvs": [
        {"key": "%%%%", "value": "", "create_revision": "1", "mod_revision": "1"}]}}, {}]}, "config", "nonsense"),
    ("/v3/kv/txn", (404, b"404 page not found"), "config", "nonsense"),
    ("/v3/kv/txn", (502, b"<html>Bad Gateway</html>"), "transient", "protocol"),
    ("/v3/kv/txn", None, "transient", "closed"),
    ("/v3/kv/txn", (503, b'{"error": "etcdserver: no leader", "code": 14}'), "transient", "no_quorum"),
    ("/v3/kv/txn", (429, b'{"error": "etcdserver: mvcc: database space exceeded", "code": 8}'), "config", "disk"),
    ("/v3/kv/txn", (500, b'{"error": "etcdserver: corrupt cluster", "code": 15}'), "config", "corrupt"),
    ("/v3/kv/txn", (429, b'{"error": "etcdserver: too many requests", "code": 8}'), "transient", "busy"),
    ("/v3/cluster/member/list", without("members"), "config", "members"),
    ("/v3/lease/grant", without("TTL"), "config", "nonsense"),
    ("/v3/lease/grant", lambda answer: {**answer, "TTL": "-5"}, "config", "nonsense"),
    ("/v3/lease/grant", lambda answer: {**answer, "ID": "1"}, "config", "nonsense"),
])
def test_no_answer_but_a_right_one_is_a_grant(clean, sessions, path, what, status, cause):
    with Proxy(clean.endpoints[0], told(path, what)) as liar:
        answer = ask(sessions("db1", [liar.url]), "acquire", 1)
    assert (answer.status, answer.facts["cause"], answer.token, answer.lease_ns) == (status, cause, 0, 0), answer


@pytest.mark.parametrize("ttl,status,lease", [("99999999999999", "ok", 10_000_000_000), ("4", "ok", 4_000_000_000),
                                              ("0", "refused", 0), ("x", "config", 0)])
def test_a_renewal_lasts_as_long_as_etcd_says_and_never_longer_than_asked(clean, sessions, ttl, status, lease):
    def lie(path, request, answer):
        if path == "/v3/lease/keepalive":
            answer["result"]["TTL"] = ttl
        return answer

    with Proxy(clean.endpoints[0], lie) as liar:
        db1 = sessions("db1", [liar.url])
        assert ask(db1, "acquire", 1).status == "ok"
        answer = ask(db1, "renew", 1)
    assert (answer.status, answer.lease_ns) == (status, lease)


def test_an_answer_that_comes_after_the_lease_is_none(clean, sessions):
    slow = lambda path: time.sleep(2.2) if path == "/v3/kv/txn" and slow_now else None  # noqa: E731
    slow_now = []

    def lie(path, request, answer):
        if path == "/v3/lease/grant":
            slow_now.append(True)
        return answer

    with Proxy(clean.endpoints[0], lie, slow) as late:
        answer = ask(sessions("db1", [late.url], lease="2s", query_timeout="8s"), "acquire", 1, timeout=8.0)
    assert (answer.status, answer.facts["cause"], answer.token, answer.lease_ns) == ("transient", "late", 0, 0)
    # Which of the two depends on when etcd looks for leases that have ended.
    assert re.fullmatch(r"etcd took 4[0-9]{3} ms to grant 2000 ms: that is over already|"
                        r"the lease on /baton/pg/holder has lapsed meanwhile: .*requested lease not found", answer.sentence)


def test_a_lease_that_a_person_has_revoked_is_lost(clean, sessions):
    def revoke(path, request, answer):
        if path == "/v3/lease/grant":
            clean.ctl("lease", "revoke", f"{int(request['ID']):x}")
        return answer

    with Proxy(clean.endpoints[0], revoke) as proxy:
        early = ask(sessions("db1", [proxy.url]), "acquire", 1)
    assert (early.status, early.facts["cause"], early.lease_ns) == ("transient", "late", 0), early
    db1 = sessions("db1", clean.endpoints)
    held = ask(db1, "acquire", 1)
    assert held.status == "ok"
    clean.ctl("lease", "revoke", f"{int(held.facts['lease_id']):x}")
    lost = ask(db1, "renew", 1)
    assert (lost.status, lost.facts["cause"]) == ("refused", "lapsed")


def test_an_answer_that_was_lost_is_asked_for_again_and_not_granted_twice(clean, sessions):
    for path in ("/v3/lease/grant", "/v3/kv/txn", "/v3/lease/keepalive"):
        clean.ctl("del", "--prefix", "/baton/")
        lost = []

        def cut_once(at, request, answer):
            if at == path and not lost and (at != "/v3/kv/txn" or is_claim(at, request)):
                lost.append(True)
                return None
            return answer

        with Proxy(clean.endpoints[0], cut_once) as proxy:
            both = [proxy.url, clean.endpoints[0]]
            # After the second look of acquire the other endpoint comes first.
            db1 = sessions("db1", both if path != "/v3/lease/keepalive" else both[::-1], min_members="1")
            first = ask(db1, "acquire", 1)
            again = ask(db1, "renew", 1)
        assert (first.status, again.status) == ("ok", "ok"), (path, first, again)
        assert lost and first.token == again.token == clean.get("/baton/pg/holder")[1]


def test_after_a_lost_answer_at_the_only_endpoint_the_same_grant_is_found_again(clean, sessions):
    lost = []

    def cut_once(path, request, answer):
        if is_claim(path, request) and not lost:
            lost.append(True)
            return None
        return answer

    with Proxy(clean.endpoints[0], cut_once) as proxy:
        db1 = sessions("db1", [proxy.url])
        assert ask(db1, "acquire", 1).status == "transient"
        assert ask(db1, "acquire", 1).status == "ok"
        assert ask(sessions("db2", clean.endpoints), "acquire", 2).status == "refused"


def test_a_release_that_did_not_happen_is_no_success(clean, sessions):
    def lie(path, request, answer):
        if any("request_delete_range" in one for one in request.get("success", [])):
            value, _, lease = kept
            clean.ctl("put", "/baton/pg/holder", value, f"--lease={lease:x}")
        return answer

    with Proxy(clean.endpoints[0], lie) as proxy:
        db1 = sessions("db1", [proxy.url])
        assert ask(db1, "acquire", 1).status == "ok"
        kept = clean.get("/baton/pg/holder")
        answer = ask(db1, "release", 1)
    assert (answer.status, answer.facts["cause"], answer.sentence) == ("transient", "race", "/baton/pg/holder is still held")


# --- settings

@pytest.mark.parametrize("settings,key", [
    ({"endpoint": ["ftp://a:1"]}, "endpoint"),
    ({"endpoint": ["http://a:1/v3"]}, "endpoint"),
    ({"endpoint": ["http://a:1", "http://a:1/"]}, "endpoint"),
    ({"endpoint": ["http://a:1"], "tls_ca": "/ca.pem"}, "tls_ca"),
    ({"endpoint": ["http://a:1"], "lease": "2500ms"}, "lease"),
    ({"endpoint": ["http://a:1"], "cluster_id": "abc"}, "cluster_id"),
    ({"endpoint": ["http://a:1"], "cluster_id": "0"}, "cluster_id"),
    ({"endpoint": ["http://a:1"], "username": "x"}, "username"),
    ({"endpoint": ["http://a:1"], "prefix": ""}, "prefix"),
])
def test_settings_that_cannot_work_are_named(settings, key):
    assert [name for name, _ in complaints("etcd", settings)] == [key]


def test_good_settings_raise_no_complaint():
    assert complaints("etcd", {"endpoint": ["https://a:1", "https://[fd00::1]:2379"], "tls_ca": "/ca.pem", "lease": "30s",
                               "cluster_id": "0xcdf818194e3a8c32"}) == []
