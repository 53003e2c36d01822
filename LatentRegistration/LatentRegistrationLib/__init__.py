"""Learned registration with a latent space that can be looked into, free of Slicer."""
