#!/usr/bin/env python3
"""Runs a job of Ray on packed environments, and shows that they are what ran.

A cluster of two nodes on the loopback is started from the virtual environment --cluster; each has
one processor and a directory of its own. A job gets a tar.gz and a zip as `working_dir`, with the
environment's own interpreter, and puts a task on each node. The packed environment contains Ray,
from a directory of wheels.

    python3 tests/engines/ray.py --program target/release/pkg-install --cluster VENV_WITH_RAY
        --wheels DIR_WITH_WHEELS_OF_RAY [--python EXE]
"""

import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import packdemo

PORT = 6399
JOB = """
import json, sys
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
path = sys.argv[1]
ray.init(address="auto", runtime_env={
    "working_dir": path, "py_executable": "./bin/python",
}, log_to_driver=False)
@ray.remote
def where():
    import packdemo
    return packdemo.where()
found = {}
for node in ray.nodes():
    if node["Alive"]:
        place = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        found[node["NodeID"]] = ray.get(where.options(scheduling_strategy=place).remote())
print("FOUND", json.dumps(found))
"""


def variables():
    """Time limits that a busy machine keeps, and bytecode, without which each process compiles all of Ray."""
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {
        **own, "RAY_USAGE_STATS_ENABLED": "0", "RAY_DISABLE_DOCKER_CPU_WARNING": "1",
        "RAY_agent_register_timeout_ms": "300000", "RAY_worker_register_timeout_seconds": "600",
        "RAY_health_check_initial_delay_ms": "300000", "RAY_health_check_timeout_ms": "300000",
        "RAY_gcs_rpc_server_reconnect_timeout_s": "600", "RAY_raylet_start_wait_time_s": "300",
        "RAY_runtime_env_setup_timeout_seconds": "1200",
    }


def start(ray, number, directory):
    """Starts a node in the foreground; it ends its children when it is ended."""
    # Waiting for ports that agents choose takes time that a busy machine does not have.
    ports = ["--dashboard-agent-grpc-port", "--dashboard-agent-listen-port", "--runtime-env-agent-port",
             "--metrics-export-port", "--node-manager-port", "--object-manager-port"]
    fixed = [f"{name}={21000 + 100 * number + at}" for at, name in enumerate(ports)]
    role = [f"--address=127.0.0.1:{PORT}"] if number else ["--head", f"--port={PORT}", "--include-dashboard=false"]
    return subprocess.Popen(
        [*ray, "start", *role, "--block", "--num-cpus=1", "--disable-usage-stats", "--object-store-memory=100000000",
         "--node-ip-address=127.0.0.1", f"--temp-dir={directory}", *fixed],
        env=variables(), stdout=subprocess.DEVNULL)


def alive(python):
    """How many nodes the cluster has."""
    code = f"import ray._private.state as s, ray._raylet as r, sys; from ray._raylet import GcsClientOptions as G; " \
        f"x = s.GlobalState(); x._initialize_global_state(G.create('127.0.0.1:{PORT}', None, True, True)); " \
        "print('NODES', sum(node['Alive'] for node in x.node_table()))"
    run = subprocess.run([python, "-c", code], env=variables(), capture_output=True, text=True)
    lines = [line for line in run.stdout.splitlines() if line.startswith("NODES ")]
    return int(lines[-1].split()[1]) if lines and not run.returncode else 0


def wait(python, nodes):
    """Waits until all nodes are there."""
    while alive(python) < len(nodes):
        for node in nodes:
            if node.poll() is not None:
                sys.exit(f"a node ended with {node.returncode}")
        time.sleep(1)


@contextlib.contextmanager
def cluster(python, scratch):
    ray, nodes = [python, "-m", "ray.scripts.scripts"], []
    try:
        for number in range(2):
            nodes.append(start(ray, number, scratch / str(number)))
            wait(python, nodes)
        yield
    finally:
        for node in reversed(nodes):
            node.terminate()
            node.wait()


def run_job(arguments, python, job, artefact):
    address = {**variables(), "RAY_ADDRESS": f"127.0.0.1:{PORT}"}
    run = subprocess.run([python, job, artefact], cwd=job.parent, env=address, capture_output=True, text=True)
    lines = [line for line in run.stdout.splitlines() if line.startswith("FOUND ")]
    if run.returncode or not lines:
        sys.exit(f"{run.stdout}\n{run.stderr[-4000:]}\nRay failed with {run.returncode}")
    found = json.loads(lines[0].removeprefix("FOUND "))
    if len(found) != 2:
        sys.exit(f"{artefact.name}: it ran on {len(found)} nodes")
    for module, executable, prefix, data in found.values():
        if "runtime_resources" not in module or "runtime_resources" not in executable \
                or not data.startswith("data of packdemo"):
            sys.exit(f"{artefact.name}: {module} ran with {executable}")
    for module, executable, *_ in found.values():
        print(f"{artefact.name}: {module} ran with {executable}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--cluster", required=True, help="a virtual environment with Ray")
    parser.add_argument("--wheels", required=True, help="a directory with the wheels of Ray")
    parser.add_argument("--python", default="python3", help="the interpreter that is packed for")
    parser.add_argument("--keep", help="the directory of the nodes, which is kept [default: a new one]")
    arguments = parser.parse_args()
    python = pathlib.Path(arguments.cluster).absolute() / "bin/python"
    # A node that has not started after 15 seconds is taken for dead, and no option changes that.
    subprocess.run([python, "-m", "compileall", "-q", "-j2", python.parents[1] / "lib"], env=variables())
    with tempfile.TemporaryDirectory() as directory:
        scratch = pathlib.Path(directory)
        wheel = packdemo.build(scratch / "wheels")
        job = scratch / "job.py"
        job.write_text(JOB)
        artefacts = [scratch / name for name in ["env.tar.gz", "env.zip"]]
        for artefact in artefacts:
            command = [arguments.program, "pack", wheel, arguments.wheels, "--output", artefact,
                       "--python", arguments.python, "-q"]
            subprocess.run(command, check=True)
        # The paths of sockets below it must be short.
        with cluster(python, pathlib.Path(arguments.keep or scratch).absolute()):
            for artefact in artefacts:
                run_job(arguments, python, job, artefact)
    print("Ray runs all of them")


if __name__ == "__main__":
    main()
