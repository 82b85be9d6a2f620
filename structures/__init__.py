"""Atoms only: crystals, layers, stacking, sites, hops, models. Lattice vectors are rows."""
