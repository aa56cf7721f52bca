"""Sets of images, one module for each form in which they come: folder, archive, shards, list, arrays."""
