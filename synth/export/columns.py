"""Records as columns of Parquet, and back.

The columns follow from the record: lists stay lists, parts become structs, and tables with free keys become
lists of ``name`` and ``value``, as readers of Parquet differ in what they make of maps.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import msgspec
import msgspec.inspect as mi
import pyarrow as pa

from synth.record import SCHEMA, Row

EDUCATIONAL = pa.schema(
    [
        ("seq_id", pa.int64()),
        ("instruction", pa.string()),
        ("output", pa.string()),
        ("code", pa.string()),
        ("entry_point", pa.string()),
        ("testcase", pa.list_(pa.string())),
    ]
)
"""Columns of ``educational_instruct`` in opc-sft-stage2, as its card gives them."""

INSTRUCT = pa.schema([("instruction", pa.string()), ("output", pa.string()), ("tag", pa.string())])
"""Columns of the three other sets of opc-sft-stage2."""


@functools.cache
def record_schema() -> Any:
    """Return the columns of a whole record."""
    return pa.schema([("schema", pa.string()), *_arrow(mi.type_info(Row))])


def record_values(row: Row) -> dict[str, Any]:
    """Return a record as what its columns hold."""
    return {"schema": SCHEMA, **to_values(row)}


def to_values(record: object) -> Any:
    """Return a part of a record as what its column holds; empty fields with their empty values."""
    if isinstance(record, msgspec.Struct):
        return {name: to_values(getattr(record, name)) for name in record.__struct_fields__}
    if isinstance(record, list):
        return [to_values(item) for item in record]
    if isinstance(record, dict):
        return [{"name": name, "value": to_values(value)} for name, value in sorted(record.items())]
    return record


def from_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a row of Parquet holds as a row of JSON lines: without nulls, records with their tables."""
    if values.get("schema") == SCHEMA:
        return {"schema": SCHEMA, **_tables(values, mi.type_info(Row))}
    return {name: value for name, value in values.items() if value is not None}


def _arrow(kind: mi.Type) -> Any:
    if isinstance(kind, mi.StructType):
        return pa.struct([pa.field(field.name, _arrow(field.type)) for field in kind.fields])
    if isinstance(kind, mi.ListType):
        return pa.list_(_arrow(kind.item_type))
    if isinstance(kind, mi.DictType):
        return pa.list_(pa.struct([("name", pa.string()), ("value", _arrow(kind.value_type))]))
    if isinstance(kind, mi.UnionType):
        return _arrow(_given(kind))
    for known, name in ((mi.BoolType, "bool"), (mi.IntType, "int64"), (mi.FloatType, "float64")):
        if isinstance(kind, known):
            return getattr(pa, name + "_" if name == "bool" else name)()
    return pa.string()


def _tables(value: Any, kind: mi.Type) -> Any:
    if isinstance(kind, mi.UnionType):
        return _tables(value, _given(kind))
    if isinstance(kind, mi.StructType):
        given = ((field, value.get(field.encode_name)) for field in kind.fields)
        return {field.encode_name: _tables(held, field.type) for field, held in given if held is not None}
    if isinstance(kind, mi.ListType):
        return [_tables(item, kind.item_type) for item in value]
    if isinstance(kind, mi.DictType):
        return {item["name"]: item["value"] for item in value}
    return value


def _given(kind: mi.UnionType) -> mi.Type:
    return next(one for one in kind.types if not isinstance(one, mi.NoneType))
