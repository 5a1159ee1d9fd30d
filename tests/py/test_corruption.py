"""Bits that rot: a Parquet page whose checksum does not fit is an error, never an answer.

Written uncompressed and without dictionaries or statistics, so that nothing but the checksum can
notice a changed value. pyarrow writes checksums; it is asked to verify that the damage is real.
"""

import struct

import psycopg
import pyarrow
import pyarrow.parquet
import pytest

pytestmark = pytest.mark.mobula_only

ROWS = 20_000
VALUE = 0x1122334455667788


def write(path, checksums):
    table = pyarrow.table({"n": pyarrow.array([VALUE] * ROWS, pyarrow.int64())})
    pyarrow.parquet.write_table(
        table, path, compression="none", use_dictionary=False, write_statistics=False,
        write_page_checksum=checksums)


def damage(path):
    """Flips one bit of one value in the middle of the file."""
    content = bytearray(path.read_bytes())
    at = content.index(struct.pack("<q", VALUE), len(content) // 2)
    content[at] ^= 1
    path.write_bytes(content)


def total(server, path):
    with server.connect() as connection:
        connection.execute(f"CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '{path}'")
        return connection.execute("SELECT sum(n) FROM t").fetchone()[0]


def test_a_page_that_fails_its_checksum_is_no_answer(fresh, tmp_path):
    path = tmp_path / "rotten.parquet"
    write(path, checksums=True)
    server = fresh(allow=[tmp_path])
    damage(path)
    with pytest.raises(OSError, match="(?i)crc"):
        pyarrow.parquet.read_table(path, page_checksum_verification=True)
    with pytest.raises(psycopg.errors.DataCorrupted) as refused:
        total(server, path)
    assert "panic" not in str(refused.value)


def test_whole_pages_pass(fresh, tmp_path):
    path = tmp_path / "whole.parquet"
    write(path, checksums=True)
    assert total(fresh(allow=[tmp_path]), path) == VALUE * ROWS


def test_without_checksums_the_damage_goes_unnoticed(fresh, tmp_path):
    """What the test above would see if nobody verified."""
    path = tmp_path / "unsigned.parquet"
    write(path, checksums=False)
    damage(path)
    assert total(fresh(allow=[tmp_path]), path) != VALUE * ROWS
