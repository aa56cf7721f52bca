"""How far a pixel of a generator's photo sees."""

from p2phd_eval.config import GeneratorConfig


def receptive_radius(config: GeneratorConfig) -> int | None:
    """Return beyond how many pixels what stands in the maps cannot change a pixel of the photo; None: it always can.

    Instance norm looks at whole maps. For batch norm, whose statistics are stored, it is a bound: the kernels' reaches,
    each in pixels of the photo, and one for the edges of instances.
    """
    if config.norm == "instance":
        return None
    enhancers = config.n_local_enhancers if config.kind == "local" else 0
    lowest = 2 ** (config.n_downsample + enhancers)  # pixels of the photo in one of the lowest resolution
    coarse = 2**enhancers  # in one that the global generator sees
    halvings = sum(coarse * 2**i for i in range(config.n_downsample))
    reach = 3 * coarse + halvings + 2 * config.n_blocks * lowest + 2 * halvings
    for n in range(1, enhancers + 1):
        scale = 2 ** (enhancers - n + 1)
        # The pyramid's pooling, the residual blocks, the transposed convolution.
        reach += scale // 2 + 2 * config.n_blocks_local * scale + scale
    # The 7x7 kernel to the photo; a pixel of the lowest resolution reaches as far as it is wide.
    return reach + 3 + lowest + 1
