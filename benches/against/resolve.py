#!/usr/bin/env python3
"""Resolving beside uv and pip: seconds, requests, bytes, and the longest row of requests that waited for each other.

    python3 benches/against/resolve.py --output resolve.md [--recording DIR --sets DIR] [--tools pkg-install,uv,pip]
        [--rounds 5] [--delay 20] [--python EXE] [--only flask,mixed] [--kind simple|plain]

Every tool sees the same index on this machine, which answers `--delay` milliseconds late. Without a recording the projects are
made up: `wide` is a tree of 200 projects without conflicts, `walk` one where each of 700 versions of two projects is rejected.
A recording is made with `--record INDEX`: what the tools ask for is fetched from that index, once, and kept in DIR.

In each round the tools take turns: `cold` with an empty cache, then `warm` with the cache that this made. Seconds are medians;
the counts are those of the first round. Pip needs to be 25.3 or later, which fetches no wheel in a dry run. `pip-fast-deps` is pip with `--use-feature=fast-deps`.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from index_server import IndexServer, MadeUp, Recording

PIP = ["{python}", "-m", "pip", "--isolated", "--trusted-host", "127.0.0.1", "--cache-dir", "{cache}", "--disable-pip-version-check",
       "install", "--quiet", "--dry-run", "--ignore-installed", "--report", "{report}", "--index-url", "{index}", "--only-binary", ":all:", "-r", "{input}"]
TOOLS = {
    "pkg-install": ["{pkg_install}", "resolve", "-r", "{input}", "--index-url", "{index}", "--python", "{python}", "--cache-dir", "{cache}", "--report", "{report}"],
    "uv": ["{uv}", "pip", "compile", "{input}", "--index-url", "{index}", "--only-binary", ":all:", "--python", "{python}", "--no-config", "--cache-dir", "{cache}",
           "--no-header", "--no-annotate", "--no-strip-extras", "--quiet", "--no-progress", "--no-python-downloads", "--output-file", "{report}"],
    "pip": PIP,
    "pip-fast-deps": PIP[:9] + ["install", "--use-feature=fast-deps"] + PIP[10:],
}


def made_up():
    """The sets that are made up: their requirements, and all projects."""
    projects = {}
    for number in range(200):
        # A tree with three branches at each node, and some edges across.
        needs = [f"wide-{child}" for child in range(3 * number + 1, 3 * number + 4) if child < 200]
        if number % 7 == 0 and number:
            needs.append(f"wide-{number // 2}>=1")
        projects[f"wide-{number}"] = {f"{major}.{minor}": needs for major in range(4) for minor in range(30)}
    projects["walk-old"] = {"1.0": [], "2.0": []}
    low = {f"1.{minor}": ["walk-old<2"] for minor in range(400)}
    high = {f"2.{minor}": ["walk-old>=2"] for minor in range(700)}
    projects["walk-core"] = low | high
    projects["walk"] = {version: [f"walk-core=={version}", "walk-old"] for version in projects["walk-core"]}
    return {"wide": ["wide-0"], "walk": ["walk-old<2", "walk"]}, projects


def once(words, environment, timeout):
    begin, before = time.monotonic(), os.times()
    try:
        done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=timeout, cwd="/", stdin=subprocess.DEVNULL)
        code, said = done.returncode, done.stderr[-400:]
    except subprocess.TimeoutExpired:
        code, said = "timeout", ""
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.monotonic() - begin, cpu, code, said


def measure(server, tool, places, options, environment):
    """One turn: cold, then warm."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="resolve-") as scratch:
        values = places | {"cache": scratch + "/cache", "report": scratch + "/report"}
        words = [word.format(**values) for word in TOOLS[tool]]
        for state in ("cold", "warm"):
            # What a tool finds there it may take as a preference: uv then answers from its own answer.
            Path(values["report"]).unlink(missing_ok=True)
            server.take_log()
            seconds, cpu, code, said = once(words, environment, options.timeout)
            found[state] = {"seconds": seconds, "cpu": cpu, "code": code, "said": said} | server.take_log()
    return found


def row(name, tool, turns):
    cold, warm = turns[0]["cold"], turns[0]["warm"]
    median = lambda state, key: statistics.median(turn[state][key] for turn in turns)
    missing = f" ({len(cold['missing'])} missing)" if cold["missing"] else ""
    return (f"| {name} | {tool} | {cold['code']} | {median('cold', 'seconds'):.2f} | {median('warm', 'seconds'):.3f} | {median('warm', 'cpu'):.3f} "
            f"| {cold['requests']}{missing} | {cold['bytes'] / 1000:.0f} | {cold['chain']} | {cold['twice']} | {warm['requests']} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--recording", type=Path)
    parser.add_argument("--sets", type=Path, help="a directory of NAME.in")
    parser.add_argument("--record", help="the address of an index; it ends in a slash")
    parser.add_argument("--tools", default="pkg-install,uv,pip")
    parser.add_argument("--only", default="")
    parser.add_argument("--log", type=Path, help="a directory for the requests of each tool's first cold turn, with their times")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--delay", type=float, default=20)
    parser.add_argument("--kind", default="simple", choices=["simple", "plain"])
    parser.add_argument("--timeout", type=float, default=300)
    parser.add_argument("--python", default=shutil.which("python3"))
    parser.add_argument("--uv", default="uv")
    parser.add_argument("--pkg-install", default=str(Path(__file__).parents[2] / "target/release/pkg-install"))
    options = parser.parse_args()
    environment = {key: value for key, value in os.environ.items() if not re.match(r"(?i)pip_|uv_|pkg_install|virtual_env|.*_proxy", key)}
    environment |= {"NO_COLOR": "1", "PIP_CONFIG_FILE": "/dev/null"}
    if options.recording:
        source = Recording(options.recording, options.record)
        sets = {path.stem: path.read_text().splitlines() for path in sorted(options.sets.glob("*.in"))}
    else:
        sets, projects = made_up()
        source = MadeUp(projects)
    if options.only:
        sets = {name: sets[name] for name in options.only.split(",")}
    server = IndexServer(source, options.delay / 1000)
    lines = ["| set | tool | code | cold s | warm s | warm cpu s | requests | kB | chain | asked twice | warm requests |", "|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|"]
    with tempfile.TemporaryDirectory(prefix="resolve-sets-") as directory:
        for name, requirements in sets.items():
            path = Path(directory) / f"{name}.in"
            path.write_text("".join(line + "\n" for line in requirements))
            places = {"input": str(path), "index": f"{server.base}/{options.kind}/", "python": options.python, "uv": options.uv, "pkg_install": options.pkg_install}
            tools = options.tools.split(",")
            turns = {tool: [] for tool in tools}
            # One turn does not count: the server fetches, renders and compresses what it is asked for the first time. Pip asks
            # for nothing that the others do not ask for, and takes long.
            for tool in tools:
                if options.record or not tool.startswith("pip"):
                    measure(server, tool, places, options, environment)
            for turn in range(options.rounds):
                # Each tool is the first one as often as the others.
                for tool in tools[turn % len(tools):] + tools[:turn % len(tools)]:
                    turns[tool].append(measure(server, tool, places, options, environment))
            if options.log:
                options.log.mkdir(parents=True, exist_ok=True)
                for tool in tools:
                    (options.log / f"{name}-{tool}.txt").write_text(turns[tool][0]["cold"]["log"])
            for tool in tools:
                lines.append(row(name, tool, turns[tool]))
                print(lines[-1], flush=True)
                if turns[tool][0]["cold"]["code"]:
                    print(f"  {tool}: {turns[tool][0]['cold']['said'].strip().splitlines()[:3]}", file=sys.stderr)
    options.output.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
