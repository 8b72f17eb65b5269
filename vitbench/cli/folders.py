"""Where reports are, unless a command line says so."""

from pathlib import Path

REPORTS = Path("reports")
BASELINES, HISTORY = REPORTS / "baselines", REPORTS / "history"
