"""The agreement of the agreement reference with itself."""

from dataclasses import replace

from vitbench.judge.agreement import Agreement


def by_identity(agreement: Agreement, subject: str) -> Agreement:
    """What was measured of the reference beside its own logits: KEPT where they were the same.

    A thing agrees with itself on all images, measured or not, so both bounds are 1, which no number
    of images gives another case. It is measured all the same: a reference whose outputs are not
    finite, or that answers otherwise each time, keeps the judgement and the sentence it has.
    """
    same = agreement.share == 1 or agreement.relative_error == 0
    if agreement.state == "BROKEN" or not same:
        return agreement
    sentence = f"{subject}: is the agreement reference: KEPT"
    return replace(agreement, state="KEPT", sentence=sentence, lower=1.0, upper=1.0)
