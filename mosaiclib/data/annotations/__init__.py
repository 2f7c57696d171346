"""Masks as annotation tools write them: one reader a format, and the writer of the folder layout."""
