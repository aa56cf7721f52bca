"""What stands in a photo, by a network that names each pixel's class: who answers, and how well samples are read."""
