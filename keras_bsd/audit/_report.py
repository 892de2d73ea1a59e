"""What an audit of plausibility found."""

import dataclasses

from keras_bsd import _checks
from keras_bsd.audit._tables import tabulate

TITLES = {
    "C1": "feedforward and backward weights are independent",
    "C2": "each synapse learns from what its own neuron has",
    "C3": "no separate backward phase",
    "C4": "only binary spikes travel between stages",
    "C5": "no signed error signal travels",
}


@dataclasses.dataclass(frozen=True)
class Criterion:
    """What was measured of one criterion.

    Attributes:
        faults: where it fails.
        reservations: where it holds in the letter only, or was not measured.
        measured: figures, a dict that JSON can hold.
    """

    faults: tuple
    reservations: tuple
    measured: dict

    @property
    def verdict(self):
        """`"holds"`, `"holds with reservations"` or `"fails"`."""
        if self.faults:
            return "fails"
        return "holds with reservations" if self.reservations else "holds"


@dataclasses.dataclass(frozen=True)
class PlausibilityReport:
    """The five criteria, measured on one model and one batch: print it, or `require` what must hold.

    Attributes:
        model: its name.
        samples: how many the batch has.
        trained: whether the model's optimiser has made a step.
        criteria: dict from `"C1"` ... `"C5"` to `Criterion`.
    """

    model: str
    samples: int
    trained: bool
    criteria: dict

    def require(self, *names, without_reservations=False):
        """Raise unless criteria hold.

        Args:
            *names: such as `"C1"`; none means all five.
            without_reservations: let reservations count as faults.

        Raises:
            ValueError: there is no such criterion.
            AssertionError: one of them fails, with all that speaks against it.

        Example:

        >>> keras_bsd.audit.plausibility(model, x, y).require("C1", "C4")
        """
        found = []
        for name in names or TITLES:
            criterion = self.criteria[_checks.one_of("criterion", name, tuple(TITLES))]
            against = criterion.faults + (criterion.reservations if without_reservations else ())
            found += [f"{name}, {TITLES[name]}: {reason}" for reason in against]
        if found:
            raise AssertionError("\n".join([f"'{self.model}' does not hold to", *found]))

    def to_dict(self):
        """All that was found, as a dict that JSON can hold."""
        criteria = {
            name: {"title": TITLES[name], "verdict": criterion.verdict, **dataclasses.asdict(criterion)}
            for name, criterion in self.criteria.items()
        }
        return {"model": self.model, "samples": self.samples, "trained": self.trained, "criteria": criteria}

    def __str__(self):
        lines = [f"Plausibility of '{self.model}' on {self.samples} samples", ""]
        verdicts = [(name, TITLES[name], c.verdict) for name, c in self.criteria.items()]
        lines.append(tabulate(verdicts))
        for kind in ("faults", "reservations"):
            said = [(name, text) for name, c in self.criteria.items() for text in getattr(c, kind)]
            if said:
                lines += ["", kind.capitalize(), *(f"- {name}: {text}" for name, text in said)]
        lines += ["", _twins(**self.criteria["C1"].measured)]
        lines += ["", _reach(self.criteria["C2"].measured["losses"])]
        if not self.trained:
            lines += [
                "",
                "The optimiser has made no step yet: unless weights were loaded, alignment is chance.",
            ]
        return "\n".join(lines)


def _twins(twins, cosines_over_training, **_):
    header = ["feedforward weight", "backward twin", "cosine", "by chance", "first epoch"]
    rows = []
    for twin in twins:
        logged = cosines_over_training.get(twin["forward"])
        rows.append(
            [
                twin["forward"],
                twin["backward"],
                ", ".join(f"{cosine:+.3f}" for cosine in twin["cosines"]) or "not paired",
                ", ".join(f"±{chance:.3f}" for chance in twin["chance"]),
                f"{logged[0]:+.3f}" if logged else "",
            ]
        )
    columns = 5 if cosines_over_training else 4
    rows = [row[:columns] for row in rows]
    return tabulate(rows, header[:columns], disable_numparse=True)


def _reach(losses):
    header = ("loss", "largest gradient in its own stages", "in all others")
    rows = [(row["loss"], f"{row['own']:.3g}", f"{row['foreign']:.3g}") for row in losses]
    return tabulate(rows, header, disable_numparse=True)
