"""How much room the activations of a network take while it runs."""

from keras import layers

from mosaiclib.models.cost import calls

# What an inference engine fuses into the operation before it, or computes where its input stands.
IN_PLACE = (layers.BatchNormalization, layers.Activation, layers.ReLU, layers.PReLU, layers.Dropout)


def peak_activations(model) -> int:
    """The most numbers that tensors hold at once while `model` runs on one picture, call by call in graph order.

    A tensor lives from the call that makes it to the last that reads it; batch norms and activations are
    computed in place. Times 4 it is the bytes of float32, times 1 those of int8. An engine that orders its
    calls otherwise, or works in tiles, needs another amount.
    """
    stands_in = {}  # tensor: the one whose room it takes

    def room(tensor):
        return stands_in.get(id(tensor), id(tensor))

    sizes, last_read = {}, {}
    nodes = calls(model)
    for step, node in enumerate(nodes):
        for tensor in node.input_tensors:
            sizes.setdefault(room(tensor), _numbers(tensor))
            last_read[room(tensor)] = step
        for tensor in node.output_tensors:
            if isinstance(node.operation, IN_PLACE):
                stands_in[id(tensor)] = room(node.input_tensors[0])
            else:
                sizes[id(tensor)] = _numbers(tensor)
    for tensor in model.outputs:
        last_read[room(tensor)] = len(nodes)
    alive = {room(tensor) for tensor in model.inputs}
    peak = sum(sizes[tensor] for tensor in alive)
    for step, node in enumerate(nodes):
        alive |= {room(tensor) for tensor in node.output_tensors}
        peak = max(peak, sum(sizes[tensor] for tensor in alive))
        alive = {tensor for tensor in alive if last_read.get(tensor, -1) > step}
    return peak


def _numbers(tensor):
    total = 1
    for side in tensor.shape[1:]:
        total *= side
    return total
