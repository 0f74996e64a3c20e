"""Servers and networks for the tests of plugins that speak to servers: certificates, nginx, raw TCP servers that misbehave,
network namespaces with firewall rules, a name server. Everything ends with its `with` block."""
import contextlib
import ctypes
import multiprocessing
import os
import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18


def run(*command, **options):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True, **options).stdout


def wait_until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s: {condition}")
        time.sleep(0.01)


_held = []


def free_port(family=socket.AF_INET):
    """Nobody listens on it, the kernel gives it to no client, and no other test takes it until this process ends."""
    while True:
        port = random.randrange(20000, 32000)  # ip_local_port_range begins at 32768
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind("\0baton-test-port-%d" % port)
            with socket.socket(family) as one:
                one.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", port))
        except OSError:
            lock.close()
            continue
        _held.append(lock)
        return port


class Certificates:
    """A private authority and what it signs: NAME.crt, NAME.key in `directory`."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self._make("ca", "Test Authority", ca=True)
        self._make("other-ca", "Other Authority", ca=True)
        self.issue("good", "web.test")
        self.issue("soon", "web.test", days=5)
        self.issue("expired", "web.test", date="2020-01-01")
        self.issue("future", "web.test", date="2040-01-01")
        self.issue("wrong", "other.test", names="DNS:other.test,DNS:www.other.test")
        self.issue("client", "baton", names="DNS:baton")
        self.issue("untrusted", "web.test", ca="other-ca")
        self._make("selfsigned", "web.test", ca=False)

    def __getitem__(self, name):
        return str(self.directory / name)

    def _make(self, name, subject, ca):
        names = [] if ca else ["-addext", "subjectAltName=DNS:web.test,IP:127.0.0.1"]
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 3650,
            "-subj", f"/CN={subject}", "-keyout", self[f"{name}.key"], "-out", self[f"{name}.crt"], *names)

    def issue(self, name, subject, names="DNS:web.test,IP:127.0.0.1,IP:::1", days=365, ca="ca", date=None):
        extensions = self.directory / f"{name}.ext"
        extensions.write_text(f"subjectAltName={names}\n")
        run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={subject}",
            "-keyout", self[f"{name}.key"], "-out", self[f"{name}.csr"])
        then = ["faketime", date] if date else []
        run(*then, "openssl", "x509", "-req", "-in", self[f"{name}.csr"], "-CA", self[f"{ca}.crt"], "-CAkey",
            self[f"{ca}.key"], "-CAcreateserial", "-days", days, "-extfile", extensions, "-out", self[f"{name}.crt"])


class Nginx:
    """nginx in the foreground with the given `server { ... }` blocks."""

    def __init__(self, directory, servers):
        self.directory = pathlib.Path(directory)
        configuration = self.directory / "nginx.conf"
        folders = "".join(f"{kind}_temp_path {directory}/{kind};\n" for kind in
                          ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        configuration.write_text(f"""daemon off; worker_processes 1; pid {directory}/nginx.pid;
error_log {directory}/error.log info; user nobody nogroup;
events {{ worker_connections 256; }}
http {{ access_log off; default_type text/plain; {folders} {servers} }}
""")
        self.command = ["nginx", "-p", str(directory), "-c", str(configuration), "-e", f"{directory}/error.log"]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            wait_until(self._ready)
        except TimeoutError:
            self.__exit__()
            raise
        return self

    def _ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"nginx: {self.process.stderr.read().decode()}")
        return (self.directory / "nginx.pid").exists() and (self.directory / "nginx.pid").read_text().strip()

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


class Raw:
    """A TCP (or unix) server on loopback that treats each connection as `treat(connection)` says, in a thread."""

    def __init__(self, treat, address="127.0.0.1", path=None):
        self.treat = treat
        family = socket.AF_UNIX if path else socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = socket.socket(family)
        if not path:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(path or (address, 0))
        self.listener.listen(16)
        self.port = 0 if path else self.listener.getsockname()[1]
        self.connections = []
        self.ended = False

    def __enter__(self):
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()
        return self

    def _accept(self):
        while not self.ended:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._treat, args=(connection,), daemon=True).start()

    def _treat(self, connection):
        with contextlib.suppress(OSError):
            self.treat(connection)

    def __exit__(self, *_):
        self.ended = True
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.connections:
            connection.close()


def silent(connection):
    """Accepts and never answers."""
    while connection.recv(4096):
        pass


def resets(connection):
    connection.recv(4096)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def closes(connection):
    connection.recv(4096)
    connection.close()


def says(text):
    """Sends `text` once something has arrived, and closes."""
    def treat(connection):
        connection.recv(4096)
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass
    return treat


def _isolated(pipe, network, resolver, function, arguments):
    try:
        if network:
            with open(f"/run/netns/{network}") as where:
                if LIBC.setns(where.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"setns {network}")
        if resolver:
            if LIBC.unshare(CLONE_NEWNS) != 0:
                raise OSError(ctypes.get_errno(), "unshare")
            LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)
            if LIBC.mount(str(resolver).encode(), b"/etc/resolv.conf", None, MS_BIND, None) != 0:
                raise OSError(ctypes.get_errno(), "mount over /etc/resolv.conf")
        pipe.send((True, function(*arguments)))
    except BaseException as error:  # noqa: B902: whatever it is, the caller has to know
        pipe.send((False, repr(error)))


def isolated(function, *arguments, network=None, resolver=None):
    """function(*arguments) in a process of its own in a network namespace, and with another resolv.conf."""
    pipe, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_isolated,
                                                          args=(theirs, network, resolver, function, arguments))
    process.start()
    theirs.close()
    try:
        good, answer = pipe.recv()
    finally:
        process.join(5)
        process.kill()
    if not good:
        raise RuntimeError(answer)
    return answer


class Network:
    """Two namespaces joined by a veth pair: `near` has 10.98.0.1 and fd98::1, `far` 10.98.0.2 and fd98::2."""

    def __init__(self):
        self.near, self.far = f"bnetn{os.getpid()}", f"bnetf{os.getpid()}"

    def __enter__(self):
        for name in (self.near, self.far):
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "-n", self.near, "link", "add", "v0", "type", "veth", "peer", "name", "v0", "netns", self.far)
        for name, host in ((self.near, 1), (self.far, 2)):
            run("ip", "-n", name, "address", "add", f"10.98.0.{host}/24", "dev", "v0")
            run("ip", "-n", name, "address", "add", f"fd98::{host}/64", "dev", "v0", "nodad")
            run("ip", "-n", name, "link", "set", "v0", "up")
        return self

    def __exit__(self, *_):
        for name in (self.near, self.far):
            subprocess.run(["ip", "netns", "delete", name], check=False)

    def firewall(self, rule, where=None):
        """One rule for what arrives in `where` (far); "" takes the rules away."""
        name = where or self.far
        subprocess.run(["ip", "netns", "exec", name, "nft", "delete", "table", "inet", "t"], capture_output=True)
        if rule:
            run("ip", "netns", "exec", name, "nft", "-f", "-",
                input=f"table inet t {{\nchain i {{\ntype filter hook input priority 0;\n{rule}\n}}\n}}\n")

    def counted(self, where=None):
        """Packets that met the `counter` of the rule."""
        rules = run("ip", "netns", "exec", where or self.far, "nft", "list", "table", "inet", "t")
        return int(rules.split("packets ")[1].split()[0])

    def serve(self, treat, address="10.98.0.2", port=8080):
        """Raw in the far namespace; this process' threads stay in their own."""
        return contextlib.closing(_FarServer(self.far, treat, address, port))


class _FarServer:
    def __init__(self, namespace, treat, address, port):
        ready, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("fork").Process(target=self._run,
                                                                   args=(theirs, namespace, treat, address, port))
        self.process.start()
        if not ready.poll(5):
            raise TimeoutError("the far server did not start")

    @staticmethod
    def _run(ready, namespace, treat, address, port):
        with open(f"/run/netns/{namespace}") as where:
            LIBC.setns(where.fileno(), CLONE_NEWNET)
        listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(16)
        ready.send(True)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=treat, args=(connection,), daemon=True).start()

    def close(self):
        self.process.kill()
        self.process.join()


class NameServer:
    """A name server on 127.0.0.1:53 of a network namespace: answers A questions from `names`; `names["x"] = None` is silence."""

    def __init__(self, namespace):
        self.manager = multiprocessing.get_context("fork").Manager()
        self.names = self.manager.dict()
        ready, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("fork").Process(target=self._run, args=(theirs, namespace, self.names))
        self.process.start()
        if not ready.poll(5):
            raise TimeoutError("the name server did not start")

    @staticmethod
    def _run(ready, namespace, names):
        with open(f"/run/netns/{namespace}") as where:
            LIBC.setns(where.fileno(), CLONE_NEWNET)
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("127.0.0.1", 53))
        ready.send(True)
        while True:
            question, client = server.recvfrom(512)
            labels, at = [], 12
            while question[at]:
                labels.append(question[at + 1:at + 1 + question[at]].decode())
                at += 1 + question[at]
            kind = struct.unpack("!H", question[at + 1:at + 3])[0]
            name = ".".join(labels)
            address = names.get(name, "")
            if address is None:
                continue
            answers = kind == 1 and address != ""
            flags = 0x8180 if address else 0x8183
            reply = question[:2] + struct.pack("!HHHHH", flags, 1, int(answers), 0, 0) + question[12:at + 5]
            if answers:
                reply += b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton(address)
            server.sendto(reply, client)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.join()
        self.manager.shutdown()


@contextlib.contextmanager
def directory():
    path = tempfile.mkdtemp(prefix="baton-plugin-test-")
    os.chmod(path, 0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)
