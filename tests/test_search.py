"""The search: killed and resumed it proposes the same designs; its front is that of every pair compared."""

import json
import os
import re
import subprocess
import sys
import textwrap
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from mosaicbook.beyond import search, search_page, search_space
from mosaicbook.explorer.designs import Design, of_spec
from mosaicbook.runs.provenance import ROOT
from mosaiclib.models import catalogue
from mosaiclib.models.spec import ModelSpec

KNOWN = [catalogue.get("mnmh448-mosaic"), catalogue.get("mnmh480-mosaic-noskip")]


class Cheap:
    """A task whose scores are arithmetic on the head's numbers."""

    base, objective = KNOWN[0], "MAdds"

    def __init__(self, die_at=None, **limits):
        self.die_at, self.trained, self.limits = die_at, [], limits or {"MAdds": 2.0}

    def costs(self, spec):
        madds = 1.5 + 2e-3 * spec.head.encoder_filters + 3e-3 * spec.head.decoder_filters * len(spec.head.merges)
        return {"MAdds": madds, "parameters": 7.0, "ms": 50 - 0.1 * spec.head.encoder_filters}

    def miou(self, spec):
        if len(self.trained) == self.die_at:
            os._exit(9)
        self.trained.append(spec)
        head = spec.head
        return 0.4 + 0.01 * len(head.bins) + 0.02 * len(head.merges) - 1e-5 * (head.decoder_filters - 70) ** 2


def designs(journal):
    return [(trial.params, trial.values) for trial in search.scored(search.open_study(journal))]


def test_a_killed_search_goes_on_with_the_designs_of_one_that_was_not(tmp_path):
    whole, task = search.open_study(tmp_path / "whole.log"), Cheap()
    search.go_on(whole, task, 24, KNOWN, seed=3, tell=lambda _: None)
    assert len(designs(tmp_path / "whole.log")) == len(task.trained) == 24, "no design is trained twice"
    assert [spec.head for spec in task.trained[:2]] == [spec.head for spec in KNOWN]

    killed = textwrap.dedent(f"""
        import os, sys; sys.path.insert(0, {str(os.path.dirname(__file__))!r})
        from test_search import KNOWN, Cheap, search
        for step in (0, 19):  # while the first known design is trained, and after the sampler began to learn
            if child := os.fork():
                assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
                continue
            study = search.open_study({str(tmp_path / "killed.log")!r})
            search.go_on(study, Cheap(die_at=step), 24, KNOWN, seed=3, tell=lambda _: None)
            os._exit(0)
    """)
    subprocess.run([sys.executable, "-c", killed], check=True)
    resumed = search.open_study(tmp_path / "killed.log")
    assert len(search.scored(resumed)) == 19
    search.go_on(resumed, Cheap(), 24, KNOWN, seed=3, tell=lambda _: None)
    assert designs(tmp_path / "killed.log") == designs(tmp_path / "whole.log")


def test_a_default_that_breaks_the_constraint_is_refused_before_anything_is_tried(tmp_path):
    task = Cheap(MAdds=1.6)
    with pytest.raises(ValueError, match=r"mnmh448-mosaic has 1\.948 B MAdds, more than 1\.6: raise that limit"):
        search.go_on(search.open_study(tmp_path / "trials.log"), task, 3, KNOWN)
    assert not task.trained


def test_what_breaks_the_constraint_is_not_trained_and_the_front_is_of_all_pairs(tmp_path):
    study, task = search.open_study(tmp_path / "trials.log"), Cheap()
    search.go_on(study, task, 20, KNOWN, seed=0, tell=lambda _: None)
    found = search.outcome(study, KNOWN)
    assert found["not_trained"] > 0 and all(row["madds_b"] <= task.limits["MAdds"] for row in found["designs"])
    rows = {row["design"]: row for row in found["designs"]}

    def beaten(row):
        return any(
            other["miou"] >= row["miou"] and other["madds_b"] <= row["madds_b"]
            and (other["miou"], other["madds_b"]) != (row["miou"], row["madds_b"]) for other in rows.values()
        )  # fmt: skip

    kept = {(row["miou"], row["madds_b"]) for row in rows.values() if not beaten(row)}
    assert {(rows[number]["miou"], rows[number]["madds_b"]) for number in found["front"]} == kept
    assert found["known"] == [0, 1] and rows[0]["known"] == "mnmh448-mosaic"
    assert ModelSpec.from_json(found["best"]["default"]["spec"]).head == KNOWN[0].head
    same_cost = found["best"].get("same-cost")
    assert same_cost is None or same_cost["madds_b"] <= rows[0]["madds_b"] or same_cost["design"] in found["front"]
    assert found["importance"]["mIoU"].keys() == search_space.knobs_of(KNOWN[0].head).keys()
    assert found["importance"]["MAdds"]["d"] > found["importance"]["MAdds"]["shared_levels"]


def test_milliseconds_may_be_the_cost_and_a_limit(tmp_path):
    """Of the same journal, in which designs that MAdds judged are another study's."""
    search.go_on(search.open_study(tmp_path / "trials.log"), Cheap(), 3, KNOWN, tell=lambda _: None)
    study, task = search.open_study(tmp_path / "trials.log", "ms"), Cheap(ms=48)
    task.objective = "ms"
    search.go_on(study, task, 18, KNOWN, tell=lambda _: None)
    found = search.outcome(study, KNOWN, "ms")
    assert found["not_trained"] and len(task.trained) == len(found["designs"]) == 18
    assert all(row["predicted_ms"] == 50 - 0.1 * ModelSpec.from_json(row["spec"]).head.encoder_filters <= 48
               for row in found["designs"])  # fmt: skip
    times = [row["predicted_ms"] for number in found["front"] for row in found["designs"] if row["design"] == number]
    assert times == sorted(times) and set(found["importance"]) == {"mIoU", "ms"}


@pytest.mark.parametrize("name", ["mnmh448-mosaic", "mnmh480-mosaic-noskip", "mnmh480-mosaic-skip8c.4s.2s",
                                  "mnmh480-mosaic-nogc", "mnmh480-mosaic-bins1.4.8.16"])  # fmt: skip
def test_the_papers_heads_are_designs_of_the_search(name):
    head = catalogue.get(name).head
    knobs = search_space.knobs_of(head)
    trial = SimpleNamespace(
        number=5, suggest_int=lambda n, *_, **__: knobs[n], suggest_categorical=lambda n, _: knobs[n]
    )
    assert search_space.suggest(trial, KNOWN[0]).head == head


def test_the_line_that_opens_a_design_of_the_published_search_is_that_design():
    """The document's line of Python; and every point of the published front has one."""
    result = json.loads((ROOT / "reports/published/search/runs/search/r4/result.json").read_text(encoding="utf-8"))
    specs = {row["design"]: ModelSpec.from_json(row["spec"]) for row in result["designs"]}
    code = re.findall(r"```python\n(.*?)```", (ROOT / "docs/search.md").read_text(encoding="utf-8"), re.DOTALL)[0]
    made = []
    exec(code.replace("explore.design", "made.append"), {"made": SimpleNamespace(append=lambda **k: made.append(k))})
    number = int(re.search(r"Design (\d+) of the published\s+search", (ROOT / "docs/search.md").read_text())[1])
    opened = Design(**made[0])
    assert replace(opened.spec, name=specs[number].name) == specs[number]
    assert all(of_spec(specs[number], 11, (360, 480)) for number in result["front"])


def test_a_design_is_called_better_only_where_its_interval_says_so():
    def row(name, madds, **more):
        return {"network": name, "madds_b": madds, "difference": 0.012, "difference_interval": [0.001, 0.023],
                "more_accurate": "undecided", "at_most_half_a_point_less": "undecided"} | more  # fmt: skip

    default = {"network": "default", "madds_b": 2.0}
    none = search_page.sentence([default, row("a", 1.0)])
    assert none.startswith("No design is shown to be better") and "a, differs by +1.2 [+0.1, +2.3] points." in none
    better = search_page.sentence([default, row("a", 3.0, more_accurate="yes")])
    assert better == "a is more accurate than the paper's default, by 1.2 [0.1, 2.3] points, at 150 % of its MAdds."
    cheaper = search_page.sentence([default, row("a", 1.0, at_most_half_a_point_less="yes")])
    assert "at 50 % of its MAdds" in cheaper and cheaper.startswith("No design is more accurate")


def test_kernels_of_one_size_see_all_channels_and_three_split_them():
    import keras

    from mosaiclib.models.heads.mosaic import GroupConvolution
    from mosaiclib.models.spec import MosaicHead

    x = keras.Input((8, 8, 12))
    for kernels, seen in (((5,), 12), ((3, 5), 6), ((3, 5, 7), 4)):
        group = GroupConvolution(MosaicHead(encoder_filters=10, kernels=kernels), f"g{len(kernels)}")
        assert group(x).shape[-1] == 10 * len(kernels)
        assert [np.shape(layers[0].kernel)[:3] for layers in group.groups] == [(k, k, seen) for k in kernels]
