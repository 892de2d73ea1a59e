"""Plain text that people read."""


def table(rows):
    """Rows of cells, as lines in columns; numbers to the right.

    Args:
        rows: sequences of strings, all as long as the first.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if _is_number(cell) else cell.ljust(width)
            for cell, width in zip(row, widths, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _is_number(cell):
    return cell[:1] in tuple("+-±.0123456789")
