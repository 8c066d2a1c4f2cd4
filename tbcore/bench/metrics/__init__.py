"""The ten measures of PostcardBench, each a function of outcomes with its interval.

intervals      shares, F1 and any statistic of counts, drawn again by whole conversations
drawing        1 when to draw        captions   2 what is asked of the painter   pictures  3, 4 what is drawn
references     5 which one is meant  edits      6 changed and kept               perception 7 what is seen
hallucination  8 what is invented    survival   9 how long it lasts              limits    10 refusing, asking back
table          all of them over one run, by split and by turn
"""

__all__ = []
