"""The Batch API of the test server: files, batches, results in another order than the requests."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

Answer = Callable[[str, dict[str, Any]], tuple[int, dict[str, Any]]]
_BOUNDARY = re.compile(rb"--[^\r\n]+")


class Batches:
    """All files and batches. A batch is paid for when it is begun: each of its requests is answered then."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.looks: dict[str, int] = {}
        self.endings: dict[str, dict[str, Any]] = {}

    def answer(self, path: str, content: bytes | None, settings: Any, answer: Answer) -> Any:
        """Answer one call; None closes the connection.

        Raises:
            LookupError: There is no such thing.
        """
        _, _, kind, *rest = path.partition("?")[0].split("/")
        if kind == "files" and content is not None:
            return self.file(uploaded(content), "batch")
        if kind == "files":
            return self.files[rest[0]]
        if content is not None:
            return self.begin(json.loads(content), settings, answer)
        if not rest:
            rows = list(reversed(self.batches.values()))
            return {"object": "list", "data": rows, "has_more": False}
        return self.look(rest[0], settings.batch_looks)

    def file(self, content: bytes, purpose: str) -> dict[str, Any]:
        name = f"file-{len(self.files) + 1}"
        self.files[name] = content
        row = {"id": name, "object": "file", "bytes": len(content), "created_at": 1, "filename": "x.jsonl"}
        return {**row, "purpose": purpose, "status": "processed"}

    def begin(self, body: dict[str, Any], settings: Any, answer: Answer) -> dict[str, Any] | None:
        fault = settings.batch_faults.pop(0) if settings.batch_faults else {}
        name = f"batch-{len(self.batches) + 1}"
        row = {"id": name, "object": "batch", "status": "in_progress", "created_at": 1, **body}
        self.batches[name] = row
        self.looks[name] = 0
        if "refused" in fault:
            error = {"code": fault["refused"], "message": f"made to fail: {fault['refused']}", "line": 1}
            self.endings[name] = {"status": "failed", "errors": {"object": "list", "data": [error]}}
        else:
            self.endings[name] = self.ending(body, fault, answer)
        return None if fault.get("lost") else row

    def ending(self, body: dict[str, Any], fault: dict[str, Any], answer: Answer) -> dict[str, Any]:
        rows = [json.loads(line) for line in self.files[body["input_file_id"]].splitlines()]
        assert len({row["custom_id"] for row in rows}) == len(rows)
        assert {row["url"] for row in rows} == {body["endpoint"]}
        good: list[dict[str, Any]] = []
        bad: list[dict[str, Any]] = []
        for index, row in enumerate(reversed(rows)):
            result: dict[str, Any] = {"id": f"r{index}", "custom_id": row["custom_id"], "error": None}
            if index < fault.get("unanswered", 0):
                error = {"code": "batch_expired", "message": "This request could not be executed in time."}
                bad.append({**result, "response": None, "error": error})
                continue
            told = next((s for part, s in fault.get("errors", ()) if part in json.dumps(row["body"])), 0)
            status, said = (
                (told, {"error": {"message": "made to fail"}}) if told else answer(row["url"], row["body"])
            )
            response = {"status_code": status, "request_id": "x", "body": said}
            (good if status == 200 else bad).append({**result, "response": response})
        return {
            "status": fault.get("status", "completed"),
            "output_file_id": self.results(good),
            "error_file_id": self.results(bad),
        }

    def results(self, rows: list[dict[str, Any]]) -> str | None:
        if not rows:
            return None
        # Unescaped on purpose: a text may hold characters at which other readers end a line.
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        return str(self.file(lines.encode(), "batch_output")["id"])

    def look(self, name: str, looks: int) -> dict[str, Any]:
        row = self.batches[name]
        self.looks[name] += 1
        if self.looks[name] >= looks:
            row.update(self.endings[name])
        return row


def uploaded(content: bytes) -> bytes:
    """Return the one file of a multipart form that has a file name."""
    boundary = _BOUNDARY.match(content)
    assert boundary is not None
    for part in content.split(boundary[0]):
        head, _, data = part.partition(b"\r\n\r\n")
        if b"filename=" in head:
            return data.removesuffix(b"\r\n")
    raise LookupError("no file")
