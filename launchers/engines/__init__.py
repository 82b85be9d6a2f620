"""Engines: executables that stand in for VASP in a run folder."""
