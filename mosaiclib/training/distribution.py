"""One training on several devices: each batch is divided among them, and the result is that of one device.

Call `start("all")` before the network is built; everything else stays as it is. What a batch has in common stays in
common: batch norm statistics and the number of valid pixels are taken over the whole batch, not over a device's part.

TensorFlow divides among the devices of one machine (MirroredStrategy), JAX among those of all machines
(keras.distribution.DataParallel). docs/distributed.md says how to start each.
"""

import os

import keras


def start(devices="one"):
    """Divides every batch from now on: "one" device as usual, or "all". Returns the number of devices.

    TensorFlow's "all" are the GPUs of this machine; JAX's are the devices of all processes, each of which finds the
    others by KERAS_DISTRIBUTION_JOB_ADDRESSES, _NUM_PROCESSES and _PROCESS_ID, where these are set. Call it once,
    before any network is built. Raises ValueError for another value or a backend that cannot.
    """
    if devices not in ("one", "all"):
        raise ValueError(f"devices is '{devices}': choose one or all.")
    if devices == "all":
        backends = {"tensorflow": _mirror, "jax": _parallelise}
        backend = keras.backend.backend()
        if backend not in backends:
            raise ValueError(f"The Keras backend {backend} trains on one device here: choose tensorflow or jax.")
        backends[backend]()
    return count()


def device() -> str:
    """What trains, as Keras' backend names it: "1 GPU (NVIDIA A100)" or "CPU"."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        found = tf.config.list_physical_devices("GPU")
        names = [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in found]
    elif keras.backend.backend() == "jax":
        import jax

        names = [each.device_kind for each in jax.local_devices() if each.platform == "gpu"]
    else:
        return keras.backend.backend()
    return f"{len(names)} GPU ({', '.join(sorted(set(names)))})" if names else "CPU"


def _mirror():
    import tensorflow as tf

    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    devices = [device.name for device in tf.config.list_logical_devices(kind)]
    tf.distribute.experimental_set_strategy(tf.distribute.MirroredStrategy(devices))


def _parallelise():
    if "KERAS_DISTRIBUTION_NUM_PROCESSES" in os.environ:
        keras.distribution.initialize()
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))


def count():
    """How many devices share a batch."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.distribute.get_strategy().num_replicas_in_sync
    shared = keras.distribution.distribution()
    return shared.num_model_replicas if shared else 1


def process():
    """(this process, number of processes): (0, 1) but for JAX on several machines. Only process 0 writes files."""
    if keras.backend.backend() == "jax" and keras.distribution.distribution():
        import jax

        return jax.process_index(), jax.process_count()
    return 0, 1


def wait():
    """Returns when all processes have come here."""
    if process()[1] > 1:
        from jax.experimental import multihost_utils

        multihost_utils.sync_global_devices("mosaiclib")


def part_of(batch_size):
    """The slice of a batch that this process reads. Raises ValueError where it cannot be divided among the devices."""
    devices = count()
    if batch_size % devices:
        raise ValueError(
            f"A batch of {batch_size} cannot be divided among {devices} devices: make it a multiple of {devices}."
        )
    index, processes = process()
    size = batch_size // processes
    return slice(index * size, (index + 1) * size)


def prepare(network, loss):
    """Makes a network and its loss see the whole batch, and returns the loss to compile the network with.

    loss: from (labels, predictions) to a scalar, a mean over the batch; where it divides by a number that depends on
    the labels it takes that from `mean_over_devices`.
    """
    devices = count()
    if keras.backend.backend() != "tensorflow" or devices == 1:
        return loss  # JAX computes as if there were one device
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True
    # TensorFlow's replicas add up their gradients, and Keras leaves scalar losses as they are.
    return lambda labels, predictions: loss(labels, predictions) / devices


def mean_over_devices(value):
    """A number computed on each device's part of a batch, averaged over the devices; gradients flow through it."""
    if keras.backend.backend() == "tensorflow" and count() > 1:
        import tensorflow as tf

        replica = tf.distribute.get_replica_context()
        return replica.all_reduce(tf.distribute.ReduceOp.MEAN, value) if replica else value
    return value


def predict(network, batch):
    """`network.predict_on_batch` for a batch of any size; every device computes all of it. Returns numpy."""
    shared = keras.distribution.distribution()
    if shared is None:
        # Each of TensorFlow's replicas returns the whole batch.
        return keras.ops.convert_to_numpy(network.predict_on_batch(batch))[: len(batch)]
    keras.distribution.set_distribution(None)
    try:
        return keras.ops.convert_to_numpy(network.predict_on_batch(batch))
    finally:
        keras.distribution.set_distribution(shared)
