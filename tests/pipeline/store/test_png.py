"""PNG files hold the pixels they were made of, as Pillow reads them."""

from io import BytesIO

import numpy as np
from PIL import Image

from pipeline.store import encode_png


def test_a_png_holds_the_pixels_it_was_made_of():
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    with Image.open(BytesIO(encode_png(picture))) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        assert np.array_equal(np.asarray(image), picture)
