"""pix2pix (Isola et al., 2017, https://arxiv.org/abs/1611.07004) by torch alone, from label maps to photos.

The U-Net and the PatchGAN of the paper, its losses and its noise: dropout, at test time too.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn


class UNet(nn.Module):
    """An encoder of stride 2 and a decoder that sees each of its levels; dropout in the inner ones is the noise."""

    def __init__(self, classes: int, width: int, depth: int) -> None:
        super().__init__()
        sizes = [min(width << level, 8 * width) for level in range(depth)]
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, size in enumerate(sizes):
            before = sizes[level - 1] if level else classes
            plain = level in (0, depth - 1)  # the outermost and the innermost have no batch norm
            layers = [nn.LeakyReLU(0.2)] * (level > 0) + [nn.Conv2d(before, size, 4, 2, 1)]
            self.down.append(nn.Sequential(*layers, *[nn.BatchNorm2d(size)] * (not plain)))
        for level in reversed(range(depth)):
            inside = sizes[level] * (1 if level == depth - 1 else 2)
            outside = sizes[level - 1] if level else 3
            layers = [nn.ReLU(), nn.ConvTranspose2d(inside, outside, 4, 2, 1)]
            layers += [nn.BatchNorm2d(outside)] + [nn.Dropout(0.5)] * (level >= depth - 2) if level else [nn.Tanh()]
            self.up.append(nn.Sequential(*layers))

    def forward(self, image: Tensor) -> Tensor:
        """Return photos in (-1, 1), [n, 3, h, w], of maps [n, classes, h, w]."""
        seen = []
        for layer in self.down:
            image = layer(image)
            seen.append(image)
        image = self.up[0](seen.pop())
        for layer in self.up[1:]:
            image = layer(torch.cat([image, seen.pop()], dim=1))
        return image


def patch_gan(channels: int, width: int) -> nn.Sequential:
    """Make the discriminator that judges overlapping patches: logits [n, 1, h', w']."""
    layers = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    for before, size in ((width, 2 * width), (2 * width, 4 * width)):
        layers += [nn.Conv2d(before, size, 4, 2, 1), nn.BatchNorm2d(size), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(4 * width, 1, 3, 1, 1))


def read(folder: Path) -> tuple[list[str], Tensor]:
    """Return the stems of a folder's images, sorted, and their pixels: uint8 [n, h, w] or [n, h, w, 3]."""
    paths = sorted(path for path in folder.iterdir() if path.suffix in (".png", ".jpg"))
    return [path.stem for path in paths], torch.from_numpy(np.stack([np.asarray(Image.open(path)) for path in paths]))


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Turn maps [n, h, w] into planes [n, classes, h, w]."""
    return nn.functional.one_hot(labels.long(), classes).permute(0, 3, 1, 2).float()


def train(options: argparse.Namespace) -> None:
    """Alternate a step of the discriminator and one of the generator, which also has 100 times the L1 distance."""
    torch.manual_seed(options.seed)
    labels = read(options.data / "train_label")[1]
    photos = read(options.data / "train_img")[1].permute(0, 3, 1, 2) / 127.5 - 1
    shape = {"classes": int(labels.max()) + 1, "width": options.width, "depth": options.depth}
    generator = UNet(**shape).to(options.device)
    discriminator = patch_gan(shape["classes"] + 3, options.width).to(options.device)
    for layer in (*generator.modules(), *discriminator.modules()):
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)
    steps = [torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999)) for net in (generator, discriminator)]
    bce = nn.functional.binary_cross_entropy_with_logits
    autocast = torch.autocast(options.device, torch.bfloat16, enabled=options.precision == "bf16")
    for step in range(options.steps):
        chosen = torch.randint(len(labels), (options.batch_size,))
        maps, real = one_hot(labels[chosen], shape["classes"]).to(options.device), photos[chosen].to(options.device)
        with autocast:
            fake = generator(maps)
            judged = [discriminator(torch.cat([maps, photo], 1)).float() for photo in (real, fake.detach())]
        loss_d = sum(bce(logits, torch.full_like(logits, value)) for logits, value in zip(judged, (1, 0), strict=True))
        steps[1].zero_grad()
        (loss_d / 2).backward()
        steps[1].step()
        with autocast:
            logits = discriminator(torch.cat([maps, fake], 1)).float()
        distance = nn.functional.l1_loss(fake.float(), real)
        steps[0].zero_grad()
        (bce(logits, torch.ones_like(logits)) + 100 * distance).backward()
        steps[0].step()
        if (step + 1) % 100 == 0:
            print(f"step {step + 1}/{options.steps}, L1 {distance.item():.3f}", flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    torch.save({"shape": shape, "weights": generator.state_dict()}, options.out / "generator.pt")


@torch.no_grad()
def generate(options: argparse.Namespace) -> None:
    """Draw a photo of each test map, one at a time: batch norm by the image's own statistics, as in the paper."""
    saved = torch.load(options.run / "generator.pt", weights_only=True)
    generator = UNet(**saved["shape"]).to(options.device)
    generator.load_state_dict(saved["weights"])
    options.out.mkdir(parents=True, exist_ok=True)
    for number, (stem, label) in enumerate(zip(*read(options.data / "test_label"), strict=True)):
        torch.manual_seed(options.seed * 1_000_000 + number)
        photo = generator(one_hot(label[None], saved["shape"]["classes"]).to(options.device))[0]
        pixels = ((photo.permute(1, 2, 0).cpu() + 1) * 127.5).round().to(torch.uint8)
        Image.fromarray(pixels.numpy()).save(options.out / f"{stem}.png")


def main() -> None:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    for command in (train, generate):
        sub = commands.add_parser(command.__name__, help=command.__doc__)
        sub.set_defaults(command=command)
        sub.add_argument("--data", type=Path, required=True, help="data set in pix2pixHD's layout")
        sub.add_argument("--out", type=Path, required=True)
        sub.add_argument("--seed", type=int, default=0)
        sub.add_argument("--device", default="cpu")
        if command is generate:
            sub.add_argument("--run", type=Path, required=True, help="folder that train wrote")
        else:
            sub.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="bf16 by autocast")
            sub.add_argument("--steps", type=int, default=2000)
            sub.add_argument("--batch-size", type=int, default=8)
            sub.add_argument("--width", type=int, default=32, help="channels of the outermost level; 64 in the paper")
            sub.add_argument("--depth", type=int, default=5, help="levels; sides have to be multiples of 2 to that")
    options = parser.parse_args()
    options.command(options)


if __name__ == "__main__":
    main()
