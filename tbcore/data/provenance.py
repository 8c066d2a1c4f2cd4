"""Where a conversation came from, whole: pictures, draw, examples, prompt, raw reply, verdicts, votes, cost.

Everything is looked up in what the stages left behind; nothing is computed anew, and what is unknown says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tbcore.candidates import Candidate
from tbcore.errors import InputError
from tbcore.ledger.journal import Attempt
from tbcore.records import Verdict
from tbcore.store import pixel_hash

__all__ = ["Explanation", "PictureFacts", "Sources", "explain", "picture_hash"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """What the stages left behind, each by the id of what it belongs to; leave out what there is not.

    Args:
        candidates: raw replies with their origin, by candidate id.
        verdicts: of every rule, by candidate id.
        votes: labels as JSON rows with a `record`, in the order they were given.
        clusters: for each picture's path or group id, its topic and nearest neighbours or whatever sampling noted.
        attempts: the ledger's tries at a call, by its key; `Journal.attempts` is one.
        root: the folder of the pictures.
    """

    candidates: Mapping[str, Candidate]
    verdicts: Mapping[str, Sequence[Verdict]] = field(default_factory=dict[str, Sequence[Verdict]])
    votes: Sequence[Mapping[str, Any]] = ()
    clusters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    attempts: Callable[[str], Sequence[Attempt]] | None = None
    root: Path | None = None


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """One picture of a conversation; hashes are SHA-256, None where the file is not at hand."""

    index: int
    caption: str
    path: str | None
    file_sha256: str | None
    pixels_sha256: str | None
    cluster: Any


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything known about one record; None and empty mean unknown, never zero.

    Args:
        origin: what generation noted: draw or sample, example ids and set version, prompt, call.
        prompt_sha256: of the exact messages, from the ledger's payload name or the origin.
        cost: attempts by state, and tokens read and written by the answer that counts.
    """

    record: str
    group: str
    source: str
    codec: str
    pictures: tuple[PictureFacts, ...]
    origin: Mapping[str, Any]
    examples: tuple[str, ...]
    example_set: str | None
    prompt_sha256: str | None
    reply: str
    verdicts: tuple[Verdict, ...]
    votes: tuple[Mapping[str, Any], ...]
    cost: Mapping[str, int]

    @property
    def kept(self) -> bool | None:
        """Whether every rule let it pass; None when none was asked."""
        return all(verdict.passed for verdict in self.verdicts) if self.verdicts else None

    def to_json(self) -> dict[str, Any]:
        """The explanation as a JSON object."""
        return {**asdict(self), "kept": self.kept}

    def text(self) -> str:
        """The explanation for a reader, a line per fact; control characters of the reply are shown, not obeyed."""
        lines = [f"record {self.record}: {_kept_in_words(self.kept)}", f"group {self.group}, written by {self.source}"]
        for one in self.pictures:
            pixels = (one.pixels_sha256 or "unknown")[:12]
            lines.append(f"picture {one.index}: {one.caption!r} pixels {pixels} topic {one.cluster or 'unknown'}")
        lines.append(f"examples {', '.join(self.examples) or 'unknown'} of set {self.example_set or 'unknown'}")
        lines.append(f"prompt {(self.prompt_sha256 or 'unknown')[:12]}, codec {self.codec}")
        lines += [f"origin {name}: {value}" for name, value in sorted(self.origin.items())]
        for verdict in self.verdicts:
            told = "passed" if verdict.passed else f"objects at {verdict.offset}: {verdict.detail}"
            lines.append(f"rule {verdict.rule}: {told}")
        lines += [f"vote of {vote.get('rater')}: {vote.get('quality')}" for vote in self.votes]
        lines.append("cost " + (", ".join(f"{name} {n}" for name, n in self.cost.items()) or "unknown"))
        return "\n".join([*lines, f"reply {self.reply!r}"])


def explain(record: str, sources: Sources) -> Explanation:
    """Everything the sources know about one record.

    Raises:
        InputError: no candidate has that id.
    """
    one = sources.candidates.get(record)
    if one is None:
        raise InputError(
            f"explain: no candidate {record!r} among {len(sources.candidates)}. Use an id of candidates.jsonl."
        )
    call = one.origin.get("call")
    tries = sources.attempts(str(call)) if sources.attempts is not None and call else ()
    return Explanation(
        record=one.id,
        group=one.group,
        source=one.source,
        codec=one.codec.version,
        pictures=tuple(_facts(index, one, sources) for index in range(len(one.captions))),
        origin=one.origin,
        examples=tuple(str(name) for name in one.origin.get("example_ids", ())),
        example_set=one.origin.get("examples"),
        prompt_sha256=one.origin.get("prompt_hash") or (str(call) if call else None),
        reply=one.reply,
        verdicts=tuple(sources.verdicts.get(record, ())),
        votes=tuple(vote for vote in sources.votes if vote.get("record") == record),
        cost=_cost(tries),
    )


def picture_hash(path: Path | str) -> str:
    """The hash by which `tbcore.data.pairs` knows the picture in a file: of its upright RGB pixels.

    Raises:
        InputError: the file is no picture.
    """
    import numpy as np
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            plain = ImageOps.exif_transpose(picture).convert("RGB")
    except (UnidentifiedImageError, OSError) as error:
        raise InputError(f"{path}: cannot be read as a picture ({error}). Replace the file.") from error
    return pixel_hash(np.asarray(plain))


def _facts(index: int, one: Candidate, sources: Sources) -> PictureFacts:
    path = one.pictures[index] if one.pictures else None
    file = sources.root / path if sources.root is not None and path is not None else None
    here = file is not None and file.is_file()
    return PictureFacts(
        index=index,
        caption=one.captions[index],
        path=path,
        file_sha256=hashlib.sha256(file.read_bytes()).hexdigest() if here and file is not None else None,
        pixels_sha256=picture_hash(file) if here and file is not None else None,
        cluster=sources.clusters.get(path or "", sources.clusters.get(one.group)),
    )


def _cost(tries: Sequence[Attempt]) -> dict[str, int]:
    if not tries:
        return {}
    counts: dict[str, int] = {"attempts": len(tries)}
    for one in tries:
        counts[one.state] = counts.get(one.state, 0) + 1
    answer = next((one.reply for one in tries if one.reply is not None), None)
    if answer is not None:
        counts["tokens_read"] = answer.usage.prompt_tokens
        counts["tokens_written"] = answer.usage.completion_tokens
    return counts


def _kept_in_words(kept: bool | None) -> str:
    return "not judged" if kept is None else ("kept" if kept else "rejected")
