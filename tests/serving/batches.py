"""The batch half of the local teacher: files, batches, and the ways in which they go wrong."""

from __future__ import annotations

import email.parser
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from tests.serving.teacher import Teacher


class Batches:
    """Files and batches. Tests set `polls`, `end`, `lose`, `twice` and `strangers` to make trouble.

    Args (as attributes):
        polls: how often a batch is looked at before it ends.
        end: the status it ends with; expired and cancelled ones answer every other line.
        lose: custom ids that are in neither file.
        twice: whether each answer comes twice.
        strangers: whether an answer nobody asked for is among them.
        refuse_create: answer 500 to so many requests to make a batch, after having made it.
    """

    def __init__(self, teacher: Teacher) -> None:
        self.teacher = teacher
        self.polls = 1
        self.end = "completed"
        self.lose: set[str] = set()
        self.twice = self.strangers = False
        self.refuse_create = 0
        self.files: dict[str, str] = {}
        self.made: list[dict[str, Any]] = []

    def route(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Any:
        address = urlsplit(path)
        parts = address.path.split("/")[2:]
        if (method, parts) == ("POST", ["files"]):
            return self._upload(headers["content-type"], body)
        if method == "GET" and parts[0] == "files" and parts[2:] == ["content"]:
            return self.files[parts[1]].encode()
        if (method, parts) == ("POST", ["batches"]):
            return self._create(json.loads(body))
        if (method, parts) == ("GET", ["batches"]):
            return self._list(parse_qs(address.query))
        if method == "GET" and parts[0] == "batches":
            return self._look(next(one for one in self.made if one["id"] == parts[1]))
        return {"error": {"message": f"no {method} {path}"}}, 404

    def _upload(self, kind: str, body: bytes) -> dict[str, Any]:
        form = email.parser.BytesParser().parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
        for part in form.get_payload():
            if part.get_filename():
                content = part.get_payload(decode=True).decode()
        return self._keep(content)

    def _keep(self, content: str) -> dict[str, Any]:
        name = f"file-{len(self.files)}"
        self.files[name] = content
        return {
            "id": name,
            "object": "file",
            "bytes": len(content),
            "created_at": 1,
            "filename": "x",
            "purpose": "batch",
        }

    def _create(self, asked: dict[str, Any]) -> Any:
        batch = {
            "id": f"batch-{len(self.made)}", "object": "batch", "endpoint": asked["endpoint"], "created_at": 1,
            "input_file_id": asked["input_file_id"], "completion_window": asked["completion_window"],
            "status": "in_progress", "metadata": asked.get("metadata"), "polled": 0,
            "output_file_id": None, "error_file_id": None,
        }  # fmt: skip
        self.made.append(batch)
        if self.refuse_create:
            self.refuse_create -= 1
            return {"error": {"message": "made, but not told"}}, 500
        return batch

    def _list(self, query: dict[str, list[str]]) -> dict[str, Any]:
        newest_first = self.made[::-1]
        names = [one["id"] for one in newest_first]
        start = names.index(query["after"][0]) + 1 if "after" in query else 0
        page = newest_first[start : start + 2]
        return {
            "object": "list", "data": page, "has_more": start + 2 < len(names),
            "first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None,
        }  # fmt: skip

    def _look(self, batch: dict[str, Any]) -> dict[str, Any]:
        batch["polled"] += 1
        if batch["status"] == "in_progress" and batch["polled"] > self.polls:
            self._work(batch)
        return batch

    def _work(self, batch: dict[str, Any]) -> None:
        out: list[str] = []
        errors: list[str] = []
        for n, line in enumerate(self.files[batch["input_file_id"]].splitlines()):
            asked = json.loads(line)
            name, body = asked["custom_id"], asked["body"]
            if name in self.lose or (self.end in ("expired", "cancelled") and n % 2):
                if name not in self.lose and self.end == "expired":
                    errors.append(self._line(n, name, None, {"code": "batch_expired", "message": "too late"}))
                continue
            act = self.teacher.plan(body, 0)
            if act.kind == "status":
                said = {"error": {"message": f"status {act.status}"}}
                errors.append(self._line(n, name, {"status_code": act.status, "request_id": "r", "body": said}, None))
                continue
            answer = self.teacher.completion(body, act, name)
            reply = answer if act.kind != "misshapen" else {"choices": {}}
            out.append(self._line(n, name, {"status_code": 200, "request_id": "r", "body": reply}, None))
        if self.strangers:
            out.append(self._line(99, "nobody-asked", {"status_code": 200, "request_id": "r", "body": {}}, None))
        out.reverse()  # the order of a batch's output is not that of its input
        batch["status"] = self.end
        batch["output_file_id"] = self._keep("\n".join(out * (2 if self.twice else 1)))["id"] if out else None
        batch["error_file_id"] = self._keep("\n".join(errors))["id"] if errors else None

    def _line(self, n: int, name: str, response: Any, error: Any) -> str:
        return json.dumps({"id": f"batch_req_{n}", "custom_id": name, "response": response, "error": error})
