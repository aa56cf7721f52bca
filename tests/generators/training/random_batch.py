"""A batch of noise for tests of a training step."""

from __future__ import annotations

import torch

from p2phd_eval.generators.data.batch import Batch


def random_batch(device: torch.device) -> Batch:
    """Two samples of 64 x 32 pixels with 12 labels and features."""
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(12, (2, 1, 32, 64), generator=generator, dtype=torch.uint8)
    photo = torch.randint(256, (2, 3, 32, 64), generator=generator, dtype=torch.uint8)
    batch = Batch(triplets=(), label=label, instance=label.int(), photo=photo, features=photo, n_instances=12)
    return batch.to(device)
