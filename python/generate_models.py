"""Write python/pkg_install/_models.py from the JSON Schema that the program prints.

    python3 python/generate_models.py --binary target/debug/pkg-install
    python3 python/generate_models.py --binary target/debug/pkg-install --check

With --check nothing is written; exit code 1: the file is not current. Only the standard library is
needed. Names of classes are those of the schema without `Object`.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import subprocess
import sys
import textwrap
from typing import Any

TARGET = pathlib.Path(__file__).resolve().parent / "pkg_install" / "_models.py"
HEAD = '''"""What the program prints with `--json`, as classes.

Made by python/generate_models.py from the JSON Schema; do not edit. Fields that a newer program
adds are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Literal, Mapping, Optional, TypeVar

T = TypeVar("T")


def _optional(value: Any, read: Callable[[Any], T]) -> Optional[T]:
    return None if value is None else read(value)


def _all(read: Callable[[Any], T]) -> Callable[[Any], tuple[T, ...]]:
    return lambda values: tuple(read(value) for value in values)
'''
SIMPLE = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}


def class_name(reference: str) -> str:
    """The name of the class of a definition."""
    return reference.rsplit("/", 1)[-1].removesuffix("Object")


def annotation(schema: dict[str, Any]) -> tuple[str, bool]:
    """The type of a field, and whether it may be null."""
    if "$ref" in schema:
        return class_name(schema["$ref"]), False
    if "anyOf" in schema:
        others = [one for one in schema["anyOf"] if one.get("type") != "null"]
        (other,) = others
        return annotation(other)[0], len(others) < len(schema["anyOf"])
    kinds = schema["type"]
    kinds = kinds if isinstance(kinds, list) else [kinds]
    nullable = "null" in kinds
    (kind,) = [kind for kind in kinds if kind != "null"]
    if kind == "array":
        inner, inner_nullable = annotation(schema["items"])
        inner = f"Optional[{inner}]" if inner_nullable else inner
        return f"tuple[{inner}, ...]", nullable
    if kind == "object":
        return f"Mapping[str, {annotation(schema['additionalProperties'])[0]}]", nullable
    if "enum" in schema:
        return "Literal[{}]".format(", ".join(map(json.dumps, schema["enum"]))), nullable
    return SIMPLE[kind], nullable


def reader(schema: dict[str, Any]) -> str:
    """The function that turns JSON that is not null into the value; empty if it is the value."""
    if "anyOf" in schema:
        schema = next(one for one in schema["anyOf"] if one.get("type") != "null")
    if "$ref" in schema:
        return f"{class_name(schema['$ref'])}.from_json"
    if "array" in schema.get("type", ()):
        inner = reader(schema["items"])
        return f"_all({inner})" if inner else "tuple"
    return ""


def field_lines(name: str, schema: dict[str, Any], required: bool) -> tuple[list[str], str]:
    """The lines that declare a field, and the expression that reads it."""
    kind, nullable = annotation(schema)
    is_list = kind.startswith("tuple[") and not nullable
    default = "" if required else (" = ()" if is_list else " = None")
    optional = nullable or (not required and not is_list)
    shown = f"Optional[{kind}]" if optional else kind
    lines = [f"    {name}: {shown}{default}"]
    if "description" in schema:
        text = schema["description"].replace("\n", " ")
        wrapped = textwrap.wrap(f'"""{text}"""', 96)
        lines += ["    " + line for line in wrapped]
    read = f'data["{name}"]' if required else f'data.get("{name}")'
    function = reader(schema)
    if optional:
        return lines, f"_optional({read}, {function})" if function else read
    if not required:
        read += " or ()"
    return lines, f"{function}({read})" if function else read


def class_lines(name: str, schema: dict[str, Any], description: str) -> list[str]:
    """A class, with the function that reads it."""
    required = schema.get("required") or []
    fields = sorted(schema["properties"], key=lambda field: required.index(field)
                    if field in required else len(required))
    lines = ["", "", "@dataclass(frozen=True)", f"class {name}:"]
    lines += ["    " + line for line in textwrap.wrap(f'"""{description}"""', 96)] + [""]
    read = []
    for field in fields:
        declared, expression = field_lines(field, schema["properties"][field], field in required)
        lines += declared
        line = f"            {field}={expression},"
        if len(line) > 100:
            inner = f"            {field}=("
            line = f"{inner}\n                {expression}\n            ),"
        read.append(line)
    lines += [
        "",
        "    @classmethod",
        f"    def from_json(cls, data: Mapping[str, Any]) -> {name}:",
        '        """Read it from the JSON object; a field that is missing raises KeyError."""',
        "        return cls(",
        *read,
        "        )",
    ]
    return lines


def models(schema: dict[str, Any]) -> str:
    """The text of the module."""
    lines = [HEAD.rstrip()]
    names = ["Result"]
    for reference, definition in schema["$defs"].items():
        name = class_name(reference)
        names.append(name)
        text = (definition.get("description") or f"A part of `Result`: {name}.").replace("\n", " ")
        lines += class_lines(name, definition, text)
    lines += class_lines("Result", schema, "What a command did, found or would do.")
    exported = "".join(f"    {json.dumps(name)},\n" for name in sorted(names))
    return "\n".join(lines) + f"\n\n\n__all__ = [\n{exported}]\n"


def main() -> int:
    """Write or compare the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--binary", required=True, help="the program that prints the schema")
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    options = parser.parse_args()
    printed = subprocess.run([options.binary, "--json-schema"], check=True, capture_output=True)
    text = models(json.loads(printed.stdout))
    if not options.check:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    current = TARGET.read_text(encoding="utf-8") if TARGET.exists() else ""
    if current == text:
        return 0
    print(f"{TARGET} is not current: run `python3 python/generate_models.py --binary PROGRAM`")
    return 1


if __name__ == "__main__":
    sys.exit(main())
