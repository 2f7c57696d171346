# The batch engine: one rule per planned run of a profile. What is unchanged is skipped, what failed is
# tried again, independent runs go on past a failure (--keep-going). `mosaic report` calls this; by hand:
#   snakemake --cores 2 --resources training=1 --keep-going --config profile=quick
from pathlib import Path

from mosaicbook import runs
from mosaicbook.batch import dependencies, profiles
from mosaicbook.runs.provenance import ROOT

profile = profiles.load(config.get("profile", "quick"))
ASKED = str(config.get("runs", "")).split() or list(profile.runs)
PAGES = [run_id for run_id in ASKED if run_id.split("/")[0] in dependencies.DRAWN_FROM]
STAGES = [run_id for run_id in ASKED if run_id not in PAGES]


def result(run_id):
    return str(runs.folder_of(profile.name, run_id) / "result.json")


def drawn_from(run_id):
    """Pages are drawn from what there is: a failed run is a hole in them, not their end."""
    planned = STAGES if config.get("planning") else []
    others = dependencies.drawn_from(profile, run_id)
    return [result(o) for o in others if o in planned or runs.result_of(profile.name, o) is not None]


rule stages:
    input: [result(run_id) for run_id in STAGES]
    default_target: True


rule pages:
    input: [result(run_id) for run_id in PAGES]


rule everything:
    input: [result(run_id) for run_id in ASKED]


for run_id, plan in profile.runs.items():

    rule:
        name: "".join(c if c.isalnum() else f"_{ord(c):x}_" for c in run_id)  # a-b and a_b stay two
        input:
            notebook=str(ROOT / plan.notebook),
            code=[str(path) for path in dependencies.sources(profile, run_id)],
            upstream=[result(needed) for needed in plan.upstream(profile.runs)],
            drawn_from=drawn_from(run_id),
            outside=[str(path) for path in profiles.outside_files(plan)],
        output:
            result(run_id),
        params:
            settings=dependencies.settings(profile, run_id),
            profile=config.get("profile", "quick"),
            run_id=run_id,
        # A timing runs alone; a training takes all cores or the GPU, so that one is enough at a time.
        threads: workflow.cores if run_id.startswith("latency/") else 1
        resources:
            training=1 if run_id.startswith("train/") else 0,
        shell:
            # A failed run leaves a result only where it was one of several to choose the best from.
            "mosaic run {params.run_id:q} --profile {params.profile:q} || test -e {output:q}"
