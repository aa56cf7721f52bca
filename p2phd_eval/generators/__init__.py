"""The thing under test: pix2pixHD and its data, training and sampling; and the files of NVIDIA's original."""
