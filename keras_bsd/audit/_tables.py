"""Tables of the reports."""

from keras_bsd._optional import require


def tabulate(rows, headers=(), **options):
    """Return a plain table; the arguments are those of `tabulate.tabulate`."""
    return require("tabulate", "Printing a report").tabulate(rows, headers, **{"tablefmt": "plain", **options})
