"""How the site is built: sphinx-build -W --keep-going -b html docs OUT. Its pages load nothing from elsewhere."""

from __future__ import annotations

import shutil
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "extensions"))
PROJECT = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def gather_lessons() -> None:
    """Bring the executed notebooks below this folder, where Sphinx can see them; git ignores the copies."""
    there, here = HERE.parent / "notebooks", HERE / "lessons"
    for copy in here.glob("*.ipynb"):
        if not (there / copy.name).exists():
            copy.unlink()
    for notebook in sorted(there.glob("*.ipynb")):
        copy = here / notebook.name
        if not copy.exists() or copy.read_bytes() != notebook.read_bytes():
            shutil.copyfile(notebook, copy)


gather_lessons()

project = "blupbayes"
author = "The blupbayes developers"
copyright = "2026, The blupbayes developers"
release = version = PROJECT["version"]

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_design",
    "mathematics",
    "equation_tags",
]
exclude_patterns = ["extensions", "_build", "**.ipynb_checkpoints"]
nitpicky = False

# Pages are Markdown that a code host shows as well; only gallery.md runs here, the other pages in tests/test_docs.py.
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_excludepatterns = ["lessons/*"]
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True
html_math_renderer = "mathml"

toc_object_entries_show_parents = "hide"
autosummary_generate = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

WRITTEN = {"MixedModel", "Prior", "Decov", "Wishart", "InverseWishart"}  # by users, argument by argument


def without_arguments(app, what, name, thing, options, signature, returned):  # type: ignore[no-untyped-def]
    """Answers are made by verbs: how they are put together is nobody's business."""
    made = what == "class" and name.split(".")[-1] not in WRITTEN
    return ("", None) if made else None


def setup(app):  # type: ignore[no-untyped-def]
    """Hooks of this site."""
    app.connect("autodoc-process-signature", without_arguments)


html_theme = "pydata_sphinx_theme"
html_title = "blupbayes"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_context = {"default_mode": "auto"}
html_theme_options = {
    "logo": {"text": "blupbayes"},
    "show_toc_level": 3,
    "show_version_warning_banner": False,
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
WIDE = (
    "index",
    "gallery",
    "quickstart",
    "theory",
    "lme4",
    "bambi_brms",
    "limitations",
)  # tables need the room
html_sidebars = {name: [] for name in WIDE}
