"""Real etcd 3.4: a cluster of one or more members on loopback or in network namespaces, each a process that can be frozen, killed
and started again, with authentication and TLS if wanted. Ends with its `with` block.

    with EtcdCluster(directory, members=3) as etcd:
        settings = {"endpoint": etcd.endpoints}
        etcd.members[0].freeze()
"""
import base64
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
import urllib.request

import servers

ENVIRONMENT = {"PATH": os.environ["PATH"], "ETCDCTL_API": "3", "ETCD_UNSUPPORTED_ARCH": os.uname().machine}


class EtcdMember:
    """One etcd. `tls` names files of the client's side: {"cert": ..., "key": ..., "ca": ...}; with "ca" clients need a certificate."""

    def __init__(self, name, directory, address="127.0.0.1", namespace=None, client_port=None, peer_port=None, tls=None):
        self.name, self.directory, self.namespace, self.tls = name, pathlib.Path(directory) / name, namespace, tls
        self.client_port = client_port or servers.free_port()
        self.peer_port = peer_port or servers.free_port()
        self.endpoint = f"{'https' if tls else 'http'}://{address}:{self.client_port}"
        self.peer = f"http://{address}:{self.peer_port}"
        self.process = None
        self.log = self.directory.with_suffix(".log")

    def start(self, cluster, token="baton-test"):
        self.directory.mkdir(parents=True, exist_ok=True)
        enter = ["ip", "netns", "exec", self.namespace] if self.namespace else []
        command = enter + ["etcd", "--name", self.name, "--data-dir", str(self.directory), "--listen-client-urls", self.endpoint,
                           "--advertise-client-urls", self.endpoint, "--listen-peer-urls", self.peer,
                           "--initial-advertise-peer-urls", self.peer, "--initial-cluster", cluster,
                           "--initial-cluster-token", token]
        if self.tls:
            command += ["--cert-file", self.tls["cert"], "--key-file", self.tls["key"]]
            if "ca" in self.tls:
                command += ["--client-cert-auth", "--trusted-ca-file", self.tls["ca"]]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=ENVIRONMENT)

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)


class EtcdCluster:
    """`places`: one {"address": ..., "namespace": ...} a member, for hosts in network namespaces."""

    def __init__(self, directory, members=1, tls=None, client=None, places=None, token="baton-test"):
        places = places or [{} for _ in range(members)]
        self.directory = pathlib.Path(directory)
        self.members = [EtcdMember(f"m{i}", directory, tls=tls, **place) for i, place in enumerate(places)]
        self.initial = ",".join(f"{one.name}={one.peer}" for one in self.members)
        self.token = token
        self.client = client or {}  # {"ca": ..., "cert": ..., "key": ...} for etcdctl
        self.password = None

    @property
    def endpoints(self):
        return [one.endpoint for one in self.members]

    def __enter__(self):
        try:
            for one in self.members:
                one.start(self.initial, self.token)
            self.wait_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for one in self.members:
            one.kill()
            shutil.rmtree(one.directory, ignore_errors=True)

    def restart(self, member):
        member.start(self.initial, self.token)

    def wait_ready(self, seconds=15):
        for one in self.members:
            if one.process:
                servers.wait_until(lambda: self.serves(one), seconds)

    def serves(self, member):
        """It reads by the majority."""
        return subprocess.run(self._command([member.endpoint], "get", "ready"), env=ENVIRONMENT, capture_output=True).returncode == 0

    def _command(self, endpoints, *words):
        options = [f"--{name}={path}" for name, path in (("cacert", self.client.get("ca")), ("cert", self.client.get("cert")),
                                                        ("key", self.client.get("key"))) if path]
        user = [f"--user={self.password}"] if self.password else []
        enter = ["ip", "netns", "exec", self.members[0].namespace] if self.members[0].namespace else []
        return enter + ["etcdctl", f"--endpoints={','.join(endpoints)}", "--command-timeout=2s", *options, *user, *words]

    def ctl(self, *words, endpoints=None, input=None):
        return servers.run(*self._command(endpoints or self.endpoints, *words), env=ENVIRONMENT, input=input)

    def get(self, key):
        """(value, create_revision, lease) of a key, or None."""
        pairs = json.loads(self.ctl("get", key, "-w", "json")).get("kvs")
        if not pairs:
            return None
        return base64.b64decode(pairs[0]["value"]).decode(), pairs[0]["create_revision"], pairs[0].get("lease", 0)

    def leader(self):
        """The member that leads."""
        for one in self.members:
            if one.process is None:
                continue
            status = json.loads(self.ctl("endpoint", "status", "-w", "json", endpoints=[one.endpoint]))[0]["Status"]
            if status["leader"] == status["header"]["member_id"]:
                return one
        raise RuntimeError("no member leads")
