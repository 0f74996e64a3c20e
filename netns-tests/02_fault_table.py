"""faults.tsv: one line for each fault row that the tests must cover; the tests it names exist."""
import glob
import os
import re

from lib.daemons import ROOT

HERE = os.path.dirname(os.path.abspath(__file__))
REQUIRED = ([*range(1, 17)] + [18, *range(20, 24), 25, 26, 28, 31, 32, 35, 36, 37, *range(39, 44), 45, 46, 48, 50, 51, 54, *range(56, 62), *range(64, 70), 71, *range(73, 80), 81, 82, 83, 84, *range(85, 89), 90, 92, 93, 94, 96])


def rows():
    with open(os.path.join(HERE, "faults.tsv"), encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t") for line in file if line.strip() and not line.startswith("#")]


def names_of_tests():
    found = set()
    here = glob.glob(os.path.join(HERE, "[0-9][0-9]_*.py"))
    of_plugins = glob.glob(os.path.join(ROOT, "plugins", "*", "test_*.py")) + glob.glob(os.path.join(ROOT, "tests", "plugin_host", "test_*.py"))
    for path in here + of_plugins:
        with open(path, encoding="utf-8") as file:
            found |= set(re.findall(r"^def (test_\w+)", file.read(), re.M))
    for path in glob.glob(os.path.join(ROOT, "tests", "**", "*_test.cc"), recursive=True):
        with open(path, encoding="utf-8") as file:
            found |= {"%s.%s" % pair for pair in re.findall(r"^TEST(?:_F|_P)?\((\w+),\s*(\w+)\)", file.read(), re.M)}
    return found


def test_every_required_row_has_a_line():
    assert {row[0] for row in rows()} >= {"F%02d" % number for number in REQUIRED}
    assert len({row[0] for row in rows()}) == len(rows())


def test_every_line_names_tests_that_exist_or_says_why_there_is_a_gap():
    known = names_of_tests()
    wrong = []
    for identity, tests, gap in (row + [""] * (3 - len(row)) for row in rows()):
        if not tests and not gap.startswith("gap: "):
            wrong.append(identity + ": neither a test nor a gap")
        wrong += ["%s: no test %s" % (identity, name) for name in tests.split(" ") if name and name not in known]
    assert not wrong, "\n".join(wrong)
