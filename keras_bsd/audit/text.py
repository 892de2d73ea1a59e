"""Plain text that people read."""


def table(rows):
    """Rows of cells as lines in columns, those of numbers to the right.

    Args:
        rows: lists of strings, the first of them the header or a row like the others.
    """
    columns = list(zip(*rows, strict=True))
    padded = []
    for column in columns:
        width = max(map(len, column))
        numbers = all(cell[:1] in tuple("+-±.0123456789") for cell in column[1:])
        padded.append([cell.rjust(width) if numbers else cell.ljust(width) for cell in column])
    return "\n".join("  ".join(cells).rstrip() for cells in zip(*padded, strict=True))
