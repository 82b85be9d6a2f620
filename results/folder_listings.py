"""What one folder of a tree holds; symbolic links are followed inside of the tree only."""

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What one folder holds, by name."""

    path: Path
    name: str
    files: Mapping[str, Path]
    folders: Mapping[str, Path]  # and links to others of the tree
    links: frozenset[str]  # those among them
    outside: Mapping[str, Path]  # links out of the tree, and where they lead
    roots: Sequence[Path]  # of the tree

    def find(self, name: str) -> Path | None:
        """Return a file, plain or else gzip."""
        return self.files.get(name) or self.files.get(f"{name}.gz")


def printable(text: str) -> str:
    r"""Return a name as it can be stored and printed: bytes that are no text become escapes.

    Examples
    --------
    >>> printable("MoS2 on graphène"), printable("a\udcff\n")
    ('MoS2 on graphène', 'a\\xff\\n')
    """
    whole = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in whole)


def list_folder(path: Path, name: str, roots: Sequence[Path]) -> Listing:
    """Return what a folder holds; only regular files and folders count."""
    files: dict[str, Path] = {}
    folders: dict[str, Path] = {}
    outside: dict[str, Path] = {}
    links = set()
    with os.scandir(path) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            found = path / entry.name
            if entry.is_symlink():
                target = Path(os.path.realpath(found))
                if not is_inside(target, roots):
                    outside[entry.name] = target
                    continue
                links.add(entry.name)
            with contextlib.suppress(OSError):  # a link to itself is neither
                if entry.is_dir():
                    folders[entry.name] = found
                elif entry.is_file():
                    files[entry.name] = found
    return Listing(
        path=path,
        name=name,
        files=files,
        folders=folders,
        links=frozenset(links),
        outside=outside,
        roots=roots,
    )


def is_inside(target: Path, roots: Sequence[Path]) -> bool:
    """Return whether a path without links lies in one of the trees."""
    return any(target == root or root in target.parents for root in roots)
