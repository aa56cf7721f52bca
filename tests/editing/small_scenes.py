"""Scenes that tests edit: street scenes with objects, and maps that are small enough to read."""

from __future__ import annotations

import numpy as np

from p2phd_eval.editing.scene import Scene
from p2phd_eval.scenes.data_set import CLASSES, render_scene

CAR, SKY, ROAD, PERSON = (CLASSES.index(name) for name in ("car", "sky", "road", "person"))


def street(seed: int = 0, *, width: int = 128, height: int = 64, instances: bool = True) -> Scene:
    """A street scene, numbered as Cityscapes is."""
    drawn = render_scene(seed, width=width, height=height)
    return Scene(
        image=f"scene_{seed}",
        label=drawn.label.astype(np.int32),
        label_nc=len(CLASSES),
        instance=drawn.instance.astype(np.int32) if instances else None,
    )


def two_on_a_road(*, instances: bool = True) -> Scene:
    """Cars 4000 and 4001 of class 4 on road 2, with a person 5000 of class 5 (8 x 4 pixels)."""
    instance = np.full((4, 8), 2)
    instance[1:3, 1:3] = 4000
    instance[1:3, 4:6] = 4001
    instance[0, 7] = 5000
    label = np.where(instance >= 1000, instance // 1000, instance)
    return Scene(image="two", label=label, label_nc=6, instance=instance if instances else None)
