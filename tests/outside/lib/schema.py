"""Validate JSON against a schema, as far as the schema of `--json-schema` needs it."""

from __future__ import annotations

from collections.abc import Iterator

TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
KNOWN = {
    "$schema", "$ref", "$defs", "title", "description", "type", "properties", "required", "items",
    "enum", "anyOf", "minimum", "maximum", "format", "additionalProperties", "default", "const", "oneOf",
}  # fmt: skip


def faults(schema: dict, value: object, root: dict | None = None, at: str = "$") -> Iterator[str]:
    """What is wrong with a value: `PLACE: FAULT`. Unknown keywords of the schema are faults, too."""
    root = root or schema
    for word in schema.keys() - KNOWN:
        yield f"{at}: the schema has `{word}`, which is not checked"
    if "$ref" in schema:
        yield from faults(root["$defs"][schema["$ref"].rsplit("/", 1)[1]], value, root, at)
    for word in ("anyOf", "oneOf"):
        choices = [list(faults(choice, value, root, at)) for choice in schema.get(word, ())]
        if choices and all(choices):
            yield from min(choices, key=len)
    if not _has_type(schema, value):
        yield f"{at}: {value!r:.60} is not of type {schema['type']}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is none of {schema['enum']}"
    if "const" in schema and value != schema["const"]:
        yield f"{at}: {value!r} is not {schema['const']!r}"
    if isinstance(value, (int, float)) and value < schema.get("minimum", value):
        yield f"{at}: {value} is less than {schema['minimum']}"
    if isinstance(value, (int, float)) and value > schema.get("maximum", value):
        yield f"{at}: {value} is more than {schema['maximum']}"
    if isinstance(value, list):
        for place, item in enumerate(value):
            yield from faults(schema.get("items", {}), item, root, f"{at}[{place}]")
    if isinstance(value, dict):
        yield from _object_faults(schema, value, root, at)


def _has_type(schema: dict, value: object) -> bool:
    names = schema.get("type", [])
    names = [names] if isinstance(names, str) else names
    # bool is a kind of int in Python, but not in JSON.
    number = isinstance(value, bool) and "boolean" not in names
    return not names or (not number and any(isinstance(value, TYPES[name]) for name in names))


def _object_faults(schema: dict, value: dict, root: dict, at: str) -> Iterator[str]:
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{at}: `{name}` is missing"
    for name, item in value.items():
        # The program promises that every field is in the schema.
        other = schema.get("additionalProperties", not properties)
        if name in properties:
            yield from faults(properties[name], item, root, f"{at}.{name}")
        elif isinstance(other, dict):
            yield from faults(other, item, root, f"{at}.{name}")
        elif not other and "type" in schema:
            yield f"{at}: `{name}` is not in the schema"
