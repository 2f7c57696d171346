"""Pages that may be redistributed: only images that say so stay, everything else that could be one goes."""

import base64
import re

from mosaicbook.site.allow_list import parse
from mosaicbook.site.redact import without_pictures

LIMIT_MB = 15  # of a report
RUN_MB = 0.35  # of each run, where that is more: a study has a page, and counts of every image, for each training
NOTE = "the data set's licence does not allow its photographs to be redistributed"
_ANY_DATA = re.compile(r"data:[\w.+-]+/[\w.+-]+[;,]", re.IGNORECASE)


def publishable(html, files) -> str:
    """A page of ours without what may not be redistributed.

    Every <img> without data-shareable="yes" is replaced by a note with its licence; a data URI anywhere else
    is removed; links to files that are not published (not among `files`) become plain text.
    """
    soup = parse(html)
    for element in soup.find_all(True):
        if element.name == "a" and _is_local(element.get("href", "")) and element["href"].split("#")[0] not in files:
            element.unwrap()
        elif element.name == "img" and not _may_be_passed_on(element):
            note = soup.new_tag("span", attrs={"class": "withheld"})
            note.string = f"photograph withheld: {element.get('data-licence') or NOTE}"
            element.replace_with(note)
        elif element.name in ("image", "use", "object", "embed", "iframe", "canvas", "video", "script"):
            element.decompose()
        elif element.name not in ("link", "meta", "style"):  # these are the template's
            for name, value in list(element.attrs.items()):
                if "data:" in str(value).lower() and not (element.name == "img" and name == "src"):
                    del element[name]
    for text in soup.find_all(string=_ANY_DATA):
        text.replace_with(without_pictures(str(text)))
    kept = {image["src"] for image in soup.find_all("img")}
    published = str(soup)
    rest = published
    for source in kept:
        rest = rest.replace(source, "")
    if _ANY_DATA.search(rest):
        raise ValueError("A page holds data outside of its images, and cannot be published.")
    return published


def _may_be_passed_on(image):
    source = image.get("src", "")
    if image.get("data-shareable") != "yes" or not source.startswith("data:image/"):
        return False
    if not source.startswith("data:image/svg"):
        return True
    try:
        svg = base64.b64decode(source.partition("base64,")[2]).decode("utf-8").lower()
    except ValueError:
        return False
    return not any(word in svg for word in ("<image", "data:", "foreignobject", "<feimage", "url(http"))


def _is_local(href):
    return bool(href) and not href.startswith("#") and not re.match(r"[a-z][a-z0-9+.-]*:", href, re.IGNORECASE)
