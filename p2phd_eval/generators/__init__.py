"""The thing under test: pix2pixHD, its data, its training under a chosen precision, its samples."""
