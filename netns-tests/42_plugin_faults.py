"""Fault rows of checks and actions, in a live pair: each failure has a result of its own, and the election goes on.

What each plugin makes of its own failures is tested beside it (plugins/*/test_*.py); here they come through batond.
"""
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from lib import museum, proc
from lib.daemons import BATON_BIN, ROOT, plugin_dir
from lib.pids import PidsLimit
from lib.proc import wait_until

sys.path.insert(0, os.path.join(ROOT, "tests", "plugins"))
import servers  # noqa: E402

VIP = "10.77.0.50"
TIMING = ["interval = 500ms", "timeout = 400ms", "fall = 1"]


def live_pair(scene, sections, lines, **options):
    return scene.pair(extra=tuple(lines), daemon={"sections": sections, "plugins": plugin_dir()}, **options)


def check_of(baton, name):
    return next(one for one in baton.json("status")["checks"] if one["name"] == name)


def settled(baton, name, deadline=6, cause=None, **wanted):
    """The check as it is once all of `wanted` holds of it."""
    def so():
        check = check_of(baton, name)
        fine = check["latest"] is not None and all(check[key] == value for key, value in wanted.items())
        return check if fine and cause in (None, check["latest"]["facts"].get("cause")) else None
    try:
        return wait_until(so, deadline, every=0.05)
    except AssertionError:
        raise AssertionError("%s should be %s, cause %s, but is %s" % (name, wanted, cause, check_of(baton, name))) from None


def history_has(baton, pattern, deadline=6):
    def texts():
        return [entry["text"] for entry in baton.json("history")["entries"]]
    try:
        wait_until(lambda: any(re.search(pattern, text) for text in texts()), deadline, every=0.1)
    except AssertionError:
        raise AssertionError("%s is not in the history:\n%s" % (pattern, "\n".join(texts()))) from None


def longest_gap(scene, host, since):
    frames = scene.capture.adverts(host, since=since)
    return max(after.at - before.at for before, after in zip(frames, frames[1:]))


def no_advert_late(scene, since):
    """db1's, 25 ms at most; and db2 never had a reason to speak. Over 2 s at least."""
    time.sleep(max(0.0, since + 2 - time.time()))
    assert longest_gap(scene, "db1", since) < 0.125
    scene.silent("db2", since=since)


def made_plugin(scene, name, probe):
    """A plugin of our own, from the body of its probe."""
    source = os.path.join(scene.lab.directory, name + ".c")
    with open(source, "w", encoding="ascii") as file:
        file.write('#include <signal.h>\n#include <stdlib.h>\n#include <unistd.h>\n#include "bad.h"\n'
                   "static int32_t probe(void* self, const baton_call* call, baton_result* result) {\n%s\n"
                   "  result->state = BATON_STATE_PASS;\n  return BATON_OK;\n}\n"
                   'BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("%s"), .probe = probe};\n' % (probe, name))
    place = os.path.join(museum.PLACE, "made-%d" % os.getpid())
    os.makedirs(place, mode=0o755, exist_ok=True)
    scene.lab.undo.callback(proc.run, "rm", "-rf", place, check=False)
    return museum.compile_plugin(source, os.path.join(place, name + ".so"))


def server(scene, host, treat, address="127.0.0.1"):
    with proc.in_namespace(scene.lab.namespace(host)):
        made = servers.Raw(treat, address)
    return scene.lab.undo.enter_context(made)


# ---- processes that cannot be had

def test_F50_an_act_that_cannot_be_started_is_said_so_and_tried_again(scene):
    record = os.path.join(scene.lab.directory, "record")
    proc.touch(record)
    os.chmod(record, 0o666)
    script = os.path.join(scene.lab.directory, "act.sh")
    with open(script, "w", encoding="ascii") as file:
        file.write('#!/bin/sh\necho "$BATON_HOST" >>%s\n' % record)
    os.chmod(script, 0o755)
    one, other = live_pair(scene, ["[plugin jobs]", "module = exec", "enter_command = " + script, "deadline = 5s"], ["follow_up = jobs"])
    wait_until(lambda: one.instance()["follow_up"]["state"] == "entered", 5)
    wait_until(lambda: "plugin_host_started plugin=jobs" in other.log(), 5)
    limit = PidsLimit(scene, other.pids())
    limit.full()
    assert one.control("drain").returncode == 0
    scene.wait_holder("db2")
    began = time.time()
    history_has(other, r"jobs: enter failed \(transient\).*cannot start .*Resource temporarily unavailable")
    other.alarmed("follow_up_failed")
    assert other.instance()["follow_up"]["state"] != "entered" and other.instance()["follow_up"]["done"] == 0
    scene.sole("db2", seconds=1)
    assert longest_gap(scene, "db2", began) < 0.14
    with open(record, encoding="ascii") as file:
        assert "db2" not in file.read()
    limit.open()
    wait_until(lambda: other.instance()["follow_up"]["state"] == "entered", 15)
    with open(record, encoding="ascii") as file:
        assert file.read().split() == ["db1", "db2"]


def test_F50_a_probe_that_cannot_be_started_is_said_so_and_tried_again(scene):
    one, _ = live_pair(scene, ["[plugin here]", "module = file", "path = /etc/hostname"] + TIMING, ["check = here prefer=1"])
    settled(one, "here", state="pass")
    began = time.time()
    limit = PidsLimit(scene, one.pids())
    limit.write("pids.max", "1")
    os.kill(next(pid for pid in one.pids() if proc.process_name(pid) == "baton-here"), signal.SIGKILL)
    check = settled(one, "here", state="unknown", result="not_running")
    assert "cannot be started: Resource temporarily unavailable" in check["text"]
    limit.open()
    settled(one, "here", state="pass", deadline=12)
    no_advert_late(scene, began)


# ---- memory that cannot be had

FAIL_NTH = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
/* The NTH allocation fails, once: NTH is a number in a shared file, so that it can be set at any time. MALLOC_WHO: only in
   the process of that name. */
extern void* __libc_malloc(size_t size);
extern void* __libc_calloc(size_t count, size_t size);
extern void* __libc_realloc(void* old, size_t size);
extern void* __libc_memalign(size_t alignment, size_t size);
static long* nth;
static char who[16];
__attribute__((constructor)) static void begin(void) {
  const char* path = getenv("MALLOC_NTH");
  const char* name = getenv("MALLOC_WHO");
  if (name) strncpy(who, name, sizeof who - 1);
  int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
  void* page = fd < 0 ? MAP_FAILED : mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (page != MAP_FAILED) nth = page;
}
static int fails(void) {
  char name[16] = "";
  if (!nth || __atomic_load_n(nth, __ATOMIC_RELAXED) <= 0) return 0;
  if (who[0] && (prctl(PR_GET_NAME, name) != 0 || strcmp(name, who) != 0)) return 0;
  if (__atomic_sub_fetch(nth, 1, __ATOMIC_RELAXED) != 0) return 0;
  errno = ENOMEM;
  return 1;
}
void* malloc(size_t size) { return fails() ? NULL : __libc_malloc(size); }
void* calloc(size_t count, size_t size) { return fails() ? NULL : __libc_calloc(count, size); }
void* realloc(void* old, size_t size) { return fails() ? NULL : __libc_realloc(old, size); }
void* memalign(size_t alignment, size_t size) { return fails() ? NULL : __libc_memalign(alignment, size); }
void* aligned_alloc(size_t alignment, size_t size) { return fails() ? NULL : __libc_memalign(alignment, size); }
int posix_memalign(void** out, size_t alignment, size_t size) {
  if (fails()) return ENOMEM;
  *out = __libc_memalign(alignment, size);
  return *out ? 0 : ENOMEM;
}
"""


class FailNth:
    """A library that makes one allocation fail; set(n): the nth from now. left(): how many until then, 0 when it has failed."""

    def __init__(self, scene, who=""):
        source, self.library = (os.path.join(scene.lab.directory, name) for name in ("fail.c", "fail.so"))
        with open(source, "w", encoding="ascii") as file:
            file.write(FAIL_NTH)
        proc.run("cc", "-shared", "-fPIC", "-O2", "-fno-builtin", "-o", self.library, source)
        self.file = os.path.join(scene.lab.directory, "nth")
        with open(self.file, "wb") as file:
            file.write(bytes(4096))
        os.chmod(self.file, 0o666)
        self.environment = {"LD_PRELOAD": self.library, "MALLOC_NTH": self.file, **({"MALLOC_WHO": who} if who else {})}

    def set(self, number):
        with open(self.file, "r+b") as file:
            file.write(number.to_bytes(8, "little", signed=True))

    def left(self):
        with open(self.file, "rb") as file:
            return int.from_bytes(file.read(8), "little", signed=True)


@pytest.mark.limit(120)
def test_F48_every_allocation_of_a_plugin_host_may_fail(scene):
    """It answers, or says that it cannot, or dies where a library does not look: it neither hangs nor answers something else. A host that
    died is started again by the guardian (F66)."""
    fail = FailNth(scene)
    host, module = os.path.join(BATON_BIN, "baton-plugin-host"), os.path.join(plugin_dir(), "file.so")
    environment = {"PATH": os.environ["PATH"], **fail.environment}

    def describe():
        return subprocess.run([host, "--describe", module], env=environment, capture_output=True, timeout=20, check=False)

    good = describe()
    assert good.returncode == 0 and good.stdout
    fail.set(1 << 40)
    describe()
    allocations = (1 << 40) - fail.left()
    assert allocations > 100
    ends = {}
    for number in range(1, allocations + 1, max(1, allocations // 400)):
        fail.set(number)
        done = describe()
        if fail.left() > 0:  # how many there are differs by a few
            continue
        ends.setdefault(done.returncode, []).append(number)
        assert done.returncode != 0 or done.stdout == good.stdout, "allocation %d: another answer" % number
    assert len(ends.get(0, [])) < allocations and set(ends) - {0}, "no allocation mattered: %s" % ends
    assert set(ends) <= {0, 65, -signal.SIGABRT, -signal.SIGSEGV}, ends


@pytest.mark.parametrize("number", [1, 3, 8, 21, 55])
def test_F48_an_allocation_that_fails_in_the_engine_moves_nothing(scene, number):
    """The engine ends with it, and its successor goes on (F58); at once when a section changed, and when its host is a new one."""
    fail = FailNth(scene, who="baton-engine")
    sections = ["[plugin here]", "module = file", "path = /etc/hostname", "interval = 50ms", "timeout = 50ms"]
    one, _ = scene.pair(extra=("check = here prefer=1",), daemon={"sections": sections, "plugins": plugin_dir(), "environment": fail.environment})
    settled(one, "here", state="pass")
    began = time.time()
    scene.daemons[0].write("baton.conf", one.compose().replace("interval = 50ms", "interval = 60ms"))
    fail.set(number)
    one.hang_up()
    wait_until(lambda: fail.left() <= 0, 5, "the allocation has failed")
    settled(one, "here", state="pass")
    scene.sole("db1", seconds=1)
    scene.silent("db2", since=began)
    assert "engine_given_up" not in one.log()
    settled(one, "here", state="pass")


# ---- plugins that hang, die and come back

def test_F65_a_required_check_that_hangs_is_unknown_and_not_failed(scene):
    flag = os.path.join(scene.lab.directory, "hang")
    module = made_plugin(scene, "sometimes", '  while (access("%s", F_OK) == 0) pause();' % flag)
    sections = ["[plugin sometimes]", "module = " + module, "interval = 100ms", "timeout = 80ms"]
    one, other = scene.pair(options_db1={"extra": ("check = sometimes",)}, daemon={"sections": sections, "plugins": plugin_dir()})
    settled(one, "sometimes", state="pass")
    proc.touch(flag)
    scene.wait_holder("db2", deadline=4)
    check = settled(one, "sometimes", state="unknown", result="timeout")
    assert check["text"] == "no answer within 80 ms"
    assert re.search("sometimes", one.instance()["why"]) and "fails" not in one.instance()["why"], one.instance()["why"]
    os.remove(flag)
    scene.wait_holder("db1", deadline=8)
    settled(one, "sometimes", state="pass")


def test_F65_a_probe_that_was_stopped_and_goes_on_passes_again(scene):
    """What it says then is no news to itself: it does not ring."""
    one, _ = live_pair(scene, ["[plugin here]", "module = file", "path = /etc/hostname", "interval = 100ms", "timeout = 100ms"], ["check = here prefer=1"])
    wait_until(lambda: check_of(one, "here")["latest"]["streak"] > 5, 5)
    host = next(pid for pid in one.pids() if proc.process_name(pid) == "baton-here")
    os.kill(host, signal.SIGSTOP)
    assert settled(one, "here", state="unknown", result="timeout")["text"] == "no result for three intervals"
    os.kill(host, signal.SIGCONT)
    settled(one, "here", state="pass", deadline=2)
    assert host in one.pids()


@pytest.mark.limit(110)
def test_F66_what_was_given_up_is_tried_again_and_passes_when_it_is_mended(scene):
    flag = os.path.join(scene.lab.directory, "crash")
    proc.touch(flag)
    module = made_plugin(scene, "sometimes", '  if (access("%s", F_OK) == 0) raise(SIGSEGV);' % flag)
    sections = ["[plugin sometimes]", "module = " + module, "interval = 100ms", "timeout = 80ms"]
    one, _ = scene.pair(options_db1={"extra": ("check = sometimes prefer=1",)}, daemon={"sections": sections, "plugins": plugin_dir()})
    wait_until(lambda: check_of(one, "sometimes")["result"] == "not_running", 15)
    given_up = time.monotonic()
    assert check_of(one, "sometimes")["text"].startswith("it died 5 times within a minute, the last time: killed by signal 11")
    assert one.log().count("event=plugin_given_up") == 1
    os.remove(flag)
    settled(one, "sometimes", state="pass", deadline=65)
    assert time.monotonic() - given_up > 50
    scene.sole("db1", seconds=0.3)


# ---- what is wrong with the application's end

def test_F71_a_connection_cut_in_mid_stream_ends_at_the_timeout(scene):
    cut = os.path.join(scene.lab.directory, "cut")

    def half(connection):
        connection.recv(100)
        connection.sendall(b"first ")
        if os.path.exists(cut):
            scene.faults.filter_on("db1", "input", "tcp sport %d" % port)
        connection.sendall(b"second")
        servers.silent(connection)

    made = server(scene, "client", half, scene.lab.ip4("client"))
    port = made.port
    sections = ["[plugin far]", "module = tcp", "host = " + scene.lab.ip4("client"), "port = %d" % port, "send = x", "expect = second"] + TIMING
    one, _ = live_pair(scene, sections, ["check = far prefer=1"])
    settled(one, "far", state="pass")
    began = time.time()
    proc.touch(cut)
    check = settled(one, "far", state="fail", cause="timeout")
    assert re.search(r'has not sent "second" within \d+ ms \(it sent "first"\)', check["text"]), check["text"]
    assert check["latest"]["took_us"] < 400_000
    os.remove(cut)
    scene.faults.clear_filter("db1")
    settled(one, "far", state="pass")  # by a new connection
    no_advert_late(scene, began)


def test_F73_each_way_of_not_answering_has_its_own_cause(scene):
    with proc.in_namespace(scene.lab.namespace("db1")):
        full, closed = socket.socket(), socket.socket()
        for one in (full, closed):
            one.bind(("127.0.0.1", 0))
        full.listen(0)
        held = [socket.socket() for _ in range(4)]
    for one in held:
        one.setblocking(False)
        one.connect_ex(full.getsockname())
    for one in (full, closed, *held):
        scene.lab.undo.callback(one.close)
    ports = {"good": server(scene, "db1", servers.says(b"well")).port, "refused": closed.getsockname()[1], "backlog": full.getsockname()[1],
             "mute": server(scene, "db1", servers.silent).port, "reset": server(scene, "db1", servers.resets).port,
             "dropped": server(scene, "db1", servers.says(b"well")).port}
    scene.faults.filter_on("db1", "input", "tcp dport %d" % ports["dropped"])
    sections = sum((["[plugin %s]" % name, "module = tcp", "host = 127.0.0.1", "port = %d" % port, "send = x", "expect = well"] + TIMING
                    for name, port in ports.items()), [])
    one, _ = scene.pair(options_db1={"extra": tuple("check = %s prefer=1" % name for name in ports)}, daemon={"sections": sections, "plugins": plugin_dir()})
    began = time.time()
    settled(one, "good", state="pass")
    words = {}
    for name, cause in (("refused", "refused"), ("backlog", "connect_timeout"), ("mute", "timeout"), ("reset", "reset"), ("dropped", "connect_timeout")):
        words[name] = settled(one, name, state="fail", cause=cause)["text"]
    assert "refused the connection: nobody listens there" in words["refused"]
    assert "has not answered the connection attempt within" in words["backlog"] and "has not answered the connection attempt within" in words["dropped"]
    assert "accepted the connection but has not answered within" in words["mute"]
    assert "reset the connection" in words["reset"]
    no_advert_late(scene, began)


def test_F74_bad_tls_fails_closed_with_its_reason(scene):
    directory = scene.lab.undo.enter_context(servers.directory())
    certificates = servers.Certificates(directory)
    ports = {"good": 9001, "expired": 9002, "wrong": 9003, "selfsigned": 9004, "untrusted": 9005, "old": 9006}
    blocks = ""
    for name, port in ports.items():
        which, more = ("good", "ssl_protocols TLSv1 TLSv1.1; ssl_ciphers ALL:@SECLEVEL=0;") if name == "old" else (name, "ssl_protocols TLSv1.2 TLSv1.3;")
        blocks += ("server { listen 127.0.0.1:%d ssl; ssl_certificate %s; ssl_certificate_key %s; %s return 200 ok; }\n"
                   % (port, certificates[which + ".crt"], certificates[which + ".key"], more))
    with proc.in_namespace(scene.lab.namespace("db1")):
        scene.lab.undo.enter_context(servers.Nginx(directory, blocks))
    ports["stalled"] = server(scene, "db1", servers.silent).port
    sections = sum((["[plugin %s]" % name, "module = http", "url = https://127.0.0.1:%d/" % port, "ca_file = " + certificates["ca.crt"],
                     "interval = 1s", "timeout = 600ms", "fall = 1"] for name, port in ports.items()), [])
    one, _ = scene.pair(options_db1={"extra": tuple("check = %s prefer=1" % name for name in ports)}, daemon={"sections": sections, "plugins": plugin_dir()})
    began = time.time()
    settled(one, "good", state="pass")
    wanted = {"expired": "expired", "wrong": "wrong_name", "selfsigned": "self_signed", "untrusted": "untrusted", "old": "old_version", "stalled": "stalled"}
    for name, error in wanted.items():
        check = settled(one, name, state="fail", cause="tls")
        assert check["latest"]["facts"]["tls_error"] == error, check
        assert check["text"], name
    no_advert_late(scene, began)


def test_F79_dead_name_servers_are_the_checks_own_trouble(scene):
    namespace = scene.lab.namespace("db1")
    place = "/etc/netns/" + namespace
    os.makedirs(place)
    scene.lab.undo.callback(proc.run, "rm", "-rf", place, check=False)
    with open(place + "/resolv.conf", "w", encoding="ascii") as file:
        file.write("nameserver 127.0.0.1\n")
    names = scene.lab.undo.enter_context(servers.NameServer(namespace)).names
    names["known.test"], names["dead.test"] = "127.0.0.1", None
    port = server(scene, "db1", servers.says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")).port
    sections = sum((["[plugin %s]" % name, "module = http", "url = http://%s.test:%d/" % (name, port), "resolve_every = 1s"] + TIMING
                    for name in ("known", "dead", "unknown")), [])
    lines = tuple("check = %s prefer=1" % name for name in ("known", "dead", "unknown"))
    one, _ = scene.pair(options_db1={"extra": lines}, daemon={"sections": sections, "plugins": plugin_dir()})
    began = time.time()
    settled(one, "known", state="pass")
    dead = settled(one, "dead", state="unknown", cause="dns")
    assert "no address for dead.test: the name servers have not answered" in dead["text"]
    assert "no address for unknown.test" in settled(one, "unknown", cause="dns")["text"]
    names["known.test"] = None
    time.sleep(2.5)  # older than resolve_every: the last addresses are kept
    assert check_of(one, "known")["state"] == "pass"
    no_advert_late(scene, began)
