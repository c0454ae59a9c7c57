#!/usr/bin/env python3
"""Runs a job of Apache Spark on packed environments, and shows that they are what ran.

A local cluster has two workers with an executor each. The driver's Python does not have the
module; the executors get it from a tar.gz, a zip and a pyz. With --hide, the interpreter that the
artefacts were packed for is not there when the job runs, so that another one of the same version
has to do (Linux, as root).

    python3 tests/engines/spark.py --program target/release/pkg-install --driver VENV_WITH_PYSPARK
        [--python EXE] [--hide DIR]
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import packdemo

JOB = """
import json, sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
def run(number):
    import packdemo
    return json.dumps(packdemo.where())
found = spark.sparkContext.parallelize(range(16), 8).map(run).distinct().collect()
try:
    import packdemo
    sys.exit("the driver has the module, so that this proves nothing")
except ImportError:
    pass
print("FOUND", json.dumps(sorted(found)))
spark.stop()
"""


def submit(arguments, scratch, variables, artefact):
    driver = pathlib.Path(arguments.driver).absolute()
    job = scratch / "job.py"
    job.write_text(JOB)
    command = [
        driver / "bin/spark-submit", "--master", "local-cluster[2,1,1024]",
        "--conf", "spark.ui.enabled=false", "--conf", "spark.executor.memory=512m",
        *artefact, job,
    ]
    if arguments.hide:
        hidden = scratch / "nothing"
        hidden.mkdir(exist_ok=True)
        script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
        command = ["unshare", "-m", "sh", "-c", script, "-", hidden, arguments.hide, *command]
    environment = {
        "PATH": "/usr/bin:/bin", "HOME": str(scratch), "PYSPARK_DRIVER_PYTHON": str(driver / "bin/python"),
        "SPARK_LOCAL_IP": "127.0.0.1", "JAVA_HOME": os.environ.get("JAVA_HOME", ""), **variables,
    }
    environment = {name: value for name, value in environment.items() if value}
    run = subprocess.run(command, cwd=scratch, env=environment, capture_output=True, text=True)
    lines = [line for line in run.stdout.splitlines() if line.startswith("FOUND ")]
    if run.returncode or not lines:
        sys.exit(f"{run.stdout}\n{run.stderr[-4000:]}\nSpark failed with {run.returncode}")
    return [json.loads(text) for text in json.loads(lines[0].removeprefix("FOUND "))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--driver", required=True, help="a virtual environment with pyspark")
    parser.add_argument("--python", default="python3", help="the interpreter that is packed for")
    parser.add_argument("--hide", help="the directory of that interpreter")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        scratch = pathlib.Path(directory)
        wheel = packdemo.build(scratch / "wheels")
        for name, option, python, inside in [
            ("env.tar.gz", ["--archives", "env.tar.gz#environment"], "./environment/bin/python", "environment/lib"),
            ("env.zip", ["--archives", "env.zip#environment"], "./environment/bin/python", "environment/lib"),
            ("app.pyz", ["--files", "app.pyz"], "./app.pyz", "cache/"),
        ]:
            command = [arguments.program, "pack", wheel, "--output", scratch / name, "--python", arguments.python, "-q"]
            subprocess.run(command, check=True)
            variables = {"PYSPARK_PYTHON": python, "PKG_INSTALL_PACK_CACHE": str(scratch / "cache")}
            found = submit(arguments, scratch, variables, option)
            for module, executable, prefix, data in found:
                if inside not in module or inside.split("/")[0] not in executable:
                    sys.exit(f"{name}: {module} ran with {executable}")
                if arguments.hide and prefix.startswith(arguments.hide) or not data.startswith("data of packdemo"):
                    sys.exit(f"{name}: {prefix}, {data}")
            print(f"{name}: {len(found)} places, such as {found[0][0]}")
    print("Spark runs all of them")


if __name__ == "__main__":
    main()
