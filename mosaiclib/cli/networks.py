"""Verbs for networks and their weights: `mosaic models|madds|import|predict|evaluate`."""
