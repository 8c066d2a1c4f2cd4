"""One model in memory behind an OpenAI-compatible endpoint: `python -m tbcore serve`.

requests     what a client may ask, and what is refused        answers   the JSON and the stream that go back
fair_queue   who is next; nobody can crowd the others out      desk      one worker between the queue and the engine
app          the endpoints, on FastAPI                         command   the command line; a server in the background
"""

__all__ = []
