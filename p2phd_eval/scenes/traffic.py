"""What moves in a procedural street: cars, buses and people, each an instance of its own.

Positions and sizes are metres in the canvas' world coordinates.
"""

import colorsys

import numpy as np
import numpy.typing as npt

from p2phd_eval.scenes.canvas import RGB, Canvas, FloatArray, Label
from p2phd_eval.scenes.objects import FRONT, GLASS, PAINT, UP, flat_at, panes_at, vary, wall_across, wall_at

_SKIN: tuple[RGB, ...] = ((0.92, 0.74, 0.62), (0.78, 0.58, 0.44), (0.52, 0.36, 0.26), (0.36, 0.24, 0.18))
_TYRE: RGB = (0.06, 0.06, 0.07)


def draw_car(canvas: Canvas, rng: np.random.Generator, *, x: float, z: float, oncoming: bool) -> None:
    """Paint a car that stands along the street with its near end at `z`; an oncoming one shows its front."""
    paint = vary(rng, PAINT[int(rng.choice(len(PAINT), p=(0.22, 0.18, 0.16, 0.13, 0.12, 0.09, 0.05, 0.05)))], 0.15)
    long, half = float(rng.uniform(3.8, 4.7)), float(rng.uniform(0.86, 0.95))
    roof, belt = float(rng.uniform(1.42, 1.75)), float(rng.uniform(0.84, 0.95))
    near_slope, far_slope = (1.25, 0.25) if oncoming else (0.25, 1.15)
    z_low = (z + near_slope, z + long - far_slope)
    z_top = (z_low[0] + (0.65 if oncoming else 0.4), z_low[1] - 0.55)
    instance = canvas.new_instance(Label.CAR)

    def part(albedo: npt.ArrayLike, normal: RGB | None, texture: float = 0.02) -> int:
        rgb = np.asarray(albedo, np.float32)
        return canvas.part(Label.CAR, rgb, normal=normal, depth=z, instance=instance, texture=texture)

    canvas.shadow(flat_at(0.0, (x - half - 0.1, x + half + 0.1), (z - 0.25, z + long + 0.2)))
    canvas.cast(wall_across(z + long / 2, (x - half, x + half), (0.0, roof)))
    glass, tyre, metal_up = part(GLASS, FRONT), part(_TYRE, FRONT), part(paint, UP)
    inset = half * 0.84
    canvas.polygon(metal_up, flat_at(roof, (x - inset, x + inset), z_top))
    side = _visible_side(canvas, x, half)
    if side:
        edge, top, face = x + side * half, x + side * inset, (side, 0.15, 0.0)
        cabin = [[edge, belt, z_low[0]], [edge, belt, z_low[1]], [top, roof, z_top[1]], [top, roof, z_top[0]]]
        canvas.polygon(part(paint, face), cabin)
        middle = np.mean(cabin, axis=0)
        canvas.polygon(part(GLASS, face), middle + (np.array(cabin) - middle) * (1, 0.72, 0.84))
        canvas.polygon(part(paint * 0.92, face), wall_at(edge, (z, z + long), (0.28, belt)))
        rim = part((0.55, 0.56, 0.58), face)
        turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        wheel = np.stack([np.zeros(12), np.sin(turn), np.cos(turn)], axis=-1)
        for hub in (z + 0.8, z + long - 0.8):
            canvas.polygon(tyre, (edge, 0.33, hub) + wheel * 0.33)
            canvas.polygon(rim, (edge, 0.33, hub) + wheel * 0.17)
    for left in (x - half, x + half - 0.24):
        canvas.polygon(tyre, wall_across(z + 0.1, (left, left + 0.24), (0.0, 0.4)))
    canvas.polygon(metal_up, flat_at(belt, (x - half, x + half), (z, z_low[0])))
    frame = np.array(
        [
            [x - half, belt, z_low[0]],
            [x + half, belt, z_low[0]],
            [x + inset, roof, z_top[0]],
            [x - inset, roof, z_top[0]],
        ]
    )
    canvas.polygon(part(paint, FRONT), frame)
    middle = frame.mean(axis=0)
    canvas.polygon(glass, middle + (frame - middle) * (0.86, 0.76, 0.76))
    canvas.polygon(part(paint, FRONT), wall_across(z, (x - half, x + half), (0.30, belt)))
    canvas.polygon(part((0.10, 0.10, 0.11), FRONT), wall_across(z, (x - half * 0.95, x + half * 0.95), (0.22, 0.42)))
    lamp = part((0.98, 0.96, 0.84) if oncoming else (0.80, 0.06, 0.05), None)
    for left in (x - half * 0.95, x + half * 0.95 - 0.34):
        canvas.polygon(lamp, wall_across(z, (left, left + 0.34), (belt - 0.26, belt - 0.08)))
    canvas.polygon(part((0.85, 0.85, 0.80), FRONT), wall_across(z, (x - 0.25, x + 0.25), (0.46, 0.58)))


def _visible_side(canvas: Canvas, x: float, half: float) -> int:
    # +1: its right side shows (it stands left of the camera); -1: the left side; 0: none.
    if x + half < canvas.camera.x:
        return 1
    return -1 if x - half > canvas.camera.x else 0


def draw_bus(canvas: Canvas, rng: np.random.Generator, *, x: float, z: float, oncoming: bool) -> None:
    """Paint a bus that stands along the street with its near end at `z`."""
    liveries: tuple[RGB, ...] = ((0.85, 0.66, 0.10), (0.78, 0.12, 0.10), (0.14, 0.45, 0.70), (0.20, 0.55, 0.34))
    paint = vary(rng, liveries[int(rng.integers(len(liveries)))], 0.12)
    long, half, roof = float(rng.uniform(9, 12)), 1.25, float(rng.uniform(2.9, 3.2))
    instance = canvas.new_instance(Label.BUS)

    def part(albedo: npt.ArrayLike, normal: RGB | None) -> int:
        rgb = np.asarray(albedo, np.float32)
        return canvas.part(Label.BUS, rgb, normal=normal, depth=z, instance=instance, texture=0.02)

    canvas.shadow(flat_at(0.0, (x - half - 0.15, x + half + 0.15), (z - 0.3, z + long + 0.3)))
    canvas.cast(wall_at(x, (z, z + long), (0.0, roof)))
    tyre, glass = part(_TYRE, FRONT), part(GLASS, FRONT)
    side = _visible_side(canvas, x, half)
    if side:
        edge, face = x + side * half, (side, 0.0, 0.0)
        canvas.polygon(part(paint, face), wall_at(edge, (z, z + long), (0.35, roof)))
        panes = np.arange(z + 0.4, z + long - 1.2, 1.5, dtype=np.float32)
        shape = panes_at(edge, panes, np.full_like(panes, 1.35), 1.3, roof - 1.75)
        canvas.polygons([part(GLASS, face)] * len(panes), shape)
        turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        for hub in (z + 2.2, z + long - 2.4):
            canvas.polygon(
                tyre, np.stack([np.full(12, edge), 0.46 + 0.46 * np.sin(turn), hub + 0.46 * np.cos(turn)], -1)
            )
    for left in (x - half, x + half - 0.35):
        canvas.polygon(tyre, wall_across(z + 0.1, (left, left + 0.35), (0.0, 0.5)))
    canvas.polygon(part(paint, FRONT), wall_across(z, (x - half, x + half), (0.35, roof)))
    canvas.polygon(glass, wall_across(z, (x - half * 0.88, x + half * 0.88), (1.3, roof - 0.45)))
    canvas.polygon(part((0.98, 0.75, 0.25), None), wall_across(z, (x - 0.6, x + 0.6), (roof - 0.36, roof - 0.12)))
    lamp = part((0.98, 0.96, 0.84) if oncoming else (0.80, 0.06, 0.05), None)
    for left in (x - half * 0.92, x + half * 0.92 - 0.35):
        canvas.polygon(lamp, wall_across(z, (left, left + 0.35), (0.70, 0.92)))


def draw_person(canvas: Canvas, rng: np.random.Generator, *, x: float, z: float) -> None:
    """Paint somebody who walks or stands, `z` away."""
    tall = float(rng.uniform(1.55, 1.9))
    stride = float(rng.uniform(0.02, 0.15))
    instance = canvas.new_instance(Label.PERSON)

    def shape(part: int, outline: npt.ArrayLike) -> None:
        flat = np.asarray(outline, np.float32) * tall
        points = np.concatenate([flat + np.array([x, 0], np.float32), np.full((len(flat), 1), z, np.float32)], axis=1)
        canvas.polygon(part, points)

    def part(colour: FloatArray) -> int:
        return canvas.part(Label.PERSON, colour, normal=(0, 0.4, -0.9), depth=z, instance=instance, texture=0.05)

    canvas.cast(wall_across(z, (x - 0.2, x + 0.2), (0.0, tall)))
    canvas.shadow(flat_at(0.0, (x - 0.3, x + 0.3), (z - 0.15, z + 0.3)))
    trousers = part(vary(rng, ((0.13, 0.16, 0.28), (0.12, 0.12, 0.12), (0.45, 0.38, 0.28))[int(rng.integers(3))], 0.3))
    hue, saturation, value = rng.uniform((0, 0.2, 0.35), (1, 0.85, 0.95))
    coat = np.asarray(colorsys.hsv_to_rgb(hue, saturation, value), np.float32)
    skin = part(vary(rng, _SKIN[int(rng.integers(len(_SKIN)))], 0.08))
    for direction in (-1, 1):
        foot = direction * stride
        shape(trousers, [[foot - 0.04, 0], [foot + 0.05, 0], [0.085, 0.5], [-0.085, 0.5]])
    sleeve, jacket = part(coat * 0.8), part(coat)
    for direction in (-1, 1):
        hand = direction * (0.13 + stride / 2)
        shape(sleeve, [[direction * 0.09, 0.8], [direction * 0.14, 0.78], [hand + 0.02, 0.46], [hand - 0.02, 0.46]])
    shape(jacket, [[-0.10, 0.46], [0.10, 0.46], [0.125, 0.80], [0.05, 0.85], [-0.05, 0.85], [-0.125, 0.80]])
    canvas.disc(skin, (x, tall * 0.925, z), tall * 0.055, tall * 0.075)
    hair = part(vary(rng, ((0.10, 0.08, 0.07), (0.35, 0.22, 0.12), (0.70, 0.62, 0.5))[int(rng.integers(3))], 0.2))
    canvas.disc(hair, (x, tall * 0.965, z), tall * 0.055, tall * 0.038)
