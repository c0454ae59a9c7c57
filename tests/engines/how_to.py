#!/usr/bin/env python3
"""Runs the commands of docs/engines.md as they stand there, each on its engine.

Every block below a comment `not run: tests/engines/how_to.py runs it: ENGINE` runs in a directory
that has what the page speaks of: a lock file, a job, a base image, and the engine's programs. What
ran has to be the packed environment. --only leaves the other engines out.

    python3 tests/engines/how_to.py --program target/release/pkg-install --driver VENV_WITH_PYSPARK
        --cluster VENV_WITH_RAY --wheels DIR_WITH_WHEELS_OF_RAY [--only spark,ray,lambda,container]
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import oci
import packdemo
import ray as nodes

PAGE = pathlib.Path(__file__).parents[2] / "docs/engines.md"
BLOCK = re.compile(r"<!-- not run: tests/engines/how_to.py runs it: (\w+) -->\n```sh\n(.*?)```\n", re.DOTALL)
SPARK_JOB = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
def run(number):
    import packdemo
    return "\\n".join(packdemo.where())
print(*spark.sparkContext.parallelize(range(4), 4).map(run).distinct().collect(), sep="\\n")
spark.stop()
"""


def prepare(scratch, program, python, wheels):
    """A directory with a lock file of these wheels; the variables of its commands."""
    tools = scratch / "tools"
    tools.mkdir(parents=True)
    (tools / "pkg-install").symlink_to(pathlib.Path(program).absolute())
    wheel = packdemo.build(scratch / "wheels")
    names = [pathlib.Path(path).name.split("-") for path in [wheel, *wheels]]
    pins = [f"{name}=={version}" for name, version, *_ in names]
    for path in wheels:
        (scratch / "wheels" / pathlib.Path(path).name).symlink_to(pathlib.Path(path).absolute())
    command = [program, "resolve", *pins, "--no-index", "--find-links", scratch / "wheels", "--python", python,
               "--lock", scratch / "pylock.toml", "-q"]
    subprocess.run(command, check=True)
    # The page's `python3` is this one.
    (tools / "python3").write_text(f'#!/bin/sh\nexec {python} "$@"\n')
    (tools / "python3").chmod(0o755)
    return {"PATH": f"{tools}:/usr/bin:/bin", "HOME": str(scratch), "LC_ALL": "C.UTF-8",
            "PKG_INSTALL_PACK_CACHE": str(scratch / "cache")}


def run(block, scratch, variables):
    done = subprocess.run(["sh", "-ec", block], cwd=scratch, env=variables, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{block}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}\nit ended with {done.returncode}")
    return done.stdout


def spark(arguments, scratch, block):
    driver = pathlib.Path(arguments.driver).absolute() / "bin"
    variables = prepare(scratch, arguments.program, driver / "python", [])
    (scratch / "job.py").write_text(SPARK_JOB)
    # Executors in processes of their own, as on a cluster.
    (scratch / "spark-defaults.conf").write_text(
        "spark.master local-cluster[2,1,1024]\nspark.ui.enabled false\nspark.executor.memory 512m\n")
    variables |= {"SPARK_CONF_DIR": str(scratch), "SPARK_LOCAL_IP": "127.0.0.1",
                  "PATH": f"{variables['PATH']}:{driver}"}
    if "JAVA_HOME" in os.environ:
        variables["JAVA_HOME"] = os.environ["JAVA_HOME"]
    said = run(block, scratch, variables)
    return said, "environment/lib" in said or f"{scratch}/cache/" in said


def ray(arguments, scratch, block):
    python = pathlib.Path(arguments.cluster).absolute() / "bin/python"
    variables = prepare(scratch, arguments.program, python, sorted(pathlib.Path(arguments.wheels).glob("*.whl")))
    with nodes.cluster(python, scratch):
        own = {name: value for name, value in nodes.variables().items() if name.startswith("RAY_")}
        said = run(block, scratch, variables | own | {"RAY_ADDRESS": f"127.0.0.1:{nodes.PORT}"})
    return said, "runtime_resources" in said


def layer(arguments, scratch, block):
    variables = prepare(scratch, arguments.program, sys.executable, [])
    run(block, scratch, variables)
    # Lambda unpacks layers to /opt, and has /opt/python on the path.
    subprocess.run([sys.executable, "-m", "zipfile", "-e", scratch / "layer.zip", scratch / "opt"], check=True)
    code = "import packdemo; print(*packdemo.where(), sep='\\n')"
    said = run(f'python3 -S -c "{code}"', scratch, variables | {"PYTHONPATH": str(scratch / "opt/python")})
    return said, said.startswith(f"{scratch}/opt/python/packdemo/")


def container(arguments, scratch, block):
    variables = prepare(scratch, arguments.program, "/usr/bin/python3", [])
    version = run("python3 -c 'import sys; print(\"%d.%d\" % sys.version_info[:2])'", scratch, variables).strip()
    oci.make_base(scratch / "python-layout", f"/usr/bin/python{version}", "3.11")
    run(block, scratch, variables)
    said = oci.run_image(scratch, f"oci:{scratch}/image:latest")
    return "\n".join(said), said[0].startswith("/app/") and (scratch / "image.tar").exists()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--driver", help="a virtual environment with pyspark")
    parser.add_argument("--cluster", help="a virtual environment with Ray")
    parser.add_argument("--wheels", help="a directory with the wheels of Ray")
    parser.add_argument("--only", default="spark,ray,lambda,container")
    arguments = parser.parse_args()
    engines = {"spark": spark, "ray": ray, "lambda": layer, "container": container}
    blocks, failed = BLOCK.findall(PAGE.read_text()), 0
    for engine, block in blocks:
        if engine not in arguments.only.split(","):
            continue
        with tempfile.TemporaryDirectory() as directory:
            scratch = pathlib.Path(directory) / "s"
            scratch.parent.chmod(0o755)
            scratch.mkdir()
            said, good = engines[engine](arguments, scratch, block)
        failed += not good
        print(f"{'ok' if good else 'FAIL'}: {engine}: {block.splitlines()[0]}: {' '.join(said.split())[:300]}", flush=True)
    print(f"{len(blocks)} blocks, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
