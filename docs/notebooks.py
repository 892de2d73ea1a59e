"""Offer each page that has Python examples as a Jupyter notebook too, written when MkDocs builds the site."""

import posixpath
import re
import textwrap

import nbformat
from mkdocs.structure.files import File
from nbformat import v4

EXTRAS = {  # of keras-bsd, which a page's examples need besides `examples`
    "coming-from.md": ["benchmark"],
    "event-data.md": ["events"],
    "export.md": ["serving", "nir"],
    "index.md": ["serving"],
    "own-layers.md": ["serving"],
    "publishing.md": ["hub"],
}
BLOCK = re.compile(r"^( *)```python\n(.*?)^ *```$\n?", re.DOTALL | re.MULTILINE)
TAB = re.compile(r'^=== "(.*)"$', re.MULTILINE)
LINK = re.compile(r"(!?)\[([^\]]+)\]\(([^)\s]+)\)")
TITLE = re.compile(r"\A# .*\n")


def on_files(files, config):
    for file in [*files]:
        if not file.generated_by and file.is_documentation_page() and BLOCK.search(file.content_string):
            files.append(File.generated(config, _path(file), content=""))
    return files


def on_page_markdown(markdown, page, config, files):
    notebook = files.get_file_from_path(_path(page.file))
    if notebook is None:
        return markdown
    here, base = page.file.src_uri, config.site_url
    notebook.content_string = nbformat.writes(
        to_notebook(markdown, EXTRAS.get(here, []), lambda target: _published(target, here, base, files))
    )
    name = posixpath.basename(notebook.src_uri)
    offers = [f'[Download as a notebook]({name}){{ download="{name}" }}']
    if colab := config.extra.get("colab_url"):
        offers.append(f"[Open in Colab]({colab.rstrip('/')}/{notebook.src_uri})")
    return TITLE.sub(lambda title: f"{title[0]}\n{' · '.join(offers)}\n", markdown)


def to_notebook(markdown, extras, published):
    """Return a page as a notebook: what to install, and then its blocks of Python between its text.

    Args:
        markdown: text of the page.
        extras: extras of keras-bsd that the page needs besides `examples`.
        published: function from the target of a link within the site to its address, or to None.
    """
    install = v4.new_code_cell(f'%pip install --quiet "keras-bsd[{",".join(["examples", *extras])}]"')
    install.metadata.tags = ["skip-execution"]  # by programs that run notebooks, such as nbclient
    cells, end = [install], 0
    for block in BLOCK.finditer(markdown):
        cells += [_text(markdown[end : block.start()], published), v4.new_code_cell(_code(block))]
        end = block.end()
    cells = [cell for cell in [*cells, _text(markdown[end:], published)] if cell.source]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"  # not random, so that each build is the same
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def _path(file):
    return f"{posixpath.splitext(file.src_uri)[0]}.ipynb"


def _code(block):
    return textwrap.dedent(block[2]).removesuffix("\n")


def _text(markdown, published):
    """Return Markdown that needs neither the site nor its extensions."""

    def link(match):
        image, text, target = match.groups()
        address = target if "://" in target else published(target)
        if address is None:
            return text
        return f"{image}[{text}]({address})"

    return v4.new_markdown_cell(LINK.sub(link, TAB.sub(r"**\1**", markdown)).strip())


def _published(target, here, base, files):
    path, *anchor = target.split("#")
    path = posixpath.normpath(posixpath.join(posixpath.dirname(here), path)) if path else here
    file = files.get_file_from_path(path)
    return "#".join([f"{base.rstrip('/')}/{file.url}", *anchor]) if base and file else None
