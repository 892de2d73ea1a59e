"""README and pages: their code runs and prints what they say, they name what is there, and the site builds."""

import ast
import contextlib
import inspect
import io
import pathlib
import re
import textwrap

import pytest

import keras_bsd

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# A block of Python, and what it prints where a block of text follows.
BLOCK = re.compile(r"^( *)```python\n(.*?)^ *```$(?:\n\n *```text\n(.*?)^ *```$)?", re.DOTALL | re.MULTILINE)
OTHERS = ("snntorch", "spikingjelly")


def of_another_library(code):
    return next((library for library in OTHERS if library in code), None)


def run(page, library=None):
    """Run a page's blocks, without those of other libraries or with those of one; gives their names."""
    text, names = page.read_text(), {}
    for block in BLOCK.finditer(text):
        code, printed = textwrap.dedent(block[2]), textwrap.dedent(block[3] or "")
        if of_another_library(code) not in (None, library):
            continue
        line = text.count("\n", 0, block.start(2))  # so that errors name the page's own lines
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(compile("\n" * line + code, str(page), "exec"), names)
        if printed:
            assert output.getvalue() == printed, f"{page.name}, line {line}"
    return names


def id_of(page):
    return str(page.relative_to(ROOT))


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES[1:] if "```python" in page.read_text()], ids=id_of)
def test_code_runs_as_written(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(page)


def test_readme_runs_as_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = run(ROOT / "README.md")
    assert names["scores"].shape == (len(names["x"]), 10)
    assert names["images"].shape == (3, 8, 8, 1)
    assert (names["scores"].argmax(axis=1) == names["y"]).mean() > 0.9
    assert (tmp_path / "digits.keras").exists()


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 110


@pytest.mark.parametrize("library", OTHERS)
def test_the_same_network_in_other_libraries(library, tmp_path, monkeypatch):
    pytest.importorskip(library, reason=f"{library} is not installed: pip install 'keras_bsd[benchmark]'")
    monkeypatch.chdir(tmp_path)
    names = run(ROOT / "docs" / "coming-from.md", library)
    theirs = [tuple(weight.shape) for weight in names["network"].parameters()]
    ours = [weight.shape[::-1] for weight in names["encoder"].trainable_weights]
    assert theirs == ours


@pytest.mark.parametrize("page", PAGES, ids=id_of)
def test_files_and_targets_are_there(page):
    text = page.read_text()
    files = re.findall(r"\b(?:applications|export|tests)/[\w/]+\.(?:py|md)\b", text)
    assert [name for name in files if not (ROOT / name).exists()] == []
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"\bmake ([a-z-]+)\b(?=`| +#|$)", text, re.MULTILINE)) <= set(targets)


def exported(package):
    """Names that a package's `__init__` exports: `from ... import name as name`."""
    aliases = (
        alias
        for node in ast.parse(inspect.getsource(package)).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    )
    return [alias.name for alias in aliases if alias.asname == alias.name]


def public_names():
    for name in exported(keras_bsd):
        value = getattr(keras_bsd, name)
        inner = exported(value) if hasattr(value, "__path__") else []
        yield from (f"keras_bsd.{name}.{each}" for each in inner) if inner else [f"keras_bsd.{name}"]


def test_every_public_name_is_in_the_reference():
    shown = {name for page in PAGES for name in re.findall(r"^::: (\S+)$", page.read_text(), re.MULTILINE)}
    assert sorted({*public_names()} - shown) == []


@pytest.mark.slow
def test_site_builds_strictly(tmp_path, monkeypatch):
    for package in ("material", "mkdocstrings"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'keras_bsd[docs]'")
    from mkdocs.__main__ import cli

    monkeypatch.chdir(ROOT)
    cli.main(["build", "--strict", f"--site-dir={tmp_path}"], standalone_mode=False)
    reference = "".join(page.read_text() for page in tmp_path.glob("api/*.html"))
    plain = [name for name in public_names() if not inspect.ismodule(getattr(keras_bsd, name[10:], None))]
    assert [name for name in plain if f'id="{name}"' not in reference] == []
    assert 'id="keras_bsd.encoding.PoissonEncoder"' in reference  # of modules, what is in them
    assert len(list(tmp_path.glob("pictures/*.svg"))) == 6
