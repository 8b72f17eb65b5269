"""What a row can do without: operations, peak, stages, operators."""

from collections.abc import Callable
from typing import Any

from vitbench.case import Case
from vitbench.errors import Unavailable
from vitbench.measure.energy import SECONDS, energy_of, meter_of
from vitbench.measure.session import Session
from vitbench.measure.stages import stages
from vitbench.runtimes import Deployment

SERVED = "a running server computes it: how much, and on what, is not known here"


class Extras:
    """Where one of these fails, the row stays, and `left_out` says why."""

    def __init__(self, case: Case, session: Session) -> None:
        self.left_out: dict[str, str] = {}
        self._case, self._session = case, session
        self._served = session.recipe(case).served

    def get(self, name: str, work: Callable[[], Any]) -> Any:
        """What `work` returns; None where it raises."""
        try:
            return work()
        except Exception as error:
            words = " ".join(str(error).split())[:300]
            reason = words if isinstance(error, Unavailable) else f"{type(error).__name__}: {words}"
            self.left_out[name] = reason
            self._session.say(f"{self._case.id}: no {name}: {reason}")
            return None

    def operations(self) -> int | None:
        """Of one call, with a whole batch. None where a transform of the user's may change how much
        is computed."""
        if self._served:
            self.left_out["operations"] = SERVED
            return None
        if self._session.recipe(self._case).transform:
            self.left_out["operations"] = "a transform may change how much is computed"
            return None
        found = self.get("operations", lambda: self._session.figures.operations(self._case.model))
        return None if found is None else int(found) * self._case.batch

    def peak(self) -> float | None:
        """Operations per second that the case's precision reaches here; None of a server, which
        may compute elsewhere."""
        if self._served:
            return None
        peaks = self.get("peak", lambda: self._session.figures.peaks(self._case.device))
        found: float | None = (peaks or {}).get(self._session.recipe(self._case).precision)
        return found

    def energy(self, deployment: Deployment, staged: Any) -> dict[str, Any] | None:
        """Joules an image; None, and in silence, where the machine does not count them."""
        case = self._case
        try:
            if self._served:
                raise Unavailable(SERVED)
            meter = meter_of(case.device)
        except Unavailable as reason:
            self.left_out["energy"] = str(reason)
            return None
        seconds = min(SECONDS, self._session.options.seconds)
        found: dict[str, Any] | None = self.get(
            "energy", lambda: energy_of(deployment, staged, case.batch, meter, seconds)
        )
        return found

    def stages(self, deployment: Deployment, images: Any) -> dict[str, float | None] | None:
        """Seconds around a call, by stage; None where they cannot be measured."""

        def measure() -> dict[str, float | None]:
            case = self._case
            seconds = self._session.figures.preprocess_seconds(case.model, case.batch)
            return {"preprocess_seconds": seconds, **stages(deployment, images)}

        found: dict[str, float | None] | None = self.get("stages", measure)
        return found

    def structure(self) -> dict[str, Any] | None:
        """What a call executes, counted in a process of its own."""
        found: dict[str, Any] | None = self.get(
            "structure", lambda: self._session.structure(self._case).to_json()
        )
        return found

    def operators(self, images: Any) -> list[dict[str, Any]]:
        """Where the time of a call goes, if the user asks for it."""
        return self.get("operators", lambda: self._session.profile(self._case, images)) or []
