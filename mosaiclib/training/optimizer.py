"""What a recipe makes of Keras' optimizers: the schedule, the decay, averaged weights."""

import keras
from keras import ops

from mosaiclib.models.parts import part_of
from mosaiclib.training import distribution


@keras.saving.register_keras_serializable("mosaiclib")
class PolyDecay(keras.optimizers.schedules.LearningRateSchedule):
    """peak * (1 - step / steps) ** power ("poly", DeepLab), to whose value at warmup_steps the rate first rises from 0.

    As the Model Garden has it: the first step, at a rate of 0, fills the batch norms' statistics alone.
    accumulate: batches a step; Keras asks for the rate by the batch.
    """

    def __init__(self, peak, steps, warmup_steps=0, power=0.9, accumulate=1):
        self.peak, self.steps, self.warmup_steps, self.power = peak, steps, warmup_steps, power
        self.accumulate = accumulate

    def __call__(self, step):
        step = ops.cast(step // self.accumulate, "float32")
        reached = ops.maximum(step, self.warmup_steps)
        rate = self.peak * ops.power(ops.maximum(1 - reached / self.steps, 0.0), self.power)
        return rate * ops.minimum(step / self.warmup_steps, 1.0) if self.warmup_steps else rate

    def get_config(self):
        return vars(self).copy()


def decays(variable):
    """Whether weight decay acts on a variable: on kernels, and on depthwise ones where their part decays them.

    Raises ValueError for a depthwise kernel of a layer that no file declares.
    """
    layer, _, name = variable.path.rpartition("/")
    return name == "kernel" and (".depthwise." not in layer or part_of(layer.split("/")[0]).decays_depthwise)


def compile_network(model, recipe, batches, loss):
    """Gives `model` the recipe's optimizer, decay and batch norms, for a training of so many batches."""
    steps = batches // recipe.accumulate
    schedule = PolyDecay(recipe.learning_rate, steps, recipe.warmup_steps, accumulate=recipe.accumulate)
    averaged = {
        "name": "optimizer",
        "use_ema": recipe.ema > 0,
        # Keras averages after every batch, whether it made a step or not.
        "ema_momentum": recipe.ema ** (1 / recipe.accumulate) if recipe.ema else None,
        "gradient_accumulation_steps": recipe.accumulate if recipe.accumulate > 1 else None,
    }
    if recipe.optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=recipe.weight_decay, **averaged)
        optimizer.exclude_from_weight_decay([v for v in model.trainable_variables if not decays(v)])
    else:
        optimizer = keras.optimizers.SGD(schedule, momentum=0.9, **averaged)
        for variable in filter(decays, model.trainable_variables):
            variable.regularizer = keras.regularizers.L2(recipe.weight_decay / 2)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = recipe.batch_norm_momentum
    # On a CPU, XLA makes TensorFlow's training step five times slower; JAX cannot do without it.
    model.compile(optimizer, distribution.prepare(model, loss), jit_compile=keras.backend.backend() == "jax")
    model.optimizer.build(model.trainable_variables)
