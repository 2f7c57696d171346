# The batch engine: one rule per planned run of a profile. What is unchanged is skipped, what failed is
# tried again, independent runs go on past a failure (--keep-going). `mosaic report` calls this; by hand:
#   snakemake --cores 2 --keep-going --config profile=quick
from pathlib import Path

from mosaiclib import profiles, runs
from mosaiclib.provenance import ROOT

profile = profiles.load(config.get("profile", "quick"))
DRAWN = [run_id for run_id in profile.runs if run_id.startswith(("tables/", "figures/"))]
STAGES = [run_id for run_id in profile.runs if run_id not in DRAWN]


def result(run_id):
    return str(runs.folder_of(profile.name, run_id) / "result.json")


def finished(run_ids):
    """Tables and figures are drawn from what there is: a failed run is a hole in them, not their end."""
    return [result(run_id) for run_id in run_ids if runs.result_of(profile.name, run_id) is not None]


rule stages:
    input: [result(run_id) for run_id in STAGES]
    default_target: True


rule drawn:
    input: [result(run_id) for run_id in DRAWN]


for run_id, plan in profile.runs.items():

    rule:
        name: run_id.replace("/", "_").replace("-", "_").replace(".", "_")
        input:
            notebook=str(ROOT / plan.notebook),
            code=[str(path) for path in plan.sources(run_id.split("/")[0])],
            upstream=[result(needed) for needed, _ in plan.references().values()],
            drawn_from=finished(STAGES) if run_id in DRAWN else [],
            outside=[str(path) for path in profiles.outside_files(plan)],
        output:
            result(run_id),
        params:
            parameters=str(sorted(plan.parameters.items())),
            profile=config.get("profile", "quick"),
            run_id=run_id,
        threads: 1 if run_id in DRAWN or run_id.startswith("data/") else workflow.cores
        shell:
            "mosaic run {params.run_id:q} --profile {params.profile:q}"
