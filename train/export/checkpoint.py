"""The model in a training checkpoint, read tensor by tensor: no process group, no optimiser state, no model.

torchtitan saves with ``torch.distributed.checkpoint``. A tensor is one or more pieces, each a ``torch.save``
archive somewhere inside a ``.distcp`` file; ``.metadata`` says where. Such an archive has a CRC-32 for each
of its records, which ``torch.load`` does not look at, so a flipped bit would go into the weights unseen; here
it is checked.

``.metadata`` is a pickle, as torch writes it: read only checkpoints from whom you trust.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opencoder.errors import DataError, UserError
from opencoder.files import reading_from
from train import checkpoints
from train.export.names import titan_sizes
from train.shape import Shape
from train.spec import CHECKPOINTS, SPEC, RunSpec, read_spec

if TYPE_CHECKING:
    from torch import Tensor

METADATA = ".metadata"


class Checkpoint:
    """The model part of a ``step-N`` folder.

    Args:
        folder: The folder.
        shape: What the model must be.

    Raises:
        DataError: There is no whole checkpoint of this model: a file is missing, cut off or damaged, or the
            tensors are others than the shape's.
    """

    def __init__(self, folder: Path, shape: Shape) -> None:
        self.folder = folder
        self.shape = shape
        metadata = _metadata(folder)
        self._tensors: Mapping[str, Any] = metadata.state_dict_metadata
        self._places: Mapping[Any, Any] = metadata.storage_data or {}
        self.sizes: dict[str, tuple[int, ...]] = dict(titan_sizes(shape))
        self._check()

    def read(self, name: str) -> Tensor:
        """Return one parameter, as it was saved.

        Args:
            name: torchtitan's name of it.

        Raises:
            DataError: A piece of it is damaged; the message names the file.
        """
        import torch

        described = self._tensors[name]
        tensor = torch.empty(self.sizes[name], dtype=described.properties.dtype)
        for piece in described.chunks:
            part = tensor
            for dim, (start, length) in enumerate(zip(piece.offsets, piece.sizes, strict=True)):
                part = part.narrow(dim, start, length)
            part.copy_(self._piece(name, piece))
        return tensor

    def _piece(self, name: str, piece: Any) -> Tensor:
        import torch

        place = self._place(name, piece)
        path = self.folder / place.relative_path
        with reading_from(path), path.open("rb") as file:
            file.seek(place.offset)
            data = file.read(place.length)
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                damaged = archive.testzip()
            if damaged is None:
                found: Tensor = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
                if found.shape == piece.sizes:
                    return found
        except (zipfile.BadZipFile, RuntimeError, EOFError, OSError, ValueError, NotImplementedError):
            pass
        raise DataError(f"damaged at {name}; export another checkpoint", path=path)

    def _place(self, name: str, piece: Any) -> Any:
        from torch.distributed.checkpoint.metadata import MetadataIndex

        place = self._places.get(MetadataIndex(name, piece.offsets))
        if place is None or getattr(place, "transform_descriptors", None):
            raise DataError(f"does not say where {name} is", path=self.folder / METADATA)
        return place

    def _check(self) -> None:
        """Hold every parameter against the shape and every file against its size, before work begins."""
        for name, size in self.sizes.items():
            described = self._tensors.get(name)
            found = getattr(described, "size", None)
            if described is None or found is None:
                raise DataError(f"holds no {name}", path=self.folder)
            if tuple(found) != size:
                raise DataError(f"{name} is {tuple(found)}; the run's shape says {size}", path=self.folder)
            for piece in described.chunks:
                place = self._place(name, piece)
                path = self.folder / place.relative_path
                with reading_from(path):
                    length = path.stat().st_size
                if length < place.offset + place.length:
                    raise DataError("is cut off; export another checkpoint", path=path)


def find_checkpoint(given: Path, step: int | None) -> tuple[Path, int, RunSpec]:
    """Find a checkpoint and the run that it is of.

    Only whole ones count, with the sizes that were recorded; bytes are checked when they are read. A
    ``step-N`` folder without ``.complete.json`` is taken as torchtitan's own, when it is named itself.

    Args:
        given: A run folder, or the ``step-N`` folder of a checkpoint in one.
        step: Of a run folder; None for its newest checkpoint.

    Returns:
        The ``step-N`` folder, N, and the run's spec.

    Raises:
        UserError: There is no such checkpoint.
        DataError: The run's spec is missing or broken, or a file of the checkpoint is missing or cut off.
    """
    if (given / SPEC).is_file():
        chosen = checkpoints.chosen(given / CHECKPOINTS, step)
        if chosen is None:
            raise UserError(
                f"{given} has no whole checkpoint yet; one of torchtitan's own, without "
                f"{checkpoints.COMPLETE}, is exported by its step-N folder"
            )
        spec = read_spec(given)
    else:
        chosen = given
        number = given.resolve().name.removeprefix("step-")
        if not (given / METADATA).is_file() or not number.isdecimal():
            raise UserError(f"{given} is no run folder ({SPEC}) and no checkpoint (step-N with {METADATA})")
        if step is not None and step != int(number):
            raise UserError(f"{given} is one checkpoint; leave out --step, or give the run folder")
        spec = read_spec(given.resolve().parent.parent)
    if (chosen / checkpoints.COMPLETE).is_file():
        checkpoints.verify_sizes(chosen)
    return chosen, int(chosen.resolve().name.removeprefix("step-")), spec


def _metadata(folder: Path) -> Any:
    from torch.distributed.checkpoint.filesystem import FileSystemReader
    from torch.distributed.checkpoint.metadata import Metadata

    path = folder / METADATA
    try:
        with reading_from(path):
            found = FileSystemReader(folder).read_metadata()
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"damaged ({type(error).__name__}); export another checkpoint", path=path) from error
    if not isinstance(found, Metadata):
        raise DataError("damaged; export another checkpoint", path=path)
    return found
