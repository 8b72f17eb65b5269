"""How many machines carry a rate of requests that is needed."""

from dataclasses import dataclass
from math import ceil
from typing import Any

from vitbench.errors import counted
from vitbench.judge.best import Choice
from vitbench.judge.change import run_factor
from vitbench.report.fields import FIELD


@dataclass(frozen=True)
class Carried:
    """What one machine carries: `rate` requests a second, above 0, which is `proven` or an
    estimate. `per_hour`: money for an hour of it; None where it has no price."""

    rate: float
    proven: bool
    per_hour: float | None

    def machines(self, needed: float) -> int:
        """How many carry `needed` requests a second."""
        return ceil(needed / self.rate)

    def safe(self, needed: float) -> int:
        """How many carry it where an estimate is too high by what single runs vary by."""
        return self.machines(needed if self.proven else needed * run_factor())

    def words(self, needed: float) -> str:
        rate = FIELD["server_rate"].text(self.rate)
        found = f"for {needed:g} requests/s: {self._priced(self.machines(needed))} at {rate}/s each"
        if self.proven:
            return f"{found} (proven)"
        return (
            f"{found} (estimate; {self._priced(self.safe(needed))} where it is too high by "
            f"{run_factor():.2f}x, as single runs vary)"
        )

    def to_json(self, needed: float) -> dict[str, Any]:
        machines, safe = self.machines(needed), self.safe(needed)
        cost = None if self.per_hour is None else machines * self.per_hour
        return {"rate": needed, "machines": machines, "safe_machines": safe, "per_hour": cost}

    def _priced(self, machines: int) -> str:
        words = counted(machines, "machine")
        return words if self.per_hour is None else f"{words}, {machines * self.per_hour:g} an hour,"


def carried_by(choice: Choice) -> Carried | None:
    """Of the best of a choice; None where it was not chosen by its rate."""
    for each in choice.candidates:
        if each.case == choice.best and each.under_load and each.by_load(choice.need):
            price = choice.price["per_hour"] if choice.price else None
            return Carried(each.under_load.rate, each.under_load.proven, price)
    return None


def for_rate(carried: Carried | None, needed: float | None) -> dict[str, Any]:
    """What JSON has more where a rate is needed."""
    return {"for_rate": carried.to_json(needed)} if carried and needed else {}
