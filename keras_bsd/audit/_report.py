"""The result of an audit of plausibility."""

import dataclasses
from typing import Any

from keras_bsd import _checks
from keras_bsd._types import Config
from keras_bsd.audit._tables import tabulate


@dataclasses.dataclass(frozen=True)
class Criterion:
    """The result for one criterion.

    Attributes:
        title: the criterion in words.
        faults: where it fails, a tuple of strings.
        reservations: where it holds only in a narrow sense, or was not checked, a tuple of strings.
        measured: dict of figures that JSON can hold.
        table: rows of text for a printed report, the header first; empty if it has none.
    """

    title: str
    faults: tuple[str, ...]
    reservations: tuple[str, ...]
    measured: dict[str, Any]
    table: tuple[tuple[str, ...], ...] = ()

    @property
    def verdict(self) -> str:
        """`"holds"`, `"holds with reservations"` or `"fails"`."""
        if self.faults:
            return "fails"
        return "holds with reservations" if self.reservations else "holds"

    def to_dict(self) -> Config:
        """Return the result as a dict that JSON can hold."""
        return {
            "title": self.title,
            "verdict": self.verdict,
            "faults": list(self.faults),
            "reservations": list(self.reservations),
            "measured": self.measured,
        }


@dataclasses.dataclass(frozen=True)
class PlausibilityReport:
    """The criteria, measured on one model and one batch. `print` shows them; `require` raises if one fails.

    Attributes:
        model: name of the model.
        samples: number of samples in the batch.
        trained: whether the model's optimiser has made a step.
        criteria: dict from `"C1"` ... `"C5"` to `Criterion`.
    """

    model: str
    samples: int
    trained: bool
    criteria: dict[str, Criterion]

    def require(self, *names: str, without_reservations: bool = False) -> None:
        """Raise unless criteria hold.

        Args:
            *names: such as `"C1"` (default: all criteria).
            without_reservations: whether a reservation counts as a fault.

        Raises:
            ValueError: there is no criterion of that name.
            AssertionError: a criterion fails; the message lists all faults.
        """
        failures = []
        for name in names or self.criteria:
            criterion = self.criteria[_checks.one_of("criterion", name, tuple(self.criteria))]
            reasons = criterion.faults + (criterion.reservations if without_reservations else ())
            failures += [f"{name}, {criterion.title}: {reason}" for reason in reasons]
        if failures:
            raise AssertionError("\n".join([f"'{self.model}' does not satisfy", *failures]))

    def to_dict(self) -> Config:
        """Return the whole report as a dict that JSON can hold."""
        criteria = {name: criterion.to_dict() for name, criterion in self.criteria.items()}
        return {"model": self.model, "samples": self.samples, "trained": self.trained, "criteria": criteria}

    def __str__(self) -> str:
        lines = [f"Plausibility of '{self.model}' on {self.samples} samples", ""]
        lines.append(tabulate([(name, c.title, c.verdict) for name, c in self.criteria.items()]))
        for kind in ("faults", "reservations"):
            texts = [(name, text) for name, c in self.criteria.items() for text in getattr(c, kind)]
            if texts:
                lines += ["", kind.capitalize(), *(f"- {name}: {text}" for name, text in texts)]
        for criterion in self.criteria.values():
            if criterion.table:
                header, *rows = criterion.table
                lines += ["", tabulate(rows, header, disable_numparse=True)]
        if not self.trained:
            lines += [
                "",
                "The optimiser has made no step yet: unless weights were loaded, alignment is chance.",
            ]
        return "\n".join(lines)
