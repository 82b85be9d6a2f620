"""Studies read from YAML, shipped ones and files of one's own; errors name line and key."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from pydantic import ValidationError

from ..structures.errors import InputError
from .study import Study

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def study_names() -> tuple[str, ...]:
    """Return the names of the studies that come with heterofire.

    Examples
    --------
    >>> "potassium-anode" in study_names()
    True
    """
    folder = resources.files(__package__) / "studies"
    return tuple(sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".yaml")))


def load_study(name: str | Path) -> Study:
    """Read a study: a name of one that comes along, or a YAML file of one's own.

    Parameters
    ----------
    name
        ``potassium-anode``, or a path that ends in ``.yaml`` or ``.yml``.

    Returns
    -------
    Study
        The validated study.

    Raises
    ------
    InputError
        There is no such study or file, it is not YAML, or a key is wrong: the message names
        the file, the line and the key.

    Examples
    --------
    >>> load_study("potassium-anode").paper
    '10.1007/s40820-025-01992-x'
    """
    if str(name) in study_names():
        source = resources.files(__package__) / "studies" / f"{name}.yaml"
        return parse_study(source.read_text(encoding="utf-8"), f"{name}.yaml")
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        raise InputError(
            f"unknown study {str(name)!r}; known are {', '.join(study_names())}, "
            "or give a path that ends in .yaml"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read study {path}: {error}") from error
    return _with_files(parse_study(text, str(path)), path)


def _with_files(study: Study, path: Path) -> Study:
    """Return the study with its files named from the folder of the study file, and only there."""
    folder = path.resolve().parent
    found = {}
    for name, file in study.crystals.items():
        full = (folder / file).resolve()
        if not full.is_relative_to(folder):
            raise InputError(
                f"{path}: crystals.{name}: {file} lies outside {folder}; copy it there"
            )
        if not full.is_file():
            raise InputError(f"{path}: crystals.{name}: there is no file {full}")
        found[name] = str(full)
    return study.model_copy(update={"crystals": found})


def parse_study(text: str, where: str) -> Study:
    """Return the study that a YAML text describes; errors name ``where``, line and key."""
    try:
        data = yaml.safe_load(text)
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise InputError(f"{where} is not YAML: {error}") from error
    if not isinstance(data, dict):
        raise InputError(f"{where} holds no study: a mapping with the key 'study' is wanted")
    if doubled := list(_doubled(tree)):
        raise InputError("\n".join(f"{where}:{line}: {key}: given twice" for line, key in doubled))
    try:
        return Study.model_validate(data)
    except ValidationError as error:
        problems = "\n".join(_explain(where, tree, problem) for problem in _leaves(error))
        raise InputError(problems) from error


def _doubled(node: yaml.Node | None) -> Iterator[tuple[int, str]]:
    """Give line and name of keys that a mapping has twice, of which YAML would take the last."""
    children: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                yield key.start_mark.line + 1, str(key.value)
            seen.add(key.value)
            children.append(value)
    elif isinstance(node, yaml.SequenceNode):
        children = list(node.value)
    for child in children:
        yield from _doubled(child)


def _leaves(error: ValidationError) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """Give place and message of each problem once, branches of unions folded into one."""
    seen = set()
    for problem in error.errors():
        place = tuple(problem["loc"])
        message = _said(problem)
        if (place, message) not in seen:
            seen.add((place, message))
            yield place, message


def _said(problem: "ErrorDetails") -> str:
    """Return what is wrong, with the value that was given where it is one word or number."""
    place, given = problem["loc"], problem["input"]
    if problem["type"] == "extra_forbidden":
        near = get_close_matches(str(place[-1]), Study.model_fields, n=1) if len(place) == 1 else []
        return "no such key here" + (f"; did you mean {near[0]!r}?" if near else "")
    message = problem["msg"].removeprefix("Value error, ")
    is_plain = isinstance(given, str | int | float) and problem["type"] != "value_error"
    return f"{message}, not {given!r}" if is_plain else message


def _explain(where: str, tree: yaml.Node | None, problem: tuple[tuple[int | str, ...], str]) -> str:
    """Return ``file:line: key: what is wrong``."""
    place, message = problem
    line, keys = _locate(tree, place)
    return f"{where}:{line}: {'.'.join(map(str, keys)) or 'study'}: {message}"


def _locate(tree: yaml.Node | None, place: Sequence[int | str]) -> tuple[int, list[int | str]]:
    """Return the line of the deepest YAML node on the way, and the keys that lead to it."""
    node, line, keys = tree, tree.start_mark.line + 1 if tree else 1, list[int | str]()
    for step in place:
        if isinstance(node, yaml.MappingNode):
            found = [(k, v) for k, v in node.value if k.value == str(step)]
            if found:
                line, node = found[0][0].start_mark.line + 1, found[0][1]
                keys.append(step)
                continue
            if node is tree and not keys:
                keys.append(step)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step]
            line = node.start_mark.line + 1
            keys.append(step)
            continue
        break
    return line, keys
