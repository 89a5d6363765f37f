"""Citations by author and year: "(Schulman et al., 2017)" in the text, "Schulman 2017" before the entry in the list.

`book/conf.py` imports this module, which registers the style "book" with pybtex.
"""

from __future__ import annotations

from collections import Counter
from string import ascii_lowercase

from pybtex.plugin import register_plugin
from pybtex.style.formatting.plain import Style as Plain
from pybtex.style.labels import BaseLabelStyle


class AuthorYear(BaseLabelStyle):
    """Family name of the first author, the year, and a letter where that is not yet unique."""

    def format_labels(self, sorted_entries):
        labels = [self.label(entry) for entry in sorted_entries]
        total, seen = Counter(labels), Counter()
        for label in labels:
            yield label + (ascii_lowercase[seen[label]] if total[label] > 1 else "")
            seen[label] += 1

    @staticmethod
    def label(entry) -> str:
        person = entry.persons["author"][0]
        names = [*person.rich_prelast_names, *person.rich_last_names]
        return f"{' '.join(str(name) for name in names)} {entry.fields['year']}"


class BookStyle(Plain):
    default_label_style = AuthorYear


register_plugin("pybtex.style.formatting", "book", BookStyle)
