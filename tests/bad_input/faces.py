"""Bad input: faces."""

from __future__ import annotations

from tests.bad_input.case import Case, photos, text

FACES = (
    Case(
        area="Faces",
        kind="Too few points",
        make=lambda: text("face.txt", "12,30\n" * 67),
        typed="edit faces face.txt --size 64 64 --out data",
        words="face.txt: expected the 68 points of a face, x and y of each, found 67 points",
    ),
    Case(
        area="Faces",
        kind="A point that is none",
        make=lambda: text("face.pts", "version: 1\nn_points: 68\n{\n" + "12 30\n" * 67 + "nan nan\n}\n"),
        typed="edit faces face.pts --size 64 64 --out data",
        words="face.pts, line 71: expected two finite numbers, x and y, found nan, nan",
    ),
    Case(
        area="Faces",
        kind="Points of a larger photo",
        make=lambda: text("face.csv", "x,y\n" + "300,300\n" * 68),
        typed="edit faces face.csv --size 64 64 --out data",
        words="face.csv, line 2: expected a point in or near a picture of 64 x 64 pixels, found 300, 300",
    ),
    Case(
        area="Faces",
        kind="Landmarks without a photo",
        make=lambda: (photos("photos"), text("face.txt", "12,30\n" * 68)),
        typed="edit faces face.txt --photos photos --out data",
        words="expected a photo of the name of each file of landmarks, found none for 1: face",
    ),
    Case(
        area="Faces",
        kind="A landmark model that is none",
        make=lambda: (photos("photos"), text("model.dat", "text")),
        typed="edit faces --photos photos --dlib-model model.dat --out data",
        words="model.dat: expected a landmark model of dlib",
    ),
    Case(
        area="Faces",
        kind="CelebAMask-HQ without its list",
        make=lambda: photos("CelebAMask-HQ/CelebA-HQ-img"),
        typed="data celebamask CelebAMask-HQ data",
        words="expected the file of CelebAMask-HQ that says which photo of CelebA each face is, found none",
    ),
)
