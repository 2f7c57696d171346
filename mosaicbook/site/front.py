"""The pages of a report that belong to no run: the answer, all numbers, all runs, and the glossary."""

from datetime import UTC, datetime

from markupsafe import Markup

from mosaicbook.paper import claims
from mosaicbook.site import answer, redact, run_page, story

_DRAWINGS = ("figure_1_cityscapes", "figure_1_ade20k_top31", "figure_3", "figure_4")


def pages(runs, content, title, description, ways, attached) -> dict[str, str]:
    """{file name: HTML} of index.html, numbers.html, runs.html and about.html.

    content: {section: what it shows}, as `index` collects it. attached: {file: content} takes in a CSV a table.
    """
    by_id = {run.run_id: run for run in runs}
    holes = [run for run in runs if not run.done and run.planned]
    stages = {}
    for run in runs:
        stages.setdefault(run.stage, []).append(run)
    lead, rest = answer.lead(description)
    beyond = [run for run in runs if run.stage in ("beyond", "search", "labels") and run.done]
    beyond = [run for run in beyond if run.page not in content["empty"]]
    shared = {
        "title": title,
        "lead": lead,
        "rest": rest,
        "ways": ways,
        "stages": stages,
        "lines": {run.run_id: _line(run) for run in runs},
        "holes": _grouped(holes),
        "undone": len(holes),
        "total": sum(run.planned for run in runs),
        "by_id": by_id,
        "beyond": beyond,
        "ways_on": [
            ("The paper's tables, ours beside them", [run for _, run in content["tables"] if run.done]),
            ("The paper's figures", [run for _, run in content["figures"] if run.done]),
            ("Beyond the paper", beyond),
        ],
        "claims_page": by_id.get("claims/claims"),
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        **content,
    }
    shown = {
        "index.html": {
            "done": answer.done(runs),
            "tried": answer.tried(content["claims"]),
            "found": answer.found(runs),
            "best": answer.best(runs),
            "yardsticks": answer.yardsticks(runs),
            "contradictions": answer.contradictions(content["claims"], content["disagreements"], runs),
            "images": _images(runs, content),
            "tally": Markup(claims.tally_table(content["claims"]).data) if content["claims"] else "",
            "outcome": claims.outcome(content["claims"]),
            "reads": answer.reads(runs),
        },
        "numbers.html": {
            "picture_runs": [run for run in runs if run.stage == "pictures"],
            "table_7": by_id.get("tables/table_7"),
            "drawings": {
                name: story.drawing(run, name, f"{run.description}. Its page tells what it shows.")
                for run in runs
                if run.stage == "figures"
                for name in _DRAWINGS
                if name.startswith(run.run_id.split("/")[1])
            },
            "claim_list": Markup(claims.shown(content["claims"]).data),
        },
        "runs.html": {},
        "about.html": {},
    }
    return {
        name: run_page.with_files(run_page.render(f"{name}.j2", **shared, **values, here=name), name, attached)
        for name, values in shown.items()
    }


def _images(runs, content):
    """Three images worth looking at: what the network sees, then plots of what was found."""
    found = [shown["rows"][0] for _, shown in content["pictures"][:1] if "rows" in shown]
    plots = [
        ("claims/claims", "plot_1"),
        ("beyond/heads_compared", "plot_1"),
        ("figures/figure_1", "figure_1_ade20k_top31"),
        ("beyond/int8", "plot_1"),
        ("figures/figure_3", "figure_3"),
    ]
    plots += [(run.run_id, "plot_1") for run in runs if run.stage in ("labels", "search")]
    by_id = {run.run_id: run for run in runs}
    for run_id, name in plots:
        if run_id in by_id:
            alt = f"{by_id[run_id].description}. Its page tells what it shows."
            found.append(story.drawing(by_id[run_id], name, alt))
    return [image for image in found if image][:3]


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
        resized = "" if scale == 1 else f", images resized by {scale:g} for the network"
        return f"mIoU {run.result.miou_text} %{run.result.over}{resized}"
    if run.stage == "heads" and run.result:
        mious = [part.miou for part in run.result.evaluations]
        if answer.is_choice(run):  # a learning rate each
            tried = f"{len(mious)} learning rates" if len(mious) > 1 else "one learning rate"
            return f"mIoU {100 * min(mious):.1f} to {100 * max(mious):.1f} % at {tried}"
        mean = sum(mious) / len(mious)
        return (
            f"mIoU {100 * mean:.1f} %, mean of {len(mious)} seeds, {100 * min(mious):.1f} to {100 * max(mious):.1f} %"
        )
    if run.stage == "tables" and run.result and isinstance(run.raw.get("printed_digits_reached"), int):
        return f"{run.raw['printed_digits_reached']} of {len(run.result.rows)} printed costs matched to the digit"
    return ""
