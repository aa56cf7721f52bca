from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.generators.checkpoint import find_checkpoint, load_checkpoint, load_network, save_checkpoint
from p2phd_eval.generators.training.step import Pix2PixHD

CPU = torch.device("cpu")


@pytest.fixture
def saved(tiny: TrainConfig, tmp_path: Path) -> Path:
    path = tmp_path / "checkpoints" / "latest.pt"
    save_checkpoint(path, config=tiny, step=7, state=Pix2PixHD(tiny, CPU).state_dict())
    return path


def test_what_was_saved_is_read(saved: Path, tiny: TrainConfig) -> None:
    checkpoint = load_checkpoint(saved)
    assert (checkpoint.step, checkpoint.config) == (7, tiny)
    model = Pix2PixHD(tiny, CPU)
    for name, network in (("G", model.generator), ("D", model.discriminator)):
        for key, tensor in network.state_dict().items():
            assert torch.equal(checkpoint.networks[name][key], tensor)


class Malicious:
    """Unpickling it writes a file: the least harmful thing that shows that code ran."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.witness,))


@pytest.mark.parametrize("plain_pickle", [False, True])
def test_a_malicious_pickle_is_refused_and_not_run(tmp_path: Path, plain_pickle: bool) -> None:
    witness, path = tmp_path / "witness", tmp_path / "evil.pt"
    if plain_pickle:
        path.write_bytes(pickle.dumps(Malicious(witness)))
    else:
        torch.save({"format": "p2phd-eval checkpoint", "config": Malicious(witness)}, path)
    with pytest.raises(InputError, match="pickled objects other than tensors"):
        load_checkpoint(path)
    assert not witness.exists()
    pickle.loads(pickle.dumps(Malicious(witness)))  # it would have worked
    assert witness.exists()


def test_damaged_foreign_and_missing_files(saved: Path, tmp_path: Path) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="a damaged or foreign file"):
        load_checkpoint(saved)
    foreign = tmp_path / "foreign.pt"
    torch.save({"state_dict": {}}, foreign)
    with pytest.raises(InputError, match=r"expected a p2phd-eval checkpoint, found something else"):
        load_checkpoint(foreign)
    with pytest.raises(InputError, match="no such file"):
        load_checkpoint(tmp_path / "nothing.pt")
    with pytest.raises(InputError, match="Train first: p2phd-eval train DATA --out"):
        find_checkpoint(tmp_path / "nowhere")


def test_a_checkpoint_of_another_configuration_names_the_key(tiny: TrainConfig) -> None:
    model = Pix2PixHD(tiny, CPU)
    state = model.generator.state_dict()
    wider = {**state, "model.1.weight": torch.zeros(8, 13, 7, 7)}
    with pytest.raises(
        InputError,
        match=r"run.pt, G, key 'model\.1\.weight': expected shape \(4, 13, 7, 7\), found shape \(8, 13, 7, 7\)",
    ):
        load_network(model.generator, wider, "run.pt, G")
    deeper = {**state, "model.99.weight": torch.zeros(1)}
    with pytest.raises(InputError, match=r"key 'model\.99\.weight': expected no such key, found shape \(1,\)"):
        load_network(model.generator, deeper, "run.pt, G")
    state.pop("model.1.bias")
    with pytest.raises(InputError, match=r"key 'model\.1\.bias': expected shape \(4,\), found nothing"):
        load_network(model.generator, state, "run.pt, G")


def test_a_stored_configuration_with_an_unknown_key_is_named(saved: Path) -> None:
    document = torch.load(saved, weights_only=True)
    document["config"]["generator"]["n_heads"] = 3
    torch.save(document, saved)
    with pytest.raises(InputError, match="config, generator, key 'n_heads': expected one of kind, ngf"):
        load_checkpoint(saved)
