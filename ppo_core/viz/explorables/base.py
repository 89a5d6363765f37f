"""What every explorable is made of: one ES module, its state, and the HTML that runs it without a kernel."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from pathlib import Path
from typing import Any

import anywidget
import traitlets

_FOLDER = Path(__file__).parent
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./common\.mjs";\n', re.MULTILINE)


def read_module(name: str) -> str:
    """The source of explorable `name` as one module that imports nothing: the shared library, then its own text."""
    common, own = ((_FOLDER / f"{part}.mjs").read_text(encoding="utf-8") for part in ("common", name))
    alone, imports = _IMPORT.subn("", own)
    if imports != 1:
        raise ValueError(
            f"{name}.mjs must import once from ./common.mjs, in one line; found {imports} such imports"
        )
    return re.sub(r"^export (?=const|function)", "", common, flags=re.MULTILINE) + alone


class Explorable(anywidget.AnyWidget):
    """Base class. A subclass gives `module` (the name of its .mjs file), `description`, and traits.

    Traits tagged `sync=True, page=True` are the state that both hosts share. `title`, `question` (asked above) and
    `explanation` (below, folded) are text that a chapter may replace; a line break starts a paragraph.
    """

    module = ""
    description = ""  # the explorable in words: for screen readers, for print, and where JavaScript is off

    title = traitlets.Unicode().tag(sync=True, page=True)
    question = traitlets.Unicode().tag(sync=True, page=True)
    explanation = traitlets.Unicode().tag(sync=True, page=True)

    _css = (_FOLDER / "common.css").read_text(encoding="utf-8")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if "module" in cls.__dict__:  # anywidget subclasses again, for each instance
            cls._esm = read_module(cls.module)
        super().__init_subclass__(**kwargs)

    @classmethod
    def picture_file(cls) -> Path:
        """The still picture for programs that run neither widgets nor scripts; tools/explorable_pictures.py draws it."""
        return _FOLDER / f"{cls.module}.png"

    @classmethod
    def fingerprint(cls) -> str:
        """A hash of all that the still picture shows: another one, and the picture must be drawn anew."""
        state = json.dumps(cls().page_state(), sort_keys=True)
        return hashlib.sha256(f"{cls._esm}{cls._css}{state}".encode()).hexdigest()[:16]

    def _picture(self) -> str:
        """The still picture in base64, or nothing while there is none."""
        file = self.picture_file()
        return base64.b64encode(file.read_bytes()).decode() if file.exists() else ""

    def page_state(self) -> dict[str, Any]:
        """What the page's host starts the explorable with."""
        return {name: getattr(self, name) for name in sorted(self.traits(sync=True, page=True))}

    def to_html(self) -> str:
        """The explorable as a piece of HTML that needs nothing else."""
        state = json.dumps(self.page_state()).replace("<", "\\u003c")  # no text can end the script
        picture = self._picture()
        still = (
            f'<img src="data:image/png;base64,{picture}" alt="Still picture: {html.escape(self.title)}" style="max-width:100%">'
            if picture
            else ""
        )
        host = (_FOLDER / "host.mjs").read_text(encoding="utf-8").replace("export function", "function")
        return (
            f'<style>{self._css}</style><div class="explorable" data-explorable="{self.module}" role="group" aria-label="{html.escape(self.title)}">'
            f'<script type="application/json">{state}</script>'
            f"<p><strong>{html.escape(self.title)}</strong></p><p>{html.escape(self.description)}</p>"
            f"<noscript>{still}<p>With JavaScript this becomes a figure with controls to move.</p></noscript></div>"
            f'<script type="module">\n{self._esm}\n{host}\nstart("{self.module}", render);\n</script>'
        )

    def __repr__(self) -> str:
        return f"{self.title}: {self.description}"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        data["text/html"] = self.to_html()
        if picture := self._picture():
            data["image/png"] = picture
        data["text/plain"] = repr(self)
        return bundle
