"""Colours stay apart for every reader; names and numbers look as they do in print."""

from itertools import combinations

import numpy as np
import pytest
from colorspacious import cspace_convert, deltaE
from matplotlib.colors import to_rgb

from heterofire.results.plots import pretty, styles, with_minus

LEAST = 9.0  # of CAM02-UCS; neighbours in a legend also have markers of their own


def _seen(colour, kind):
    rgb = to_rgb(colour)
    if kind is None:
        return rgb
    space = {"name": "sRGB1+CVD", "cvd_type": kind, "severity": 100}
    return np.clip(cspace_convert(rgb, space, "sRGB1"), 0, 1)


@pytest.mark.parametrize("kind", [None, "deuteranomaly", "protanomaly", "tritanomaly"])
def test_colours_of_series_stay_apart_for_colour_blind_readers(kind):
    colours = {colour for colour, _ in styles("abcdefg").values()}
    assert len(colours) == 7
    for one, other in combinations(colours, 2):
        apart = float(deltaE(_seen(one, kind), _seen(other, kind), input_space="sRGB1"))
        assert apart > LEAST, (one, other)


def test_series_differ_by_marker_as_well():
    both = list(styles("abcdefghijk").values())
    assert len(set(both)) == 11
    assert len({marker for _, marker in both[:7]}) == 7


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("MoS2-MoN", "MoS$_{2}$-MoN"),
        ("Mo3Ni3N(221), to MoS2", "Mo$_{3}$Ni$_{3}$N(221), to MoS$_{2}$"),
        ("TFSI- cis", "TFSI$^{-}$ cis"),
        ("Li+ ion and TFSI-", "Li$^{+}$ ion and TFSI$^{-}$"),
        ("Li atom and TFSI-, less e-", "Li atom and TFSI$^{-}$, less e$^{-}$"),
        ("PS4 + *OH", "PS$_{4}$ + *OH"),
        ("Li2(CF3SO2N) gone -> C-S broken", "Li$_{2}$(CF$_{3}$SO$_{2}$N) gone → C-S broken"),
        ("NH2-MIL-101(Fe)", "NH$_{2}$-MIL-101(Fe)"),
        ("Li-TFSI", "Li-TFSI"),
    ],
)
def test_names_look_as_in_print(name, shown):
    assert pretty(name) == shown


def test_numbers_have_a_minus_sign_and_no_negative_zero():
    assert (with_minus(-0.5), with_minus(-0.004), with_minus(2.0, 1)) == ("−0.50", "0.00", "2.0")
