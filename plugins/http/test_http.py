"""The http check against nginx, against servers that misbehave, and over networks that lose packets."""
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/plugins"))
import servers  # noqa: E402
from plugin import Session, call, complaints  # noqa: E402
from servers import Certificates, NameServer, Network, Nginx, Raw, closes, free_port, isolated, resets, says, silent  # noqa: E402

LOCATIONS = """
location = /status { return 200 "status: ok\\nreplicas: 3\\n"; }
location = /down { return 503 "the database is gone\\n"; }
location = /denied { return 403; }
location = /none { return 204; }
location = /moved { return 302 /status; }
location = /loop { return 302 /loop; }
location = /plain { return 302 http://127.0.0.1:1/status; }
location = /elsewhere { return 302 http://localhost:$server_port/echo; }
location = /echo { return 200 "$request_method host=$http_host x=$http_x_probe auth=$http_authorization agent=$http_user_agent"; }
location = /login { auth_basic x; auth_basic_user_file %(d)s/passwd; return 200 "in"; }
location = /login/ok { auth_basic x; auth_basic_user_file %(d)s/passwd; try_files /status.txt =404; root %(d)s; }
location = /big { root %(d)s; }
location = /post { if ($request_method != POST) { return 405; } return 200 "posted $content_length"; }
"""


class Site:
    def __init__(self, directory):
        self.d = directory
        self.certificates = Certificates(directory)
        self.ca = self.certificates["ca.crt"]
        (pathlib.Path(directory) / "big").write_text("x" * 100000)
        (pathlib.Path(directory) / "status.txt").write_text("welcome")
        password = servers.run("openssl", "passwd", "-apr1", "geheim").strip()
        (pathlib.Path(directory) / "passwd").write_text(f"ada:{password}\n")
        self.secret = self.write("password", "geheim\n")
        self.port = free_port()
        self.socket = f"{directory}/web.sock"
        self.tls = {name: free_port() for name in ("good", "soon", "expired", "future", "wrong", "untrusted", "selfsigned")}
        self.mutual, self.old = free_port(), free_port()
        locations = LOCATIONS % {"d": directory}
        blocks = f"server {{ listen 127.0.0.1:{self.port}; listen unix:{self.socket}; {locations} }}\n"
        for name, port in self.tls.items():
            blocks += self.tls_block(name, port, locations)
        blocks += self.tls_block("good", self.mutual, locations, f"ssl_client_certificate {self.ca}; ssl_verify_client on;")
        blocks += self.tls_block("good", self.old, locations, "ssl_protocols TLSv1 TLSv1.1; ssl_ciphers ALL:@SECLEVEL=0;")
        self.nginx = Nginx(directory, blocks)

    def tls_block(self, name, port, locations, more="ssl_protocols TLSv1.2 TLSv1.3;"):
        c = self.certificates
        return (f"server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {c[name + '.crt']}; "
                f"ssl_certificate_key {c[name + '.key']}; {more} {locations} }}\n")

    def write(self, name, text):
        path = pathlib.Path(self.d) / name
        path.write_text(text)
        return str(path)

    def url(self, path="/status"):
        return f"http://127.0.0.1:{self.port}{path}"

    def https(self, name="good", path="/status"):
        return f"https://127.0.0.1:{self.tls[name]}{path}"


@pytest.fixture(scope="module")
def site():
    with servers.directory() as directory:
        one = Site(directory)
        with one.nginx:
            yield one


@pytest.fixture(scope="module")
def network():
    with Network() as one:
        yield one


def probe(timeout=2.0, **settings):
    return call("http", "probe", settings, timeout=timeout)


def outcome(answer):
    return answer.state, answer.status, answer.facts.get("cause")


# What passes and what does not, by the answer.

def test_expected_status_passes_with_facts(site):
    answer = probe(url=site.url())
    assert outcome(answer) == ("pass", "ok", None)
    assert answer.sentence.startswith(f"http://127.0.0.1:{site.port}/status answers 200 in ")
    assert answer.facts["status"] == "200" and answer.facts["bytes"] == "23"
    assert answer.facts["address"] == "127.0.0.1" and int(answer.facts["total_ms"]) < 1000
    assert int(answer.facts["connect_ms"]) <= int(answer.facts["total_ms"]) + 1


def test_wrong_status_fails_and_quotes_the_application(site):
    answer = probe(url=site.url("/down"))
    assert outcome(answer) == ("fail", "ok", "status")
    assert answer.sentence == f"http://127.0.0.1:{site.port}/down answered 503, not 200: the database is gone"


@pytest.mark.parametrize("expected, state", [("503", "pass"), ("500-599", "pass"), ("200, 500-503", "pass"), ("200-299", "fail"),
                                             (["200", "503"], "pass"), ("504-599", "fail")])
def test_status_lists_and_ranges(site, expected, state):
    assert probe(url=site.url("/down"), expect_status=expected).state == state


def test_denied_access_is_a_cause_of_its_own(site):
    answer = probe(url=site.url("/denied"))
    assert outcome(answer) == ("fail", "ok", "auth")
    assert "answered 403 (access denied), not 200" in answer.sentence


@pytest.mark.parametrize("settings, state", [
    ({"expect_body": "replicas: 3"}, "pass"), ({"expect_body": ["status: ok", "replicas"]}, "pass"),
    ({"expect_body": ["status: ok", "primary"]}, "fail"), ({"expect_body_regex": "^replicas: [3-9]$"}, "pass"),
    ({"expect_body_regex": "^replicas: [4-9]$"}, "fail"), ({"expect_body": "replicas", "expect_body_regex": "down"}, "fail")])
def test_body_decides(site, settings, state):
    answer = probe(url=site.url(), **settings)
    assert answer.state == state
    if state == "fail":
        assert answer.facts["cause"] == "body"
        assert answer.sentence.endswith(": status: ok replicas: 3")


def test_missing_text_is_named(site):
    answer = probe(url=site.url(), expect_body="primary")
    assert 'answered 200, but the body does not contain "primary": status: ok' in answer.sentence


def test_body_above_the_limit_fails_and_at_the_limit_passes(site):
    assert probe(url=site.url("/big"), max_body=100000).state == "pass"
    answer = probe(url=site.url("/big"), max_body=99999)
    assert outcome(answer) == ("fail", "ok", "too_big")
    assert answer.sentence == f"127.0.0.1:{site.port} answered with more than 99999 bytes (max_body)"


def test_method_headers_and_body_are_sent(site):
    answer = probe(url=site.url("/echo"), method="OPTIONS", header=["X-Probe: 42"],
                   expect_body=f"OPTIONS host=127.0.0.1:{site.port} x=42 auth= agent=baton")
    assert answer.state == "pass", answer.sentence
    assert probe(url=site.url("/post"), method="POST", body="12345", expect_body="posted 5").state == "pass"
    assert probe(url=site.url("/status"), method="HEAD").facts["bytes"] == "0"


def test_basic_authentication_and_bearer_token(site):
    assert outcome(probe(url=site.url("/login/ok"))) == ("fail", "ok", "auth")
    answer = probe(url=site.url("/login/ok"), username="ada", password=site.secret, expect_body="welcome")
    assert answer.state == "pass", answer.sentence
    answer = probe(url=site.url("/echo"), bearer_token=site.secret, expect_body="auth=Bearer geheim")
    assert answer.state == "pass", answer.sentence


def test_unix_socket(site):
    answer = probe(unix_socket=site.socket, url="http://app/status")
    assert answer.state == "pass", answer.sentence
    assert answer.sentence.startswith(f"{site.socket} http://app/status answers 200")
    assert outcome(probe(unix_socket=site.socket, expect_status="404")) == ("pass", "ok", None)


def test_absent_unix_socket_is_the_applications_fault_and_a_forbidden_one_is_ours(site):
    answer = probe(unix_socket=f"{site.d}/none.sock")
    assert outcome(answer) == ("fail", "ok", "missing")
    assert answer.sentence == f"there is no socket {site.d}/none.sock: its program does not run"
    import pwd
    path = f"{site.d}/private.sock"
    with Raw(silent, path=path):
        os.chmod(path, 0o600)
        with Session("http", {"unix_socket": path}, user=pwd.getpwnam("nobody")) as session:
            answer = session.call("probe")
    assert outcome(answer) == ("unknown", "config", "local")
    assert "Permission denied (the plugin's user needs the right to write to the socket)" in answer.sentence


# Redirects.

def test_redirect_is_not_followed_and_names_the_target(site):
    answer = probe(url=site.url("/moved"))
    assert outcome(answer) == ("fail", "ok", "redirect")
    assert f"redirects (302) to http://127.0.0.1:{site.port}/status, which is not followed" in answer.sentence
    assert probe(url=site.url("/moved"), expect_status="302").state == "pass"


def test_redirect_is_followed_when_asked_for_and_loops_end(site):
    answer = probe(url=site.url("/moved"), follow_redirects=1, expect_body="status: ok")
    assert answer.state == "pass" and "/status answers 200" in answer.sentence
    answer = probe(url=site.url("/loop"), follow_redirects=3)
    assert outcome(answer) == ("fail", "ok", "redirect")
    assert "redirected more than 3 times, at last to" in answer.sentence


def test_redirect_never_leaves_https(site):
    answer = probe(url=site.https("good", "/plain"), ca_file=site.ca, follow_redirects=3)
    assert outcome(answer) == ("fail", "ok", "redirect")
    assert "from https to http" in answer.sentence


def test_credentials_do_not_follow_to_another_host(site):
    answer = probe(url=site.url("/elsewhere"), follow_redirects=1, username="ada", password=site.secret,
                   header=["X-Probe: 7"], expect_body="x=7 auth= agent")
    assert answer.state == "pass", answer.sentence


# Connections that fail.

def test_refused(site):
    port = free_port()
    answer = probe(url=f"http://127.0.0.1:{port}/")
    assert outcome(answer) == ("fail", "ok", "refused")
    assert answer.sentence == f"127.0.0.1:{port} refused the connection: nobody listens there"


def test_accepted_and_never_answered_keeps_the_deadline():
    with Raw(silent) as server:
        answer = probe(url=f"http://127.0.0.1:{server.port}/", timeout=0.5)
    assert outcome(answer) == ("fail", "transient", "timeout")
    assert f"127.0.0.1:{server.port} accepted the connection but has not answered within 4" in answer.sentence
    assert 0.4 < answer.seconds < 0.5


def test_reset():
    with Raw(resets) as server:
        answer = probe(url=f"http://127.0.0.1:{server.port}/")
    assert outcome(answer) == ("fail", "ok", "reset")
    assert answer.sentence == f"127.0.0.1:{server.port} reset the connection before it answered"


def test_closed_before_and_within_the_answer():
    with Raw(closes) as server:
        answer = probe(url=f"http://127.0.0.1:{server.port}/")
    assert outcome(answer) == ("fail", "ok", "closed")
    assert answer.sentence == f"127.0.0.1:{server.port} closed the connection before it answered"
    with Raw(says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")) as server:
        answer = probe(url=f"http://127.0.0.1:{server.port}/")
    assert outcome(answer) == ("fail", "ok", "closed")
    assert answer.sentence.endswith("closed the connection in the midst of the answer")


def test_what_is_not_http_is_said_so():
    with Raw(says(b"SSH-2.0-OpenSSH_9.2\r\n")) as server:
        answer = probe(url=f"http://127.0.0.1:{server.port}/")
    assert outcome(answer) == ("fail", "ok", "protocol")
    assert "does not answer in HTTP" in answer.sentence


def test_endless_headers_end():
    def flood(connection):
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"X-Filler: " + b"a" * 1000 + b"\r\n")
    with Raw(flood) as server:
        answer = probe(url=f"http://127.0.0.1:{server.port}/")
    assert outcome(answer) == ("fail", "ok", "too_big")
    assert "more than 64 KiB of headers" in answer.sentence


def test_answer_that_drips_ends_at_the_deadline():
    def drip(connection):
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            connection.sendall(b"x")
            time.sleep(0.05)
    with Raw(drip) as server:
        answer = probe(url=f"http://127.0.0.1:{server.port}/", timeout=0.6)
    assert outcome(answer) == ("fail", "transient", "timeout")
    assert "began to answer (status 200, " in answer.sentence and answer.seconds < 0.6


def test_each_probe_has_a_new_connection():
    with Raw(says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as server:
        with Session("http", {"url": f"http://127.0.0.1:{server.port}/"}) as session:
            assert [session.call("probe").state for _ in range(3)] == ["pass"] * 3
        assert len(server.connections) == 3


def test_ipv6():
    with Raw(says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), address="::1") as server:
        answer = probe(url=f"http://[::1]:{server.port}/")
    assert answer.state == "pass" and answer.facts["address"] == "::1"
    answer = probe(url=f"http://[::1]:{server.port}/")
    assert answer.sentence == f"[::1]:{server.port} refused the connection: nobody listens there"


def test_dropped_packets_are_a_connection_timeout(network):
    network.firewall("tcp dport 8080 drop")
    answer = isolated(call, "http", "probe", {"url": "http://10.98.0.2:8080/"}, 0.5, network=network.near)
    network.firewall("")
    assert outcome(answer) == ("fail", "transient", "connect_timeout")
    assert "10.98.0.2:8080 has not answered the connection attempt within 4" in answer.sentence and answer.seconds < 0.5


def test_unreachable(network):
    network.firewall("tcp dport 8080 reject with icmpx type host-unreachable")
    answer = isolated(call, "http", "probe", {"url": "http://10.98.0.2:8080/"}, 2.0, network=network.near)
    network.firewall("")
    assert outcome(answer) == ("fail", "ok", "unreachable")
    assert answer.sentence == "10.98.0.2:8080 cannot be reached: No route to host"


def test_connection_that_is_cut_in_mid_stream_ends_at_the_deadline(network):
    begun = threading.Event()

    def half(connection):
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 500)
        network.firewall("tcp sport 8080 counter drop", network.near)
        connection.sendall(b"x" * 500)
        begun.wait(5)
    with network.serve(half):
        answer = isolated(call, "http", "probe", {"url": "http://10.98.0.2:8080/"}, 1.0, network=network.near)
    assert network.counted(network.near) > 0
    network.firewall("", network.near)
    assert outcome(answer) == ("fail", "transient", "timeout")
    assert "began to answer (status 200, 500 bytes of the body) but did not end within 9" in answer.sentence
    assert answer.seconds < 1.0


# TLS.

def test_good_certificate_passes_with_facts(site):
    answer = probe(url=site.https(), ca_file=site.ca)
    assert (answer.state, answer.warning) == ("pass", False)
    assert answer.facts["tls"] == "TLSv1.3" and answer.facts["certificate_days"] in ("364", "365")


def test_certificate_that_ends_soon_passes_with_a_warning(site):
    answer = probe(url=site.https("soon"), ca_file=site.ca)
    assert (answer.state, answer.warning) == ("pass", True)
    assert answer.facts["certificate_days"] in ("4", "5")  # five days less the seconds since it was made
    assert 'the certificate of "web.test" expires on 20' in answer.sentence
    assert not probe(url=site.https("soon"), ca_file=site.ca, certificate_warning="4d").warning


@pytest.mark.parametrize("name, error, words", [
    ("expired", "expired", 'the certificate of "web.test" expired on 2020-12-31'),
    ("future", "not_yet_valid", 'the certificate of "web.test" is not valid yet'),
    ("selfsigned", "self_signed", 'the certificate of "web.test" is self-signed and not in ca_file'),
    ("untrusted", "untrusted", 'the certificate of "web.test" is not from a trusted issuer (ca_file)'),
    ("wrong", "wrong_name", "its certificate is for other.test, www.other.test, not for 127.0.0.1 (server_name)")])
def test_bad_certificates_fail_with_their_reason(site, name, error, words):
    answer = probe(url=site.https(name), ca_file=site.ca)
    assert outcome(answer) == ("fail", "ok", "tls")
    assert answer.facts["tls_error"] == error
    assert answer.sentence.startswith(f"TLS with 127.0.0.1:{site.tls[name]} failed: {words}")


def test_system_authorities_do_not_trust_a_private_one(site):
    assert probe(url=site.https()).facts["tls_error"] == "untrusted"


def test_server_name_is_for_certificate_and_host_header(site):
    answer = probe(url=site.https("wrong", "/echo"), ca_file=site.ca, server_name="www.other.test",
                   expect_body=f"host=www.other.test:{site.tls['wrong']} ")
    assert answer.state == "pass", answer.sentence
    assert probe(url=site.https(), ca_file=site.ca, server_name="third.test").facts["tls_error"] == "wrong_name"


def test_unverified_certificate_passes_only_when_written_out_and_says_so(site):
    answer = probe(url=site.https("selfsigned"), verify="no")
    assert (answer.state, answer.facts["verify"]) == ("pass", "no")
    assert "its certificate is not verified (verify = no)" in answer.sentence


def test_old_tls_is_refused(site):
    answer = probe(url=f"https://127.0.0.1:{site.old}/status", ca_file=site.ca)
    assert outcome(answer) == ("fail", "ok", "tls")
    assert answer.facts["tls_error"] == "old_version" and "TLS 1.2" in answer.sentence


def test_handshake_that_stalls_keeps_the_deadline(site):
    with Raw(silent) as server:
        answer = probe(url=f"https://127.0.0.1:{server.port}/", ca_file=site.ca, timeout=0.5)
    assert outcome(answer) == ("fail", "transient", "tls")
    assert answer.facts["tls_error"] == "stalled" and answer.seconds < 0.5
    assert "it accepted the connection but did not finish the handshake within 4" in answer.sentence


def test_plain_port_and_reset_in_the_handshake(site):
    answer = probe(url=f"https://127.0.0.1:{site.port}/status", ca_file=site.ca)
    assert answer.facts["tls_error"] == "not_tls" and "does not speak TLS on this port" in answer.sentence
    with Raw(resets) as server:
        answer = probe(url=f"https://127.0.0.1:{server.port}/", ca_file=site.ca)
    assert outcome(answer) == ("fail", "ok", "reset") and answer.sentence.endswith("during the TLS handshake")
    with Raw(closes) as server:
        answer = probe(url=f"https://127.0.0.1:{server.port}/", ca_file=site.ca)
    assert answer.facts["tls_error"] == "closed"


def test_client_certificate(site):
    url = f"https://127.0.0.1:{site.mutual}/status"
    answer = probe(url=url, ca_file=site.ca)
    assert outcome(answer) == ("fail", "ok", "status") and "No required SSL certificate was sent" in answer.sentence
    certificates = site.certificates
    answer = probe(url=url, ca_file=site.ca, client_certificate=certificates["client.crt"],
                   client_key=certificates["client.key"])
    assert answer.state == "pass", answer.sentence


def test_settings_that_only_this_host_can_mend_are_unknown(site):
    certificates = site.certificates
    answer = probe(url=site.https(), ca_file=f"{site.d}/none.crt")
    assert outcome(answer) == ("unknown", "config", "local")
    assert answer.sentence == f"ca_file {site.d}/none.crt: No such file or directory"
    answer = probe(url=site.https(), ca_file=site.secret)
    assert outcome(answer) == ("unknown", "config", "local")
    assert answer.sentence == f"ca_file {site.secret} has no usable certificate"
    answer = probe(url=site.https(), ca_file=site.ca, client_certificate=certificates["client.crt"],
                   client_key=certificates["good.key"])
    assert outcome(answer) == ("unknown", "config", "local")
    assert "client_certificate and client_key cannot be used" in answer.sentence


def test_a_host_without_authorities_is_told_the_package(site):
    code = f"from plugin import call; answer = call('http', 'probe', {{'url': '{site.https()}'}}); print(answer.status, answer.state, answer.sentence)"
    done = subprocess.run(["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /etc/ssl/certs && exec /usr/bin/python3 -c "$0"', code],
                          env=dict(os.environ, PYTHONPATH=str(pathlib.Path(__file__).resolve().parents[2] / "tests/plugins")),
                          check=True, capture_output=True, text=True, timeout=20)
    assert done.stdout == ("config unknown this host has no certificate authorities (package ca-certificates); "
                           "or name them with ca_file\n")


# Names.

def test_dead_name_servers_are_unknown_within_the_deadline(network, tmp_path):
    resolv = tmp_path / "resolv.conf"
    resolv.write_text("nameserver 10.98.0.2\n")
    network.firewall("udp dport 53 drop")
    answer = isolated(call, "http", "probe", {"url": "http://web.test/"}, 0.5, network=network.near, resolver=resolv)
    network.firewall("")
    assert outcome(answer) == ("unknown", "transient", "dns")
    assert "no address for web.test: the name servers have not answered" in answer.sentence and answer.seconds < 0.5


def _with_dying_name_server(names, url):
    with Raw(says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as server:
        with Session("http", {"url": url % server.port, "resolve_every": "1s"}) as session:
            first = session.call("probe")
            names["web.test"] = None
            time.sleep(1.1)  # older than resolve_every
            begin = time.monotonic()
            later = [session.call("probe") for _ in range(3)]
            return first, later, time.monotonic() - begin


def test_known_addresses_outlive_the_name_servers(network, tmp_path):
    resolv = tmp_path / "resolv.conf"
    resolv.write_text("nameserver 127.0.0.1\n")
    with NameServer(network.near) as server:
        server.names["web.test"] = "127.0.0.1"
        first, later, took = isolated(_with_dying_name_server, server.names, "http://web.test:%d/", network=network.near,
                                      resolver=resolv)
        answer = isolated(call, "http", "probe", {"url": "http://missing.test/"}, 2.0, network=network.near, resolver=resolv)
    assert first.state == "pass" and "dns" not in first.facts and first.facts["address"] == "127.0.0.1"
    assert [one.state for one in later] == ["pass"] * 3 and took < 0.5
    assert later[0].facts["dns"] == "the name servers have not answered"
    assert outcome(answer) == ("unknown", "transient", "dns")
    assert "no address for missing.test: Name or service not known" in answer.sentence


# Settings.

@pytest.mark.parametrize("settings, key, words", [
    ({}, None, "a url (or a unix_socket) is needed"),
    ({"url": "ftp://x/"}, "url", "only http:// and https:// are spoken"),
    ({"url": "http://[::1/"}, "url", "cannot be used"),
    ({"url": "http://me:hidden@x/"}, "url", 'the url "http://********@x/" has a name or password in it, where everybody '
                                            'would see it: use username and password'),
    ({"url": "http://hidden@x/"}, "url", "use username and password"),
    ({"url": "http://me:hid/den@x/"}, "url", 'the url "http://********@x/" cannot be used'),
    ({"url": "http://x/", "expect_status": "20"}, "expect_status", '"20" is no status from 100 to 599'),
    ({"url": "http://x/", "expect_status": "299-200"}, "expect_status", "no range"),
    ({"url": "http://x/", "expect_body_regex": "a("}, "expect_body_regex", "is no regular expression"),
    ({"url": "http://x/", "header": "nonsense"}, "header", "is not of the form"),
    ({"url": "http://x/", "method": "GET /"}, "method", "is no method"),
    ({"url": "http://x/", "ca_file": "/x"}, "ca_file", "no use without https"),
    ({"url": "http://x/", "password": "/etc/hostname"}, "password", "there is no username for it")])
def test_settings_that_make_no_sense_are_refused(settings, key, words):
    found = complaints("http", settings)
    assert len(found) == 1 and found[0][0] == key and words in found[0][1] and "hid" not in found[0][1], found


def test_good_settings_raise_no_complaint():
    assert complaints("http", {"url": "https://x/", "ca_file": "/x", "expect_status": ["200-204", "401"]}) == []
    assert complaints("http", {"unix_socket": "/run/x.sock"}) == []
