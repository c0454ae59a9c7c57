"""Let every system call of pkg-install that changes something fail, and see what is left.

    python3 errors.py [--binary PATH] [--sample SECONDS] [--scenario NAME ...] [--size N] [--processes N]

The real binary runs under strace, which lets one mutating system call after the other fail: with ENOSPC, EIO, EACCES,
EDQUOT, with EXDEV and ENOSPC on renames, with EMFILE on opens of any kind, with EIO and ENOSPC on flushes (`--durable`),
with EINTR on all of them; and with ENOSPC on this call and on all that follow of its name. The scenarios are those of
kill.py, each also `--durable`.

After it the environment has to be as after the command, to the byte, where the exit code is 0, and as before it
otherwise. A call that the kernel may interrupt has to be repeated after EINTR. Of its own pkg-install may leave things
in `.pkg-install` only where the call that failed was one of those that delete them (or may do so: with sticky errors);
where the change could not be taken back stderr has to name `pkg-install recover`. In any case the `recover` that follows
leaves the environment as before or as after and nothing of its own. `--sample` spreads what fits into that many seconds
evenly over everything. A count for each scenario, and one line with the sum; the exit code is 1 where anything bad was
found.

Needs Linux, python3, strace (installed where apt-get and the rights for it are there).
"""

import argparse
import collections
import re
import sys
import time

import scenarios
import scene
import tracing

COLUMNS = ("points", "unchanged", "done", "interrupted", "left", "unsettled", "bad")
# What the kernel may answer to each call, sticky (`+`) or once.
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
# Which of the names above a call goes by.
SORTS = {
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
# After EINTR these have to be repeated; the kernel answers it to no other.
REPEATED = ("openat", "write", "fsync", "flock")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    scene.add_binary_option(parser)
    parser.add_argument("--sample", type=float, metavar="SECONDS", help="only what fits into that time")
    parser.add_argument("--scenario", action="append", choices=scenarios.NAMES, help="only this one")
    parser.add_argument("--size", type=int, default=16, help="modules in each package")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    options.binary = scene.checked_binary(options.binary)
    tracing.check()
    begin = time.monotonic()
    counts, faults = scenarios.run_all(work, options.processes, options)
    total = scenarios.print_table(counts, COLUMNS)
    scenarios.print_faults(faults)
    print(
        f"errors: {total['points']} points: {total['unchanged']} refused and unchanged, {total['done']} done all the same, "
        f"{total['interrupted']} interrupted and done, {total['left']} left to recover, {total['unsettled']} in mid-change "
        f"and said so, {total['bad']} bad, {time.monotonic() - begin:.0f} s"
    )
    return 1 if faults or total["bad"] or not total["points"] else 0


def work(number, processes, options):
    """One process's share of the points."""
    counts, faults = collections.OrderedDict(), []
    names = [(name, durable) for name in options.scenario or scenarios.NAMES for durable in (False, True)]
    names = [pair for pair in names if pair not in (("replace-undoable", True), ("void", True))]
    stage = scene.Scene(options.binary, options.size, "errors")
    try:
        stage.save("empty")
        for name, durable in names:
            share = None if options.sample is None else options.sample / len(names)
            label = name + (" durable" if durable else "")
            scenario = scenarios.Scenario(stage, name, durable)
            failing = Failing(scenario, label, counts.setdefault(label, collections.Counter()), faults)
            failing.all(number, processes, scenarios.Deadline(share))
    finally:
        stage.close()
    return counts, faults


def sort_of(call):
    call = SORTS.get(call, call)
    return call if call in ERRORS else "other"


class Failing:
    """Lets calls of a scenario's command fail."""

    def __init__(self, scenario, label, counter, faults):
        self.scenario, self.label, self.counter, self.faults = scenario, label, counter, faults

    def all(self, number, processes, deadline):
        self.scenario.reset()
        self.scenario.dirty = True
        result, entered = tracing.record(self.scenario.command)
        if result.returncode:
            raise SystemExit(f"{self.label}: exit {result.returncode}: {result.stderr}")
        cases = []
        for point in tracing.points(entered):
            cases += [(point, error) for error in ERRORS[sort_of(point.call)].split() if error != "EMFILE"]
        reading = tracing.points(entered, lambda name, _: name in ("open", "openat"))
        cases += [(point, "EMFILE") for point in reading]
        for point, error in scenarios.spread(cases[number::processes]):
            if deadline.over():
                break
            self.one(point, error)

    def one(self, point, error):
        """Let one call fail, and judge."""
        scenario = self.scenario
        scenario.reset()
        scenario.dirty = True
        sticky, name = error.endswith("+"), error.rstrip("+")
        scratch = scenario.stage.scratch
        result, struck = tracing.strike(scenario.command, point, f"error={name}", sticky, scratch=scratch)
        if not struck:
            # The run came by fewer calls than the recorded one.
            return
        often = len(struck) > 1
        self.counter["points"] += 1
        where = f"{error} at {point}"
        status = scene.describe_status(result.returncode)
        said = result.stderr.strip().replace("\n", " | ")[-260:]
        found = scene.tree(scenario.root)
        left = scene.without_control(found) != found
        state = scenario.leftover(found)
        if result.returncode < 0:
            self.bad(where, f"died of {status}: {said}")
        elif result.returncode == 0 and state != "after":
            self.bad(where, f"{status}, but {scenario.explain(found)}")
        elif result.returncode and state is None and "recover" in said and often:
            self.counter["unsettled"] += 1
        elif result.returncode and state != "before":
            self.bad(where, f"{status}, but {scenario.explain(found)}: {said}")
        elif name == "EINTR" and result.returncode and sort_of(point.call) in REPEATED:
            self.bad(where, f"not repeated: {status}: {said}")
        elif left and scenario.name not in ("undo", "replace-undoable", "void") and not may_leave(struck):
            self.bad(where, f"{status}, but left {scenario.explain(found)}: {said}")
        elif result.returncode == 0:
            self.counter["interrupted" if name == "EINTR" else "done"] += 1
        else:
            self.counter["unchanged"] += 1
        if state == "before" and not left and scenario.name != "target":
            scenario.dirty = False
        else:
            self.settle(where, result, found, left)

    def settle(self, where, failed, found, left):
        """The recovery that follows leaves nothing of its own, and what was done or refused stays so."""
        scenario = self.scenario
        result = scene.run(scenario.recover)
        after = scenario.tree()
        state = scenario.judge(after)
        if left and after != found:
            self.counter["left"] += 1
        if result.returncode:
            self.bad(where, f"then recover: exit {result.returncode}: {result.stderr.strip()[-260:]}")
        elif state is None or (failed.returncode == 0 and state != "after"):
            self.bad(where, f"then recover: {scenario.explain(after)}")
        elif scenario.leftover(found) and scenario.leftover(found) != state:
            self.bad(where, f"then recover turned {scenario.leftover(found)} into {state}")

    def bad(self, where, what):
        self.counter["bad"] += 1
        self.faults.append(f"{self.label}: {where}: {what}")


def may_leave(struck):
    """Whether what failed was the deleting of what was not needed any more, or more than one call."""
    # A call during which another thread was traced is told in two lines, of which the second has the error.
    name = re.match(r"(?:\d+ +)?(?:<\.\.\. )?(\w+)", struck[0])
    call = sort_of(name[1] if name else "")
    return len(struck) > 1 or call == "unlink" or (call == "openat" and "O_CREAT" not in struck[0])


if __name__ == "__main__":
    sys.exit(main())
