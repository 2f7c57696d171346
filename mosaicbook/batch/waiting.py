"""Runs that cannot start yet, because their data set or the weights that they start from are not here."""

from functools import cache

from mosaicbook import runs
from mosaicbook.runs.provenance import at_root
from mosaiclib.data import datasets, fetch


def for_data(profile, run_ids) -> dict[str, str]:
    """{run id: what is missing, in one sentence} of the runs that need a data set or weights which are not there.

    A run that needs one of those waits with it, unless that one is already done.
    """
    found = {}
    for run_id in run_ids:
        plan = profile.runs[run_id]
        values = plan.all_parameters
        missing = _missing(values["dataset"], values.get("data_root", "")) if "dataset" in values else ""
        missing = missing or _missing_weights(values.get("initial_weights", ""))
        upstream = [needed for needed in plan.upstream(profile.runs) if needed in found]
        blocked = [needed for needed in upstream if runs.result_of(profile.name, needed) is None]
        if missing or blocked:
            found[run_id] = missing or found[blocked[0]]
    return found


def _missing_weights(folder):
    """Why the weights that a training starts from cannot be read, or "". Those of another run come with it."""
    if not folder or folder.startswith(("run:", "best:")) or (at_root(folder) / "spec.json").is_file():
        return ""
    return f"{folder} is not here: `mosaic import` writes such a folder from published ImageNet weights."


@cache
def _missing(dataset, root):
    """Why a data set cannot be read, or "". A synthetic one is drawn when it is needed."""
    try:
        data = datasets.get(dataset, at_root(root))
        if not data.synthetic:
            data.list_split(data.splits[0])
    except (fetch.NotAvailable, ValueError) as error:
        return f"{dataset.partition('-')[0]} is not here: {str(error).rstrip('.')}."
    return ""
