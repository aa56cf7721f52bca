"""What stands in a procedural street: buildings, trees, lamps and signs.

Each function paints one object on a canvas. Positions and sizes are metres in the canvas' world coordinates.
"""

import numpy as np
import numpy.typing as npt

from p2phd_eval.scenes.canvas import RGB, Canvas, FloatArray, Label

FRONT = (0.0, 0.0, -1.0)  # normal of a surface that faces the camera
UP = (0.0, 1.0, 0.0)
PAINT: tuple[RGB, ...] = (
    (0.86, 0.86, 0.86),
    (0.12, 0.12, 0.13),
    (0.52, 0.54, 0.56),
    (0.70, 0.09, 0.08),
    (0.10, 0.22, 0.56),
    (0.32, 0.35, 0.38),
    (0.92, 0.72, 0.14),
    (0.14, 0.40, 0.28),
)
GLASS: RGB = (0.16, 0.20, 0.25)


def vary(rng: np.random.Generator, colour: RGB, amount: float) -> FloatArray:
    """A colour near `colour`: brightness varied by `amount` (relative), each channel by a third of it."""
    factor = 1 + amount * rng.uniform(-1, 1) + amount / 3 * rng.uniform(-1, 1, 3)
    return np.clip(np.asarray(colour) * factor, 0.01, 1).astype(np.float32)


def wall_at(x: float, z: tuple[float, float], y: tuple[float, float]) -> FloatArray:
    """Corners (4, 3) of an upright rectangle along the street, at that x."""
    return np.array([[x, y[0], z[0]], [x, y[0], z[1]], [x, y[1], z[1]], [x, y[1], z[0]]], np.float32)


def wall_across(z: float, x: tuple[float, float], y: tuple[float, float]) -> FloatArray:
    """Corners (4, 3) of an upright rectangle that faces the camera, at that z."""
    return np.array([[x[0], y[0], z], [x[1], y[0], z], [x[1], y[1], z], [x[0], y[1], z]], np.float32)


def flat_at(y: float, x: tuple[float, float], z: tuple[float, float]) -> FloatArray:
    """Corners (4, 3) of a level rectangle at that height."""
    return np.array([[x[0], y, z[0]], [x[1], y, z[0]], [x[1], y, z[1]], [x[0], y, z[1]]], np.float32)


def draw_building(
    canvas: Canvas,
    rng: np.random.Generator,
    *,
    x: float,
    z: tuple[float, float],
    floors: int,
    wall: FloatArray,
    shop: bool,
    pitched: bool,
) -> None:
    """Paint a house whose facade stands at `x` along the street, between two distances."""
    side = float(np.sign(x))
    depth = float(np.mean(z))
    storey = float(rng.uniform(2.9, 3.6))
    height = floors * storey + 0.8
    outer = x + side * 11
    facing = (-side, 0.0, 0.0)

    def part(albedo: npt.ArrayLike, normal: RGB | None = facing, texture: float = 0.05) -> int:
        rgb = np.asarray(albedo, np.float32)
        return canvas.part(Label.BUILDING, rgb, normal=normal, depth=depth, texture=texture)

    canvas.cast(wall_at(x, z, (0.0, height)))
    canvas.cast(wall_across(z[0], (x, outer), (0.0, height)))
    if pitched:
        tiles = vary(rng, ((0.45, 0.22, 0.16), (0.30, 0.30, 0.33))[int(rng.integers(2))], 0.2)
        ridge, rise = x + side * 5.5, height + float(rng.uniform(2, 4))
        canvas.polygon(part(wall, FRONT), [[x, height, z[0]], [ridge, rise, z[0]], [outer, height, z[0]]])
        slope = [[x, height, z[0]], [x, height, z[1]], [ridge, rise, z[1]], [ridge, rise, z[0]]]
        canvas.polygon(part(tiles, (-side * 0.6, 0.8, 0.0), 0.10), slope)
    gable = part(wall, FRONT)
    canvas.polygon(gable, wall_across(z[0], (x, outer), (0.0, height)))
    canvas.polygon(part(wall), wall_at(x, z, (0.0, height)))
    trim = part(np.clip(wall * 1.25 + 0.05, 0, 1))
    canvas.polygon(trim, wall_at(x, z, (height - 0.5, height)))

    glass = part(vary(rng, (0.26, 0.33, 0.41), 0.25), texture=0.12)
    dim = part(vary(rng, (0.14, 0.17, 0.21), 0.25), texture=0.12)
    lamp = part(vary(rng, (0.98, 0.80, 0.46), 0.12), None)
    columns = max(1, round((z[1] - z[0]) / float(rng.uniform(2.3, 3.4))))
    pitch = (z[1] - z[0]) / columns
    wide, tall = pitch * float(rng.uniform(0.4, 0.68)), storey * float(rng.uniform(0.45, 0.66))
    first = 1 if shop else 0
    left = z[0] + pitch * np.arange(columns) + (pitch - wide) / 2
    sill = storey * np.arange(first, floors) + (storey - tall) / 2 + 0.2
    at_z, at_y = (grid.ravel() for grid in np.meshgrid(left, sill))
    tints = rng.uniform(size=at_z.size)
    if at_z.size and z[0] < 45:
        canvas.polygons([trim] * at_z.size, panes_at(x, at_z - 0.15, at_y - 0.15, wide + 0.3, tall + 0.3))
    lit = canvas.light.lit_windows
    panes = [lamp if tint < lit else dim if tint < lit + 0.4 * (1 - lit) else glass for tint in tints]
    canvas.polygons(panes, panes_at(x, at_z, at_y, wide, tall))
    if shop:
        front = lamp if rng.uniform() < lit + 0.1 else dim
        count = max(1, columns // 2)
        starts = np.linspace(z[0], z[1], count, endpoint=False)
        bay = (z[1] - z[0]) / count
        canvas.polygons([front] * count, panes_at(x, starts + 0.3, np.full(count, 0.4), bay - 0.6, storey - 1.1))
        sign = part(vary(rng, PAINT[int(rng.integers(len(PAINT)))], 0.2))
        canvas.polygon(sign, wall_at(x, z, (storey - 0.55, storey)))


def panes_at(x: float, z: FloatArray, y: FloatArray, wide: float, tall: float) -> FloatArray:
    """Corners (n, 4, 3) of n panes in a wall along the street, at that x; `z` and `y` (n,) are their lower corners."""
    corner_z = np.stack([z, z + wide, z + wide, z], axis=-1)
    corner_y = np.stack([y, y, y + tall, y + tall], axis=-1)
    return np.stack([np.full_like(corner_z, x), corner_y, corner_z], axis=-1)


def draw_tree(canvas: Canvas, rng: np.random.Generator, *, x: float, z: float, size: float, leaf: FloatArray) -> None:
    """Paint a broad-leaved tree: a trunk, and a crown of blobs that are lighter towards the sun."""
    crown, radius = size * float(rng.uniform(0.60, 0.68)), size * float(rng.uniform(0.26, 0.36))
    thick = size * 0.028
    bark = canvas.part(Label.VEGETATION, vary(rng, (0.33, 0.25, 0.18), 0.2), normal=FRONT, depth=z, texture=0.2)
    trunk = [[x - thick, 0, z], [x + thick, 0, z], [x + thick * 0.6, crown, z], [x - thick * 0.6, crown, z]]
    canvas.polygon(bark, trunk)
    canvas.cast(trunk)
    turn = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    ring = np.stack([x + radius * np.cos(turn), crown + radius * np.sin(turn), np.full(14, z)], axis=-1)
    canvas.cast(ring)
    draw_foliage(canvas, rng, centre=(x, crown, z), radii=(radius, radius * 1.1), leaf=leaf)


def draw_foliage(
    canvas: Canvas, rng: np.random.Generator, *, centre: RGB, radii: tuple[float, float], leaf: FloatArray
) -> None:
    """Paint a crown or a bush: three layers of blobs, the later ones smaller, lighter and nearer the sun."""
    sun = canvas.light.direction
    layers = ((0.62, 0.0, 16, (-sun[0], -0.3, 0.0)), (0.85, 0.14, 14, FRONT), (1.12, 0.30, 12, UP))
    for tone, shift, count, normal in layers:
        colour = np.clip(leaf * tone, 0, 1)
        part = canvas.part(Label.VEGETATION, colour, normal=normal, depth=centre[2], texture=0.22)
        angle, reach = rng.uniform(0, 2 * np.pi, count), np.sqrt(rng.uniform(0, 1, count)) * (0.8 - shift)
        blob = rng.uniform(0.22, 0.42, count) * (1 - shift)
        x = centre[0] + radii[0] * (np.cos(angle) * reach + shift * sun[0])
        y = centre[1] + radii[1] * (np.sin(angle) * reach + shift)
        at = np.stack([x, y, np.full(count, centre[2])], axis=-1)
        canvas.discs(part, at, np.outer(blob, radii))


def draw_lamp(canvas: Canvas, *, x: float, z: float, height: float) -> None:
    """Paint a street lamp whose arm reaches over the road."""
    part = canvas.part(Label.POLE, (0.34, 0.36, 0.38), normal=FRONT, depth=z)
    mast = wall_across(z, (x - 0.09, x + 0.09), (0.0, height))
    arm = x - float(np.sign(x)) * 1.6
    canvas.cast(mast)
    canvas.polygon(part, mast)
    canvas.polygon(part, wall_across(z, (min(x, arm), max(x, arm)), (height - 0.12, height)))
    lit = canvas.light.lit_windows > 0.25
    head = canvas.part(Label.POLE, (1.0, 0.92, 0.70), normal=None, depth=z) if lit else part
    canvas.polygon(head, wall_across(z, (arm - 0.4, arm + 0.4), (height - 0.25, height + 0.02)))


def draw_sign(canvas: Canvas, rng: np.random.Generator, *, x: float, z: float) -> None:
    """Paint a traffic sign or a traffic light on a post."""
    height = float(rng.uniform(2.4, 3.0))
    post = wall_across(z, (x - 0.06, x + 0.06), (0.0, height))
    canvas.cast(post)
    canvas.polygon(canvas.part(Label.POLE, (0.45, 0.46, 0.48), normal=FRONT, depth=z), post)

    def part(colour: RGB, normal: RGB | None = FRONT) -> int:
        return canvas.part(Label.SIGN, colour, normal=normal, depth=z)

    kind = int(rng.integers(4))
    red, white, blue = (0.78, 0.07, 0.08), (0.93, 0.93, 0.90), (0.08, 0.25, 0.68)
    if kind == 0:
        canvas.disc(part(red), (x, height, z), 0.48, 0.48)
        canvas.disc(part(white), (x, height, z), 0.32, 0.32)
    elif kind == 1:
        canvas.polygon(part(blue), wall_across(z, (x - 0.45, x + 0.45), (height - 0.45, height + 0.45)))
        canvas.polygon(part(white), wall_across(z, (x - 0.15, x + 0.15), (height - 0.3, height + 0.3)))
    elif kind == 2:
        triangle = np.array([[-0.55, -0.4, 0], [0.55, -0.4, 0], [0, 0.55, 0]])
        canvas.polygon(part(red), triangle + np.array([x, height, z]))
        canvas.polygon(part((0.95, 0.80, 0.15)), triangle * 0.6 + np.array([x, height - 0.03, z]))
    else:
        canvas.polygon(part((0.07, 0.08, 0.07)), wall_across(z, (x - 0.26, x + 0.26), (height - 0.6, height + 0.7)))
        bulbs: tuple[RGB, ...] = ((0.95, 0.12, 0.10), (0.98, 0.70, 0.12), (0.15, 0.85, 0.35))
        on = int(rng.integers(3))
        for place, bulb in enumerate(bulbs):
            colour = part(bulb, None) if place == on else part((0.18, 0.16, 0.14))
            canvas.disc(colour, (x, height + 0.45 - 0.4 * place, z), 0.17, 0.17)
