"""Kill pkg-install at every system call that changes something, and see what is left.

    python3 kill.py [--binary PATH] [--second] [--sample SECONDS] [--scenario NAME ...] [--size N] [--processes N]

The real binary runs under strace and gets SIGKILL as it enters a mutating system call: at the first, at the second, and
so on until the command ends by itself, for each such call of the main thread and of the worker (`-j1`). The scenarios
are `fresh` (an installation into an empty environment), `replace` (every project by another version: a namespace that
two share, a module that becomes a package and the reverse, scripts, data files, headers), `uninstall`, `undo`, `target`
(into a new directory), `replace-undoable`, and `void` (a removal which makes void what an earlier `--undoable` had kept).

After the kill every project whose dist-info is seen has to be whole, and the environment has to be as before or as
after the command, to the byte; else `pkg-install recover` has to make it so, and leave nothing of its own. With
`--second` recovery itself is killed, at each of its mutating system calls, from several crashed states of each
scenario; the next `recover` has to settle that. `--sample` spreads what fits into that many seconds evenly over
everything. A count for each scenario, and one line with the sum; the exit code is 1 where anything bad was found.

Needs Linux, python3, strace (installed where apt-get and the rights for it are there).
"""

import argparse
import collections
import signal
import sys
import time

import scenarios
import scene
import tracing

COLUMNS = ("points", "untouched", "done", "back", "forward", "bad")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    scene.add_binary_option(parser)
    parser.add_argument("--second", action="store_true", help="kill recovery, too")
    parser.add_argument("--sample", type=float, metavar="SECONDS", help="only what fits into that time")
    parser.add_argument("--scenario", action="append", choices=scenarios.NAMES, help="only this one")
    parser.add_argument("--size", type=int, default=150, help="modules in each package")
    parser.add_argument("--states", type=int, default=12, help="crashed states whose recovery is killed, by scenario")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    options.binary = scene.checked_binary(options.binary)
    tracing.check()
    begin = time.monotonic()
    counts, faults = scenarios.run_all(work, options.processes, options)
    total = scenarios.print_table(counts, COLUMNS)
    scenarios.print_faults(faults)
    inside = sum(counter["points"] for name, counter in counts.items() if name.startswith("recover"))
    print(
        f"kill: {total['points'] - inside} points, {inside} in recovery: {total['untouched']} untouched, {total['done']} done, "
        f"{total['back']} settled back, {total['forward']} settled forward, {total['bad']} bad, "
        f"{time.monotonic() - begin:.0f} s"
    )
    return 1 if faults or total["bad"] or not total["points"] else 0


def work(number, processes, options):
    """One process's share of the points."""
    counts, faults = collections.OrderedDict(), []
    names = options.scenario or scenarios.NAMES
    stage = scene.Scene(options.binary, options.size, "kill")
    try:
        stage.save("empty")
        parts = len(names) * (2 if options.second else 1)
        begin = time.monotonic()
        for position, name in enumerate(names):
            scenario = scenarios.Scenario(stage, name)
            share = None if options.sample is None else options.sample / parts
            first = Killer(scenario, counts.setdefault(name, collections.Counter()), faults)
            crashed = first.all(number, processes, scenarios.Deadline(share))
            if options.second:
                second = counts.setdefault(f"recover {name}", collections.Counter())
                left = None if options.sample is None else options.sample * (position + 1) / len(names)
                left = None if left is None else left - (time.monotonic() - begin)
                Second(scenario, second, faults).all(crashed, options.states // processes, scenarios.Deadline(left))
    finally:
        stage.close()
    return counts, faults


class Killer:
    """Kills a scenario's command."""

    def __init__(self, scenario, counter, faults):
        self.scenario, self.counter, self.faults = scenario, counter, faults

    def all(self, number, processes, deadline):
        """Kill at this process's share of the points; returns those that left something to recover."""
        self.scenario.reset()
        self.scenario.dirty = True
        result, entered = tracing.record(self.scenario.command)
        if result.returncode:
            raise SystemExit(f"{self.scenario.name}: exit {result.returncode}: {result.stderr}")
        crashed = []
        for point in scenarios.spread(tracing.points(entered)[number::processes]):
            if deadline.over():
                break
            if self.one(point):
                crashed.append(point)
        return crashed

    def one(self, point):
        """Kill once; returns whether there was something to recover."""
        scenario, counter = self.scenario, self.counter
        scenario.reset()
        result, _ = tracing.strike(scenario.command, point, "signal=KILL")
        scenario.dirty = True
        if result.returncode != -signal.SIGKILL:
            # The run came by fewer calls than the recorded one: no kill, and so no point.
            if result.returncode or scenario.judge(scenario.tree()) != "after":
                self.bad(point, f"{scene.describe_status(result.returncode)}: {result.stderr.strip()[-300:]}")
            return False
        counter["points"] += 1
        half = scenario.half_seen()
        if half:
            self.bad(point, f"seen and not whole before recovery: {half[0]}")
        found = scene.tree(scenario.root)
        state = None if has_control(found) else scenario.judge(found)
        if state:
            scenario.dirty = state != "before" or scenario.name == "target"
            counter["untouched" if state == "before" else "done"] += 1
            return False
        self.settle(point)
        return True

    def settle(self, point):
        """Recover, and judge what that made."""
        scenario = self.scenario
        result = scene.run(scenario.recover)
        found = scenario.tree()
        state = scenario.judge(found)
        if result.returncode:
            self.bad(point, f"recover: {scene.describe_status(result.returncode)}: {result.stderr.strip()[-300:]}")
        elif state is None:
            self.bad(point, f"after recover {scenario.explain(found)}")
        else:
            self.counter["back" if state == "before" else "forward"] += 1
            scenario.dirty = state != "before" or scenario.name in ("target", "replace-undoable")

    def bad(self, point, what):
        self.counter["bad"] += 1
        self.faults.append(f"{self.scenario.name}: killed at {point}: {what}")


class Second(Killer):
    """Kills recovery from crashed states of a scenario."""

    def all(self, crashed, states, deadline):
        # Those around the journal are the most interesting; states in mid-change are worth more than staged files.
        chosen = [point for point in crashed if '"journal' in point.text]
        moved = [point for point in crashed if point.call.startswith(("rename", "unlink", "rmdir")) and point not in chosen]
        chosen += tracing.evenly(moved, max(1, states * 3 // 4))
        staged = [point for point in crashed if point not in moved and point not in chosen]
        chosen += tracing.evenly(staged, max(1, states // 4))
        for point in scenarios.spread(chosen):
            if deadline.over():
                break
            self.state(point, deadline)

    def state(self, first, deadline):
        scenario = self.scenario
        scenario.reset()
        tracing.strike(scenario.command, first, "signal=KILL")
        scenario.dirty = True
        copy = scenario.keep("once")
        result, entered = tracing.record(scenario.recover)
        if result.returncode:
            self.bad(first, f"recover: {scene.describe_status(result.returncode)}: {result.stderr.strip()[-300:]}")
            return
        for point in scenarios.spread(tracing.evenly(tracing.points(entered), 120)):
            if deadline.over():
                break
            scenario.put(copy)
            result, _ = tracing.strike(scenario.recover, point, "signal=KILL")
            if result.returncode == -signal.SIGKILL:
                self.counter["points"] += 1
                self.settle(f"{first}, then recovery at {point}")
            scenario.dirty = True


def has_control(found):
    return any(scene.CONTROL in path.split("/") for path in found)


if __name__ == "__main__":
    sys.exit(main())
