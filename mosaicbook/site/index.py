"""The report of a profile: an index and a page per run, from whatever its run folders hold."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

from markupsafe import Markup

from mosaicbook.runs.masking import without_secrets
from mosaicbook.runs.records import Planned, read_runs
from mosaicbook.show.paper_table import paper_table
from mosaicbook.site import front, navigation, page_size, redact, run_page, sections, slim_svg, story, try_page
from mosaicbook.site.publish import LIMIT_MB, RUN_MB, publishable
from mosaiclib.files import replacing

__all__ = ["Planned", "build_site"]
_OURS = '<meta name="generator" content="mosaiclib">'
TRY = "try.html"
_SHOWN = {"train": "curves", "evaluate": "per_class", "export": "exports", "latency": "timings"}


def build_site(profile_folder, title, planned, publish=None, description="") -> Path:
    """Writes index.html and a page per run beside it; returns the index.

    profile_folder: reports/<profile>, with the runs in runs/<stage>/<row>/. planned: (stage, row, notebook,
    description, command) per run. publish: write to this folder instead, without images that may not be
    redistributed and with nothing but pages, run.json and result.json. A run that is missing, failed or
    garbage is a hole with its reason. Raises ValueError where the published pages would be too large.
    """
    source = Path(profile_folder)
    target = Path(publish) if publish else source
    runs, content = _sections(read_runs(source, planned))
    content["empty"] = {run.page for run in runs if not _has_content(run)}
    paged = [run for run in runs if run.status != "missing" and run.page not in content["empty"]]
    content["tables"] = story.by_number(paged, "tables")
    content["figures"] = story.by_number(paged, "figures")
    ways = navigation.ways(title, paged, content["tables"], content["figures"])
    attached = {}
    trial = None if publish else try_page.of_report(paged)
    content["trial"] = TRY if trial else None
    files = front.pages(runs, content, title, description, ways, attached)
    turns = navigation.neighbours(paged)
    for run in paged:
        files[run.page] = run_page.page(run, ways, *turns[run.run_id], attached=attached)
    files = {name: page_size.fitted(slim_svg.page(without_secrets(text))) for name, text in files.items()}
    files |= {
        name: without_secrets(content) if isinstance(content, str) else content
        for name, content in attached.items()
        if publish or name.startswith("csv/")
    }
    if publish:
        files |= _numbers(paged)
        files = {n: publishable(text, files) if n.endswith(".html") else text for n, text in files.items()}
        files = {n: redact.without_outside_paths(c) if isinstance(c, str) else c for n, c in files.items()}
        _check_size(files, max(LIMIT_MB, RUN_MB * len(paged)))
    files |= {TRY: trial} if trial else {}
    _write(files, target, published=bool(publish))
    return target / "index.html"


def _has_content(run):
    return run.status == "missing" or navigation.has_content(run, run_page.read_notebook(run.folder)[0])


def _sections(runs):
    """The runs and {section: what the index shows}; a run that cannot be shown becomes a hole."""
    content = {"pictures": [], "measured": [], "claims": [], "costs": [], "disagreements": []}
    judged = {}
    for position, run in enumerate(runs):
        try:
            if run.done and run.stage == "pictures":
                content["pictures"].append((run, sections.pictures(run)))
            elif run.done and run.run_id == "tables/table_7":
                shown = paper_table(**run.result.model_dump(), caption="Table 7 of the paper, and ours")
                content["measured"].append((run, Markup(shown.data)))
            if run.done and run.stage in ("tables", "claims"):
                judged[run.stage] = judged.get(run.stage, []) + story.claims(run)
            if run.done and run.stage == "tables":
                content["costs"] += story.costs([run])
                content["disagreements"] += story.disagreements([run])
        except (ValueError, OSError) as error:
            runs[position] = replace(run, status="unreadable", reason=str(error), result=None)
    content["claims"] = judged.get("claims") or judged.get("tables") or []
    for stage, name in _SHOWN.items():
        content[name] = getattr(sections, name)([run for run in runs if run.done and run.stage == stage])
    return runs, content


def _numbers(runs):
    """run.json and result.json of the runs as texts, without secrets, paths and images."""
    found = {}
    for run in runs:
        secrets = redact.secrets_of(run.record)
        names = [n for n in run_page.mapping(run.record, "parameters") if redact.is_secret(n)]
        record = run.record | ({"command": redact.masked_command(str(run.record.get("command")), names)}
                               if run.record.get("command") else {})  # fmt: skip
        for name, data in (("run.json", record), ("result.json", run.raw)):
            if data:
                text = json.dumps(redact.presentable(data, secrets), indent=1, ensure_ascii=False)
                found[f"runs/{run.run_id}/{name}"] = text + "\n"
        for name in _counts_of(run):
            found[f"runs/{run.run_id}/{name}"] = (run.folder / name).read_bytes()
    return found


def _counts_of(run):
    """The files of a run with the counts of each image, by name within its folder."""
    parts = run.raw.get("evaluations", [run.raw]) if run.raw and run.stage in ("evaluate", "heads", "labels") else []
    names = [str(part.get("image_counts")) for part in parts if isinstance(part, dict)]
    return [name for name in names if re.fullmatch(r"[\w.-]+\.npz", name) and (run.folder / name).is_file()]


def _check_size(files, limit_mb):
    sizes = {name: len(_bytes(content)) / 1e6 for name, content in files.items()}
    if sum(sizes.values()) >= limit_mb:
        largest = max(sizes, key=sizes.get)
        raise ValueError(
            f"The published report would be {sum(sizes.values()):.1f} MB, and the limit is {limit_mb:g} MB: show fewer "
            f"or smaller images. The largest page is {largest} with {sizes[largest]:.1f} MB."
        )


def _write(files, target, published):
    """Writes each file beside its place and renames it, the index last; pages of ours whose run is gone go too."""
    if (target / "index.html").is_file() and _is_ours(target / "index.html"):
        for folder in ("csv", *(["runs"] if published else [])):
            shutil.rmtree(target / folder, ignore_errors=True)
    for name in sorted(files, key=lambda name: name == "index.html"):
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            partial.write_bytes(_bytes(files[name]))
    for old in target.glob("*.html"):
        if old.name not in files and _is_ours(old):
            old.unlink()


def _bytes(content):
    return content if isinstance(content, bytes) else content.encode()


def _is_ours(path):
    with open(path, encoding="utf-8", errors="replace") as page:
        return _OURS in page.read(2000)
