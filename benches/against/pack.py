#!/usr/bin/env python3
"""Measures `pkg-install pack` beside pex, shiv and venv-pack, in one run.

Every command runs in turn with the others, --rounds times; the medians of wall and processor time
are printed, with the sizes and the peak memory, as a Markdown table. Then what was made is started:
once with an empty cache, and --starts times with a full one. The wheels are local and in the page
cache. The peers come from the virtual environment --tools, which has pex, shiv, venv-pack
and pip.

    python3 benches/against/pack.py --program target/release/pkg-install --wheels DIR --tools VENV
        [--rounds 5] [--starts 21]
"""

import argparse
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile


def measured(command, scratch, variables):
    """Runs a command; wall and processor seconds, and the peak memory of its largest process."""
    program = "import os, resource, sys, time\nbegin = time.perf_counter()\n" \
        "status = os.spawnvp(os.P_WAIT, sys.argv[1], sys.argv[1:])\nwall = time.perf_counter() - begin\n" \
        "u = resource.getrusage(resource.RUSAGE_CHILDREN)\n" \
        "print(wall, u.ru_utime + u.ru_stime, u.ru_maxrss, file=sys.stderr)\nsys.exit(status)"
    run = subprocess.run([sys.executable, "-c", program, *map(str, command)], cwd=scratch, capture_output=True,
                         text=True, env=variables)
    if run.returncode:
        sys.exit(f"{command} failed with {run.returncode}:\n{run.stdout[-2000:]}\n{run.stderr[-2000:]}")
    wall, processor, memory = run.stderr.splitlines()[-1].split()
    return float(wall), float(processor), int(memory) / 1024


def starts(scratch, python, variables, count):
    """Prints how long interpreters take that run nothing."""
    venv = scratch / "plain"
    subprocess.run([python, "-m", "venv", "--without-pip", venv], check=True)
    unpacked = scratch / "unpacked"
    unpacked.mkdir()
    subprocess.run(["tar", "-xzf", scratch / "x.tar.gz", "-C", unpacked], check=True)
    variables = variables | {"PATH": f"{python.parent}:/usr/bin:/bin", "PEX_INTERPRETER": "1"}
    jobs = {"plain venv": [venv / "bin/python"], "environment of tar.gz": [unpacked / "bin/python"], "pyz": [scratch / "x.pyz"]}
    jobs |= {name: [scratch / file] for name, file in [("pex", "x.pex"), ("shiv", "s.pyz")] if (scratch / file).exists()}
    times, first = {name: [] for name in jobs}, {}
    for number in range(count + 1):
        for name, command in jobs.items():
            result = measured([*command, "-c", "pass"], scratch, variables)
            times[name].append(result) if number else first.update({name: result})
    print("\n| start of `-c pass` | first wall s | first processor s | later wall ms | later processor ms |\n"
          "| --- | ---: | ---: | ---: | ---: |")
    for name, rounds in times.items():
        wall, processor, _ = (1000 * statistics.median(column) for column in zip(*rounds))
        print(f"| {name} | {first[name][0]:.2f} | {first[name][1]:.2f} | {wall:.0f} | {processor:.0f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--wheels", required=True)
    parser.add_argument("--tools", help="a virtual environment with the peers")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer-rounds", type=int, help="for other tools, which take long [default: --rounds]")
    parser.add_argument("--starts", type=int, default=21)
    parser.add_argument("--directory", default="/tmp", help="on a disk, as the directories of users are")
    arguments = parser.parse_args()
    program, wheels = pathlib.Path(arguments.program).absolute(), pathlib.Path(arguments.wheels).absolute()
    files = sorted(wheels.glob("*.whl"))
    total = sum(file.stat().st_size for file in files)
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        scratch = pathlib.Path(directory)
        # In its first round pex fetches a pip for its cache.
        variables = {name: value for name, value in os.environ.items() if re.match(r"(?i)pip_|.*_proxy|ssl_", name)}
        variables |= {"PATH": "/usr/bin:/bin", "HOME": str(scratch), "PEX_ROOT": str(scratch / "pex-root"), "LC_ALL": "C.UTF-8"}
        tools = pathlib.Path(arguments.tools).absolute() if arguments.tools else None
        python = (tools / "bin/python") if tools else pathlib.Path(sys.executable)
        target = scratch / "target"
        pack = [program, "pack", wheels, "--python", python, "--no-compat-check", "-q", "--output"]
        jobs = {
            "install into a directory": ([program, wheels, "--target", target, "--python", python, "--no-compat-check", "-q"], target),
            "pack zip": ([*pack, "x.zip"], scratch / "x.zip"),
            "pack zip --verify off": ([*pack, "off.zip", "--verify", "off"], scratch / "off.zip"),
            "pack pyz": ([*pack, "x.pyz"], scratch / "x.pyz"),
            "pack tar.gz": ([*pack, "x.tar.gz"], scratch / "x.tar.gz"),
            "pack oci": ([*pack, "image", "--format", "oci", "--interpreter", "/usr/bin/python3"], scratch / "image"),
        }
        if tools:
            pex = [tools / "bin/python", "-m", "pex", "--intransitive"]
            jobs |= {
                "pex, filled PEX_ROOT": ([*pex, *files, "-o", "x.pex"], scratch / "x.pex"),
                "pex --no-pre-install-wheels": ([*pex, *files, "--no-pre-install-wheels", "-o", "y.pex"], scratch / "y.pex"),
                "shiv": ([tools / "bin/python", "-m", "shiv", "--site-packages", scratch / "installed", "-o", "s.pyz"], scratch / "s.pyz"),
                "venv-pack": ([tools / "bin/python", "-m", "venv_pack", "-q", "-f", "-p", scratch / "venv", "-o", "v.tar.gz"], scratch / "v.tar.gz"),
            }
            subprocess.run([program, wheels, "--target", scratch / "installed", "--python", python, "--no-compat-check", "-q"], check=True)
            subprocess.run([python, "-m", "venv", "--without-pip", scratch / "venv"], check=True)
            subprocess.run([program, wheels, "--target", scratch / "venv", "--no-compat-check", "-q"], check=True)
        results, own = {name: [] for name in jobs}, str(program)
        sizes = {}
        for round in range(arguments.rounds + 1):
            for name, (command, made) in jobs.items():
                most = arguments.rounds if str(command[0]) == own else arguments.peer_rounds or arguments.rounds
                if round > most:
                    continue
                if made.is_dir():
                    shutil.rmtree(made)
                else:
                    made.unlink(missing_ok=True)
                result = measured(command, scratch, variables)
                # The first round fills caches.
                if round:
                    results[name].append(result)
                if made.is_file():
                    sizes[name] = made.stat().st_size
                elif name == "pack oci":
                    sizes[name] = sum(blob.stat().st_size for blob in made.rglob("*") if blob.is_file())
        print(f"{len(files)} wheels, {total / 1e6:.1f} MB, medians of {arguments.rounds}\n")
        print("| command | wall s | processor s | peak MB | size / wheels |\n| --- | ---: | ---: | ---: | ---: |")
        for name, rounds in results.items():
            wall, processor, memory = (statistics.median(column) for column in zip(*rounds))
            size = f"{sizes[name] / total:.3f}" if name in sizes else "–"
            print(f"| {name} | {wall:.2f} | {processor:.2f} | {memory:.0f} | {size} |")
        starts(scratch, python, variables, arguments.starts)


main()
