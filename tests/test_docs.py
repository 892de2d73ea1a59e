"""The pages: code runs and prints what they show, names exist, words are plain, and the site builds."""

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
PACKAGE = ROOT / "keras_bsd"
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
GUIDES = [
    ROOT / name for name in ("BUILD_NOTES.md", "CONTRIBUTING.md", "applications/README.md", "export/README.md")
]
BENCHMARKS = sorted((ROOT / "benchmarks").rglob("*.md"))
# A block of Python, and its output where a block of text follows.
BLOCK = re.compile(r"^( *)```python\n(.*?)^ *```$(?:\n\n *```text\n(.*?)^ *```$)?", re.DOTALL | re.MULTILINE)
OTHERS = ("snntorch", "spikingjelly")
FAST = ("docs/how-it-learns.md",)


def relative(path):
    return path.relative_to(ROOT).as_posix()


# Code


def other_library(code):
    return next((library for library in OTHERS if library in code), None)


def run(page, library=None):
    """Run a page's blocks, without those of other libraries or with those of one; return their names."""
    text, names = page.read_text(), {}
    for block in BLOCK.finditer(text):
        code, printed = textwrap.dedent(block[2]), textwrap.dedent(block[3] or "")
        if other_library(code) not in (None, library):
            continue
        line = text.count("\n", 0, block.start(2))  # so that errors name the page's own lines
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(compile("\n" * line + code, str(page), "exec"), names)
        if printed:
            assert output.getvalue() == printed, f"{page.name}, line {line}"
    return names


def pages_with_code():
    for page in PAGES[1:]:
        if "```python" in page.read_text():
            name = relative(page)
            yield pytest.param(page, id=name, marks=() if name in FAST else pytest.mark.slow)


@pytest.mark.parametrize("page", pages_with_code())
def test_code_runs_as_written(page, tmp_path, monkeypatch, request):
    if "hf://" in page.read_text():
        request.getfixturevalue("hub")  # a stand-in for the Hugging Face Hub
    monkeypatch.chdir(tmp_path)
    run(page)


@pytest.mark.slow
def test_readme_runs_as_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = run(README)
    assert names["scores"].shape == (len(names["x"]), 10)
    assert names["images"].shape == (3, 8, 8, 1)
    assert (names["scores"].argmax(axis=1) == names["y"]).mean() > 0.9
    assert (tmp_path / "digits.keras").exists()


@pytest.mark.slow
@pytest.mark.parametrize("library", OTHERS)
def test_the_same_network_in_other_libraries(library, tmp_path, monkeypatch):
    pytest.importorskip(library, reason=f"{library} is not installed: pip install 'keras-bsd[benchmark]'")
    monkeypatch.chdir(tmp_path)
    names = run(ROOT / "docs" / "coming-from.md", library)
    theirs = [tuple(weight.shape) for weight in names["network"].parameters()]
    ours = [weight.shape[::-1] for weight in names["encoder"].trainable_weights]
    assert theirs == ours


# Files, targets, links


def test_readme_is_short():
    lines = README.read_text().splitlines()
    assert len(lines) <= 120
    assert [line for line in lines if len(line) > 120] == []


@pytest.mark.parametrize("page", [*PAGES, *GUIDES, *BENCHMARKS], ids=relative)
def test_files_and_targets_exist(page):
    text = page.read_text()
    folders = "applications|export|tests|benchmarks|keras_bsd|docs|demo_page"
    files = re.findall(rf"(?<![\w/])(?:{folders})/[\w/-]+\.(?:py|md|json)\b", text)
    assert [name for name in files if "NAME" not in name and not (ROOT / name).exists()] == []
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"\bmake ([a-z-]+)\b(?=`| +#|$)", text, re.MULTILINE)) <= set(targets)


@pytest.mark.parametrize("page", [*PAGES, *GUIDES, *BENCHMARKS], ids=relative)
def test_links_lead_to_files(page):
    links = re.findall(r"\]\(([^)\s#]+)", BLOCK.sub("", page.read_text()))
    local = [link for link in links if "://" not in link and not link.startswith("pictures/")]
    assert [link for link in local if not (page.parent / link).exists()] == []


# The reference


def exported(package):
    """Return the names that a package's `__init__` exports: `from ... import name as name`."""
    return [
        alias.name
        for node in ast.parse(inspect.getsource(package)).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name
    ]


def defined(module):
    """Return the names without underscore that a module itself defines."""
    names = []
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.append(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names += [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
    return [name for name in names if not name.startswith("_")]


def public_names():
    """Yield every public name once, by its shortest path."""
    top = exported(keras_bsd)
    for name in top:
        value = getattr(keras_bsd, name)
        if not inspect.ismodule(value):
            yield f"keras_bsd.{name}"
            continue
        inner = exported(value) if hasattr(value, "__path__") else defined(value)
        yield from (f"keras_bsd.{name}.{each}" for each in inner if each not in top)


def resolve(name):
    value = keras_bsd
    for part in name.split(".")[1:]:
        value = getattr(value, part)
    return value


def public_docstrings():
    """Yield name and docstring of every public object, and of its public members that the library defines."""
    for name in public_names():
        value = resolve(name)
        if not (inspect.isclass(value) or inspect.isfunction(value)):
            continue
        yield name, inspect.getdoc(value) or ""
        for member, definition in vars(value).items() if inspect.isclass(value) else ():
            function = getattr(definition, "fget", None) or getattr(definition, "__func__", definition)
            if member.startswith("_") or not inspect.isfunction(function) or not function.__doc__:
                continue
            if function.__module__.startswith("keras_bsd"):  # not `fit`, whose docstring is that of Keras
                yield f"{name}.{member}", inspect.cleandoc(function.__doc__)


def test_reference_has_exactly_the_public_names():
    pages = (ROOT / "docs" / "api").glob("*.md")
    entries = [entry for page in pages for entry in re.findall(r"^::: (\S+)$", page.read_text(), re.MULTILINE)]
    assert sorted(entries) == sorted(public_names())


def test_modules_are_private():
    public = [("surrogates.py",), ("plots.py",)]
    modules = [path.relative_to(PACKAGE).parts for path in PACKAGE.rglob("*.py")]
    named_publicly = [parts for parts in modules if not any(part.startswith("_") for part in parts)]
    assert sorted(named_publicly) == sorted(public)


@pytest.mark.parametrize(
    "path",
    [path for path in PACKAGE.rglob("__init__.py") if not path.parent.name.startswith("_")],
    ids=relative,
)
def test_packages_export_explicitly(path):
    docstring, *statements = ast.parse(path.read_text()).body
    assert isinstance(docstring, ast.Expr)
    assert all(isinstance(node, ast.ImportFrom) for node in statements)
    assert [alias.name for node in statements for alias in node.names if alias.asname != alias.name] == []


def test_names_on_pages_exist():
    texts = {relative(page): page.read_text() for page in [*PAGES, *GUIDES, *BENCHMARKS]}
    texts |= dict(public_docstrings())
    missing = {}
    for where, text in texts.items():
        for name in set(re.findall(r"(?<![\w/])keras_bsd(?:\.(?!md\b)[A-Za-z_]\w*)+", text)):
            try:
                resolve(name)
            except AttributeError:
                missing.setdefault(where, []).append(name)
    assert missing == {}


# Wording

# Each has a plainer word, most of them in the glossary of CONTRIBUTING.md. Matched in any case, across lines.
IDIOMS = (
    r"\btold\b",
    r"\bsays? (?:of|nothing|little|alike)\b",
    r"\bwhat (?:[\w`'-]+ ){1,3}(?:gives?|gave|says?|knows?|tells?)\b",
    r"\btells? (?:[\w`'-]+ ){0,3}(?:apart|right)\b",
    r"\bknows? (?:of|nothing)\b",
    r"\bfacing stages?\b",
    r"\bpartners?\b",
    r"\breadouts? of (?:its|their) own\b",
    r"\bthe most of\b",
    r"\bthe part of\b",
    r"\baveraged to\b",
    r"\bunlike(?:ness)?\b",
    r"\bhow (?:alike|far|near|sure|unlike|various)\b",
    r"\bdrawn to\b",
    r"\blearn(?:s|ed)? on\b|\blearning on from\b",
    r"\b(?:go|goes|going|gone|went) on\b",
    r"\banew\b",
    r"\b(?:left|leaves?|leaving) out\b",
    r"\bforet(?:ells?|old)\b",
    r"\bstands? (?:in )?for\b",
    r"\bstands? beside\b",
    r"\bto be had\b",
    r"\bmade of\b",
    r"\bin brackets\b",
    r"\b(?:character|class|token) numbers?\b",
    r"\bmoments?\b",
    r"\band (?:its|their) (?:kin|like)\b",
    r"(?-i:\bOf\b)",  # sentences that begin with it
)


def idioms(text):
    plain = " ".join(text.split())
    return [match[0] for idiom in IDIOMS for match in re.finditer(f"(?i:{idiom})", plain)]


@pytest.mark.parametrize("page", [*PAGES, *GUIDES], ids=relative)
def test_pages_are_in_plain_words(page):
    text = page.read_text()
    glossary = re.compile(r"^\| term \| meaning \| not \|$.*?^$", re.DOTALL | re.MULTILINE)
    assert idioms(glossary.sub("", text)) == []


def test_docstrings_are_in_plain_words():
    found = {name: idioms(text) for name, text in public_docstrings()}
    assert {name: matches for name, matches in found.items() if matches} == {}


# The site


@pytest.mark.slow
def test_site_builds_strictly(tmp_path, monkeypatch):
    for package in ("material", "mkdocstrings", "nbformat", "huggingface_hub"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'keras-bsd[docs]'")
    from mkdocs.__main__ import cli

    monkeypatch.chdir(ROOT)
    cli.main(["build", "--strict", f"--site-dir={tmp_path}"], standalone_mode=False)
    reference = "".join(page.read_text() for page in tmp_path.glob("api/*.html"))
    assert [name for name in public_names() if f'id="{name}"' not in reference] == []
    assert len(list(tmp_path.glob("pictures/*.svg"))) == 6
    presets = [path.stem for path in (PACKAGE / "applications" / "weights").glob("*.json")]
    applications = (tmp_path / "applications.html").read_text()
    assert [
        name for name in presets if f'href="presets/{name}.html"><code>{name}</code></a>' not in applications
    ] == []
    assert [
        name for name in presets if f">{name}<" not in (tmp_path / "presets" / f"{name}.html").read_text()
    ] == []
    with_code = [page.name for page in PAGES[1:] if "```python" in page.read_text()]
    assert [name for name in with_code if not (tmp_path / name).with_suffix(".ipynb").exists()] == []
    assert 'href="benchmarks/index.html"' in (tmp_path / "index.html").read_text()
