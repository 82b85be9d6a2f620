"""The filter language of ``heterofire query``: text in, a tree of conditions out.

It follows the filter language of OPTIMADE 1.2 (10.1038/s41597-021-00974-z), the field's standard
for asking databases of materials, and allows a little more: words without quotes where they
are unambiguous, single quotes, keywords in any case.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from lark import Lark, Token, Transformer, UnexpectedInput

from ..structures.errors import InputError

_MAX_LENGTH = 20_000  # characters
_MAX_TESTS = 400  # SQLite takes an expression of 1000 levels, and each AND or OR is one
_MAX_DEPTH = 60
_END = r"(?![^\s()\"',=<>!])"  # a keyword ends where a word would
_GRAMMAR = rf"""
?start: either
?either: both (_OR both)*
?both: negated (_AND negated)*
?negated: _NOT negated -> negation | "(" either ")" | test
test: NAME OPERATOR (QUOTED | WORD) -> compare
    | (QUOTED | NUMBER) OPERATOR NAME -> compare_reversed
    | NAME CONTAINS (QUOTED | WORD) -> find
    | NAME (STARTS | ENDS) _WITH? (QUOTED | WORD) -> find_end
    | NAME _HAS (QUOTED | WORD) -> hold
    | NAME _HAS (ALL | ANY | ONLY) (QUOTED | WORD) ("," (QUOTED | WORD))* -> hold
    | NAME _IS (KNOWN | UNKNOWN) -> know
_AND.2: /AND{_END}/i
_OR.2: /OR{_END}/i
_NOT.2: /NOT{_END}/i
_HAS.2: /HAS{_END}/i
_IS.2: /IS{_END}/i
_WITH.2: /WITH{_END}/i
CONTAINS.2: /CONTAINS{_END}/i
STARTS.2: /STARTS{_END}/i
ENDS.2: /ENDS{_END}/i
ALL.2: /ALL{_END}/i
ANY.2: /ANY{_END}/i
ONLY.2: /ONLY{_END}/i
KNOWN.2: /KNOWN{_END}/i
UNKNOWN.2: /UNKNOWN{_END}/i
NAME: /[a-z_][a-z0-9_]*/i
NUMBER: /[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?/i
OPERATOR: /<=|>=|!=|=|<|>/
QUOTED: /"([^"\\]|\\.)*"|'([^'\\]|\\.)*'/s
WORD: /([^\s()"',=<>!]|\([^\s()"',=<>!]*\))+/
%ignore /\s+/
"""
_WANTED = {
    "NAME": "a column",
    "QUOTED": "a value",
    "WORD": "a value",
    "OPERATOR": "=, !=, <, <=, > or >=",
    "CONTAINS": "CONTAINS",
    "STARTS": "STARTS WITH",
    "ENDS": "ENDS WITH",
    "_HAS": "HAS",
    "_IS": "IS",
    "KNOWN": "KNOWN",
    "UNKNOWN": "UNKNOWN",
    "_AND": "AND",
    "_OR": "OR",
    "_NOT": "NOT",
    "LPAR": "(",
    "RPAR": ")",
    "COMMA": "a comma",
    "$END": "the end",
}


@dataclass(frozen=True, kw_only=True)
class Word:
    """A name or value and where it stands in the filter."""

    text: str
    position: int


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One condition on one column."""

    column: Word
    operator: str  # "=", "STARTS WITH", "HAS ALL", "IS KNOWN" ...
    values: tuple[Word, ...] = ()


@dataclass(frozen=True)
class Not:
    """The opposite of a condition."""

    part: "Node"


@dataclass(frozen=True)
class Joined:
    """Conditions of which all, or any, must hold."""

    parts: tuple["Node", ...]
    by: Literal["AND", "OR"]


Node = Comparison | Not | Joined


class FilterError(InputError):
    """A filter that cannot be understood; the message points at the place."""

    def __init__(self, text: str, position: int, problem: str) -> None:
        super().__init__(f"{problem}\n{_pointer(text, position)}")


def parse_filter(text: str) -> Node | None:
    """Return the tree of a filter; None for an empty one.

    Raises
    ------
    FilterError
        The text is no filter; says where and what was expected.

    Examples
    --------
    >>> parse_filter("value < -1.5")
    Comparison(column=Word(text='value', position=0), operator='<',
         values=(Word(text='-1.5', position=8),))
    >>> parse_filter("model MoS2@NC")
    Traceback (most recent call last):
    heterofire.results.query_language.FilterError: expected =, !=, <, <=, > or >=, CONTAINS, ...
      model MoS2@NC
            ^
    """
    _refuse_unfit(text)
    if not text.strip():
        return None
    try:
        tree: Any = _parser().parse(text)
    except UnexpectedInput as error:
        raise _explained(text, error) from None
    _refuse_deep(text, tree)
    return tree  # type: ignore[no-any-return]


def all_tests(node: Node | None) -> Iterator[Comparison]:
    """Yield the conditions of a tree from left to right."""
    if isinstance(node, Comparison):
        yield node
    elif isinstance(node, Not):
        yield from all_tests(node.part)
    elif node is not None:
        for part in node.parts:
            yield from all_tests(part)


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", transformer=_Builder())


class _Builder(Transformer[Token, Node]):
    """Turns what the parser has recognised into our tree, from the leaves upwards."""

    def compare(self, children: list[Token]) -> Comparison:
        name, operator, value = children
        return _test(name, str(operator), [value])

    def compare_reversed(self, children: list[Token]) -> Comparison:
        value, operator, name = children
        mirrored = str(operator).translate(str.maketrans("<>", "><"))
        return _test(name, mirrored, [value])

    def find(self, children: list[Token]) -> Comparison:
        return _test(children[0], "CONTAINS", children[2:])

    def find_end(self, children: list[Token]) -> Comparison:
        return _test(children[0], f"{children[1].upper()} WITH", children[2:])

    def hold(self, children: list[Token]) -> Comparison:
        name, *rest = children
        if rest[0].type in ("ALL", "ANY", "ONLY"):
            return _test(name, f"HAS {rest[0].upper()}", rest[1:])
        return _test(name, "HAS", rest)

    def know(self, children: list[Token]) -> Comparison:
        return _test(children[0], f"IS {children[1].upper()}", [])

    def negation(self, children: list[Node]) -> Not:
        return Not(children[0])

    def both(self, children: list[Node]) -> Joined:
        return Joined(tuple(children), "AND")

    def either(self, children: list[Node]) -> Joined:
        return Joined(tuple(children), "OR")


def _test(name: Token, operator: str, values: Sequence[Token]) -> Comparison:
    column = Word(text=name.lower(), position=name.start_pos or 0)
    words = tuple(Word(text=_unquoted(v), position=v.start_pos or 0) for v in values)
    return Comparison(column=column, operator=operator, values=words)


def _unquoted(token: Token) -> str:
    """Return the text of a value; in quotes, a backslash makes the next sign an ordinary one."""
    if token.type != "QUOTED":
        return str(token)
    return re.sub(r"\\(.)", r"\1", token[1:-1], flags=re.DOTALL)


def _refuse_unfit(text: str) -> None:
    """Refuse what no database takes as text, and filters too long for any purpose."""
    if len(text) > _MAX_LENGTH:
        raise InputError(
            f"the filter has {len(text)} characters, at most {_MAX_LENGTH} are taken: "
            "ask for the values in several queries."
        )
    for position, sign in enumerate(text):
        if sign == "\0" or "\ud800" <= sign <= "\udfff":
            raise FilterError(
                text.encode("utf-8", "replace").decode().replace("\0", "?"),
                position,
                "a sign that is no text (NUL, or not UTF-8)",
            )


def _refuse_deep(text: str, tree: Node) -> None:
    """Refuse trees that no database would take; walks without recursion."""
    level, n_tests = [tree], 0
    for _ in range(_MAX_DEPTH):
        n_tests += sum(isinstance(node, Comparison) for node in level)
        level = [part for node in level for part in _parts(node)]
        if not level:
            break
    if level or n_tests > _MAX_TESTS:
        raise FilterError(
            text[:60],
            0,
            f"a filter has at most {_MAX_TESTS} conditions, nested {_MAX_DEPTH} deep: for many "
            "values of one column write: column HAS ANY value, value, ...",
        )


def _parts(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Joined):
        return node.parts
    return (node.part,) if isinstance(node, Not) else ()


def _explained(text: str, error: UnexpectedInput) -> FilterError:
    """Return what was expected where; the parser's own words are about its tables."""
    token = getattr(error, "token", None)
    at_end = token is not None and token.type == "$END"
    position = len(text.rstrip()) if at_end else (error.pos_in_stream or 0)
    if not at_end and text[position] in "\"'" and token is None:
        return FilterError(text, position, "this quote is not closed")
    if not at_end and text[position] == ")" and token is not None:
        return FilterError(text, position, "this bracket closes none, or too early")
    tried = getattr(error, "accepts", None)  # what would go on from here, tried out
    names = tried or getattr(error, "allowed", None) or ()
    words = [word for name, word in _WANTED.items() if name in names]
    problem = f"expected {', '.join(dict.fromkeys(words))}"
    if {"_AND", "_OR"} <= set(names) and not at_end:
        problem += "; a value of several words, or with other signs, goes in quotes"
    return FilterError(text, position, problem)


def _pointer(text: str, position: int) -> str:
    """Return the part of the text around a position with a caret below it."""
    start = max(0, position - 60)
    shown = "".join(sign if sign.isprintable() else " " for sign in text[start : position + 60])
    return f"  {shown}\n  {' ' * (position - start)}^"
