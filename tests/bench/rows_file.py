"""The rows that the transfer and slow-reader benchmarks read: a Parquet file made by DuckDB."""

import duckdb

COLUMNS = {
    "a_int8": "(hash(i) >> 1)::BIGINT",
    "b_int4": "(hash(i + 1) >> 33)::INTEGER",
    "c_float8": "(hash(i + 2) >> 11)::DOUBLE / 9007199254740992 * 1e6",
    "d_text": "substr(md5(i::text), 1, 4 + (i % 24)::int)",
    "e_date": "DATE '1992-01-01' + (hash(i + 3) % 10000)::INTEGER",
    "f_timestamp": "TIMESTAMP '1992-01-01' + to_microseconds((hash(i + 4) >> 14)::BIGINT)",
}


def rows_file(work, rows_count):
    """Its path; made when it is not there yet."""
    folder = work / f"rows-{rows_count}"
    path = folder / "rows.parquet"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        columns = ", ".join(f"{sql} AS {name}" for name, sql in COLUMNS.items())
        duckdb.sql(f"COPY (SELECT {columns} FROM range({rows_count}) AS r(i)) "
                   f"TO '{path}.part' (FORMAT parquet)")
        path.with_suffix(".parquet.part").rename(path)
    return path
