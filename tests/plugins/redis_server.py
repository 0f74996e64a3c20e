"""Real redis-server and Sentinel processes for tests: started by pid, on loopback or in a network namespace, data in a
directory of their own. Everything ends with stop().

    with servers.directory() as directory:
        one = RedisServer(directory, "db1").start()
        one.command("SET", "key", "value")
"""
import contextlib
import os
import pathlib
import select
import signal
import socket
import subprocess
import threading
import time

from servers import free_port, wait_until

CHECK_USER, DRIVE_USER, REPLICATION_USER = "baton-check", "baton-drive", "replica"
CHECK_PASSWORD, DRIVE_PASSWORD, REPLICATION_PASSWORD = "check-secret", "drive-secret", "replica-secret"
# Exactly what the manual tells administrators to write; a test compares the two.
CHECK_RIGHTS = "%R~baton:gen +info +get"
DRIVE_RIGHTS = ("~baton:gen +info +get +set +replicaof +bgsave +config|get +config|set +config|rewrite "
                "+client|pause +client|unpause +client|kill +client|list")
REPLICATION_RIGHTS = "+psync +replconf +ping"
NOBODY = ("127.0.0.1", 1)


def low_port():
    """A free port whose cluster port, 10000 higher, exists, too."""
    while (port := free_port()) > 55000:
        pass
    return port


class RedisError(Exception):
    pass


class Connection:
    """A RESP2 client of its own, so that plugin and test do not share a misunderstanding."""

    def __init__(self, address, port, timeout=5.0, auth=None):
        self.socket = socket.create_connection((address, port), timeout=timeout)
        self.file = self.socket.makefile("rb")
        if auth:
            self.command("AUTH", *auth)

    def command(self, *words):
        text = f"*{len(words)}\r\n".encode()
        for word in words:
            word = word if isinstance(word, bytes) else str(word).encode()
            text += b"$%d\r\n%s\r\n" % (len(word), word)
        self.socket.sendall(text)
        return self.read()

    def read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("closed")
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"+":
            return rest
        if kind == b"-":
            raise RedisError(rest)
        if kind == b":":
            return int(rest)
        if kind == b"$":
            if rest == "-1":
                return None
            return self.file.read(int(rest) + 2)[:-2].decode()
        return None if rest == "-1" else [self.read() for _ in range(int(rest))]

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class RedisServer:
    """One server. `options` are lines of its redis.conf; `acl` adds the three users of the manual and locks the default user
    out of nothing (tests use it to look)."""

    program = "redis-server"

    def __init__(self, directory, name, address="127.0.0.1", port=None, namespace=None, options=(), acl=True, tls=None,
                 replicaof=NOBODY):
        self.directory = pathlib.Path(directory) / name
        self.directory.mkdir()
        self.name, self.address, self.namespace, self.tls = name, address, namespace, tls
        self.port = port or low_port()
        self.process = None
        self.conf = self.directory / "redis.conf"
        lines = [f"bind {address}" + ("" if address == "127.0.0.1" or namespace else " 127.0.0.1"), f"port {self.port}",
                 f"dir {self.directory}", "appendonly yes", "appendfsync everysec", "save 3600 1",
                 "repl-ping-replica-period 1", "shutdown-timeout 0", "repl-diskless-sync yes", "repl-diskless-sync-delay 0", "daemonize no", f"logfile {self.directory}/log",
                 f"unixsocket {self.directory}/socket", "unixsocketperm 777"]
        if replicaof:
            lines.append(f"replicaof {replicaof[0]} {replicaof[1]}")
        if acl:
            lines += [f"user {CHECK_USER} on >{CHECK_PASSWORD} {CHECK_RIGHTS}",
                      f"user {DRIVE_USER} on >{DRIVE_PASSWORD} {DRIVE_RIGHTS}",
                      f"user {REPLICATION_USER} on >{REPLICATION_PASSWORD} {REPLICATION_RIGHTS}",
                      f"masteruser {REPLICATION_USER}", f"masterauth {REPLICATION_PASSWORD}"]
        lines += options
        self.conf.write_text("\n".join(lines) + "\n")
        self.more = []

    @property
    def member(self):
        return f"{self.name} {self.address}:{self.port}"

    def argv(self):
        command = [self.program, str(self.conf), *self.more]
        return ["ip", "netns", "exec", self.namespace, *command] if self.namespace else command

    def start(self, wait=True):
        self.process = subprocess.Popen(self.argv(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, start_new_session=True)
        if wait:
            wait_until(self.answers)
        return self

    def answers(self):
        if self.process.poll() is not None:
            log = self.directory / "log"
            raise RuntimeError(f"{self.name} ended: {log.read_text()[-2000:] if log.exists() else ''}")
        try:
            with self.local() as connection:
                return "\nloading:0" in connection.command("INFO")  # there is async_loading, too
        except (OSError, RedisError):
            return False

    def local(self):
        """By the unix socket, which works from any namespace; as the default user."""
        connection = Connection.__new__(Connection)
        connection.socket = socket.socket(socket.AF_UNIX)
        connection.socket.settimeout(5)
        connection.socket.connect(str(self.directory / "socket"))
        connection.file = connection.socket.makefile("rb")
        return connection

    def command(self, *words):
        with self.local() as connection:
            return connection.command(*words)

    def look(self, *words):
        """A command that changes nothing. A demotion ends all sessions, and may meet this one: asked again, then."""
        for _ in range(3):
            try:
                return self.command(*words)
            except ConnectionError:
                pass
        return self.command(*words)

    def info(self):
        return dict(line.split(":", 1) for line in self.look("INFO").split("\r\n") if ":" in line)

    def role(self):
        return self.info()["role"]

    def position(self):
        info = self.info()
        offset = info["slave_repl_offset"] if info["role"] == "slave" else info["master_repl_offset"]
        return f"{info['master_replid']}:{offset}"

    def upstream(self):
        info = self.info()
        return (info.get("master_host"), int(info.get("master_port", 0)))

    def linked(self):
        return self.info().get("master_link_status") == "up"

    def keys(self):
        return set(self.look("KEYS", "*"))

    def configured(self, name):
        """What the configuration file on disk says, as a list of lines."""
        return [line for line in self.conf.read_text().splitlines() if line.split(" ")[0] == name]

    def kill(self):
        """Power cut: nothing is written any more, by no child either."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        return self

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()
        return self

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)


class Relay:
    """A TCP relay to `port` that can be told to hold back what comes from there, as a slow line would."""

    def __init__(self, port, address="127.0.0.1"):
        self.target = (address, port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open = threading.Event()
        self.open.set()
        self.sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self.target, timeout=1)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            self.sockets += [near, far]
            threading.Thread(target=self._pass, args=(near, far, None), daemon=True).start()
            threading.Thread(target=self._pass, args=(far, near, self.open), daemon=True).start()

    @staticmethod
    def _pass(source, sink, gate):
        with contextlib.suppress(OSError, ValueError):
            while chunk := source.recv(65536):
                # What is held back when its sender dies is lost, as on a line.
                while gate and not gate.wait(0.01):
                    poll = select.poll()
                    poll.register(source, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
                    if poll.poll(0):
                        raise OSError("the sender has died")
                sink.sendall(chunk)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def hold(self):
        self.open.clear()

    def release(self):
        self.open.set()

    def close(self):
        self.listener.close()
        for one in self.sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


class Writer:
    """Writes numbered keys on one connection after another through `where()` and records what was acknowledged."""

    def __init__(self, where, prefix="w", pause=0.0005):
        self.where, self.prefix, self.pause = where, prefix, pause
        self.acknowledged, self.refused, self.longest_gap = [], 0, 0.0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        number, connection, last = 0, None, time.monotonic()
        while not self.ended.is_set():
            try:
                if connection is None:
                    address, port = self.where()
                    connection = Connection(address, port, timeout=1.0)
                number += 1
                connection.command("SET", f"{self.prefix}:{number}", "x" * 20)
                self.acknowledged.append(f"{self.prefix}:{number}")
                now = time.monotonic()
                self.longest_gap, last = max(self.longest_gap, now - last), now
                time.sleep(self.pause)
            except (OSError, RedisError, TypeError):
                self.refused += 1
                with contextlib.suppress(Exception):
                    connection.close()
                connection = None
                time.sleep(0.002)

    def __enter__(self):
        self.thread.start()
        return self

    def stop(self):
        self.ended.set()
        self.thread.join(5)

    def __exit__(self, *_):
        self.stop()


SENTINEL_CHECK_RIGHTS = "+sentinel|get-master-addr-by-name +sentinel|master +sentinel|ckquorum"
SENTINEL_DRIVE_RIGHTS = SENTINEL_CHECK_RIGHTS + " +sentinel|replicas +sentinel|failover"
# Of the servers, for the module redis-sentinel.
FOLLOW_CHECK_RIGHTS = "+info"
FOLLOW_DRIVE_RIGHTS = "+info +replicaof +client|pause +client|unpause +client|kill"


class Sentinel(RedisServer):
    """One Sentinel that knows the primary, its replicas and the other Sentinels from the start."""

    program = "redis-sentinel"

    def __init__(self, directory, name, address="127.0.0.1", port=None, namespace=None, options=()):
        self.directory = pathlib.Path(directory) / name
        self.directory.mkdir()
        self.name, self.address, self.namespace = name, address, namespace
        self.port, self.process, self.more = port or low_port(), None, []
        self.conf = self.directory / "sentinel.conf"
        self.identity = f"{abs(hash((name, str(directory)))):040x}"[-40:]
        self.options = options

    def watch(self, primary, replicas, sentinels, quorum=2, name="mymaster"):
        lines = [f"bind {self.address}", f"port {self.port}", f"dir {self.directory}", f"logfile {self.directory}/log",
                 "daemonize no", f"unixsocket {self.directory}/socket", "protected-mode no", f"sentinel myid {self.identity}",
                 f"user {CHECK_USER} on >{CHECK_PASSWORD} {SENTINEL_CHECK_RIGHTS}",
                 f"user {DRIVE_USER} on >{DRIVE_PASSWORD} {SENTINEL_DRIVE_RIGHTS}",
                 f"sentinel monitor {name} {primary.address} {primary.port} {quorum}",
                 f"sentinel down-after-milliseconds {name} 1000", f"sentinel failover-timeout {name} 6000"]
        lines += [f"sentinel known-replica {name} {one.address} {one.port}" for one in replicas]
        lines += [f"sentinel known-sentinel {name} {one.address} {one.port} {one.identity}" for one in sentinels if one is not self]
        self.conf.write_text("\n".join([*lines, *self.options]) + "\n")
        return self

    def answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} ended: {(self.directory / 'log').read_text()[-2000:]}")
        try:
            with self.local() as connection:
                return connection.command("PING") == "PONG"
        except OSError:
            return False

    def local(self):
        return Connection(self.address, self.port)

    def primary(self, name="mymaster"):
        address, port = self.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)
        return address, int(port)
