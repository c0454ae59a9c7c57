"""Divide the points of a crash test over processes and time, and print what was found."""

from __future__ import annotations

import collections
import math
import multiprocessing
import re
import sys
import time
import traceback

import scenarios
from lib import venv


def new_parser(text, size, sample=True):
    """A command line with the options that the crash tests share."""
    parser = venv.new_parser(text)
    add = parser.add_argument
    add("--size", metavar="N", type=int, default=size, help="modules in each package")
    if sample:
        limit = "stop after this time, spread evenly over everything"
        add("--sample", metavar="SECONDS", type=float, help=limit)
    return parser


def add_scenario_options(parser):
    """The options of the tests that go through all scenarios in several processes."""
    add = parser.add_argument
    only = "only this one; may be repeated"
    add("--scenario", action="append", choices=scenarios.NAMES, help=only)
    add("--processes", metavar="N", type=int, default=2, help="processes (default: 2)")


def spread(things):
    """The things in an order of which every prefix is spread evenly over them."""
    count = len(things)
    # Steps of about 0.618 times the number, without a common divisor.
    step = max(1, int(count * 0.6180339887498949))
    while math.gcd(step, count) > 1:
        step += 1
    return [things[(number * step) % count] for number in range(count)]


class Deadline:
    """The end of a span of time; None never ends."""

    def __init__(self, seconds):
        self.end = None if seconds is None else time.monotonic() + seconds

    def over(self):
        return self.end is not None and time.monotonic() >= self.end


def run_all(work, processes, *arguments):
    """Run `work(number, processes, *arguments)` in several processes.

    Work returns ({name: Counter}, [fault]); the sums of the counters and all faults are returned.
    """
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    children = [
        context.Process(target=_guarded, args=(queue, work, number, processes, arguments))
        for number in range(processes)
    ]
    for child in children:
        child.start()
    counts, faults = {}, []
    for _ in children:
        counted, found = queue.get()
        for name, counter in counted.items():
            counts.setdefault(name, collections.Counter()).update(counter)
        faults.extend(found)
    for child in children:
        child.join()
    return counts, faults


def _guarded(queue, work, number, processes, arguments):
    try:
        queue.put(work(number, processes, *arguments))
    except BaseException as error:  # the parent waits for an answer in any case
        if not isinstance(error, SystemExit):
            traceback.print_exc()
        queue.put(({}, [f"worker {number} stopped: {error}"]))


def print_table(counts, columns):
    """Print one line for each name, and one with the sums; return the sums."""
    width = max([len(name) for name in counts] + [8])
    total = collections.Counter()
    for counter in counts.values():
        total.update(counter)
    widths = {column: max(len(column), 6) for column in columns}
    print(f"{'':{width}} " + " ".join(f"{column:>{widths[column]}}" for column in columns))
    for name, counter in [*counts.items(), ("all", total)]:
        cells = (f"{counter[column]:>{widths[column]}}" for column in columns)
        print(f"{name:{width}} " + " ".join(cells))
    sys.stdout.flush()
    return total


def print_faults(faults, shown=30):
    """Print one fault of each kind: faults that differ only in paths and numbers are alike."""
    kinds = {}
    for fault in faults:
        plain = re.sub(r"\[.*?\]:|`[^`]*`|[-+~]\S*/\S+|\d+|\bE[A-Z]+\b\+?", "", fault)
        kinds.setdefault(plain[:150], []).append(fault)
    for alike in list(kinds.values())[:shown]:
        print(f"BAD {alike[0]}" + (f" ({len(alike)} of this kind)" if len(alike) > 1 else ""))
    if len(kinds) > shown:
        print(f"... and {len(kinds) - shown} more kinds")
