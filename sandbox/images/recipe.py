"""What an image is made of: its Dockerfile and the guard.

The build context of every image holds three things:

- ``Dockerfile``;
- ``guard/``: the sources of ``sandbox.guard``, to be copied to ``/opt/opencoder/guard``;
- ``ca.pem``: the certificate bundle of this machine (``PIP_CERT``, ``SSL_CERT_FILE`` or
  ``REQUESTS_CA_BUNDLE``), empty if none is set. An image that downloads through pip or npm behind a proxy
  with its own authority copies it into a build *stage*, so that it never reaches the final image::

      FROM ${BASE} AS packages
      COPY ca.pem /tmp/ca.pem
      RUN if [ -s /tmp/ca.pem ]; then export PIP_CERT=/tmp/ca.pem; fi; pip install --target /opt/packages ...

  It is no part of the recipe's hash: where a package came from does not change what it is.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path

from opencoder.errors import UserError

FOLDER = Path(__file__).resolve().parent
GUARD = FOLDER.parent / "guard"
GUARD_LABEL = "io.opencoder.guard"
RECIPE_LABEL = "io.opencoder.recipe"
REPOSITORY_PREFIX = "opencoder-sandbox-"
_CA_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


def list_images() -> list[str]:
    """Return the names of all images, sorted: the folders beside this file that hold a Dockerfile."""
    return sorted(path.parent.name for path in FOLDER.glob("*/Dockerfile"))


def image_reference(name: str) -> str:
    """Return what the daemon calls the current image ``name``: repository and the recipe's hash as tag.

    Raises:
        UserError: There is no image of that name.
    """
    return f"{REPOSITORY_PREFIX}{name}:{recipe_hash(name)[:12]}"


def guard_hash() -> str:
    """Return the SHA-256 of the guard's sources (names and contents), as written on every image's label."""
    return _digest(guard_files())


def recipe_hash(name: str) -> str:
    """Return the SHA-256 of all that goes into image ``name``.

    Raises:
        UserError: There is no image of that name.
    """
    return _digest({"Dockerfile": dockerfile(name), **guard_files()})


def labels(name: str) -> dict[str, str]:
    """Return the labels that tell an image of the current recipe from any other."""
    return {GUARD_LABEL: guard_hash(), RECIPE_LABEL: recipe_hash(name)}


def dockerfile(name: str) -> bytes:
    """Return the Dockerfile of image ``name``.

    Raises:
        UserError: There is no image of that name.
    """
    if name not in list_images():
        raise UserError(f"no sandbox image is called '{name}'; choose from: {', '.join(list_images())}")
    return (FOLDER / name / "Dockerfile").read_bytes()


def guard_files() -> dict[str, bytes]:
    """Return the guard's sources as ``guard/<path>`` -> content."""
    return {
        f"guard/{path.relative_to(GUARD).as_posix()}": path.read_bytes()
        for path in sorted(GUARD.rglob("*.py"))
    }


def build_context(name: str) -> bytes:
    """Return the build context of image ``name`` as a tar archive.

    Owners, times and modes are fixed, so that equal recipes give equal bytes and the daemon's cache holds.

    Raises:
        UserError: There is no image of that name.
    """
    files = {"Dockerfile": dockerfile(name), "ca.pem": ca_bundle(os.environ), **guard_files()}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, content in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def ca_bundle(env: Mapping[str, str]) -> bytes:
    """Return the certificate bundle that ``env`` points at, or nothing."""
    for variable in _CA_VARIABLES:
        path = Path(env.get(variable, ""))
        if path.is_file():
            return path.read_bytes()
    return b""


def _digest(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for path, content in sorted(files.items()):
        # The length keeps the end of one file apart from the beginning of the next.
        digest.update(f"{path}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
