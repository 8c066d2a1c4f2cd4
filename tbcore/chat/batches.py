"""The provider's Batch API: files of requests handed over, files of answers fetched hours later."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tbcore.chat.endpoint import OpenAICompatible
from tbcore.chat.messages import CallError, Message, Params, Reply
from tbcore.chat.wire import failure, read_reply, request_body, sort_status

__all__ = ["BatchClient", "BatchEntry", "OpenAIBatches", "RemoteBatch"]

_OVER = frozenset({"completed", "failed", "expired", "cancelled"})
_NOT_WORKED_ON = frozenset({"batch_expired", "batch_cancelled"})
_TAG = "manifest"


@dataclass(frozen=True, slots=True)
class RemoteBatch:
    """A batch as the provider tells it.

    Args:
        id: the provider's name for it.
        manifest: the hash we gave along; empty for batches of others.
        status: the provider's word.
        files: ids of the output and the error file, where they exist.
    """

    id: str
    manifest: str
    status: str
    files: tuple[str, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self.status in _OVER


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """One line of an output or error file: whose it is, the raw body, and what was read from it."""

    custom_id: str
    raw: str
    result: Reply | CallError


class BatchClient(Protocol):
    """Whoever takes batches. Implementations do not try again by themselves."""

    @property
    def name(self) -> str:
        """What the ledger calls this teacher: the same as when it is asked directly."""
        ...

    def line(self, custom_id: str, messages: Sequence[Message], params: Params) -> str:
        """One request as a line of an input file."""
        ...

    def submit(self, lines: Sequence[str], manifest: str) -> RemoteBatch:
        """Upload the lines and make a batch of them."""
        ...

    def remote(self) -> Iterator[RemoteBatch]:
        """Every batch the provider knows, newest first."""
        ...

    def look(self, id: str) -> RemoteBatch:
        """One batch, as it is now."""
        ...

    def entries(self, batch: RemoteBatch) -> Iterator[BatchEntry]:
        """Everything in its output and error files, in the files' order."""
        ...


class OpenAIBatches(OpenAICompatible):
    """Batches at an endpoint that speaks the OpenAI format; arguments are those of `OpenAICompatible`."""

    def line(self, custom_id: str, messages: Sequence[Message], params: Params) -> str:
        """One request as a line of an input file."""
        body = request_body(self.model, messages, params)
        row = {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}
        return json.dumps(row, sort_keys=True)

    def submit(self, lines: Sequence[str], manifest: str) -> RemoteBatch:
        """Upload the lines and make a batch of them.

        Raises:
            CallError: something went wrong; the batch may exist all the same when it is `ambiguous`.
        """
        content = "\n".join(lines).encode() + b"\n"
        try:
            sent = self._client.files.create(file=(f"{manifest[:16]}.jsonl", content), purpose="batch")
            made = self._client.batches.create(
                input_file_id=sent.id,
                endpoint="/v1/chat/completions",
                completion_window="24h",
                metadata={_TAG: manifest},
            )
        except self._openai.APIError as error:
            raise failure(repr(self), error, forbidden=self._forbidden) from error
        return _remote(made)

    def remote(self) -> Iterator[RemoteBatch]:
        """Every batch the provider knows, newest first.

        Raises:
            CallError: the list did not come.
        """
        try:
            for one in self._client.batches.list(limit=100):
                yield _remote(one)
        except self._openai.APIError as error:
            raise failure(repr(self), error, forbidden=self._forbidden) from error

    def look(self, id: str) -> RemoteBatch:
        """One batch, as it is now.

        Raises:
            CallError: no answer came.
        """
        try:
            return _remote(self._client.batches.retrieve(id))
        except self._openai.APIError as error:
            raise failure(repr(self), error, forbidden=self._forbidden) from error

    def entries(self, batch: RemoteBatch) -> Iterator[BatchEntry]:
        """Everything in its output and error files, in the files' order.

        Raises:
            CallError: a file did not come.
        """
        for name in batch.files:
            try:
                content = self._client.files.content(name).text
            except self._openai.APIError as error:
                raise failure(repr(self), error, forbidden=self._forbidden) from error
            for line in content.splitlines():
                if line.strip():
                    yield _entry(line)


def _remote(one: Any) -> RemoteBatch:
    files = tuple(name for name in (one.output_file_id, one.error_file_id) if name)
    return RemoteBatch(one.id, (one.metadata or {}).get(_TAG, ""), one.status, files)


def _entry(line: str) -> BatchEntry:
    try:
        row = json.loads(line)
        custom_id, response, error = str(row["custom_id"]), row.get("response"), row.get("error") or {}
        if response is None:
            kind = "not_sent" if error.get("code") in _NOT_WORKED_ON else "rejected"
            return BatchEntry(custom_id, line, CallError(f"batch: {error.get('message')}", kind=kind))
        status, body = int(response["status_code"]), json.dumps(response["body"])
    except (ValueError, LookupError, TypeError, AttributeError) as problem:
        told = f"a line of a batch file cannot be read ({type(problem).__name__}: {problem}); it begins {line[:80]!r}"
        return BatchEntry("", line, CallError(told, kind="unreadable", raw=line))
    if status != 200:
        return BatchEntry(custom_id, line, CallError(f"batch: status {status}: {body[:300]}", kind=sort_status(status)))
    try:
        return BatchEntry(custom_id, line, read_reply(body))
    except CallError as problem:
        return BatchEntry(custom_id, line, problem)
