"""The figures of an A/A run as text, and as a page that works offline."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitbench.duet.aa.recording import NOTHING_PLANTED
from vitbench.errors import UserError
from vitbench.place import install


def aa_run_text(summary: Mapping[str, Any]) -> str:
    """What the gate does on this machine, a line each."""
    spreads, planted = summary["block_sd"], summary["planted"]
    lines = [
        f"{summary['case_blocks']} null case-blocks of {len(summary['cases'])} cases; block by "
        f"block they vary by {min(spreads):.1%} to {max(spreads):.1%} (standard deviation of the "
        "log ratio), of which the rounds within a block are "
        f"{min(summary['within_blocks']):.1%} to {max(summary['within_blocks']):.1%}",
    ]
    if summary["lag_one"]:
        lag = summary["lag_one"]
        lines.append(f"lag-1 autocorrelation of block ratios: {min(lag):+.2f} to {max(lag):+.2f}")
    real = summary["real_gates"]
    lines.append(
        f"real gates, one after the other: {real['failed']} of {real['gates']} failed unchanged "
        f"code (upper bound {real['bound']:.0%})"
    )
    for share, found in planted.items():
        what = "unchanged code" if share == NOTHING_PLANTED else f"{float(share):+.0%} planted"
        measured = "" if share == NOTHING_PLANTED else f", measured {found['measured']:+.1%}"
        lines.append(
            f"{what}{measured} ({found['blocks']} blocks, {found['gates']} resampled gates, "
            f"{found['blocks_used']:.1f} blocks a gate): failed {found['failed']:.1%}, SLOWER "
            f"{found['slower_per_case']:.1%} of cases, inconclusive {found['inconclusive']:.1%}"
        )
        rivals = ", ".join(f"{name} {share:.0%}" for name, share in found["rivals"].items())
        lines.append(f"  the usual rules, one run against one run, fail: {rivals}")
    lines.append("smallest change seen with 80 % power, by the most blocks of a gate:")
    lines.append(
        "  "
        + ", ".join(f"{n}: {row['smallest_change']:.1%}" for n, row in summary["by_blocks"].items())
    )
    return "\n".join(lines)


def plot_aa_run(summary: Mapping[str, Any], path: Path) -> None:
    """False alarms and power by the number of blocks, as one HTML file without network requests.

    Raises UserError where plotly is missing or the file cannot be written.
    """
    try:
        import plotly.graph_objects as go
    except ImportError as error:
        raise UserError(f"--plot needs plotly: {install('history')}") from error
    counts = [int(number) for number in summary["by_blocks"]]
    page = go.Figure()
    for share in summary["planted"]:
        name = "unchanged code" if share == NOTHING_PLANTED else f"{float(share):+.0%} planted"
        rows = [100 * row[share]["failed"] for row in summary["by_blocks"].values()]
        page.add_trace(go.Scatter(x=counts, y=rows, name=name, mode="lines+markers"))
    for name, share in summary["planted"][NOTHING_PLANTED]["rivals"].items():
        page.add_hline(
            y=100 * share,
            line={"dash": "dot", "color": "#8a8a8a"},
            annotation_text=f"{name}, on unchanged code",
        )
    page.update_xaxes(title_text="blocks of a gate, at most")
    page.update_yaxes(title_text="gates that fail, %", range=[-3, 103])
    page.update_layout(title_text="What the gate can see, and how often it is wrong", height=560)
    try:
        page.write_html(path, include_plotlyjs=True)
    except OSError as error:
        raise UserError(f"--plot {path}: cannot write there: {error.strerror}") from error
