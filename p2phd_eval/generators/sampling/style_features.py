"""What styles are in features, for one checkpoint: drawn from its clusters, encoded by its encoder, or set."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from p2phd_eval.config import DataConfig, TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.generators.data.batch import Batch, as_sample, regions_of
from p2phd_eval.generators.data.dataset import TripletDataset, load_batches, resized_pixels
from p2phd_eval.generators.data.transforms import choose_geometry
from p2phd_eval.generators.data.triplets import Triplet
from p2phd_eval.generators.networks.encoder import Encoder
from p2phd_eval.generators.sampling.feature_maps import whole_images
from p2phd_eval.generators.sampling.region_styles import (
    ClusterStyle,
    DrawnStyle,
    FileStyle,
    ImageStyles,
    PhotoStyle,
    Style,
)
from p2phd_eval.generators.sampling.styles import Clusters, classes_and_areas, draw_cluster, draw_style
from p2phd_eval.generators.training.precision import Precision, backend_flags
from p2phd_eval.images.decoding import decode_rgb
from p2phd_eval.images.encoded_files import read_encoded


@dataclass(frozen=True, kw_only=True)
class StyleNetworks:
    """What of a checkpoint styles come from; each is there when it is first asked for."""

    config: TrainConfig
    fit: DataConfig  # how images are made to fit
    encoder: Callable[[], Encoder]  # raises `InputError` where there is none
    clusters: Callable[[], tuple[Clusters, str]]  # with the SHA-256 of their file; raises likewise
    device: torch.device
    precision: Precision


@dataclass(frozen=True, kw_only=True)
class StyleSettings:
    """Which styles images have where nothing else is said.

    Attributes
    ----------
    style : str
        Where features come from: "clusters" or "photo".
    seed : int
        Of what is drawn.
    pins : mapping
        By a region's number the cluster, of its class, that it has in every image.
    data, phase : Path or None, str
        The data set whose photos `PhotoStyle` means, and that files of `FileStyle` are named from.
    """

    style: str
    seed: int
    pins: Mapping[int, int]
    data: Path | None
    phase: str


@dataclass(frozen=True, kw_only=True)
class _Encoded:
    """A photo's features by region, and the hashes of the files that they are from."""

    by_region: dict[int, torch.Tensor]  # (n_features,)
    contents: Mapping[str, str]


class StyleFeatures:
    """Features of the regions of images, by the networks of a checkpoint."""

    def __init__(self, networks: StyleNetworks, settings: StyleSettings) -> None:
        self._networks, self._config, self._settings = networks, networks.config, settings
        self._datasets: dict[str, TripletDataset] = {}
        self._photos: dict[tuple[str, str], _Encoded] = {}
        self._files: dict[FileStyle, torch.Tensor] = {}
        #: Regions that are pinned and were in none of the images so far.
        self.unseen = set(settings.pins)

    def of(self, batch: Batch, styles: Sequence[ImageStyles]) -> torch.Tensor:
        """Return the features of a batch, float (N, n_features, H, W), equal over each region.

        `batch`: on the device. `styles`: of each image; regions that it does not have are no error. Raises `InputError`
        as `vector` does.
        """
        regions, n_regions = regions_of(batch, self._config)
        assert n_regions is not None  # instances are numbered, classes known
        if self._settings.style == "photo":
            assert batch.photo is not None
            features = self._encode(batch.photo, regions, n_regions)
        else:
            drawn = [self._drawn(batch, i, regions[i], n_regions, own) for i, own in enumerate(styles)]
            features = torch.stack(drawn)
        for i, own in enumerate(styles):
            for number, style, where in self._set(batch, i, own):
                index = self._index(batch, i, number)
                if index is not None:
                    vector = self.vector(style, where).to(features)
                    features[i][:, regions[i, 0] == index] = vector[:, None]
        return features

    def vector(self, style: Style, where: str) -> torch.Tensor:
        """Return the features of a style, (n_features,).

        Raises `InputError`, naming `where`, if the class has no such cluster, or a photo, its region, a file or a part
        of it is not there.
        """
        if isinstance(style, PhotoStyle):
            return self._of_photo(style, where)
        if isinstance(style, FileStyle):
            if style not in self._files:
                self._files[style] = self._of_file(style, where)
            return self._files[style]
        clusters, _ = self._networks.clusters()
        centres = clusters.centres.get(style.label)
        if isinstance(style, DrawnStyle):
            if centres is None:
                return torch.zeros(self._config.features.n_features)
            k = draw_cluster(len(centres), seed=self._settings.seed, key=style.image, number=style.region)
            return torch.from_numpy(centres[k])
        n = 0 if centres is None else len(centres)
        if centres is None or not 0 <= style.k < n:
            raise InputError(
                where,
                expected=f"a cluster of class {style.label}, from 0 to {n - 1}"
                if n
                else f"a class with clusters: {', '.join(map(str, sorted(clusters.centres)))}",
                found=f"cluster {style.k}" if n else f"class {style.label}",
                fix="Choose another, or make more: p2phd-eval encode cluster RUN DATA --clusters N",
            )
        return torch.from_numpy(centres[style.k])

    def sha256(self, styles: ImageStyles) -> str:
        """Return the hash of what styles are made from: of themselves, and of clusters and photos that they name.

        Raises `InputError` as `vector` does.
        """
        made_from = {"styles": styles.sha256}
        for number, style in styles.regions.items():
            self.vector(style, f"region {number}")
            if isinstance(style, PhotoStyle):
                place = (style.phase or self._settings.phase, style.image)
                made_from |= {"/".join((*place, part)): each for part, each in self._photos[place].contents.items()}
            elif isinstance(style, ClusterStyle | DrawnStyle):
                made_from["clusters"] = self._networks.clusters()[1]
        return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()

    def _drawn(self, batch: Batch, i: int, regions: torch.Tensor, n_regions: int, styles: ImageStyles) -> torch.Tensor:
        return draw_style(
            self._networks.clusters()[0],
            regions,
            n_regions,
            batch.label[i],
            numbers=batch.instance_numbers[i] if self._config.features.kind == "instance" else None,
            label_nc=self._config.data.label_nc,
            n_features=self._config.features.n_features,
            seed=self._settings.seed,
            key=styles.drawn_as or batch.triplets[i].key,
        )

    def _set(self, batch: Batch, i: int, styles: ImageStyles) -> Iterator[tuple[int, Style, str]]:
        """Yield what is set in an image: a region's number, its style and where it is said; pins last."""
        for number, style in styles.regions.items():
            yield number, style, f"{batch.triplets[i].key!r}, region {number}"
        pinned = {
            number: index for number in self._settings.pins if (index := self._index(batch, i, number)) is not None
        }
        if not pinned:
            return
        regions, n_regions = regions_of(batch, self._config)
        assert n_regions is not None
        labels, areas = classes_and_areas(regions[i], n_regions, batch.label[i], self._config.data.label_nc)
        for number, index in pinned.items():
            if areas[index]:
                self.unseen.discard(number)
                yield number, ClusterStyle(label=int(labels[index]), k=self._settings.pins[number]), f"--style {number}"

    def _index(self, batch: Batch, i: int, number: int) -> int | None:
        """Return what stands for a region's number in an image; None where it is not there."""
        if self._config.features.kind == "label":
            return number if 0 <= number < self._config.data.label_nc else None
        (found,) = np.nonzero(batch.instance_numbers[i] == number)
        return int(found[0]) if len(found) else None

    def _encode(self, photo: torch.Tensor, regions: torch.Tensor, n_regions: int) -> torch.Tensor:
        precision, encoder = self._networks.precision, self._networks.encoder()
        with backend_flags(precision), torch.inference_mode(), precision.autocast(self._networks.device):
            encoded: torch.Tensor = encoder(photo.to(precision.weights_dtype), regions, n_regions)
        return encoded

    def _of_photo(self, style: PhotoStyle, where: str) -> torch.Tensor:
        place = (style.phase or self._settings.phase, style.image)
        if place not in self._photos:
            self._photos[place] = self._encoded_photo(*place, where)
        by_region = self._photos[place].by_region
        if style.region not in by_region:
            raise InputError(
                where,
                expected=f"a region of {style.image!r}, such as {', '.join(map(str, sorted(by_region)[:3]))}",
                found=str(style.region),
                fix="Name one that its map has, and that is large enough to be seen by the networks.",
            )
        return by_region[style.region]

    def _encoded_photo(self, phase: str, key: str, where: str) -> _Encoded:
        if self._settings.data is None:
            raise InputError(where, expected="a data set, whose photo is meant", found="none", fix="Give its folder.")
        if phase not in self._datasets:
            self._datasets[phase] = whole_images(
                self._config, self._settings.data, phase, photos=True, fit=self._networks.fit
            )
        dataset = self._datasets[phase]
        index = next((i for i, triplet in enumerate(dataset.triplets) if triplet.key == key), None)
        if index is None:
            raise InputError(
                where,
                expected=f"the key of a photo of {self._settings.data}, {phase}, such as {dataset.triplets[0].key!r}",
                found=repr(key),
            )
        (batch,) = load_batches(dataset, [[(0, index)]], self._networks.device, workers=0)
        regions, n_regions = regions_of(batch, self._config)
        assert batch.photo is not None
        assert n_regions is not None
        features = self._encode(batch.photo, regions, n_regions)[0].flatten(1)
        table = features.new_zeros(n_regions, len(features))
        indices = regions.flatten().long()
        table[indices] = features.T  # equal over a region: any of its pixels will do
        there = torch.unique(indices).tolist()
        own = self._config.features.kind == "instance"
        by_region = {int(batch.instance_numbers[0][i]) if own else i: table[i] for i in there}
        return _Encoded(by_region=by_region, contents=batch.contents[0])

    def _of_file(self, style: FileStyle, where: str) -> torch.Tensor:
        path = Path(style.file) if self._settings.data is None else self._settings.data / style.file
        content = read_encoded(path)
        sha256 = hashlib.sha256(content).hexdigest()
        if sha256 != style.sha256:
            raise InputError(
                where,
                expected=f"{path} as it was, with SHA-256 {style.sha256[:12]}",
                found=f"another, {sha256[:12]}",
                fix="Restore the file, or set the style anew.",
            )
        image = Image.fromarray(decode_rgb(content, str(path)).pixels)
        x, y, width, height = style.box or (0, 0, *image.size)
        if x + width > image.width or y + height > image.height:
            raise InputError(
                where,
                expected=f"a box inside of {image.width} x {image.height} pixels, those of {path}",
                found=f"[{x}, {y}, {width}, {height}], its left, top, width and height",
            )
        geometry = choose_geometry(image.size, self._networks.fit, self._config.size_multiple, None, str(path))
        triplet = Triplet(key=style.file, name=style.file, label=path)
        pixels = {"label": resized_pixels(image, "image", geometry)}
        photo = as_sample(triplet, pixels, numbers_instances=False).to(self._networks.device).label
        # The box in the resized photo, outwards: it has a pixel at least.
        across, down = geometry.resized[0] / image.width, geometry.resized[1] / image.height
        left, top = int(x * across), int(y * down)
        right, bottom = int(np.ceil((x + width) * across)), int(np.ceil((y + height) * down))
        inside = torch.zeros_like(photo[:, :1], dtype=torch.int64)
        inside[..., top:bottom, left:right] = 1
        return self._encode(photo, inside, 2)[0, :, top, left]
