"""Resizing that also works when sizes are known only at run time.

`keras.ops.image.resize` compares the size with zero in Python, so it cannot be traced by
TensorFlow for images of unknown size. There, two neighbours are gathered along each axis.
"""

from keras import ops

from dmls_tf.ops.types import Tensor, as_tensor


def resize_bilinear(maps: Tensor, height: int | Tensor, width: int | Tensor) -> Tensor:
    """Bilinear resize with half-pixel centres, without anti-aliasing.

    Args:
        maps: float `[B, h, w, C]`.
        height, width: integers, or integer tensors under TensorFlow.

    Returns:
        `[B, height, width, C]`, of the dtype of `maps`.

    >>> print(np.ravel(resize_bilinear(np.array([[[[0.0], [4.0]]]], "float32"), 1, 4)))
    [0. 1. 3. 4.]
    """
    maps = as_tensor(maps)
    if isinstance(height, int) and isinstance(width, int):
        return ops.image.resize(maps, (height, width), data_format="channels_last")
    return _interpolate(_interpolate(maps, height, 1), width, 2)


def reduced(maps: Tensor, stride: int) -> Tensor:
    """Averages over squares of `stride` x `stride` pixels; at the edges over what is there.

    Args:
        maps: float `[B, H, W, C]`.
        stride: positive; 1 leaves the maps as they are.

    Returns:
        `[B, ceil(H / stride), ceil(W / stride), C]`.

    >>> print(np.ravel(reduced(np.array([[[[0.0], [4.0], [5.0]]]], "float32"), 2)))
    [2. 5.]
    """
    return maps if stride == 1 else ops.average_pool(maps, stride, stride, padding="same")


def _interpolate(maps: Tensor, size: int | Tensor, axis: int) -> Tensor:
    length = ops.shape(maps)[axis]
    scale = ops.cast(length, "float32") / ops.cast(size, "float32")
    centre = (ops.cast(ops.arange(size), "float32") + 0.5) * scale - 0.5
    centre = ops.clip(centre, 0.0, ops.cast(length - 1, "float32"))
    before = ops.cast(ops.floor(centre), "int32")
    after = ops.minimum(before + 1, length - 1)
    shape = [1, 1, 1, 1]
    shape[axis] = -1
    share = ops.cast(centre - ops.cast(before, "float32"), maps.dtype)
    share = ops.reshape(share, shape)
    return (1 - share) * ops.take(maps, before, axis=axis) + share * ops.take(
        maps, after, axis=axis
    )
