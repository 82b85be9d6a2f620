"""A density difference as it is planned: which runs, and the hash that makes it one of a kind."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from ..results.records import Label, folder_name

JOINT = "whole"  # role of the run of the whole among the parents


@dataclass(frozen=True, kw_only=True)
class Subtraction:
    """The density of a whole minus those of its fragments, each a finished charge run."""

    label: Label
    joint: str  # key of the run of the whole
    fragments: Mapping[str, str]  # name: key of its run, frozen in the joint geometry
    engine: str

    @cached_property
    def key(self) -> str:
        """Return the identity: a hash of the runs it is made from."""
        identity = {"difference": self.joint, "fragments": dict(self.fragments)}
        text = json.dumps(identity, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    @property
    def parents(self) -> dict[str, str]:
        """Return role and key of each run it needs."""
        return {JOINT: self.joint, **self.fragments}

    @property
    def folder_name(self) -> str:
        """Return the name of its folder: readable, and unlike any other's."""
        return folder_name(self.label.name, self.key)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON, as it travels in a FireWorks spec."""
        return {
            "label": asdict(self.label),
            "joint": self.joint,
            "fragments": dict(self.fragments),
            "engine": self.engine,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Subtraction":
        """Return the subtraction that ``to_dict`` wrote."""
        return cls(**{**data, "label": Label(**data["label"])})
