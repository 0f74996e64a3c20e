"""batonctl import: the corpus in tests/cli/keepalived, each file with what it has to become, worked by hand."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "plugins"))
import places  # noqa: E402

BUILD = places.usable(pathlib.Path(os.environ.get("BATON_BUILD_DIR", ROOT / "build/release")))
CORPUS = ROOT / "tests/cli/keepalived"

# Those that are read alone, by name; those that take more words.
ALONE = ["minimal", "distribution-sample", "auth-pass", "auth-ah", "version3-fast", "version2-fraction", "ipv6-pair", "excluded-dual-stack",
         "only-excluded", "unicast-routed", "unicast-no-peer", "variables", "include-main", "include-missing", "sequence", "sync-group-weights",
         "mysql-check", "shell-scripts", "notify-generic", "track-process", "two-links", "elsewhere", "odd-layout", "windows", "legacy-v1",
         "vmac-router", "track-file", "names", "broken-values"]
WORDS = {name: [f"{name}.conf"] for name in ALONE} | {
    "haproxy-pair": ["lb1=haproxy-pair.lb1.conf", "lb2=haproxy-pair.lb2.conf", "--peer", "lb1=192.168.1.11", "--peer", "lb2=192.168.1.12"],
    "unicast-cloud": ["a=unicast-cloud.a.conf", "b=unicast-cloud.b.conf"],
    "conditional": ["conditional.conf"],
    "one-id": ["lb1=one-id.conf", "lb2=one-id.conf", "--peer", "lb1=10.7.0.11", "--peer", "lb2=10.7.0.12"],
    "sync-group": ["fw1=sync-group.fw1.conf", "fw2=sync-group.fw2.conf", "--peer", "fw1=10.10.0.11", "--peer", "fw2=10.10.0.12"],
    "different-names": ["a=different-names.a.conf", "b=different-names.b.conf"],
}
# Of which keepalived itself complains (exit status 5: it would start, and do otherwise than is written), and in which words.
COMPLAINTS = {
    "broken-extra-brace.conf": "Extra '}' found",
    "broken-unclosed.conf": "missing '}'s",
    "broken-values.conf": "VRID '256' not valid",
    "distribution-sample.conf": "vrrp_garp_interval '0' is invalid",
    "legacy-v1.conf": "Unknown keyword 'lvs_id'",
    "only-excluded.conf": "No VIP specified",
    "same-vrid.conf": "both use VRID 5",
    "sync-group.fw1.conf": "Ignoring track_interface eth0 since own interface",
    "sync-group.fw2.conf": "Ignoring track_interface eth0 since own interface",
    "track-process.conf": "Ignoring track_interface eth0 since own interface",
    "unicast-no-peer.conf": "Defaulting to multicast",
    "version2-fraction.conf": "preempt_delay is incompatible with nopreempt mode",
}
CRASHES = {"broken-quote.conf"}  # an open quote: keepalived 2.2.7 dies of it
IDS = {"conditional.conf": "db1", "one-id.conf": "lb1"}


def batonctl(*words, cwd=CORPUS):
    # As nobody: nothing that import does needs a right.
    return subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", BUILD / "bin/batonctl", "--plugin-dir",
                           BUILD / "lib/baton/plugins", *map(str, words)], capture_output=True, text=True, timeout=60, cwd=cwd)


@pytest.fixture
def readable():
    """A directory that everybody may read."""
    with tempfile.TemporaryDirectory(prefix="baton-import-", dir="/tmp") as directory:
        os.chmod(directory, 0o755)
        yield pathlib.Path(directory)


@pytest.mark.parametrize("name", sorted(WORDS))
def test_it_becomes_what_is_expected(name):
    done = batonctl("import", *WORDS[name])
    assert done.returncode == 0, done.stdout + done.stderr
    head, rest = done.stdout.split("\n", 1)[0], done.stdout.split("\n", 2)[2]
    files = [word for word in WORDS[name] if word.endswith(".conf")]
    if name == "conditional":
        files = ["db1=conditional.conf", "db2=conditional.conf"]
    assert head == "# Made by `batonctl import` from " + " ".join(files)
    assert rest == (CORPUS / f"{name}.expected").read_text()
    assert done.stderr == ""


@pytest.mark.parametrize("name", sorted(WORDS))
def test_check_accepts_it_on_every_host(name, readable):
    file = readable / "baton.conf"
    file.write_text(batonctl("import", *WORDS[name]).stdout)
    hosts = re.findall(r"^\[peer (\S+)\]", file.read_text(), re.MULTILINE) or ["anyhost"]
    # Who runs a plugin is a user of the hosts that this is for.
    file.write_text(re.sub(r"^user = .*\n", "", file.read_text(), flags=re.MULTILINE))
    for host in hosts:
        done = batonctl("check", file, "--host", host)
        assert done.returncode == 0, f"on {host}:\n{done.stdout}{done.stderr}"


def test_every_file_of_the_corpus_is_used():
    used = {word.split("=")[-1] for words in WORDS.values() for word in words}
    others = {"lvs-only.conf", "same-vrid.conf", "broken-unclosed.conf", "broken-extra-brace.conf", "broken-quote.conf"}
    assert {path.name for path in CORPUS.glob("*.conf")} == {word for word in used if word.endswith(".conf")} | others
    assert len(list(CORPUS.glob("*.conf"))) >= 30


@pytest.mark.parametrize("file", sorted(CORPUS.glob("*.conf")), ids=lambda path: path.name)
def test_what_keepalived_says_of_the_corpus(file, readable):
    """The corpus is of its language: valid where it should be, and refused where it is broken."""
    # keepalived -t ends itself by SIGTERM where a script runs as somebody else.
    subprocess.run(["cp", "-r", CORPUS, readable / "corpus"], check=True)
    for copy in (readable / "corpus").rglob("*"):
        if copy.is_file():
            copy.write_bytes(re.sub(rb"\b(user|script_user) nobody( nogroup)?", rb"\1 root", copy.read_bytes()))
    links = "ip link add eth0 type veth peer name eth1; ip link add eth2 type veth peer name ens192; " \
            "for link in eth0 eth1 eth2 ens192; do ip link set $link up; done; exec setsid -w \"$@\""
    identity = ["-i", IDS[file.name]] if file.name in IDS else []
    done = subprocess.run(["unshare", "--net", "sh", "-c", links, "sh", "keepalived", "-t", *identity, "-f", file.name],
                          capture_output=True, text=True, cwd=readable / "corpus", timeout=60)
    words = done.stdout + done.stderr
    if file.name in CRASHES:
        assert done.returncode not in (0, 6), words
    elif file.name in COMPLAINTS:
        assert done.returncode == 5 and COMPLAINTS[file.name] in words, (done.returncode, words)
    else:
        # 6: scripts without enable_script_security.
        assert done.returncode in (0, 6), (done.returncode, words)


@pytest.mark.parametrize("file, message", [
    ("broken-unclosed.conf", "broken-unclosed.conf:1: the block that begins here is not closed"),
    ("broken-extra-brace.conf", "broken-extra-brace.conf:8: a `}` without a block"),
    ("broken-quote.conf", "broken-quote.conf:2: a quote is not closed"),
    ("absent.conf", "absent.conf: cannot be read: No such file or directory"),
    (".", ".: cannot be read: Is a directory"),
])
def test_a_syntax_error_names_file_and_line(file, message):
    done = batonctl("import", file)
    assert (done.returncode, done.stdout, done.stderr) == (5, "", f"batonctl: {message}\n")
    done = batonctl("import", "--json", file)
    assert (done.returncode, json.loads(done.stdout)) == (5, {"ok": False, "exit": 5, "error": message})


def test_an_error_in_an_included_file_is_told_there(readable):
    (readable / "keepalived.conf").write_text("global_defs {\n}\n# next\ninclude more/*.conf\n")
    (readable / "more").mkdir()
    (readable / "more/a.conf").write_text("vrrp_script a {\n\n}}\n")
    done = batonctl("import", "keepalived.conf", cwd=readable)
    assert (done.returncode, done.stderr) == (5, "batonctl: ./more/a.conf:3: a `}` without a block\n")
    (readable / "more/a.conf").write_text("include a.conf\n")
    done = batonctl("import", "keepalived.conf", cwd=readable)
    assert done.returncode == 5 and "files include each other more than 16 deep" in done.stderr


def test_nothing_to_convert_is_a_failure_that_lists_why():
    done = batonctl("import", "lvs-only.conf")
    why = "Baton does not balance load (LVS): keep that with keepalived, or use HAProxy"
    assert done.returncode == 1 and done.stderr == "batonctl: there is no vrrp_instance that could be converted\n"
    assert f"#   lvs-only.conf:4: virtual_server_group web {{ ... }}: {why}\n#   lvs-only.conf:7: virtual_server group web {{ ... }}: {why}\n" in done.stdout
    done = batonctl("import", "--json", "lvs-only.conf")
    document = json.loads(done.stdout)
    assert (done.returncode, document["ok"], document["exit"]) == (1, False, 1)
    assert document["not_converted"][0] == {"file": "lvs-only.conf", "line": 4, "text": "virtual_server_group web { ... }", "why": why}


def test_what_batond_would_refuse_is_not_printed():
    done = batonctl("import", "same-vrid.conf")
    assert done.returncode == 5 and "virtual_router_id 5 is used on eth0 for IPv4 by [instance one] too" in done.stdout and "(from the block at same-vrid.conf:8)" in done.stdout
    assert "batond would not accept what this file says" in done.stderr and "[instance two]\ninterface" not in done.stdout
    document = json.loads(batonctl("import", "--json", "same-vrid.conf").stdout)
    assert (document["ok"], document["exit"]) == (False, 5) and "[instance two]" in document["text"]
    assert document["diagnostics"][0]["severity"] == "error"


def test_json_has_the_text_and_each_line_that_was_not_converted():
    done = batonctl("import", "--json", "auth-pass.conf")
    document = json.loads(done.stdout)
    assert done.returncode == 0 and document["text"] == batonctl("import", "auth-pass.conf").stdout
    (one,) = document["not_converted"]
    assert (one["file"], one["line"], one["text"]) == ("auth-pass.conf", 8, "authentication { ... }")
    assert [entry["line"] for entry in document["look_at"]] == [13, 0] and [entry["line"] for entry in document["not_needed"]] == [3]
    assert "1066" not in done.stdout  # the password


def test_the_version_can_be_chosen():
    assert "version = 2\n" in batonctl("import", "minimal.conf").stdout
    assert "version =" not in batonctl("import", "--version", "3", "minimal.conf").stdout
    assert "version = 2\n" in batonctl("import", "--version", "2", "auth-pass.conf").stdout
    text = batonctl("import", "--version", "2", "ipv6-pair.conf").stdout
    assert text.count("version = 2\n") == 1  # there is no IPv6 in VRRPv2
    assert "VRRPv3 has none, in keepalived as here" in batonctl("import", "--version", "3", "auth-pass.conf").stdout


def test_a_fifo_is_sent_to_the_events_wherever_it_stands(readable):
    block = "vrrp_instance a {\n interface eth0\n virtual_router_id 5\n virtual_ipaddress { 10.0.0.5/24 }\n notify_fifo /run/b\n}\n"
    (readable / "k.conf").write_text("global_defs {\n vrrp_notify_fifo /run/a\n vrrp_notify_priority_changes true\n}\n" + block +
                                     "vrrp_sync_group g {\n group { a }\n notify_fifo /run/c\n}\nnotify_fifo /run/d\n")
    document = json.loads(batonctl("import", "--json", "k.conf", cwd=readable).stdout)
    fifos = {entry["line"]: entry["why"] for entry in document["not_converted"] if "notify_" in entry["text"]}
    assert fifos == dict.fromkeys((2, 3, 9, 13, 15), "read `batonctl events -f --json` instead")


def test_one_host_of_a_file_with_conditions():
    text = batonctl("import", "--host", "db2", "conditional.conf").stdout
    assert "\npriority = 120\n" in text and "unicast_source = 10.7.0.2\nunicast_peer = 10.7.0.1\n" in text and "\n[peer" not in text


@pytest.mark.parametrize("words, message", [
    ((), "FILE is required"),
    (("--version", "4", "minimal.conf"), "--version"),
    (("minimal.conf", "windows.conf"), "several files need to be told apart: write HOST=minimal.conf"),
    (("a=minimal.conf", "a=windows.conf"), "host a is named twice"),
    (("--host", "a", "a=minimal.conf"), "--host is for one FILE"),
    (("--peer", "lb1", "minimal.conf"), "--peer: expected HOST=ADDRESS, not lb1"),
    (("one-id.conf",), "one-id.conf has lines for @lb1 alone"),
])
def test_usage(words, message):
    done = batonctl("import", *words)
    assert done.returncode == 2 and message in done.stderr and done.stdout == "", (done.returncode, done.stdout, done.stderr)


def test_hostile_files_end(readable):
    """Texts that name each other, deep blocks, long lines: refused with a place, at once."""
    def error(text):
        (readable / "k.conf").write_text(text)
        done = batonctl("import", "k.conf", cwd=readable)
        assert done.returncode == 5, done.stdout
        return done.stderr
    assert "k.conf:2: a $NAME names itself" in error("$A=x ${A}\n$A\n")
    assert "k.conf:" in error("".join("$A%d=${A%d}${A%d}\n" % (i, i + 1, i + 1) for i in range(40)) + "$A40=xxxxxxxx\n$A0\n")
    assert "blocks are nested more than 16 deep" in error("a {\n" * 40)
    assert "k.conf:1: a NUL byte" in error("a\0b\n")
    assert "a `{` without a keyword" in error("{\n}\n")
    assert "the text of $X ends with the file" in error("$X=a \\\n")
    (readable / "k.conf").write_text("x" * (2 << 20))
    assert "k.conf: cannot be read: File too large" in batonctl("import", "k.conf", cwd=readable).stderr
