"""heterofire builds battery heterostructure models, runs their DFT, and gives back the figure.

This folder only gives the four packages beside it one name of their own: it holds
relative links to ``structures``, ``results``, ``workflows`` and ``launchers``.
"""

__version__ = "0.1.0"
