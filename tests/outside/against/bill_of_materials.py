"""Validate the bill of materials, and compare it with that of CycloneDX's own tool.

    python3 tests/outside/against/bill_of_materials.py WHEELS [--tools DIR] [--option=--no-deps ...]

pkg-install installs every wheel of the directory WHEELS into a fresh virtual environment. Then

- `list --format cyclonedx` has to be valid for the strict validator of `cyclonedx-python-lib`;
- `cyclonedx-py environment` has to name the same components: name, version and package URL;
- both have to state the same dependencies between them, and the same licence expressions.

Both tools come from the package index into the virtual environment --tools, which is made if it is
missing and can be kept. Differences that follow from what the tools read are explained in
EXPLAINED, and are counted apart.

Prints a line for each check. Exit code 1: a check failed.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from checks import Checks
from lib import venv

TOOLS = ("cyclonedx-python-lib[validation]>=9", "cyclonedx-bom>=6")
VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

faults = JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read())
if faults:
    sys.exit(str(faults))
"""
# Reads pairs of projects, and writes those whose first one requires the second without any extra.
STATED = """
import importlib.metadata, json, re, sys
from packaging.requirements import Requirement

def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()

requires = {}
for found in importlib.metadata.distributions(path=[sys.argv[1]]):
    requires[normal(found.metadata["Name"])] = [Requirement(text) for text in found.requires or ()]
stated = []
for name, other in json.load(sys.stdin):
    needed = [one for one in requires[name] if normal(one.name) == other]
    if any(one.marker is None or one.marker.evaluate({"extra": ""}) for one in needed):
        stated.append([name, other])
print(json.dumps(stated))
"""
# The kinds of differences that are right, each with its reason.
EXPLAINED = {
    "extra": "cyclonedx-py counts requirements of extras that nobody asked for as dependencies",
}


def tools(directory):
    """The interpreter of the environment with the tools."""
    python = directory / "bin/python"
    return python if python.exists() else venv.make_tools(directory, *TOOLS)


def components(bill):
    """Name, version and package URL of each component; by reference the normalised name."""
    found, names = set(), {}
    for one in bill["components"]:
        name = one["name"].lower().replace("_", "-").replace(".", "-")
        found.add((name, one["version"], one["purl"]))
        names[one["bom-ref"]] = name
    return found, names


def dependencies(bill, names):
    """The pairs of a project and one that it requires."""
    pairs = set()
    for one in bill["dependencies"]:
        for other in one.get("dependsOn", ()):
            if one["ref"] in names and other in names:
                pairs.add((names[one["ref"]], names[other]))
    return pairs


def expressions(bill, names):
    """The licence expression of each project that states one."""
    found = {}
    for one in bill["components"]:
        for licence in one.get("licenses", ()):
            if licence.get("acknowledgement", "declared") != "declared":
                continue
            expression = licence.get("expression") or licence.get("license", {}).get("id")
            if expression:
                found.setdefault(names[one["bom-ref"]], set()).add(expression)
    return found


def without_reason(python, library, pairs):
    """Those of the pairs that METADATA states for an environment without extras."""
    stated = venv.must([python, "-c", STATED, library], input=json.dumps(sorted(pairs)))
    return {tuple(pair) for pair in json.loads(stated)}


def main():
    """Compare."""
    parser = venv.new_parser(__doc__)
    parser.add_argument("wheels", type=pathlib.Path)
    parser.add_argument("--tools", type=pathlib.Path)
    parser.add_argument("--option", action="append", default=[])
    options = parser.parse_args()
    binary = venv.checked_binary(options.binary)
    checks = Checks()
    with venv.scratch_directory("bill") as scratch:
        python = tools((options.tools or scratch / "tools").absolute())
        root = venv.make(scratch / "venv")
        installed = sorted(options.wheels.glob("*.whl"))
        command = [binary, *options.option, "--target", root, *installed]
        checks.ran("the wheels are installed", venv.run(command, stderr=subprocess.STDOUT))
        own = venv.run([binary, "list", "--format", "cyclonedx", "--target", root])
        checks.ran("the bill is printed", own)
        valid = venv.run([python, "-c", VALIDATE], input=own.stdout, stderr=subprocess.STDOUT)
        checks.ran("the strict validator of CycloneDX 1.6 takes it", valid)
        command = [python.with_name("cyclonedx-py"), "environment", "--sv", "1.6"]
        peer = venv.must([*command, root / "bin/python"])
        own, peer = json.loads(own.stdout), json.loads(peer)
        (ours, names), (theirs, their_names) = components(own), components(peer)
        different = sorted(ours ^ theirs)
        checks.check(f"{len(ours)} components are the same", not different and ours, different)
        ours, theirs = dependencies(own, names), dependencies(peer, their_names)
        library = root / venv.PURELIB
        wrong = (ours - theirs) | without_reason(python, library, theirs - ours)
        checks.check(f"{len(ours & theirs)} dependencies are the same", not wrong, sorted(wrong))
        print(f"      {len(theirs - ours - wrong)} more: {EXPLAINED['extra']}")
        ours, theirs = expressions(own, names), expressions(peer, their_names)
        both = sorted(set(ours) & set(theirs))
        different = [(name, ours[name], theirs[name]) for name in both if ours[name] != theirs[name]]
        checks.check(f"{len(both)} licence expressions are the same", not different, different)
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
