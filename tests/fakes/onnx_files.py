"""Tiny ONNX files as ``affectzoo export`` writes them, made without its slow exporter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx.helper
import onnx.parser

from affectzoo.export.described import Export
from affectzoo.faces.preprocess import Preprocess
from affectzoo.weights import WeightsMeta

LABELS = ("calm", "glad", "sad")
SIZE = 8

# Class scores are twice, once and no time the mean brightness in 0..1; the recurrent one adds its states up.
_GRAPH = """
<ir_version: 10, opset_import: ["" : 20]>
fake (uint8[faces, {channels}, {size}, {size}] pixels{inputs})
  => (float[faces, 3] logits, float[faces, 3] probabilities{outputs})
<float[1, 3] weights = {{2, 1, 0}}, float white = {{255}}, int64[3] axes = {{1, 2, 3}},
 int64[1] last = {{1}}, int64[2] three = {{1, 2}}>
{{
  values = Cast <to = 1> (pixels)
  shares = Div (values, white)
  bright = ReduceMean <keepdims = 0> (shares, axes)
  column = Unsqueeze (bright, last)
  {more}
  logits = MatMul ({last}, weights)
  probabilities = Softmax <axis = 1> (logits)
}}
"""


def write_onnx(path: Path, *, sequence: bool = False, landmarks: bool = False, **texts: str) -> Path:
    """Write a file.

    Args:
        path: Where to.
        sequence: Whether it is recurrent.
        landmarks: Whether it takes 68 landmarks, whose mean is added to the scores.
        **texts: What it shall say of itself instead, by name, dots as underscores.
    """
    inputs = ", float[faces, 68, 2] landmarks" * landmarks + ", float[faces, 1, 1] state" * sequence
    more, last = "", "column"
    if landmarks:
        more += "middle = ReduceMean <keepdims = 0> (landmarks, three)\n joined = Unsqueeze (middle, last)\n"
        more += f"summed = Add ({last}, joined)\n"
        last = "summed"
    if sequence:
        more += f"grown = Unsqueeze ({last}, last)\n next_state = Add (grown, state)\n"
        more += "after = Squeeze (next_state, last)\n"
        last = "after"
    outputs = ", float[faces, 1, 1] next_state" * sequence
    text = _GRAPH.format(channels=1, size=SIZE, inputs=inputs, outputs=outputs, more=more, last=last)
    model = onnx.parser.parse_model(text)
    meta = WeightsMeta(
        "cnn_gru" if sequence else "dlp_cnn_s",
        LABELS,
        Preprocess(size=SIZE, color="gray"),
        {"landmarks": True} if landmarks else {},
        sequence=sequence,
    )
    inputs_of_test: dict[str, Any] = {"pixels": np.full((1, 1, SIZE, SIZE), 51, np.uint8)}
    mean = 0.2
    if landmarks:
        inputs_of_test["landmarks"] = np.full((1, 68, 2), 0.1, np.float32)
        mean += 0.1
    logits = np.array([[2 * mean, mean, 0]], np.float32)
    answers = {"logits": logits, "probabilities": np.exp(logits) / np.exp(logits).sum()}
    told = Export(meta).to_texts(inputs_of_test, answers)
    told |= {name.replace("_", "."): value for name, value in texts.items()}
    onnx.helper.set_model_props(model, {name: value for name, value in told.items() if value})
    path.write_bytes(model.SerializeToString())
    return path
