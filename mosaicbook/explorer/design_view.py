"""What the panel "Change the design" shows: numbers against a pinned design, a bar per stage, the nearest rows."""

from html import escape

from mosaicbook.explorer import designs, predicted
from mosaicbook.show import figures, tables
from mosaicbook.show.networks.layered import COLOURS as PART_COLOURS
from mosaicbook.show.tables import number

COLOURS = {"backbone": PART_COLOURS["backbone"], "encoder": PART_COLOURS["context"], "decoder": PART_COLOURS["decoder"]}
KNOBS = {"input_size": "input size", "group_convolution": "group convolution", "shared_levels": "shared levels"}
MB = 1e6


def numbers(now, pinned) -> str:
    """The cost of a design beside that of the pinned one. Arguments: `designs.Built`."""
    lines = [
        ("Parameters", now.cost.params, pinned.cost.params, 1, ",d", ""),
        ("MAdds as the paper counts", now.cost.tflite_madds, pinned.cost.tflite_madds, 1e9, ".3f", "B"),
        ("Conv MACs", now.cost.conv_macs, pinned.cost.conv_macs, 1e9, ".3f", "B"),
        ("Activations at once, float32", 4 * now.peak_activations, 4 * pinned.peak_activations, MB, ".1f", "MB"),
        ("Activations at once, int8", now.peak_activations, pinned.peak_activations, MB, ".1f", "MB"),
    ]
    rates = predicted.rates()
    for precision in predicted.PRECISIONS if rates else ():
        here, there = (rates.milliseconds(built.cost, precision) for built in (now, pinned))
        if here is not None:
            lines.append((f"Predicted latency, {precision}", here, there, 1, ".1f", "ms"))
    rows = [
        f'<tr><th scope="row">{name}</th><td class="number"><strong>{_amount(here, scale, spec, unit)}</strong></td>'
        f'<td class="number">{_amount(there, scale, spec, unit)}</td>'
        f'<td class="number">{_difference(here, there)}</td></tr>'
        for name, here, there, scale, spec, unit in lines
    ]
    head = "".join(tables.header(name, numeric=True) for name in ("", "This design", "Pinned", "Difference"))
    differs = differences(now.design, pinned.design)
    basis = f" {rates.basis}" if rates else ""
    told = f"Against the pinned design: {differs}." if differs else "This is the pinned design."
    caption = f"{now.design.name}, {_size(now.design)}, {now.design.classes} classes"
    return tables.plain(caption, head, rows) + _note(told + basis)


def bars(now, pinned) -> str:
    """A bar of MAdds per stage, and where it ends in the pinned design."""
    stages = {**dict.fromkeys(now.stages), **dict.fromkeys(pinned.stages)}
    order = sorted(stages, key=lambda stage: list(COLOURS).index(_part(stage)))
    most = max(madds for built in (now, pinned) for madds, _ in built.stages.values())
    rows = []
    for stage in order:
        madds, params = now.stages.get(stage, (0, 0))
        before, _ = pinned.stages.get(stage, (0, 0))
        bar = f"background:{COLOURS[_part(stage)]};height:11px;width:{100 * madds / most:.2f}%"
        mark = f"border-top:2px solid currentColor;width:{100 * before / most:.2f}%"
        rows.append(
            f'<tr><th scope="row">{escape(stage)}</th><td style="width:45%;padding-right:12px">'
            f'<div style="{bar}"></div><div style="{mark}"></div></td>'
            f'<td class="number">{number(madds / 1e9, ".3f")} B</td><td class="number">{number(params, ",d")}</td></tr>'
        )
    head = "".join(tables.header(name, numeric=True) for name in ("", "", "MAdds", "Parameters"))
    return tables.plain("Where the cost is (thin line: the pinned design)", head, rows, "data wide")


def nearest(design) -> str:
    """The nearest rows of the paper with what they print, and how the design differs from each."""
    rows = []
    for row, other in designs.nearest(design):
        differs = differences(design, other) or "nothing: this is it"
        madds = f"{row.madds_text} B" if row.madds_text else "–"
        rows.append(
            f'<tr><th scope="row" style="white-space:normal">Table {row.table}, row {row.row}: {escape(row.spec)}</th>'
            f'<td class="number"><strong>{row.miou_text} %</strong></td><td class="number">{madds}</td>'
            f"<td>{escape(differs)}</td></tr>"
        )
    heads = ("Row", "mIoU printed", "MAdds printed", "This design differs in")
    head = "".join(tables.header(name, numeric="printed" in name) for name in heads)
    note = "The mIoU is the paper's, trained and measured by its authors; this design was not trained."
    return tables.plain("The nearest rows of the paper", head, rows) + _note(note)


def _note(text):
    return f'<p class="mosaic-caption" style="margin:.3em 0 0">{escape(text)}</p>'


def drawings(built) -> str:
    """The context encoder and the decoder, drawn from the built network, for a page with the panel's style."""
    titles = {"encoder": "Context encoder", "decoder": "Hybrid decoder"}
    parts = "".join(
        f'<figure role="img" aria-label="{titles[part]} of {escape(built.design.name)}"><h3>{titles[part]}</h3>'
        f"{drawn.replace('<svg ', '<svg aria-hidden=true ', 1)}</figure>"
        for part, drawn in built.drawings.items()
        if drawn
    )
    return f'<div class="mosaic-drawings">{parts}</div>'


def static_drawings(built) -> str:
    """The same as images that need no style sheet."""
    pictures = [
        figures.from_svg(drawn, 460, f"The {part} of {built.design.name}, drawn from the built network")
        for part, drawn in built.drawings.items()
        if drawn
    ]
    return figures.gallery([pictures])._repr_html_()


def differences(one, other) -> str:
    """How a design differs from another, in words."""
    return ", ".join(
        f"{KNOBS.get(knob, knob)} {_said(value)} instead of {_said(getattr(other, knob))}"
        for knob, value in one.differences(other).items()
    )


def _said(value):
    if isinstance(value, bool):
        return "on" if value else "off"
    return (
        ("x" if value and value[0] > 31 else ".").join(map(str, value)) if isinstance(value, tuple) else value or "none"
    )


def _part(stage):
    return stage.split(",")[0].split(":")[0]


def _amount(value, scale, spec, unit):
    return number(value if spec == ",d" else value / scale, spec) + (f" {unit}" if unit else "")


def _difference(here, there):
    if here == there:
        return "0 %"
    return f"{number(100 * (here / there - 1), '+.1f')} %"


def _size(design):
    return "x".join(map(str, design.input_size))
