"""The files and options of NVIDIA/pix2pixHD, read and written."""
