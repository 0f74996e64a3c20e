"""Starts the real baton-plugin-host as the guardian does, and reads and writes its page and channel with coders of its
own: what both ends of the program agree on by mistake is seen here.
"""
import ctypes
import fcntl
import mmap
import os
import pathlib
import pwd
import resource
import select
import socket
import struct
import sys
import time
import zlib
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/plugins"))
import places  # noqa: E402

BUILD = places.usable(os.environ.get("BATON_BUILD_DIR", ROOT / "build/release"))
PROGRAM = BUILD / "bin/baton-plugin-host"
MUSEUM = BUILD / "lib/baton/bad_plugins"
VERBS = ["probe", "position", "can_promote", "block_writes", "unblock_writes", "drain", "promote", "demote", "step_down",
         "rejoin", "verify", "enter", "leave", "notify", "acquire", "renew", "release", "fence"]
STATUS = {0: "ok", 1: "transient", 2: "refused", 3: "config", 4: "conflict", 5: "fatal", 16: "timeout", 17: "crashed",
          18: "garbage", 19: "not_running"}
STATE = ["unknown", "pass", "fail"]
ROLE = ["none", "primary", "replica"]
PAGE = 8192
CHECK_USER = "baton-check"

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """What a host leaves behind becomes a child of the test, where it is found."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def until(condition, seconds=5.0, what="that"):
    """Asks again and again; the first true answer."""
    end = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < end, f"{what} did not happen within {seconds} s"
        time.sleep(0.005)


def _number(value):
    return struct.pack(">q" if value < 0 else ">Q", value)


def _text(value):
    value = value.encode()
    return _number(len(value)) + value


def order_bytes(module, kind="probe", section="exhibit", interval=0.2, timeout=0.3, deadline=0.3, ring_for=3, needs=0,
                incarnation=77, settings=None, user=CHECK_USER):
    data = _number(0x42504F31) + _text(section) + _number(["probe", "act"].index(kind)) + _text(str(module)) + _text("")
    data += _number(1) + _text(user) + _text("host1")
    for seconds in (interval, timeout, deadline):
        data += _number(round(seconds * 1e9))
    data += _number(ring_for) + _number(needs) + _number(incarnation) + _number(len(settings or {}))
    for key, values in (settings or {}).items():
        data += _text(key) + _number(len(values)) + b"".join(map(_text, values))
    return data


def sealed(data):
    memory = os.memfd_create("order", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(memory, data)
    fcntl.fcntl(memory, 1033, 0xF)  # F_ADD_SEALS: all
    return memory


class Reader:
    def __init__(self, data):
        self.data = data

    def take(self, size):
        assert len(self.data) >= size, "cut short"
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def unpack(self, form):
        return struct.unpack(">" + form, self.take(struct.calcsize(">" + form)))

    def text(self):
        return self.take(self.unpack("H")[0]).decode(errors="surrogateescape")

    def facts(self):
        return {key: value for key, value in [(self.text(), self.text()) for _ in range(self.unpack("B")[0])]}


@dataclass
class Outcome:
    sequence: int
    finished: float
    started: float
    incarnation: int
    streak: int
    status: str
    state: str
    role: str
    warning: bool
    lag_ms: int
    sentence: str
    position: str
    facts: dict


def read_page(page):
    """The newest whole outcome, or None."""
    best = None
    for at in (0, PAGE // 2):
        slot = bytes(page[at:at + PAGE // 2])
        magic, length, sequence, checksum = struct.unpack(">IIQI", slot[:20])
        body = slot[20:20 + length]
        if magic == 0x42505031 and length <= PAGE // 2 - 20 and zlib.crc32(body) == checksum:
            if best is None or sequence > best[0]:
                best = (sequence, body)
    if best is None:
        return None
    reader = Reader(best[1])
    sequence, finished, started, incarnation, streak = reader.unpack("QqqQI")
    status, state, role, warning = reader.unpack("BBBB")
    lag_ms, _, _ = reader.unpack("qqQ")
    outcome = Outcome(sequence, finished / 1e9, started / 1e9, incarnation, streak, STATUS[status], STATE[state], ROLE[role],
                      warning == 1, lag_ms, reader.text(), reader.text(), reader.facts())
    assert not reader.data
    return outcome


@dataclass
class Answer:
    nonce: int
    status: str
    role: str
    generation: int
    sentence: str
    position: str
    facts: dict
    refusals: list


def read_answer(data):
    reader = Reader(data)
    magic, nonce, status, role = reader.unpack("IQBB")
    assert magic == 0x42504132
    _, _, generation, _, _, _ = reader.unpack("qqQQqq")
    sentence, position = reader.text(), reader.text()
    facts = reader.facts()
    refusals = [reader.text() for _ in range(reader.unpack("B")[0])]
    assert not reader.data
    return Answer(nonce, STATUS[status], ROLE[role], generation, sentence, position, facts, refusals)


class Host:
    """One running baton-plugin-host. `page`: memory of an earlier one, to go on with; `processes`: its user's limit."""

    def __init__(self, module, kind="probe", page=None, raw=False, user=CHECK_USER, processes=None, **order):
        path = module if "/" in str(module) else MUSEUM / f"{module}.so"
        self.order = sealed(order_bytes(path, kind, **order))
        self.page_fd = page if page is not None else os.memfd_create("page", os.MFD_CLOEXEC)
        os.ftruncate(self.page_fd, PAGE)
        self.page = mmap.mmap(self.page_fd, PAGE)
        self.bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.log_reader, log = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.setblocking(False)
        self.status = None
        work = self.page_fd if kind == "probe" else theirs.fileno()
        argv = [str(PROGRAM)]
        if raw:
            who = pwd.getpwnam(user)
            argv = ["setpriv", f"--reuid={who.pw_uid}", f"--regid={who.pw_gid}", "--clear-groups", "--inh-caps=+net_raw",
                    "--ambient-caps=+net_raw", *argv]
        self.pid = os.fork()
        if self.pid == 0:
            self._become([self.order, work, self.bell, log], argv, None if raw else user, processes)
        os.close(log)
        os.close(self.order)
        theirs.close()

    @staticmethod
    def _become(descriptors, argv, user, processes):
        try:
            os.setpgid(0, 0)
            os.chdir("/usr")
            os.umask(0o077)
            pathlib.Path("/proc/self/oom_score_adj").write_text("100")
            high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for fd in descriptors]
            nothing = os.open("/dev/null", os.O_RDWR)
            for standard in (0, 1, 2):
                os.dup2(nothing, standard)
            for number, fd in enumerate(high, 3):
                os.dup2(fd, number)
            os.closerange(7, 4096)
            if user and user != "root":
                who = pwd.getpwnam(user)
                os.setgroups([])
                os.setgid(who.pw_gid)
                os.setuid(who.pw_uid)
            if processes is not None:
                resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))
            os.execvp(argv[0], argv)
        finally:
            os._exit(127)

    def outcome(self, sequence=1, seconds=5.0):
        """The first outcome with at least this number."""
        def newest():
            found = read_page(self.page)
            return found if found and found.sequence >= sequence else None
        return until(newest, seconds, f"outcome {sequence}")

    def request(self, verb, nonce=1, timeout=0.3, instance="web", from_state="backup", to_state="active", generation=0,
                target="", position="", planned=False):
        data = struct.pack(">IQBq", 0x42504131, nonce, VERBS.index(verb), round(timeout * 1e9))
        for text in (instance, from_state, to_state, "none", "", target, position):
            data += struct.pack(">H", len(text)) + text.encode()
        self.channel.send(data + struct.pack(">qBQq", -1, planned, generation, 0))  # -1: the position's age is not known

    def message(self, seconds=3.0):
        ready, _, _ = select.select([self.channel], [], [], seconds)
        assert ready, "no message from the host"
        return self.channel.recv(65536)

    def act(self, verb, **request):
        self.request(verb, **request)
        return read_answer(self.message())

    def rings(self):
        try:
            return os.eventfd_read(self.bell)
        except BlockingIOError:
            return 0

    def log(self):
        text = b""
        try:
            while chunk := os.read(self.log_reader, 65536):
                text += chunk
        except BlockingIOError:
            pass
        return text.decode()

    def end(self, seconds=5.0):
        """Waits for its end: ("exit", status) or ("signal", number)."""
        def ended():
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = ("signal", os.WTERMSIG(status)) if os.WIFSIGNALED(status) else ("exit", os.WEXITSTATUS(status))
            return self.status
        return self.status or until(ended, seconds, "the end of the host")

    def running(self):
        return self.status is None and os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def close(self):
        if self.status is None:
            try:
                os.killpg(self.pid, 9)
            except ProcessLookupError:
                pass
            self.end()
        self.channel.close()
        for fd in (self.bell, self.log_reader):
            os.close(fd)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def children():
    """(pid, state) of everything below this test."""
    processes = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        processes[int(entry.name)] = (fields[0], int(fields[1]))
    below = [os.getpid()]
    for pid in below:
        below += [child for child, (_, parent) in processes.items() if parent == pid]
    return [(pid, processes[pid][0]) for pid in below[1:] if pid in processes]


def end_all_children():
    for _ in range(100):
        for pid, _ in children():
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.01)
