"""Sphinx configuration of the book.

`make book` calls it; by hand, from the repository root:
    python -m sphinx -b html -W --keep-going -c book -d book/_build/doctrees . book/_build/html
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import sys
import tomllib
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from docutils import nodes
from sphinx.environment.collectors.toctree import TocTreeCollector
from sphinx.util.nodes import make_refnode

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

import citation_style  # noqa: E402, F401
from api_docstrings import process as process_docstring  # noqa: E402
from claim_register import claim_rows  # noqa: E402
from content_security import protect  # noqa: E402
from execute_notebooks import CELL_TIMEOUT, cache_path  # noqa: E402

# --- who, and from where: pyproject.toml is the one place that names the repository and the branch
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETTINGS = PYPROJECT["tool"]["ppo-book"]
REPOSITORY = PYPROJECT["project"]["urls"]["Repository"].rstrip("/")
BRANCH = SETTINGS["branch"]
OWNER, NAME = urlsplit(REPOSITORY).path.strip("/").split("/")

project = "PPO, line by line"
author = "the PPO book authors"
copyright = "2026, the PPO book authors. Text CC BY 4.0, code MIT"
version = release = PYPROJECT["project"]["version"]
language = "en"
html_baseurl = f"https://{OWNER}.github.io/{NAME}/"

extensions = [
    "myst_nb",
    "sphinx_external_toc",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "sphinx_design",
    "sphinx_exercise",
    "sphinx_proof",
    "sphinx_copybutton",
    "sphinx_togglebutton",
    "sphinxcontrib.bibtex",
    "bug_zoo_page",  # tools/: fills book/bug_zoo.md
]

# The source folder is the repository: say exactly what belongs to the book.
include_patterns = ["index.md", "notebooks/*.ipynb", "book/*.md"]
exclude_patterns = [
    "book/_*.md",  # for authors, not for readers
    "**/.*",
    "**/_build",
    "**/node_modules",
    ".venv",
    "tests",
    "ppo_core",
    "tools",
    "benchmarks",
]
external_toc_path = str(HERE / "_toc.yml")
external_toc_exclude_missing = False
toc_text = Path(external_toc_path).read_text(encoding="utf-8")  # a new title there must reach every side bar
templates_path = ["_templates"]

# --- notebooks: executed once, into a cache that knows the package (tools/execute_notebooks.py)
nb_execution_mode = "cache"
nb_execution_cache_path = str(cache_path())
nb_execution_timeout = CELL_TIMEOUT
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"
# The HTML of an explorable carries its own host and needs no kernel; JupyterLab takes the widget view.
nb_mime_priority_overrides = [
    ("html", "text/html", 0),
    ("html", "application/vnd.jupyter.widget-view+json", 100),
]
nb_ipywidgets_js = {}  # else two scripts from a CDN on every page

# --- text
myst_enable_extensions = [
    "amsmath",
    "attrs_block",
    "attrs_inline",
    "colon_fence",
    "deflist",
    "dollarmath",
    "fieldlist",
    "html_image",
    "smartquotes",
    "strikethrough",
    "substitution",
    "tasklist",
]
myst_heading_anchors = 3
# the numbers of the front page: it prints what tools/make_front_film.py measured
myst_substitutions = {
    "film": json.loads((HERE / "_static/front_film.json").read_text(encoding="utf-8")),
    "claims": claim_rows(HERE / "claims.yml"),
}
myst_dmath_double_inline = True
bibtex_bibfiles = [str(HERE / "references.bib")]
bibtex_default_style = "book"
bibtex_reference_style = "author_year"
copybutton_selector = "div.highlight pre"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
togglebutton_hint = "Show"
togglebutton_hint_hide = "Hide"
numfig = True
math_numfig = True
numfig_secnum_depth = 1

# --- the API, from the docstrings; their types are named without asking anybody's server for an index
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_type_aliases = {"ArrayLike": "ArrayLike", "NDArray": "NDArray"}
autodoc_preserve_defaults = True
maximum_signature_line_length = 72
toc_object_entries_show_parents = "hide"
python_use_unqualified_type_names = True
nitpicky = True
nitpick_ignore_regex = [
    (
        "py:.*",
        r"(torch|numpy|np|gymnasium|gym|matplotlib|mpl|anywidget|ipywidgets|traitlets|PIL|cloudpickle)\b.*",
    ),
    (
        "py:.*",
        r"(collections|typing|types|pathlib|multiprocessing|functools|contextlib|argparse|os|enum|dataclasses|abc)\..*",
    ),
    # what these look like in a signature that was written with its short name
    (
        "py:.*",
        r"(Tensor|nn\.Module|NDArray|ArrayLike|ndarray|Space|Env|Path|Any|Callable|Sequence|Iterator|Self|T)",
    ),
    ("py:.*", r"(Iterable|Mapping|Generator|Literal|Optional|Union|ClassVar|Figure|Axes|optional)"),
]

# --- everything local: a page asks nobody for anything, also from file://
html_static_path = ["_static"]
mathjax_path = "vendor/tex-svg.js"
mathjax3_config = {
    "tex": {"macros": {"E": r"\mathbb{E}", "clip": r"\operatorname{clip}", "KL": r"\operatorname{KL}"}},
    "options": {"enableMenu": False},
}
_mathjax = (
    Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent / "static/mathjax/tex-svg.js"
)

# --- the theme
html_theme = "sphinx_book_theme"
html_title = project
html_last_updated_fmt = None
html_copy_source = True
html_show_sphinx = False


def _if_there(*names: str) -> list[str]:
    """The files of book/_static that exist, of those named."""
    return [name for name in names if (HERE / "_static" / name).exists()]


html_css_files = _if_there("custom.css")
html_favicon = next(
    (f"_static/{name}" for name in _if_there("favicon.svg", "favicon.png", "favicon.ico")), None
)
html_js_files = _if_there("page.js")
html_context = {
    "default_mode": "auto",  # without it every first visit logs a console error
    "published": html_baseurl,
    "issues": f"{REPOSITORY}/issues",
}
html_additional_pages = {"404": "404.html"}
html_theme_options = {
    "logo": {
        "image_light": "_static/logo.svg",
        "image_dark": "_static/logo-dark.svg",
        "text": project,
        "alt_text": "",
    },
    "repository_url": REPOSITORY,
    "repository_branch": BRANCH,
    "path_to_docs": "",
    "repository_provider": "github",
    "use_repository_button": True,
    "use_issues_button": True,
    "use_edit_page_button": False,
    "use_download_button": True,
    "use_fullscreen_button": True,
    "show_toc_level": 2,
    "home_page_in_toc": True,
    "navbar_persistent": [],  # else a second search box stands above the first
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "launch_buttons": {
        "notebook_interface": "jupyterlab",
        "binderhub_url": SETTINGS["binderhub"],
        "colab_url": SETTINGS["colab"],
        "jupyterhub_url": SETTINGS["jupyterhub"],
        "thebe": False,
    },
}


# --- small additions, each with its reason


def copy_mathjax(app, exception):
    """Take the one file out of the wheel; the extension of the same name copies 24 MB."""
    if exception is None and app.builder.format == "html":
        target = Path(app.outdir) / "_static" / "vendor"
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_mathjax, target / "tex-svg.js")


def add_security_policies(app, exception):
    """Every page says to the browser what it may load and run."""
    if exception is None and app.builder.format == "html":
        protect(Path(app.outdir))


def name_exercise_prompts(app, doctree):
    """A hidden exercise cell asks the reader to look at a solution, not at 'code'."""
    for cell in doctree.findall(nodes.container):
        tags = cell.get("cell_metadata", {}).get("tags", [])
        if cell.get("hide_mode") and "exercise" in tags:
            cell["prompt_show"], cell["prompt_hide"] = "Show the solution", "Hide the solution"


def complete_launch_buttons(app, pagename, templatename, context, doctree):
    """Say which branch each button opens. With no hub of our own, offer the link for the reader's hub."""
    for group in context.get("header_buttons", []):
        if group.get("label") != "launch-buttons":
            continue
        buttons = group["buttons"]
        if not SETTINGS["jupyterhub"]:
            fields = {
                "repo": REPOSITORY,
                "branch": BRANCH,
                "urlpath": f"lab/tree/{NAME}/{pagename}.ipynb",
            }
            buttons.append(
                {
                    "type": "link",
                    "text": "your JupyterHub",
                    "tooltip": "Make a link for your JupyterHub (nbgitpuller)",
                    "icon": "_static/images/logo_jupyterhub.svg",
                    "url": "https://nbgitpuller.readthedocs.io/en/latest/link.html?"
                    + urlencode(fields, safe="/"),
                }
            )
        for button in buttons:
            button["text"] += f" · {BRANCH}"


def find_by_short_name(app, env, node, contnode):
    """ppo_core.Rollout and ppo_core.buffer.Rollout are one object; a link may use either name."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py" or not target.startswith("ppo_core."):
        return None
    objects = env.domains["py"].objects
    short = target.rsplit(".", 1)[1]
    names = [name for name in objects if name.startswith("ppo_core.") and name.rsplit(".", 1)[1] == short]
    if len(names) != 1:
        return None
    entry = objects[names[0]]
    return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, contnode, names[0])


def chapter_number(docname: str) -> tuple[int, ...]:
    """(5,) for notebooks/05_gae; () for a page that is no chapter."""
    found = re.match(r"notebooks/(\d+)_", docname)
    return (int(found[1]),) if found else ()


def number_by_chapter(assign):
    """Figures, equations and exercises of chapter 05 are 5.1, 5.2, ..., whatever stands before it in the book."""

    def assign_figure_numbers(self, env):
        sections = env.toc_secnumbers
        env.toc_secnumbers = {docname: {"": chapter_number(docname)} for docname in env.found_docs}
        try:
            return assign(self, env)
        finally:
            env.toc_secnumbers = sections

    return assign_figure_numbers


def mend_module_list(app, pagename, templatename, context, doctree):
    """The list of sources: viewcode puts the list of a package's modules beside its entry, it belongs inside."""
    if pagename == "_modules/index":
        body = re.sub(r"</li>\s*<ul>", "\n<ul>", context["body"])
        context["body"] = re.sub(r"</ul>(?=\s*(?:<li>|</ul>))", "</ul></li>", body)


def setup(app):
    if not hasattr(TocTreeCollector.assign_figure_numbers, "by_chapter"):
        TocTreeCollector.assign_figure_numbers = number_by_chapter(TocTreeCollector.assign_figure_numbers)
        TocTreeCollector.assign_figure_numbers.by_chapter = True
    app.add_config_value("toc_text", "", "env", str)
    app.connect("autodoc-process-docstring", process_docstring)
    app.connect("doctree-read", name_exercise_prompts)
    app.connect("missing-reference", find_by_short_name)
    app.connect("html-page-context", complete_launch_buttons, priority=900)
    app.connect("html-page-context", mend_module_list)
    app.connect("build-finished", copy_mathjax)
    app.connect("build-finished", add_security_policies)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
