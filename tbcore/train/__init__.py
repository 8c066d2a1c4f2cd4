"""Training: how the parts learn, and how it is known that they did.

pretrain_tower, _qformer, _painter   the shipped checkpoints, on postcards       postcards   their fresh batches
prealign, stages, loop             the three steps of MIM                        corpus      what it trains on
checkpoint, narrow                 saved and resumed                             evaluate, scores   measured
redrawn                            pictures as the painter really draws them
"""

__all__ = []
