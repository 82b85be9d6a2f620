"""engine.json: what was run, how each tag was taken, and how it ended."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...structures.files import write_atomic


@dataclass
class EngineRecord:
    """The growing content of engine.json."""

    folder: Path
    engine: str
    engine_version: str
    method: str
    honoured: Mapping[str, str] = field(default_factory=dict)
    noted: dict[str, str] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    def write(self, status: str, **extra: object) -> None:
        """Write the file as it stands; `status` is running, or how the run ended."""
        now = datetime.now(UTC)
        content: dict[str, object] = {
            "engine": self.engine,
            "engine_version": self.engine_version,
            "method": self.method,
            "status": status,
            "started": self.started.isoformat(timespec="seconds"),
            "finished": None if status == "running" else now.isoformat(timespec="seconds"),
            "wall_s": round((now - self.started).total_seconds(), 3),
            "honoured": dict(self.honoured),
            "noted": self.noted,
            **self.details,
            **extra,
        }
        write_atomic(self.folder / "engine.json", json.dumps(content, indent=1) + "\n")
