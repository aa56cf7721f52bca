"""The plan of a procedural street: its light, camera and ground, and what stands where."""

import dataclasses
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np

from p2phd_eval.scenes.canvas import NEAR, RGB, Camera, Canvas, FloatArray, Label, Light
from p2phd_eval.scenes.objects import (
    FRONT,
    UP,
    draw_building,
    draw_foliage,
    draw_lamp,
    draw_sign,
    draw_tree,
    flat_at,
    vary,
    wall_across,
)
from p2phd_eval.scenes.traffic import draw_bus, draw_car, draw_person

_FAR = 150.0  # metres; where the street ends
_WALLS: tuple[RGB, ...] = (
    (0.58, 0.30, 0.22),
    (0.74, 0.64, 0.48),
    (0.66, 0.64, 0.60),
    (0.80, 0.72, 0.56),
    (0.50, 0.42, 0.36),
    (0.82, 0.80, 0.76),
    (0.72, 0.50, 0.36),
)
_LEAVES: tuple[RGB, ...] = ((0.26, 0.44, 0.14), (0.36, 0.50, 0.16), (0.20, 0.38, 0.18), (0.68, 0.44, 0.12))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Street:
    """The plan that one scene is painted from."""

    half_width: float  # half the road's width, metres
    kerb: float  # |x| at which the pavement begins; a verge lies between road and pavement
    line: float  # |x| at which the buildings stand
    floors: tuple[int, int]
    gaps: float  # share of plots without a building
    trees: float  # share of tree places that are taken
    traffic: float  # share of places for cars that are taken
    people: int
    leaf: RGB
    walls: tuple[RGB, RGB]


def draw_light(rng: np.random.Generator) -> Light:
    """Draw a time of day with its sun, sky and air."""
    time = str(rng.choice(["noon", "overcast", "golden", "dusk"], p=[0.45, 0.25, 0.18, 0.12]))
    elevation = np.deg2rad(rng.uniform(35, 65) if time in ("noon", "overcast") else rng.uniform(18, 30))
    # The sun stays on the camera's side of the street, so that what faces the camera is not all in the shade.
    azimuth = np.deg2rad(rng.uniform(25, 155))
    level = float(np.cos(elevation))
    direction = (level * float(np.cos(azimuth)), float(np.sin(elevation)), -level * float(np.sin(azimuth)))
    bright = float(rng.uniform(0.9, 1.1))
    sun, ambient, zenith, horizon, cloud = {
        "noon": ((0.66, 0.63, 0.57), (0.46, 0.49, 0.55), (0.26, 0.48, 0.82), (0.76, 0.85, 0.93), (0.96, 0.96, 0.97)),
        "overcast": ((0.08, 0.08, 0.08), (0.72, 0.74, 0.77), (0.62, 0.66, 0.71), (0.8, 0.82, 0.84), (0.72, 0.74, 0.77)),
        "golden": ((0.80, 0.58, 0.36), (0.42, 0.42, 0.50), (0.34, 0.46, 0.70), (0.97, 0.80, 0.60), (0.97, 0.84, 0.74)),
        "dusk": ((0.10, 0.07, 0.07), (0.34, 0.34, 0.42), (0.16, 0.20, 0.40), (0.72, 0.52, 0.50), (0.42, 0.36, 0.46)),
    }[time]  # fmt: skip
    tint = rng.uniform(0.95, 1.05, 3) * bright

    def tinted(colour: RGB) -> RGB:
        r, g, b = (float(v) for v in np.clip(np.array(colour) * tint, 0, 1))
        return r, g, b

    return Light(
        sun=tinted(sun),
        ambient=tinted(ambient),
        direction=direction,
        zenith=tinted(zenith),
        horizon=tinted(horizon),
        cloud=tinted(cloud),
        cloud_cover=float(rng.uniform(0.5, 0.9) if time == "overcast" else rng.uniform(0.0, 0.6)),
        haze=float(rng.uniform(0.002, 0.010)),
        lit_windows={"noon": 0.0, "overcast": 0.08, "golden": 0.12, "dusk": 0.5}[time],
    )


def draw_camera(rng: np.random.Generator, street: Street) -> Camera:
    """Draw where the picture is taken from: the right half of the road or near its middle."""
    return Camera(
        focal=float(rng.uniform(0.95, 1.35)),
        height=float(rng.uniform(1.5, 2.4)),
        x=float(rng.uniform(-0.1, 0.6)) * street.half_width,
        horizon=float(rng.uniform(0.42, 0.54)),
        vanishing=float(rng.uniform(0.75, 1.25)),
    )


def paint_street(canvas: Canvas, rng: np.random.Generator, street: Street) -> None:
    """Paint the whole street, far things before near ones."""
    _paint_ground(canvas, rng, street)
    _paint_backdrop(canvas, rng, street)
    _paint_plots(canvas, rng, street)
    _paint_things(canvas, rng, street)


def draw_street(rng: np.random.Generator) -> Street:
    """Draw the plan of a street, in the town or in a suburb."""
    urban = bool(rng.uniform() < 0.55)
    half_width = float(rng.uniform(3.6, 6.5))
    kerb = half_width + (0.0 if urban else float(rng.uniform(0.0, 2.0)))
    walls = rng.choice(len(_WALLS), 2, replace=False)
    return Street(
        half_width=half_width,
        kerb=kerb,
        line=kerb + float(rng.uniform(2.5, 4.5)) + (0.0 if urban else float(rng.uniform(1.0, 5.0))),
        floors=(3, 8) if urban else (1, 4),
        gaps=0.08 if urban else 0.4,
        trees=float(rng.uniform(0.0, 0.5) if urban else rng.uniform(0.25, 0.9)),
        traffic=float(rng.uniform(0.1, 0.7)),
        people=int(rng.integers(1, 14 if urban else 6)),
        leaf=_LEAVES[int(rng.integers(len(_LEAVES)))],
        walls=(_WALLS[int(walls[0])], _WALLS[int(walls[1])]),
    )


def _paint_ground(canvas: Canvas, rng: np.random.Generator, street: Street) -> None:
    def strip(label: Label, colour: FloatArray, x: tuple[float, float], texture: float) -> None:
        part = canvas.part(label, colour, normal=UP, texture=texture)
        canvas.polygon(part, flat_at(0.0, x, (NEAR, 4 * _FAR)))

    half, kerb = street.half_width, street.kerb
    strip(Label.TERRAIN, vary(rng, (0.34, 0.43, 0.18), 0.15), (-900, 900), 0.16)
    paving = vary(rng, (0.58, 0.54, 0.50), 0.12)
    walk = min(street.line, kerb + 4.5)
    for side in (-1, 1):
        strip(Label.PAVEMENT, paving, (side * kerb, side * walk), 0.05)
        strip(Label.PAVEMENT, paving * 1.2, (side * half, side * (half + 0.18)), 0.02)
    strip(Label.ROAD, vary(rng, (0.30, 0.30, 0.32), 0.18), (-half, half), 0.05)

    paint = canvas.part(Label.LANE_MARKING, vary(rng, (0.88, 0.87, 0.82), 0.06), normal=UP, texture=0.05)
    dash = float(rng.uniform(1.5, 3.5))
    lanes = [0.0] if half < 5 else [-half / 2, 0.0, half / 2]
    starts = np.arange(1.0, 110.0, 2.2 * dash)
    for x in lanes:
        canvas.polygons([paint] * len(starts), [flat_at(0, (x - 0.09, x + 0.09), (z, z + dash)) for z in starts])
    if rng.uniform() < 0.5:
        for x in (-half + 0.35, half - 0.35):
            canvas.polygon(paint, flat_at(0.0, (x - 0.07, x + 0.07), (NEAR, _FAR)))
    if rng.uniform() < 0.4:
        z = float(rng.uniform(6, 18))
        bars = np.arange(-half + 0.4, half - 0.5, 1.1)
        canvas.polygons([paint] * len(bars), [flat_at(0.0, (x, x + 0.55), (z, z + 3.0)) for x in bars])


def _paint_backdrop(canvas: Canvas, rng: np.random.Generator, street: Street) -> None:
    # What closes the view behind the street: distant blocks with trees before them.
    x = -260.0
    while x < 260:
        wide, tall = float(rng.uniform(14, 40)), float(rng.uniform(6, 34))
        colour = vary(rng, street.walls[int(rng.integers(2))], 0.2)
        part = canvas.part(Label.BUILDING, colour, normal=FRONT, depth=_FAR * 1.3, texture=0.08)
        canvas.polygon(part, wall_across(_FAR * 1.3, (x, x + wide), (0.0, tall)))
        x += wide
    leaf = vary(rng, street.leaf, 0.15)
    for place in rng.uniform(-90, 90, 9):
        draw_foliage(canvas, rng, centre=(float(place), 3.0, _FAR), radii=(9.0, 5.0), leaf=leaf)


def _paint_plots(canvas: Canvas, rng: np.random.Generator, street: Street) -> None:
    # Far to near on both sides: a building on each plot, or a garden with trees.
    for side in (-1, 1):
        ends = [_FAR]
        while ends[-1] > NEAR:
            ends.append(ends[-1] - float(rng.uniform(8, 20)))
        for far, near in pairwise(ends):
            x = side * (street.line + float(rng.uniform(0, 0.8)))
            if rng.uniform() < street.gaps:
                for z in np.sort(rng.uniform(near, far, 3))[::-1]:
                    if z > 4:
                        leaf, size = vary(rng, street.leaf, 0.25), float(rng.uniform(5, 10))
                        draw_tree(canvas, rng, x=x + side * float(rng.uniform(1, 6)), z=float(z), size=size, leaf=leaf)
                continue
            draw_building(
                canvas,
                rng,
                x=x,
                z=(max(near, NEAR), far),
                floors=int(rng.integers(street.floors[0], street.floors[1] + 1)),
                wall=vary(rng, street.walls[int(rng.integers(2))], 0.22),
                shop=bool(street.floors[0] > 1 and rng.uniform() < 0.6),
                pitched=bool(rng.uniform() < (0.2 if street.floors[0] > 1 else 0.85)),
            )


def _paint_things(canvas: Canvas, rng: np.random.Generator, street: Street) -> None:
    # What stands on the road and the pavements is planned first, then painted far to near.
    half, kerb = street.half_width, street.kerb
    walk = min(street.line, kerb + 4.5)
    things: list[tuple[float, Callable[[], None]]] = []
    lanes = [-half / 2, half / 2] if half < 5 else [-half + 1.1, -half / 4, half / 4, half - 1.1]
    for x in lanes:
        oncoming = x < 0
        z = float(rng.uniform(5, 16))
        while z < 90:
            is_bus = bool(abs(x) < half - 1.6 and rng.uniform() < 0.12 and z > 9)
            if rng.uniform() < street.traffic:
                draw = draw_bus if is_bus else draw_car
                things.append((z, partial(draw, canvas, rng, x=x, z=z, oncoming=oncoming)))
            z += (13.5 if is_bus else 5.6) + float(rng.exponential(2.0))
    for side in (-1, 1):
        post = side * (half + 0.45)
        for z in np.arange(rng.uniform(5, 9), 110, 8.0):
            if rng.uniform() < street.trees:
                leaf, size = vary(rng, street.leaf, 0.25), float(rng.uniform(4.5, 8.5))
                x = side * (half + float(rng.uniform(0.7, 1.2)))
                things.append((float(z), partial(draw_tree, canvas, rng, x=x, z=float(z), size=size, leaf=leaf)))
        things += [
            (float(z), partial(draw_lamp, canvas, x=post, z=float(z), height=6.5))
            for z in np.arange(rng.uniform(6, 20), 110, 24.0)
        ]
        things += [
            (float(z), partial(draw_sign, canvas, rng, x=post, z=float(z)))
            for z in rng.uniform(6, 36, int(rng.integers(1, 4)))
        ]
    for z in 4 + 36 * rng.uniform(0, 1, street.people) ** 1.5:
        side = 1 if rng.uniform() < 0.5 else -1
        crosses = rng.uniform() < 0.12
        x = float(rng.uniform(-half, half) if crosses else side * rng.uniform(kerb + 0.6, max(kerb + 0.7, walk - 0.4)))
        things.append((float(z), partial(draw_person, canvas, rng, x=x, z=float(z))))
    for _, paint in sorted(things, key=lambda thing: -thing[0]):
        paint()
