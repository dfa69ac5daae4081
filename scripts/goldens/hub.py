"""The layers of KerasHub that this project has, imported one by one, since the package as a whole wants TensorFlow for
its texts; and the names of what they hold."""

import importlib.util
import pathlib
import sys
import types

from common import keras

_root = pathlib.Path(importlib.util.find_spec("keras_hub").origin).parent
# Packages whose own modules would import everything.
for _name in ("", ".src", ".src.layers", ".src.layers.modeling", ".src.utils", ".src.vllm"):
    _package = types.ModuleType(f"keras_hub{_name}")
    _package.__path__ = [str(_root.joinpath(*_name.split(".")[1:]))]
    sys.modules[_package.__name__] = _package

from keras_hub.src.layers.modeling.position_embedding import PositionEmbedding
from keras_hub.src.layers.modeling.reversible_embedding import ReversibleEmbedding
from keras_hub.src.layers.modeling.rotary_embedding import RotaryEmbedding
from keras_hub.src.layers.modeling.sine_position_encoding import SinePositionEncoding
from keras_hub.src.layers.modeling.token_and_position_embedding import TokenAndPositionEmbedding
from keras_hub.src.layers.modeling.transformer_decoder import TransformerDecoder
from keras_hub.src.layers.modeling.transformer_encoder import TransformerEncoder
from keras_hub.src.utils.keras_utils import gelu_approximate


def names_of(layer, prefix=""):
    """The names of a layer's variables by identity, behind the attributes under which files have the layers inside."""
    names = {id(v): f"{prefix}{v.name}" for v in layer._trainable_variables + layer._non_trainable_variables}
    # As in files: public names first.
    for attribute in sorted(dir(layer), key=lambda name: (name.startswith("_"), name)):
        inside = getattr(type(layer), attribute, None)
        if attribute.startswith("__") or not (inside is None or isinstance(inside, property)):
            continue
        try:
            inside = getattr(layer, attribute)
        except Exception:
            continue
        if isinstance(inside, keras.Layer) and inside is not layer:
            for variable, name in names_of(inside, f"{prefix}{attribute}/").items():
                names.setdefault(variable, name)
    return names
