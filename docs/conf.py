"""Sphinx's settings for the site that `make docs` builds from what `docs/make_site.py` has put together."""

project = "pellucid"
author = copyright = "The pellucid authors"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "pellucid"
html_show_sphinx = False
myst_heading_anchors = 4
"""Headings that links may name, as they do where the pages are read in the repository."""
highlight_language = "none"
