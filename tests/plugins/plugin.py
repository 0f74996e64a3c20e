"""Calls a plugin's verbs directly, without Baton: the structs of src/plugin_api/plugin.h once more, in ctypes.

    answer = call("http", "probe", {"url": "http://127.0.0.1:8080/"}, timeout=1.0)
    assert (answer.status, answer.state) == ("ok", "pass")

Each call happens in a process of its own, so that a crash or a hang is a result (answer.status "crashed", "timeout").
Session keeps one process for several calls, as the daemon does.
"""
import ctypes as c
import multiprocessing
import os
import pathlib
import time
from dataclasses import dataclass, field

import places

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLUGIN_DIR = places.usable(pathlib.Path(os.environ.get("BATON_PLUGIN_DIR", ROOT / "build/release/lib/baton/plugins")).parents[2]) / "lib/baton/plugins"
STATUS = ["ok", "transient", "refused", "config", "conflict", "fatal"]
STATE = ["unknown", "pass", "fail"]
ROLE = ["none", "primary", "replica"]
TEXT, BOOLEAN, INTEGER, DURATION, PATH, WORD, ADDRESS, SECRET = range(8)
VERBS = ["probe", "position", "can_promote", "block_writes", "unblock_writes", "drain", "promote", "demote", "step_down",
         "rejoin", "verify", "enter", "leave", "notify", "acquire", "renew", "release", "fence"]


class Key(c.Structure):
    _fields_ = [("name", c.c_char_p), ("domain", c.c_char_p), ("default_text", c.c_char_p), ("help", c.c_char_p),
                ("minimum", c.c_int64), ("maximum", c.c_int64), ("type", c.c_uint32), ("flags", c.c_uint32)]


_TEXT = c.CFUNCTYPE(c.c_void_p, c.c_void_p, c.c_char_p, c.c_uint32)
_COUNT = c.CFUNCTYPE(c.c_uint32, c.c_void_p, c.c_char_p)
_NUMBER = c.CFUNCTYPE(c.c_int64, c.c_void_p, c.c_char_p)
_SAY = c.CFUNCTYPE(None, c.c_void_p, c.c_char_p)
_FACT = c.CFUNCTYPE(None, c.c_void_p, c.c_char_p, c.c_char_p)
_LOG = c.CFUNCTYPE(None, c.c_void_p, c.c_uint32, c.c_char_p)


class Host(c.Structure):
    _fields_ = [("struct_size", c.c_uint32), ("abi_minor", c.c_uint32), ("context", c.c_void_p), ("section", c.c_char_p),
                ("host_name", c.c_char_p), ("purpose", c.c_char_p), ("text", _TEXT), ("count", _COUNT),
                ("number", _NUMBER), ("say", _SAY), ("fact", _FACT), ("refuse", _SAY), ("position", _SAY),
                ("complain", _FACT), ("log", _LOG)]


class Call(c.Structure):
    _fields_ = [("struct_size", c.c_uint32), ("flags", c.c_uint32), ("deadline_ns", c.c_int64),
                ("timeout_ns", c.c_int64), ("verb", c.c_char_p), ("instance", c.c_char_p), ("from_state", c.c_char_p),
                ("to_state", c.c_char_p), ("reason", c.c_char_p), ("reason_words", c.c_char_p), ("target", c.c_char_p),
                ("generation", c.c_uint64), ("at_ns", c.c_int64), ("position", c.c_char_p),
                ("position_age_ns", c.c_int64)]


class Result(c.Structure):
    _fields_ = [("struct_size", c.c_uint32), ("state", c.c_uint32), ("role", c.c_uint32), ("warning", c.c_uint32),
                ("lag_ms", c.c_int64), ("lag_bytes", c.c_int64), ("generation", c.c_uint64), ("token", c.c_uint64),
                ("lease_ns", c.c_int64)]


_VERB = c.CFUNCTYPE(c.c_int32, c.c_void_p, c.POINTER(Call), c.POINTER(Result))


class Plugin(c.Structure):
    _fields_ = ([("struct_size", c.c_uint32), ("abi_minor", c.c_uint32), ("name", c.c_char_p), ("version", c.c_char_p),
                 ("summary", c.c_char_p), ("manual", c.c_char_p), ("act_user", c.c_char_p), ("keys", c.POINTER(Key)),
                 ("key_count", c.c_uint32), ("key_size", c.c_uint32), ("needs", c.c_uint32), ("reserved", c.c_uint32),
                 ("check_settings", c.CFUNCTYPE(None, c.POINTER(Host))),
                 ("open", c.CFUNCTYPE(c.c_int32, c.POINTER(Host), c.POINTER(c.c_void_p))),
                 ("close", c.CFUNCTYPE(None, c.c_void_p))] + [(verb, _VERB) for verb in VERBS])


@dataclass
class Answer:
    status: str
    sentence: str = ""
    state: str = "unknown"
    role: str = "none"
    warning: bool = False
    lag_ms: int = -1
    lag_bytes: int = -1
    generation: int = 0
    token: int = 0
    lease_ns: int = 0
    facts: dict = field(default_factory=dict)
    refusals: list = field(default_factory=list)
    position: str = ""
    complaints: list = field(default_factory=list)
    log: list = field(default_factory=list)
    seconds: float = 0.0


_UNITS = {"us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}


def _duration(text):
    number = text.rstrip("usmhd")
    return int(float(number) * _UNITS.get(text[len(number):], 10**9))


class _Loaded:
    """One plugin in this process."""

    def __init__(self, module, settings, purpose, section="test", host_name="host1"):
        path = module if "/" in str(module) else PLUGIN_DIR / f"{module}.so"
        self.plugin = Plugin.in_dll(c.CDLL(str(path), mode=os.RTLD_NOW | os.RTLD_LOCAL), "baton_plugin_v1")
        self.keys = {self.plugin.keys[i].name.decode(): self.plugin.keys[i] for i in range(self.plugin.key_count)}
        unknown = set(settings) - set(self.keys)
        if unknown:
            raise KeyError(f"{module} has no key {sorted(unknown)}")
        self.values = {}
        for name, key in self.keys.items():
            given = settings.get(name, key.default_text.decode() if key.default_text is not None else None)
            values = [] if given is None else given if isinstance(given, list) else [given]
            if key.type == SECRET:
                values = [pathlib.Path(value).read_text().removesuffix("\n") for value in values]
            self.values[name] = [c.create_string_buffer(str(value).encode()) for value in values]
        self.answer = Answer("ok")
        decode = lambda text: text.decode(errors="replace")
        def text(_, key, index):
            values = self.values.get(decode(key), [])
            return c.addressof(values[index]) if index < len(values) else None
        def number(_, key):
            values = self.values.get(decode(key), [])
            if not values:
                return 0
            value = decode(values[0].value)
            kind = self.keys[decode(key)].type
            if kind == BOOLEAN:
                return int(value in ("yes", "on", "true"))
            return _duration(value) if kind == DURATION else int(value)
        self.keep = [_TEXT(text), _COUNT(lambda _, key: len(self.values.get(decode(key), []))), _NUMBER(number),
                     _SAY(lambda _, s: setattr(self.answer, "sentence", decode(s))),
                     _FACT(lambda _, k, v: self.answer.facts.__setitem__(decode(k), decode(v))),
                     _SAY(lambda _, s: self.answer.refusals.append(decode(s))),
                     _SAY(lambda _, s: setattr(self.answer, "position", decode(s))),
                     _FACT(lambda _, k, m: self.answer.complaints.append((decode(k) if k else None, decode(m)))),
                     _LOG(lambda _, level, m: self.answer.log.append((level, decode(m))))]
        self.host = Host(c.sizeof(Host), 0, None, section.encode(), host_name.encode(), purpose.encode(), *self.keep)
        self.object = c.c_void_p()
        self.opened = False

    def check(self):
        self.answer = Answer("ok")
        if self.plugin.check_settings:
            self.plugin.check_settings(c.byref(self.host))
        return self.answer

    def call(self, verb, timeout, **about):
        self.answer = Answer("ok")
        begin = time.monotonic()
        if not self.opened and self.plugin.open:
            status = self.plugin.open(c.byref(self.host), c.byref(self.object))
            if status != 0:
                self.answer.status = STATUS[status]
                return self.answer
        self.opened = True
        function = getattr(self.plugin, verb)
        if not function:
            raise AttributeError(f"the plugin has no {verb}")
        texts = {name: about.get(name, "").encode()
                 for name in ("instance", "from_state", "to_state", "reason", "reason_words", "target", "position")}
        age = about.get("position_age")
        one = Call(position_age_ns=-1 if age is None else int(age * 1e9), struct_size=c.sizeof(Call), deadline_ns=time.monotonic_ns() + int(timeout * 1e9),
                   timeout_ns=int(timeout * 1e9), verb=verb.encode(), flags=(1 if about.get("planned") else 0) | (2 if about.get("forced") else 0) | (4 if about.get("resumes") else 0), generation=about.get("generation", 0),
                   at_ns=about.get("at_ns", time.time_ns()), **texts)
        result = Result(struct_size=c.sizeof(Result), lag_ms=-1, lag_bytes=-1)
        status = function(self.object, c.byref(one), c.byref(result))
        answer = self.answer
        answer.status, answer.state, answer.role = STATUS[status], STATE[result.state], ROLE[result.role]
        answer.warning, answer.lag_ms, answer.lag_bytes = bool(result.warning), result.lag_ms, result.lag_bytes
        answer.generation, answer.token, answer.lease_ns = result.generation, result.token, result.lease_ns
        answer.seconds = time.monotonic() - begin
        return answer

    def close(self):
        if self.opened and self.plugin.close:
            self.plugin.close(self.object)


def _serve(pipe, module, settings, purpose, section, host_name, user):
    if user:
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    loaded = _Loaded(module, settings, purpose, section, host_name)
    while True:
        request = pipe.recv()
        if request is None:
            loaded.close()
            pipe.send("closed")
            return
        verb, timeout, about = request
        pipe.send(loaded.check() if verb == "check" else loaded.call(verb, timeout, **about))


class Session:
    """A process with one opened plugin; killed when an answer is more than half a second late."""

    def __init__(self, module, settings=None, purpose="probe", section="test", host_name="host1", user=None):
        self.pipe, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("fork")
        self.process = context.Process(target=_serve, args=(theirs, module, settings or {}, purpose, section, host_name, user))
        self.process.start()
        theirs.close()

    def call(self, verb, timeout=1.0, **about):
        self.pipe.send((verb, timeout, about))
        try:
            if not self.pipe.poll(timeout + 0.5):
                self.process.kill()
                return Answer("timeout")
            return self.pipe.recv()
        except EOFError:
            return Answer("crashed")

    def close(self):
        try:
            self.pipe.send(None)
            self.pipe.poll(2)
        except OSError:
            pass
        self.process.kill()
        self.process.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def call(module, verb, settings=None, timeout=1.0, purpose=None, **about):
    acts = verb != "probe"
    with Session(module, settings, purpose or ("act" if acts else "probe")) as session:
        return session.call(verb, timeout, **about)


def complaints(module, settings):
    """What check_settings says: a list of (key or None, message)."""
    with Session(module, settings, "check") as session:
        return session.call("check").complaints
