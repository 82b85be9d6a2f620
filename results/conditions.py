"""Which rows a figure or table takes: a filter of `query_language` held to one property."""

import operator
from collections.abc import Callable, Mapping
from functools import cache

from ..structures.errors import InputError
from .query_language import Comparison, Node, Not, all_tests, parse_filter
from .records import Property

_COLUMNS = (
    *("study", "profile", "engine", "method", "model", "quantity", "label", "reference"),
    *("unit", "energy_kind", "status"),
)
_TESTS: Mapping[str, Callable[[str, str], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "STARTS WITH": str.startswith,
    "ENDS WITH": str.endswith,
    "CONTAINS": operator.contains,
}


def satisfies(query: str, item: Property) -> bool:
    """Return whether a property meets a filter.

    Parameters
    ----------
    query
        In the language of ``heterofire query``; of its columns those of a property that hold text,
        of its tests ``=``, ``!=``, CONTAINS, STARTS WITH and ENDS WITH.

    Raises
    ------
    InputError
        The filter cannot be read, or needs more than a property.

    Examples
    --------
    >>> item = Property(study="s", profile="quick", engine="xtb", method="m", model="MoS2@NC",
    ...     quantity="K binding energy", label="outer", reference="K atom", value=1.0, unit="eV",
    ...     energy_kind="E0", status="ok")
    >>> satisfies('quantity ENDS WITH "binding energy" AND reference = "K atom"', item)
    True
    >>> satisfies('quantity = "band gap" OR quantity STARTS WITH "barrier "', item)
    False
    """
    tree = _read(query)
    return tree is None or _holds(tree, item)


@cache
def _read(query: str) -> Node | None:
    """Return the tree of a filter that properties alone can meet."""
    tree = parse_filter(query)
    for test in all_tests(tree):
        if test.column.text not in _COLUMNS or test.operator not in _TESTS:
            raise InputError(
                f"the condition {query!r} tests {test.column.text} by {test.operator}: figures and "
                f"tables take {', '.join(_COLUMNS)} by {', '.join(_TESTS)}."
            )
    return tree


def _holds(node: Node, item: Property) -> bool:
    if isinstance(node, Comparison):
        value: str = getattr(item, node.column.text)
        return _TESTS[node.operator](value, node.values[0].text)
    if isinstance(node, Not):
        return not _holds(node.part, item)
    return (all if node.by == "AND" else any)(_holds(part, item) for part in node.parts)
