"""A folder in the shape of a checkout of NVIDIA/pix2pixHD, which is not ours to keep here."""

from __future__ import annotations

from pathlib import Path

# The interface of its models/pix2pixHD_model.py, its way of calling CUDA and its imports, around a convolution each for
# G and D. It writes down the options that it was given, and has no memory for more than 2 samples.
_MODEL = """
import json
from pathlib import Path
import torch
from torch.autograd import Variable
from torchvision import models
from util.helper import FACTOR

class Pix2PixHDModel(torch.nn.Module):
    loss_names = ["G_GAN", "G_GAN_Feat", "D_real", "D_fake"]

    def initialize(self, opt):
        print(opt)
        (Path(__file__).parent / "options.json").write_text(json.dumps(vars(opt)))
        self.vgg = models.vgg19(pretrained=True).features.cuda()
        self.netG, self.netD = torch.nn.Conv2d(1, 3, 3, padding=1).cuda(), torch.nn.Conv2d(3, 1, 3).cuda()
        self.optimizer_G = torch.optim.Adam(self.netG.parameters(), lr=opt.lr)
        self.optimizer_D = torch.optim.Adam(self.netD.parameters(), lr=opt.lr)

    def forward(self, label, inst, image, feat, infer=False):
        if len(label) > 2:
            raise torch.OutOfMemoryError("3 are too many")
        edges = torch.cuda.ByteTensor(inst.size()).zero_().cuda()
        x = Variable(torch.cuda.FloatTensor(label.size()).zero_() + label.data.long().cuda() + edges, volatile=infer)
        fake = FACTOR * self.netG(x)
        judged, on_fake, on_real = self.netD(fake), self.netD(fake.detach()), self.netD(image)
        return [[(judged - 1).pow(2).mean(), 0, (on_real - 1).pow(2).mean(), on_fake.pow(2).mean()], None]
"""


def write_checkout(folder: Path) -> Path:
    for name, text in (("models/pix2pixHD_model.py", _MODEL), ("util/helper.py", "FACTOR = 2.0\n")):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(text)
    return folder
