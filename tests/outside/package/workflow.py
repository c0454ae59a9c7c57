"""Run the steps of a GitHub workflow and of a composite action on this machine.

Each `run` is executed by bash with the files that a runner provides; of the expressions those are known
that the recipes use. A step with `uses` is run if it is the action of this repository, and is passed
over if it is another one.
"""

from __future__ import annotations

import os
import platform
import re

from lib import venv

try:
    import yaml
except ImportError:
    yaml = None

EXPRESSION = re.compile(r"\$\{\{\s*(.+?)\s*\}\}")


class Job:
    """A job that runs in `place`."""

    def __init__(self, place, runner, variables, repository):
        self.place, self.repository = place, repository
        self.temporary = runner / "temp"
        self.temporary.mkdir(parents=True)
        self.path, self.output, self.summary = (runner / name for name in ("path", "output", "summary"))
        for file in (self.path, self.output, self.summary):
            file.touch()
        self.variables = {
            **variables,
            "GITHUB_ACTIONS": "true",
            "GITHUB_PATH": str(self.path),
            "GITHUB_OUTPUT": str(self.output),
            "GITHUB_STEP_SUMMARY": str(self.summary),
        }
        # The action has to bring the program itself.
        self.variables["PATH"] = os.environ["PATH"]

    def steps(self, file, job):
        """Run the steps of a job; yield the title of each with how it ended."""
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        for step in content["jobs"][job]["steps"]:
            if "run" in step:
                yield step["name"], self.run(step, {})
            elif "/pkg-install@" in step["uses"]:
                yield from self.action(step.get("with", {}))

    def action(self, given):
        """Run the steps of the action until one fails."""
        action = yaml.safe_load((self.repository / "action.yml").read_text(encoding="utf-8"))
        inputs = {name: str(value.get("default", "")) for name, value in action["inputs"].items()}
        values = {f"inputs.{name}": text for name, text in {**inputs, **given}.items()}
        values["runner.temp"] = str(self.temporary)
        values["runner.os"], values["runner.arch"] = platform.system(), platform.machine()
        for step in action["runs"]["steps"]:
            if "uses" in step:
                # What is given to it has to be known all the same.
                for text in step["with"].values():
                    self.filled(text, values)
                continue
            done = self.run(step, values)
            yield f"action: {step['name']}", done
            if "id" in step:
                for line in self.output.read_text().splitlines():
                    name, _, value = line.partition("=")
                    values[f"steps.{step['id']}.outputs.{name}"] = value

    def filled(self, text, values):
        """A text with its expressions replaced."""

        def value(match):
            expression = match[1]
            return "0123" if expression.startswith("hashFiles(") else values[expression]

        return EXPRESSION.sub(value, text)

    def run(self, step, values):
        """One step, as a runner runs it."""
        more = {name: self.filled(str(text), values) for name, text in step.get("env", {}).items()}
        added = self.path.read_text().splitlines()
        path = os.pathsep.join([*reversed(added), self.variables["PATH"]])
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"]
        return venv.run(
            [*command, self.filled(step["run"], values)],
            env={**self.variables, **more, "PATH": path},
            cwd=self.place,
        )
