"""The manual pages and guides: they render without a warning, hold every row of the program's tables, and what they show works."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BATON_BUILD_DIR", ROOT / "build/release"))
PAGES = sorted((BUILD / "man").glob("*.[1-8]"))
GUIDES = sorted((ROOT / "packaging/doc").glob("*.md"))
PICTURES = sorted((ROOT / "packaging/doc").glob("*.svg"))
CHAPTERS = sorted((ROOT / "packaging/man").glob("*.in"))
READMES = sorted(path for path in (ROOT / "plugins").glob("*/README.md") if path.parent.name not in ("common", "template"))
# An example's interfaces, secrets and unicast without HMAC are what they are.
ACCEPTED = {"W003", "W009", "W014"}


def batonctl(*arguments):
    return subprocess.run([BUILD / "bin/batonctl", *arguments], capture_output=True, text=True)


@pytest.fixture(scope="module")
def tables():
    done = batonctl("dump-tables", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def shown(page, width=100):
    """As a person sees it, without bold and underline."""
    environment = dict(os.environ, MANWIDTH=str(width), MAN_KEEP_FORMATTING="", LC_ALL="C.UTF-8", MANPAGER="cat", GROFF_NO_SGR="1")
    done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", page], capture_output=True, text=True, env=environment)
    return re.sub(".\b", "", done.stdout), done.stderr


def text_of(name):
    return shown(BUILD / "man" / name)[0]


def one_line(text):
    return re.sub(r"\s+", " ", text)


def squeezed(text):
    """A page breaks its lines behind hyphens, too."""
    return re.sub(r"\s+|`", "", text)


def test_all_pages_are_there():
    names = {page.name for page in PAGES}
    assert {"batond.8", "batonctl.1", "baton.conf.5", "baton-plugins.7", "baton-messages.7", "baton-keepalived.7"} <= names
    for readme in READMES:
        assert f"baton-plugin-{readme.parent.name}.7" in names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_renders_without_warnings(page):
    text, trouble = shown(page)
    assert trouble == "" and len(text) > 500
    # What the converter does not know would stand there as it was written.
    assert not re.search(r"(?<!\w)\*\*\w|^\|.*\|$|^@\w+|\]\(", text, re.MULTILINE), page.name
    wide = [line for line in text.splitlines() if len(line) > 190]
    assert not wide, wide[:3]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_mandoc_has_nothing_against_it(page):
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True)
    # Whether pages that it names are installed is no matter of the page.
    trouble = [line for line in done.stdout.splitlines() if "referenced manual not found" not in line]
    assert not trouble, "\n".join(trouble[:20])


def heads(page):
    """Tags of the page's paragraphs, as written in bold at their beginning."""
    source = (BUILD / "man" / page).read_text(encoding="utf-8").replace("\\-", "-")
    return {match for line in re.findall(r"^\.TP\n(.*)$", source, re.MULTILINE) for match in re.findall(r"\\fB(.+?)\\fP", line)}


def test_every_key_stands_in_its_page(tables):
    text, all_of_it = one_line(text_of("baton.conf.5")), squeezed(text_of("baton.conf.5"))
    tags = heads("baton.conf.5")
    for key in tables["keys"]:
        assert key["name"] in tags, key["name"]
        assert squeezed(key["help"]) in all_of_it, key["name"]
    for key in tables["keys"]:
        if key["default"]:
            assert re.search(rf"\b{key['name']} \([^()]*(?:\([^()]*\)[^()]*)*default {re.escape(key['default'])}\)", text), key["name"]


def test_every_diagnostic_code_is_explained(tables):
    text = squeezed(text_of("baton.conf.5"))
    for code in tables["codes"]:
        assert squeezed(code["code"] + code["title"]) in text
        assert squeezed(code["explanation"]) in text, code["code"]


def test_every_verb_stands_in_its_page_with_its_options(tables):
    text = one_line(text_of("batonctl.1"))
    for verb in tables["verbs"]:
        at = text.index(f"batonctl {verb['name']} ")
        for option in verb["options"]:
            word = option["positional"] or option["names"][-1]
            assert word in text[at:at + 2000], f"{verb['name']} {word}"
    for code in tables["exit_codes"]:
        assert re.search(rf"\b{code['number']} {re.escape(code['words'])}", text, re.IGNORECASE), code


def test_a_synopsis_says_what_may_be_written():
    text = one_line(text_of("batonctl.1"))
    for synopsis in ("batonctl metrics [--json] [--textfile TEXTFILE] [--names baton|keepalived-exporter] [--format openmetrics|text]",
                     "batonctl run [--json] --while active|backup INSTANCE [--grace GRACE] [--must-run] -- COMMAND...",
                     "batonctl import [--json] FILE... [--peer PEER]... [--host HOST] [--version 2|3]"):
        assert synopsis in text, synopsis


def test_a_value_stands_as_it_is_written():
    text = one_line(text_of("batonctl.1"))
    for value in ("baton (default), or keepalived-exporter", "openmetrics (default), or text", "active (with the addresses) or backup"):
        assert value in text, value


def test_every_metric_stands_in_its_page(tables):
    text, tags = squeezed(text_of("batonctl.1")), heads("batonctl.1")
    assert {row["names"] for row in tables["metrics"]} == {"baton", "keepalived-exporter"} and len(tables["metrics"]) > 60
    for row in tables["metrics"]:
        assert row["name"] in tags, row["name"]
        assert squeezed(row["labels"]) in text and squeezed(row["help"])[1:] in text, row["name"]
        assert re.search(rf"{row['name']}\({row['type']}\b", text), row["name"]


def test_help_of_each_verb_and_its_page_agree(tables):
    listed = re.findall(r"^  ([a-z]+) {2,}", batonctl("--help").stdout, re.MULTILINE)
    assert set(listed) == {verb["name"].split()[0] for verb in tables["verbs"]} and len(listed) > 10


def test_every_alarm_reason_and_notice_is_explained(tables):
    text = squeezed(text_of("baton-messages.7"))
    tags = heads("baton-messages.7")
    for table, more in (("alarms", "advice"), ("reasons", "remedy"), ("notices", "remedy"), ("discards", "words")):
        assert len(tables[table]) > 10
        for row in tables[table]:
            assert row["token"] in tags, row["token"]
            assert squeezed(row[more])[1:] in text, row["token"]
    assert set(tables["events"]) <= tags


def test_everything_that_doctor_finds_is_explained(tables):
    text = squeezed(text_of("batonctl.1"))
    assert len(tables["findings"]) > 30
    for row in tables["findings"]:
        assert squeezed(f"{row['token']} ({row['severity']})") in text, row["token"]
        assert squeezed(row["words"])[1:] in text and squeezed("Fix: " + row["remedy"]) in text, row["token"]
    checks = {row["check"] for row in tables["findings"]}
    assert checks == {check["token"] for check in tables["doctor_checks"]}


def test_plugins_page_has_every_verb_result_and_module_key(tables):
    tags = heads("baton-plugins.7")
    assert set(tables["plugin_verbs"]) | set(tables["plugin_statuses"]) <= tags
    done = batonctl("plugin", "list", "--json", "--plugin-dir", BUILD / "lib/baton/plugins")
    modules = json.loads(done.stdout)["modules"]
    assert done.returncode == 0 and len(modules) > 5, done.stdout
    for module in modules:
        assert module["name"] in text_of("baton-plugins.7")
        for key in module["keys"]:
            assert key["name"] in tags, f"{module['name']} {key['name']}"


def test_batond_page_has_every_option_of_its_usage():
    usage = subprocess.run([BUILD / "bin/batond", "--help"], capture_output=True, text=True, check=True).stdout
    options = re.findall(r"--[a-z-]+", usage)
    assert len(options) >= 7
    text = text_of("batond.8")
    for option in options:
        assert option in text


# ---- Examples -------------------------------------------------------------------------------------------------------

def examples(path, kinds):
    """(whole or fragment, text) of each fenced block of these kinds."""
    text = path.read_text(encoding="utf-8")
    return [(kind, body) for kind, body in re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
            if kind in kinds and re.search(r"^\[(instance|group|plugin|daemon|peer)\b", body, re.MULTILINE)]


REST = {"interface": "eth0", "virtual_router_id": "51", "priority": "100", "priority@db1": "110", "address": "10.0.0.50/24"}


def missing(fragment):
    """What a whole file of two hosts needs besides, as a second file: its sections go on with those of the fragment."""
    section = re.search(r"^\[instance (\S+)\]\n(.*?)(?=^\[|\Z)", fragment, re.MULTILINE | re.DOTALL)
    name, there = section.groups() if section else ("web", "")
    lines = "".join(f"{key} = {value}\n" for key, value in REST.items() if not re.search(rf"^{re.escape(key)} =", there, re.MULTILINE))
    return f"[instance {name}]\n{lines}[peer db1]\naddress = 10.0.0.1\n[peer db2]\naddress = 10.0.0.2\n"


def check(text, more="", accepted=ACCEPTED):
    with tempfile.TemporaryDirectory(prefix="baton-manual-", dir="/tmp") as directory:
        os.chmod(directory, 0o755)
        file = pathlib.Path(directory, "baton.conf")
        file.write_text(text)
        if more:
            pathlib.Path(directory, "conf.d").mkdir(mode=0o755)
            pathlib.Path(directory, "conf.d/more.conf").write_text(more)
        for host in re.findall(r"^\[peer (\S+)\]", text + more, re.MULTILINE):
            # Where there is no interface at all, and as nobody, as tests/cli/test_examples.py does it.
            done = subprocess.run(["unshare", "--net", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", BUILD / "bin/batonctl", "check",
                                   file, "--host", host, "--plugin-dir", BUILD / "lib/baton/plugins"], capture_output=True, text=True)
            assert done.returncode == 0, f"on {host}:\n{text}{more}\n{done.stdout}{done.stderr}"
            assert set(re.findall(r"(?:error|warning)\[(\w+)\]", done.stdout)) <= accepted, f"on {host}:\n{text}{more}\n{done.stdout}"


@pytest.mark.parametrize("path", [*CHAPTERS, *GUIDES], ids=lambda path: path.name)
def test_examples_pass_the_check(path):
    found = examples(path, ("ini", "fragment"))
    if path.name in ("baton.conf.5.in", "baton-plugins.7.in", "baton-keepalived.7.in", "first-pair.md"):
        assert found
    for kind, text in found:
        check(text, missing(text) if kind == "fragment" else "")


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.parent.name)
def test_examples_of_a_plugin_pass_the_check(path):
    for _, text in examples(path, ("ini",)):
        # A section alone is shown; what refers to it is another question.
        check(text, "" if "[peer" in text else missing(text), ACCEPTED | {"W010"})


def test_an_example_that_is_wrong_is_found():
    text = next(body for _, body in examples(ROOT / "packaging/man/baton.conf.5.in", ("ini",)))
    with pytest.raises(AssertionError, match="virtual_router_idd"):
        check(text.replace("virtual_router_id", "virtual_router_idd"))


# ---- Guides ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.name)
def test_pictures_are_well_formed_and_speak(picture):
    root = xml.etree.ElementTree.parse(picture).getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert root.tag == space + "svg" and root.find(space + "title").text and root.find(space + "desc").text
    left, top, width, height = map(float, root.get("viewBox").split())
    for text in root.iter(space + "text"):
        assert left <= float(text.get("x")) <= left + width and top <= float(text.get("y")) <= top + height
    # No address of another server: it is read from a disk.
    assert "href" not in picture.read_text(encoding="utf-8")


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_guides_name_what_there_is(guide, tables):
    text = guide.read_text(encoding="utf-8")
    # A chain `input` sees no advert that Baton receives: no rule there cuts or lets through.
    assert not re.search(r"nft (?:add|insert) rule [^`\n]*\binput\b[^`\n]*\b112\b", text)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert (guide.parent / target).exists(), target
    verbs = {verb["name"].split()[0] for verb in tables["verbs"]}
    used = set(re.findall(r"\bbatonctl ([a-z]+)", text))
    assert used and used <= verbs, used - verbs
    known = {row["token"] for table in ("alarms", "reasons", "notices") for row in tables[table]} | {key["name"] for key in tables["keys"]}
    for word in re.findall(r"`([a-z]+(?:_[a-z]+)+)`", text):
        assert word in known, word


def test_keepalived_page_names_only_keys_that_there_are(tables):
    """Its right-hand columns are ours."""
    text = (ROOT / "packaging/man/baton-keepalived.7.in").read_text(encoding="utf-8")
    known = {key["name"] for key in tables["keys"]} | {row["token"] for table in ("alarms", "reasons") for row in tables[table]}
    known |= {"enter_command", "leave_command", "notify_command"}  # of exec
    for row in re.findall(r"^\| .+ \| (.+) \|$", text, re.MULTILINE):
        for word in re.findall(r"`([a-z]+(?:_[a-z]+)+)\b[^`]*`", row):
            assert word in known or "keepalived" in row, f"{word}: {row}"


KEEPALIVED = """\
vrrp_script web {
    script "/usr/bin/true"
    weight %s
}
vrrp_instance one {
    interface eth0
    virtual_router_id 51
    priority 110
    virtual_ipaddress { 10.0.0.50/24 }
    track_script { web }
    notify /usr/local/bin/told.sh
}
"""


def imported(weight):
    with tempfile.TemporaryDirectory(prefix="baton-manual-", dir="/tmp") as directory:
        file = pathlib.Path(directory, "keepalived.conf")
        file.write_text(KEEPALIVED % weight)
        done = batonctl("import", file)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.mark.parametrize("weight", ["0", "N", "-N"])
def test_keepalived_page_says_of_weights_what_import_makes(weight):
    text = (ROOT / "packaging/man/baton-keepalived.7.in").read_text(encoding="utf-8")
    said = re.search(rf"^\| `weight {weight}` \| `check = NAME(.*?)`", text, re.MULTILINE)[1]
    made = imported(weight.replace("N", "20"))
    assert re.search(r"^check = web(.*)$", made, re.MULTILINE)[1] == said.replace("N", "20")
    assert "\npriority = 110\n" in made


def test_the_pages_say_of_prefer_when_it_counts():
    """src/engine/eligibility.cc: a positive one while the check passes, a negative one while it does not."""
    text = one_line(text_of("baton.conf.5"))
    assert "check = NAME prefer=N: while it passes, the priority is N higher. check = NAME prefer=-N: while it does not pass, the priority is N lower." in text


def test_keepalived_page_says_of_notify_what_import_makes():
    text = (ROOT / "packaging/man/baton-keepalived.7.in").read_text(encoding="utf-8")
    said = re.search(r"^\| `notify` \| `import` makes it a `(\w+)`", text, re.MULTILINE)[1]
    assert re.search(rf"^{said} = one-notify$", imported("0"), re.MULTILINE)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    """A root of its own, with our catalog compiled as the system compiles it; what journalctl says about it."""
    root = tmp_path_factory.mktemp("root")
    for directory in ("usr/lib/systemd/catalog", "var/lib/systemd/catalog"):
        (root / directory).mkdir(parents=True)
    shutil.copy(BUILD / "man/baton.catalog", root / "usr/lib/systemd/catalog")
    environment = dict(os.environ, LC_ALL="C.UTF-8")

    def journalctl(*arguments):
        return subprocess.run(["journalctl", f"--root={root}", "--no-pager", *arguments], capture_output=True, text=True, env=environment)

    done = journalctl("--update-catalog")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return journalctl


def test_the_catalog_has_each_kind_of_line_once(tables, catalog):
    rows = [row for table in ("messages", "alarms", "notices") for row in tables[table]]
    listed = catalog("--list-catalog")
    assert listed.returncode == 0, listed.stderr
    ids = [line.split()[0] for line in listed.stdout.splitlines()]
    assert sorted(ids) == sorted(row["message_id"] for row in rows)
    assert all(re.fullmatch(r"[0-9a-f]{32} Baton: .+", line) for line in listed.stdout.splitlines())


def test_the_catalog_says_what_the_manual_says(tables, catalog):
    for row in tables["notices"]:
        shown_entry = one_line(catalog("--dump-catalog", row["message_id"]).stdout).replace("@@", "@")
        assert one_line(row["words"]) in shown_entry and one_line(row["remedy"]) in shown_entry, row
    for row in tables["alarms"]:
        assert one_line(row["advice"]) in one_line(catalog("--dump-catalog", row["message_id"]).stdout).replace("@@", "@"), row
    became = next(row for row in tables["messages"] if row["token"] == "became_active")
    assert f"MESSAGE_ID={became['message_id']}" in squeezed(text_of("baton-messages.7"))
    assert "Subject: @BATON_INSTANCE@ is now Active on this host" in catalog("--dump-catalog", became["message_id"]).stdout


def test_the_catalog_names_fields_that_lines_have():
    written = set()
    for source in (ROOT / "src").rglob("*.cc"):
        written |= set(re.findall(r'\{"([a-z_]+)", ', source.read_text(encoding="utf-8")))
    named = set(re.findall(r"(?<!@)@([A-Z_]+)@", (BUILD / "man/baton.catalog").read_text(encoding="utf-8")))
    assert named - {"MESSAGE"} <= {"BATON_" + key.upper() for key in written}, named
    assert {"BATON_INSTANCE", "BATON_REASON", "BATON_PEER"} <= named
