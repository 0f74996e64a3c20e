"""A replica set that is none: members that speak MongoDB's OP_MSG with SCRAM-SHA-256 and play roles, elections included, from one
shared state. It proves protocol and decisions, not elections or rollback. Tested itself with pymongo (test_mongodb.py).

    with FakeSet(3) as fake:
        fake.primary.name                  # "127.0.0.1:40001"
        fake.members[1].kill()
        fake.commands("replSetStepDown")   # what was asked for
"""
import base64
import copy
import datetime
import hashlib
import hmac
import os
import socket
import ssl
import struct
import threading
import time

import bson
from bson.codec_options import CodecOptions
from bson.objectid import ObjectId
from bson.timestamp import Timestamp

import servers

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
OPTIONS = CodecOptions(tz_aware=False)
NEEDS = {"replSetGetStatus": "clusterMonitor", "replSetGetConfig": "clusterMonitor", "replSetStepDown": "clusterManager",
         "replSetFreeze": "clusterManager", "replSetReconfig": "clusterManager", "find": "readWrite", "update": "readWrite",
         "insert": "readWrite"}
OPEN = {"hello", "isMaster", "ismaster", "ping", "buildInfo", "buildinfo", "saslStart", "saslContinue", "endSessions"}


class Refusal(Exception):
    def __init__(self, code, name, message):
        super().__init__(message)
        self.answer = {"ok": 0.0, "code": code, "codeName": name, "errmsg": message}


class User:
    """What the server keeps of a password, and which roles it gives."""

    def __init__(self, password, roles):
        # MongoDB's salt for SHA-256 has 28 bytes, and libmongoc insists on it.
        self.salt, self.iterations, self.roles = os.urandom(28), 4096, set(roles)
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), self.salt, self.iterations)
        client = hmac.digest(salted, b"Client Key", "sha256")
        self.stored, self.server = hashlib.sha256(client).digest(), hmac.digest(salted, b"Server Key", "sha256")


class Scram:
    """The server's side of one SCRAM-SHA-256 conversation (RFC 5802, RFC 7677)."""

    def __init__(self, users, first):
        header, _, self.bare = first.partition(",,")
        fields = dict(part.split("=", 1) for part in self.bare.split(","))
        self.name = fields["n"].replace("=2C", ",").replace("=3D", "=")
        self.user = users.get(self.name)
        if header != "n" or not self.user:
            raise Refusal(18, "AuthenticationFailed", "Authentication failed.")
        self.nonce = fields["r"] + base64.b64encode(os.urandom(18)).decode()
        self.said = f"r={self.nonce},s={base64.b64encode(self.user.salt).decode()},i={self.user.iterations}"

    def finish(self, final):
        without, _, proof = final.rpartition(",p=")
        if without != f"c=biws,r={self.nonce}":
            raise Refusal(18, "AuthenticationFailed", "Authentication failed.")
        message = f"{self.bare},{self.said},{without}".encode()
        signature = hmac.digest(self.user.stored, message, "sha256")
        key = bytes(a ^ b for a, b in zip(base64.b64decode(proof), signature))
        if hashlib.sha256(key).digest() != self.user.stored:
            raise Refusal(18, "AuthenticationFailed", "Authentication failed.")
        return "v=" + base64.b64encode(hmac.digest(self.user.server, message, "sha256")).decode()


class Member:
    """One mongod. `state`: 1 primary, 2 secondary, 3 recovering, 7 arbiter, ...; `names`: the primary that it names, if not the real one;
    `bind`: where it listens, if not only at its address."""

    def __init__(self, fake, index, priority=1, arbiter=False, hidden=False, address="127.0.0.1", port=0, namespace=None, bind=None):
        self.fake, self.index, self.address, self.namespace, self.bind = fake, index, address, namespace, bind
        self.priority, self.arbiter, self.hidden = (0 if arbiter else priority), arbiter, hidden
        self.state = 7 if arbiter else 2
        self.written = 1000
        self.names = None
        self.frozen_until = 0.0
        self.stepped_down_until = 0.0
        self.silent = False
        self.closing = {}  # command: the connection is cut instead of an answer
        self.apart = False  # cut off from all the others
        self.aside = None   # (data, term) of one that was primary when it was cut off, until it has stepped down and is back
        self.alive = False
        self.listener = None
        self.connections = []
        self.election = None
        self.listen(port)

    def listen(self, port):
        # A namespace belongs to a thread: this one makes the socket there and ends. What it accepts stays there.
        maker = threading.Thread(target=self._bind, args=(port,))
        maker.start()
        maker.join()
        self.port = self.listener.getsockname()[1]
        self.name = f"{self.address}:{self.port}"
        self.alive = True
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def _bind(self, port):
        if self.namespace:
            with open(f"/run/netns/{self.namespace}") as where:
                if servers.LIBC.setns(where.fileno(), servers.CLONE_NEWNET) != 0:
                    raise OSError(f"cannot enter {self.namespace}")
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self.bind or self.address, port))
        listener.listen(64)
        self.listener = listener

    def kill(self):
        self.alive = False
        self.state = 8
        # shutdown wakes the accepting thread; close alone would leave it listening.
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.fake.look_for_primary()

    def revive(self):
        self.state = 7 if self.arbiter else 2
        self.listen(self.port)

    def sees(self, other):
        return other is self or not (self.apart or other.apart)

    @property
    def data(self):
        return self.aside[0] if self.aside else self.fake.data

    @property
    def term(self):
        return self.aside[1] if self.aside else self.fake.term

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        session = {"user": None, "scram": None}
        try:
            if self.fake.tls:
                connection = self.fake.tls.wrap_socket(connection, server_side=True)
                self.connections.append(connection)
            while True:
                head = self._exactly(connection, 16)
                length, request, _, kind = struct.unpack("<iiii", head)
                body = self._exactly(connection, length - 16)
                if self.silent:
                    continue
                command, reply = self._decode(kind, body)
                answer = self._answer(command, session)
                if answer is None:
                    return
                connection.sendall(reply(request, answer))
        except (OSError, EOFError, ssl.SSLError):
            pass
        finally:
            connection.close()

    @staticmethod
    def _exactly(connection, count):
        parts = b""
        while len(parts) < count:
            part = connection.recv(count - len(parts))
            if not part:
                raise EOFError
            parts += part
        return parts

    @staticmethod
    def _decode(kind, body):
        def message(request, answer):
            data = struct.pack("<i", 0) + b"\x00" + bson.encode(answer)
            return struct.pack("<iiii", 16 + len(data), 1, request, OP_MSG) + data

        def old_reply(request, answer):
            data = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(answer)
            return struct.pack("<iiii", 16 + len(data), 1, request, OP_REPLY) + data

        if kind == OP_MSG:
            size = struct.unpack("<i", body[5:9])[0]
            command, at = bson.decode(body[5:5 + size], OPTIONS), 5 + size
            while at < len(body) and body[at] == 1:  # a list of documents that stands outside of the command
                end = at + 1 + struct.unpack("<i", body[at + 1:at + 5])[0]
                name_end = body.index(b"\x00", at + 5)
                command[body[at + 5:name_end].decode()] = bson.decode_all(body[name_end + 1:end], OPTIONS)
                at = end
            return command, message
        at = body.index(b"\x00", 4) + 1 + 8
        size = struct.unpack("<i", body[at:at + 4])[0]
        command = bson.decode(body[at:at + size], OPTIONS)
        return command.get("$query", command), old_reply

    def _answer(self, command, session):
        name = next(iter(command))
        self.fake.log.append((self.name, name, dict(command)))
        if name in self.closing:
            self.closing[name]()
            return None
        try:
            if self.fake.users and name not in OPEN:
                if session["user"] is None:
                    raise Refusal(13, "Unauthorized", f"command {name} requires authentication")
                if NEEDS[name] not in session["user"].roles:
                    raise Refusal(13, "Unauthorized", f"not authorized on {command['$db']} to execute command {{ {name}: 1 }}")
            with self.fake.lock:
                return {**getattr(self, "_" + name.lower(), self._unknown)(command, session), "ok": 1.0}
        except Refusal as refusal:
            return refusal.answer

    def _unknown(self, command, session):
        raise Refusal(59, "CommandNotFound", f"no such command: '{next(iter(command))}'")

    def _ping(self, command, session):
        return {}

    _endsessions = _ping

    def _buildinfo(self, command, session):
        return {"version": "6.0.16", "versionArray": [6, 0, 16, 0]}

    def _hello(self, command, session):
        if self.fake.old and "hello" in command:
            self._unknown(command, session)
        fake = self.fake
        answer = {"maxBsonObjectSize": 16777216, "maxMessageSizeBytes": 48000000, "maxWriteBatchSize": 100000, "minWireVersion": 0,
                  "maxWireVersion": 17, "readOnly": False, "localTime": datetime.datetime.utcnow(), "secondary": self.state == 2}
        answer["ismaster" if fake.old or "hello" not in command else "isWritablePrimary"] = self.state == 1
        if command.get("saslSupportedMechs"):
            answer["saslSupportedMechs"] = ["SCRAM-SHA-256"]
        if not fake.name:
            return {**answer, "ismaster": True}
        leader = self.names if self.names is not None else self._leader()
        answer |= {"setName": fake.name, "setVersion": fake.version, "me": self.name,
                   "hosts": [one.name for one in fake.members if one.priority > 0 and not one.hidden],
                   "passives": [one.name for one in fake.members if one.priority == 0 and not one.arbiter and not one.hidden],
                   "arbiters": [one.name for one in fake.members if one.arbiter],
                   "lastWrite": {"opTime": {"ts": Timestamp(self.written, 1), "t": self.term},
                                 "lastWriteDate": datetime.datetime.utcfromtimestamp(self.written)}}
        if self.arbiter:
            answer["arbiterOnly"] = True
        if leader:
            answer["primary"] = leader
        if self.state == 1:
            answer["electionId"] = self.election
        return answer

    _ismaster = _hello

    def _leader(self):
        """Who is primary as far as it knows: one believes in itself until it has stepped down."""
        leader = self if self.state == 1 else self.fake.primary
        return leader.name if leader and self.sees(leader) else ""

    def _replsetgetstatus(self, command, session):
        if not self.fake.name:
            raise Refusal(76, "NoReplicationEnabled", "not running with --replSet")
        members = []
        for one in self.fake.members:
            shown = one.state if one is self or one.state != 1 or one is self.fake.primary else 2  # of two primaries the others know the later
            state = {"_id": one.index, "name": one.name, "health": 1.0 if one.alive and self.sees(one) else 0.0,
                     "state": shown if self.sees(one) else 8}
            if not one.arbiter:
                state |= {"optime": {"ts": Timestamp(one.written, 1), "t": self.term},
                          "optimeDate": datetime.datetime.utcfromtimestamp(one.written)}
            if one is self:
                state["self"] = True
            members.append(state)
        voters = len(self.fake.members)
        return {"set": self.fake.name, "term": self.term, "myState": self.state, "members": members,
                "majorityVoteCount": voters // 2 + 1, "votingMembersCount": voters}

    def _replsetgetconfig(self, command, session):
        return {"config": {"_id": self.fake.name, "version": self.fake.version, "term": self.term, "protocolVersion": 1,
                           "members": [{"_id": one.index, "host": one.name, "arbiterOnly": one.arbiter, "hidden": one.hidden,
                                        "priority": one.priority, "secondaryDelaySecs": 0, "votes": 1, "tags": {"room": "a"}}
                                       for one in self.fake.members],
                           "settings": {"electionTimeoutMillis": 10000}}}

    def _majority(self):
        """Whether most members have what it writes."""
        return not self.aside and sum(one.alive and self.sees(one) for one in self.fake.members) > len(self.fake.members) // 2

    def _written(self, command, answer):
        if self._majority() or command.get("writeConcern", {}).get("w", "majority") == 1:
            return answer
        return {**answer, "writeConcernError": {"code": 64, "codeName": "WriteConcernFailed", "errmsg": "waiting for replication timed out"}}

    def _primary_only(self):
        if self.state != 1:
            raise Refusal(10107, "NotWritablePrimary", "not primary")

    def _no_room(self):
        """OutOfDiskSpace."""
        return {"n": 0, "writeErrors": [{"index": 0, "code": 14031, "errmsg": "available disk space of 0 bytes is less than required minimum of 524288000"}]}

    def _replsetreconfig(self, command, session):
        self._primary_only()
        if not self._majority():
            raise Refusal(308, "CurrentConfigNotCommittedYet", "Cannot run replSetReconfig because the current config is not majority committed")
        config = command["replSetReconfig"]
        if config["version"] != self.fake.version + 1:
            raise Refusal(103, "NewReplicaSetConfigurationIncompatible", "wrong version")
        if [one["host"] for one in config["members"]] != [one.name for one in self.fake.members]:
            raise Refusal(103, "NewReplicaSetConfigurationIncompatible", "other members")
        self.fake.version = config["version"]
        for one, wanted in zip(self.fake.members, config["members"]):
            one.priority = wanted["priority"]
        return {}

    def _replsetfreeze(self, command, session):
        if self.state == 1:
            raise Refusal(95, "NotSecondary", "cannot freeze node when primary or running for election")
        self.frozen_until = time.monotonic() + command["replSetFreeze"]
        if command["replSetFreeze"] == 0:
            self.stepped_down_until = 0.0
        return {}

    def _replsetstepdown(self, command, session):
        self._primary_only()
        ready = [one for one in self.fake.candidates() if one is not self and self.sees(one) and (one.written >= self.written or not self.fake.stuck)]
        if not ready:
            raise Refusal(262, "ExceededTimeLimit", "No electable secondaries caught up as of 2026-11-21T13:00:00.000+0000")
        for one in ready:
            one.written = self.written
        self.state, self.election = 2, None
        self.stepped_down_until = time.monotonic() + command["replSetStepDown"]
        self.fake.roll_back(self)
        self.fake.look_for_primary()
        return {}

    def _saslstart(self, command, session):
        if command["mechanism"] != "SCRAM-SHA-256":
            raise Refusal(334, "MechanismUnavailable", "Received authentication for mechanism which is not enabled")
        session["scram"] = Scram(self.fake.users, bytes(command["payload"]).decode())
        return {"conversationId": 1, "done": False, "payload": session["scram"].said.encode()}

    def _saslcontinue(self, command, session):
        scram, payload = session["scram"], bytes(command["payload"]).decode()
        if session["user"] is not None:  # the empty exchange of drivers that insist on it
            return {"conversationId": 1, "done": True, "payload": b""}
        said = scram.finish(payload)
        session["user"] = scram.user
        return {"conversationId": 1, "done": self.fake.short, "payload": said.encode()}

    def _find(self, command, session):
        found = [one for one in self.data.get(command["find"], {}).values()
                 if all(one.get(key) == value for key, value in command["filter"].items())]
        return {"cursor": {"id": 0, "ns": f"{command['$db']}.{command['find']}", "firstBatch": found[:1]}}

    def _insert(self, command, session):
        self._primary_only()
        if self.fake.full:
            return self._no_room()
        rows = self.data.setdefault(command["insert"], {})
        for one in command["documents"]:
            rows[one["_id"]] = one
        self.written += 1
        if self.fake.replicates and not self.aside:
            for one in self.fake.members:
                one.written = self.written if self.sees(one) else one.written
        return self._written(command, {"n": len(command["documents"])})

    def _update(self, command, session):
        self._primary_only()
        if self.fake.full:
            return self._no_room()
        rows = self.data.setdefault(command["update"], {})
        for one in command["updates"]:
            row = rows.setdefault(one["q"]["_id"], dict(one["q"]))
            row.update(one["u"]["$set"])
        self.written += 1
        return self._written(command, {"n": 1, "nModified": 1})


class FakeSet:
    """`members`: how many, or a list of keywords for each Member (address, port and namespace among them). With `users` ({"name": User}) every command but hello needs one.
    `replicates`: what is inserted is at once on every member."""

    def __init__(self, members=3, name="rs0", users=None, tls=None, old=False, short=True, election=0.2, replicates=False):
        self.lock, self.replicates = threading.RLock(), replicates
        self.name, self.users, self.old, self.short, self.election_time = name, users, old, short, election
        self.tls = None
        if tls:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(tls["cert"], tls["key"])
            if "ca" in tls:
                self.tls.load_verify_locations(tls["ca"])
                self.tls.verify_mode = ssl.CERT_REQUIRED
        self.term, self.version, self.log, self.data, self.stuck = 1, 3, [], {}, False
        self.wins = None  # the member that wins whatever else
        self.full = False  # there is no room on their disks
        self.rolled_back = []  # what was inserted on a primary that had been cut off, and in the end is not there
        each = [{}] * members if isinstance(members, int) else members
        self.members = []
        for index, keywords in enumerate(each):
            self.members.append(Member(self, index, **keywords))
        self.elect(self.members[0])

    @property
    def primary(self):
        """Of several that say so, the one that a majority can see, and that was elected last."""
        found = [one for one in self.members if one.state == 1]
        return max((one for one in found if not one.apart), key=lambda one: one.election or ObjectId(bytes(12)), default=None)

    def elect(self, member):
        self.term += 1
        member.state = 1
        member.election = ObjectId(f"7fffffff{self.term:016x}")

    def candidates(self):
        now = time.monotonic()
        return [one for one in self.members if one.alive and not one.apart and one.state in (1, 2) and one.priority > 0 and not one.hidden and
                one.frozen_until <= now and one.stepped_down_until <= now]

    def look_for_primary(self):
        def later():
            with self.lock:
                alive = sum(one.alive and not one.apart for one in self.members)
                if self.primary or alive <= len(self.members) // 2:
                    return
                ready = self.candidates()
                if self.wins in self.members:
                    ready = [self.wins]
                if ready:
                    self.elect(max(ready, key=lambda one: (one.priority, one.written)))

        timer = threading.Timer(self.election_time, later)
        timer.daemon = True
        timer.start()

    def cut_off(self, member, believes=None):
        """Nobody sees it, and it sees nobody. If it is primary it says so for `believes` seconds more (None: until step_aside); what is written
        there meanwhile, no majority has. Whoever cuts the wires of the member tells the set here."""
        with self.lock:
            member.apart = True
            if member.state == 1:
                member.aside = (copy.deepcopy(self.data), self.term)
        if believes is not None:
            timer = threading.Timer(believes, self.step_aside, [member])
            timer.daemon = True
            timer.start()
        self.look_for_primary()

    def step_aside(self, member):
        with self.lock:
            if member.state == 1 and member.aside:
                member.state, member.election = 2, None
            self.roll_back(member)

    def join(self, member):
        """It sees the others again, and they it. A primary that has not stepped down yet goes on in its belief until then."""
        with self.lock:
            member.apart = False
            self.roll_back(member)
        self.look_for_primary()

    def roll_back(self, member):
        if not member.aside or member.apart or member.state == 1:
            return
        for name, rows in member.aside[0].items():
            self.rolled_back += [key for key in rows if key not in self.data.get(name, {})]
        member.aside, member.written = None, max(one.written for one in self.members if one is not member)

    def commands(self, name):
        return [(member, command) for member, asked, command in self.log if asked == name]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.election_time = 3600
        for one in self.members:
            if one.alive:
                one.kill()
