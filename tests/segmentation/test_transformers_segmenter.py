from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from p2phd_eval.errors import InputError
from p2phd_eval.segmentation.find_segmenter import find_segmenter
from p2phd_eval.torchvision_ops import declare_missing_operators

CPU = torch.device("cpu")
CLASSES = {0: "sky", 1: "road", 2: "tree", 3: "tree"}


@pytest.fixture(scope="module")
def segformer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    declare_missing_operators()
    import transformers

    torch.manual_seed(0)
    config = transformers.SegformerConfig(
        depths=[1, 1, 1, 1],
        hidden_sizes=[8, 8, 16, 16],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16,
        id2label=CLASSES,
        label2id={"sky": 0, "road": 1, "tree": 2},
    )
    folder = tmp_path_factory.mktemp("models") / "tiny-segformer"
    transformers.SegformerForSemanticSegmentation(config).save_pretrained(folder)
    transformers.SegformerImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def mask2former(tmp_path_factory: pytest.TempPathFactory) -> Path:
    declare_missing_operators()
    import transformers

    torch.manual_seed(0)
    config = transformers.Mask2FormerConfig(
        backbone_config=transformers.SwinConfig(
            embed_dim=8,
            depths=[1, 1, 1, 1],
            num_heads=[1, 1, 2, 2],
            window_size=2,
            out_features=["stage1", "stage2", "stage3", "stage4"],
        ),
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=32,
        dim_feedforward=32,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        num_queries=5,
        id2label=CLASSES,
        label2id={"sky": 0, "road": 1, "tree": 2},
    )
    folder = tmp_path_factory.mktemp("models") / "tiny-mask2former"
    transformers.Mask2FormerForUniversalSegmentation(config).save_pretrained(folder)
    transformers.Mask2FormerImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder


def noise(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_segformer_answers_as_its_own_pipeline(segformer: Path) -> None:
    import transformers

    segmenter = find_segmenter(str(segformer), weights=None, device=CPU)
    assert (segmenter.name, segmenter.classes) == ("tiny-segformer", ("sky", "road", "tree (2)", "tree (3)"))
    images = noise(2, 48, 80, 3)
    answers = segmenter(images)
    assert (answers.shape, answers.dtype) == ((2, 48, 80), torch.int64)
    assert len(answers.unique()) > 1
    # The paper's own evaluation: logits to the photo's size, then the largest.
    network = transformers.SegformerForSemanticSegmentation.from_pretrained(segformer).eval()
    processor = transformers.SegformerImageProcessor.from_pretrained(segformer)
    with torch.no_grad():
        logits = network(**processor(images=list(images.numpy()), return_tensors="pt")).logits
    expected = functional.interpolate(logits, size=(48, 80), mode="bilinear", align_corners=False).argmax(dim=1)
    assert float((answers == expected).double().mean()) > 0.999  # ties of the last digit, by the size of the batch


def test_mask2former_answers_as_its_own_pipeline(mask2former: Path) -> None:
    import transformers

    segmenter = find_segmenter(str(mask2former), weights=None, device=CPU)
    images = noise(2, 48, 80, 3)
    network = transformers.Mask2FormerForUniversalSegmentation.from_pretrained(mask2former).eval()
    processor = transformers.Mask2FormerImageProcessor.from_pretrained(mask2former)
    with torch.no_grad():
        output = network(pixel_values=processor(images=list(images.numpy()), return_tensors="pt")["pixel_values"])
    expected = processor.post_process_semantic_segmentation(output, target_sizes=[(48, 80)] * 2)
    assert float((segmenter(images) == torch.stack(expected)).double().mean()) > 0.999


def test_what_is_no_such_folder_is_refused(segformer: Path, tmp_path: Path) -> None:
    for name in ("config.json", "preprocessor_config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((segformer / name).read_bytes())
    identity = find_segmenter(str(tmp_path), weights=None, device=CPU).identity
    assert identity == find_segmenter(str(segformer), weights=None, device=CPU).identity

    with pytest.raises(InputError, match="expected none, since"):
        find_segmenter(str(tmp_path), weights=tmp_path / "model.safetensors", device=CPU)
    settings = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**settings, "decoder_hidden_size": 24}))
    with pytest.raises(InputError, match="found what transformers cannot load"):
        find_segmenter(str(tmp_path), weights=None, device=CPU)
    (tmp_path / "config.json").write_text(json.dumps({**settings, "model_type": "bert"}))
    with pytest.raises(InputError, match="found what transformers cannot load"):
        find_segmenter(str(tmp_path), weights=None, device=CPU)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"found no model\.safetensors in it"):
        find_segmenter(str(tmp_path), weights=None, device=CPU)
