"""What a monitoring system sees while Baton runs: OpenMetrics by three ways, scrapers that misbehave, and the shipped rules and dashboard
in a real Prometheus."""
import contextlib
import os
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest

from lib import frames, metrics
from lib.daemons import BATON_BIN, Service, plugin_dir
from lib.proc import in_namespace, touch, wait_until

PORT = 9112
WITH_LISTENER = {"daemon_keys": ["log_level = debug", "metrics_listen = 127.0.0.1:%d" % PORT]}
WEB = 'instance="svc",interface="eth0",vrid="10",af="ipv4"'


def scrape(baton, path="/metrics", accept="", method="GET"):
    """Status, content type and text of one scrape on the daemon's own host."""
    with in_namespace(baton.lab.namespace(baton.host)):
        request = urllib.request.Request("http://127.0.0.1:%d%s" % (PORT, path), headers={"Accept": accept} if accept else {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read().decode()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.headers["Content-Type"], refusal.read().decode()


def text_of(baton, *options):
    done = baton.control("metrics", *options)
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout


def lint(text):
    """What promtool says of Prometheus's older format; nothing is right."""
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=20, check=False)
    return done.stdout + done.stderr


def test_the_verb_prints_openmetrics_that_follows_the_role(scene):
    one, other = scene.pair()
    text = text_of(one)
    assert text.endswith("\n# EOF\n")
    found = metrics.samples(text)
    assert found['baton_instance_state{%s,state="active"}' % WEB] == 1
    assert found['baton_virtual_router_info{%s,version="3",address="10.77.0.50/24"}' % WEB] == 1
    assert found['baton_vip_present{instance="svc"}'] == 1
    assert found['baton_transitions_total{instance="svc",from="backup",to="active",reason="active_down_expired"}'] == 1
    assert found['baton_failover_duration_seconds_count{phase="vip"}'] == found['baton_failover_duration_seconds_count{phase="garp"}'] == 1
    there = metrics.samples(text_of(other))
    assert there['baton_instance_state{%s,state="backup"}' % WEB] == 1 and there['baton_vip_present{instance="svc"}'] == 0
    lost = time.time()
    one.kill()
    scene.wait_holder("db2")
    wait_until(lambda: metrics.samples(text_of(other))['baton_failover_duration_seconds_count{phase="detect"}'] == 1, 3, "it is counted")
    there = metrics.samples(text_of(other))
    # 3 * 100 ms + 156/256 * 100 ms = 360.9375 ms after the last advert, which another instant ago cannot lengthen.
    assert 0.3609 < there['baton_failover_duration_seconds_sum{phase="detect"}'] < 0.42
    assert lost - 0.2 < there['baton_last_transition_timestamp_seconds{instance="svc"}'] < lost + 1.0
    assert there['baton_advert_lateness_seconds_bucket{le="+Inf"}'] == there["baton_advert_lateness_seconds_count"]


def test_counters_are_those_of_status_and_adverts_are_in_time(scene):
    one, _ = scene.pair()
    before = metrics.samples(text_of(one))
    time.sleep(2)
    after = metrics.samples(text_of(one))
    sent = after["baton_adverts_sent_total{%s}" % WEB] - before["baton_adverts_sent_total{%s}" % WEB]
    assert 15 <= sent <= 25, sent
    noted = after["baton_advert_lateness_seconds_count"] - before["baton_advert_lateness_seconds_count"]
    assert abs(noted - sent) <= 3, (noted, sent)  # the board has them each 200 ms
    assert after['baton_advert_lateness_seconds_bucket{le="0.05"}'] >= after["baton_advert_lateness_seconds_count"] * 0.9


def test_an_address_that_somebody_takes_away_is_counted(scene):
    one, _ = scene.pair()
    scene.lab.ip("db1", "addr", "del", "10.77.0.50/24", "dev", "eth0")
    wait_until(lambda: metrics.samples(text_of(one))["baton_vip_removed_externally_total"] == 1, 3, "it is counted")


def test_a_program_that_was_replaced_on_disk_is_told(scene):
    one = scene.daemon("baton", "db1", Service())
    program = one.path("batond")
    shutil.copy(os.path.join(BATON_BIN, "batond"), program)
    command = [program] + one.command()[1:]
    one.command = lambda: command
    one.start().wait_ready()
    assert metrics.samples(text_of(one))["baton_running_old_binary"] == 0
    shutil.copy(program, program + ".new")
    os.replace(program + ".new", program)  # as dpkg does it
    assert metrics.samples(text_of(one))["baton_running_old_binary"] == 1


def test_a_textfile_is_whole_readable_and_says_when_nobody_answers(scene, tmp_path):
    one, _ = scene.pair()
    file = tmp_path / "baton.prom"
    file.write_text("old\n")
    os.chmod(file, 0o600)
    done = subprocess.run(["sh", "-c", "umask 077; exec \"$@\"", "sh", os.path.join(BATON_BIN, "batonctl"), "--runtime-dir", one.runtime,
                           "metrics", "--textfile", str(file)],
                          capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    text = file.read_text()
    assert 'baton_instance_state{%s,state="active"} 1\n' % WEB in text and "# EOF" not in text
    assert lint(text) == ""
    assert os.stat(file).st_mode & 0o777 == 0o644
    assert os.listdir(tmp_path) == ["baton.prom"]
    one.stop()
    assert one.control("metrics", "--textfile", str(file)).returncode == 3
    assert file.read_text() == "# HELP baton_up 0: no daemon answers.\n# TYPE baton_up gauge\nbaton_up 0\n"
    assert one.control("metrics", "--textfile", str(tmp_path / "missing" / "baton.prom")).returncode == 1


def test_names_of_keepalived_exporter(scene):
    one, other = scene.pair()
    found = metrics.samples(text_of(one, "--names", "keepalived-exporter"))
    assert found['keepalived_vrrp_state{iname="svc",intf="eth0",vrid="10",ip_address="10.77.0.50/24"}'] == 2
    assert found['keepalived_become_master_total{iname="svc",intf="eth0",vrid="10"}'] == 1
    assert found['keepalived_advertisements_sent_total{iname="svc",intf="eth0",vrid="10"}'] > 1
    assert not any(name.startswith("baton_") for name in found)
    there = metrics.samples(text_of(other, "--names", "keepalived-exporter"))
    assert there['keepalived_vrrp_state{iname="svc",intf="eth0",vrid="10",ip_address="10.77.0.50/24"}'] == 1
    assert one.control("metrics", "--names", "snmp").returncode == 2


def exporter_counters(baton, *names):
    """Those of the virtual router of a pair, in the order of `names`."""
    found = metrics.samples(text_of(baton, "--names", "keepalived-exporter"))
    return [found['keepalived_%s_total{iname="svc",intf="eth0",vrid="10"}' % name] for name in names]


def wait_counters(baton, expected):
    """The board has them each 200 ms: until they are as expected, and no more."""
    def there():
        return dict(zip(expected, exporter_counters(baton, *expected))) == expected
    try:
        wait_until(there, 3)
    except AssertionError:
        assert dict(zip(expected, exporter_counters(baton, *expected))) == expected


@pytest.mark.limit(60)
def test_keepalived_names_count_two_failovers_and_back(scene):
    one, other = scene.pair()
    for _ in range(2):
        assert one.control("drain").returncode == 0
        scene.wait_holder("db2")
        assert one.control("undrain").returncode == 0
        scene.wait_holder("db1")
    # db1 began as Active and resigned twice; db2 yields to the higher priority, which needs no resignation.
    wait_counters(one, {"become_master": 3, "release_master": 2, "priority_zero_sent": 2, "priority_zero_received": 0})
    wait_counters(other, {"become_master": 2, "release_master": 2, "priority_zero_sent": 0, "priority_zero_received": 2})


def test_keepalived_names_count_what_is_wrong_with_adverts(scene):
    """Nobody else speaks here: what is received is what is sent here, each kind so often that its number is its own."""
    one = scene.start("baton", "db1", Service(priority=200))
    scene.wait_holder("db1", deadline=10)

    def advert(**wanted):
        return frames.advert(scene.lab.ip4("client"), scene.lab.mac("client"), **dict({"priority": 10, "interval": 10, "vips": ("10.77.0.50",)}, **wanted))

    injector = scene.injector()
    for count, frame in enumerate([advert(message=lambda raw: raw[:7]), advert(interval=20), advert(ttl=254), advert(kind=2), advert(vips=("10.77.0.51",)),
                                   advert()], start=1):
        injector.send(*[frame] * count)
    # Received are those that count in the election: 2 of another interval, 5 of another address, 6 that are as they should be.
    wait_counters(one, {"packet_length_errors": 1, "advertisements_interval_errors": 2, "ip_ttl_errors": 3, "invalid_type_received": 4,
                        "address_list_errors": 5, "advertisements_received": 13, "priority_zero_received": 0})


@pytest.mark.limit(60)
def test_a_stall_of_an_active_is_counted_with_its_length(scene):
    one, _ = scene.pair()

    def stalls():
        found = metrics.samples(text_of(one))
        below = {bound: found['baton_loop_stall_seconds_bucket{le="%s"}' % bound] for bound in ("2.5", "5.0")}
        return found["baton_stalls_total"], below["5.0"] - below["2.5"]
    assert stalls() == (0, 0)
    one.pause()
    wait_until(lambda: "db2" in scene.owners.holders("10.77.0.50"), 3)
    time.sleep(3)
    one.resume()
    scene.wait_holder("db1", deadline=10)
    wait_until(lambda: stalls() == (1, 1), 3, "one stall of 2.5 to 5 s")


def test_the_listener_serves_metrics_and_nothing_else(scene):
    one, _ = scene.pair(daemon=WITH_LISTENER)
    status, kind, text = scrape(one)
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert lint(text) == ""
    status, kind, text = scrape(one, accept="application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5")
    assert (status, kind) == (200, "application/openmetrics-text; version=1.0.0; charset=utf-8") and text.endswith("# EOF\n")
    assert "keepalived_up 1\n" in scrape(one, "/metrics?names=keepalived-exporter")[2]
    assert scrape(one, "/metrics", method="POST")[0] == 405
    assert scrape(one, "/")[0] == 404 and scrape(one, "/metrics/../etc/passwd")[0] == 404
    with in_namespace(scene.lab.namespace("client")), pytest.raises(OSError):
        socket.create_connection((scene.lab.ip4("db1"), PORT), timeout=1)


def test_a_reload_moves_the_listener_and_ends_it(scene):
    one, _ = scene.pair(daemon=WITH_LISTENER)
    assert scrape(one)[0] == 200

    def listen(value):
        one.daemon_keys = ["log_level = debug", "metrics_listen = " + value]
        one.configure()
        return one.control("reload").returncode

    assert listen("off") == 0
    with pytest.raises(OSError):
        scrape(one)
    assert listen("0.0.0.0:%d" % PORT) == 5
    wait_until(lambda: metrics.samples(text_of(one))["baton_config_last_reload_success"] == 0, 3, "it was refused")
    assert listen("127.0.0.1:%d" % PORT) == 0
    assert metrics.samples(scrape(one)[2])["baton_config_last_reload_success"] == 1


class Misbehaviour:
    """Scrapers that stall, never read, send rubbish, or ask without end."""

    def __init__(self, baton):
        self.namespace, self.over, self.asked, self.held = baton.lab.namespace(baton.host), threading.Event(), 0, []
        self.threads = [threading.Thread(target=work, daemon=True) for work in [self.stall, self.deafen, self.flood, self.flood, self.garble]]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join(10)
        for held in self.held:
            held.close()

    def connect(self):
        self.asked += 1
        made = socket.create_connection(("127.0.0.1", PORT), timeout=0.2)
        return made

    def repeat(self, behave):
        with in_namespace(self.namespace):
            while not self.over.is_set():
                with contextlib.suppress(OSError):
                    behave()

    def stall(self):
        def behave():
            held = self.connect()
            held.send(b"GET /metr")
            self.held = self.held[-200:] + [held]
            self.over.wait(0.01)
        self.repeat(behave)

    def deafen(self):
        def behave():
            held = self.connect()
            held.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            held.send(b"GET /metrics HTTP/1.1\r\n\r\n")
            self.held = self.held[-200:] + [held]
            self.over.wait(0.01)
        self.repeat(behave)

    def flood(self):
        def behave():
            with self.connect() as made:
                made.send(b"GET /metrics HTTP/1.1\r\n\r\n")
                while made.recv(1 << 16):
                    pass
        self.repeat(behave)

    def garble(self):
        def behave():
            with self.connect() as made:
                for _ in range(64):
                    made.send(os.urandom(4096))
        self.repeat(behave)


@pytest.mark.alone
def test_scrapers_that_stall_and_flood_cost_no_advert(scene):
    one, other = scene.pair(daemon=WITH_LISTENER)
    transitions = [baton.transitions() for baton in (one, other)]
    steward = one.process_of("steward")
    began = time.time()
    with Misbehaviour(one) as scrapers:
        time.sleep(6)
        asked = time.time()
        assert one.json("status")["engine"] == "running"
        assert time.time() - asked < 2, "the steward answers all the while"
        assert len(os.listdir("/proc/%d/fd" % steward)) < 60
    ended = time.time()
    assert scrapers.asked > 100
    own = [frame for frame in scene.capture.adverts("db1", since=began) if frame.at < ended]
    assert len(own) > 50
    assert max(after.at - earlier.at for earlier, after in zip(own, own[1:])) < 0.15
    assert [baton.transitions() for baton in (one, other)] == transitions
    assert one.process_of("steward") == steward
    wait_until(lambda: scrape(one)[0] == 200, 10, "it is served again")


@pytest.mark.limit(150)
def test_prometheus_scrapes_and_answers_every_query_of_the_rules_and_the_dashboard(scene, tmp_path):
    key = os.path.join(scene.lab.directory, "key")
    with open(key, "w", encoding="ascii") as file:
        file.write("k" * 32 + "\n")
    os.chmod(key, 0o600)
    sick = os.path.join(scene.lab.directory, "sick")
    switch = ["[plugin switch]", "module = file", "path = " + sick, "state = absent", "interval = 100ms", "fall = 1"]
    one, _ = scene.pair(daemon={"daemon_keys": WITH_LISTENER["daemon_keys"] + ["peer_key_file = " + key], "sections": switch, "plugins": plugin_dir()},
                        options_db1={"extra": ("check = switch",)})
    with metrics.SampleHost(one) as sample, metrics.Prometheus(one, tmp_path, {"baton": PORT, "sample": sample.port}) as prometheus:
        prometheus.wait_for('up{job="baton"} == 1 and baton_up == 1')
        prometheus.wait_for('baton_instance_state{job="baton", exported_instance="svc", state="active"} == 1')
        prometheus.wait_for('baton_peer_up{job="baton", peer="db2"} == 1')
        prometheus.wait_for('increase(baton_promotion_total{job="sample"}[1d]) > 0')
        prometheus.wait_for('rate(baton_adverts_sent_total{job="baton"}[5s]) > 5')
        for group in prometheus.get("rules")["groups"]:
            assert [(rule["name"], rule["lastError"]) for rule in group["rules"] if rule.get("lastError")] == []
            assert len(group["rules"]) == 10
        silent, asked = [], 0
        for title, query in metrics.dashboard_queries():
            asked += 1
            if not prometheus.query(query):
                silent.append((title, query))
        assert asked > 40 and silent == []
        for name, query in metrics.dashboard_variables():
            label = re.fullmatch(r"label_values\((.*), (\w+)\)", query)
            assert [series for series in prometheus.get("series", {"match[]": label.group(1)}) if label.group(2) in series], name
        touch(sick)
        prometheus.wait_for('baton_check_up{job="baton"} == 0')
        prometheus.wait_for('baton_instance_state{job="baton", exported_instance="svc", state="backup"} == 1')
