"""Writes server/src/pg_catalog/data/ from the system catalogs of a real PostgreSQL 15.

In: a running PostgreSQL, reached through psql and the usual PG* environment variables.
Out: relations.tsv (each system relation and its columns), mobula_keywords.tsv, mobula_arguments.tsv
(of functions with defaults) and one file of rows in COPY text format for each catalog whose rows
never change on our server.
Refuses to know how the server reads them; see server/src/pg_catalog/layout.rs for that.
"""

import pathlib
import subprocess
import sys

OUT = pathlib.Path(__file__).resolve().parents[2] / "server/src/pg_catalog/data"

# Catalogs whose rows are the same on every server, and which of their rows we keep.
# Row types of relations are left out (ours have none), so are ICU's eight hundred collations.
STATIC = {
    "pg_aggregate": "true",
    "pg_am": "true",
    "pg_amop": "true",
    "pg_amproc": "true",
    "pg_cast": "true",
    "pg_collation": "collprovider <> 'i'",
    "pg_conversion": "true",
    "pg_language": "true",
    "pg_opclass": "true",
    "pg_operator": "true",
    "pg_opfamily": "true",
    "pg_proc": "true",
    "pg_range": "true",
    "pg_tablespace": "true",
    "pg_timezone_abbrevs": "true",
    "pg_ts_config": "true",
    "pg_ts_dict": "true",
    "pg_ts_parser": "true",
    "pg_ts_template": "true",
    "pg_type": "typtype <> 'c' and not exists (select 1 from pg_type e"
    " where e.oid = t.typelem and e.typtype = 'c')",
}

# The server announces 16.3, and clients choose their queries by that, so these columns of
# PostgreSQL 16 are added to what a 15 has: relation -> [(after which column, name, type)].
TABLE_STATS = [
    ("seq_scan", "last_seq_scan", "timestamptz"),
    ("idx_scan", "last_idx_scan", "timestamptz"),
    ("n_tup_hot_upd", "n_tup_newpage_upd", "int8"),
]
INDEX_STATS = [("idx_scan", "last_idx_scan", "timestamptz")]
ADDED_IN_16 = {
    "pg_auth_members": [
        (None, "oid", "oid"),
        ("admin_option", "inherit_option", "bool"),
        ("inherit_option", "set_option", "bool"),
    ],
    "pg_collation": [("colliculocale", "collicurules", "text")],
    "pg_database": [("daticulocale", "daticurules", "text")],
    "pg_prepared_statements": [("parameter_types", "result_types", "_regtype")],
    "pg_replication_slots": [("two_phase", "conflicting", "bool")],
    "pg_stat_all_indexes": INDEX_STATS,
    "pg_stat_all_tables": TABLE_STATS,
    "pg_stat_gssapi": [("encrypted", "credentials_delegated", "bool")],
    "pg_stat_subscription": [("pid", "leader_pid", "int4")],
    "pg_stat_sys_indexes": INDEX_STATS,
    "pg_stat_sys_tables": TABLE_STATS,
    "pg_stat_user_indexes": INDEX_STATS,
    "pg_stat_user_tables": TABLE_STATS,
    "pg_subscription": [
        ("subdisableonerr", "subpasswordrequired", "bool"),
        ("subpasswordrequired", "subrunasowner", "bool"),
        ("subpublications", "suborigin", "text"),
    ],
}

# Domains travel as their base types, as in PostgreSQL's own RowDescription.
RELATIONS = """
select c.oid, n.nspname, c.relname, c.relkind, a.attname, t.typname, a.attnotnull
from pg_class c join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid join pg_type t on t.oid = a.atttypid
where c.relkind in ('r', 'v') and n.nspname in ('pg_catalog', 'information_schema')
and a.attnum > 0 order by c.oid, a.attnum
"""

NO_TEXT = {"pg_node_tree", "anyarray", "_aclitem"}
AS_OID = {"regproc", "regtype", "regclass"}


def psql(query):
    """Runs one statement and returns its rows in COPY text format."""
    command = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", f"copy ({query}) to stdout"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def relations():
    """System relations as {name: (oid, schema, kind, [(column, type, not null)])}."""
    found = {}
    for line in psql(RELATIONS).splitlines():
        oid, schema, name, kind, column, kind_of, not_null = line.split("\t")
        entry = found.setdefault((schema, name), (oid, schema, kind, []))
        entry[3].append((column, kind_of, not_null == "t"))
    return found


def with_16(name, columns):
    """The columns of a relation with those that PostgreSQL 16 added, marked None."""
    columns = [(column, kind, not_null, True) for column, kind, not_null in columns]
    for after, column, kind in ADDED_IN_16.get(name, []):
        names = [known[0] for known in columns]
        at = 0 if after is None else names.index(after) + 1
        columns.insert(at, (column, kind, False, False))
    return columns


def selected(column, kind, here):
    """The select item that writes one column of a static catalog."""
    if not here or kind in NO_TEXT:
        return "null"
    if kind == "interval":
        return f"extract(epoch from t.{column})::bigint"
    return f"t.{column}::oid" if kind in AS_OID else f"t.{column}"


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    lines = []
    for (schema, name), (oid, _, kind, columns) in relations().items():
        columns = with_16(name if schema == "pg_catalog" else "", columns)
        shown = " ".join(f"{c}:{k}{'!' if n else ''}" for c, k, n, _ in columns)
        lines.append(f"{oid}\t{schema}\t{name}\t{kind}\t{shown}\n")
        if schema == "pg_catalog" and name in STATIC:
            items = ", ".join(selected(c, k, here) for c, k, _, here in columns)
            query = f"select {items} from pg_catalog.{name} t where {STATIC[name]} order by 1"
            (OUT / f"{name}.tsv").write_text(psql(query))
    (OUT / "relations.tsv").write_text("".join(lines))
    keywords = "select word, catcode, barelabel, catdesc, baredesc from pg_get_keywords()"
    (OUT / "mobula_keywords.tsv").write_text(psql(keywords))
    arguments = (
        "select oid, pg_get_function_arguments(oid), pg_get_function_identity_arguments(oid)"
        " from pg_proc where pronargdefaults > 0 order by 1")
    (OUT / "mobula_arguments.tsv").write_text(psql(arguments))
    total = sum(path.stat().st_size for path in OUT.glob("*.tsv"))
    print(f"{total} bytes in {OUT}", file=sys.stderr)


if __name__ == "__main__":
    main()
