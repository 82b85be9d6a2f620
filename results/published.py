"""Values printed in the papers, with the doubts about them."""

from functools import cache
from importlib import resources
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

NOT_STATED = "not stated in the text"  # a figure shows it, the text gives neither number nor order


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Selector(_Part):
    """Which derived properties stand beside a published value."""

    quantity: str
    models: tuple[str, ...] = ()  # empty: every model
    labels: tuple[str, ...] = ()  # empty: every label
    choose: Literal["each", "lowest"] = "each"  # lowest: the label with the lowest value
    minus_models: tuple[str, ...] = ()  # the value is a difference to each of these models
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

    def is_in(self, figure: str) -> bool:
        """Return whether the value is printed in a figure, "Fig. 3d" of "Fig. 3b, 3d"."""
        return figure.removeprefix("Fig. ") in self.figure.removeprefix("Fig. ").split(", ")


class Paper(_Part):
    """The printed values of one paper."""

    citation: str
    studies: tuple[str, ...]  # those that rebuild it
    figures: dict[str, str]  # number of a figure: the drawing that rebuilds it
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


def _of_figure(study: str, figure: str) -> tuple[PublishedValue, ...]:
    """Return what is printed of one figure of the papers that a study rebuilds."""
    return tuple(
        item
        for paper in papers().values()
        for item in paper.values
        if study in paper.studies and item.is_in(figure)
    )


def printed_values(study: str, figure: str) -> tuple[PublishedValue, ...]:
    """Return the printed numbers of one figure of the paper that a study rebuilds.

    Examples
    --------
    >>> [item.value for item in printed_values("potassium-anode", "Fig. 5c")]
    [0.78, 3.19]
    """
    return tuple(item for item in _of_figure(study, figure) if isinstance(item.value, float))


def printed_orderings(study: str, figure: str) -> tuple[str, ...]:
    """Return what a figure shows without a number, in words and each once.

    Examples
    --------
    >>> printed_orderings("sulfide-cathode", "Fig. 3d")
    ('MoS2-MoN, MoS2-Mo3Ni3N below Li2SO3',)
    """
    words = [
        f"{item.system} {item.value}"
        for item in _of_figure(study, figure)
        if isinstance(item.value, str) and item.value != NOT_STATED
    ]
    return tuple(dict.fromkeys(words))


def citation(study: str) -> str:
    """Return the paper that a study rebuilds; empty for a study of one's own.

    Examples
    --------
    >>> citation("potassium-anode")
    'Ma et al., Nano-Micro Lett. 18, 138 (2026)'
    """
    return "; ".join(paper.citation for paper in papers().values() if study in paper.studies)


def numbered_figures(study: str) -> dict[str, str]:
    """Return the drawing that each numbered figure of a study is.

    The numbers are those of the papers that the study rebuilds. A study of one's own may use the
    numbers of any paper, but for those that two papers give to different drawings.

    Examples
    --------
    >>> numbered_figures("potassium-anode")["5c"]
    'profiles'
    """
    rebuilt = [paper for paper in papers().values() if study in paper.studies]
    drawings: dict[str, set[str]] = {}
    for paper in rebuilt or papers().values():
        for number, drawing in paper.figures.items():
            drawings.setdefault(number, set()).add(drawing)
    return {number: min(names) for number, names in drawings.items() if len(names) == 1}
