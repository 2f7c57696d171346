"""The page of an import: what was understood, images beside their masks, pixels by class, and what was left out."""

import base64
from collections import defaultdict
from html import escape

import cv2

from mosaiclib.data import images

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882 }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 0 auto; padding: 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% } .wide { overflow-x: auto }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line) }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
.swatch { display: inline-block; width: 1em; height: 1em; border: 1px solid var(--line); vertical-align: -.15em }
.examples { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: 1rem }
figure { margin: 0 } figure div { display: grid; grid-template-columns: 1fr 1fr; gap: 2px }
img { width: 100%; display: block; background: var(--soft) }
figcaption { font-size: .85rem; overflow-wrap: anywhere }
li { overflow-wrap: anywhere } .warn { border-left: .25rem solid #c60; padding-left: .75rem }
@media (max-width: 30rem) { .examples { grid-template-columns: 1fr } }
"""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_NAMED = 5  # examples of each reason for leaving something out


def render(result) -> str:
    """A self-contained HTML page of an `convert.Imported`: no script, nothing fetched."""
    counts = ", ".join(f"{count} {split}" for split, count in result.images.items())
    sections = [
        f"<h1>{escape(result.folder.rstrip('/').split('/')[-1])}: what was imported</h1>",
        f"<p>{escape(result.format)}: {sum(result.images.values())} images ({escape(counts)}), "
        f"{len(result.classes)} classes.</p>",
        "<ul>" + "".join(f"<li>{escape(note)}</li>" for note in _notes(result)) + "</ul>",
        _left_out(result.left_out),
        "<h2>Pixels by class</h2>",
        _classes(result),
        "<h2>Images beside their masks</h2><p>Black in a mask is ignored, unless black is a class above.</p>",
        '<div class="examples">' + "".join(_example(result, *each) for each in result.examples) + "</div>",
    ]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Import</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"><style>{_STYLE}</style>'
        f"<body><main>{''.join(sections)}</main></body></html>\n"
    )


def _notes(result):
    notes = list(result.notes)
    if result.ignored_pixels:
        total = result.ignored_pixels + sum(sum(row.values()) for row in result.pixels.values())
        notes.append(f"{result.ignored_pixels / total:.2%} of the pixels belong to no class and are ignored (255).")
    if result.rewritten:
        notes.append(f"{result.rewritten} images were turned upright, or are of another format, and became PNG.")
    return notes


def _left_out(left_out):
    if not left_out:
        return "<p>Nothing was left out.</p>"
    reasons = defaultdict(list)
    for what, why in left_out:
        reasons[why].append(what)
    rows = []
    for why, names in sorted(reasons.items(), key=lambda pair: -len(pair[1])):
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        rows.append(f"<li>{escape(', '.join(names[:_NAMED]))}{more}: {escape(why)}</li>")
    return f'<h2>Left out</h2><div class="warn"><ul>{"".join(rows)}</ul></div>'


def _classes(result):
    splits = list(result.pixels)
    totals = {split: max(1, sum(row.values())) for split, row in result.pixels.items()}
    head = "".join(f'<th class="n">{escape(split)}, %</th>' for split in splits)
    rows = []
    for number, (name, colour) in enumerate(zip(result.classes, result.palette, strict=True)):
        cells = "".join(f'<td class="n">{100 * result.pixels[s][name] / totals[s]:.2f}</td>' for s in splits)
        swatch = f'<span class="swatch" style="background:rgb{tuple(map(int, colour))}"></span>'
        rows.append(f'<tr><td class="n">{number}</td><td>{swatch} {escape(name)}</td>{cells}</tr>')
    return (
        f'<div class="wide"><table><thead><tr><th class="n">id</th><th>class</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _example(result, name, image, label):
    coloured = images.colour(label, result.palette)
    alt = escape(name, quote=True)
    return (
        f'<figure><div><img alt="{alt}" src="{_data(image, ".jpg")}"><img alt="its mask" '
        f'src="{_data(coloured, ".png")}"></div><figcaption>{escape(name)}</figcaption></figure>'
    )


def _data(pixels, ending):
    content = cv2.imencode(ending, pixels[..., ::-1])[1].tobytes()
    kind = "jpeg" if ending == ".jpg" else "png"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
