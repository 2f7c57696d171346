"""Links to the pages of runs."""

from html import escape

from IPython.display import HTML

from mosaicbook.runs.records import page_name


def run_link(run_id, text=None) -> HTML:
    """A link to the page of a run, as it stands in the report."""
    return HTML(f'<a href="{page_name(run_id)}">{escape(text or run_id)}</a>')
