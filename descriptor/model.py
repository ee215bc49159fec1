"""The copy descriptor's network, and its export to ONNX without any converter.

The network is equivariant under the eight orientations of a square (a p4m group convolution network, arXiv 1602.07576):
every kernel is learnt once and used in eight orientations, and pooling over place *and* orientation leaves a descriptor
that is the same for a picture and its mirror images and quarter turns. Exported, it is an ordinary convolutional network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import keras
import numpy as np
import onnx
import tensorflow as tf
from keras import layers
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import DTypeLike, NDArray

__all__ = ["DIMENSIONS", "SIZE", "build", "export"]

SIZE: Final = 64
"""Side of the input in pixels."""
DIMENSIONS: Final = 128
"""Length of a descriptor."""
ORIENTATIONS: Final = 8
STEM: Final = 2
"""Features after the stem, 32 pixels a side. A feature is ``ORIENTATIONS`` channels."""
STAGES: Final = ((6, 1), (12, 2), (24, 2))
"""Features and residual blocks of each stage; 16, 8 and 4 pixels a side."""
POOLED: Final = {2: 48, 3: 96}
"""Features that are pooled from a stage."""
OPSET: Final = 17

_GEM_FLOOR: Final = 1e-6
_NORM_FLOOR: Final = 1e-3


def _turned(orientation: int, square: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a square array in one of the eight orientations; 0 leaves it as it is."""
    return np.rot90(square.T if orientation >= 4 else square, orientation % 4)  # noqa: PLR2004


def _products() -> NDArray[np.int64]:
    """Return the group's table: entry (g, h) is the orientation g⁻¹h."""
    probe = np.arange(9).reshape(3, 3)
    index = {_turned(g, probe).tobytes(): g for g in range(ORIENTATIONS)}
    everyone = range(ORIENTATIONS)
    table = np.array([[index[_turned(g, _turned(h, probe)).tobytes()] for h in everyone] for g in everyone])
    inverse = np.argmin(table, axis=1)  # gh = 0, the identity
    return table[inverse]


class GroupConvolution(layers.Layer):
    """Convolution whose kernel is used in eight orientations, then batch normalisation by feature.

    Channels are ordered by orientation, then by feature. Inputs have three plain channels (``lift``) or those of a
    group convolution.
    """

    def __init__(
        self, features: int, size: int, *, lift: bool = False, strides: int = 1, activate: bool = True, name: str
    ) -> None:
        """Make the layer: ``features`` × 8 channels out, kernels of ``size`` × ``size``."""
        super().__init__(name=name)
        self.features, self.size, self.lift, self.strides, self.activate = features, size, lift, strides, activate

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the weights."""
        views = 1 if self.lift else ORIENTATIONS
        channels = shape[-1] // views
        spread = (2.0 / (self.size**2 * shape[-1])) ** 0.5
        self.base = self.add_weight(
            shape=(self.size**2 * views, channels, self.features),
            initializer=keras.initializers.RandomNormal(stddev=spread),
            name="base",
        )
        places = np.arange(self.size**2).reshape(self.size, self.size)
        source = [_turned(g, places).reshape(-1, 1) * views + ([0] if self.lift else _products()[g]) for g in range(ORIENTATIONS)]
        self.source = tf.constant(np.stack(source).reshape(ORIENTATIONS, -1))
        self.shape6 = (ORIENTATIONS, self.size, self.size, views, channels, self.features)
        self.gamma = self.add_weight(shape=(self.features,), initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=(self.features,), initializer="zeros", name="beta")
        self.mean = self.add_weight(shape=(self.features,), initializer="zeros", trainable=False, name="mean")
        self.variance = self.add_weight(shape=(self.features,), initializer="ones", trainable=False, name="variance")

    def kernel(self) -> tf.Tensor:
        """Return the kernel of the ordinary convolution that this is, shape (size, size, channels in, channels out)."""
        turned = tf.reshape(tf.gather(tf.convert_to_tensor(self.base), self.source), self.shape6)
        k, views, channels = self.size, self.shape6[3], self.shape6[4]
        return tf.reshape(tf.transpose(turned, (1, 2, 3, 4, 0, 5)), (k, k, views * channels, ORIENTATIONS * self.features))

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:  # noqa: FBT001, FBT002 - Keras's signature
        """Convolve, normalise, and cut off what is negative."""
        x = tf.nn.conv2d(inputs, self.kernel(), self.strides, "SAME")
        gamma, beta, mean, variance = (
            tf.tile(tf.convert_to_tensor(v), [ORIENTATIONS]) for v in (self.gamma, self.beta, self.mean, self.variance)
        )
        if training:
            x, seen_mean, seen_variance = tf.compat.v1.nn.fused_batch_norm(x, gamma, beta, epsilon=_NORM_FLOOR)
            for kept, seen in ((self.mean, seen_mean), (self.variance, seen_variance)):
                by_feature = tf.reduce_mean(tf.reshape(seen, (ORIENTATIONS, -1)), axis=0)
                kept.assign(kept + 0.03 * (by_feature - kept))
        else:
            x = tf.nn.batch_normalization(x, mean, variance, beta, gamma, _NORM_FLOOR)
        return tf.nn.relu(x) if self.activate else x

    def folded(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return kernel and bias with the normalisation in them."""
        scale = np.asarray(self.gamma) / np.sqrt(np.asarray(self.variance) + _NORM_FLOOR)
        bias = np.asarray(self.beta) - np.asarray(self.mean) * scale
        return np.asarray(self.kernel()) * np.tile(scale, ORIENTATIONS), np.tile(bias, ORIENTATIONS)


class GeneralisedMean(layers.Layer):
    """The cube root of each feature's mean cube over places and orientations (GeM pooling, p = 3, arXiv 1711.02512)."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Pool (n, h, w, 8 × features), not negative, to (n, features)."""
        cubes = tf.reduce_mean(inputs * inputs * inputs, axis=(1, 2))
        cubes = tf.reduce_mean(tf.reshape(cubes, (-1, ORIENTATIONS, inputs.shape[-1] // ORIENTATIONS)), axis=1)
        return tf.pow(cubes + _GEM_FLOOR, 1.0 / 3.0)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of what :meth:`call` returns."""
        return shape[0], shape[-1] // ORIENTATIONS


def build() -> keras.Model:
    """Return the network: (n, SIZE, SIZE, 3), 0 to 1 → (n, DIMENSIONS), not yet normalised to length 1.

    Kernels that halve a picture are 4 × 4, or 3 × 3 after averaging 2 × 2: either lies the same way seen from each side.
    """
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Rescaling(4.0, -2.0)(inputs)
    x = GroupConvolution(STEM, 4, lift=True, strides=2, name="stem")(x)
    pooled = []
    for stage, (features, blocks) in enumerate(STAGES, start=1):
        if stage == 1:
            x = GroupConvolution(features, 4, strides=2, name="down1")(x)
        else:
            x = GroupConvolution(features, 3, name=f"down{stage}")(layers.AveragePooling2D(2)(x))
        for block in range(blocks):
            name = f"stage{stage}_block{block}"
            y = GroupConvolution(features // 2, 1, name=f"{name}_in")(x)
            y = GroupConvolution(features // 2, 3, name=f"{name}_mid")(y)
            y = GroupConvolution(features, 1, activate=False, name=f"{name}_out")(y)
            x = layers.ReLU()(layers.Add()([x, y]))
        if stage in POOLED:
            y = GroupConvolution(POOLED[stage], 1, name=f"wide{stage}")(x)
            pooled.append(GeneralisedMean(name=f"pool{stage}")(y))
    x = layers.BatchNormalization(momentum=0.97, epsilon=1e-5, name="head_norm")(layers.Concatenate()(pooled))
    return keras.Model(inputs, layers.Dense(DIMENSIONS, name="head")(x), name="copy_descriptor")


# --------------------------------------------------------------------------------------------- export


class _Graph:
    """Collects the nodes and weights of an ONNX graph."""

    def __init__(self, model: keras.Model, dtype: DTypeLike) -> None:
        self.model, self.dtype = model, np.dtype(dtype)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, operator: str, inputs: Sequence[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=output, **attributes))
        return output

    def constant(self, name: str, values: NDArray[np.generic]) -> str:
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def weight(self, name: str, values: NDArray[np.float32]) -> str:
        """Store learnt numbers in the chosen precision; they are computed with in float32."""
        if self.dtype == np.float32:
            return self.constant(name, values.astype(np.float32))
        return self.add("Cast", [self.constant(f"{name}_stored", values.astype(self.dtype))], name, to=TensorProto.FLOAT)

    def convolution(self, x: str, name: str) -> str:
        layer = self.model.get_layer(name)
        kernel, bias = layer.folded()
        inputs = [x, self.weight(f"{name}_kernel", kernel.transpose(3, 2, 0, 1)), self.constant(f"{name}_bias", bias)]
        pads = [(layer.size - 1) // 2] * 4
        y = self.add("Conv", inputs, f"{name}_conv", pads=pads, strides=[layer.strides, layer.strides])
        return self.add("Relu", [y], f"{name}_relu") if layer.activate else y

    def pool(self, x: str, name: str) -> str:
        square = self.add("Mul", [x, x], f"{name}_square")
        cube = self.add("Mul", [square, x], f"{name}_cube")
        mean = self.add("GlobalAveragePool", [cube], f"{name}_places")
        mean = self.add("Reshape", [mean, "by_orientation"], f"{name}_split")
        mean = self.add("ReduceMean", [mean], f"{name}_mean", axes=[1], keepdims=0)
        return self.add("Pow", [self.add("Add", [mean, "gem_floor"], f"{name}_floored"), "third"], name)


def export(model: keras.Model, path: Path, dtype: DTypeLike = np.float16) -> None:
    """Write ``model`` as ONNX: input ``picture`` uint8 (n, SIZE, SIZE, 3), output ``embedding`` float32 (n, DIMENSIONS).

    Scaling of the input and normalisation of the output to length 1 are part of the graph.

    Args:
        model: from :func:`build`, with its weights.
        path: the file to write.
        dtype: how the kernels are stored; biases and all arithmetic are float32.
    """
    graph = _Graph(model, dtype)
    for name, value in (("gem_floor", _GEM_FLOOR), ("third", 1.0 / 3.0), ("scale", 4.0 / 255.0), ("shift", -2.0)):
        graph.constant(name, np.array(value, np.float32))
    graph.constant("by_orientation", np.array([0, ORIENTATIONS, -1], np.int64))
    x = graph.add("Cast", ["picture"], "pixels", to=TensorProto.FLOAT)
    x = graph.add("Transpose", [x], "planes", perm=[0, 3, 1, 2])
    x = graph.add("Add", [graph.add("Mul", [x, "scale"], "scaled"), "shift"], "shifted")
    x = graph.convolution(x, "stem")
    pooled = []
    for stage, (_, blocks) in enumerate(STAGES, start=1):
        if stage > 1:
            x = graph.add("AveragePool", [x], f"half{stage}", kernel_shape=[2, 2], strides=[2, 2])
        x = graph.convolution(x, f"down{stage}")
        for block in range(blocks):
            name = f"stage{stage}_block{block}"
            y = graph.convolution(graph.convolution(graph.convolution(x, f"{name}_in"), f"{name}_mid"), f"{name}_out")
            x = graph.add("Relu", [graph.add("Add", [x, y], f"{name}_sum")], name)
        if stage in POOLED:
            pooled.append(graph.pool(graph.convolution(x, f"wide{stage}"), f"pool{stage}"))
    norm, head = model.get_layer("head_norm"), model.get_layer("head")
    scale = np.asarray(norm.gamma) / np.sqrt(np.asarray(norm.moving_variance) + norm.epsilon)
    kernel, shift = np.asarray(head.kernel), np.asarray(norm.beta) - np.asarray(norm.moving_mean) * scale
    bias = graph.constant("head_bias", shift @ kernel + np.asarray(head.bias))
    pool = graph.add("Concat", pooled, "pooled", axis=1)
    x = graph.add("Gemm", [pool, graph.weight("head_kernel", kernel * scale[:, None]), bias], "head")
    graph.add("LpNormalization", [x], "embedding", axis=1, p=2)
    pictures = helper.make_tensor_value_info("picture", TensorProto.UINT8, ["n", SIZE, SIZE, 3])
    embeddings = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", DIMENSIONS])
    proto = helper.make_graph(graph.nodes, "copy_descriptor", [pictures], [embeddings], graph.weights)
    opsets = [helper.make_opsetid("", OPSET)]
    finished = helper.make_model(proto, opset_imports=opsets, ir_version=8, producer_name="dataaudit")
    onnx.checker.check_model(finished)
    onnx.save(finished, path)
