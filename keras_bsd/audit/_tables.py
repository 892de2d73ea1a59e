"""Tables of the reports."""

from typing import NamedTuple

from keras_bsd._optional import require


class Table(NamedTuple):
    """Text in rows and columns."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __str__(self):
        return tabulate(self.rows, self.header, disable_numparse=True)


def tabulate(rows, headers=(), **options):
    """Return a plain table; the arguments are those of `tabulate.tabulate`."""
    return require("tabulate", "Printing a report").tabulate(rows, headers, **{"tablefmt": "plain", **options})
