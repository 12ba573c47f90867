"""Encoded images: what respondents are shown."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np

from sb3_isr.common.batches import Array

#: Pixels of an image's longer side, beyond which it is made smaller by a whole factor.
MAX_SIDE = 480


def encode(picture: Any) -> bytes:
    """
    Encode a picture without loss, as PNG. A large one is made smaller first.

    :param picture: uint8 ``[height, width, 3]``.
    :return: The image's bytes.
    :raises ValueError: If it is no such array.
    :raises ImportError: If Pillow is not installed.
    """
    try:
        from PIL import Image
    except ModuleNotFoundError as error:
        raise ImportError("To show pictures, Pillow must be installed: pip install 'sb3-isr[console]'.") from error
    array: Array = np.asarray(picture)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or not array.size:
        raise ValueError(
            f"A picture must be uint8 of the shape [height, width, 3], got {array.dtype} {list(array.shape)}; return "
            "what render_mode='rgb_array' asks for."
        )
    image = Image.fromarray(np.ascontiguousarray(array))
    factor = -(-max(image.size) // MAX_SIDE)
    file = BytesIO()
    # The learner is waiting: WebP would be a fifth as large, and take twice the time.
    image.reduce(factor).save(file, "PNG", compress_level=1)
    return file.getvalue()
