"""The webhook action against a real HTTP receiver that checks signatures, fails when told to, hangs, and comes back."""
import datetime
import hashlib
import hmac
import http.server
import json
import pathlib
import ssl
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/plugins"))
import servers  # noqa: E402
from plugin import Session, call, complaints  # noqa: E402
from servers import Certificates, Raw, free_port, silent, wait_until  # noqa: E402

ABOUT = {"instance": "pg", "from_state": "backup", "to_state": "active", "reason": "active_down_expired",
         "reason_words": "the Active was not heard for 3.6 s"}


class Receiver:
    """Answers with the next of `statuses`, then 204; keeps what came."""

    def __init__(self, statuses=(), port=0, tls=None):
        self.statuses, self.requests = list(statuses), []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append((self.path, self.headers, body, time.monotonic()))
                status = receiver.statuses.pop(0) if receiver.statuses else 204
                self.send_response(status)
                if status // 100 == 3:
                    self.send_header("Location", "http://127.0.0.1:1/other")
                text = b"" if status == 204 else b"because of reasons"
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}/hook"

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def bodies(self):
        return [json.loads(body) for _, _, body, _ in self.requests]


@pytest.fixture(scope="module")
def certificates():
    with servers.directory() as directory:
        yield Certificates(directory)


def secret_file(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    return str(path)


# What is sent.

def test_enter_sends_the_event_as_json_and_is_done(tmp_path):
    with Receiver() as receiver:
        answer = call("webhook", "enter", {"url": receiver.url, "header": "X-Team: ops"}, instance="pg", reason="startup",
                      reason_words="the first start", at_ns=1700000000_123456789)
    assert answer.status == "ok" and answer.facts["attempts"] == "1" and answer.facts["status"] == "204"
    path, headers, body, _ = receiver.requests[0]
    assert path == "/hook" and headers["Content-Type"] == "application/json" and headers["X-Team"] == "ops"
    assert json.loads(body) == {"event": "enter", "instance": "pg", "host": "host1", "from": None, "to": "active",
                                "reason": "startup", "reason_words": "the first start",
                                "at": "2023-11-14T22:13:20.123456Z", "id": answer.facts["id"]}
    assert headers["Idempotency-Key"] == answer.facts["id"] and len(answer.facts["id"]) == 32


def test_notify_sends_both_states_and_leave_only_the_old_one():
    with Receiver() as receiver:
        with Session("webhook", {"url": receiver.url}, "act") as session:
            assert session.call("notify", **ABOUT).status == "ok"
            assert session.call("leave", instance="pg").status == "ok"
            wait_until(lambda: len(receiver.requests) == 2)
    by_event = {body["event"]: body for body in receiver.bodies()}
    assert (by_event["notify"]["from"], by_event["notify"]["to"]) == ("backup", "active")
    assert by_event["notify"]["reason_words"] == "the Active was not heard for 3.6 s"
    assert (by_event["leave"]["from"], by_event["leave"]["to"]) == ("active", None)


def test_text_of_any_kind_stays_json():
    with Receiver() as receiver:
        call("webhook", "enter", {"url": receiver.url}, instance='a"b\\c\n', reason_words="Zürich \x01 " + "x" * 3000)
    assert receiver.bodies()[0]["instance"] == 'a"b\\c\n'
    assert receiver.bodies()[0]["reason_words"].startswith("Zürich \x01 xxx")
    assert len(receiver.bodies()[0]["reason_words"]) < 1025


def test_signature_covers_timestamp_and_body(tmp_path):
    secret = secret_file(tmp_path, "secret", "geheim\n")
    with Receiver() as receiver:
        call("webhook", "enter", {"url": receiver.url, "secret": secret}, instance="pg")
    _, headers, body, _ = receiver.requests[0]
    stamp = headers["X-Baton-Timestamp"]
    assert abs(int(stamp) - time.time()) < 5
    expected = hmac.new(b"geheim", stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["X-Baton-Signature"] == f"sha256={expected}"


def test_each_of_two_secrets_signs_and_none_means_no_signature(tmp_path):
    old, new = secret_file(tmp_path, "old", "one"), secret_file(tmp_path, "new", "two")
    with Receiver() as receiver:
        call("webhook", "enter", {"url": receiver.url, "secret": [old, new]})
        call("webhook", "enter", {"url": receiver.url})
    _, headers, body, _ = receiver.requests[0]
    text = headers["X-Baton-Timestamp"].encode() + b"." + body
    assert headers["X-Baton-Signature"].split(",") == [
        "sha256=" + hmac.new(key, text, hashlib.sha256).hexdigest() for key in (b"one", b"two")]
    assert receiver.requests[1][1]["X-Baton-Signature"] is None


def test_empty_secret_is_refused(tmp_path):
    answer = call("webhook", "enter", {"url": "http://127.0.0.1:1/", "secret": secret_file(tmp_path, "none", "")})
    assert answer.status == "config" and "a file of `secret` is empty" in answer.sentence


def test_same_event_has_the_same_id_and_another_another():
    with Receiver() as receiver:
        for about in ({"at_ns": 5}, {"at_ns": 5}, {"at_ns": 6}, {"at_ns": 5, "instance": "other"}):
            call("webhook", "enter", {"url": receiver.url}, **{"instance": "pg", **about})
        call("webhook", "leave", {"url": receiver.url}, instance="pg", at_ns=5)
    ids = [body["id"] for body in receiver.bodies()]
    assert ids[0] == ids[1] and len(set(ids)) == 4


# Enter and leave: typed results.

def test_enter_tries_again_until_it_is_taken():
    with Receiver([503, 500, 429]) as receiver:
        answer = call("webhook", "enter", {"url": receiver.url}, timeout=5.0, instance="pg")
    assert answer.status == "ok" and answer.facts["attempts"] == "4"
    assert answer.sentence == f"told {receiver.url} of enter after 4 attempts"
    assert len({headers["Idempotency-Key"] for _, headers, _, _ in receiver.requests}) == 1


def test_enter_ends_at_the_deadline_when_nobody_listens():
    port = free_port()
    answer = call("webhook", "enter", {"url": f"http://127.0.0.1:{port}/"}, timeout=1.0)
    assert (answer.status, answer.facts["cause"]) == ("transient", "refused") and answer.seconds < 1.0
    assert answer.sentence == (f"not delivered after 3 attempts: 127.0.0.1:{port} refused the connection: nobody listens "
                               "there")


def test_enter_ends_at_the_deadline_when_nobody_answers():
    with Raw(silent) as server:
        answer = call("webhook", "enter", {"url": f"http://127.0.0.1:{server.port}/"}, timeout=0.6)
    assert (answer.status, answer.facts["cause"]) == ("transient", "timeout") and answer.seconds < 0.6
    assert "accepted the connection but has not answered within" in answer.sentence


def test_request_timeout_makes_room_for_another_attempt():
    treated = []

    def first_hangs(connection):
        treated.append(connection)
        connection.recv(4096)
        if len(treated) == 1:
            silent(connection)
        else:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    with Raw(first_hangs) as server:
        answer = call("webhook", "leave", {"url": f"http://127.0.0.1:{server.port}/", "request_timeout": "200ms"}, timeout=3.0)
    assert answer.status == "ok" and answer.facts["attempts"] == "2"


@pytest.mark.parametrize("status, expected, cause", [
    (400, "refused", "status"), (422, "refused", "status"), (401, "config", "auth"), (403, "config", "auth"),
    (404, "config", "status"), (302, "config", "redirect")])
def test_answers_that_another_attempt_does_not_mend_end_at_once(status, expected, cause):
    with Receiver([status]) as receiver:
        answer = call("webhook", "enter", {"url": receiver.url}, timeout=5.0)
        assert len(receiver.requests) == 1
    assert (answer.status, answer.facts["cause"], answer.facts["status"]) == (expected, cause, str(status))
    assert f"not delivered after 1 attempt: {receiver.url} answered {status}" in answer.sentence
    if cause == "redirect":
        assert "it redirects to http://127.0.0.1:1/other, which is not followed" in answer.sentence


def test_tls_with_client_certificate_and_a_bad_server_certificate(certificates):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates["good.crt"], certificates["good.key"])
    context.load_verify_locations(certificates["ca.crt"])
    context.verify_mode = ssl.CERT_REQUIRED
    with Receiver(tls=context) as receiver:
        answer = call("webhook", "enter", {"url": receiver.url, "ca_file": certificates["ca.crt"],
                                           "client_certificate": certificates["client.crt"],
                                           "client_key": certificates["client.key"]}, timeout=3.0)
        assert answer.status == "ok", answer.sentence
        answer = call("webhook", "enter", {"url": receiver.url}, timeout=3.0)
    assert (answer.status, answer.facts["cause"]) == ("config", "tls")
    assert "is not trusted (ca_file)" in answer.sentence


# Notices: the queue.

def test_notify_returns_at_once_though_the_receiver_hangs():
    with Raw(silent) as server:
        with Session("webhook", {"url": f"http://127.0.0.1:{server.port}/", "close_wait": "100ms"}, "act") as session:
            answers = [session.call("notify", **ABOUT, at_ns=i) for i in range(5)]
            begin = time.monotonic()
            session.pipe.send(None)
            assert session.pipe.poll(2.5) and session.pipe.recv() == "closed"
            assert time.monotonic() - begin < 2.0  # 100 ms, and libcurl looks once a second
    assert [answer.status for answer in answers] == ["ok"] * 5
    assert all(answer.seconds < 0.2 for answer in answers), [answer.seconds for answer in answers]
    assert answers[4].facts["waiting"] == "5"
    assert answers[4].sentence.startswith(f"queued for http://127.0.0.1:{server.port}/ (5 waiting)")


def test_notices_are_tried_again_with_growing_pauses_and_arrive_in_order():
    with Receiver([503, 503, 503]) as receiver:
        settings = {"url": receiver.url, "retry_first": "100ms", "retry_most": "250ms"}
        with Session("webhook", settings, "act") as session:
            for i in range(3):
                session.call("notify", **ABOUT, at_ns=i * 1000)
            wait_until(lambda: len(receiver.requests) == 6)
    ids = [body["at"][-7:] for body in receiver.bodies()]
    assert ids == ["000000Z"] * 4 + ["000001Z", "000002Z"]
    times = [at for _, _, _, at in receiver.requests]
    pauses = [later - earlier for earlier, later in zip(times, times[1:])]
    assert 0.09 < pauses[0] < 0.19 and 0.19 < pauses[1] < 0.3 and 0.24 < pauses[2] < 0.4 and pauses[3] < 0.1
    stamps = [headers["X-Baton-Timestamp"] for _, headers, _, _ in receiver.requests]
    assert stamps == sorted(stamps)


def test_receiver_that_comes_back_gets_what_waited():
    port = free_port()
    settings = {"url": f"http://127.0.0.1:{port}/", "retry_first": "100ms", "retry_most": "100ms"}
    with Session("webhook", settings, "act") as session:
        session.call("notify", **ABOUT, at_ns=0)
        time.sleep(0.3)
        answer = session.call("notify", **ABOUT, at_ns=1000)
        assert answer.facts["waiting"] == "2"
        assert f"a notice has to wait: 127.0.0.1:{port} refused the connection" in answer.sentence
        assert any("a notice has to wait" in message for _, message in answer.log)
        with Receiver(port=port) as receiver:
            wait_until(lambda: len(receiver.requests) == 2)
    assert [body["at"][-7:] for body in receiver.bodies()] == ["000000Z", "000001Z"]


def test_full_queue_drops_the_oldest_and_says_how_many():
    port = free_port()
    settings = {"url": f"http://127.0.0.1:{port}/", "queue_limit": "3", "retry_first": "500ms", "retry_most": "500ms"}
    with Session("webhook", settings, "act") as session:
        answers = [session.call("notify", **ABOUT, at_ns=i * 1000) for i in range(5)]
        dropped = sum(int(answer.facts["dropped"]) for answer in answers)
        assert answers[4].facts["waiting"] in ("3", "4")  # one may be in flight
        assert dropped >= 1
        told = [answer for answer in answers if answer.facts["dropped"] == "1"]
        assert all("dropped the oldest 1, the queue is full (queue_limit)" in answer.sentence for answer in told)
        with Receiver(port=port) as receiver:
            wait_until(lambda: len(receiver.requests) >= 3)
            wait_until(lambda: receiver.bodies()[-1]["at"].endswith("000004Z"))
    got = [body["at"][-7:] for body in receiver.bodies()]
    assert got == ["000002Z", "000003Z", "000004Z"]


def test_the_same_notice_does_not_wait_twice():
    port = free_port()
    with Session("webhook", {"url": f"http://127.0.0.1:{port}/"}, "act") as session:
        session.call("notify", **ABOUT, at_ns=7)
        answer = session.call("notify", **ABOUT, at_ns=7)
    assert answer.facts["waiting"] == "1"


def test_notice_is_given_up_after_retry_for_and_refused_ones_at_once():
    with Receiver([400, 503, 503, 503, 503, 503]) as receiver:
        settings = {"url": receiver.url, "retry_for": "1s", "retry_first": "400ms", "retry_most": "400ms"}
        with Session("webhook", settings, "act") as session:
            session.call("notify", **ABOUT, at_ns=0)
            wait_until(lambda: len(receiver.requests) == 1)
            session.call("notify", **ABOUT, at_ns=1)
            wait_until(lambda: len(receiver.requests) == 4)
            time.sleep(0.2)  # past the last possible attempt's answer
            answer = session.call("notify", **ABOUT, at_ns=2)
    messages = [message for _, message in answer.log]
    assert any("a notice was given up after 3 attempts" in message and "answered 503" in message for message in messages)
    assert answer.facts["waiting"] == "1"


def test_close_delivers_what_waits():
    with Receiver([503]) as receiver:
        settings = {"url": receiver.url, "retry_first": "60s", "retry_most": "60s", "close_wait": "2s"}
        with Session("webhook", settings, "act") as session:
            session.call("notify", **ABOUT, at_ns=0)
            wait_until(lambda: len(receiver.requests) == 1)
            session.call("notify", **ABOUT, at_ns=1000)
        assert [body["at"][-7:] for body in receiver.bodies()] == ["000000Z", "000000Z", "000001Z"]


# Settings.

@pytest.mark.parametrize("settings, key, words", [
    ({"url": "ftp://x/"}, "url", "only http:// and https:// are spoken"),
    ({"url": "https://me:hidden@x/"}, "url", 'the url "https://********@x/" has a name or password in it, where everybody '
                                             'would see it: use bearer_token'),
    ({"url": "http://x/", "ca_file": "/x"}, "ca_file", "no use without https"),
    ({"url": "http://x/", "header": "nonsense"}, "header", "is not of the form"),
    ({"url": "http://x/", "retry_first": "2m"}, "retry_first", "is longer than retry_most")])
def test_settings_that_make_no_sense_are_refused(settings, key, words):
    found = complaints("webhook", settings)
    assert len(found) == 1 and found[0][0] == key and words in found[0][1], found


def test_good_settings_raise_no_complaint():
    assert complaints("webhook", {"url": "https://x/", "ca_file": "/x", "header": "X-A: b"}) == []
