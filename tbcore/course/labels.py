"""The shipped labels: two simulated raters look at every recorded conversation.

python -m tbcore.course.labels        writes tbcore/recorded/labels.jsonl anew; a test compares

No person gave these labels. They start from `rule_of_thumb`, which counts and understands nothing, and each rater
then errs at a known rate: enough to exercise the machinery of rating, too little to say which conversation is good.
"""

from __future__ import annotations

from tbcore.candidates import Candidate
from tbcore.course.recordings import LABELS_FILE, groups_for, load_groups, load_recordings
from tbcore.data.filter import judge_all
from tbcore.data.prompt import CANARY
from tbcore.data.refine import Label, Quality, SimulatedRater, rule_of_thumb
from tbcore.dialogue import Codec
from tbcore.store import write_jsonl

__all__ = ["LABELLED_ON", "RATERS", "recorded_candidates", "shipped_labels"]

RATERS = (SimulatedRater("simulated-1", 0.1, 1), SimulatedRater("simulated-2", 0.2, 2))
"""Their names say what they are; the second one errs twice as often."""

LABELLED_ON = "2026-11-23"


def recorded_candidates(pairs: str | None = None) -> list[Candidate]:
    """Shipped recordings as candidates, in the order of the file.

    Args:
        pairs: only those about the postcards or about the photographs; None for all.
    """
    groups = load_groups()
    wanted = set(groups) if pairs is None else {group.id for group in groups_for(pairs)}
    return [
        Candidate(
            id=f"{one.group}/{one.sample}",
            group=one.group,
            captions=groups[one.group].captions,
            reply=one.reply,
            codec=Codec.from_version(one.codec),
            source="recorded",
            origin={"prompt": one.prompt, "sample": one.sample},
        )
        for one in load_recordings()
        if one.group in wanted
    ]


def shipped_labels() -> list[Label]:
    """One label of each rater for each recording; a reply that is no dialogue starts from Poor."""
    labels: list[Label] = []
    for judgement in judge_all(recorded_candidates(), canary=CANARY):
        dialogue = judgement.dialogue
        quality: Quality = "Poor" if dialogue is None else rule_of_thumb(dialogue)
        labels += [rater.rate(judgement.candidate.id, quality, time=LABELLED_ON) for rater in RATERS]
    return labels


if __name__ == "__main__":
    write_jsonl(LABELS_FILE, [label.to_json() for label in shipped_labels()])
