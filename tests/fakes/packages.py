"""Writes OLE packages and OLE 1.0 objects for tests."""

import struct


def packed(label: str, file: str, temporary: str, content: bytes) -> bytes:
    """Give what Windows' Packager writes, without the size in front."""
    path = temporary.encode() + b"\0"
    return (
        b"\2\0" + label.encode() + b"\0" + file.encode() + b"\0" + b"\0\0\3\0"
        + struct.pack("<I", len(path)) + path + struct.pack("<I", len(content)) + content
    )  # fmt: skip


def ole1(class_name: str, data: bytes) -> bytes:
    """Give an embedded object of OLE 1.0."""
    name = class_name.encode() + b"\0"
    head = b"\1\5\0\0\2\0\0\0" + struct.pack("<I", len(name)) + name + bytes(8)
    return head + struct.pack("<I", len(data)) + data
