"""Verbs that export and time networks: `mosaic export`, `mosaic bench`."""
