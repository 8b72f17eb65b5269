"""Verdicts for people and for CI: text, Markdown, JUnit, GitHub annotations, JSON."""

import html
import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol
from xml.etree import ElementTree

from vitbench.gate.uncompared import Uncompared
from vitbench.judge.verdict import Verdict
from vitbench.show.headline import Headline
from vitbench.show.structure import structure_of, structure_words, summary

ALWAYS_FAIL = ("SLOWER", "DRIFTED", "LARGER", "BROKEN")
FAIL_IF_STRICT = ("INCONCLUSIVE", "MISSING", "UNPROVEN")
SKIPPED = ("NEW", "INCOMPARABLE", "UNJUDGED")
IDENTICAL = "SAME (identical)"
ACT_FIRST = (
    *ALWAYS_FAIL,
    *FAIL_IF_STRICT,
    "UNJUDGED",
    "FASTER",
    "NEW",
    "INCOMPARABLE",
    "SAME",
    IDENTICAL,
    "KEPT",
)
"""What a reader has to act on comes first."""


_PLAIN = str.maketrans(
    {char: f"\\{char}" for char in "\\`*_[]|~"}
    # A zero-width space: GitHub would notify @name and link #12.
    | {char: f"{char}\u200b" for char in "@#"}
)
# GitHub links both, without any markup.
_ADDRESS = re.compile(r":(?=//)|www(?=\.)", re.IGNORECASE)


class Judged(Protocol):
    """A case with its state and one sentence: judge.verdict.Verdict, ContractResult."""

    @property
    def case(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def sentence(self) -> str: ...
    def to_json(self) -> dict[str, Any]: ...


def shown(verdict: Judged) -> str:
    """The state as people read it: IDENTICAL where contents were compared and nothing timed."""
    same = verdict.state == "SAME" and verdict.to_json().get("figures", {}).get("identical")
    return IDENTICAL if same else verdict.state


def counts(verdicts: Sequence[Judged], noun: str = "case") -> str:
    """One line: "6 cases: 1 SLOWER, 1 INCONCLUSIVE, 4 SAME"."""
    # A verdict named "contracts" is on all of them, and is none of them.
    found = Counter(shown(verdict) for verdict in verdicts if verdict.case != f"{noun}s")
    counted = ", ".join(f"{found[state]} {state}" for state in ACT_FIRST if found[state])
    return f"{found.total()} {noun}{'' if found.total() == 1 else 's'}: {counted or 'none'}"


def verdicts_text(verdicts: Sequence[Judged], notes: Sequence[str] = (), noun: str = "case") -> str:
    """A line for each, the ones to act on first, then notes and the count. What makes all of them
    INCOMPARABLE is said once."""
    found = _rows(verdicts)
    wide = max((len(shown(each)) for each in found), default=0)
    lines = []
    for each in found:
        lines.append(f"{shown(each):{wide}}  {_line(each.case)}: {_line(each.sentence)}")
        lines += [f"{'':{wide}}  {_line(words)}" for words in structure_words(each)]
    below = filter(None, (summary(verdicts), counts(verdicts, noun)))
    return "\n".join([*lines, *(f"note: {_line(note)}" for note in notes), *below])


def markdown(
    verdicts: Sequence[Judged],
    notes: Sequence[str] = (),
    noun: str = "case",
    head: Headline | None = None,
) -> str:
    """A table for a pull request or $GITHUB_STEP_SUMMARY. What a report says stays plain text.

    The first line is the headline, if any, and the counts. Differences of structure
    (`figures["structure"]`) are below the table, then the notes.
    """
    first = headline_words(head, verdicts, noun) if head else f"**{counts(verdicts, noun)}**"
    lines = [first, "", "| state | case | why |", "| --- | --- | --- |"]
    structure = []
    for each in _rows(verdicts):
        mark = f"**{each.state}**" if each.state in ALWAYS_FAIL else shown(each)
        lines.append(f"| {mark} | {escaped(each.case)} | {escaped(each.sentence)} |")
        structure += [f"- {escaped(f'{each.case}: {line}')}" for line in structure_of(each) or ()]
    if structure:
        lines += ["", "What is executed differs:", "", *structure]
    below = [*notes, *filter(None, [summary(verdicts)])]
    if below:
        lines += ["", *(f"- {escaped(note)}" for note in below)]
    return "\n".join(lines) + "\n"


def headline_words(head: Headline, verdicts: Sequence[Judged], noun: str = "case") -> str:
    """One line of Markdown."""
    words = f"**{head.outcome}: {escaped(head.compared)}** ({counts(verdicts, noun)}"
    return words + (f"; {head.evidence})" if head.evidence else ")")


def junit(
    verdicts: Sequence[Judged],
    inconclusive_fails: bool = True,
    name: str = "gate",
    nothing: Uncompared | None = None,
) -> str:
    """JUnit XML. SLOWER, DRIFTED, LARGER and BROKEN are failures; INCONCLUSIVE, MISSING and
    UNPROVEN too, or skipped where they do not fail; NEW, INCOMPARABLE and UNJUDGED are skipped.
    That nothing was compared is a case of its own: a failure, or skipped where it is a warning."""
    suite = ElementTree.Element("testsuite", name=f"vitbench {name}")
    tally = Counter[str]()
    for each in verdicts:
        model, _, rest = _line(each.case).partition("/")
        place = {"classname": f"vitbench.{name}.{model}", "name": rest or model}
        case = ElementTree.SubElement(suite, "testcase", place)
        sentence = _line(each.sentence)
        whole = "\n".join([f"{shown(each)}: {sentence}", *map(_line, structure_words(each))])
        if each.state in ALWAYS_FAIL or (each.state in FAIL_IF_STRICT and inconclusive_fails):
            found = ElementTree.SubElement(case, "failure", type=each.state, message=sentence)
            found.text = whole
            tally["failures"] += 1
        elif each.state in FAIL_IF_STRICT or each.state in SKIPPED:
            found = ElementTree.SubElement(case, "skipped", message=f"{each.state}: {sentence}")
            found.text = whole
            tally["skipped"] += 1
        else:
            ElementTree.SubElement(case, "system-out").text = whole
    if nothing:
        place = {"classname": f"vitbench.{name}", "name": "something was compared"}
        case = ElementTree.SubElement(suite, "testcase", place)
        kind, words = "failure" if nothing.fails else "skipped", nothing_words(nothing)
        ElementTree.SubElement(case, kind, message=words).text = words
        tally["failures" if nothing.fails else "skipped"] += 1
    suite.attrib |= {
        "tests": str(len(suite)),
        "failures": str(tally["failures"]),
        "errors": "0",
        "skipped": str(tally["skipped"]),
    }
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def annotations(
    verdicts: Sequence[Judged],
    inconclusive_fails: bool = True,
    nothing: Uncompared | None = None,
) -> list[str]:
    """GitHub's workflow commands: ::error for what fails, ::warning for what is undecided,
    ::notice for what passes and executes something else.

    Escaping as actions/toolkit does it (command.ts): % CR LF, and : , in properties too.
    """
    lines = []
    if nothing:
        kind = "error" if nothing.fails else "warning"
        lines.append(f"::{kind} title=nothing was compared::{_percent(nothing.sentence)}")
    for each in _ordered(verdicts):
        told = each.state in ALWAYS_FAIL or each.state in FAIL_IF_STRICT
        more = structure_words(each)
        if told or more:
            fails = each.state in ALWAYS_FAIL or inconclusive_fails
            title = _percent(f"{each.state}: {each.case}")
            title = title.replace(":", "%3A").replace(",", "%2C")
            kind = ("error" if fails else "warning") if told else "notice"
            words = "\n".join([*([each.sentence] if told else []), *more])
            lines.append(f"::{kind} title={title}::{_percent(words)}")
    return lines


def verdicts_json(
    verdicts: Sequence[Judged], notes: Sequence[str] = (), nothing: Uncompared | None = None
) -> str:
    """`verdicts` with all their figures, `counts` by state, and `notes`; `uncompared` where nothing
    was compared: why, and whether that fails."""
    document = {
        "verdicts": [each.to_json() for each in verdicts],
        "counts": dict(Counter(each.state for each in verdicts)),
        "notes": list(notes),
        "uncompared": nothing and nothing.to_json(),
    }
    return json.dumps(document, indent=2) + "\n"


def nothing_words(nothing: Uncompared, markup: bool = False) -> str:
    """One line that says so; `markup`: for a page of Markdown."""
    words = "nothing was compared"
    if markup:
        return f"**{words}**: {escaped(nothing.sentence)}\n"
    return f"{words}: {_line(nothing.sentence)}"


def _rows(verdicts: Sequence[Judged]) -> list[Judged]:
    """What people read of each, in order; of several cases that are all INCOMPARABLE for the same
    reason one row."""
    reasons = {(each.state, each.sentence, *structure_words(each)) for each in verdicts}
    if len(verdicts) > 1 and len(reasons) == 1 and verdicts[0].state == "INCOMPARABLE":
        return [Verdict(f"all {len(verdicts)} cases", "INCOMPARABLE", verdicts[0].sentence)]
    return _ordered(verdicts)


def _ordered(verdicts: Sequence[Judged]) -> list[Judged]:
    return sorted(verdicts, key=lambda each: ACT_FIRST.index(shown(each)))


def _line(words: str) -> str:
    """One line without control characters, which neither a terminal nor XML should meet."""
    return "".join(char if char.isprintable() else " " for char in words)


def escaped(words: str) -> str:
    """Plain text in a cell of Markdown: no HTML, no markup, no mention, no link takes effect."""
    plain = html.escape(_line(words), quote=False).translate(_PLAIN)
    return _ADDRESS.sub("\\g<0>\u200b", plain)


def _percent(words: str) -> str:
    return words.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
