"""Drawings of built networks."""
