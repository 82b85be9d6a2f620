"""Values printed in the papers, with the doubts about them."""

from functools import cache
from importlib import resources
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Selector(_Part):
    """Which derived properties stand beside a published value."""

    quantity: str
    models: tuple[str, ...] = ()  # empty: every model
    labels: tuple[str, ...] = ()  # empty: every label
    choose: Literal["each", "lowest"] = "each"  # lowest: the label with the lowest value
    minus_model: str = ""  # the value is a difference to this model
    minus_label: str = ""  # the value is a difference to this label


class PublishedValue(_Part):
    """One printed number, or an ordering in words."""

    quantity: str
    figure: str
    system: str
    value: float | str
    unit: str
    quote: str
    doubts: tuple[str, ...]
    computed: Selector


class Paper(_Part):
    """The printed values of one paper."""

    citation: str
    studies: tuple[str, ...]  # those that rebuild it
    doubts: tuple[str, ...]  # those that touch every value
    values: tuple[PublishedValue, ...]


@cache
def papers() -> dict[str, Paper]:
    """Return all papers by DOI.

    Examples
    --------
    >>> papers()["10.1007/s40820-025-01992-x"].values[0].value
    -1.96
    """
    text = (resources.files(__package__) / "published.yaml").read_text(encoding="utf-8")
    return {doi: Paper.model_validate(entry) for doi, entry in yaml.safe_load(text).items()}


def printed_values(study: str, figure: str) -> tuple[PublishedValue, ...]:
    """Return the printed numbers of one figure of the paper that a study rebuilds.

    Examples
    --------
    >>> [item.value for item in printed_values("potassium-anode", "Fig. 5c")]
    [0.78, 3.19]
    """
    return tuple(
        item
        for paper in papers().values()
        for item in paper.values
        if study in paper.studies and item.figure == figure and isinstance(item.value, float)
    )
