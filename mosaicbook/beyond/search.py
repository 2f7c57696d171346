"""A search over MOSAIC's heads on one frozen backbone: Optuna proposes, a short training on stored taps scores.

Two objectives: val mIoU, as high as can be, and the cost of the whole network, as low as can be: its multiply-adds, or
milliseconds predicted from layers that were measured on this machine.
"""

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
from mosaiclib.latency.host import layer_times
from mosaiclib.latency.layer_rates import LayerRates
from mosaiclib.models.spec import ModelSpec
from mosaiclib.training import frozen

COSTS = {"MAdds": "B MAdds", "parameters": "M parameters", "ms": "ms"}  # {cost: its unit}
STARTUP = 16  # designs drawn at random before the sampler learns from what it saw
MOST_TRIALS = 4  # times the designs asked for; a sampler that repeats itself ends here


# === Trials ===


@dataclass(frozen=True)
class Task:
    """What a design is scored by.

    base: the spec whose head is replaced. stored, held: taps of the training views and of the split to score on.
    recipe: of the heads. classes: how many. rule: of the IoU. input_size: (height, width) at which cost is counted.
    limits: {one of COSTS: the most that a design may have}. objective: that of COSTS which is to be low. rates: of this
    machine, which predict milliseconds, where the objective or a limit is of these.
    """

    base: object
    stored: object
    held: object
    recipe: object
    classes: int
    rule: str
    input_size: tuple[int, int]
    limits: dict[str, float]
    objective: str = "MAdds"
    rates: LayerRates | None = None

    def costs(self, spec) -> dict[str, float]:
        """{one of COSTS: that of the whole network}. Raises ValueError where the spec cannot be built."""
        counted = models.cost(spec, self.input_size, self.classes)
        costs = {"MAdds": counted.tflite_madds / 1e9, "parameters": counted.params / 1e6}
        return costs | ({"ms": self.rates.milliseconds(counted)} if self.rates else {})

    def miou(self, spec) -> float:
        """mIoU, 0..1, on the held-out images after a training of the head alone, of which nothing stays in memory."""
        miou = self._trained(spec)
        keras.backend.clear_session()  # which collects, too
        return miou

    def _trained(self, spec):
        trainer = frozen.HeadTrainer(spec, self.stored, self.classes, self.recipe)
        trainer.train(self.recipe.seed)
        matrix = evaluation.ConfusionMatrix(self.classes)
        for label, predicted in trainer.class_maps(self.held):
            matrix.update(label, predicted)
        return evaluation.score(matrix, self.rule).miou


def open_study(journal, objective="MAdds") -> optuna.Study:
    """The study in a journal file, made where there is none; several processes may share one.

    objective: what a design costs. A journal keeps studies of different ones apart.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    Path(journal).parent.mkdir(parents=True, exist_ok=True)
    storage = JournalStorage(JournalFileBackend(str(journal)))
    name = "search" if objective == "MAdds" else f"search by {objective}"
    return optuna.create_study(
        storage=storage, study_name=name, directions=["maximize", "minimize"], load_if_exists=True
    )


def go_on(study, task, designs, known=(), seed=0, tell=print):
    """Tries designs until `designs` different ones are scored; a killed search goes on with the same designs.

    known: specs that are scored first. One that breaks a limit is not trained, one that was scored before is not
    trained again. Raises ValueError where a known one breaks a limit.
    """
    for spec in known:
        if broken := _broken(task.costs(replace(task.base, head=spec.head)), task.limits):
            raise ValueError(f"{spec.name} has {broken}: raise that limit, or leave it out of known.")
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
        costs = task.costs(spec)
    except ValueError as error:  # a pyramid with more bins than the feature map has positions
        tell(f"design {trial.number} cannot be built: {error}")
        study.tell(trial, state=TrialState.PRUNED)
        return
    for name, value in {"spec": spec.to_json(), "costs": costs}.items():
        trial.set_user_attr(name, value)
    for name, most in task.limits.items():
        trial.set_constraint(name, costs[name] - most)
    if broken := _broken(costs, task.limits):
        tell(f"design {trial.number}: {broken}: not trained")
        study.tell(trial, state=TrialState.PRUNED)
        return
    before = next((t for t in scored(study) if t.params == trial.params), None)
    miou = before.values[0] if before else task.miou(spec)
    study.tell(trial, [miou, costs[task.objective]])
    shown = f"{costs[task.objective]:.3f} {COSTS[task.objective]}"
    tell(f"design {trial.number}: mIoU {100 * miou:.1f} %, {shown}, {describe(spec.head)}")


def _broken(costs, limits):
    """The limits that costs break, in words; "" where there is none."""
    return " and ".join(
        f"{costs[name]:.3f} {COSTS[name]}, more than {most:g}"
        for name, most in limits.items() if costs[name] > most
    )  # fmt: skip


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
    miou, cost = default.values
    ranked = sorted(front(trials), key=lambda trial: -trial.values[0])
    ways = {
        "accurate": ranked,
        "same-cost": [trial for trial in ranked if trial.values[1] <= cost],
        "cheap": sorted((t for t in ranked if t.values[0] >= miou), key=lambda trial: trial.values[1]),
    }
    chosen = {}
    for way, candidates in ways.items():
        taken = [default.number, *(trial.number for trial in chosen.values())]
        left = [trial for trial in [*candidates, *ranked] if trial.number not in taken]
        if left:
            chosen[way] = left[0]
    return chosen


def importance(study, objective="MAdds") -> dict:
    """{"mIoU" or the objective: {knob: share of its variance, 0..1}}, most important first.

    By PED-ANOVA (Watanabe et al. 2023). {} for fewer designs than were drawn at random.
    """
    if len(scored(study)) < STARTUP:
        return {}
    judge = optuna.importance.PedAnovaImportanceEvaluator()
    lower_is_better = {"mIoU": lambda trial: -trial.values[0], objective: lambda trial: trial.values[1]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says once more that lower has to be better
        return {
            name: optuna.importance.get_param_importances(study, evaluator=judge, target=target)
            for name, target in lower_is_better.items()
        }


def as_row(trial) -> dict:
    """A trial as plain data for result.json."""
    spec, costs = ModelSpec.from_json(trial.user_attrs["spec"]), trial.user_attrs["costs"]
    row = {"design": trial.number, "miou": trial.values[0], "madds_b": round(costs["MAdds"], 4),
           "params": round(1e6 * costs["parameters"]), "head": describe(spec.head), "spec": spec.to_json()}  # fmt: skip
    return row | ({"predicted_ms": costs["ms"]} if "ms" in costs else {})


def base_spec(weights):
    """The backbone of a weights folder under the paper's default head."""
    return frozen_study.spec_on("mnmh448-mosaic", weights)


def measured_ms(found, task, folder) -> dict[int, float]:
    """{design: milliseconds} of the front's designs, timed here by turns; {} without rates. found: `outcome`'s."""
    rows = [row for row in found["designs"] if row["design"] in found["front"] and task.rates]
    specs = [ModelSpec.from_json(row["spec"]) for row in rows]
    times = layer_times.times(specs, task.input_size, task.classes, folder)
    return {row["design"]: ms for row, ms in zip(rows, times, strict=True)}


def outcome(study, known, objective="MAdds") -> dict:
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
        "objective": objective,
        "designs": rows,
        "front": [trial.number for trial in front(trials)],
        "known": [row["design"] for row in rows if "known" in row],
        "best": {role: named_rows[trial.number] for role, trial in chosen.items()},
        "importance": importance(study, objective),
        "not_trained": len(study.get_trials(deepcopy=False, states=(TrialState.PRUNED,))),
    }
