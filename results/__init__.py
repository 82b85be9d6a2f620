"""Finished runs: parsing, records, store, derived properties, tables and figures."""
