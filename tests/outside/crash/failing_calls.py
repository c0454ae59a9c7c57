"""Let every system call of pkg-install that changes something fail, and check what is left.

    python3 tests/outside/crash/failing_calls.py [--sample SECONDS] [--scenario NAME ...]

The binary runs under strace, which lets one system call after the other fail: with ENOSPC, EIO,
EACCES and EDQUOT; renames also with EXDEV; opens of any kind with EMFILE; flushes (`--durable`)
with EIO and ENOSPC; all calls that the kernel may interrupt with EINTR; and one call and all later
calls of its name with ENOSPC. The scenarios are those of kill.py, most of them also with
`--durable`.

Afterwards the environment has to be byte for byte as after the command if the exit code is 0, and
as before it otherwise. A call has to be repeated after EINTR. pkg-install may leave things in
`.pkg-install` only if the call that failed deletes them (or might, if several calls failed). If
the change could not be taken back, stderr has to name `pkg-install recover`. The `recover` that
follows always has to leave the environment as before or as after, and nothing of its own.

Prints counts for each scenario and a line with the sums. Exit code 1: anything bad was found, or
nothing was tested. Needs Linux and strace (installed with apt-get if possible).
"""

from __future__ import annotations

import collections
import pathlib
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import parallel
import scenarios
import tracing
import workspace
from lib import trees, venv

COLUMNS = ("points", "unchanged", "done", "interrupted", "left", "unsettled", "bad")
# The errors that each call gets, for one call or for all later ones too (`+`).
ERRORS = {
    "openat": "ENOSPC EIO EACCES EDQUOT EINTR EMFILE ENOSPC+",
    "write": "ENOSPC EIO EDQUOT EINTR ENOSPC+",
    "mkdir": "ENOSPC EIO EACCES EDQUOT ENOSPC+",
    "rename": "EXDEV ENOSPC EIO EACCES EDQUOT ENOSPC+",
    "unlink": "EIO EACCES EDQUOT EIO+",
    "fsync": "EIO ENOSPC EDQUOT EINTR EIO+",
    "flock": "EINTR ENOLCK",
    "other": "ENOSPC EIO EACCES EINTR",
}
# The name under which a call is found above.
KINDS = {
    "open": "openat",
    "creat": "openat",
    "pwrite64": "write",
    "writev": "write",
    "copy_file_range": "write",
    "mkdirat": "mkdir",
    "renameat": "rename",
    "renameat2": "rename",
    "unlinkat": "unlink",
    "rmdir": "unlink",
    "fdatasync": "fsync",
    "syncfs": "fsync",
}
# Calls that have to be repeated after EINTR; the kernel interrupts no others.
REPEATED = ("openat", "write", "fsync", "flock")


def main():
    parser = parallel.new_parser(__doc__, 16)
    parallel.add_scenario_options(parser)
    options = parser.parse_args()
    options.binary = venv.checked_binary(options.binary)
    tracing.check()
    begin = time.monotonic()
    counts, faults = parallel.run_all(work, options.processes, options)
    total = parallel.print_table(counts, COLUMNS)
    parallel.print_faults(faults)
    print(
        f"errors: {total['points']} points: {total['unchanged']} refused and unchanged, "
        f"{total['done']} done despite the error, {total['interrupted']} interrupted and done, "
        f"{total['left']} left to recover, {total['unsettled']} unfinished and reported, "
        f"{total['bad']} bad, {time.monotonic() - begin:.0f} s"
    )
    return 1 if faults or total["bad"] or not total["points"] else 0


def work(number, processes, options):
    """Test one process's share of the points."""
    counts, faults = {}, []
    chosen = options.scenario or scenarios.NAMES
    names = [(name, durable) for name in chosen for durable in (False, True)]
    names = [pair for pair in names if pair not in (("replace-undoable", True), ("void", True))]
    with venv.scratch_directory("errors") as scratch:
        space = workspace.Workspace(scratch, options.binary, options.size)
        space.save("empty")
        for name, durable in names:
            share = None if options.sample is None else options.sample / len(names)
            label = name + (" durable" if durable else "")
            scenario = scenarios.Scenario(space, name, durable)
            counter = counts.setdefault(label, collections.Counter())
            failing = Failing(scenario, label, counter, faults)
            failing.all(number, processes, parallel.Deadline(share))
    return counts, faults


def kind_of(call):
    """The key of a call in `ERRORS`."""
    call = KINDS.get(call, call)
    return call if call in ERRORS else "other"


class Failing:
    """Lets calls of a scenario's command fail."""

    def __init__(self, scenario, label, counter, faults):
        self.scenario, self.label, self.counter, self.faults = scenario, label, counter, faults

    def all(self, number, processes, deadline):
        """Test a share of the points."""
        self.scenario.reset()
        self.scenario.dirty = True
        result, entered = tracing.record(self.scenario.command)
        if result.returncode:
            status = venv.describe_status(result.returncode)
            raise SystemExit(f"{self.label}: {status}: {result.stderr}")
        cases = []
        for point in tracing.points(entered):
            errors = ERRORS[kind_of(point.call)].split()
            cases += [(point, error) for error in errors if error != "EMFILE"]
        opens = tracing.points(entered, lambda name, _: name in ("open", "openat"))
        cases += [(point, "EMFILE") for point in opens]
        for point, error in parallel.spread(cases[number::processes]):
            if deadline.over():
                break
            self.one(point, error)

    def one(self, point, error):
        """Let one call fail, and check the result."""
        scenario = self.scenario
        scenario.reset()
        scenario.dirty = True
        sticky, name = error.endswith("+"), error.rstrip("+")
        scratch, action = scenario.space.scratch, f"error={name}"
        result, struck = tracing.strike(scenario.command, point, action, sticky, scratch)
        if not struck:
            # The run made fewer calls than the recorded one.
            return
        self.counter["points"] += 1
        where = f"{error} at {point}"
        found = trees.snapshot(scenario.root)
        left = trees.without_control(found) != found
        state = scenario.judge_without_control(found)
        outcome, fault = self.judge(result, point, name, struck, found)
        if fault:
            self.bad(where, fault)
        else:
            self.counter[outcome] += 1
        if state == "before" and not left and scenario.name != "target":
            scenario.dirty = False
        else:
            self.settle(where, result, found, left)

    def judge(self, result, point, name, struck, found):
        """The outcome of a run, and the fault if it is bad."""
        scenario, code = self.scenario, result.returncode
        state = scenario.judge_without_control(found)
        left = trees.without_control(found) != found
        status = venv.describe_status(code)
        stderr = venv.one_line(result.stderr)
        may_leave = scenario.name in ("undo", "replace-undoable", "void") or deletes(struck)
        if code < 0:
            return None, f"died of {status}: {stderr}"
        if code == 0 and state != "after":
            return None, f"{status}, but {scenario.explain(found)}"
        # Calls that keep failing can stop the way back before its first step, so that all is moved.
        if code and state != "before" and "recover" in stderr and len(struck) > 1:
            return "unsettled", None
        if code and state != "before":
            return None, f"{status}, but {scenario.explain(found)}: {stderr}"
        if code and name == "EINTR" and kind_of(point.call) in REPEATED:
            return None, f"not repeated: {status}: {stderr}"
        if left and not may_leave:
            return None, f"{status}, but left {scenario.explain(found)}: {stderr}"
        if code == 0:
            return "interrupted" if name == "EINTR" else "done", None
        return "unchanged", None

    def settle(self, where, failed, found, left):
        """Recover: nothing of its own is left, and the outcome stays as it was."""
        scenario = self.scenario
        # `recover` refuses a directory that does not exist, and then has nothing to settle.
        missing = not scenario.root.exists()
        result = venv.run(scenario.recover)
        after = scenario.tree()
        state = scenario.judge(after)
        was = scenario.judge_without_control(found)
        if left and after != found:
            self.counter["left"] += 1
        if result.returncode and not (missing and result.returncode == 5):
            status = venv.describe_status(result.returncode)
            self.bad(where, f"then recover: {status}: {result.stderr.strip()[-260:]}")
        elif state is None or (failed.returncode == 0 and state != "after"):
            self.bad(where, f"then recover: {scenario.explain(after)}")
        elif was and was != state:
            self.bad(where, f"then recover turned {was} into {state}")

    def bad(self, where, what):
        self.counter["bad"] += 1
        self.faults.append(f"{self.label}: {where}: {what}")


def deletes(struck):
    """Whether the failed call deletes what is no longer needed, or several calls failed."""
    # A call that strace splits in two has its error on the second line: `<... unlink resumed>`.
    name = re.match(r"(?:\d+ +)?(?:<\.\.\. )?(\w+)", struck[0])
    call = kind_of(name[1] if name else "")
    reads = call == "openat" and "O_CREAT" not in struck[0]
    return len(struck) > 1 or call == "unlink" or reads


if __name__ == "__main__":
    sys.exit(main())
