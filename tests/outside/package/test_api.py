"""The functions of `pkg_install`, run against the program under test.

    PKG_INSTALL_PROGRAM=target/debug/pkg-install python3 tests/outside/package/test_api.py

Only the standard library is needed; tests/outside/package/python_versions.py runs it with several
versions of Python. Exit code 1: a test failed.
"""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1]))
sys.path.insert(0, str(HERE.parents[3] / "python"))

import pkg_install
from lib import trees, wheels

PROGRAM = os.environ.get("PKG_INSTALL_PROGRAM") or str(
    HERE.parents[3] / "target" / "release" / "pkg-install"
)


class Api(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)
        self.root = pathlib.Path(self.scratch.name)
        # A plain directory needs no interpreter.
        self.place = pkg_install.Environment(target=self.root / "app")
        self.run = pkg_install.Run(program=PROGRAM)

    def wheel(self, name, version="1.0", files=None):
        files = files or {f"{name}.py": f"name = {name!r}\n"}
        return wheels.project(name, version, files).write(self.root / "wheels")

    def install(self, *wanted, **more):
        return pkg_install.install(*wanted, environment=self.place, run=self.run, **more)

    def test_a_plan_changes_nothing_and_an_installation_does_it(self):
        path = self.wheel("alpha")
        plan = pkg_install.plan(path, environment=self.place, run=self.run)
        self.assertEqual((plan.outcome, plan.version), ("planned", 1))
        self.assertIsInstance(plan, pkg_install.PlanResult)
        self.assertIn("alpha.py", plan.plan.write)
        self.assertFalse((self.root / "app").exists())
        result = self.install(path)
        self.assertEqual(result.outcome, "committed")
        self.assertEqual([(one.action, one.name) for one in result.changes], [("install", "alpha")])
        self.assertEqual(result.environment.kind, "target")
        names = pkg_install.installed(environment=self.place, run=self.run)
        self.assertEqual([(one.name, one.version) for one in names], [("alpha", "1.0")])

    def test_what_is_removed_comes_back_with_undo(self):
        self.install(self.wheel("alpha"))
        more = {"environment": self.place, "run": self.run}
        removed = pkg_install.uninstall("alpha", undoable=True, **more)
        self.assertEqual(removed.changes[0].action, "remove")
        self.assertEqual(pkg_install.undo(**more).outcome, "committed")
        self.assertTrue((self.root / "app/alpha.py").exists())

    def test_the_history_has_numbers_to_go_back_to(self):
        for name in ("alpha", "beta", "gamma"):
            self.install(self.wheel(name), undoable=True)
        more = {"environment": self.place, "run": self.run}
        past = pkg_install.history(**more)
        self.assertEqual([(one.number, one.kept) for one in past], [(1, True), (2, True), (3, True)])
        self.assertEqual(past[1].changes[0].name, "beta")
        undone = pkg_install.undo(to=1, **more)
        self.assertEqual([one.name for one in undone.changes], ["beta", "gamma"])
        self.assertEqual([one.back_to for one in pkg_install.history(**more)][-1], 1)
        with self.assertRaises(pkg_install.EnvironmentRefused) as caught:
            pkg_install.undo(to=9, **more)
        self.assertEqual(caught.exception.code, "cannot-undo")

    def test_an_application_is_packed_and_runs(self):
        path = self.wheel("alpha", files={"alpha.py": "def main():\n    print('runs')\n"})
        output = self.root / "app.pyz"
        packed = pkg_install.pack(
            path, output=output, entry="alpha:main", python=sys.executable, run=self.run
        )
        self.assertEqual((packed.outcome, packed.artifact.format), ("packed", "pyz"))
        ran = subprocess.run([sys.executable, output], capture_output=True, text=True, check=True)
        self.assertEqual(ran.stdout, "runs\n")

    def test_differences_are_a_result(self):
        self.install(self.wheel("alpha"))
        (self.root / "app/alpha.py").write_text("changed\n")
        found = pkg_install.check(environment=self.place, run=self.run)
        self.assertEqual([one.path for one in found.differences], ["alpha.py"])

    def test_requirements_are_resolved(self):
        self.wheel("alpha", "2.0")
        found = pkg_install.resolve(
            "alpha>=1",
            find_links=[self.root / "wheels"],
            options=["--no-index"],
            environment=pkg_install.Environment(python=sys.executable),
            run=self.run,
        )
        self.assertEqual([(one.name, one.version) for one in found.packages], [("alpha", "2.0")])
        with self.assertRaises(pkg_install.NoSolution) as caught:
            self.install("alpha>2", find_links=[self.root / "wheels"], options=["--no-index"])
        self.assertEqual(caught.exception.exit_code, 7)

    def test_each_kind_of_error_is_a_class_with_its_code(self):
        one = self.wheel("alpha", files={"same.py": "1\n"})
        two = self.wheel("beta", files={"same.py": "2\n"})
        with self.assertRaises(pkg_install.ConflictFound) as caught:
            self.install(one, two)
        error = caught.exception
        self.assertEqual((error.code, error.effect), ("conflict", "untouched"))
        self.assertEqual(caught.exception.result.conflicts[0].path, "same.py")
        damaged = self.root / "damaged-1.0-py3-none-any.whl"
        damaged.write_bytes(b"no zip file")
        with self.assertRaises(pkg_install.InputRefused) as caught:
            self.install(damaged)
        self.assertTrue(caught.exception.wheels)
        with self.assertRaises(pkg_install.WrongUsage):
            self.install(one, options=["--no-such-option"])
        with self.assertRaises(pkg_install.EnvironmentRefused):
            missing = pkg_install.Environment(target=self.root / "missing")
            pkg_install.check(environment=missing, run=self.run)
        self.assertFalse((self.root / "app").exists())

    def test_a_name_that_looks_like_an_option_is_a_name(self):
        with self.assertRaises(pkg_install.Error) as caught:
            pkg_install.uninstall("--help", environment=self.place, run=self.run)
        self.assertNotEqual(caught.exception.exit_code, 0)
        with self.assertRaises(TypeError):
            self.install(requirements="pins.txt")

    def test_variables_do_not_change_the_form_of_the_output(self):
        path = self.wheel("alpha")
        more = {"PKG_INSTALL_QUIET": "1", "PKG_INSTALL_PROGRESS": "plain", "PKG_INSTALL_COLOR": "x"}
        run = pkg_install.Run(program=PROGRAM, environ={**os.environ, **more})
        result = pkg_install.install(path, environment=self.place, run=run)
        self.assertEqual(result.outcome, "committed")

    def test_events_are_called_back_in_order(self):
        seen = []
        self.run.on_event = seen.append
        self.install(self.wheel("alpha"))
        kinds = [event["event"] for event in seen]
        self.assertLess(kinds.index("stage-begin"), kinds.index("stage-end"))

    def test_an_exception_of_the_callback_stops_the_command_and_is_raised(self):
        def fail(_event):
            raise ZeroDivisionError

        self.run.on_event = fail
        with self.assertRaises(ZeroDivisionError):
            self.install(self.wheel("alpha"))

    def slow_install(self, **how):
        """Install behind a lock that another process holds, so that the command waits."""
        self.install(self.wheel("alpha"))
        before = trees.snapshot(self.root / "app")
        hold = (
            "import fcntl, sys, time\n"
            "file = open(sys.argv[1]); fcntl.flock(file, fcntl.LOCK_EX)\n"
            "print('held', flush=True); time.sleep(60)\n"
        )
        lock = self.root / "app/.lock"
        lock.touch()
        command = [sys.executable, "-c", hold, str(lock)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
            holder.stdout.readline()
            try:
                run = pkg_install.Run(program=PROGRAM, **how)
                pkg_install.install(self.wheel("beta"), environment=self.place, run=run)
            finally:
                holder.kill()
                lock.unlink()
                self.assertEqual(trees.snapshot(self.root / "app"), before)

    def test_a_cancelled_command_changes_nothing(self):
        cancellation = pkg_install.Cancellation()
        threading.Timer(0.3, cancellation.cancel).start()
        with self.assertRaises(pkg_install.Interrupted) as caught:
            self.slow_install(cancellation=cancellation)
        # Negative: the signal came before the program was ready for it.
        self.assertIn(caught.exception.exit_code, (143, -signal.SIGTERM))
        self.assertEqual(caught.exception.effect, "untouched")

    def test_a_command_that_takes_too_long_is_stopped(self):
        begin = time.monotonic()
        with self.assertRaises(pkg_install.Interrupted):
            self.slow_install(timeout=0.3)
        self.assertLess(time.monotonic() - begin, 20)

    def test_a_killed_command_is_an_exception_of_its_own(self):
        script = self.root / "killed"
        script.write_text("#!/bin/sh\necho last words >&2\nkill -9 $$\n")
        script.chmod(0o755)
        with self.assertRaises(pkg_install.ProgramDied) as caught:
            pkg_install.check(run=pkg_install.Run(program=script))
        self.assertEqual(caught.exception.exit_code, -signal.SIGKILL)
        self.assertIn("last words", caught.exception.stderr)

    def test_the_version_is_that_of_the_program(self):
        printed = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True)
        self.assertEqual(printed.stdout.split(), ["pkg-install", pkg_install.__version__])


if __name__ == "__main__":
    unittest.main()
