"""Features kept between calls, by the content of the images."""
