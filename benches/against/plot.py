"""Draw the measurements of run.py: a panel for each set of wheels, a bar for each tool.

    python3 benches/against/plot.py results/sci.json results/tf.json --output results/speed.svg
    python3 benches/against/plot.py results/sci.json --job uninstall --only pkg-install --only uv
                                    --output removing.svg

Each FILE is the JSON that run.py writes beside its tables; its measurements of one job (`--job`,
install by default) become the panels, in the order of the arguments. A bar is the median, and the
thin line on it reaches from the fastest to the slowest run. The picture is an SVG without a
background, in colours that are readable on white and on black.
"""

import argparse
import html
import json
import pathlib
import statistics

WIDTH = 760
LABEL = 210
VALUE = 130
BAR = 16
FILE_SYSTEM = "File system of environments and caches"
STEP = 23
TEXT = "#768390"
OURS = "#2f81f7"
THEIRS = "#8b949e"
RANGE = "#57606a"
FONTS = "-apple-system, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif"
STYLE = f"font-family: {FONTS}; font-size: 13px"


def text(x, y, words, more=""):
    """One line of text."""
    return '<text x="{:.0f}" y="{:.0f}" fill="{}"{}>{}</text>'.format(
        x, y, TEXT, more, html.escape(words)
    )


def bar(row, base, y, scale):
    """The name, the bar and the number of one tool."""
    times = row["seconds"]
    median, ours = statistics.median(times), row["name"].startswith("pkg-install")
    ratio = statistics.median(own / other for own, other in zip(times, base["seconds"]))
    bold = ' font-weight="600"' if ours else ""
    middle, end = y + BAR / 2, LABEL + median * scale
    low, high = LABEL + min(times) * scale, LABEL + max(times) * scale
    words = "{:.2f} s".format(median) + ("" if row is base else "  ({:.1f}×)".format(ratio))
    shape = '<rect x="{}" y="{:.1f}" width="{:.1f}" height="{}" rx="2" fill="{}"/>'
    line = '<path d="M{:.1f} {:.1f}H{:.1f}" stroke="{}" stroke-width="1.5"/>'
    return [
        text(LABEL - 10, y + BAR - 3, row["name"], ' text-anchor="end"' + bold),
        shape.format(LABEL, y, max(end - LABEL, 1), BAR, OURS if ours else THEIRS),
        line.format(low, middle, high, RANGE),
        text(max(end, high) + 8, y + BAR - 3, words, bold),
    ]


def panel(measured, only, y):
    """The bars of one set of wheels, and the height at which they end."""
    rows = [row for row in measured["rows"] if not only or row["name"] in only]
    base = measured["rows"][0]
    scale = (WIDTH - LABEL - VALUE) / max(max(row["seconds"]) for row in rows)
    many = "" if measured["wheels"] == 1 else "s"
    title = "{}: {}, {} wheel{}, {:.0f} MB".format(
        measured["job"], measured["set"], measured["wheels"], many, measured["bytes"] / 1e6
    )
    lines = [text(0, y + 14, title, ' font-weight="600"')]
    y += 26
    for row in rows:
        lines += bar(row, base, y, scale)
        y += STEP
    return lines, y + 14


def picture(panels, head, only):
    """The whole SVG."""
    lines, y = [], 4
    for measured in panels:
        drawn, y = panel(measured, only, y)
        lines += drawn
    note = "Seconds, shorter is better; × as long as pkg-install. {Date}, {%s}." % FILE_SYSTEM
    lines.append(text(0, y + 6, note.format(**head)))
    size = 'viewBox="0 0 {0} {1:.0f}" width="{0}" height="{1:.0f}"'.format(WIDTH, y + 16)
    begin = '<svg xmlns="http://www.w3.org/2000/svg" {} role="img" style="{}">'.format(
        size, html.escape(STYLE)
    )
    return "\n".join(
        [
            begin,
            "<title>The time of an installation, compared with other tools</title>",
            *lines,
            "</svg>",
            "",
        ]
    )


def main():
    """Draw one picture."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    add = parser.add_argument
    add("files", metavar="FILE", nargs="+", help="JSON of run.py")
    add("--job", default="install", help="the job to draw (default: install)")
    only = "only this tool, by its name in the tables; may be repeated"
    add("--only", metavar="NAME", action="append", help=only)
    add("--output", metavar="FILE", required=True, help="the SVG")
    asked = parser.parse_args()
    files = [json.loads(pathlib.Path(each).read_text(encoding="utf-8")) for each in asked.files]
    results = [measured for each in files for measured in each["results"]]
    panels = [measured for measured in results if measured["job"] == asked.job]
    if not panels:
        parser.error("no measurement of {} in these files".format(asked.job))
    pathlib.Path(asked.output).write_text(
        picture(panels, files[0]["head"], asked.only), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
