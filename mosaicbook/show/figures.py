"""What notebooks call to show things: every image, plot and table of a page is made and escaped here.

Each function returns an `IPython.display.HTML`. An image says by `data-shareable` whether it may stand in
a published report; one that does not say "yes" is left out there.
"""

import base64
import io
from html import escape
from pathlib import Path

import numpy as np
from IPython.display import HTML
from PIL import Image

from mosaicbook.runs.run import current
from mosaicbook.show.links import run_link
from mosaicbook.show.tables import measured_table, table
from mosaiclib.data.images import IGNORE

__all__ = ["compared", "error_map", "figure", "from_svg", "gallery", "label_map", "legend", "measured_table",
           "photograph", "run_link", "save", "style", "svg", "table"]  # fmt: skip

IGNORED_COLOUR = (0, 0, 0)
CORRECT, WRONG = (222, 226, 230), (213, 94, 0)

# A mesh of more cells could be a photograph; a confusion matrix of 32 classes or a colour bar has fewer.
MOST_CELLS = 4096

# Okabe and Ito's colours for the colour-blind, neighbours far apart; yellow, which is pale on white, last but one.
PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#555555", "#f0e442", "#999999")

# Drawn in this colour, text and axes follow the reader's light or dark page.
INK = "#24292f"
_SVG_COLOURS = "<style>:root{color:#24292f}@media(prefers-color-scheme:dark){:root{color:#d7dce1}}</style>"
_STYLE = {
    "figure.figsize": (6.4, 4.0),
    "figure.constrained_layout.use": True,
    "font.size": 13,
    "axes.titlesize": 14,
    "axes.labelsize": 13,
    "xtick.labelsize": 12,
    "ytick.labelsize": 12,
    "legend.fontsize": 12,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.alpha": 0.15,
    "svg.fonttype": "path",
    "svg.hashsalt": "mosaic",
    **{f"{part}.color": INK for part in ("text", "xtick", "ytick", "grid")},
    **{f"axes.{part}": INK for part in ("edgecolor", "labelcolor", "titlecolor")},
}


def style():
    """Sets the look of plots, once per notebook: colour-blind safe, and large enough to read on a phone."""
    import seaborn

    seaborn.set_theme(style="whitegrid", palette=PALETTE, rc=_STYLE)


# === Plots ===


def figure(fig, alt, caption="", shareable=None) -> HTML:
    """A matplotlib figure (or what has one, as seaborn's grids do) as SVG, and closes it.

    Within a run it is saved in the run's folder, too, where it has not been (see `save`), for its page to offer.
    One that holds a raster image, or a mesh as fine as one, becomes PNG and may be published only with
    shareable=True: nobody can tell a heat map from a photograph once it is drawn.
    """
    from matplotlib import pyplot

    fig = getattr(fig, "figure", fig)
    width = round(fig.get_size_inches()[0] * 96)
    if fig.findobj(_is_raster):
        buffer = io.BytesIO()
        fig.savefig(buffer, format="png", dpi=2 * fig.dpi, facecolor="white", bbox_inches="tight")
        pyplot.close(fig)
        uri = _uri(buffer.getvalue(), "png")
        return _picture(uri, alt, caption, bool(shareable), kind="plot paper", width=width)
    drawn, file = svg(fig), getattr(fig, "_file", "")
    if not file and (run := current()):
        file = f"plot_{len(list(run.folder.glob('plot_*.svg'))) + 1}"
        save(fig, run.folder / file)
    pyplot.close(fig)
    return from_svg(drawn, width, alt, caption, shareable=shareable is None or shareable, file=file)


def svg(fig) -> str:
    """A matplotlib figure as an <svg> element whose ink has the colour of the text around it."""
    buffer = io.BytesIO()
    fig.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue().decode()
    return text[text.index("<svg") :].replace(INK, "currentColor")


def from_svg(drawn, width, alt, caption="", shareable=True, file="") -> HTML:
    """What `svg` gave, as an image `width` pixels wide that follows the reader's light or dark page.

    file: what it was saved as in the run's folder, without an ending.
    """
    head, _, rest = drawn.partition(">")
    uri = _uri(f"{head}>{_SVG_COLOURS}{rest}".encode(), "svg+xml")
    return _picture(uri, alt, caption, shareable, kind="plot", width=width, file=file)


def save(fig, path):
    """Writes a matplotlib figure as SVG, PDF and PNG on white, for papers and slides. path: without an ending."""
    path = Path(path)
    fig._file = path.name
    fig.savefig(path.with_name(f"{path.name}.svg"), facecolor="white", metadata={"Date": None, "Creator": None})
    fig.savefig(path.with_name(f"{path.name}.pdf"), metadata={"CreationDate": None})
    fig.savefig(path.with_name(f"{path.name}.png"), dpi=200, facecolor="white", metadata={"Software": None})


def _is_raster(artist):
    from matplotlib.collections import QuadMesh
    from matplotlib.image import AxesImage, FigureImage

    if isinstance(artist, QuadMesh):
        artist.set_rasterized(False)
        return np.size(artist.get_array()) > MOST_CELLS
    return isinstance(artist, (AxesImage, FigureImage))


# === Images ===


def label_map(label, palette, alt, caption="") -> HTML:
    """A map of class ids, integers [H, W], in the data set's colours [(r, g, b), ...]. May be published."""
    label = np.asarray(label)
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(palette)] = palette
    colours[len(palette) :] = IGNORED_COLOUR
    if label.ndim != 2 or label.min() < 0 or label.max() > 255:
        raise ValueError(f"A label map is [H, W] with ids of 0 to 255, but this one is {label.shape}.")
    picture = Image.fromarray(label.astype(np.uint8), mode="P")
    picture.putpalette(colours.tobytes())
    enlarge = max(1, round(640 / picture.width))
    picture = picture.resize((picture.width * enlarge, picture.height * enlarge), Image.Resampling.NEAREST)
    return _picture(_encode(picture, "png", optimize=True), alt, caption, True, kind="label-map")


def error_map(label, prediction, alt, caption="") -> HTML:
    """Where two maps of class ids, integers [H, W], differ; ignored pixels are black. May be published."""
    label, prediction = np.asarray(label), np.asarray(prediction)
    if label.shape != prediction.shape:
        raise ValueError(f"The label map is {label.shape}, but the prediction is {prediction.shape}.")
    wrong = np.where(label == IGNORE, IGNORE, label != prediction)
    return label_map(wrong, (CORRECT, WRONG), alt, caption)


def photograph(image, alt, caption="", *, shareable, credit="", max_width=1200) -> HTML:
    """A photograph, [H, W, 3] with values of 0 to 255 or the path of a PNG or JPEG file, shown as JPEG.

    shareable: whether it may stand in a published report. credit: whose it is and its licence, shown below
    the photograph, or in its place where it is withheld. Wider images are shrunk to `max_width` pixels.
    """
    picture = Image.fromarray(_as_pixels(image))
    if picture.width > max_width:
        picture = picture.resize((max_width, round(picture.height * max_width / picture.width)), Image.Resampling.BOX)
    uri = _encode(picture, "jpeg", quality=86, optimize=True)
    return _picture(uri, alt, caption, shareable, kind="photograph", credit=credit)


def compared(image, label, prediction, name, data, wrong="errors") -> list[HTML]:
    """Photograph, truth, prediction and errors of one image, as a row of `gallery`. data: the `Dataset` it is of."""
    return [
        photograph(image, f"Image {name}", name, shareable=data.shareable, credit=data.licence),
        label_map(label, data.palette, f"Truth of {name}", "truth"),
        label_map(prediction, data.palette, f"Prediction for {name}", "prediction"),
        error_map(label, prediction, f"Errors in {name}", wrong),
    ]


def gallery(rows, caption="") -> HTML:
    """Rows of images side by side, one or two abreast where the screen is narrow."""
    least = {1: 20, 2: 18, 3: 15, 4: 12}
    grids = "".join(
        f'<div class="row" style="display:grid;gap:1rem;align-items:start;'
        f'grid-template-columns:repeat(auto-fit,minmax(min(100%,{least.get(len(row), 10)}rem),1fr))">'
        + "".join(picture._repr_html_() for picture in row)
        + "</div>"
        for row in rows
        if row
    )
    caption = f'<p class="caption">{escape(caption)}</p>' if caption and grids else ""
    return HTML(f'<div class="gallery">{caption}{grids}</div>')


def legend(classes, palette, ignored=False) -> HTML:
    """The classes beside their colours; ignored: also says what pixels without a class look like."""
    entries = [*zip(classes, palette, strict=True), *([("not scored", IGNORED_COLOUR)] if ignored else [])]
    swatch = "display:inline-block;width:.9em;height:.9em;border-radius:.2em;margin-right:.4em;vertical-align:-.08em"
    if not entries:
        return HTML("")
    items = "".join(
        f'<li style="display:inline-block;margin:0 1em .2em 0"><span class="swatch" style="{swatch};'
        f'background:rgb({",".join(str(int(channel)) for channel in colour[:3])})"></span>{escape(str(name))}</li>'
        for name, colour in entries
    )
    return HTML(f'<ul class="legend" aria-label="Legend" style="list-style:none;padding:0">{items}</ul>')


def _as_pixels(image):
    if isinstance(image, (str, Path)):
        try:
            with Image.open(image, formats=("PNG", "JPEG")) as opened:
                return np.asarray(opened.convert("RGB"))
        except (OSError, SyntaxError, Image.DecompressionBombError):
            raise ValueError(f"{Path(image).name} cannot be read as a PNG or JPEG image.") from None
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or not np.isfinite(image).all():
        raise ValueError(f"A photograph is [H, W, 3] with values of 0 to 255, but this one is {list(image.shape)}.")
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _encode(picture, kind, **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return _uri(buffer.getvalue(), kind)


def _uri(content, kind):
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _picture(uri, alt, caption, shareable, kind, credit="", width=None, file=""):
    if not alt:
        raise ValueError("An image needs an alternative text that says what it shows.")
    size = f"width:{width}px;max-width:100%" if width else "width:100%"
    credit_line = f'<span class="credit">{escape(credit)}</span>' if credit else ""
    caption = f"<figcaption>{f'{escape(caption)} {credit_line}'.strip()}</figcaption>" if caption or credit else ""
    told = f' data-file="{escape(file)}"' if file else ""
    told += f' data-licence="{escape(credit)}"' if credit and not shareable else ""
    return HTML(
        f'<figure class="{kind}" style="margin:0"><img src="{uri}" alt="{escape(alt)}" '
        f'data-shareable="{"yes" if shareable else "no"}"{told} style="{size};height:auto">{caption}</figure>'
    )
