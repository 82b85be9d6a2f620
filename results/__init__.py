"""Finished runs: parsing, records, store, derived properties, tables and figures."""

from typing import Any

__all__ = ["pivot", "query"]


def __getattr__(name: str) -> Any:
    """Load ``query`` and ``pivot`` when they are first wanted: SQLAlchemy is slow to import."""
    if name == "query":
        from .querying import query

        return query
    if name == "pivot":
        from .query_pivots import pivot

        return pivot
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
