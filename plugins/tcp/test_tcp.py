"""The tcp check against nginx with TLS, servers that misbehave, and networks that lose packets."""
import os
import pathlib
import pwd
import socket
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/plugins"))
import servers  # noqa: E402
from plugin import Session, call, complaints  # noqa: E402
from servers import Certificates, NameServer, Network, Nginx, Raw, closes, free_port, isolated, resets, says, silent  # noqa: E402


class Site:
    """nginx with TLS: a good and some bad certificates, client certificates required, old TLS only."""

    def __init__(self, directory):
        self.d = directory
        self.certificates = Certificates(directory)
        self.ca = self.certificates["ca.crt"]
        self.plain = free_port()
        self.tls = {name: free_port() for name in ("good", "soon", "expired", "future", "wrong", "untrusted", "selfsigned")}
        self.mutual, self.old = free_port(), free_port()
        blocks = f'server {{ listen 127.0.0.1:{self.plain}; return 200 "hello"; }}\n'
        for name, port in self.tls.items():
            blocks += self.block(name, port, "ssl_protocols TLSv1.2 TLSv1.3;")
        blocks += self.block("good", self.mutual, f"ssl_client_certificate {self.ca}; ssl_verify_client on;")
        blocks += self.block("good", self.old, "ssl_protocols TLSv1 TLSv1.1; ssl_ciphers ALL:@SECLEVEL=0;")
        self.nginx = Nginx(directory, blocks)

    def block(self, name, port, more):
        c = self.certificates
        return (f"server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {c[name + '.crt']}; "
                f"ssl_certificate_key {c[name + '.key']}; {more} return 200 \"hello\"; }}\n")


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


def probe(port=None, timeout=2.0, **settings):
    if port:
        settings = {"host": "127.0.0.1", "port": port, **settings}
    return call("tcp", "probe", settings, timeout=timeout)


def outcome(answer):
    return answer.state, answer.status, answer.facts.get("cause")


HELLO = says(b"220 mail.test ESMTP\r\n\x00\xffbinary")


# Answers.

def test_connection_is_enough_without_expectations():
    with Raw(silent) as server:
        answer = probe(server.port)
    assert outcome(answer) == ("pass", "ok", None)
    assert answer.sentence.startswith(f"127.0.0.1:{server.port} takes connections in ")
    assert answer.facts["address"] == "127.0.0.1" and int(answer.facts["connect_ms"]) < 500


def greets(connection):
    connection.sendall(b"220 mail.test ESMTP\r\n")
    silent(connection)


def test_greeting_without_sending_anything():
    with Raw(greets) as server:
        answer = probe(server.port, expect="220 ")
    assert answer.state == "pass" and answer.facts["received"] == "21"
    assert f"127.0.0.1:{server.port} answers as expected in " in answer.sentence


def test_send_and_expect_with_escapes():
    got = []

    def echo(connection):
        got.append(connection.recv(100))
        connection.sendall(b"+PONG\r\n\x00\xff")
        silent(connection)
    with Raw(echo) as server:
        answer = probe(server.port, send=r"PING\r\n\t\0\x7f\\", expect=[r"+PONG\r\n", r"\x00\xff"])
    assert answer.state == "pass", answer.sentence
    assert got == [b"PING\r\n\t\0\x7f\\"]


def test_regular_expression_over_what_comes_in_pieces():
    def pieces(connection):
        for piece in (b"rol", b"e:mas", b"ter\r\nconnected_slaves:2\r\n"):
            connection.sendall(piece)
            time.sleep(0.02)
        silent(connection)
    with Raw(pieces) as server:
        assert probe(server.port, expect_regex="^connected_slaves:[1-9]").state == "pass"


def test_closed_without_the_expected_text_is_a_mismatch_that_quotes():
    with Raw(HELLO) as server:
        answer = probe(server.port, send="x", expect="250 ")
    assert outcome(answer) == ("fail", "ok", "mismatch")
    assert answer.sentence == (f'127.0.0.1:{server.port} closed the connection without "250 " (it sent "220 mail.test ESMTP '
                               '??binary")')
    with Raw(HELLO) as server:
        answer = probe(server.port, send="x", expect_regex="^250")
    assert 'closed the connection without a match of "^250"' in answer.sentence


def test_open_connection_without_the_expected_text_ends_at_the_deadline():
    with Raw(greets) as server:
        answer = probe(server.port, timeout=0.5, expect="250 ")
    assert outcome(answer) == ("fail", "transient", "timeout") and answer.seconds < 0.5
    assert f'127.0.0.1:{server.port} has not sent "250 " within 4' in answer.sentence
    assert answer.sentence.endswith('(it sent "220 mail.test ESMTP")')


def test_endless_answer_ends_at_the_limit():
    def endless(connection):
        while True:
            connection.sendall(b"a" * 1000)
    with Raw(endless) as server:
        answer = probe(server.port, expect="b", max_answer=5000)
    assert outcome(answer) == ("fail", "ok", "mismatch") and answer.facts["received"] == "5000"
    assert 'sent 5000 bytes (max_answer) without "b"' in answer.sentence


# Connections that fail.

def test_refused():
    port = free_port()
    answer = probe(port)
    assert outcome(answer) == ("fail", "ok", "refused")
    assert answer.sentence == f"127.0.0.1:{port} refused the connection: nobody listens there"


def test_accepted_and_never_answered_keeps_the_deadline():
    with Raw(silent) as server:
        answer = probe(server.port, timeout=0.5, send="x", expect="y")
    assert outcome(answer) == ("fail", "transient", "timeout") and 0.4 < answer.seconds < 0.5
    assert f"127.0.0.1:{server.port} accepted the connection but has not answered within 4" in answer.sentence


def test_peer_that_reads_nothing_keeps_the_deadline():
    import threading
    hold = threading.Event()
    with Raw(lambda connection: hold.wait(5)) as server:
        server.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        answer = probe(server.port, timeout=0.5, send="x" * 16_000_000)
        hold.set()
    assert outcome(answer) == ("fail", "transient", "timeout") and answer.seconds < 0.9
    assert "does not take what is sent" in answer.sentence


def test_reset_and_early_close():
    with Raw(resets) as server:
        answer = probe(server.port, send="x", expect="y")
    assert outcome(answer) == ("fail", "ok", "reset")
    assert answer.sentence == f"127.0.0.1:{server.port} reset the connection before it answered"
    with Raw(closes) as server:
        answer = probe(server.port, send="x", expect="y")
    assert outcome(answer) == ("fail", "ok", "closed")
    assert answer.sentence == f"127.0.0.1:{server.port} closed the connection before it answered"


def test_full_backlog_is_a_connection_timeout():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        held = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(address)
            held.append(one)
        answer = probe(address[1], timeout=0.5)
        for one in held:
            one.close()
    assert outcome(answer) == ("fail", "transient", "connect_timeout") and answer.seconds < 0.5
    assert "has not answered the connection attempt within 4" in answer.sentence


def test_dropped_and_rejected_packets(network):
    settings = {"host": "10.98.0.2", "port": 8080}
    network.firewall("tcp dport 8080 drop")
    answer = isolated(call, "tcp", "probe", settings, 0.5, network=network.near)
    assert outcome(answer) == ("fail", "transient", "connect_timeout") and answer.seconds < 0.5
    network.firewall("tcp dport 8080 reject with icmpx type admin-prohibited")
    answer = isolated(call, "tcp", "probe", settings, 2.0, network=network.near)
    assert outcome(answer) == ("fail", "ok", "unreachable")
    assert answer.sentence == "10.98.0.2:8080 cannot be reached: No route to host"
    network.firewall("")
    answer = isolated(call, "tcp", "probe", {"host": "192.0.2.1", "port": 80}, 2.0, network=network.near)
    assert outcome(answer) == ("fail", "ok", "unreachable")
    assert answer.sentence == "192.0.2.1:80 cannot be reached: Network is unreachable"


def test_connection_that_is_cut_in_mid_stream_ends_at_the_deadline(network):
    def half(connection):
        connection.recv(100)
        connection.sendall(b"first ")
        network.firewall("tcp sport 8080 counter drop", network.near)
        connection.sendall(b"second")
        silent(connection)
    with network.serve(half):
        answer = isolated(call, "tcp", "probe", {"host": "10.98.0.2", "port": 8080, "send": "x", "expect": "second"}, 1.0,
                          network=network.near)
    assert network.counted(network.near) > 0
    network.firewall("", network.near)
    assert outcome(answer) == ("fail", "transient", "timeout") and answer.seconds < 1.0
    assert '10.98.0.2:8080 has not sent "second" within 9' in answer.sentence
    assert answer.sentence.endswith('(it sent "first")')


def tells_peer(connection):
    connection.sendall(connection.getpeername()[0].encode() + b"\n")
    silent(connection)


def test_source_address(network):
    servers.run("ip", "-n", network.near, "address", "replace", "10.98.0.77/24", "dev", "v0")
    settings = {"host": "10.98.0.2", "port": 8080, "expect_regex": "^10\\.98\\.0\\.77$"}
    with network.serve(tells_peer):
        assert isolated(call, "tcp", "probe", settings, 0.5, network=network.near).facts["cause"] == "timeout"
        answer = isolated(call, "tcp", "probe", {**settings, "source_address": "10.98.0.77"}, 1.0, network=network.near)
        assert answer.state == "pass", answer.sentence
        answer = isolated(call, "tcp", "probe", {**settings, "source_address": "10.98.0.78"}, 1.0, network=network.near)
    assert outcome(answer) == ("unknown", "config", "local")
    assert answer.sentence == "source_address 10.98.0.78 cannot be used: this host does not have it"
    answer = isolated(call, "tcp", "probe", {**settings, "source_address": "fd98::1"}, 1.0, network=network.near)
    assert "has no address of the family of source_address fd98::1" in answer.sentence


def test_ipv6(network):
    with network.serve(greets, "fd98::2"):
        answer = isolated(call, "tcp", "probe", {"host": "fd98::2", "port": 8080, "expect": "220"}, 1.0, network=network.near)
    assert answer.state == "pass" and answer.sentence.startswith("[fd98::2]:8080 answers as expected")


def test_unix_socket(tmp_path):
    os.chmod(tmp_path, 0o755)
    path = str(tmp_path / "s")
    with Raw(greets, path=path):
        assert probe(unix_socket=path, expect="220").state == "pass"
    assert outcome(probe(unix_socket=path)) == ("fail", "ok", "refused")
    answer = probe(unix_socket=path + "x")
    assert outcome(answer) == ("fail", "ok", "missing")
    assert answer.sentence == f"there is no socket {path}x: its program does not run"


def test_unix_socket_without_the_right_is_unknown():
    with servers.directory() as directory:
        path = f"{directory}/s"
        with Raw(greets, path=path):
            os.chmod(path, 0o600)
            with Session("tcp", {"unix_socket": path}, user=pwd.getpwnam("nobody")) as session:
                answer = session.call("probe")
    assert outcome(answer) == ("unknown", "config", "local")
    assert "Permission denied (the plugin's user needs the right to write to the socket)" in answer.sentence


def test_each_probe_has_a_new_connection_and_leaves_no_descriptor():
    with Raw(greets) as server:
        with Session("tcp", {"host": "127.0.0.1", "port": server.port}) as session:
            session.call("probe")
            before = len(os.listdir(f"/proc/{session.process.pid}/fd"))
            assert [session.call("probe").state for _ in range(5)] == ["pass"] * 5
            assert len(os.listdir(f"/proc/{session.process.pid}/fd")) == before
        servers.wait_until(lambda: len(server.connections) == 6)


# TLS.

def test_tls_with_request_and_answer(site):
    answer = probe(site.tls["good"], tls="yes", ca_file=site.ca, send=r"GET / HTTP/1.0\r\n\r\n", expect="hello")
    assert (answer.state, answer.warning) == ("pass", False), answer.sentence
    assert answer.facts["tls"] == "TLSv1.3" and answer.facts["certificate_days"] in ("364", "365")


def test_handshake_is_enough_without_expectations(site):
    answer = probe(site.tls["good"], tls="yes", ca_file=site.ca)
    assert answer.state == "pass" and " speaks TLS in " in answer.sentence and "(TLSv1.3)" in answer.sentence


def test_certificate_that_ends_soon_passes_with_a_warning(site):
    answer = probe(site.tls["soon"], tls="yes", ca_file=site.ca)
    assert (answer.state, answer.warning) == ("pass", True)
    assert answer.facts["certificate_days"] in ("4", "5")  # five days less the seconds since it was made
    assert 'the certificate of "web.test" expires on 20' in answer.sentence


@pytest.mark.parametrize("name, error, words", [
    ("expired", "expired", 'the certificate of "web.test" expired on 2020-12-31'),
    ("future", "not_yet_valid", 'the certificate of "web.test" is not valid yet'),
    ("selfsigned", "self_signed", 'the certificate of "web.test" is self-signed and not in ca_file'),
    ("untrusted", "untrusted", 'the certificate of "web.test" is not from a trusted issuer (ca_file)'),
    ("wrong", "wrong_name", "its certificate is for other.test, www.other.test, not for 127.0.0.1 (server_name)")])
def test_bad_certificates_fail_with_their_reason(site, name, error, words):
    answer = probe(site.tls[name], tls="yes", ca_file=site.ca)
    assert outcome(answer) == ("fail", "ok", "tls") and answer.facts["tls_error"] == error
    assert answer.sentence.startswith(f"TLS with 127.0.0.1:{site.tls[name]} failed: {words}")


def test_server_name_decides_which_certificate_is_right(site):
    assert probe(site.tls["wrong"], tls="yes", ca_file=site.ca, server_name="other.test").state == "pass"
    answer = probe(site.tls["good"], tls="yes", ca_file=site.ca, server_name="third.test")
    assert answer.facts["tls_error"] == "wrong_name"


def test_unverified_certificate_passes_only_when_written_out_and_says_so(site):
    answer = probe(site.tls["selfsigned"], tls="yes", verify="no")
    assert (answer.state, answer.facts["verify"]) == ("pass", "no") and "not verified (verify = no)" in answer.sentence
    assert probe(site.tls["selfsigned"], tls="yes").state == "fail"


def test_old_tls_plain_port_and_stalled_handshake(site):
    answer = probe(site.old, tls="yes", ca_file=site.ca)
    assert outcome(answer) == ("fail", "ok", "tls") and answer.facts["tls_error"] == "old_version"
    answer = probe(site.plain, tls="yes", ca_file=site.ca)
    assert outcome(answer) == ("fail", "ok", "tls") and answer.facts["tls_error"] == "not_tls"
    with Raw(silent) as server:
        answer = probe(server.port, timeout=0.5, tls="yes", ca_file=site.ca)
    assert outcome(answer) == ("fail", "transient", "tls") and answer.facts["tls_error"] == "stalled"
    assert "did not finish the handshake within 4" in answer.sentence and answer.seconds < 0.5
    with Raw(resets) as server:
        answer = probe(server.port, tls="yes", ca_file=site.ca)
    assert outcome(answer) == ("fail", "ok", "reset") and answer.sentence.endswith("during the TLS handshake")
    with Raw(closes) as server:
        answer = probe(server.port, tls="yes", ca_file=site.ca)
    assert answer.facts["tls_error"] == "closed"


def test_client_certificate(site):
    c = site.certificates
    request = {"tls": "yes", "ca_file": site.ca, "send": r"GET / HTTP/1.0\r\n\r\n", "expect": "hello"}
    answer = probe(site.mutual, **request)
    assert outcome(answer) == ("fail", "ok", "mismatch") and "400 Bad Request" in answer.sentence
    answer = probe(site.mutual, client_certificate=c["client.crt"], client_key=c["client.key"], **request)
    assert answer.state == "pass", answer.sentence


def test_server_that_insists_on_a_client_certificate_says_so_in_the_handshake(site):
    import ssl
    c = site.certificates
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(c["good.crt"], c["good.key"])
    context.load_verify_locations(site.ca)
    context.verify_mode = ssl.CERT_REQUIRED

    def serve(connection):
        context.wrap_socket(connection, server_side=True).sendall(b"hello")
    with Raw(serve) as server:
        answer = probe(server.port, tls="yes", ca_file=site.ca, expect="hello")
    assert outcome(answer) == ("fail", "ok", "tls") and answer.facts["tls_error"] == "client_certificate"
    assert "it asks for a client certificate" in answer.sentence


def test_what_only_this_host_can_mend_is_unknown(site):
    c = site.certificates
    port = site.tls["good"]
    answer = probe(port, tls="yes", ca_file=f"{site.d}/none")
    assert outcome(answer) == ("unknown", "config", "local")
    assert answer.sentence == f"ca_file {site.d}/none: No such file or directory"
    answer = probe(port, tls="yes", ca_file=c["good.key"])
    assert answer.sentence == f"ca_file {c['good.key']} has no usable certificate" and answer.status == "config"
    answer = probe(port, tls="yes", ca_file=site.ca, client_certificate=c["client.crt"], client_key=c["good.key"])
    assert outcome(answer) == ("unknown", "config", "local")
    assert answer.sentence == "client_key cannot be used: it is not the key of client_certificate"


# Names.

def test_dead_name_servers_are_unknown_within_the_deadline(network, tmp_path):
    resolv = tmp_path / "resolv.conf"
    resolv.write_text("nameserver 10.98.0.2\n")
    network.firewall("udp dport 53 drop")
    answer = isolated(call, "tcp", "probe", {"host": "db.test", "port": 5432}, 0.5, network=network.near, resolver=resolv)
    network.firewall("")
    assert outcome(answer) == ("unknown", "transient", "dns") and answer.seconds < 0.5
    assert answer.sentence == "no address for db.test: the name servers have not answered"


def test_name_is_resolved_and_shown_with_its_address(network, tmp_path):
    resolv = tmp_path / "resolv.conf"
    resolv.write_text("nameserver 127.0.0.1\n")
    with NameServer(network.near) as names, network.serve(greets):
        names.names["db.test"] = "10.98.0.2"
        answer = isolated(call, "tcp", "probe", {"host": "db.test", "port": 8080}, 1.0, network=network.near, resolver=resolv)
    assert answer.state == "pass" and answer.sentence.startswith("db.test:8080 (10.98.0.2) takes connections")


# Settings.

@pytest.mark.parametrize("settings, key, words", [
    ({"port": 1}, None, "a host (or a unix_socket) is needed"), ({"host": "x"}, None, "a port is needed"),
    ({"unix_socket": "/s", "port": 1}, "port", "no use with unix_socket"),
    ({"host": "x", "port": 1, "send": "\\q"}, "send", "after a backslash comes"),
    ({"host": "x", "port": 1, "expect": "\\x4"}, "expect", "after a backslash comes"),
    ({"host": "x", "port": 1, "expect_regex": "("}, "expect_regex", "is no regular expression"),
    ({"host": "x", "port": 1, "ca_file": "/x"}, "ca_file", "of no use without `tls = yes`"),
    ({"unix_socket": "/s", "tls": "yes"}, "server_name", "needs the name")])
def test_settings_that_make_no_sense_are_refused(settings, key, words):
    found = complaints("tcp", settings)
    assert len(found) == 1 and found[0][0] == key and words in found[0][1], found


def test_good_settings_raise_no_complaint():
    assert complaints("tcp", {"host": "x", "port": 1, "tls": "yes", "send": r"\x00\r\n", "expect": "ok"}) == []
