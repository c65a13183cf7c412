"""What the site needs beyond its pages; mkdocs calls these functions by their names."""

import re
from pathlib import Path

from mkdocs.structure.files import File

# Roles of reStructuredText in docstrings, which Markdown shows as they stand: the code behind one is enough.
ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):(?=<code>)")


def on_files(files, config):
    """Offer the notebooks, which lie beside docs/."""
    for path in sorted((Path(config.config_file_path).parent / "examples").glob("*.ipynb")):
        files.append(File.generated(config, f"examples/{path.name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown, **_):
    """Links to notebooks as they are in the repository, to where the site has them."""
    return markdown.replace("](../examples/", "](examples/")


def on_page_content(html, **_):
    return ROLE.sub("", html)
