"""Human refinement: people rate conversations, good ones become in-context examples of the next round.

    queue ─► labels (append-only) ─► agreement ─► votes ─► a new example set, with its parent ─► acceptance rate
      ▲            │                                              │
      └ disagreements, blind repeats                              └ promote, or roll back

Nothing here decides alone: every number comes with its size and interval, and a person reads the difference.
"""

from __future__ import annotations

from tbcore.data.refine.agreement import Agreement, Alpha, Steadiness, agreement, alpha, pairwise, steadiness
from tbcore.data.refine.label_studio import from_label_studio, labelling_config, to_label_studio
from tbcore.data.refine.labels import (
    CHARACTER_TAGS,
    ERROR_TAGS,
    QUALITIES,
    Label,
    Quality,
    add_label,
    latest,
    promoted,
    rating_guide,
    read_labels,
)
from tbcore.data.refine.queue import Task, disagreements, queue
from tbcore.data.refine.raters import Round, SimulatedRater, rule_of_thumb, simulated_round
from tbcore.data.refine.versions import (
    Acceptance,
    Difference,
    NamedSet,
    Version,
    Versions,
    acceptance_by_set,
    acceptance_difference,
)

__all__ = [
    "CHARACTER_TAGS",
    "ERROR_TAGS",
    "QUALITIES",
    "Acceptance",
    "Agreement",
    "Alpha",
    "Difference",
    "Label",
    "NamedSet",
    "Quality",
    "Round",
    "SimulatedRater",
    "Steadiness",
    "Task",
    "Version",
    "Versions",
    "acceptance_by_set",
    "acceptance_difference",
    "add_label",
    "agreement",
    "alpha",
    "disagreements",
    "from_label_studio",
    "labelling_config",
    "latest",
    "pairwise",
    "promoted",
    "queue",
    "rating_guide",
    "read_labels",
    "rule_of_thumb",
    "simulated_round",
    "steadiness",
    "to_label_studio",
]
