"""From requests and stored runs to properties: every number, or the reason why it is missing."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from itertools import chain
from typing import Any, Literal, TypeVar

from ..structures.errors import HeteroError, RunError
from .aligned_dos import aligned_values, common_zeros
from .barrier_values import barrier_values
from .bond_lengths import bond_values
from .charges import charge_values, elf_value, transfer_values
from .choices import with_chosen_legs
from .complexes import complex_properties
from .corrections import correction_notes
from .elf_lines import elf_line_values
from .energies import energy_property
from .host_values import dos_values, interlayer_value
from .migration import migration_value
from .pathways import pathway_properties
from .rates import rate_property
from .records import GEOMETRY, Band, DensityDifference, Property, Run, Settings
from .requests import (
    AlignedDosRequest,
    BarrierRequest,
    BondRequest,
    ChargeRequest,
    ComplexRequest,
    DosRequest,
    ElfLineRequest,
    ElfRequest,
    EnergyRequest,
    HopRequest,
    InterlayerRequest,
    MigrationRequest,
    MismatchRequest,
    PathwayRequest,
    RateRequest,
    Request,
    TransferRequest,
    VibrationRequest,
)
from .store import ResultStore
from .thermochemistry import vibration_values
from .values import Value

_OF_E0 = EnergyRequest | BarrierRequest | MigrationRequest | ComplexRequest | RateRequest
_IN_PARTS = (PathwayRequest, ComplexRequest, RateRequest)  # there, one run hides no other
_OneRun = (
    DosRequest
    | ElfLineRequest
    | InterlayerRequest
    | ElfRequest
    | VibrationRequest
    | TransferRequest
    | ChargeRequest
)
_AnyRecord = Run | Band | DensityDifference
_Record = TypeVar("_Record", Run, Band, DensityDifference)


def derive(
    store: ResultStore, requests: Iterable[Request], *, study: str, profile: str, engine: str
) -> list[Property]:
    """Return the properties that the requests ask for, in their order.

    Parameters
    ----------
    store
        Holds the finished runs.
    requests
        What to derive; a DOS gives several properties, a barrier one for each direction.
    study, profile, engine
        What the properties belong to; runs of another engine are not used.

    Returns
    -------
    list of Property
        One that cannot be derived has no value, the status "missing", and notes that say which
        calculation is not there or what does not fit; the others are not affected.
    """
    derivation = _Derivation(store, study, profile, engine)
    return [item for request in requests for item in derivation.properties(request)]


class _Derivation:
    """The stored runs of one study, each read once."""

    def __init__(self, store: ResultStore, study: str, profile: str, engine: str) -> None:
        self._store = store
        self._about: dict[str, Any] = {"study": study, "profile": profile, "engine": engine}
        self._has: Callable[[str], bool] = cache(store.has)
        self._run: Callable[[str], Run] = cache(store.get_run)

    def properties(self, request: Request) -> list[Property]:
        """Return the properties of one request; none of its failures goes further."""
        if isinstance(request, AlignedDosRequest):
            return self._aligned(request)
        chosen: list[str] = []
        try:
            if isinstance(request, EnergyRequest | PathwayRequest | RateRequest):
                request, chosen = with_chosen_legs(request, self._has, self._run)
        except HeteroError as error:
            return self._missing(request, [str(error)])
        rows = self._of_finished(request)
        return [replace(row, notes=(*row.notes, *chosen)) for row in rows] if chosen else rows

    def _of_finished(self, request: Request) -> list[Property]:
        """Return the properties of a request whose legs are one calculation each."""
        absent = [
            f"calculation {key} ({role}) is not finished"
            for role, key in _sources(request)
            if not self._has(key)
        ]
        if absent and not isinstance(request, _IN_PARTS):
            return self._missing(request, absent)
        try:
            return self._derived(request)
        except HeteroError as error:
            return self._missing(request, [str(error)])

    def _derived(self, request: Request) -> list[Property]:
        ways: dict[type, Callable[[Any], list[Property]]] = {
            PathwayRequest: lambda r: pathway_properties(r, self.properties, self._has),
            MismatchRequest: self._mismatches,
            EnergyRequest: self._energy,
            BarrierRequest: self._barriers,
            MigrationRequest: self._migration,
            BondRequest: self._bonds,
            ComplexRequest: lambda r: complex_properties(r, self.properties, self._has, self._get),
            RateRequest: lambda r: [rate_property(r, self.properties, self._has)],
        }
        return ways.get(type(request), self._of_run)(request)

    def _energy(self, request: EnergyRequest) -> list[Property]:
        """Return the sum over the legs of an energy."""
        runs = {key: self._checked(self._run(key)) for _, key in request.sources()}
        about = {name: self._about[name] for name in ("study", "profile")}
        return [energy_property(request, runs, **about)]

    def _barriers(self, request: BarrierRequest) -> list[Property]:
        """Return the barriers of one band, forward and back."""
        band, ends = self._band(request)
        return self._wrap(request, (band, *ends), barrier_values(request, band, ends))

    def _band(self, hop: BarrierRequest | HopRequest) -> tuple[Band, tuple[Run, Run]]:
        """Return a band and the runs of its end points."""
        band = self._checked(self._store.get_band(hop.band))
        return band, (self._get(hop.initial), self._get(hop.final))

    def _of_run(self, request: _OneRun) -> list[Property]:
        """Return what follows from one run."""
        run = self._checked(self._run(request.key))
        if isinstance(request, TransferRequest):
            return self._transfers(request, run)
        if isinstance(request, ChargeRequest):
            return self._charges(request, run)
        if isinstance(request, DosRequest):
            values = dos_values(run, request)
        elif isinstance(request, InterlayerRequest):
            values = [interlayer_value(run, request)]
        elif isinstance(request, ElfRequest):
            values = [elf_value(run, request)]
        elif isinstance(request, ElfLineRequest):
            values = elf_line_values(run, request)
        else:
            values = vibration_values(run, request)
        return self._wrap(request, (run,), values)

    def _charges(self, request: ChargeRequest, run: Run) -> list[Property]:
        """Return the charges of an element; along a hop its band has to be at rest as well."""
        if request.band is None:
            return self._wrap(request, (run,), charge_values(run, request.element, {}))
        band = self._checked(self._store.get_band(request.band))
        path = {
            "hop": request.label.partition(" image ")[0],
            "image": request.image,
            "path": float(band.path[request.image]),
        }
        return self._wrap(request, (run, band), charge_values(run, request.element, path))

    def _transfers(self, request: TransferRequest, run: Run) -> list[Property]:
        """Return the electrons gained by fragments, each scheme with the runs behind it."""
        difference = None
        if request.difference is not None:
            difference = self._checked(self._store.get_difference(request.difference))
        values = transfer_values(run, request, difference)
        return self._wrap(request, (run,) if difference is None else (run, difference), values)

    def _migration(self, request: MigrationRequest) -> list[Property]:
        """Return the barrier of the lowest path through the hops of a request."""
        bands, ends = zip(*(self._band(hop) for hop in request.hops), strict=True)
        records: list[_AnyRecord] = [*bands, *chain(*ends)]
        return self._wrap(request, records, [migration_value(request, bands, ends)])

    def _get(self, key: str) -> Run:
        return self._checked(self._run(key))

    def _bonds(self, request: BondRequest) -> list[Property]:
        """Return bond lengths, changes and pieces of one run."""
        run = self._get(request.key)
        before = None if request.before is None else self._get(request.before)
        runs = (run,) if before is None else (run, before)
        return self._wrap(request, runs, bond_values(run, request, before))

    def _aligned(self, request: AlignedDosRequest) -> list[Property]:
        """Return levels and DOS of each system on one scale; one that is missing hides no other."""
        runs, gone = dict[str, Run](), dict[str, str]()
        for name, key in request.systems.items():
            if not self._has(key):
                gone[name] = f"calculation {key} is not finished"
                continue
            try:
                runs[name] = self._get(key)
            except HeteroError as error:
                gone[name] = str(error)
        try:
            zeros = common_zeros(runs, request)
        except HeteroError as error:
            zeros, gone = {}, gone | dict.fromkeys(runs, str(error))
        rows = []
        for name, key in request.systems.items():
            one = request.model_copy(update={"model": name, "systems": {name: key}})
            try:
                if name in gone:
                    raise RunError(gone[name])
                values = aligned_values(runs[name], zeros[name], request.d_elements)
                rows += self._wrap(one, (runs[name],), values)
            except HeteroError as error:
                rows += self._missing(one, [str(error)])
        return rows

    def _mismatches(self, request: MismatchRequest) -> list[Property]:
        """Return the mismatch of two layers by each definition."""
        return [
            Property(
                **self._about,
                method=GEOMETRY,
                model=request.model,
                quantity="lattice mismatch",
                label=definition,
                reference="",
                value=percent,
                unit="%",
                energy_kind="",
                status="ok",
                notes=(f"{request.label}, all on the film",),
            )
            for definition, percent in request.percent.items()
        ]

    def _checked(self, record: _Record) -> _Record:
        """Return the record if the wanted engine made it."""
        made_by = record.settings.engine
        if made_by != self._about["engine"]:
            wanted = self._about["engine"]
            raise RunError(f"{record.folder} was computed by {made_by}, not by {wanted}")
        return record

    def _wrap(
        self, request: Request, records: Sequence[_AnyRecord], values: Iterable[Value]
    ) -> list[Property]:
        """Add to the values what they belong to and what they came from."""
        settings: Settings = records[0].settings
        unconverged = tuple(
            f"{record.folder} is not converged: {'; '.join(record.reasons)}"
            for record in records
            if record.status == "unconverged"
        )
        status: Literal["ok", "unconverged"] = "unconverged" if unconverged else "ok"
        corrected = correction_notes([(record.folder, record) for record in records])
        return [
            Property(
                **self._about,
                method=settings.method,
                model=request.model,
                label=request.label,
                reference=item.reference,
                status=status,
                keys=tuple(key for _, key in _sources(request)),
                quantity=item.quantity,
                value=item.value,
                unit=item.unit,
                energy_kind=item.energy_kind,
                detail=item.detail,
                notes=(*unconverged, *item.notes, *corrected),
            )
            for item in values
        ]

    def _missing(self, request: Request, notes: Sequence[str]) -> list[Property]:
        """Return the properties of a request without their values."""
        methods = [self._run_method(key) for _, key in _sources(request) if self._has(key)]
        return [
            Property(
                **self._about,
                method=methods[0] if methods else "",
                model=request.model,
                quantity=quantity,
                label=request.label,
                reference=getattr(request, "reference", ""),
                value=None,
                unit=unit,
                energy_kind="E0" if isinstance(request, _OF_E0) else "",
                status="missing",
                notes=tuple(notes),
            )
            for quantity, unit in request.wanted()
        ]

    def _run_method(self, key: str) -> str:
        try:
            return self._run(key).settings.method
        except HeteroError:  # a band, or a damaged row that the notes name
            return ""


def _sources(request: Request) -> list[tuple[str, str]]:
    """Return role and key of every calculation a request needs, each key once."""
    return list({key: (role, key) for role, key in reversed(request.sources())}.values())[::-1]
