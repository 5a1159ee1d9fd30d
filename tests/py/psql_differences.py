"""For `test_client_psql.py`: what psql shows otherwise of Mobula than of PostgreSQL, and why."""

DIFFERENT = {
    "a table made of a query keeps numeric(p,s) and what is never NULL": [
        "\\d sales.items", "\\d+ sales.items", "\\d sales.*", '\\d sales."Odd Name"',
    ],
    "the collations of the system's own columns": ["\\d pg_catalog.pg_class"],
    "functions that return tables of what is not here": [
        "\\dP+", "\\dF+ simple", "\\dFp+", "\\des+", "\\det+", "\\deu+", "\\dew+",
    ],
    "descriptions of built-in objects": [
        "\\daS", "\\da sum", "\\da pg_catalog.max", "\\df+ length", "\\do pg_catalog.=",
        "\\do - date integer", "\\doS <<", "\\do+ ~~", "\\dT int*", "\\dT+ numeric",
        "\\dT pg_catalog.text", "\\dTS float?", "\\dA+", "\\dLS", "\\dF", "\\dF simple", "\\dFd",
        "\\dFd+ simple", "\\dFp", "\\dFt", "\\dFt+",
    ],
    "the bodies of functions written in SQL": ["\\sf pg_catalog.rpad(text,int)"],
    "the order of a string_agg without ORDER BY": ["\\dAf", "\\dAf btree int4"],
    "what schema public grants is written down from the start": ["\\dn+", "\\dn+ pub*"],
    "the admin has every attribute, replication too": [
        "\\dg", "\\dg+", "\\du", "\\du+", "\\du mobula",
    ],
    "settings with one value are of type string": ["\\dconfig+ standard_conforming_strings"],
    "SELECT without columns": ["no columns"],
    "COPY FROM": ["copy from csv", "copy from stdin"],
    "large objects": ["large object"],
    "other encodings than UTF-8": ["PGCLIENTENCODING"],
}

# {command or name of a script: why}
NOT_YET = {name: reason for reason, names in DIFFERENT.items() for name in names}
