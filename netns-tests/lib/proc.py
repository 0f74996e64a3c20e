"""Running programs, waiting for facts, entering namespaces. Nothing here sleeps and hopes: every wait has a deadline."""
import contextlib
import ctypes
import os
import signal
import subprocess
import time

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def wait_until(predicate, deadline=5.0, what="", every=0.01):
    """Polls `predicate` until it is true and returns its value; raises AssertionError after `deadline` seconds."""
    end = time.monotonic() + deadline
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() >= end:
            raise AssertionError("not within %.2f s: %s" % (deadline, what or getattr(predicate, "__name__", "condition")))
        time.sleep(every)


def hold(predicate, seconds, what="", every=0.01):
    """`predicate` must stay true for `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert predicate(), "did not stay true: " + (what or "condition")
        time.sleep(every)


def run(*argv, check=True, text_input=None, timeout=30):
    done = subprocess.run(list(argv), input=text_input, capture_output=True, text=True, timeout=timeout, check=False)
    if check and done.returncode != 0:
        raise RuntimeError("%s: exit %d: %s%s" % (" ".join(argv), done.returncode, done.stdout, done.stderr))
    return done.stdout if check else done


def start_in(namespace, argv, **options):
    """A program in a network namespace, in a session of its own; the Popen object is the program's."""
    return subprocess.Popen(["ip", "netns", "exec", namespace] + list(argv), stdin=subprocess.DEVNULL, start_new_session=True, **options)


def touch(path):
    with open(path, "a", encoding="ascii"):
        pass


@contextlib.contextmanager
def in_namespace(name):
    """The calling thread is in the network namespace `name`; sockets opened there stay there."""
    target = os.open("/run/netns/" + name, os.O_RDONLY | os.O_CLOEXEC)  # first: it may not be there
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(target, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns " + name)
        yield
    finally:
        _libc.setns(home, CLONE_NEWNET)
        os.close(home)
        os.close(target)


def children(pid):
    """Direct children of `pid`, oldest first."""
    found = []
    with contextlib.suppress(OSError):
        for task in os.listdir("/proc/%d/task" % pid):
            with contextlib.suppress(OSError), open("/proc/%d/task/%s/children" % (pid, task), encoding="ascii") as file:
                found += [int(word) for word in file.read().split()]
    return sorted(set(found))


def family(pid):
    """`pid` and all its descendants, parents first."""
    found = [pid] if os.path.exists("/proc/%d" % pid) else []
    for child in children(pid):
        found += family(child)
    return found


def process_name(pid):
    try:
        with open("/proc/%d/comm" % pid, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as file:
            state = file.read().rsplit(")", 1)[1].split()[0]
        return state not in "ZX" or len(os.listdir("/proc/%d/task" % pid)) > 1  # a dead first thread waits for the others
    except OSError:
        return False


def signal_all(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def cpu_seconds(pids):
    """User and system time that the processes have used so far."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError), open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as file:
            fields = file.read().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def cpu_nanoseconds(pids):
    """As cpu_seconds, from the scheduler's own sum over all threads (nanoseconds, not ticks)."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for task in os.listdir("/proc/%d/task" % pid):
                with contextlib.suppress(OSError), open("/proc/%d/task/%s/schedstat" % (pid, task), encoding="ascii") as file:
                    total += int(file.read().split()[0])
    return total


def proportional_memory(pids):
    """PSS in bytes of the processes together."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError), open("/proc/%d/smaps_rollup" % pid, encoding="ascii") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return total * 1024


def stop_process(process, number=signal.SIGTERM, patience=5.0):
    """Ends a process that we started; SIGKILL after `patience`. Returns its exit status."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            signal_all(reversed(family(process.pid)), signal.SIGKILL)
            process.wait(5)
    return process.returncode
