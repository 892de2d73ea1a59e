"""Pages of results: tables beside the command, versions, machine and date that they come from."""

import os
import pathlib
import shlex
import sys

from absl import flags
from tabulate import tabulate

from applications import _run

OUTPUTS = ("output", "output_dir")
FOLDERS = ("data_dir", "series_dir")  # of data, anywhere on a machine


def own_flags():
    """Return the values of the running script's flags by name."""
    return {flag.name: "DIR" if _is_folder(flag) else flag.value for flag in _key_flags()}


def command():
    """Return the command that runs the script again with the same flags, from the project's root."""
    backend = os.environ.get("KERAS_BACKEND")
    prefix = [f"KERAS_BACKEND={backend}"] if backend else []
    script = pathlib.Path(sys.argv[0])
    module = f"benchmarks.{script.parent.name if script.stem == '__main__' else script.stem}"
    arguments = [_serialize(flag) for flag in _key_flags() if flag.present and flag.name not in OUTPUTS]
    return shlex.join([*prefix, ".venv/bin/python", "-m", module, *arguments])


def _serialize(flag):
    return f"--{flag.name}=DIR" if _is_folder(flag) else flag.serialize()


def _is_folder(flag):
    return flag.name in FOLDERS and flag.value is not None


def _key_flags():
    return flags.FLAGS.get_key_flags_for_module(sys.argv[0])


def table(header, rows):
    """Return a Markdown table of cells that are formatted already."""
    return tabulate(rows, header, tablefmt="pipe", disable_numparse=True)


def print_rows(header, rows):
    """Print a Markdown table row by row, as the cells are measured, and return it with aligned columns."""
    measured = []
    _print_row(header)
    _print_row(["---"] * len(header))
    for row in rows:
        _print_row(row)
        measured.append(row)
    return table(header, measured)


def _print_row(row):
    print(f"| {' | '.join(map(str, row))} |", flush=True)


def page(title, *body, environment, facts=()):
    """Return a page in Markdown.

    Args:
        title: of the page.
        *body: paragraphs, headings and tables.
        environment: dict of date, machine, backend and versions.
        facts: further pairs of name and value that the figures depend on.
    """
    lines = fact_lines(environment, facts)
    return "\n\n".join([f"# {title}", f"```sh\n{command()}\n```", lines, *body]) + "\n"


def fact_lines(environment, facts):
    """Return a list, in Markdown, of what figures depend on.

    Args:
        environment: dict of date, machine, backend and versions.
        facts: further pairs of name and value.
    """
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items() if version)
    facts = [*((name, environment[name]) for name in ("date", "machine", "backend")), *facts]
    return "\n".join(f"- {name}: {value}" for name, value in [*facts, ("versions", versions)])


def write_page(path, title, *body, packages=(), facts=()):
    """Write a page in Markdown, whole or not at all.

    Args:
        path: path of the page.
        title, *body, facts: see `page`.
        packages: names of further installed packages whose versions belong on the page.
    """
    with _run.atomic_write(path) as written:
        written.write_text(page(title, *body, environment=_run.environment(packages), facts=facts))


def write_record(path, content, packages=()):
    """Write a record in JSON, whole or not at all, with the flags, date, machine, backend and versions.

    Args:
        path: path of the file.
        content: dict of measurements.
        packages: names of further installed packages whose versions belong in the record.
    """
    _run.write_json(path, {**content, "flags": own_flags(), **_run.environment(packages)})
