"""A search over MOSAIC's heads on one frozen backbone: Optuna proposes, a short training on stored taps scores.

Two objectives: val mIoU, as high as can be, and the multiply-adds of the whole network, as low as can be.
"""

import gc
import os
import socket
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import optuna
import psutil
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from mosaicbook.beyond import frozen_study
from mosaicbook.beyond.search_space import describe, knobs_of, suggest
from mosaiclib import evaluation, models
from mosaiclib.evaluation.front import unbeaten
from mosaiclib.models.spec import ModelSpec
from mosaiclib.training import frozen

STARTUP = 16  # designs drawn at random before the sampler learns from what it saw
MOST_TRIALS = 4  # times the designs asked for; a sampler that repeats itself ends here


# === Trials ===


@dataclass(frozen=True)
class Task:
    """What a design is scored by.

    base: the spec whose head is replaced. stored, held: taps of the training views and of the split to score on.
    recipe: of the heads. classes: how many. rule: of the IoU. input_size: (height, width) at which cost is counted.
    most_madds_b: the constraint, billions of multiply-adds of the whole network.
    """

    base: object
    stored: object
    held: object
    recipe: object
    classes: int
    rule: str
    input_size: tuple[int, int]
    most_madds_b: float

    def cost(self, spec):
        """The cost of the whole network of a spec."""
        return models.cost(spec, self.input_size, self.classes)

    def miou(self, spec) -> float:
        """mIoU, 0..1, on the held-out images after a training of the head alone."""
        trainer = frozen.HeadTrainer(spec, self.stored, self.classes, self.recipe)
        trainer.train(self.recipe.seed)
        matrix = evaluation.ConfusionMatrix(self.classes)
        for label, predicted in trainer.class_maps(self.held):
            matrix.update(label, predicted)
        return evaluation.score(matrix, self.rule).miou


def open_study(journal) -> optuna.Study:
    """The study in a journal file, made where there is none; several processes may share one."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    Path(journal).parent.mkdir(parents=True, exist_ok=True)
    storage = JournalStorage(JournalFileBackend(str(journal)))
    return optuna.create_study(
        storage=storage, study_name="search", directions=["maximize", "minimize"], load_if_exists=True
    )


def go_on(study, task, designs, known=(), seed=0, tell=print):
    """Tries designs until `designs` different ones are scored; a killed search goes on with the same designs.

    known: specs that are scored first. One that breaks the constraint is not trained, one that was scored before is
    not trained again. Raises ValueError where a known one breaks the constraint.
    """
    for spec in known:
        madds_b = task.cost(replace(task.base, head=spec.head)).tflite_madds / 1e9
        if madds_b > task.most_madds_b:
            raise ValueError(
                f"{spec.name} has {madds_b:.3f} B MAdds here, more than the constraint of {task.most_madds_b:g}: "
                f"raise most_madds_b, or leave it out of known."
            )
    _forget_dead(study)
    for _ in range(MOST_TRIALS * designs):
        if len(scored(study)) >= designs:
            return
        finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        tried = [trial.params for trial in finished]
        first = next((knobs for knobs in map(knobs_of, (spec.head for spec in known)) if knobs not in tried), None)
        if first:
            study.enqueue_trial(first)
        study.sampler = optuna.samplers.TPESampler(
            seed=seed + len(finished), n_startup_trials=STARTUP, multivariate=True, constant_liar=True
        )
        _try(study, study.ask(), task, tell)


def _try(study, trial, task, tell):
    trial.set_user_attr("process", _process(os.getpid()))
    spec = suggest(trial, task.base)
    try:
        cost = task.cost(spec)
    except ValueError as error:  # a pyramid with more bins than the feature map has positions
        tell(f"design {trial.number} cannot be built: {error}")
        study.tell(trial, state=TrialState.PRUNED)
        return
    madds_b = cost.tflite_madds / 1e9
    for name, value in {"spec": spec.to_json(), "params": cost.params}.items():
        trial.set_user_attr(name, value)
    trial.set_constraint("MAdds", madds_b - task.most_madds_b)
    if madds_b > task.most_madds_b:
        tell(f"design {trial.number}: {madds_b:.3f} B MAdds, more than {task.most_madds_b:g}: not trained")
        study.tell(trial, state=TrialState.PRUNED)
        return
    before = next((t for t in scored(study) if t.params == trial.params), None)
    miou = before.values[0] if before else task.miou(spec)
    study.tell(trial, [miou, madds_b])
    keras.backend.clear_session()
    gc.collect()
    tell(f"design {trial.number}: mIoU {100 * miou:.1f} %, {madds_b:.3f} B MAdds, {describe(spec.head)}")


def _process(pid):
    return f"{socket.gethostname()} {pid} {psutil.Process(pid).create_time():.0f}"


def _forget_dead(study):
    """Fails the trials that a killed process of this machine left running: their designs are proposed again."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        host, pid, _ = str(trial.user_attrs.get("process", "? 0 0")).split()
        if host == socket.gethostname() and not (
            psutil.pid_exists(int(pid)) and _process(int(pid)) == trial.user_attrs["process"]
        ):
            study.tell(trial.number, state=TrialState.FAIL)


# === Results ===


def scored(study) -> list:
    """The scored trials, each design once, in order."""
    seen = {}
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        seen.setdefault(str(sorted(trial.params.items())), trial)
    return list(seen.values())


def front(trials) -> list:
    """Those that no other beats in both mIoU and cost, cheapest first."""
    return unbeaten(trials, lambda trial: trial.values[1], lambda trial: trial.values[0])


def best(trials, default) -> dict:
    """{what it is best at: trial}: three of the front that are tried again, with the paper's default beside them.

    default: the trial of the paper's own design. Where two are one design, the next of the front takes its place.
    """
    miou, madds = default.values
    ranked = sorted(front(trials), key=lambda trial: -trial.values[0])
    ways = {
        "accurate": ranked,
        "same-cost": [trial for trial in ranked if trial.values[1] <= madds],
        "cheap": sorted((t for t in ranked if t.values[0] >= miou), key=lambda trial: trial.values[1]),
    }
    chosen = {}
    for way, candidates in ways.items():
        taken = [default.number, *(trial.number for trial in chosen.values())]
        left = [trial for trial in [*candidates, *ranked] if trial.number not in taken]
        if left:
            chosen[way] = left[0]
    return chosen


def importance(study) -> dict:
    """{objective: {knob: share of its variance, 0..1}} by PED-ANOVA (Watanabe et al. 2023), most important first.

    {} for fewer designs than were drawn at random.
    """
    if len(scored(study)) < STARTUP:
        return {}
    judge = optuna.importance.PedAnovaImportanceEvaluator()
    lower_is_better = {"mIoU": lambda trial: -trial.values[0], "MAdds": lambda trial: trial.values[1]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says once more that lower has to be better
        return {
            name: optuna.importance.get_param_importances(study, evaluator=judge, target=target)
            for name, target in lower_is_better.items()
        }


def as_row(trial) -> dict:
    """A trial as plain data for result.json."""
    spec = ModelSpec.from_json(trial.user_attrs["spec"])
    return {"design": trial.number, "miou": trial.values[0], "madds_b": round(trial.values[1], 4),
            "params": trial.user_attrs["params"], "head": describe(spec.head), "spec": spec.to_json()}  # fmt: skip


def base_spec(weights):
    """The backbone of a weights folder under the paper's default head."""
    return frozen_study.spec_on("mnmh448-mosaic", weights)


def outcome(study, known) -> dict:
    """What a search found, as plain data. known: specs; the first is the default that others are compared with."""
    trials = scored(study)
    named = {str(sorted(knobs_of(spec.head).items())): spec.name for spec in known}
    rows = []
    for trial in trials:
        name = named.get(str(sorted(trial.params.items())))
        rows.append(as_row(trial) | ({"known": name} if name else {}))
    by_knobs = {str(sorted(trial.params.items())): trial for trial in trials}
    default = by_knobs[str(sorted(knobs_of(known[0].head).items()))]
    chosen = {"default": default, **best(trials, default)}
    named_rows = {row["design"]: row for row in rows}
    return {
        "designs": rows,
        "front": [trial.number for trial in front(trials)],
        "known": [row["design"] for row in rows if "known" in row],
        "best": {role: named_rows[trial.number] for role, trial in chosen.items()},
        "importance": importance(study),
        "not_trained": len(study.get_trials(deepcopy=False, states=(TrialState.PRUNED,))),
    }
