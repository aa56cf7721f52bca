"""Files in the layout of CelebAMask-HQ, drawn: three faces, one in each part of CelebA."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from p2phd_eval.images.png import write_png

#: Numbers of the faces, in both data sets; the masks of the last lie in another folder.
FACES = {3: 119613, 17: 170000, 2001: 190000}


def draw_celebamask(root: Path) -> Path:
    rows = ["idx orig_idx orig_file", *(f"{k:8d} {old:12d} {old:06d}.jpg" for k, old in FACES.items()), "29999 7 7.jpg"]
    root.mkdir(parents=True)
    (root / "CelebA-HQ-to-CelebA-mapping.txt").write_text("\n".join(rows) + "\n")
    (root / "CelebA-HQ-img").mkdir()
    rng = np.random.default_rng(0)
    for k in FACES:
        photo = Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
        photo.save(root / "CelebA-HQ-img" / f"{k}.jpg")
        boxes = {"skin": (4, 4, 28, 28), "nose": (14, 12, 18, 18), "hair": (4, 2, 28, 8), "u_lip": (10, 20, 22, 23)}
        for name, (left, top, right, bottom) in boxes.items():
            mask = np.zeros((32, 32, 3), dtype=np.uint8)
            mask[top:bottom, left:right] = 255
            write_png(root / "CelebAMask-HQ-mask-anno" / str(k // 2000) / f"{k:05d}_{name}.png", mask)
    return root
