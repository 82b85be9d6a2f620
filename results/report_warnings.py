"""What a reader must know before the numbers: the first section of a report."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .records import Property
from .report_calculations import CalculationRow
from .report_numbers import Runs

_COMPARED = {  # settings that should be the same in all runs of a study: name, unit
    "method": "",
    "functional": "",
    "cutoff": " eV",
    "dispersion": "",
    "smearing": "",
    "sigma": " eV",
}
_MANY = 12  # items from which on a list is folded
_TRENDS = "are not the DFT of a paper: they show trends at best"
_WORTH = {
    "gpaw": "are DFT, but of another code and its data sets, and in the settings of this study"
}


@dataclass(frozen=True, kw_only=True)
class Item:
    """One line of a warning, with the runs it is about."""

    text: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Caution:
    """One thing to know, and where it shows."""

    title: str
    items: tuple[Item, ...]
    is_remark: bool = False  # nothing is wrong, but it should be said

    @property
    def is_open(self) -> bool:
        """Return whether its items are shown at once: not those of a long list."""
        return len(self.items) <= (1 if self.is_remark else _MANY)


def cautions(
    calculations: Sequence[CalculationRow],
    properties: Sequence[Property],
    runs: Runs,
    *,
    undrawn: Mapping[str, str],
    not_compared: Iterable[str],
) -> tuple[Caution, ...]:
    """Return all warnings of a study, gravest first; none without reason.

    Parameters
    ----------
    calculations, properties
        What is stored of the study.
    runs
        The calculations by key, so that notes call them by name.
    undrawn
        Figures that could not be drawn, and why.
    not_compared
        Published values that nothing computed stands beside, in words.
    """
    current = [row for row in calculations if row.is_current]
    found = [
        _missing_numbers(properties, runs),
        _unconverged_runs(current),
        _unconverged_numbers(properties),
        _undrawn(undrawn),
        _differing_settings(current),
        _corrected(current),
        _not_compared(tuple(not_compared)),
        _stand_in(current),
        _said_of_numbers(properties, runs),
        _not_honoured(current),
        _superseded(calculations),
    ]
    return tuple(caution for caution in found if caution is not None)


def _missing_numbers(properties: Sequence[Property], runs: Runs) -> Caution | None:
    if not properties:
        text = "the calculations are stored, but nothing has been derived from them yet"
        return Caution(title="No derived numbers", items=(Item(text=text),))
    missing = [item for item in properties if item.value is None]
    items = tuple(
        Item(text=f"{_called(p)}: {'; '.join(map(runs.named, p.notes))}", keys=p.keys)
        for p in missing
    )
    title = f"{len(missing)} of {len(properties)} numbers are missing"
    return Caution(title=title, items=items) if missing else None


def _unconverged_runs(calculations: Sequence[CalculationRow]) -> Caution | None:
    poor = [row for row in calculations if row.status != "converged"]
    items = tuple(
        Item(text="; ".join(row.reasons) or "no reason recorded", keys=(row.key,)) for row in poor
    )
    title = f"{len(poor)} of {len(calculations)} calculations are not converged"
    return Caution(title=title, items=items) if poor else None


def _unconverged_numbers(properties: Sequence[Property]) -> Caution | None:
    poor = [item for item in properties if item.status == "unconverged"]
    counts = Counter((item.quantity, item.model) for item in poor)
    items = tuple(
        Item(text=f"{quantity} of {model}" + (f" ({n} numbers)" if n > 1 else ""))
        for (quantity, model), n in counts.items()
    )
    title = f"{len(poor)} of {len(properties)} numbers rest on calculations that are not converged"
    return Caution(title=title, items=items) if poor else None


def _undrawn(undrawn: Mapping[str, str]) -> Caution | None:
    items = tuple(Item(text=why) for why in undrawn.values())
    names = ", ".join(undrawn)
    return (
        Caution(title=f"Figures that could not be drawn: {names}", items=items) if items else None
    )


def _differing_settings(calculations: Sequence[CalculationRow]) -> Caution | None:
    """Return settings that are not the same in all runs; the commonest value is the rule."""
    items = []
    for name, unit in (*_COMPARED.items(), ("engine_version", "")):
        values = [_setting(row, name) for row in calculations]
        counts = Counter(values)
        if len(counts) < 2:
            continue
        rule = counts.most_common(1)[0][0]
        for value in sorted(counts, key=lambda v: (-counts[v], str(v))):
            if value != rule:
                keys = tuple(
                    row.key for row, v in zip(calculations, values, strict=True) if v == value
                )
                words = f"{name.replace('_', ' ')} {value}{unit} instead of {rule}{unit}"
                items.append(Item(text=words, keys=keys))
    title = "Calculations whose settings differ from the rest"
    return Caution(title=title, items=tuple(items)) if items else None


def _setting(row: CalculationRow, name: str) -> object:
    return row.engine_version if name == "engine_version" else row.settings.get(name)


def _corrected(calculations: Sequence[CalculationRow]) -> Caution | None:
    changed = [row for row in calculations if row.corrections]
    items = tuple(Item(text="; ".join(row.corrections), keys=(row.key,)) for row in changed)
    title = f"custodian corrected {len(changed)} of {len(calculations)} calculations"
    return Caution(title=title, items=items) if changed else None


def _not_compared(names: tuple[str, ...]) -> Caution | None:
    items = tuple(Item(text=name) for name in names)
    title = "Published values that nothing computed stands beside"
    return Caution(title=title, items=items) if names else None


def _stand_in(calculations: Sequence[CalculationRow]) -> Caution | None:
    others = sorted({(row.engine, row.method) for row in calculations if row.engine != "vasp"})
    items = tuple(
        Item(
            text=f"{method} numbers of {engine} {_WORTH.get(engine, _TRENDS)}, and are never mixed "
            "with those of another engine"
        )
        for engine, method in others
    )
    title = (
        f"Computed with the engine {', '.join(sorted({e for e, _ in others}))} in the place of VASP"
    )
    return Caution(title=title, items=items, is_remark=True) if items else None


def _said_of_numbers(properties: Sequence[Property], runs: Runs) -> Caution | None:
    """Return what the notes of the numbers say, each note once: some of it limits them."""
    counts = Counter(runs.named(note) for item in properties for note in item.notes)
    items = tuple(
        Item(text=f"{note} ({_counted(n, 'number')})") for note, n in counts.most_common()
    )
    title = "What is noted of the numbers"
    return Caution(title=title, items=items, is_remark=True) if items else None


def _not_honoured(calculations: Sequence[CalculationRow]) -> Caution | None:
    counts = Counter(note for row in calculations for note in row.notes)
    items = tuple(
        Item(text=f"{note} ({_counted(n, 'calculation')})") for note, n in counts.most_common()
    )
    title = "What the calculations' own logs remark"
    return Caution(title=title, items=items, is_remark=True) if items else None


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number > 1 else ''}"


def _superseded(calculations: Sequence[CalculationRow]) -> Caution | None:
    old = [row for row in calculations if not row.is_current]
    items = tuple(Item(text=f"of {row.created[:10]}", keys=(row.key,)) for row in old)
    title = f"{_counted(len(old), 'calculation')} of an earlier plan, no number rests on them"
    return Caution(title=title, items=items, is_remark=True) if old else None


def _called(item: Property) -> str:
    return ", ".join(x for x in (item.model, item.quantity, item.label, item.reference) if x)
