"""Add pages and plots from outside `docs/` to the site, and rewrite links, relative to the repository."""

import pathlib
import posixpath
import re

from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).parents[1]
ADDED = ["BUILD_NOTES.md", "benchmarks/README.md", "benchmarks/results/*.md", "benchmarks/results/*.svg"]
LINK = re.compile(r"(?<=\]\()((?:\.\./)*[\w./-]+\.md)(?=[)#])")


def on_files(files, config):
    for pattern in ADDED:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, content=path.read_text()))
    return files


def on_page_markdown(markdown, page, config, files):
    here = page.file.src_uri
    folder = posixpath.dirname(here if page.file.generated_by else f"docs/{here}")

    def in_site(match):
        target = posixpath.normpath(posixpath.join(folder, match[1])).removeprefix("docs/")
        if not files.get_file_from_path(target):
            return match[1]  # MkDocs reports it
        return posixpath.relpath(target, posixpath.dirname(here) or ".")

    return LINK.sub(in_site, markdown)
