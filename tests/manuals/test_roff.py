"""The small Markdown that the chapters are written in, as man(7) macros; and what the generator refuses."""
import pathlib
import sys

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "packaging/man"))
import generate  # noqa: E402
import roff  # noqa: E402


def convert(text):
    return "\n".join(roff.convert(text, lambda line: [f"<{line}>"]))


def test_code_can_be_copied_and_text_reads_well():
    assert convert("Say `a-b 'c' ~d`, well-known.") == r"Say \fBa\-b \(aqc\(aq \(tid\fP, well-known."


def test_a_line_that_begins_like_a_request_is_text():
    assert convert("# X\n.conf is no request") == '.SH "X"\n\\&.conf is no request'
    assert convert("# X\n```\n'a\n.b\n```").endswith(".EX\n\\(aqa\n\\&.b\n.EE\n.RE")


def test_a_sentence_begins_on_a_line_of_its_own_but_never_within_code_or_strong():
    assert convert("# X\nOne. Two `a. B` three.\nFour.") == '.SH "X"\nOne.\nTwo \\fBa. B\\fP three.\nFour.'
    assert convert("# X\n**One. Two.** Three.") == '.SH "X"\n\\fBOne. Two.\\fP Three.'


def test_a_row_of_a_table_is_a_tagged_paragraph():
    rows = "# X\n| key | type | default | |\n|---|---|---|---|\n| `a` | text | `b` | what \\| it is |\n| c | | | none |"
    assert convert(rows) == '.SH "X"\n.TP\n\\fBa\\fP (text; default \\fBb\\fP)\nwhat | it is\n.TP\n\\fBc\\fP\nnone'


def test_pages_lists_and_directives():
    assert convert("# X\n- see batonctl(1)\n- and\n  more\n\n@keys daemon") == (
        '.SH "X"\n.IP \\(bu 2\nsee \\fBbatonctl\\fP(1)\n.IP \\(bu 2\nand more\n<keys daemon>')


TABLES = {"version": "1", "keys": [{"section": "peer", "name": "address", "type": "address", "list": True, "required": True, "election": False,
                                   "support": "full", "domain": "ADDRESS", "default": "", "help": "Of the host."}],
          "alarms": [{"token": "mtu", "words": "too big", "advice": "Less."}, {"token": "stall", "words": "slow", "advice": "Faster."}]}


def page(tmp_path, text):
    file = tmp_path / "x.7.in"
    file.write_text("% x 7 2026-01-02 a page\n\n" + text, encoding="utf-8")
    return generate.Page(file, TABLES, tmp_path).render()


def test_a_row_of_a_table_takes_what_the_chapter_adds(tmp_path):
    text = page(tmp_path, "# A\n\n@keys peer\n\n@about key peer/address\nAnd more.\n@end\n")
    assert ".TP\n\\fBaddress\\fP (\\fBADDRESS\\fP; may be repeated; must be set)\nOf the host.\n.RS\n.PP\nAnd more.\n.RE\n" in text
    assert '.TH "X" 7 "2026-01-02" "Baton 1" "Baton manual"\n' in text


def test_alarms_that_no_line_names_come_with_the_last(tmp_path):
    text = page(tmp_path, "# A\n\n@alarms stall\n\n# B\n\n@alarms\n")
    assert text.index("stall") < text.index('.SH "B"') < text.index("mtu")
    assert text.count("\\fBmtu\\fP") == text.count("\\fBstall\\fP") == 1


@pytest.mark.parametrize("text", ["@about key peer/gone\nX.\n@end\n", "@alarms gone\n", "@keys nowhere\n", "@nonsense\n"])
def test_what_does_not_exist_is_an_error(tmp_path, text):
    with pytest.raises(SystemExit):
        page(tmp_path, "# A\n\n" + text)
