"""The report of a profile: an index and a page per run, from whatever its run folders hold."""

import json
import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from markupsafe import Markup

from mosaicbook.paper import claims
from mosaicbook.runs import ledger
from mosaicbook.runs.masking import without_secrets
from mosaicbook.runs.records import Planned, read_runs
from mosaicbook.show.paper_table import paper_table
from mosaicbook.site import page_size, redact, run_page, sections, story
from mosaicbook.site.publish import LIMIT_MB, publishable
from mosaiclib.files import replacing

__all__ = ["Planned", "build_site"]
_OURS = '<meta name="generator" content="mosaiclib">'
_SHOWN = {"train": "curves", "evaluate": "per_class", "export": "exports", "latency": "timings"}


def build_site(profile_folder, title, planned, publish=None, description="") -> Path:
    """Writes index.html and a page per run beside it; returns the index.

    profile_folder: reports/<profile>, with the runs in runs/<stage>/<row>/. planned: (stage, row, notebook,
    description, command) per run. publish: write to this folder instead, without pictures that may not be
    passed on and with nothing but pages, run.json and result.json. A run that is missing, failed or
    garbage is a hole with its reason. Raises ValueError where the published pages would be too large.
    """
    source = Path(profile_folder)
    target = Path(publish) if publish else source
    runs, content = _sections(read_runs(source, planned))
    paged = [run for run in runs if run.status != "missing"]
    content["tables"] = story.by_number(runs, "tables")
    content["figures"] = story.by_number(runs, "figures")
    files = {"index.html": _index(runs, content, title, description)}
    numbered = [("Table", content["tables"]), ("Figure", content["figures"])]
    for position, run in enumerate(paged):
        before = paged[position - 1] if position else None
        after = paged[position + 1] if position + 1 < len(paged) else None
        files[run.page] = run_page.page(run, before=before, after=after, numbered=numbered)
    files = {name: page_size.fitted(without_secrets(text)) for name, text in files.items()}
    if publish:
        files |= _numbers(paged)
        files = {n: publishable(text, files) if n.endswith(".html") else text for n, text in files.items()}
        _check_size(files)
    _write(files, target, published=bool(publish))
    return target / "index.html"


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


def _index(runs, content, title, description):
    holes = [run for run in runs if not run.done and run.planned]
    stages = {}
    for run in runs:
        stages.setdefault(run.stage, []).append(run)
    lines = {run.run_id: _line(run) for run in runs}
    machines = list(dict.fromkeys(filter(None, (run_page.machine(run.record) for run in runs))))
    commits = list(dict.fromkeys(str(run.record["commit"])[:10] for run in runs if run.record.get("commit")))
    by_id = {run.run_id: run for run in runs}
    drawings = {
        name: story.drawing(run, name, f"{run.description}. Its page tells what it shows.")
        for run in runs
        if run.stage == "figures"
        for name in ("figure_1_cityscapes", "figure_1_ade20k_top31", "figure_3", "figure_4")
        if name.startswith(run.run_id.split("/")[1])
    }
    return run_page.render(
        "index.html.j2",
        title=title,
        description=description,
        stages=stages,
        lines=lines,
        holes=_grouped(holes),
        undone=len(holes),
        total=sum(run.planned for run in runs),
        picture_runs=[run for run in runs if run.stage == "pictures"],
        scores=[run for run in runs if run.stage == "evaluate" and run.done],
        table_7=by_id.get("tables/table_7"),
        by_id=by_id,
        drawings=drawings,
        claims_page=by_id.get("claims/claims"),
        tally=Markup(claims.tally_table(content["claims"]).data) if content["claims"] else "",
        claim_list=Markup(claims.shown(content["claims"]).data),
        reads=ledger.sentence(ledger.read()),
        beyond=[run for run in runs if run.stage == "beyond" and run.done],
        machines=machines,
        commits=commits,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        **content,
    )


def _grouped(holes):
    """[(runs, how many)]: the holes, those with the same reason together once they are many."""
    by_reason = {}
    for run in holes:
        by_reason.setdefault((run.status, run.reason) if run.status == "missing" else run.run_id, []).append(run)
    return [group for runs in by_reason.values() for group in ([runs] if len(runs) > 3 else [[run] for run in runs])]


def _line(run):
    """What the list of runs tells of one."""
    secrets = redact.secrets_of(run.record)
    names = [n for n in run_page.mapping(run.record, "parameters") if redact.is_secret(n)]
    return {
        "wall": run_page.duration(run.record.get("wall_s")),
        "reason": redact.neutral(run.reason, secrets),
        "command": redact.neutral(redact.masked_command(run.command, names), secrets),
        "synthetic": bool(run.raw and run.raw.get("synthetic")),
        "headline": _headline(run),
    }


def _headline(run):
    """The one number of a run that a reader looks for first."""
    if run.stage == "train" and run.result and run.result.val_miou is not None:
        return f"val mIoU {100 * run.result.val_miou:.1f} %{run.result.over}"
    if run.stage == "evaluate" and run.result:
        scale = run.result.input_scale
        resized = "" if scale == 1 else f", pictures resized by {scale:g} for the network"
        return f"mIoU {run.result.miou_text} %{run.result.over}{resized}"
    if run.stage == "heads" and run.result:
        mious = [part.miou for part in run.result.evaluations]
        mean = sum(mious) / len(mious)
        return f"mIoU {100 * mean:.1f} %, mean of {len(mious)} seeds, {min(mious):.3f} to {max(mious):.3f}"
    if run.stage == "tables" and run.result and isinstance(run.raw.get("printed_digits_reached"), int):
        return f"{run.raw['printed_digits_reached']} of {len(run.result.rows)} printed costs reached to the digit"
    return ""


def _numbers(runs):
    """run.json and result.json of the runs as texts, without secrets, paths and pictures."""
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
    parts = run.raw.get("evaluations", [run.raw]) if run.raw and run.stage in ("evaluate", "heads") else []
    names = [str(part.get("image_counts")) for part in parts if isinstance(part, dict)]
    return [name for name in names if re.fullmatch(r"[\w.-]+\.npz", name) and (run.folder / name).is_file()]


def _check_size(files):
    sizes = {name: len(_bytes(content)) / 1e6 for name, content in files.items()}
    if sum(sizes.values()) >= LIMIT_MB:
        largest = max(sizes, key=sizes.get)
        raise ValueError(
            f"The published report would be {sum(sizes.values()):.1f} MB, and the limit is {LIMIT_MB} MB: show fewer "
            f"or smaller pictures. The largest page is {largest} with {sizes[largest]:.1f} MB."
        )


def _write(files, target, published):
    """Writes each file beside its place and renames it, the index last; pages of ours whose run is gone go too."""
    if published and (target / "index.html").is_file() and _is_ours(target / "index.html"):
        shutil.rmtree(target / "runs", ignore_errors=True)
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
