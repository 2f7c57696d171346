"""What the panels share: a static twin for pages without a kernel, the code that makes them, and patience."""

import asyncio
import os
from html import escape
from importlib import resources

import ipywidgets as widgets

from mosaiclib.wording import shortened

PATIENCE_S = 0.05  # less than a tenth of a second: a slider that is dragged sends about ten values in one


class Panel(widgets.VBox):
    """A panel of widgets.

    Shown by a front end that can hold a conversation it is live. In a batch run, where nobody could turn a
    knob, and in a viewer without widgets it shows `static()` instead: images and tables.
    """

    code_title = "In Python"  # what stands before the code

    def __init__(self, children):
        self.code_line = widgets.HTML()
        style = widgets.HTML(f"<style>{asset('panel.css')}</style>", layout=widgets.Layout(display="none"))
        super().__init__([style, *children, self.code_line])
        self.add_class("mosaic-panel")

    def static(self) -> str:
        """The panel as it stands, as HTML without scripts."""
        raise NotImplementedError

    @property
    def code(self) -> str:
        """The call that makes this panel as it stands."""
        raise NotImplementedError

    @property
    def commands(self) -> dict[str, str]:
        """{title: command line} that stand below the code."""
        return {}

    @property
    def line(self) -> str:
        """The same as a line that a fresh Python runs as it stands."""
        return f"from mosaicbook import explorer as explore; {self.code}"

    def show_code(self):
        """Writes the code below the panel; a click selects it whole."""
        lines = {self.code_title: self.line} | self.commands
        self.code_line.value = "".join(
            f'<p><span class="mosaic-caption">{escape(title)}</span> <code>{escape(line)}</code></p>'
            for title, line in lines.items()
        )

    def __repr__(self):
        return self.code

    def _repr_mimebundle_(self, **kwargs):
        code = f'<p class="mosaic-caption">{escape(self.code_title)} <code>{escape(self.line)}</code></p>'
        bundle = {"text/plain": self.code, "text/html": f"{self.static()}{code}"}
        return super()._repr_mimebundle_(**kwargs) | bundle if live() else bundle


def live() -> bool:
    """Whether the running cell was sent by somebody at a screen: such front ends say which cell it is.

    papermill, nbconvert and `mosaic run` do not, and a widget would be an empty frame in their pages.
    """
    if os.environ.get("MOSAIC_RUN_FOLDER"):
        return False
    try:
        from IPython import get_ipython

        return "cellId" in get_ipython().parent_header["metadata"]
    except (ImportError, AttributeError, KeyError, TypeError):
        return False


class Latest:
    """Does `work` once for a burst of requests, a moment after the last of them.

    Every message that waits is read before that moment, so a knob turned ten times in a second, while one
    answer takes a second, leaves the tenth shown and not the first nine. Without an event loop (a script, a
    test) the work is done at once.
    """

    def __init__(self, work):
        self._work, self._timer = work, None

    def request(self):
        """Asks for the work to be done."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._work()
            return
        if self._timer:
            self._timer.cancel()
        self._timer = loop.call_later(PATIENCE_S, self._work)


def asset(name) -> str:
    """The text of a file beside this module."""
    return (resources.files("mosaicbook.explorer") / name).read_text(encoding="utf-8")


def problem(error) -> str:
    """What is wrong, as HTML for beside a knob: a sentence or an error, whose kind is told if it is none of ours."""
    text = shortened(error, 600)
    if not isinstance(error, (str, ValueError, OSError)):
        text = f"This could not be done ({type(error).__name__}: {text})."
    return f'<span class="mosaic-problem" role="alert">{escape(text)}</span>'
