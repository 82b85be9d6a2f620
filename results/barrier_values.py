"""The numbers of a band: its barriers."""

from .barriers import band_barrier
from .hop_requests import BarrierRequest, barrier_name
from .records import Band, Run
from .values import Value


def barrier_values(request: BarrierRequest, band: Band, ends: tuple[Run, Run]) -> list[Value]:
    """Return the barriers forward and back in E0, in eV.

    Parameters
    ----------
    band, ends
        A finished band, and the runs of its end points.
    """
    barrier = band_barrier(band, *ends)
    detail = barrier.detail()
    return [
        Value(
            quantity=barrier_name(direction, request.mesh),
            unit="eV",
            value=value,
            energy_kind="E0",
            detail=detail,
            notes=barrier.notes,
        )
        for direction, value in (("forward", barrier.forward), ("back", barrier.back))
    ]
