"""What turns images into features: FID's Inception, DINOv2, networks of your own, and the resizes before them."""
