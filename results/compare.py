"""Published values beside computed ones. Nothing here passes or fails."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from .places import place_labels
from .published import Paper, PublishedValue, Selector, papers
from .records import Property
from .tables import SEPARATOR, table

COLUMNS = (
    *("figure", "quantity", "system", "published", "unit", "computed", "difference"),
    *("ordering", "model", "label", "reference", "profile", "engine", "method", "status", "doubts"),
    "keys",
)
_SAME = ["profile", "engine", "method", "reference"]  # only these are ever subtracted


def compare(properties: Iterable[Property], doi: str) -> pd.DataFrame:
    """Return published values beside computed ones, with their difference and the doubts.

    A published value has one row per computed value it may mean: per reference, site or path,
    where the paper does not say which. Computed differences are taken within one profile,
    engine, method and reference only, and between hosts where the ion is at the same place.

    Parameters
    ----------
    properties
        What was derived; those without a value are left out.
    doi
        The paper; one without values on file gives an empty table.

    Returns
    -------
    pandas.DataFrame
        ``computed`` and ``difference`` (computed - published) are NaN where there is nothing
        to compare; ``published`` holds words where only an ordering was printed, and ``ordering``
        says beside it in words how the computed values stand.
    """
    items = list(properties)
    frame = table(items).assign(place=place_labels(items))
    frame = frame[frame["value"].notna()]
    paper = papers().get(doi)
    rows = [row for value in paper.values for row in _rows(paper, value, frame)] if paper else []
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(
        {"computed": "float64", "difference": "float64"}
    )


def _rows(paper: Paper, value: PublishedValue, frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Return the rows of one published value; one without a computed value if there is none."""
    base = {
        "figure": value.figure,
        "quantity": value.quantity,
        "system": value.system,
        "published": value.value,
        "unit": value.unit,
        "doubts": SEPARATOR.join((*value.doubts, *paper.doubts)),
    }
    found = _select(value.computed, frame)
    if found.empty:
        yield base | {"status": "missing", "keys": ""}
    for row in found.to_dict(orient="records"):
        yield base | _computed(value, row)


def _computed(value: PublishedValue, row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the computed columns of a row."""
    copied = (
        *("model", "label", "reference", "profile", "engine", "method", "status"),
        "keys",
    )
    is_number = isinstance(value.value, float)
    return {name: row[name] for name in copied} | {
        "computed": row["value"],
        "unit": row["unit"],
        "difference": row["value"] - value.value if is_number else None,
        "ordering": "" if is_number else _ordering(value.computed, row),
    }


def _ordering(selector: Selector, row: Mapping[Any, Any]) -> str:
    """Return in words how two computed values stand to each other; empty for a single one."""
    if not selector.minus_models and not selector.minus_label:
        return ""
    name = row["label"] if selector.minus_label else row["model"]
    one, _, other = str(name).partition(" - ")
    if not other:
        return ""
    how = "above" if row["value"] > 0 else "below" if row["value"] < 0 else "at"
    return f"{one} {how} {other} by {abs(row['value']):.3g} {row['unit']}".rstrip()


def _select(selector: Selector, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the computed values a selector means."""
    of_quantity = frame[frame["quantity"] == selector.quantity]
    chosen = _of(of_quantity, "model", selector.models)
    chosen = _of(chosen, "label", selector.labels)
    if selector.choose == "lowest":
        chosen = _lowest(chosen)
    if selector.minus_models:
        other = _of(of_quantity, "model", selector.minus_models)
        if selector.choose == "lowest":
            return _without_reference(_minus(chosen, _lowest(other), "model", []))
        return _without_reference(_minus(chosen, other, "model", ["place"]))
    if selector.minus_label:
        other = of_quantity[of_quantity["label"] == selector.minus_label]
        return _minus(chosen, other, "label", ["model"])
    return chosen


def _of(frame: pd.DataFrame, column: str, names: tuple[str, ...]) -> pd.DataFrame:
    return frame[frame[column].isin(names)] if names else frame


def _lowest(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the label with the lowest value of each model and reference."""
    return frame.loc[frame.groupby(["model", *_SAME], sort=False)["value"].idxmin()]


def _minus(frame: pd.DataFrame, other: pd.DataFrame, column: str, also: list[str]) -> pd.DataFrame:
    """Return frame - other where they agree in all that must; ``column`` names both."""
    pairs = frame.merge(other, on=[*_SAME, *also], suffixes=("", "_other"))
    for name in ("model", "label"):
        if f"{name}_other" in pairs:
            differ = pairs[name] != pairs[f"{name}_other"]
            both = pairs[name] + " - " + pairs[f"{name}_other"]
            pairs[name] = both.where(differ | (name == column), pairs[name])
    poor = (pairs["status"] != "ok") | (pairs["status_other"] != "ok")
    return pairs.assign(
        value=pairs["value"] - pairs["value_other"],
        status=pairs["status"].where(~poor, "unconverged"),
        keys=pairs["keys"] + " " + pairs["keys_other"],
    )[list(frame.columns)]


def _without_reference(frame: pd.DataFrame) -> pd.DataFrame:
    """Return differences once: what they are measured against cancels."""
    same = ["profile", "engine", "method", "model", "label", "quantity"]
    return frame.drop_duplicates(same).assign(reference="")
