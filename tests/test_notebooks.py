"""Notebooks of the pages: the pages' own blocks, links that work outside the site, and two of them run."""

import json
import re
import textwrap
import tomllib

import pytest

from tests import test_docs

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed: pip install 'keras-bsd[docs]'")
mkdocs_build = pytest.importorskip("mkdocs.commands.build", reason="MkDocs is not installed")

PAGES = [page for page in test_docs.PAGES[1:] if "```python" in page.read_text()]
NAMES = [page.relative_to(test_docs.ROOT / "docs").with_suffix("").as_posix() for page in PAGES]
COLAB = "https://colab.research.google.com/github/somebody/keras_bsd/blob/gh-pages"


def build(folder, **settings):
    """Build a site of the pages alone, without theme and reference, and return its folder."""
    from mkdocs.config import load_config

    settings |= {
        "site_name": "keras_bsd",
        "docs_dir": str(test_docs.ROOT / "docs"),
        "site_dir": str(folder / "site"),
        "hooks": [str(test_docs.ROOT / "docs" / "notebooks.py")],
        "plugins": [],
        "markdown_extensions": ["attr_list"],
        "exclude_docs": "*.py",
        "use_directory_urls": False,
        "validation": {"links": {"not_found": "ignore"}},  # pages from outside docs/, pictures
    }
    (folder / "mkdocs.yml").write_text(json.dumps(settings))
    mkdocs_build.build(load_config(str(folder / "mkdocs.yml")))
    return folder / "site"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return build(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def published_site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    return build(folder, site_url="https://example.org/bsd/", extra={"colab_url": f"{COLAB}/"})


def read(site, name):
    notebook = nbformat.read(site / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    return notebook


def sources(notebook, kind):
    return [cell.source for cell in notebook.cells if cell.cell_type == kind]


def test_every_page_with_python_has_a_notebook(site):
    assert sorted(path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.ipynb")) == NAMES


@pytest.mark.parametrize(("page", "name"), zip(PAGES, NAMES, strict=True), ids=NAMES)
def test_code_cells_are_the_blocks_of_the_page_in_order(page, name, site):
    """Which `tests/test_docs.py` runs."""
    _, *cells = sources(read(site, name), "code")
    blocks = [textwrap.dedent(block[2]) for block in test_docs.BLOCK.finditer(page.read_text())]
    assert [f"{cell}\n" for cell in cells] == blocks


@pytest.mark.parametrize(("page", "name"), zip(PAGES, NAMES, strict=True), ids=NAMES)
def test_outputs_and_headings_are_text(page, name, site):
    text, markdown = page.read_text(), "\n".join(sources(read(site, name), "markdown"))
    printed = re.findall(r"^```text\n.*?^```$", text, re.DOTALL | re.MULTILINE)
    assert [block for block in printed if block not in markdown] == []
    assert re.findall(r"^#+ .*", markdown, re.MULTILINE) == re.findall(
        r"^#+ .*", re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_first_cell_installs_the_package_and_is_skipped_where_it_is_there(name, site):
    first, *others = read(site, name).cells
    match = re.fullmatch(r'%pip install --quiet "keras-bsd\[([\w,]+)\]"', first.source)
    extras = tomllib.loads((test_docs.ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {*match[1].split(",")} <= {*extras}
    assert first.metadata.tags == ["skip-execution"]
    assert not [cell for cell in others if cell.metadata]


def test_tabs_are_labels(site):
    markdown, tabs = sources(read(site, "coming-from"), "markdown"), ("keras_bsd", "snnTorch", "SpikingJelly")
    assert [text for text in markdown if text.startswith("**")] == [f"**{tab}**" for tab in tabs]
    assert "===" not in "".join(markdown)


def test_links_within_the_site_are_text_before_it_is_published(site):
    for name in NAMES:
        markdown = "\n".join(sources(read(site, name), "markdown"))
        assert [link for link in re.findall(r"\]\((.*?)\)", markdown) if "://" not in link] == []
    assert "The glossary defines" in sources(read(site, "index"), "markdown")[0]


def test_links_lead_to_the_published_site(published_site):
    first, *_ = sources(read(published_site, "index"), "markdown")
    assert "The [glossary](https://example.org/bsd/glossary.html) defines" in first
    assert "(https://example.org/bsd/training.html#backends)" in first


@pytest.mark.parametrize("name", NAMES)
def test_the_page_links_to_its_notebook(name, site):
    page = (site / f"{name}.html").read_text()
    assert f'<a download="{name}.ipynb" href="{name}.ipynb">Download as a notebook</a>' in page
    assert "colab" not in page.lower()


def test_the_page_links_to_colab_once_its_address_is_set(published_site):
    page = (published_site / "how-it-learns.html").read_text()
    assert f'<a href="{COLAB}/how-it-learns.ipynb">Open in Colab</a>' in page
    assert "Download as a notebook" in page
    assert "Download as a notebook" not in (published_site / "glossary.html").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["how-it-learns", "rival-rules"])
def test_notebooks_run_in_a_kernel(name, site, tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed: pip install 'keras-bsd[dev]'")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed: pip install 'keras-bsd[dev]'")
    monkeypatch.setenv("PYTHONPATH", str(test_docs.ROOT))
    notebook = read(site, name)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    install, *cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert install.execution_count is None
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
