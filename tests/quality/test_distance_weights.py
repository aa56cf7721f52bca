from pathlib import Path

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.quality.distance_weights import parse_distance_weights, require_distance_weights


def test_each_text_names_a_distance_and_its_weights(tmp_path: Path) -> None:
    file = tmp_path / "a=b.pth"
    file.touch()
    assert parse_distance_weights([f"dists={file}", f"dreamsim={tmp_path}"]) == {"dists": file, "dreamsim": tmp_path}
    assert parse_distance_weights([]) == {}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["dists"], r"expected dists=PATH, .* or dreamsim=PATH, .* found 'dists'"),
        (["dists="], "found 'dists='"),
        (["lpips=alexnet.pth"], r"found 'lpips=alexnet\.pth'(?s:.)*LPIPS' weights are given with --lpips-weights"),
        (["dists=.", "dists=.."], r"expected dists once, found \. and \.\."),
        (["dreamsim=nowhere"], "--distance-weights dreamsim=nowhere: expected a folder with .* found nothing there"),
    ],
)
def test_other_texts_are_refused(
    texts: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        parse_distance_weights(texts)


def test_unknown_distances_are_refused_from_python_too() -> None:
    with pytest.raises(InputError, match="expected dists or dreamsim, found 'vif'"):
        require_distance_weights({"vif": Path()})
