"""The canvas of a procedural scene: a pinhole camera, a light, and a map of parts that becomes three arrays.

Everything is painted once, into one map of part numbers. Labels, instances and colours are looked up in that
map, so the photo and its label map cannot disagree.

World coordinates are metres: x to the right (0 is the middle of the road), y up (0 is the ground), z away from
the camera. Frame coordinates are relative to the picture: x from 0 to 2, y from 0 (top) to 1, at any size.
"""

import dataclasses
from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

FloatArray = npt.NDArray[np.floating[Any]]
Vector = Sequence[float] | npt.NDArray[np.floating]
RGB = tuple[float, float, float]

NEAR = 0.8  # metres; points closer than this are moved here, which is below the picture's lower edge
_SHADED = 255
SUBPIXELS = 3  # a side; odd, so that the middle one lies on the pixel's centre, where the label is read


class Label(IntEnum):
    """The classes of a scene; the value is the id in the label map."""

    SKY = 0
    BUILDING = 1
    ROAD = 2
    LANE_MARKING = 3
    PAVEMENT = 4
    TERRAIN = 5
    VEGETATION = 6
    POLE = 7
    SIGN = 8
    PERSON = 9
    CAR = 10
    BUS = 11


GROUND = (Label.ROAD, Label.LANE_MARKING, Label.PAVEMENT, Label.TERRAIN)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Camera:
    """A pinhole camera that looks along z, level with the ground."""

    focal: float  # in picture heights
    height: float  # above the ground, metres
    x: float  # from the middle of the road, metres
    horizon: float  # y in the frame
    vanishing: float  # x in the frame of the point at which the road ends

    def project(self, points: npt.ArrayLike) -> FloatArray:
        """World points (..., 3) in metres to frame points (..., 2)."""
        world = np.asarray(points, dtype=np.float32)
        scale = self.focal / np.maximum(world[..., 2], NEAR)
        frame = np.empty((*world.shape[:-1], 2), dtype=np.float32)
        frame[..., 0] = self.vanishing + (world[..., 0] - self.x) * scale
        frame[..., 1] = self.horizon + (self.height - world[..., 1]) * scale
        return frame


@dataclasses.dataclass(frozen=True, kw_only=True)
class Light:
    """Sun, sky and air of a scene; colours are linear factors, red first."""

    sun: RGB  # brightness of a white surface turned to the sun, without the sky's share
    ambient: RGB  # brightness of a white surface in the shade
    direction: RGB  # unit vector to the sun, world coordinates
    zenith: RGB
    horizon: RGB  # also the colour of haze
    cloud: RGB
    cloud_cover: float  # 0 none to 1 overcast
    haze: float  # extinction of the air, 1 / metre
    lit_windows: float  # share of windows with a lamp on

    def on(self, normal: Vector) -> FloatArray:
        """Brightness (3,) of a white matt surface with that normal (Lambert's cosine law)."""
        cosine = max(0.0, float(np.dot(normal, self.direction)))
        return np.asarray(self.ambient, np.float32) + cosine * np.asarray(self.sun, np.float32)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Part:
    label: Label
    instance: int
    colour: FloatArray  # (3,), lit, 0 to 1
    depth: float  # metres, for the haze; ground and sky take theirs from the row instead
    texture: float  # relative amplitude of the texture


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Shapes:
    parts: Sequence[int]  # what each shape is filled with
    corners: npt.NDArray[np.float32]  # (parts x corners, 3), world; of a round one two corners of the box around it
    round: bool = False


class Canvas:
    """Painter's algorithm over numbered parts; `develop` turns them into label, instance and photo.

    `width` and `height`: size of the results in pixels.
    """

    def __init__(self, *, width: int, height: int, camera: Camera, light: Light) -> None:
        self.camera = camera
        self.light = light
        self._size = (width, height)
        self._fine = (width * SUBPIXELS, height * SUBPIXELS)
        self._scale = np.array([self._fine[0] / 2, self._fine[1]], dtype=np.float32)
        # What is painted is only noted down at first: NumPy projects all corners of a scene as fast as a few of them.
        self._shapes: list[_Shapes] = []
        self._shadows: list[_Shapes] = []
        self._casts: list[_Shapes] = []
        self._brightness: dict[tuple[float, ...], FloatArray] = {}  # by normal
        sky = np.asarray(light.zenith, np.float32)
        self._parts = [_Part(label=Label.SKY, instance=Label.SKY, colour=sky, depth=0.0, texture=0.0)]
        self._counts: dict[Label, int] = {}

    def new_instance(self, label: Label) -> int:
        """The next instance id of a countable class, `label * 1000 + k` as in Cityscapes."""
        k = self._counts.get(label, 0)
        self._counts[label] = k + 1
        return label * 1000 + k

    def part(
        self,
        label: Label,
        albedo: Vector,
        *,
        normal: Vector | None,
        depth: float = 0.0,
        instance: int | None = None,
        texture: float = 0.0,
    ) -> int:
        """Register a part with one colour and return its number; without a normal it shines by itself."""
        colour: FloatArray = np.asarray(albedo, np.float32)
        if normal is not None:
            colour = colour * self._brightness_of(normal)
        number = label if instance is None else instance
        self._parts.append(_Part(label=label, instance=int(number), colour=colour, depth=depth, texture=texture))
        return len(self._parts) - 1

    def polygon(self, part: int, points: npt.ArrayLike) -> None:
        """Paint a polygon with world corners (n, 3)."""
        self._shapes.append(_Shapes(parts=(part,), corners=_float32(points)))

    def polygons(self, parts: Sequence[int], points: npt.ArrayLike) -> None:
        """Paint polygons (m, n, 3) in order, one part number each."""
        self._shapes.append(_Shapes(parts=parts, corners=_float32(points).reshape(-1, 3)))

    def disc(self, part: int, centre: Vector, radius_x: float, radius_y: float) -> None:
        """Paint an upright ellipse that faces the camera; centre in the world, radii in metres."""
        x, y, z = centre
        box = _float32([[x - radius_x, y + radius_y, z], [x + radius_x, y - radius_y, z]])
        self._shapes.append(_Shapes(parts=(part,), corners=box, round=True))

    def discs(self, part: int, centres: npt.ArrayLike, radii: npt.ArrayLike) -> None:
        """Paint many discs of one part: centres (n, 3), radii (n, 2)."""
        middle, reach = np.asarray(centres), np.asarray(radii)
        boxes = np.repeat(middle, 2, axis=0)
        boxes[::2, :2] += reach * (-1, 1)
        boxes[1::2, :2] += reach * (1, -1)
        self._shapes.append(_Shapes(parts=(part,) * len(middle), corners=_float32(boxes), round=True))

    def shadow(self, points: npt.ArrayLike) -> None:
        """Darken the ground inside a polygon with world corners (n, 3); only ground classes take it."""
        self._shadows.append(_Shapes(parts=(_SHADED,), corners=_float32(points)))

    def cast(self, points: npt.ArrayLike) -> None:
        """Let an upright flat shape (n, 3) throw its shadow on the ground, if the sun shines."""
        if max(self.light.sun) > 0.2:
            self._casts.append(_Shapes(parts=(_SHADED,), corners=_float32(points)))

    def develop(
        self, textures: np.random.Generator, sensor: np.random.Generator
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint16], npt.NDArray[np.uint8]]:
        """Look everything up: label (h, w), instance (h, w) and photo (h, w, 3).

        `textures` draws the texture, the same at every size; `sensor` the noise of each pixel.
        """
        width, height = self._size
        fine = np.asarray(self._paint("I", self._shapes))
        parts = fine[SUBPIXELS // 2 :: SUBPIXELS, SUBPIXELS // 2 :: SUBPIXELS]
        label = np.array([part.label for part in self._parts], dtype=np.uint8)[parts]
        instance = np.array([part.instance for part in self._parts], dtype=np.uint16)[parts]

        # Four bytes a colour make one uint32 a pixel, which NumPy looks up several times faster than a row.
        colours = np.zeros((len(self._parts), 4), dtype=np.uint8)
        colours[:, :3] = np.clip([part.colour * 255 for part in self._parts], 0, 255)
        lit = Image.frombuffer("RGBX", self._fine, colours.view(np.uint32)[:, 0][fine].tobytes())
        photo = np.asarray(lit.reduce(SUBPIXELS).convert("RGB"), dtype=np.float32) / 255

        photo *= self._texture(parts, label, textures)[..., None]
        ground = np.isin(label, GROUND)
        shadow = self._paint("L", [*self._shadows, *self._thrown()])
        shade = np.asarray(shadow.reduce(SUBPIXELS), dtype=np.float32) / _SHADED * ground
        photo *= 1 - shade[..., None] * (1 - self._shade_colour())
        self._add_air(photo, parts, label, textures)
        photo += sensor.normal(0, 0.012, (height, width, 1)).astype(np.float32)
        return label, instance, (np.clip(photo, 0, 1) * 255 + 0.5).astype(np.uint8)

    def _shade_colour(self) -> FloatArray:
        # What is left of the light on the ground where the sun does not reach; contact shadows keep 75 % at most.
        left = np.asarray(self.light.ambient, np.float32) / self.light.on((0, 1, 0))
        return np.asarray(np.minimum(left, np.float32(0.75)))

    def _rows(self) -> FloatArray:
        height = self._size[1]
        return np.asarray((np.arange(height, dtype=np.float32) + np.float32(0.5)) / height)

    def _row_depth(self) -> FloatArray:
        # Distance of the ground seen in each row (h,); far away at and above the horizon.
        below = np.maximum(self._rows() - self.camera.horizon, 1e-3)
        return np.asarray(np.minimum(self.camera.focal * self.camera.height / below, 400.0).astype(np.float32))

    def _texture(
        self, parts: npt.NDArray[np.int32], label: npt.NDArray[np.uint8], rng: np.random.Generator
    ) -> FloatArray:
        # Factor (h, w) around 1: cloudy noise in the picture plane; on the ground, noise laid in perspective.
        noise = _noise(rng, ((12, 24), (40, 80), (128, 256)), self._size)
        top = int(np.argmax(self._rows() > self.camera.horizon))
        z = self._row_depth()[top:, None]
        columns = (np.arange(self._size[0], dtype=np.float32) + np.float32(0.5)) * 2 / self._size[0]
        x = (columns - self.camera.vanishing) * z / self.camera.focal + self.camera.x
        # Grain is finer than a pixel in the distance, where it averages out.
        fade = np.exp(-z / 14)
        tile = rng.normal(0, 1, (256, 256)).astype(np.float32)
        grain = tile[(z * 9).astype(int) % 256, np.floor(x * 14).astype(int) % 256]
        patches = tile[(z / 2.5).astype(int) % 256, np.floor(x / 1.7).astype(int) % 256]
        laid = fade * (grain + 0.6 * patches)
        below = label[top:]
        tracks = 0.6 * np.cos(x * np.float32(2 * np.pi / 1.75))
        joints = np.where((x % 0.9 < 0.09) | (z % 0.9 < 0.12), np.float32(-3.0), np.float32(0.5)) * fade
        laid += np.where(below == Label.ROAD, tracks, 0) + np.where(below == Label.PAVEMENT, joints, 0)
        noise[top:] = np.where(np.isin(below, GROUND), laid, noise[top:])
        amplitude = np.array([part.texture for part in self._parts], dtype=np.float32)[parts]
        return np.asarray(np.maximum(1 + amplitude * noise, np.float32(0.15)))

    def _add_air(
        self, photo: FloatArray, parts: npt.NDArray[np.int32], label: npt.NDArray[np.uint8], rng: np.random.Generator
    ) -> None:
        # Clouds in the sky, then haze over everything by distance, in place.
        light = self.light
        clouds = _noise(rng, ((3, 4), (7, 10), (16, 24), (40, 60)), self._size)
        cloudy = np.clip((clouds - 1.6 + 3.2 * light.cloud_cover) * 0.8, 0, 1) * (label == Label.SKY)
        depth = np.array([part.depth for part in self._parts], dtype=np.float32)[parts]
        depth = np.where(np.isin(label, GROUND), self._row_depth()[:, None], depth)
        haze = 1 - np.exp(-light.haze * depth)
        altitude = np.clip(self._rows() / self.camera.horizon, 0, 1)[:, None] ** np.float32(1.5)
        haze = np.where(label == Label.SKY, altitude, haze)[..., None]
        photo += cloudy[..., None] * (np.asarray(light.cloud, np.float32) - photo)
        photo += haze * (np.asarray(light.horizon, np.float32) - photo) * (1 - 0.5 * cloudy[..., None])

    def _paint(self, mode: str, shapes: Sequence[_Shapes]) -> Image.Image:
        # The shapes in order, each filled with the number of its part.
        painted = Image.new(mode, self._fine)
        if not shapes:
            return painted
        draw = ImageDraw.Draw(painted)
        frame = self.camera.project(np.concatenate([each.corners for each in shapes]))
        # Pixel i has its centre at i + 0.5.
        pixels = np.rint(frame * self._scale - np.float32(0.5)).ravel().tolist()
        begin = 0
        for each in shapes:
            paint = draw.ellipse if each.round else draw.polygon
            size = each.corners.size // 3 * 2 // max(1, len(each.parts))
            for part in each.parts:
                paint(pixels[begin : begin + size], fill=part)
                begin += size
        return painted

    def _thrown(self) -> list[_Shapes]:
        # Where the shadows of upright shapes lie on the ground.
        if not self._casts:
            return []
        sun_x, sun_y, sun_z = self.light.direction
        world = np.concatenate([each.corners for each in self._casts])
        world[:, 0] -= world[:, 1] * sun_x / sun_y
        world[:, 2] -= world[:, 1] * sun_z / sun_y
        world[:, 1] = 0.0
        ends = np.cumsum([len(each.corners) for each in self._casts])
        return [_Shapes(parts=(_SHADED,), corners=corners) for corners in np.split(world, ends[:-1])]

    def _brightness_of(self, normal: Vector) -> FloatArray:
        key = tuple(normal)
        if key not in self._brightness:
            self._brightness[key] = self.light.on(normal)
        return self._brightness[key]


def _float32(points: npt.ArrayLike) -> npt.NDArray[np.float32]:
    return np.asarray(points, dtype=np.float32)


def _noise(rng: np.random.Generator, grids: Sequence[tuple[int, int]], size: tuple[int, int]) -> FloatArray:
    # Smooth noise (h, w) of about unit variance: one octave a grid, drawn alike whatever the size.
    total = np.zeros((size[1], size[0]), dtype=np.float32)
    for grid in grids:
        octave = Image.fromarray(rng.normal(0, 1, grid).astype(np.float32))
        total += np.asarray(octave.resize(size, Image.Resampling.BILINEAR))
    return total
