"""Metrics as a monitoring system reads them: the text, a Prometheus of its own, and the shipped dashboard's queries."""
import http.server
import json
import os
import re
import signal
import subprocess
import threading
import urllib.parse
import urllib.request

from lib import proc
from lib.daemons import ROOT

DASHBOARD = os.path.join(ROOT, "packaging", "grafana", "baton.json")
RULES = os.path.join(ROOT, "packaging", "prometheus", "baton.rules.yml")
PROMETHEUS_PORT = 9090

# What a host says that has a database, alarms and trouble: the families of which a healthy pair without one says nothing.
# COUNT stands for a number that grows with each scrape.
SAMPLE = """\
baton_up 1
baton_virtual_router_info{instance="pg",interface="eth0",vrid="52",af="ipv4",version="3",address="10.0.0.52/24"} 1
baton_instance_state{instance="pg",interface="eth0",vrid="52",af="ipv4",state="backup"} 0
baton_instance_state{instance="pg",interface="eth0",vrid="52",af="ipv4",state="active"} 1
baton_alarm{instance="",alarm="peer_lost"} 1
baton_instance_ineligible{instance="pg",reason="check_failed"} 1
baton_db_role{instance="pg",role="primary"} 1
baton_db_role{instance="pg",role="replica"} 0
baton_data_role{instance="pg",role="active"} 1
baton_db_lag_seconds{instance="pg"} 1.5
baton_db_lag_bytes{instance="pg"} 4096
baton_data_generation{instance="pg"} 12
baton_grant_expires_timestamp_seconds{instance="pg"} 1795230009
baton_promotion_total{instance="pg",result="ok"} COUNT
baton_transitions_total{instance="pg",from="backup",to="active",reason="preempt_lower"} COUNT
baton_check_timeouts_total{check="pg"} COUNT
baton_plugin_restarts_total{plugin="pg",kind="probe"} COUNT
baton_failover_duration_seconds_sum{phase="promote"} COUNT
baton_failover_duration_seconds_count{phase="promote"} COUNT
"""


def samples(text):
    """{"name{labels}": value} of either format."""
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            assert name not in found, "twice: " + name
            found[name] = float(value)
    return found


def panels():
    with open(DASHBOARD, encoding="utf-8") as file:
        document = json.load(file)
    return document, [panel for panel in document["panels"] if panel["type"] != "row"]


def filled_in(query):
    """As Grafana asks it when everything is chosen."""
    for name in ("job", "host", "baton_instance"):
        query = re.sub(r"\$%s\b" % name, ".*", query)
    query = query.replace("$__rate_interval", "5s")
    assert "$" not in query, query
    return query


def dashboard_queries():
    """(panel's title, query as it is asked) of every panel and annotation."""
    document, all_panels = panels()
    found = [(panel["title"], filled_in(target["expr"])) for panel in all_panels for target in panel["targets"]]
    return found + [("annotation", filled_in(each["expr"]).replace(" > 0", " >= 0")) for each in document["annotations"]["list"]]


def dashboard_variables():
    document, _ = panels()
    return [(each["name"], filled_in(each["query"]["query"])) for each in document["templating"]["list"] if each["type"] == "query"]


class SampleHost:
    """Serves SAMPLE on the host of `baton`, as another Baton would."""

    def __init__(self, baton):
        with proc.in_namespace(baton.lab.namespace(baton.host)):
            self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.port = self.server.server_address[1]
        self.scrapes = 0
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def handler(self):
        host = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                host.scrapes += 1
                body = SAMPLE.replace("COUNT", str(host.scrapes)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *unused):
                pass

        return Handler

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join(5)
        self.server.server_close()


class Prometheus:
    """A Prometheus in the network namespace of `baton`'s host, which scrapes each second. targets: {job: port}."""

    def __init__(self, baton, directory, targets):
        self.namespace, self.directory = baton.lab.namespace(baton.host), str(directory)
        lines = ["global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}", "rule_files: [%s]" % json.dumps(RULES), "scrape_configs:"]
        for job, port in targets.items():
            lines += ["  - job_name: " + job, "    static_configs: [{targets: ['127.0.0.1:%d']}]" % port]
        with open(os.path.join(self.directory, "prometheus.yml"), "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")

    def __enter__(self):
        self.log = open(os.path.join(self.directory, "prometheus.log"), "wb")
        self.process = proc.start_in(self.namespace, ["prometheus", "--config.file=" + os.path.join(self.directory, "prometheus.yml"),
                                                      "--storage.tsdb.path=" + os.path.join(self.directory, "data"),
                                                      "--web.listen-address=127.0.0.1:%d" % PROMETHEUS_PORT], stdout=self.log, stderr=subprocess.STDOUT)
        return self

    def __exit__(self, *_):
        proc.stop_process(self.process, signal.SIGTERM, 10)
        self.log.close()

    def get(self, path, parameters=None):
        with proc.in_namespace(self.namespace):
            address = "http://127.0.0.1:%d/api/v1/%s?%s" % (PROMETHEUS_PORT, path, urllib.parse.urlencode(parameters or {}))
            with urllib.request.urlopen(address, timeout=10) as answer:
                document = json.load(answer)
        assert document["status"] == "success", document
        return document["data"]

    def query(self, query):
        """The result's series; [] if there are none. A query that is none raises."""
        return self.get("query", {"query": query})["result"]

    def wait_for(self, query, deadline=30):
        def found():
            try:
                return self.query(query)
            except OSError:  # not up yet
                assert self.process.poll() is None, "prometheus ended"
                return []
        return proc.wait_until(found, deadline, query, every=0.2)
