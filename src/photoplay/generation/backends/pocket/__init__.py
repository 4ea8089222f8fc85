"""Pocket: photoplay's own small video diffusion model, which paints what no photo holds."""
