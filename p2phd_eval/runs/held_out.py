"""The validation of a training: FID and KID on a held-out part of the data, with their standard errors."""

import json
import shutil
from pathlib import Path

import msgspec
import torch
from msgspec import Struct

from p2phd_eval.config import TrainConfig
from p2phd_eval.distributed import SINGLE
from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.fid_of_sets import evaluate_fid
from p2phd_eval.evaluation.pairing import sorted_by_id
from p2phd_eval.features.extraction import FeatureExtractor
from p2phd_eval.features.feature_set import FeatureStamp
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.features.weights.find import find_weights
from p2phd_eval.files import atomic_write
from p2phd_eval.generators.data.triplets import find_triplets, folder_names
from p2phd_eval.generators.sampling.generation import generate
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.json_files import read_json_lines
from p2phd_eval.progress import ProgressFactory
from p2phd_eval.stats.distances.kernel import kernel_distance


class Validation(Struct, frozen=True, kw_only=True):
    """One line of `validation.jsonl`."""

    epoch: int  # counted from 1
    step: int  # finished steps
    fid: float  # FID@n, biased upward: to be compared with others of the same n alone
    fid_se: float  # its standard error (influence function, pairs)
    kid: float  # unbiased, so that it may be below 0
    kid_se: float  # its standard error (jackknife, pairs)
    n: int  # held-out images
    stamp: dict[str, FeatureStamp]  # how the features of "real" and "fake" were made


class HeldOutResult(Validation, frozen=True, kw_only=True):
    """One validation, and where it stands among the others."""

    best_epoch: int  # the one with the lowest FID so far
    samples: Path  # folder of this epoch's samples


class HeldOut:
    """Validates checkpoints of a run: samples of a held-out phase, and their FID against its photos.

    Each validation is a line of `<run>/validation.jsonl`. Of the samples, `<run>/validation/epoch_0004` and so on,
    those of the newest epoch and of the best one stay. The photos' features come from the cache of features.

    Raises `InputError` if the phase is incomplete or has fewer than three images, the weights cannot be had, or what
    earlier validations wrote cannot be read: all before a training of hours.

    Parameters
    ----------
    config : TrainConfig
        The run's.
    data : Path
        The data set.
    phase : str
        The held-out part, such as "val", with photos.
    run : Path
        The run folder; nothing is written before the first validation.
    device : torch.device
        Where the generator and the Inception network work.
    weights : Path or None
        Inception weights; by default those of the cache, fetched if need be.
    """

    def __init__(
        self,
        config: TrainConfig,
        data: Path,
        phase: str,
        run: Path,
        *,
        device: torch.device,
        weights: Path | None,
        progress: ProgressFactory,
    ) -> None:
        self._data, self._phase, self._run = data, phase, run
        self._device, self._progress = device, progress
        # Features come from the held-out photos: clusters exist only once a training has ended.
        self._style = None if config.features.kind == "none" else "photo"
        photos = data / folder_names(phase, config.data)[2]
        n = len(find_triplets(data, phase, config.data, photos=True))
        if n < 3:
            raise InputError(str(photos), expected="at least 3 photos for a FID and a KID with errors", found=str(n))
        self._photos = open_source(photos)
        self._extract = FeatureExtractor(FeatureSettings(weights=weights, device=str(device)), progress=progress)
        self._lines = read_validations(run)
        with progress("fetch Inception weights", "bytes") as on_progress:
            find_weights(weights, on_progress=on_progress)

    def __call__(self, epoch: int, step: int, checkpoint: Path) -> HeldOutResult:
        """Validate the checkpoint of an epoch's end; lines of this and later epochs, of a run resumed since, go.

        Raises
        ------
        InputError
            As `generate` and `FeatureExtractor` do.
        """
        folder = self._folder(epoch)
        shutil.rmtree(folder, ignore_errors=True)
        generate(
            checkpoint,
            self._data,
            folder,
            device=self._device,
            ranks=SINGLE,  # the others wait
            phase=self._phase,
            style=self._style,
            progress=lambda _, unit: self._progress(f"validate epoch {epoch}", unit),
        )
        # Samples are new at every validation: to keep their features would only fill the cache.
        fake = self._extract(open_source(folder), keep=False)
        real = self._extract(self._photos)
        result = evaluate_fid(real, fake, extrapolate=False, replicates=0)
        kid = kernel_distance(sorted_by_id(real).values, sorted_by_id(fake).values, paired=True)
        line = Validation(
            epoch=epoch,
            step=step,
            fid=result.fid,
            fid_se=result.fid_se,
            kid=kid.value,
            kid_se=kid.se,
            n=len(fake),
            stamp={"real": real.stamp, "fake": fake.stamp},
        )
        self._lines = [*(earlier for earlier in self._lines if earlier.epoch < epoch), line]
        text = "".join(f"{json.dumps(msgspec.to_builtins(each), allow_nan=False)}\n" for each in self._lines)
        with atomic_write(self._run / "validation.jsonl") as stream:
            stream.write(text.encode())
        best_epoch = min(self._lines, key=lambda each: each.fid).epoch
        self._keep_samples(epoch, best_epoch)
        return HeldOutResult(**msgspec.structs.asdict(line), best_epoch=best_epoch, samples=folder)

    def _folder(self, epoch: int) -> Path:
        return self._run / "validation" / f"epoch_{epoch:04d}"

    def _keep_samples(self, *epochs: int) -> None:
        kept = {self._folder(epoch) for epoch in epochs}
        for folder in (self._run / "validation").glob("epoch_*"):
            if folder not in kept:
                shutil.rmtree(folder)


def read_validations(run: Path) -> list[Validation]:
    """Return the validations of a run, the oldest first; none where there is no `validation.jsonl`.

    `run`: its folder. Raises `InputError` if the file cannot be read.
    """
    path = run / "validation.jsonl"
    if not path.exists():
        return []
    wanted = "a line of JSON for each validation"
    return read_json_lines(Validation, path, expected=wanted, fix="Mend the file, or move it away.")
