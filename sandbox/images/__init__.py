"""Container images in which programs run: one folder with a Dockerfile per image.

``recipe`` decides what an image is made of and therefore what it is called; ``build`` talks to the daemon.
An image is named by the hash of its recipe, so an image that exists under its name is up to date.
"""

from __future__ import annotations

from sandbox.images.build import build_image, connect, image_digest
from sandbox.images.recipe import guard_hash, image_reference, list_images

__all__ = ["build_image", "connect", "guard_hash", "image_digest", "image_reference", "list_images"]
