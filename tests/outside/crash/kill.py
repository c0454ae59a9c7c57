"""Kill pkg-install at every system call that changes something, and check what is left.

    python3 tests/outside/crash/kill.py [--second] [--sample SECONDS] [--scenario NAME ...]

The binary runs under strace and gets SIGKILL as it enters a system call that changes something: at
the first one, the second one, and so on until the command ends by itself, in the main thread and in
the worker (`-j1`). The scenarios are:

- fresh: install into an empty environment;
- replace: replace every project (a shared namespace, a module that becomes a package and the
  reverse, scripts, data files, headers);
- uninstall, undo;
- target: install into a new directory;
- replace-undoable: the same as replace, with `--undoable`;
- void: a removal that makes void what an earlier `--undoable` kept.

After the kill every project whose dist-info is visible has to be complete, and the environment has
to be byte for byte as before or as after the command; otherwise `pkg-install recover` has to make
it so and leave nothing of its own. With `--second`, `recover` itself is killed too, at each of its
system calls, from several crashed states of each scenario; the next `recover` has to settle that.

Prints counts for each scenario and a line with the sums. Exit code 1: anything bad was found, or
nothing was tested. Needs Linux and strace (installed with apt-get if possible).
"""

from __future__ import annotations

import collections
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import parallel
import scenarios
import tracing
import workspace
from lib import trees, venv

COLUMNS = ("points", "untouched", "done", "back", "forward", "bad")


def main():
    parser = parallel.new_parser(__doc__, 150)
    parallel.add_scenario_options(parser)
    add = parser.add_argument
    add("--second", action="store_true", help="kill recovery too")
    add("--states", metavar="N", type=int, default=12, help="crashed states to kill recovery from")
    options = parser.parse_args()
    options.binary = venv.checked_binary(options.binary)
    tracing.check()
    begin = time.monotonic()
    counts, faults = parallel.run_all(work, options.processes, options)
    total = parallel.print_table(counts, COLUMNS)
    parallel.print_faults(faults)
    inside = sum(
        counter["points"] for name, counter in counts.items() if name.startswith("recover")
    )
    print(
        f"kill: {total['points'] - inside} points, {inside} in recovery: "
        f"{total['untouched']} untouched, {total['done']} done, {total['back']} settled back, "
        f"{total['forward']} settled forward, {total['bad']} bad, "
        f"{time.monotonic() - begin:.0f} s"
    )
    return 1 if faults or total["bad"] or not total["points"] else 0


def work(number, processes, options):
    """Kill at one process's share of the points."""
    counts, faults = {}, []
    names = options.scenario or scenarios.NAMES
    sample = options.sample
    with venv.scratch_directory("kill") as scratch:
        space = workspace.Workspace(scratch, options.binary, options.size)
        space.save("empty")
        parts = len(names) * (2 if options.second else 1)
        begin = time.monotonic()
        for position, name in enumerate(names):
            scenario = scenarios.Scenario(space, name)
            share = None if sample is None else sample / parts
            first = Killer(scenario, counts.setdefault(name, collections.Counter()), faults)
            crashed = first.all(number, processes, parallel.Deadline(share))
            if options.second:
                counter = counts.setdefault(f"recover {name}", collections.Counter())
                second = RecoveryKiller(scenario, counter, faults)
                left = None
                if sample is not None:
                    left = sample * (position + 1) / len(names) - (time.monotonic() - begin)
                second.all(crashed, options.states // processes, parallel.Deadline(left))
    return counts, faults


class Killer:
    """Kills a scenario's command."""

    def __init__(self, scenario, counter, faults):
        self.scenario, self.counter, self.faults = scenario, counter, faults

    def all(self, number, processes, deadline):
        """Kill at a share of the points; return those after which recovery was needed."""
        scenario = self.scenario
        scenario.reset()
        scenario.dirty = True
        result, entered = tracing.record(scenario.command)
        if result.returncode:
            status = venv.describe_status(result.returncode)
            raise SystemExit(f"{scenario.name}: {status}: {result.stderr}")
        crashed = []
        for point in parallel.spread(tracing.points(entered)[number::processes]):
            if deadline.over():
                break
            if self.one(point):
                crashed.append(point)
        return crashed

    def one(self, point):
        """Kill once; return whether recovery was needed."""
        scenario, counter = self.scenario, self.counter
        scenario.reset()
        result, _ = tracing.strike(scenario.command, point, "signal=KILL")
        scenario.dirty = True
        if result.returncode != -signal.SIGKILL:
            # The run made fewer calls than the recorded one and was not killed.
            if result.returncode or scenario.judge(scenario.tree()) != "after":
                self.failed(point, "", result)
            return False
        counter["points"] += 1
        half = scenario.half_seen()
        if half:
            self.bad(point, f"visible but incomplete before recovery: {half[0]}")
        found = trees.snapshot(scenario.root)
        state = None if trees.has_control(found) else scenario.judge(found)
        if state:
            scenario.dirty = state != "before" or scenario.name == "target"
            counter["untouched" if state == "before" else "done"] += 1
            return False
        self.settle(point)
        return True

    def settle(self, point):
        """Recover, and check the result."""
        scenario = self.scenario
        result = venv.run(scenario.recover)
        found = scenario.tree()
        state = scenario.judge(found)
        if result.returncode:
            self.failed(point, "recover: ", result)
        elif state is None:
            self.bad(point, f"after recover: {scenario.explain(found)}")
        else:
            self.counter["back" if state == "before" else "forward"] += 1
            scenario.dirty = state != "before" or scenario.name in ("target", "replace-undoable")

    def failed(self, point, what, result):
        status = venv.describe_status(result.returncode)
        self.bad(point, f"{what}{status}: {result.stderr.strip()[-300:]}")

    def bad(self, point, what):
        self.counter["bad"] += 1
        self.faults.append(f"{self.scenario.name}: killed at {point}: {what}")


class RecoveryKiller(Killer):
    """Kills recovery, from crashed states of a scenario."""

    def all(self, crashed, states, deadline):
        # States around the journal come first; states during the renames count for more than
        # states with staged files only.
        chosen = [point for point in crashed if '"journal' in point.text]
        rest = [point for point in crashed if point not in chosen]
        moved = [point for point in rest if point.call.startswith(("rename", "unlink", "rmdir"))]
        staged = [point for point in rest if point not in moved]
        chosen += tracing.evenly(moved, max(1, states * 3 // 4))
        chosen += tracing.evenly(staged, max(1, states // 4))
        for point in parallel.spread(chosen):
            if deadline.over():
                break
            self.state(point, deadline)

    def state(self, first, deadline):
        """Kill recovery from the state after one kill."""
        scenario = self.scenario
        scenario.reset()
        tracing.strike(scenario.command, first, "signal=KILL")
        scenario.dirty = True
        copy = scenario.keep()
        result, entered = tracing.record(scenario.recover)
        if result.returncode:
            self.failed(first, "recover: ", result)
            return
        for point in parallel.spread(tracing.evenly(tracing.points(entered), 120)):
            if deadline.over():
                break
            scenario.put(copy)
            result, _ = tracing.strike(scenario.recover, point, "signal=KILL")
            if result.returncode == -signal.SIGKILL:
                self.counter["points"] += 1
                self.settle(f"{first}, then recovery at {point}")
            scenario.dirty = True


if __name__ == "__main__":
    sys.exit(main())
