"""PostcardBench: conversations whose right answers are known, and everything that scores an assistant on them.

items          the frozen conversations          compose, moves   how they were made; paraphrase: in other words
contestants    the port: who is asked            controls         oracles and baselines that need no model
mim, chat      our model; any chat endpoint      runner           all conversations in step, every reply kept
outcomes       replies read exactly              metrics          ten measures, each with its interval
attribution    whose fault it is                 audit            what leaked, what can be guessed
cycles         describe, draw, describe ...      judge, paper     a model as judge; the paper's own measures
report         results.json and the tables       seeds            mean and spread over training runs
"""

__all__ = []
