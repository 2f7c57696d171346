# The batch engine: one rule per planned run of a profile. What is unchanged is skipped, what failed is
# tried again, independent runs go on past a failure (--keep-going). `mosaic report` calls this; by hand:
#   snakemake --cores 2 --resources training=1 --keep-going --rerun-triggers mtime --config profile=quick
from urllib.parse import unquote

from mosaicbook import runs
from mosaicbook.batch import dependencies, markers, profiles, snakemake as engine

SOURCE = unquote(str(config.get("profile", "quick")))
profile = profiles.load(SOURCE)
SOURCE = profile.source
ASKED = str(config.get("runs") or "").split() or list(profile.runs)
ROUNDS = {name: [r for r in ASKED if dependencies.round_of(r) == name] for name in dependencies.ROUNDS}


# Markers are named from here, since a brace in the path of the reports would be a wildcard to Snakemake.
workdir: str(runs.reports_folder() / profile.name)


def marker(run_id):
    return f"{markers.FOLDER}/{run_id}"


def files(run_id):
    """As a function, because Snakemake takes what a function returns as it is."""
    return lambda wildcards: [str(path) for path in markers.files(profile, run_id)]


def drawn_from(run_id):
    """Pages are drawn from what there is: a failed run is a hole in them, not their end."""
    planned = ASKED if str(config.get("planning")).lower() == "true" else []
    others = dependencies.drawn_from(profile, run_id)
    return [marker(o) for o in others if o in planned or runs.result_of(profile.name, o) is not None]


if workflow.is_main_process and not config.get("settled"):
    markers.settle(profile, ASKED)


rule stages:
    input: [marker(run_id) for run_id in ROUNDS["stages"]]
    default_target: True


rule pages:
    input: [marker(run_id) for run_id in ROUNDS["pages"]]


rule summaries:
    input: [marker(run_id) for run_id in ROUNDS["summaries"]]


rule everything:
    input: [marker(run_id) for run_id in ASKED]


for run_id, plan in profile.runs.items():

    rule:
        name: engine.rule_name(run_id)
        input:
            files=files(run_id),
            upstream=[marker(needed) for needed in plan.upstream(profile.runs)],
            drawn_from=drawn_from(run_id),
        output:
            marker(run_id),
        params:
            profile=lambda wildcards: SOURCE,
            run_id=run_id,
        # A timing runs alone; a training takes all cores or the GPU, so that one is enough at a time.
        threads: workflow.cores if run_id.startswith("latency/") else 1
        resources:
            training=1 if run_id.startswith("train/") else 0,
        shell:
            # A failed run leaves a marker only where it was one of several to choose the best from.
            "mosaic run {params.run_id:q} --profile {params.profile:q} || test -e {output:q}"
