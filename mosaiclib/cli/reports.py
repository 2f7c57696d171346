"""Verbs for runs and reports: `mosaic run|runs|report`."""
