"""Read bytes, images, frames and downloads."""
