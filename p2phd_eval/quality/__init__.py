"""The quality of single images and of runs: SSIM, PSNR, LPIPS, DISTS, DreamSim."""
