"""Batch norms that keep the statistics they came with, for networks whose released weights have them folded."""

from functools import cache

import keras


class StoredStatistics(keras.layers.Layer):
    """A batch norm that never uses a batch's own statistics; its scale and offset can be trained."""

    def __init__(self, norm):
        super().__init__(name=norm.name)
        self.norm = norm

    def call(self, x):
        return self.norm(x, training=False)


def with_stored_statistics(model, part=""):
    """The same network over the same variables, with `StoredStatistics` in layers whose name begins with `part`."""

    stored = cache(StoredStatistics)  # a layer that pyramid levels share stays shared

    def call(layer, *args, **kwargs):
        if isinstance(layer, keras.layers.BatchNormalization) and layer.name.startswith(part):
            return stored(layer)(*args)
        return layer(*args, **kwargs)

    return keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)
