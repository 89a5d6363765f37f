"""Turn the package's docstrings into reStructuredText for the API page.

The docstrings are written to be read in the source: equations as lines of their own, `code` in single backticks,
shapes like [T, N, *obs], then `Args:`, `Returns:`, `Raises:`, `Source:`. Sphinx would read a star as emphasis and
an equation as a definition list, so `book/conf.py` sends every docstring through `to_rst` first, and completes
what the source says elsewhere: the comment beside a NamedTuple's field, the help text of a setting.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re

FIELD = re.compile(
    r"(Args|Returns|Yields|Raises|Source|Sources|Note|Sizes|Example)\b([^:`\n]{0,40}):(?:\s+(.*))?$"
)
EQUATION = re.compile(r"^[^`]{1,32}? [=≈≥≤] ")
LITERAL = re.compile(r"(``.+?``|:[\w:+-]+:`[^`]+`|`[^`]+`)")


def inline(text: str) -> str:
    """Escape what reStructuredText would read as markup; `code` becomes ``code``."""
    parts = []
    for part in LITERAL.split(text):
        if part.startswith("`") and not part.startswith("``"):
            parts.append(f"``{part[1:-1]}``")
        elif LITERAL.fullmatch(part):
            parts.append(part)
        else:
            part = re.sub(r"([*|\\])", r"\\\1", part)
            parts.append(re.sub(r"(\w)_(?!\w)", r"\1\_", part))
    return "".join(parts)


def is_equation(block: list[str]) -> bool:
    return all(EQUATION.match(line) for line in block) and not block[-1].rstrip().endswith((".", ";", ":"))


def items(lines: list[str]) -> list[str]:
    """The indented lines below a bare `Args:`, one item for each line at the outer indentation."""
    outer = min(len(line) - len(line.lstrip()) for line in lines)
    out: list[str] = []
    for line in lines:
        name = re.match(r"(\*{0,2}\w+)(?: \(.*?\))?: +(.*)", line.lstrip())
        if len(line) - len(line.lstrip()) == outer:
            out.append(f"* ``{name[1]}``: {inline(name[2])}" if name else f"* {inline(line.strip())}")
        else:
            out.append(f"  {inline(line.strip())}")
    return out


def block_to_rst(block: list[str]) -> list[str]:
    first = block[0].lstrip()
    if first.startswith((">>>", "- ", "* ", ".. ", "::")):
        return block
    if is_equation(block):
        return [".. code-block:: text", "", *(f"    {line.strip()}" for line in block)]
    out: list[str] = []
    fields: list[str] = []
    rest = list(block)
    while rest:
        line = rest.pop(0)
        found = FIELD.match(line)
        if not found:
            out.append(inline(line.strip()))
            continue
        body = []
        while rest and not FIELD.match(rest[0]):
            body.append(rest.pop(0))
        label = inline(found[1] + found[2])
        if found[3]:
            fields.append(f":{label}: " + " ".join(inline(text.strip()) for text in [found[3], *body]))
        else:
            fields += [f":{label}:", *(f"    {item}" for item in items(body))] if body else [f":{label}:"]
    return [*out, *([""] if out and fields else []), *fields]


def to_rst(lines: list[str]) -> list[str]:
    """A docstring of the package as reStructuredText."""
    out: list[str] = []
    for block in "\n".join(lines).strip("\n").split("\n\n"):
        block_lines = [line.rstrip() for line in block.split("\n") if line.strip()]
        if block_lines:
            out += [*block_to_rst(block_lines), ""]
    return out


def field_comments(cls: type) -> dict[str, str]:
    """The comment that stands beside each annotated name in the body of `cls`."""
    try:
        source = inspect.getsource(cls)
    except (OSError, TypeError):
        return {}
    return dict(re.findall(r"^ {4}(\w+): (?:\(\n *)?[^#\n]*?# *(.+)$", source, re.M))


def settings(cls: type) -> list[str]:
    """A definition for every dataclass field that carries a help text in its metadata."""
    out: list[str] = []
    for field in dataclasses.fields(cls):
        if "help" not in field.metadata:
            continue
        unit = f" ({field.metadata['unit']})" if field.metadata.get("unit") else ""
        default = "" if field.default is dataclasses.MISSING else f" Default: ``{field.default!r}``."
        text = field.metadata["help"].rstrip(".")
        out += [
            f"``{field.name}``",
            f"    {inline(text[0].upper() + text[1:] if text[0].isascii() else text)}{inline(unit)}.{default}",
        ]
    return [*out, ""] if out else []


def find(dotted: str):
    """The object behind ppo_core.module.Class, or None."""
    module, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(module), name, None)


def process(app, what, name, obj, options, lines):
    """Sphinx's `autodoc-process-docstring`, for objects of ppo_core."""
    if not name.startswith("ppo_core"):
        return
    if lines and lines[0].startswith("Alias for field number"):
        owner = re.sub(r"\.\w+$", "", name)
        comment = field_comments(find(owner)).get(name.rsplit(".", 1)[1], "")
        lines[:] = [inline(comment), ""] if comment else []
        return
    lines[:] = to_rst(lines)
    if what == "class" and dataclasses.is_dataclass(obj):
        lines.extend(settings(obj))
