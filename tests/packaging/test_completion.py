"""The completion of batonctl in bash and in zsh offers every verb and option that `batonctl --help` names."""
import json
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BATON_BUILD_DIR", ROOT / "build/release"))
CONFIG = """\
[instance web]
interface = eth0
[group both]
member = web
# [instance old]
[plugin health]
module = http
[peer db1]
address = 10.0.0.1
[peer db2]
address = 10.0.0.2
"""
BASH = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
complete -p batonctl | grep -q _batonctl || exit 9
_batonctl
printf '%s\\n' "${COMPREPLY[@]}"
"""
# What compsys does with them is zsh's business: here the functions that take the offers print them.
ZSH = """
file=$1; shift
_describe() { print -rl -- ${${(P)2}%%:*} }
compadd() { [[ $1 == -- ]] && shift; print -rl -- "$@" }
_files() { print -r -- FILES "$@" }
_message() { }
words=("$@"); CURRENT=$#
source $file
"""


@pytest.fixture(scope="module", name="environment")
def _environment(tmp_path_factory):
    config = tmp_path_factory.mktemp("etc") / "baton.conf"
    config.write_text(CONFIG, encoding="utf-8")
    return dict(os.environ, PATH=f"{BUILD / 'bin'}:{os.environ['PATH']}", BATON_CONFIG=str(config))


def offers(shell, words, environment):
    if shell == "bash":
        argv = ["bash", "--norc", "-c", BASH, "bash", ROOT / "packaging/completion/batonctl.bash", *words]
    else:
        argv = ["zsh", "-f", "-c", ZSH, "zsh", ROOT / "packaging/completion/_batonctl", *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, env=environment, check=True)
    assert done.stderr == ""
    got = {line for line in done.stdout.split("\n") if line}
    # bash's own part, `compgen -W`, leaves only what begins with the last word; zsh does so itself.
    return got if shell == "bash" else {word for word in got if word.startswith(words[-1]) or word.startswith("FILES")}


def named_in_help(section, *words):
    text = subprocess.run([BUILD / "bin/batonctl", *words, "--help"], capture_output=True, text=True, timeout=10, check=True).stdout
    found = re.search(rf"^{section}:\n((?:  .*\n)+)", text, re.MULTILINE)
    return set(re.findall(r"^  ([a-z-][^ ]*)", found[1], re.MULTILINE)) if found else set()


def single(names):
    return {one for name in names for one in name.split(",")}


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_every_verb_of_the_help_is_offered_and_nothing_else(shell, environment):
    verbs = named_in_help("Subcommands")
    assert {"status", "explain", "history", "events", "check", "config", "reload", "switchover", "failover", "freeze", "thaw", "drain", "undrain",
            "plugin", "cleanup", "forgive", "version"} <= verbs
    assert offers(shell, ["batonctl", ""], environment) == verbs
    assert offers(shell, ["batonctl", "config", ""], environment) == {"show", "diff"}
    assert offers(shell, ["batonctl", "plugin", ""], environment) == {"list", "help", "test"}


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_every_option_of_every_verb_is_offered(shell, environment):
    chains = [[]]
    for chain in chains:
        chains.extend([*chain, verb] for verb in named_in_help("Subcommands", *chain))
        assert offers(shell, ["batonctl", *chain, "-"], environment) == single(named_in_help("Options", *chain)), chain
    assert len(chains) > 20
    assert offers(shell, ["batonctl", "status", "--e"], environment) == {"--exit-code"}


def tables():
    return json.loads(subprocess.run([BUILD / "bin/batonctl", "dump-tables", "--json"], capture_output=True, timeout=10, check=True).stdout)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_values_of_an_option_that_takes_a_few_are_offered(shell, environment):
    seen = set()
    for verb in tables()["verbs"]:
        for option in verb["options"]:
            if option.get("choices"):
                seen.add(option["names"][-1])
                assert offers(shell, ["batonctl", *verb["name"].split(), option["names"][-1], ""], environment) == set(option["choices"]), verb["name"]
    assert {"--while", "--names", "--format"} <= seen
    assert offers(shell, ["batonctl", "metrics", "--names", "k"], environment) == {"keepalived-exporter"}


@pytest.mark.parametrize("file", ["batonctl.bash", "_batonctl"])
def test_no_option_is_named_that_no_verb_has(file):
    everything = tables()
    there = {name for option in everything["global_options"] for name in option["names"]}
    there |= {name for verb in everything["verbs"] for option in verb["options"] for name in option["names"]}
    lines = re.findall(r"^ +((?:--[a-z-]+(?: \| )?)+)\)", (ROOT / "packaging/completion" / file).read_text(encoding="utf-8"), re.MULTILINE)
    named = {word for line in lines for word in line.split(" | ")}
    assert len(named) > 10 and named <= there, named - there


@pytest.mark.parametrize("shell", ["bash", "zsh"])
@pytest.mark.parametrize("words, wanted", [
    (["explain", ""], {"web", "both"}),
    (["explain", "w"], {"web"}),
    (["--runtime-dir", "/run/x", "--json", "explain", ""], {"web", "both"}),
    (["plugin", "test", ""], {"health"}),
    (["switchover", "web", "--to", ""], {"db1", "db2"}),
    (["freeze", "--for", "2"], {"2h"}),
    (["thaw", ""], set()),
    (["nonsense", ""], None),
])
def test_names_come_from_the_configuration(shell, words, wanted, environment):
    got = offers(shell, ["batonctl", *words], environment)
    assert got == (named_in_help("Subcommands") if wanted is None else wanted)


@pytest.mark.parametrize("shell, file", [("bash", "batonctl.bash"), ("zsh", "_batonctl")])
def test_files_where_files_are_wanted(shell, file, environment, tmp_path):
    del file
    (tmp_path / "some.conf").touch()
    got = offers(shell, ["batonctl", "check", f"{tmp_path}/so"], environment)
    assert got == ({f"{tmp_path}/some.conf"} if shell == "bash" else {"FILES"})
