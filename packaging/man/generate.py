#!/usr/bin/env python3
"""Makes the manual pages: the chapters *.in beside this file, merged with the tables that the programs work by.

    generate.py --batonctl PROGRAM --batond PROGRAM [--module FILE]... --source DIR --out DIR

The tables come from `batonctl dump-tables`, `batond --help` and the constant `baton_plugin_v1` of each module, so that a page
cannot say other than the program does. A chapter names what it wants of them in lines of its own:

    @keys SECTION [own|election]   @codes E|W    @verbs          @global-options   @batond-options  @exit-codes
    @alarms [TOKEN...]             @reasons      @events         @discards         @notices         @modules
    @message-ids   @findings       @metrics NAMES
    @example FILE                  @about TABLE NAME ... @end    (more words for one row)

`@alarms` without tokens shows those that no other line has shown. An @about for a row that does not exist is an error.
"""
import argparse
import ctypes
import json
import pathlib
import re
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import catalog  # noqa: E402
import roff  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
VERBS = ("probe position can_promote block_writes unblock_writes drain promote demote step_down rejoin verify enter leave notify "
         "acquire renew release fence").split()
KEY_TYPES = ("text", "yes or no", "integer", "time", "absolute path", "word", "address", "secret")
REQUIRED, LIST, ACTS = 1, 2, 4


class Key(ctypes.Structure):  # plugin.h: baton_key
    _fields_ = [(name, ctypes.c_char_p) for name in ("name", "domain", "default_text", "help")] + [
        ("minimum", ctypes.c_int64), ("maximum", ctypes.c_int64), ("type", ctypes.c_uint32), ("flags", ctypes.c_uint32)]


class Plugin(ctypes.Structure):  # plugin.h: baton_plugin, as of 1.0
    _fields_ = ([("struct_size", ctypes.c_uint32), ("abi_minor", ctypes.c_uint32)] +
                [(name, ctypes.c_char_p) for name in ("name", "version", "summary", "manual", "act_user")] +
                [("keys", ctypes.POINTER(Key)), ("key_count", ctypes.c_uint32), ("key_size", ctypes.c_uint32), ("needs", ctypes.c_uint32),
                 ("reserved", ctypes.c_uint32)] +
                [(name, ctypes.c_void_p) for name in ("check_settings", "open", "close", *VERBS)])


def text_of(value):
    return value.decode() if value else ""


def duration(nanoseconds):
    for unit, size in (("d", 86400 * 10**9), ("h", 3600 * 10**9), ("m", 60 * 10**9), ("s", 10**9), ("ms", 10**6), ("us", 10**3)):
        if nanoseconds and nanoseconds % size == 0:
            return f"{nanoseconds // size}{unit}"
    return str(nanoseconds)


def module_key(key):
    limits = ""
    if key.minimum or key.maximum:
        say = duration if KEY_TYPES[key.type] == "time" else str
        limits = f"{say(key.minimum)}..{say(key.maximum)}"
    return {"name": text_of(key.name), "type": KEY_TYPES[key.type], "domain": limits or text_of(key.domain), "default": text_of(key.default_text),
            "help": text_of(key.help), "required": bool(key.flags & REQUIRED), "list": bool(key.flags & LIST), "acts": bool(key.flags & ACTS)}


def modules_of(files):
    """What each module says of itself. Read from its one constant: baton-plugin-host would want it to be root's."""
    modules = []
    for path in sorted(files, key=lambda file: file.stem):
        plugin = Plugin.in_dll(ctypes.CDLL(str(path.resolve())), "baton_plugin_v1")
        modules.append({"name": path.stem, "summary": text_of(plugin.summary), "manual": text_of(plugin.manual),
                        "act_user": text_of(plugin.act_user) or "baton-act", "needs": plugin.needs,
                        "verbs": [verb for verb in VERBS if getattr(plugin, verb)],
                        "keys": [module_key(plugin.keys[i]) for i in range(plugin.key_count)]})
    return modules


def batond_options(program):
    """The rows of its usage: `  -c, --config FILE     what it is`."""
    usage = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    rows = [re.match(r"  +((?:-\w, )?--[\w-]+(?: [A-Z]+)?) {1,}(.+)", line) for line in usage.splitlines()]
    return [{"name": row[1], "help": row[2]} for row in rows if row]


class Page:
    def __init__(self, path, tables, source):
        self.tables, self.source = tables, source
        self.about, self.used, self.shown_alarms = {}, set(), set()
        head, _, text = path.read_text(encoding="utf-8").partition("\n")
        self.name, self.section, self.date, self.title = re.fullmatch(r"% (\S+) (\d) (\S+) (.+)", head).groups()
        self.text = re.sub(r"^@about (\S+) (.+?)\n(.*?)^@end\n", self.keep, text, flags=re.MULTILINE | re.DOTALL)
        listed = re.findall(r"^@alarms (.+)$", self.text, re.MULTILINE)
        self.placed_alarms = {token for line in listed for token in line.split()}

    def keep(self, match):
        self.about[match[1], match[2].strip()] = match[3].strip()
        return ""

    def more(self, table, name):
        text = self.about.get((table, name), "")
        self.used.add((table, name))
        return [line for line in roff.convert(text, self.no_directive)] if text else []

    def no_directive(self, line):
        raise SystemExit(f"{self.name}: @{line} within @about")

    def row(self, table, name, head, paragraphs):
        """A tagged paragraph, and under it what the chapter has to add."""
        paragraphs = [text for text in paragraphs if text]
        if not paragraphs and (table, name) in self.about:
            self.used.add((table, name))
            return roff.tagged(head, self.about[table, name].split("\n\n"))
        out = roff.tagged(head, paragraphs)
        extra = self.more(table, name)
        if not extra:
            return out
        # A paragraph of its own under the same tag.
        return out + [".RS", *([] if extra[0].startswith(".") else [".PP"]), *extra, ".RE"]

    def directive(self, line):
        words = line.split()
        maker = getattr(self, "make_" + words[0].replace("-", "_"), None)
        if maker is None:
            raise SystemExit(f"{self.name}: unknown @{line}")
        return maker(*words[1:])

    def make_keys(self, section, part="all"):
        rows = [key for key in self.tables["keys"] if key["section"] == section and
                (part == "all" or key["election"] == (part == "election"))]
        if not rows:
            raise SystemExit(f"{self.name}: no keys for @keys {section} {part}")
        out = []
        for key in rows:
            support = {"full": "", "refused": "**This version refuses any other value than the default.**"}[key["support"]]
            out += self.row("key", f"{section}/{key['name']}", key_head(key), [key["help"], support])
        return out

    def make_codes(self, letter):
        rows = [code for code in self.tables["codes"] if code["code"].startswith(letter)]
        return [line for code in rows for line in self.row("code", code["code"], f"**{code['code']}** {code['title']}", [code["explanation"]])]

    def make_global_options(self):
        return self.options(self.tables["global_options"])

    def make_batond_options(self):
        return [line for option in self.tables["batond_options"]
                for line in self.row("batond", option["name"], option_head(option["name"]), [sentence(option["help"])])]

    def options(self, options):
        return [line for option in options for line in roff.tagged(option_words(option), [sentence(option["help"], option["choices"])])]

    def make_verbs(self):
        out = []
        for verb in self.tables["verbs"]:
            arguments = " ".join(usage_word(option) for option in verb["options"])
            who = {"view": "Asks the daemon; for group baton-view and above.", "admin": "Asks the daemon; for group baton-admin and root."}
            needs = who.get(verb["group"], "")
            out += [".TP", f"\\fBbatonctl {roff.escape(verb['name'], True)}\\fP {roff.inline(arguments)}",
                    roff.filled(" ".join(filter(None, [sentence(verb["help"]), needs])))]
            own = [option for option in verb["options"] if option["names"] != ["--json"]]
            extra = self.more("verb", verb["name"])
            if own or extra:
                out += [".RS", *self.options(own), *([".PP"] if extra and not extra[0].startswith(".") else []), *extra, ".RE"]
        return out

    def make_exit_codes(self):
        return [line for code in self.tables["exit_codes"]
                for line in self.row("exit", str(code["number"]), f"**{code['number']}**", [sentence(code["words"])])]

    def make_alarms(self, *tokens):
        by_token = {alarm["token"]: alarm for alarm in self.tables["alarms"]}
        wanted = tokens or [token for token in by_token if token not in self.placed_alarms]
        out = []
        for token in wanted:
            if token not in by_token:
                raise SystemExit(f"{self.name}: there is no alarm {token}")
            alarm = by_token[token]
            out += self.row("alarm", token, f"**{token}**", [f"{sentence(alarm['words'])} {alarm['advice']}"])
        return out

    def make_rows(self, table, key):
        return [line for row in self.tables[key]
                for line in self.row(table, row["token"], f"**{row['token']}**",
                                     [sentence(row["words"]), sentence(row.get("remedy", ""))])]

    def make_reasons(self):
        return self.make_rows("reason", "reasons")

    def make_discards(self):
        return [line for row in self.tables["discards"]
                for line in self.row("discard", row["token"], f"**{row['token']}**", [f"{sentence(row['words'])} Rule {row['rule']}."])]

    def make_notices(self):
        return self.make_rows("notice", "notices")

    def make_message_ids(self):
        out = []
        for row in self.tables["messages"]:
            text = re.sub("@(BATON_[A-Z_]+)@", r"*\1*", row["text"])
            out += roff.tagged(f"`{row['message_id']}`", [f"**{row['token']}**: {sentence(text)}"])
        return out

    def make_findings(self):
        """Of doctor: by what was looked at, each with how bad it is."""
        out = []
        for check in self.tables["doctor_checks"]:
            out += [f'.SS "{roff.escape(sentence(check["words"]).rstrip("."), True)}"']
            for row in self.tables["findings"]:
                if row["check"] == check["token"]:
                    out += self.row("finding", row["token"], f"**{row['token']}** ({row['severity']})",
                                    [sentence(row["words"]), "Fix: " + row["remedy"]])
        return out

    def make_metrics(self, names):
        rows = [row for row in self.tables["metrics"] if row["names"] == names]
        if not rows:
            raise SystemExit(f"{self.name}: no metrics for @metrics {names}")
        return [line for row in rows for line in self.row("metric", row["name"], metric_head(row), [sentence(row["help"])])]

    def make_events(self):
        return [line for token in self.tables["events"] for line in self.row("event", token, f"**{token}**", [])]

    def make_modules(self):
        out = []
        for module in self.tables["modules"]:
            does = f"Verbs: {', '.join(module['verbs'])}. "
            acts = [verb for verb in module["verbs"] if verb != "probe"]
            users = f"Acts as user {module['act_user']}, unless the section says otherwise." if acts else ""
            out += [f'.SS "{roff.escape(module["name"], True)}"',
                    roff.filled(f"{sentence(module['summary'])} {does}{users} The chapter with everything: baton-plugin-{module['name']}(7).")]
            for key in module["keys"]:
                out += roff.tagged(key_head(key), [key["help"]])
        return out

    def make_example(self, file):
        return roff.code_block((self.source / "etc" / file).read_text(encoding="utf-8").rstrip("\n").split("\n"))

    def render(self):
        body = roff.convert(self.text, self.directive)
        strangers = set(self.about) - self.used
        if strangers:
            raise SystemExit(f"{self.name}: @about for what does not exist: {sorted(strangers)}")
        return page(self.name, self.section, self.date, self.title, self.tables["version"], body)


def page(name, section, date, title, version, body):
    head = ['.\\" Made by packaging/man/generate.py: change the chapter or the table instead.',
            f'.TH "{name.upper()}" {section} "{date}" "Baton {version}" "Baton manual"',
            ".nh", ".nr HY 0", ".ad l", '.SH "NAME"', f"{roff.escape(name, True)} \\- {roff.inline(title)}"]
    return "\n".join(head + body) + "\n"


def sentence(text, literals=()):
    text = text.strip()
    if not text:
        return ""
    # The name of a key stays as it is written, and so does a value that can be given.
    if text.split()[0].rstrip(",:") in literals:
        return text if text[-1] in ".?!" else text + "."
    if text[0].islower() and not re.match(r"[a-z]+_|[a-z]+ =|keepalived", text):
        text = text[0].upper() + text[1:]
    return text if text[-1] in ".?!" else text + "."


def shape_of(key):
    """What kind of value it takes, and which."""
    domain = key["domain"]
    if not domain or key["type"] == "yes or no":
        return key["type"]
    if key["type"] == "word":
        return domain.replace("|", ", ")
    if key["type"] in ("integer", "time"):
        return f"{key['type']}, {domain}"
    if "acts" in key:  # a module's domain shows what it looks like
        return f"{key['type']}, such as `{domain}`" if key["type"] == "text" else f"{key['type']}, `{domain}`"
    return f"`{domain}`"


def key_head(key):
    about = [shape_of(key)]
    if key["list"]:
        about.append("may be repeated")
    if key["required"]:
        about.append("must be set")
    if key.get("acts"):
        about.append("for acts only")
    if key["default"]:
        about.append(f"default `{key['default']}`")
    return f"`{key['name']}` ({'; '.join(about)})"


def option_head(name):
    match = re.fullmatch(r"(.*?)(?: ([A-Z]+))?", name)
    return f"`{match[1]}`" + (f" *{match[2]}*" if match[2] else "")


def value_of(option):
    """The values that there are; else how the value is called: where the program has no name for it, the option's own is."""
    if option["choices"]:
        return " " + "|".join(f"`{choice}`" for choice in option["choices"])
    plain = option["value"] in ("TEXT", "INT", "UINT", "FLOAT")
    word = option["names"][-1].lstrip("-").split("-")[-1].upper() if plain else option["value"]
    return f" *{word}*" if word else ""


def option_words(option):
    if option["positional"]:
        return f"*{option['positional']}*"
    names = ", ".join(f"`{name}`" for name in option["names"])
    return names + value_of(option)


def usage_word(option):
    if option["positional"] == "COMMAND":
        return "`--` *COMMAND*..."  # taken by the program before it looks at options
    if option["positional"]:
        word = f"*{option['positional']}*"
    else:
        word = f"`{option['names'][-1]}`" + value_of(option)
    return (word if option["required"] else f"[{word}]") + ("..." if option["many"] else "")


def metric_head(row):
    """A histogram's name stands for three."""
    about = [row["type"] + (": _bucket, _count, _sum" if row["type"] == "histogram" else "")]
    if row["labels"]:
        about.append("labels " + row["labels"])
    return f"`{row['name']}` ({'; '.join(about)})"


def chapter_page(module, readme, version):
    """A plugin's README.md as a page of its own."""
    text = readme.read_text(encoding="utf-8")
    text = re.sub(r"^# .*\n", "", text, count=1)
    text = text.replace("`etc/examples/", "`/usr/share/doc/baton/examples/")
    body = ['.SH "DESCRIPTION"', *roff.convert(text, lambda line: [roff.filled("@" + line)], level=2),
            '.SH "SEE ALSO"', roff.filled("baton-plugins(7), baton.conf(5), batonctl(1)")]
    return page(f"baton-plugin-{module['name']}", 7, "2026-11-22", module["summary"].rstrip("."), version, body)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option in ("--batonctl", "--batond", "--source", "--out"):
        parser.add_argument(option, required=True, type=pathlib.Path)
    parser.add_argument("--module", action="append", default=[], type=pathlib.Path, help="a built plugin; repeat it")
    arguments = parser.parse_args()
    tables = json.loads(subprocess.run([arguments.batonctl, "dump-tables", "--json"], capture_output=True, check=True).stdout)
    tables["batond_options"] = batond_options(arguments.batond)
    tables["modules"] = modules_of(arguments.module)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "baton.catalog").write_text(catalog.text_of(tables), encoding="utf-8")
    for path in sorted(HERE.glob("*.in")):
        one = Page(path, tables, arguments.source)
        (arguments.out / f"{one.name}.{one.section}").write_text(one.render(), encoding="utf-8")
    for module in tables["modules"]:
        readme = arguments.source / "plugins" / module["name"] / "README.md"
        if readme.exists():
            (arguments.out / f"baton-plugin-{module['name']}.7").write_text(chapter_page(module, readme, tables["version"]), encoding="utf-8")


if __name__ == "__main__":
    main()
