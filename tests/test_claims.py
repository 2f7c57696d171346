"""The verdicts on the paper's claims, from evaluations that a test has made up."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import readme_findings

from mosaicbook.beyond import heads_compared
from mosaicbook.paper import judgement, relations, results_table, statements
from mosaicbook.runs.provenance import ROOT
from mosaicbook.site import answer
from mosaiclib.evaluation.image_counts import ImageCounts
from mosaiclib.models import catalogue

IMAGES = 30
SKIPS = next(c for c in statements.CLAIMS if c.text.startswith("Skip connections improve a decoder"))
HEADS = statements.CLAIMS[0]
GROUPS = next(c for c in statements.CLAIMS if c.text.startswith("Group convolution is more"))


@pytest.fixture
def profile(tmp_path, monkeypatch):
    """A function that writes an evaluation of a made-up training to the profile "made"."""
    monkeypatch.setenv("MOSAIC_REPORTS", str(tmp_path))
    rng = np.random.default_rng(3)
    hard = rng.uniform(-0.1, 0.1, IMAGES)

    def write(spec, seed, accuracy, training=None, rule="camvid", images=IMAGES, **result):
        hits = rng.binomial(1000, np.clip(accuracy + hard, 0, 1))
        counts = np.stack([hits, 1000 - hits], -1)[:, None]
        kept = ImageCounts(counts, tuple(f"{i:03d}" for i in range(IMAGES)), ("",) * IMAGES, rule)
        run_id = f"evaluate/{spec.name}-{spec.backbone}-{len(list(tmp_path.glob('made/runs/evaluate/*')))}"
        folder = tmp_path / "made" / "runs" / run_id
        folder.mkdir(parents=True)
        kept.save(folder / "image_counts.npz")
        recipe = {"epochs": 10, "seed": seed, "learning_rate": 0.004}
        made = {"seed": seed, "recipe": recipe, "splits": ["train"], "data_fingerprint": "a", "steps": 9, "code": "c",
                "initial_weights_sha256": f"of {spec.backbone}"}  # fmt: skip
        data = {"model": spec.name, "spec": spec.to_json(), "dataset": "camvid", "synthetic": False, "split": "test",
                "rule": rule, "n_images": images, "split_images": IMAGES, "image_size": [360, 480], "input_scale": 1.0,
                "data_fingerprint": "a", "miou": kept.miou(), "per_class_iou": {"all": kept.miou()},
                "image_counts": "image_counts.npz", "training": made | (training or {})}  # fmt: skip
        (folder / "result.json").write_text(json.dumps(data | result))
        (folder / "run.json").write_text(json.dumps({"status": "done"}))

    return write


def _of(claim):
    found, refused = judgement.studies("made")
    return judgement.judge(claim, found, refused)


def _mosaic(**head):
    return catalogue.mosaic(m=448, **head)


def test_a_claim_finds_its_rows_in_print_by_what_they_are():
    compared = [judgement.in_print(claim) for claim in statements.CLAIMS]
    assert all(printed["of"] == max(len(claim.pairs), 3 if claim.pairs[0][0].get("head") and claim.table == 2 else 0)
               for claim, printed in zip(statements.CLAIMS, compared, strict=True))  # fmt: skip
    assert [p["specs"] for p in judgement.in_print(GROUPS)["pairs"]] == [["mnmh480-mosaic", "mnmh480-mosaic-nogc"]]
    narrow, other = _mosaic(skips=""), catalogue.mosaic(m=480)
    pair = ({"merges": "8-C, 4-S"}, {"merges": ""})
    assert relations.is_pair(pair, _mosaic(), narrow) and not relations.is_pair(pair, other, narrow)
    assert not relations.is_pair(pair, replace(_mosaic(), resize="asymmetric"), narrow)
    assert relations.differences(_mosaic(), narrow) == "merges 8-C, 4-S against none"


def test_whole_networks_and_heads_on_frozen_backbones_have_columns_of_their_own(profile):
    """One column of both would put a frozen head with a skip below a whole network without one."""
    for seed in range(3):
        profile(_mosaic(skips=""), seed, 0.6)
        profile(_mosaic(skips=""), seed, 0.4, training={"frozen": "mnmh."})
        profile(_mosaic(skips="8-C"), seed, 0.5, training={"frozen": "mnmh."})
    record = results_table.beside_the_paper(5, "made", "tables/table_5")
    found = {row["labels"]["Merge styles"]: row["cells"] for row in record["rows"]}
    assert record["columns"] == ["mIoU", "mIoU, backbone frozen", "MAdds"]
    whole, frozen, _ = found["-"]
    assert whole["paper"] == 72.62 and whole["ours"] == pytest.approx(60, abs=2) and "frozen" not in whole["note"]
    assert frozen["paper"] is None and frozen["ours"] == pytest.approx(40, abs=2) and "frozen" in frozen["note"]
    assert found["8-C"][0]["ours"] is None and "--tables 5" in found["8-C"][0]["command"]
    assert found["8-C"][1]["ours"] == pytest.approx(50, abs=2) and found["4-S"][1] is None
    assert results_table.beside_the_paper(4, "none", "tables/table_4")["columns"] == ["mIoU", "MAdds"]


def test_networks_that_differ_in_what_is_claimed_get_a_verdict_elsewhere(profile):
    for seed in range(3):
        profile(_mosaic(), seed, 0.70)
        profile(_mosaic(group_convolution=False), seed, 0.65)
    finding = _of(GROUPS)
    assert (finding.verdict, finding.elsewhere) == ("not tested", "yes")
    assert finding.pairs[0]["lower"] > 2 and finding.pairs[0]["seeds"] == [3, 3]
    assert "camvid test" in finding.elsewhere_sentence and "m=448" in finding.elsewhere_sentence
    assert _of(SKIPS).elsewhere == "not tested"


def test_two_backbones_that_disagree_leave_a_claim_undecided(profile):
    for seed in range(3):
        for spec, accuracy in ((_mosaic(), 0.70), (_mosaic(group_convolution=False), 0.65)):
            profile(spec, seed, accuracy)
            profile(replace(spec, backbone="mobilenet_v2"), seed, 1.35 - accuracy)
    assert _of(GROUPS).elsewhere == "undecided"


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"split": "train"}, "trained on the split train"),
        ({"images": 3}, "3 of the 30 images"),
        ({"input_scale": 1.5}, "resized by 1.5"),
        ({"image_size": [720, 960]}, "the image size"),
        ({"rule": "garden"}, "the rule"),
        ({"data_fingerprint": "b"}, "the data"),
        ({"training": {"steps": 8}}, "the steps of training"),
        ({"training": {"code": "d"}}, "the code that trained"),
        ({"training": {"initial_weights_sha256": "x"}}, "the weights that training began with"),
        ({"training": {"recipe": {"epochs": 20}}}, "the recipe"),
        ({"image_counts": "none.npz"}, "counts of each image"),
    ],
)
def test_what_is_not_comparable_is_not_subtracted_and_the_reason_is_given(profile, other, reason):
    for seed in range(3):
        profile(_mosaic(), seed, 0.70)
        profile(_mosaic(group_convolution=False), seed, 0.65, **other)
    finding = _of(GROUPS)
    assert (finding.verdict, finding.elsewhere, finding.pairs) == ("not tested", "not tested", [])
    assert any(reason in sentence for sentence in finding.not_compared)


def test_one_seed_is_no_evidence(profile):
    for seed in range(3):
        profile(_mosaic(), seed, 0.70)
    profile(_mosaic(group_convolution=False), 0, 0.65)
    finding = _of(GROUPS)
    assert finding.elsewhere == "undecided" and "estimate" not in finding.pairs[0]
    assert "1 seed per network, and 3 are needed" in finding.elsewhere_sentence


def test_a_claim_of_many_pairs_is_a_yes_only_with_all_of_them(profile):
    for seed in range(3):
        profile(_mosaic(skips=""), seed, 0.60)
        for skips in ("8-C, 4-S", "4-S", "4-C"):
            profile(_mosaic(skips=skips), seed, 0.70)
    finding = _of(SKIPS)
    assert finding.elsewhere == "undecided" and "4 of 7 were not tested" in finding.elsewhere_sentence
    for seed in range(3):
        for skips in ("8-C", "8-S, 4-S", "8-C, 4-C", "8-C, 4-S, 2-S"):
            profile(_mosaic(skips=skips), seed, 0.70)
    assert _of(SKIPS).elsewhere == "yes"


def test_rates_chosen_among_the_same_ones_may_differ(profile):
    for seed in range(3):
        for head, rate in ((catalogue.get("mnmh448-mdl"), 0.001), (_mosaic(), 0.004)):
            recipe = {"epochs": 10, "seed": seed, "learning_rate": rate}
            profile(head, seed, 0.7 + rate, training={"recipe": recipe, "rates_tried": [0.001, 0.004]})
    assert _of(HEADS).elsewhere == "undecided" and _of(HEADS).pairs[0]["lower"] < 0


def test_the_paper_s_setting_is_its_networks_data_and_recipe(profile):
    recipe = {"epochs": 243, "batch_size": 8, "crop": [769, 769], "optimizer": "sgd"}
    where = {"dataset": "cityscapes", "split": "val", "image_size": [1024, 2048], "data_fingerprint": "a"}
    for seed in range(3):
        for spec, accuracy in ((catalogue.get("mnmh480-mosaic"), 0.7), (catalogue.get("mnmh480-mosaic-nogc"), 0.6)):
            profile(spec, seed, accuracy, training={"recipe": recipe | {"seed": seed}}, **where)
    assert (_of(GROUPS).verdict, _of(GROUPS).elsewhere) == ("yes", "not tested")


def test_networks_trained_alike_stand_side_by_side_with_intervals(profile):
    for seed in range(3):
        profile(_mosaic(), seed, 0.70)
        profile(_mosaic(skips=""), seed, 0.60)
    profile(_mosaic(skips="4-S"), 0, 0.65)
    profile(_mosaic(skips="4-S"), 1, 0.65, split="val")
    best, one, last = heads_compared.networks("made", "test")
    assert [n.spec.name for n in (best, one, last)] == [f"mnmh448-mosaic{end}" for end in ("", "-skip4s", "-noskip")]
    assert best.miou == pytest.approx(np.mean(best.mious)) and best.interval.lower < best.miou < best.interval.upper
    assert "more than chance" in heads_compared.against(best, last) and "1 seed," in heads_compared.against(best, one)
    assert best.row()["mIoU"].count("[") == 1 and one.row()["SD over seeds"] is None


def test_a_script_that_imports_nothing_of_ours_gets_the_same_verdicts(profile, tmp_path):
    for seed in range(3):
        profile(_mosaic(), seed, 0.70)
        profile(_mosaic(group_convolution=False), seed, 0.66)
        profile(_mosaic(skips=""), seed, 0.70)
    found, refused = judgement.studies("made")
    findings = [judgement.judge(claim, found, refused).to_json() for claim in (GROUPS, SKIPS)]
    folder = tmp_path / "made" / "runs" / "claims" / "claims"
    folder.mkdir(parents=True)
    result = {"findings": findings, "studies": [study.to_json() for study in found]}
    (folder / "result.json").write_text(json.dumps(result))
    script = Path(__file__).with_name("recompute.py")
    assert "mosaic" not in script.read_text() and len(script.read_text().splitlines()) <= 50
    run = subprocess.run([sys.executable, script, tmp_path / "made"], capture_output=True, text=True)
    assert run.returncode == 0 and run.stdout.count("\n") == 2, run.stderr
    findings[0]["pairs"][0]["upper"] += 0.2
    (folder / "result.json").write_text(json.dumps(result))
    assert subprocess.run([sys.executable, script, tmp_path / "made"], capture_output=True).returncode


PUBLISHED = ROOT / "reports" / "published" / "camvid-study"


def test_the_published_verdicts_follow_from_the_published_counts():
    run = subprocess.run([sys.executable, Path(__file__).with_name("recompute.py"), PUBLISHED], capture_output=True)
    assert run.returncode == 0, run.stderr.decode()


def test_the_readme_says_what_the_published_study_measured():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme_findings.block() in readme, "python tests/readme_findings.py writes what was found into it"


def test_the_readme_says_what_the_published_fine_tuning_measured():
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    runs = PUBLISHED.with_name("camvid") / "runs"
    plain, enlarged = (
        100 * json.loads((runs / "evaluate" / name / "result.json").read_text())["miou"]
        for name in ("camvid-test", "camvid-test-enlarged")
    )
    assert f"with {plain:.1f} % mIoU on CamVid's test split" in readme
    assert f"{enlarged:.1f} % where it sees the images enlarged" in readme


def test_the_index_shows_the_least_favourable_pair_at_each_place_and_how_many_were_tested():
    def pair(place, position, estimate, relation="more"):
        ends = {"lower": estimate and estimate - 1, "upper": estimate and estimate + 1}
        return {"place": place, "position": position, "of": 2, "relation": relation, "estimate": estimate} | ends

    pairs = [pair("a", 0, 2.0), pair("a", 1, -0.5), pair("b", 1, 0.5), pair("b", 0, None)]
    assert answer.evidence(pairs) == (
        "\N{MINUS SIGN}0.5 [\N{MINUS SIGN}1.5, +0.5] (2 of 2 pairs); +0.5 [\N{MINUS SIGN}0.5, +1.5] (1 of 2 pairs)"
    )
    assert answer.evidence([pair("a", 0, 2.0, "apart"), pair("a", 1, -0.5, "apart")]).startswith("+2.0 [+1.0, +3.0]")
    assert answer.evidence([pair("a", 0, None)]) == ""
