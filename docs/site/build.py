"""Build the documentation as a site.

    python3 docs/site/build.py --binary target/release/pkg-install [--output target/site]

The pages are those of docs/, the README as the first one, and two that are made here: all options
from `pkg-install help`, and the JSON output from `--json-schema`. Needs Zensical, which is fetched
from the package index into target/site-tools if it is not on the PATH. Exit code 1: the site could
not be built, or a link in it leads nowhere.
"""

from __future__ import annotations

import argparse
import html.parser
import json
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Pages from outside of docs/.
OTHERS = ("ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def read(program: str, *arguments: str) -> str:
    """What the program prints."""
    command = [program, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def page_of_commands(program: str) -> str:
    """All options of each command, as its help prints them."""
    names = re.findall(r"^  ([a-z]+)  ", read(program, "-h"), re.MULTILINE)
    parts = ["# All options\n\nThe texts that `pkg-install help COMMAND` prints.\n"]
    for name in names:
        text = read(program, "help", name).rstrip()
        parts.append(f"## {name}\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


def kind_of(schema: dict) -> str:
    """The type of a field, in words."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(kind_of(one) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    kinds = schema.get("type", "object")
    words = kinds if isinstance(kinds, list) else [kinds]
    if "items" in schema:
        items = f"list of {kind_of(schema['items'])}"
        words = [items if word == "array" else word for word in words]
    return " or ".join(words)


def page_of_json(program: str) -> str:
    """The fields of the JSON output."""
    schema = json.loads(read(program, "--json-schema"))
    parts = ["# JSON output\n\nWhat `--json` prints; `--json-schema` prints the schema itself.\n"]
    for name, part in {"Result": schema, **schema["$defs"]}.items():
        parts.append(f"## {name}\n")
        if part.get("description"):
            parts.append(part["description"] + "\n")
        parts.append("| field | type | |\n| --- | --- | --- |")
        for field, what in part["properties"].items():
            text = what.get("description", "").replace("\n", " ")
            parts.append(f"| `{field}` | {kind_of(what)} | {text} |")
        parts.append("")
    return "\n".join(parts)


def adjusted(text: str, page: pathlib.Path, pages: pathlib.Path) -> str:
    """The page with its links as they are in the site; files that are no pages are copied."""

    def link(match: re.Match[str]) -> str:
        image, words, to = match.groups()
        path, _, anchor = to.partition("#")
        if "://" in to or not path:
            return match[0]
        target = (page.parent / path).resolve()
        anchor = "#" + anchor if anchor else ""
        if target == ROOT / "README.md":
            return f"{image}[{words}](index.md{anchor})"
        if target.suffix == ".md" and (target.parent == ROOT / "docs" or target.name in OTHERS):
            return f"{image}[{words}]({target.name}{anchor})"
        if target.suffix == ".svg":
            shutil.copy(target, pages)
            return f"{image}[{words}]({target.name})"
        # Only the repository has it.
        return words

    parts = re.split(r"(```.*?```)", text, flags=re.DOTALL)
    return "".join(part if part.startswith("```") else LINK.sub(link, part) for part in parts)


def write_pages(program: str, pages: pathlib.Path) -> None:
    """All pages, in one directory."""
    pages.mkdir(parents=True)
    sources = [(ROOT / "README.md", "index.md"), *((ROOT / name, name) for name in OTHERS)]
    sources += [(path, path.name) for path in sorted((ROOT / "docs").glob("*.md"))]
    for path, name in sources:
        text = path.read_text(encoding="utf-8")
        (pages / name).write_text(adjusted(text, path, pages), encoding="utf-8")
    (pages / "commands.md").write_text(page_of_commands(program), encoding="utf-8")
    (pages / "json.md").write_text(page_of_json(program), encoding="utf-8")


class Page(html.parser.HTMLParser):
    """The links, the anchors and the images without text of a page."""

    def __init__(self, path: pathlib.Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.bare_images: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        for name in ("id", "name"):
            self.anchors.add(given.get(name) or "")
        if tag == "a" and given.get("href"):
            self.links.append(given["href"] or "")
        if tag == "img":
            self.links.append(given.get("src") or "")
            if not given.get("alt"):
                self.bare_images.append(given.get("src") or "")


def faults(site: pathlib.Path) -> list[str]:
    """Links that lead nowhere, and images without text."""
    pages = {path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"}
    found = []
    for path, page in pages.items():
        found += [f"{path.name}: {image} has no text" for image in page.bare_images]
        for link in page.links:
            place, _, anchor = link.partition("#")
            if ":" in place or place.startswith("//"):
                continue
            target = (path.parent / place).resolve() if place else path
            target = target / "index.html" if target.is_dir() else target
            known = target in pages
            if not target.exists() or (anchor and known and anchor not in pages[target].anchors):
                found.append(f"{path.name}: {link} leads nowhere")
    return found


def generator() -> str:
    """The path of Zensical."""
    found = shutil.which("zensical")
    if found:
        return found
    tools = ROOT / "target" / "site-tools"
    if not (tools / "bin" / "zensical").exists():
        subprocess.run([sys.executable, "-m", "venv", tools], check=True)
        python = tools / "bin" / "python"
        # Some mirrors lack a part of 0.1, and the last versions before it build the same pages.
        install = [python, "-m", "pip", "install", "--quiet", "zensical>=0.0.60,<0.2"]
        subprocess.run(install, check=True)
    return str(tools / "bin" / "zensical")


def main() -> int:
    """Build the site, and look at its links."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--binary", required=True, help="the program that prints its help")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "target" / "site")
    options = parser.parse_args()
    program = str(pathlib.Path(options.binary).resolve())
    work = options.output.resolve()
    shutil.rmtree(work, ignore_errors=True)
    write_pages(program, work / "pages")
    shutil.copy(ROOT / "docs" / "site" / "mkdocs.yml", work / "mkdocs.yml")
    done = subprocess.run([generator(), "build", "--clean"], cwd=work, check=False)
    if done.returncode != 0 or not (work / "site" / "index.html").exists():
        return 1
    found = faults(work / "site")
    print("\n".join(found + [f"{len(found)} faults; the site is in {work / 'site'}"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
