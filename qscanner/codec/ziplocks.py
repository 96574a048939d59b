"""Locks of zip members: is this word the password, and a zip that holds just one member.

Called by  zip_members.
Ends       always; nothing here raises.
Careful    a word that fits is only likely right: of ZipCrypto one octet is compared (APPNOTE.TXT
           6.1.6), of WinZip's AES two, at a thousand hashes each. The checksum decides.
"""

import functools
import hashlib
import struct

from qscanner.codec.zips import ZipEntry

_LOCAL = struct.Struct("<4sHHHHHLLLHH")
_CENTRAL = struct.Struct("<4sHHHHHHLLLHHHHHLL")
_END = struct.Struct("<4sHHHHLLH")
_FOLLOWING = struct.Struct("<4sLLL")
_SIZES_FOLLOW, _STRONG = 0x8, 0x40
_CRYPT_HEAD = 12
_AES, _AES_MARK, _AES_ROUNDS = 99, b"AE", 1000
_SALTS = {1: 8, 2: 12, 3: 16}
_VERSION = 51
_MASK = 0xFFFFFFFF
_DATE = 0x21  # 1 January 1980


def may_open(entry: ZipEntry, data: memoryview, word: bytes) -> bool:
    """Say whether a word fits the lock of an entry; `data` begins with the entry's octets."""
    if entry.flags & _STRONG or not word:
        return False
    if entry.aes:
        return _fits_aes(entry.aes, data, word)
    head = bytes(data[:_CRYPT_HEAD])
    if len(head) < _CRYPT_HEAD:
        return False
    by_time = entry.time >> 8
    by_checksum = (entry.crc or 0) >> 24
    wanted = {by_time} if entry.flags & _SIZES_FOLLOW else {by_checksum, by_time}
    return _last_of_head(head, word) in wanted


def _fits_aes(aes: bytes, data: memoryview, word: bytes) -> bool:
    """Compare the password verification value (winzip.com, AES encryption information, III)."""
    strength = aes[4]
    salt_octets = _SALTS.get(strength)
    if salt_octets is None:
        return False
    salt = bytes(data[:salt_octets])
    key_octets = 8 * (strength + 1)
    made = hashlib.pbkdf2_hmac("sha1", word, salt, _AES_ROUNDS, 2 * key_octets + 2)
    return made[-2:] == bytes(data[salt_octets : salt_octets + 2])


@functools.cache
def _table() -> tuple[int, ...]:
    table = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0xEDB88320 if number & 1 else 0)
        table.append(number)
    return tuple(table)


def _last_of_head(head: bytes, word: bytes) -> int:
    """Decrypt the head of an entry and give its last octet."""
    table = _table()
    one, two, three = 0x12345678, 0x23456789, 0x34567890
    plain = 0
    for place, octet in enumerate(word + head):
        plain = octet
        if place >= len(word):
            mixed = (three | 2) & 0xFFFF
            plain = octet ^ (mixed * (mixed ^ 1) >> 8) & 0xFF
        one = table[(one ^ plain) & 0xFF] ^ one >> 8
        two = ((two + (one & 0xFF)) * 134775813 + 1) & _MASK
        three = table[(three ^ two >> 24) & 0xFF] ^ three >> 8
    return plain


def alone(entry: ZipEntry, packed: memoryview) -> bytes:
    """Give a zip whose only member is this entry, named "a", with what its headers said."""
    method = _AES if entry.aes else next((each for each in entry.methods if each != _AES), 0)
    flags = entry.flags & ~0x800
    extra = struct.pack("<HH", 0x9901, len(entry.aes)) + entry.aes if entry.aes else b""
    unpacked = entry.unpacked if entry.unpacked is not None else _MASK - 1
    sizes = (entry.crc or 0, len(packed), unpacked & _MASK)
    common = (_VERSION, flags, method, entry.time, _DATE, *sizes, 1, len(extra))
    local = _LOCAL.pack(b"PK\x03\x04", *common) + b"a" + extra
    following = _FOLLOWING.pack(b"PK\x07\x08", *sizes) if flags & _SIZES_FOLLOW else b""
    central = _CENTRAL.pack(b"PK\x01\x02", _VERSION, *common, 0, 0, 0, 0, 0) + b"a" + extra
    at = len(local) + len(packed) + len(following)
    end = _END.pack(b"PK\x05\x06", 0, 0, 1, 1, len(central), at, 0)
    return b"".join((local, packed, following, central, end))
