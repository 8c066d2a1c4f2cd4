"""The filter: the paper's eight rules in its order, one repair, and rules of our own.

    reply ─► 1 repeat_image ─► 2 unseen_image ─► ... ─► 7 too_short ─► 7b repair ─► 8 changed_caption
          ─► canary ─► tag_confusable ─► empty_turn ─► kept
                                                   └─► further rules, when asked for ─► kept

Every rule judges every reply, so the first objection (the funnel) and the counterfactual ("with this rule
off, how many more pass?") come from one pass; each verdict has a code and the offset in the raw reply.
Source: SihengLi99/TextBind, process_mim, `clean_mim_data`; the rules after the eighth are ours.
"""

from __future__ import annotations

from tbcore.data.filter.draft import CAPTION_THRESHOLD, Draft, Objection, Rule
from tbcore.data.filter.further import FURTHER_RULES, Further, further_rules
from tbcore.data.filter.judging import (
    Judgement,
    counterfactual,
    first_objection,
    funnel,
    judge,
    judge_all,
    refilter,
)
from tbcore.data.filter.near import NearDuplicates
from tbcore.data.filter.rules import MIN_MESSAGES, OUR_RULES, PAPER_RULES, RULES
from tbcore.data.filter.seen import Seen

__all__ = [
    "CAPTION_THRESHOLD",
    "FURTHER_RULES",
    "MIN_MESSAGES",
    "OUR_RULES",
    "PAPER_RULES",
    "RULES",
    "VERSION",
    "Draft",
    "Further",
    "Judgement",
    "NearDuplicates",
    "Objection",
    "Rule",
    "Seen",
    "counterfactual",
    "first_objection",
    "funnel",
    "further_rules",
    "judge",
    "judge_all",
    "refilter",
]

VERSION = "filter-1"
"""Changes whenever any rule may judge a reply differently."""
