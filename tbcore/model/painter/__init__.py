"""The shipped painter: a latent diffusion pipeline in diffusers, in four parts and a scheduler."""

__all__ = []
