"""The claim register as a table for the reader: `book/conf.py` hands it to `book/claims.md`."""

from __future__ import annotations

from pathlib import Path

import yaml


def origin(row: dict) -> str:
    """Where the numbers of a row come from, in Markdown."""
    if row["kind"] == "measured":
        return f"measured: `{row['file']}`, made by `{row['command']}`"
    if row["kind"] == "counted":
        return f"counted: lines of {', '.join(f'`{name}`' for name in row['lines'])} in `{row['file']}`"
    if row["kind"] == "cited":
        source = row["source"]
        return f"cited: <{source}>" if source.startswith("https://") else f"cited: {{cite:t}}`{source}`"
    return f"by definition: {row['why']}"


def claim_rows(register: Path) -> str:
    """The table, page by page, in Markdown."""
    rows = yaml.safe_load(register.read_text(encoding="utf-8"))["claims"]
    lines = ["| page | numbers | in the sentence | where from |", "|---|---|---|---|"]
    for row in rows:
        page = "front page" if row["page"] == "index" else row["page"].split("/")[-1].split("_")[0]
        numbers = ", ".join(map(str, row["numbers"]))
        lines.append(f"| {page} | {numbers} | … {row['where']} … | {origin(row)} |")
    return "\n".join(lines)
