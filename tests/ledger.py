#!/usr/bin/python3
"""Checks tests/rfc9568.tsv: every test it names exists, every rule id stands there once, and prints how many hold.

usage: ledger.py DIRECTORY-WITH-TEST-BINARIES
A line: id <tab> clause <tab> test that shows it <tab> test that shows the opposite.
A test is `Suite.Name` of a GoogleTest binary, `netns:FILE::test_name` of netns-tests, or `gap: reason`.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def gtest_names(directory):
    names = set()
    for binary in sorted(pathlib.Path(directory).glob("*_test")):
        listing = subprocess.run([str(binary), "--gtest_list_tests"], capture_output=True, text=True, check=True).stdout
        suite = ""
        for line in listing.splitlines():
            if line and not line.startswith(" "):
                suite = line.split("#")[0].strip()
            elif line.strip():
                names.add(suite + line.split("#")[0].strip())
    return names


def netns_names():
    names = set()
    for path in sorted((ROOT / "netns-tests").glob("[0-9][0-9]_*.py")):
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M):
            names.add("netns:%s::%s" % (path.stem, name))
    return names


def known(test, tests):
    if test in tests:
        return True
    base = test.split("/")[0]                                # a parametrised suite or test
    return any(name.split("/")[0] == base or "/%s/" % test in "/" + name + "/" for name in tests)


def main():
    tests = gtest_names(sys.argv[1]) | netns_names()
    bad, held, gaps, seen = [], 0, 0, set()
    for number, line in enumerate((ROOT / "tests/rfc9568.tsv").read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = [field.strip() for field in line.split("\t")]
        where = "tests/rfc9568.tsv:%d" % number
        if len(fields) < 3:
            bad.append("%s: fewer than three fields" % where)
            continue
        if fields[0] in seen:
            bad.append("%s: %s stands twice" % (where, fields[0]))
        seen.add(fields[0])
        if "open:" in line:
            bad.append("%s: %s is still open" % (where, fields[0]))
            continue
        shown = fields[2]
        if shown.startswith("gap:"):
            gaps += 1
            if len(shown) < 10:
                bad.append("%s: a gap needs its reason" % where)
            continue
        held += 1
        for test in re.split(r"[,; ]+", shown) + re.split(r"[,; ]+", fields[3] if len(fields) > 3 else ""):
            if test and test != "-" and not known(test, tests):
                bad.append("%s: %s: no test is called %s" % (where, fields[0], test))
    for line in bad:
        print(line)
    print("summary: %d rules hold, %d gaps" % (held, gaps))
    return 1 if bad or held == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
