"""Weights from outside: readers that fill our networks from published files."""
