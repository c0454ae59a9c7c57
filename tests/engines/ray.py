#!/usr/bin/env python3
"""Runs a job of Ray on packed environments, and shows that they are what ran.

A cluster of one or two nodes on the loopback is started from the virtual environment --cluster. A
job gets a tar.gz and a zip as `working_dir`, with the environment's own interpreter. The packed
environment contains Ray, from a directory of wheels.

    python3 tests/engines/ray.py --program target/release/pkg-install --cluster VENV_WITH_RAY
        --wheels DIR_WITH_WHEELS_OF_RAY [--python EXE]
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import packdemo

JOB = """
import json, sys
import ray
path = sys.argv[1]
ray.init(address="auto", runtime_env={
    "working_dir": path, "py_executable": "./bin/python",
}, log_to_driver=False)
@ray.remote
def where():
    import packdemo
    return packdemo.where()
print("FOUND", json.dumps(ray.get([where.remote() for _ in range(4)])))
"""


def wait(head, status, environment):
    """Waits until the cluster answers."""
    while subprocess.run(status, env=environment, capture_output=True).returncode:
        if head.poll() is not None:
            sys.exit(f"the cluster ended with {head.returncode}")
        time.sleep(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--cluster", required=True, help="a virtual environment with Ray")
    parser.add_argument("--wheels", required=True, help="a directory with the wheels of Ray")
    parser.add_argument("--python", default="python3", help="the interpreter that is packed for")
    arguments = parser.parse_args()
    cluster = pathlib.Path(arguments.cluster).absolute() / "bin"
    with tempfile.TemporaryDirectory() as directory:
        scratch = pathlib.Path(directory)
        wheel = packdemo.build(scratch / "wheels")
        job = scratch / "job.py"
        job.write_text(JOB)
        environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_DISABLE_DOCKER_CPU_WARNING": "1",
                       # A busy machine takes long to start.
                       "RAY_raylet_start_wait_time_s": "300"}
        ray = [cluster / "python", cluster / "ray"]
        # It stays in the foreground, and ends its children when it is ended.
        start = ["start", "--head", "--block", "--port=6399", "--num-cpus=2", "--include-dashboard=false",
                 "--disable-usage-stats", "--object-store-memory=200000000"]
        head = subprocess.Popen([*ray, *start], env=environment, stdout=subprocess.DEVNULL)
        try:
            wait(head, [*ray, "status", "--address", "127.0.0.1:6399"], environment)
            for name in ["env.tar.gz", "env.zip"]:
                artefact = scratch / name
                command = [arguments.program, "pack", wheel, arguments.wheels, "--output", artefact,
                           "--python", arguments.python, "-q"]
                subprocess.run(command, check=True)
                address = {**environment, "RAY_ADDRESS": "127.0.0.1:6399"}
                run = subprocess.run([cluster / "python", job, artefact], cwd=scratch, env=address,
                                     capture_output=True, text=True)
                lines = [line for line in run.stdout.splitlines() if line.startswith("FOUND ")]
                if run.returncode or not lines:
                    sys.exit(f"{run.stdout}\n{run.stderr[-4000:]}\nRay failed with {run.returncode}")
                found = json.loads(lines[0].removeprefix("FOUND "))
                for module, executable, prefix, data in found:
                    if "runtime_resources" not in module or "runtime_resources" not in executable:
                        sys.exit(f"{name}: {module} ran with {executable}")
                print(f"{name}: {found[0][0]} ran with {found[0][1]}")
        finally:
            head.terminate()
            head.wait()
    print("Ray runs all of them")


main()
