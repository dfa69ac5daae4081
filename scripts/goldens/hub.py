"""The layers of KerasHub that this project has, imported one by one: the package as a whole wants TensorFlow for its texts."""

import importlib.util
import pathlib
import sys
import types

import common  # noqa: F401, which fixes the backend

_root = pathlib.Path(importlib.util.find_spec("keras_hub").origin).parent
# Packages whose own modules would import everything.
for _name in ("", ".src", ".src.layers", ".src.layers.modeling", ".src.vllm"):
    _package = types.ModuleType(f"keras_hub{_name}")
    _package.__path__ = [str(_root.joinpath(*_name.split(".")[1:]))]
    sys.modules[_package.__name__] = _package

from keras_hub.src.layers.modeling.transformer_decoder import TransformerDecoder
from keras_hub.src.layers.modeling.transformer_encoder import TransformerEncoder
