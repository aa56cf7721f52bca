"""Trains the pipeline on a data set in pix2pixHD's layout (``train_label``, ``train_img``): minutes on a CPU core."""

import argparse
from pathlib import Path

import torch
from pipeline import LabelToPhotoPipeline, one_hot, read_images  # before diffusers, which it keeps from torchvision

# isort: split
from diffusers import DDPMScheduler, DPMSolverMultistepScheduler, UNet2DModel
from diffusers.training_utils import EMAModel


def main() -> None:
    """Train and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="data set; sides have to be multiples of 8")
    parser.add_argument("--out", type=Path, required=True, help="folder of the trained pipeline")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--channels", type=int, nargs="+", default=[16, 32, 48], help="of each depth")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    labels = read_images(options.data / "train_label")[1]
    photos = read_images(options.data / "train_img")[1].permute(0, 3, 1, 2) / 127.5 - 1
    classes, depths = int(labels.max()) + 1, len(options.channels)
    unet = UNet2DModel(
        sample_size=tuple(labels.shape[1:]),
        in_channels=3 + classes,
        out_channels=3,
        block_out_channels=options.channels,
        layers_per_block=1,
        down_block_types=("DownBlock2D",) * (depths - 1) + ("AttnDownBlock2D",),
        up_block_types=("AttnUpBlock2D",) + ("UpBlock2D",) * (depths - 1),
        norm_num_groups=8,
        attention_head_dim=16,
    ).to(options.device)
    noising = DDPMScheduler(beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction")
    optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-3, total_steps=options.steps, pct_start=0.05)
    average = EMAModel(unet.parameters(), decay=0.995, use_ema_warmup=True)

    for step in range(options.steps):
        chosen = torch.randint(len(photos), (options.batch_size,))
        photo, condition = photos[chosen], one_hot(labels[chosen], classes)
        if torch.rand(()) < 0.5:
            photo, condition = photo.flip(-1), condition.flip(-1)
        noise, times = torch.randn_like(photo), torch.randint(noising.config.num_train_timesteps, (len(photo),))
        noisy, velocity = noising.add_noise(photo, noise, times), noising.get_velocity(photo, noise, times)
        predicted = unet(torch.cat([noisy, condition], dim=1).to(options.device), times.to(options.device)).sample
        loss = torch.nn.functional.mse_loss(predicted, velocity.to(options.device))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        average.step(unet.parameters())
        if (step + 1) % 100 == 0:
            print(f"step {step + 1}/{options.steps}, loss {loss.item():.3f}", flush=True)

    average.copy_to(unet.parameters())
    sampler = DPMSolverMultistepScheduler.from_config(noising.config)
    LabelToPhotoPipeline(unet, sampler).save_pretrained(options.out)


if __name__ == "__main__":
    main()
