"""How a training goes on, in one line: it updates on a terminal and in JupyterLab, elsewhere there is one an epoch."""

import os
import sys
import time

import keras
from tqdm import tqdm


class TrainingLine(keras.callbacks.Callback):
    """Shows epoch, images a second, loss, the metric and the time left: pass it to `training.train` as `report`.

    batch_size: of a step. name, label: of the metric, in the record and as it is shown. live: whether the line is
    written over; None finds out. A log file, a papermill notebook and a batch get one line an epoch and no more.
    """

    def __init__(self, batch_size, name="val_miou", label="val mIoU", live=None, file=None):
        super().__init__()
        self.batch_size, self.name, self.label, self.file = batch_size, name, label, file or sys.stdout
        self.live = _is_live(self.file) if live is None else live
        self._bar, self._metric = None, ""

    def on_epoch_begin(self, epoch, logs=None):
        steps = self.params["steps"]
        if self.live and self._bar is None:
            # Averaged over the whole training, so that the time left has its share of validation.
            self._bar = tqdm(
                total=self.params["epochs"] * steps, initial=epoch * steps, file=self.file, smoothing=0,
                bar_format="{desc} |{bar}| {remaining} left", mininterval=0.2,
                ncols=None if self.file.isatty() else 90,
            )  # fmt: skip
        self._epoch, self._started = epoch, time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        if self._bar is not None and self._bar.update():
            rate = (batch + 1) * self.batch_size / (time.perf_counter() - self._started)
            self._show(f"{rate:.1f} images/s  loss {float(logs['loss']):.3f}")

    def __call__(self, record):
        """Takes in the record of an epoch that has ended."""
        if record[self.name] is not None:
            self._metric = f"  {self.label} {100 * record[self.name]:.2f} %{record.get('over', '')}"
        text = f"{record['images_per_s']:.1f} images/s  loss {record['loss']:.3f}"
        if self._bar is not None:
            self._show(text)
        else:
            metric = self._metric if record[self.name] is not None else ""
            print(self._line(text, metric), file=self.file, flush=True)

    def _show(self, text):
        self._bar.set_description_str(self._line(text, self._metric))

    def _line(self, text, metric):
        return f"epoch {self._epoch + 1:3d}/{self.params['epochs']}  {text}{metric}"

    def on_train_end(self, logs=None):
        if self._bar is not None:
            self._bar.close()


def _is_live(file):
    if os.environ.get("MOSAIC_RUN_FOLDER"):  # a run of a batch
        return False
    # Jupyter's server names the notebook to kernels that it starts for a reader; papermill and nbconvert do not.
    return file.isatty() or ("ipykernel" in sys.modules and "JPY_SESSION_NAME" in os.environ)
