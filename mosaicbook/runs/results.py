"""The form of each stage's result.json, for what writes it and what reads it."""

from pydantic import BaseModel, ConfigDict, FiniteFloat, model_validator

from mosaiclib.evaluation.iou import over_classes


class Cell(BaseModel):
    """One number of the paper and ours. The difference, and whether it is within the tolerance, follow from these."""

    model_config = ConfigDict(extra="forbid")
    paper: FiniteFloat | None = None  # None where it prints none
    paper_text: str = ""  # its digits as printed, where they are known
    ours: FiniteFloat | None = None  # measured by `run`; None where nothing was run
    difference: FiniteFloat | None = None  # ours - paper; None where either is, or `other_data` or `apart`
    tolerance: FiniteFloat | None = None  # the largest difference that is one of chance
    within: bool | None = None
    lower: FiniteFloat | None = None  # the ends of the 95 % interval of ours
    upper: FiniteFloat | None = None
    seeds: int | None = None  # of how many trainings ours is the mean
    synthetic: bool = False  # whether ours was measured on synthetic images
    data: str = ""  # what ours was measured on, "cityscapes val": rows compare only on the same
    other_data: bool = False  # whether that is not what the paper measured on
    apart: str = ""  # why else nothing is subtracted, in two or three words
    unit: str = ""
    run: str | None = None  # "stage/row"
    note: str = ""  # one sentence shown below the cell
    command: str = ""  # what fills the cell where it is empty

    @model_validator(mode="after")
    def _subtract(self):
        known = self.paper is not None and self.ours is not None and not (self.other_data or self.apart)
        self.difference = round(self.ours - self.paper, 10) if known else None
        judged = known and self.tolerance is not None
        self.within = abs(self.difference) <= self.tolerance + 1e-9 if judged else None
        return self


class Row(BaseModel):
    """A row as the paper names it, in one line and by its columns, with one cell per column of numbers."""

    model_config = ConfigDict(extra="forbid")
    label: str
    labels: dict[str, str] = {}
    cells: list[Cell | None]


class Table(BaseModel):
    """A table of the paper, measured again: one cell per column in every row; None where it has no meaning there.

    tolerances: {column: what a difference is judged by, told to the reader}. Raises ValidationError (a ValueError)
    where a row is short.
    """

    model_config = ConfigDict(extra="ignore")
    columns: list[str]
    rows: list[Row]
    tolerances: dict[str, str] = {}

    @model_validator(mode="after")
    def _rectangular(self):
        for row in self.rows:
            if len(row.cells) != len(self.columns):
                raise ValueError(f"row '{row.label}' has {len(row.cells)} cells for {len(self.columns)} columns")
        return self


class _Result(BaseModel):
    model_config = ConfigDict(extra="ignore", protected_namespaces=())


class Epoch(_Result):
    """One line of a learning curve."""

    epoch: int
    loss: float | None = None
    val_miou: float | None = None
    over: str = ""


class Training(_Result):
    """result.json of the stage train, as far as the index shows it."""

    model: str
    dataset: str
    synthetic: bool
    seed: int | None = None
    best_val_miou: float | None = None
    kept_val_miou: float | None = None
    history: list[Epoch]

    @property
    def val_miou(self):
        """That of the network which the training left: its best epoch's, or its last one's."""
        return self.best_val_miou if self.kept_val_miou is None else self.kept_val_miou

    @property
    def over(self):
        """How many classes that mean is over where some do not occur in the val split; else ""."""
        return next((epoch.over for epoch in reversed(self.history) if epoch.val_miou is not None), "")


class Evaluation(_Result):
    """result.json of the stage evaluate."""

    model: str
    dataset: str
    synthetic: bool
    split: str
    rule: str
    n_images: int
    input_scale: float = 1.0
    miou: float
    miou_interval: tuple[float, float] | None = None
    pixel_accuracy: float | None = None
    per_class_iou: dict[str, float | None]

    @property
    def over(self):
        """How many classes the mean is over where some do not occur, as `iou.Score.over` has it."""
        return over_classes(self.rule, list(self.per_class_iou.values()))

    @property
    def miou_text(self):
        """In percent with its interval over images: "65.6 [62.1, 67.2]"."""
        from mosaiclib.evaluation import intervals  # imports SciPy

        return intervals.text_of(self.miou, self.miou_interval)


class Heads(_Result):
    """result.json of the stage heads: one network, trained on a frozen backbone, an evaluation per seed."""

    model: str
    dataset: str
    synthetic: bool
    evaluations: list[Evaluation]


class Labels(_Result):
    """result.json of the stage labels: heads trained with a part of the labels, where the run trained any."""

    evaluations: list[Evaluation] = []


class ExportedFile(_Result):
    """One exported file; agreement is the share of pixels with the float network's class."""

    precision: str
    file: str
    size_mb: float | None = None
    pixel_agreement: float | None = None


class Export(_Result):
    """result.json of the stage export."""

    model: str
    synthetic: bool = False
    files: list[ExportedFile]


class Measurement(_Result):
    """One timing, in milliseconds."""

    model: str = ""
    file: str = ""
    runtime: str = ""
    version: str | None = None
    kernels: str | int | bool | None = None
    threads: int | None = None
    verdict: str | None = None
    n: int | None = None
    mean_ms: float | None = None
    median_ms: float | None = None
    p90_ms: float | None = None
    std_ms: float | None = None
    peak_memory_mb: float | None = None


class Latency(_Result):
    """result.json of the stage latency."""

    measurements: list[Measurement]


class Shown(_Result):
    """An image of the first page: file names within the run's folder.

    label_map: the prediction alone, shown in a published report where the photograph may not be.
    """

    title: str
    credit: str = ""
    photo: str
    overlay: str
    label_map: str | None = None
    shareable: bool = False


class LegendEntry(_Result):
    """A class and its colour, 0 to 255."""

    name: str
    rgb: tuple[int, int, int]


class Pictures(_Result):
    """result.json of the stage pictures. skipped: why there is none, or null."""

    skipped: str | bool | None = None
    model: str | None = None
    images: list[Shown] = []
    legend: list[LegendEntry] = []


FORMS = {
    "train": Training,
    "evaluate": Evaluation,
    "heads": Heads,
    "labels": Labels,
    "export": Export,
    "latency": Latency,
    "pictures": Pictures,
    "tables": Table,
}
