"""Verbs for data: `mosaic data list|fetch|verify`."""
