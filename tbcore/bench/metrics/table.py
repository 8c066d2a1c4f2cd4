"""All measures of one run, as a whole, by split and by turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tbcore.bench.items import SPLITS
from tbcore.bench.metrics.captions import caption_em, caption_fields, caption_things
from tbcore.bench.metrics.drawing import picture_count, well_formed, when_to_draw
from tbcore.bench.metrics.edits import edit_harmonic, edit_preservation, edit_success
from tbcore.bench.metrics.hallucination import (
    invented_replies,
    invented_things,
    probe_accuracy,
    probe_pairs,
    yes_rate,
)
from tbcore.bench.metrics.intervals import Measure
from tbcore.bench.metrics.limits import false_refusal, limits_f1
from tbcore.bench.metrics.perception import chance, perception_gap, perception_own, perception_uploads
from tbcore.bench.metrics.pictures import faithfulness, picture_em, rejected
from tbcore.bench.metrics.references import reference_resolution, references_by
from tbcore.bench.metrics.survival import half_life, right_by_turn, survival, turn_em
from tbcore.bench.outcomes import Outcome

__all__ = ["LOWER_IS_BETTER", "METRICS", "measure_all"]

METRICS: dict[str, Callable[[Sequence[Outcome]], Measure]] = {
    "turn_em": turn_em,
    "when_to_draw_f1": when_to_draw,
    "picture_count": picture_count,
    "well_formed": well_formed,
    "caption_em": caption_em,
    "caption_thing_f1": caption_things,
    "caption_fields": caption_fields,
    "picture_em": picture_em,
    "faithfulness": faithfulness,
    "rejected": rejected,
    "reference": reference_resolution,
    "edit_success": edit_success,
    "edit_preservation": edit_preservation,
    "edit_harmonic": edit_harmonic,
    "perception_uploads": perception_uploads,
    "perception_own": perception_own,
    "perception_gap": perception_gap,
    "perception_chance": chance,
    "invented_things": invented_things,
    "invented_replies": invented_replies,
    "probe_accuracy": probe_accuracy,
    "probe_pairs": probe_pairs,
    "yes_rate": yes_rate,
    "half_life": half_life,
    "limits_f1": limits_f1,
    "false_refusal": false_refusal,
}
"""Name -> function of the outcomes of one run."""

LOWER_IS_BETTER = frozenset({"rejected", "perception_gap", "invented_things", "invented_replies", "false_refusal"})
"""Where 0 is the best."""

_BY_SPLIT = ("turn_em", "when_to_draw_f1", "caption_em", "picture_em", "edit_harmonic", "perception_uploads")
_BY_TURN = ("when_to_draw_f1", "caption_em", "picture_em", "perception_uploads")


def measure_all(outcomes: Sequence[Outcome]) -> list[Measure]:
    """Every measure as a whole, then the main ones by split and turn, references by form, and the survival curve.

    What has nothing to count is left out of the breakdowns.
    """
    measures = [function(outcomes) for function in METRICS.values()]
    parts: list[Measure] = []
    for split in SPLITS:
        here = [one for one in outcomes if one.split == split]
        parts += [replace(m := METRICS[name](here), metric=f"{m.metric}/{split}") for name in _BY_SPLIT]
    for turn in range(max((one.turn for one in outcomes), default=-1) + 1):
        here = [one for one in outcomes if one.turn == turn]
        parts += [replace(m := METRICS[name](here), metric=f"{m.metric}/turn {turn + 1}") for name in _BY_TURN]
    parts += [*right_by_turn(outcomes), *references_by(outcomes), *survival(outcomes)]
    return [*measures, *(part for part in parts if part.n)]
