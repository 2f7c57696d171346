"""The networks, as functional Keras graphs: `build` makes one, `save` and `load` keep its weights.

What the stub beside this file lists is imported when it is first used: names and specs of networks need no Keras.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
