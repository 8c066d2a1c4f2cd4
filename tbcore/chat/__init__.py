"""Talking to teachers: one port, `ChatClient`, and its adapters.

messages     what is said: Message, Params, Reply, and the port itself
recorded     replays what a large model once wrote for the shipped picture groups (the default)
endpoint     any OpenAI-compatible endpoint, with a key or a local server, one call or many at once
wire         the OpenAI chat format itself: bodies, answers, statuses
batches      the same endpoint's Batch API
local        the small language model in this process
scripted     says what it was given to say, for tests and lessons
"""

from __future__ import annotations

__all__: list[str] = []
