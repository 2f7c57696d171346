"""File names of pages, safe on every system, and links to them."""

import hashlib
import re
from html import escape

from IPython.display import HTML


def page_name(run_id) -> str:
    """The page of a run "stage/row": `stage-row.html`; other characters become "-", and a hash tells them apart."""
    plain = run_id.replace("/", "-")
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip(".-") or "run"
    if safe != plain or len(safe) > 100 or safe.lower() == "index":
        safe = f"{safe[:90]}-{hashlib.sha256(run_id.encode()).hexdigest()[:6]}"
    return f"{safe}.html"


def run_link(run_id, text=None) -> HTML:
    """A link to the page of a run, as it stands in the report."""
    return HTML(f'<a href="{page_name(run_id)}">{escape(text or run_id)}</a>')
