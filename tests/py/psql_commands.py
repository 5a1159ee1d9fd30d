"""What psql can be asked: every command of version 15 that says something to the server.

In: nothing. Out: lists of commands, with how much of the answer is to be PostgreSQL's; scripts of
several lines; the objects that both servers have before; the normalisation of answers.
"""

import re
from typing import NamedTuple

# Both servers make these, so that lists of them are the same.
OBJECTS = [
    "CREATE TABLE nation AS SELECT nullif(k, -1)::bigint AS n_nationkey, nullif(n, '') AS n_name,"
    " nullif(r, -1)::bigint AS n_regionkey, c AS n_comment FROM (VALUES (0, 'ALGERIA', 0, 'bold'),"
    " (1, 'ARGENTINA', 1, 'al foxes'), (2, 'BRAZIL', 1, NULL), (3, 'CANADA', 1, 'a \"b\", c|d'),"
    " (4, 'EGYPT', 4, E'tab\\tand\\nline')) AS rows (k, n, r, c)",
    "CREATE VIEW v_nation AS SELECT nation.n_nationkey, nation.n_name FROM nation",
    "CREATE SCHEMA sales",
    "CREATE TABLE sales.items AS SELECT 1::int AS id, 2.50::numeric(10,2) AS price,"
    " DATE '2024-02-29' AS day, TIMESTAMP '2024-02-29 13:14:15.5' AS at, true AS paid,"
    " 0.1::float8 AS weight, 7::smallint AS pieces, ARRAY[1, 2]::int[] AS parts"
    " UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL",
    'CREATE TABLE sales."Odd Name" AS SELECT nullif(1, 2) AS "Odd Column"',
    "CREATE TABLE sales.loaded AS SELECT nullif(1, 2) AS a, nullif('x', '') AS b WHERE false",
    "CREATE TABLE sales.read AS SELECT nullif(1, 2) AS a, nullif('x', '') AS b WHERE false",
]

# What PostgreSQL's own mobula has, and Mobula has not: a right to replicate, rights and owners of
# the schema public that initdb gives, a language to write functions in.
POSTGRES_SETUP = [
    "ALTER ROLE mobula NOREPLICATION",
    "DROP SCHEMA public",
    "CREATE SCHEMA public",
    "DROP EXTENSION plpgsql",
]


class Command(NamedTuple):
    """A command, and which lines of its answer only one of the two servers has, by nature."""

    text: str
    without: str = "(?!)"


# The answer is PostgreSQL's, line by line.
SAME = [Command(*row) if isinstance(row, tuple) else Command(row) for row in [
    # tables, views and what else is a relation
    r"\d", r"\d+", r"\d nation", r"\d+ nation", r"\d v_nation", r"\d+ v_nation",
    r"\d sales.items", r"\d+ sales.items", r"\d sales.*", r'\d sales."Odd Name"',
    r"\d *.nation", r"\d pub*.?ation", r"\d mobula.public.nation", r"\d NATION",
    (r"\d pg_catalog.pg_class", "Indexes:|    \""), r"\dt", r"\dt+", r"\dt nation", r"\dt n*", r"\dt public.*",
    r"\dt sales.*", r"\dt *.*tion", r"\dt+ sales.items", r"\dtv", r"\dtv+", r"\dtvmsE sales.*",
    r"\dv", r"\dv+", r"\dv v_*", r"\di", r"\di+", r"\ds", r"\ds+", r"\dm", r"\dm+", r"\dE",
    r"\dE+", r"\dP", r"\dP+", r"\dPi", r"\dPt", r"\dPn", r"\dX", r"\dp", r"\dp nation", r"\z",
    r"\z sales.*", r"\ddp", r"\sv v_nation", r"\sv+ v_nation", r"\sv public.v_nation",
    r"\dt pg_catalog.pg_t*", r"\dtS pg_am*", r"\dS nation",
    # functions, operators, types
    r"\da", r"\daS", r"\da sum", r"\da pg_catalog.max", r"\df", r"\df+", r"\df pg_catalog.length",
    r"\df length", r"\df+ length", r"\df lower", r"\df *_pretty", r"\dfn abs", r"\dfa count",
    r"\dfw rank", r"\dfp", r"\dft", r"\df substring text", r"\df date_trunc * interval",
    r"\dfS *trim", r"\do", r"\do pg_catalog.=", r"\do || text", r"\do - date integer", r"\doS <<",
    r"\do+ ~~", r"\dT", r"\dT+", r"\dT int*", r"\dT+ numeric", r"\dT pg_catalog.text",
    r"\dTS float?", r"\dD", r"\dD+", r"\dC", r"\dC int*", r"\dC+ numeric", r"\dC *date*",
    r"\sf pg_catalog.int4pl", r"\sf+ int4pl", r"\sf length(text)", r"\sf pg_catalog.rpad(text,int)",
    # access methods, collations, conversions, languages, text search
    r"\dA", r"\dA+", r"\dA h*", r"\dAc", r"\dAc+ btree", r"\dAc btree int4", r"\dAf",
    r"\dAf+ hash", r"\dAf btree int4", r"\dAo", r"\dAo btree text_ops", r"\dAo+ hash float_ops",
    r"\dAp", r"\dAp btree integer_ops", r"\dAp+ gin array_ops", r"\dO", r"\dOS C", r"\dO+",
    r"\dc", r"\dcS utf8_to_iso_8859_1", r"\dc+", (r"\dL", r"plpgsql\|"), (r"\dL+", r"plpgsql\|"), (r"\dLS", r"plpgsql\|"), r"\dF", r"\dF simple",
    r"\dF+ simple", r"\dFd", r"\dFd+ simple", r"\dFp", r"\dFp+", r"\dFt", r"\dFt+",
    # schemas, roles, tablespaces, what is foreign, what is replicated, all that is seldom there
    (r"\dn", r"(mobula|ray)\|"), (r"\dn+", r"(mobula|ray)\|"), r"\dn sales", r"\dn+ pub*",
    r"\dnS pg_catalog", r"\dg", r"\dg+", r"\du", r"\du+", r"\du mobula", r"\drds",
    r"\drds mobula mobula", r"\db", r"\db+", r"\db pg_default", r"\dd", r"\dd sales.*", r"\des",
    r"\des+", r"\det", r"\det+", r"\deu", r"\deu+", r"\dew", r"\dew+", r"\dRp", r"\dRs",
    r"\dRs+", r"\dx", r"\dy", r"\dy+", r"\dl", r"\dl+", r"\lo_list",
    r"\lo_list+", r"\l mobula", r"\dconfig datestyle", r"\dconfig search*path",
    r"\dconfig+ standard_conforming_strings",
    # the connection
    r"\encoding", r"\conninfo", r"\c", r"\c -", r"\c mobula mobula",
]]

# What is listed differs by nature; the title and the columns are PostgreSQL's.
SAME_HEADER = [
    r"\dS", r"\dS+", r"\dtS", r"\dtS+", r"\dvS", r"\dfS", r"\dTS", r"\doS", r"\dcS", r"\dDS",
    r"\dOS", r"\dnS", r"\dnS+", r"\ddS", r"\dgS", r"\l", r"\l+", r"\dconfig",
    r"\dconfig+", r"\dconfig *", r"\dtvS pg_catalog.*", r"\df pg_catalog.*",
]

# psql finds nothing of that name, says so and takes it for a failure.
NOT_FOUND = [
    r"\d nothing", r"\d+ nothing.*", r"\d public.nothing", r"\dx+", r"\dx+ nothing", r"\dRp+",
    r"\dF+ nothing", r"\dFp+ nothing",
]

# Several lines that only make sense together; the answer is PostgreSQL's.
SCRIPTS = {
    "gdesc": "select n_nationkey, n_name, 1.5::numeric(4,1) as x, now() from nation \\gdesc\n",
    "gdesc of nothing": "set work_mem = '8MB' \\gdesc\n",
    "gdesc of a query with unnamed columns": "select 1, 'a', null::date \\gdesc\n",
    "gset": "select 7 as seven, 'x y' as words, null as none \\gset got_\n"
            "\\echo :got_seven :'got_words' :{?got_none}\nselect :got_seven + 1 as eight;\n",
    "gexec": "select format('select %s as n', n) from generate_series(1, 3) as g (n) \\gexec\n",
    "gx": "select * from nation where n_nationkey < 2 order by 1 \\gx\n",
    "g with options": "select 1 as a \\g (format=csv tuples_only=off)\n",
    "g to a pipe": "select n_name from nation order by 1 \\g |sort -r\n",
    "g to a file": "select n_name from nation order by 1 \\g g.txt\n\\! cat g.txt\n",
    "o": "\\o o.txt\nselect 1 as a;\n\\qecho told\n\\o\n\\! cat o.txt\n",
    "crosstabview": "select n_regionkey, left(n_name, 1), count(*) from nation group by 1, 2"
                    " order by 1, 2 \\crosstabview\n",
    "crosstabview by columns": "select n_name as a, n_regionkey as b, n_nationkey as c from nation"
                               " order by 1, 2 \\crosstabview a b c\n",
    "combined statements": "select 1 as a\\; select 2 as b, 3 as c\\; select 4 as d where false;\n",
    "transaction in one message": "begin\\; select 1 as a\\; commit;\n",
    "fetch count": "\\set FETCH_COUNT 100\nselect n, n * 2 as twice from generate_series(1, 5000)"
                   " as g (n) order by n;\nselect 'after' as word;\n",
    "fetch count in a transaction": "\\set FETCH_COUNT 2\nbegin;\nselect n_name from nation"
                                    " order by 1;\ncommit;\n",
    "fetch count with gset": "\\set FETCH_COUNT 1\nselect 5 as five \\gset\n\\echo :five\n",
    "if": "select count(*) > 3 as many from nation \\gset\n\\if :many\n\\echo many\n\\elif true\n"
          "\\echo some\n\\else\nselect does_not_exist;\n\\endif\n",
    "variables of the server": "\\echo :DBNAME :USER :ENCODING :HOST\n",
    "variables of the last query": "select n_name from nation;\n\\echo :ROW_COUNT :SQLSTATE"
                                   " :ERROR\nset work_mem = '8MB';\n\\echo :ROW_COUNT :ERROR\n",
    "variables of the last error": "\\set ON_ERROR_STOP off\nselect 1 / 0;\n\\echo :ERROR"
                                   " :SQLSTATE :LAST_ERROR_SQLSTATE :LAST_ERROR_MESSAGE\n",
    "errverbose": "\\set ON_ERROR_STOP off\nselect n_nam from nation;\n\\errverbose\nselect 1;\n",
    "errverbose without an error": "\\errverbose\n",
    "verbosity": "\\set ON_ERROR_STOP off\n\\set VERBOSITY sqlstate\nselect 1 / 0;\n"
                 "\\set VERBOSITY terse\nselect * from does_not_exist;\n",
    "on error rollback": "\\set ON_ERROR_STOP off\n\\set ON_ERROR_ROLLBACK on\nbegin;\n"
                         "select 1 / 0;\nselect 1 as a;\ncommit;\n",
    "autocommit off": "\\set AUTOCOMMIT off\nselect 1 as a;\ncommit;\nselect 2 as b;\nrollback;\n",
    "settings": "set datestyle = 'ISO, DMY';\nshow datestyle;\nreset datestyle;\nshow datestyle;\n",
    "prepared": "prepare p as select $1::int + 1 as x;\nexecute p(41);\ndeallocate p;\n",
    "cursor": "begin;\ndeclare c cursor for select n_name from nation order by 1;\n"
              "fetch 2 from c;\nmove 1 in c;\nfetch all from c;\nclose c;\ncommit;\n",
    "reconnect in a script": "set application_name = 'x';\n\\c\nshow application_name;\n",
    "connect with a URI": "\\c :uri\nshow application_name;\n",
    "set and show encoding": "\\encoding UTF8\n\\encoding\nselect 'h\u00e9' as x;\n",
    "quiet": "\\set QUIET on\nset work_mem = '8MB';\n\\unset QUIET\nselect 1;\n",
    "statement that gdesc only describes": "show work_mem \\gdesc\nvalues (1, 'x') \\gdesc\n"
                                           "explain select 1 \\gdesc\n",
    "quotes and comments": "select $$a;b$$ as x, 'it''s;' as y; /* c; /* d */ */\n"
                           "select $q$ $$ $q$ as \"a;b\" -- e;\n;\n",
    "nothing at all": ";\n\\g\n-- a comment\n;\n/* another */;\nselect 1 as a;;\n",
    "no columns": "select;\nselect from nation;\n",
    "notices": "drop table if exists nothing;\ndrop view if exists nothing;\n",
    "notifications": "listen here;\nnotify here, 'a word';\nunlisten *;\n",
    "formats": "select 1 as a, null as b, 'x|y' as c \\g (format=aligned border=2 null=none)\n"
               "select true as t, 1.5 as n \\g (format=html)\n"
               "select 12345.678::numeric as n, 'a' as t \\g (format=aligned numericlocale=on)\n"
               "select 'a' as t, 2 as n \\g (format=latex)\n",
    "query buffer": "select 1\n\\p\n\\r\nselect 2 as b\n\\g\n\\w buffer.sql\n\\! cat buffer.sql\n",
    "include": "\\! echo 'select 42 as answer;' > in.sql\n\\i in.sql\n\\ir in.sql\n",
    "copy to csv": "\\copy nation to 'n.csv' with (format csv, header)\n\\! cat n.csv\n",
    "copy to text": "\\copy nation to 'n.txt'\n\\! cat n.txt\n",
    "copy to binary": "\\copy nation to 'n.bin' with (format binary)\n\\! od -c n.bin\n",
    "copy of all types": "\\copy sales.items to 'i.bin' (format binary)\n\\! od -c i.bin\n"
                         "\\copy sales.items to stdout csv header\n",
    "copy some columns": "\\copy nation (n_name, n_nationkey) to stdout with delimiter ';'\n",
    "copy with options": "\\copy nation to stdout (format csv, force_quote (n_name), null '-')\n",
    "copy of a query": "\\copy (select n_name from nation order by 1) to pstdout csv\n",
    "copy of a view": "\\copy (select * from v_nation order by 1) to stdout\n",
    "copy to a program": "\\copy nation to program 'sort -r'\n",
    "copy to stdout": "copy nation to stdout;\n"
                      "copy (select 1, null, 'a\\b') to stdout with (format csv);\n",
    "copy from csv": "\\copy sales.loaded from pstdin with (format csv)\n1,one\n2,\"t,wo\"\n\\.\n"
                     "select * from sales.loaded order by a;\n",
    "copy from stdin": "copy sales.read from stdin;\n1\tone\n2\t\\N\n\\.\n"
                       "select * from sales.read order by a;\n",
    "large object": "\\! echo 'an object' > lo.txt\n\\lo_import lo.txt\n"
                    "\\lo_export :LASTOID back.txt\n\\! cat back.txt\n\\lo_unlink :LASTOID\n",
    "edit a function": "\\setenv PSQL_EDITOR cat\n\\ef int4pl\n\\r\n",
    "edit a view": "\\setenv PSQL_EDITOR cat\n\\ev v_nation\n\\r\n",
    "edit a query": "\\setenv PSQL_EDITOR cat\nselect 1 as a\n\\e\n;\n",
    "explain": "explain (costs off) select 1 \\g |cat >/dev/null\n",
    "client's own": "\\set name value\n\\echo :name\n\\unset name\n\\echo :name\n\\warn told\n"
                    "\\pset null none\n\\x\nselect null as a;\n\\x\n\\a\n\\a\n\\t\nselect 1;\n"
                    "\\t\n\\C title\nselect 1 as a;\n\\C\n\\f ;\nselect 1 as a, 2 as b;\n"
                    "\\cd .\n\\getenv path PATH\n\\h reindex\n\\copyright\n",
    "prompt": "\\prompt word\nyes\n\\echo :word\n",
}

# {name: (options, environment, script)}: other ways to start psql; the answer is PostgreSQL's.
STARTED = {
    "-c": (["-c", "select 1 as a", "-c", r"\dt"], {}, ""),
    "-1": (["-1", "-f", "-"], {}, "select 1 as a;\nselect n_name from nation order by 1;\n"),
    "--csv": (["--csv"], {}, "select * from nation order by 1;\n"),
    "-x -t": (["-x", "-t"], {}, "select * from nation order by 1;\n"),
    "-b -e": (["-b", "-e"], {}, "select 1 as a;\n"),
    "-E": (["-E", "-P", "footer=off"], {}, "\\dv\n\\dn sales\n"),
    "PGOPTIONS": ([], {"PGOPTIONS": "-c statement_timeout=12345ms -c search_path=sales"},
                  "show statement_timeout;\nshow search_path;\nselect id from items;\n\\dt\n"),
    "PGOPTIONS with blanks": ([], {"PGOPTIONS": r"-c datestyle=ISO,\ DMY --work_mem=7MB"},
                              "show datestyle;\nshow work_mem;\n"),
    "PGTZ": ([], {"PGTZ": "Europe/Vienna", "PGDATESTYLE": "ISO, MDY"},
             "show timezone;\nselect '2024-07-01 12:00:00+00'::timestamptz as x;\n"),
    "PGAPPNAME": ([], {"PGAPPNAME": "a name"}, "show application_name;\n"),
    "PGCLIENTENCODING": ([], {"PGCLIENTENCODING": "LATIN1"}, "select 'x' as x;\n\\encoding\n"),
    "PGCLIENTENCODING of ours": ([], {"PGCLIENTENCODING": "utf-8"}, "\\encoding\n"),
    "PGSSLMODE": ([], {"PGSSLMODE": "prefer", "PGCHANNELBINDING": "prefer"}, "select 1 as a;\n"),
}

# (what is typed before the tab key, what the line ends with then)
COMPLETIONS = [
    ("select * from nat", "nation "), ("select * from v_", "v_nation "),
    ("select * from sales.it", "sales.items "), ("select * from sal", "sales."),
    ('select * from sales."Od', 'sales."Odd Name" '),
    ("select * from nation where n_nam", "n_name "), ("table nat", "nation "),
    ("drop view v_", "v_nation "), ("drop table nat", "nation "), ("copy nat", "nation "),
    ("insert into nat", "nation "), ("create or replace view v_", "v_nation "),
    ("grant select on nat", "nation "), ("set work_m", "work_mem "),
    ("show search_p", "search_path "), ("reset datest", "datestyle "), ("set role mob", "mobula "),
    ("\\c mob", "mobula "), ("\\d v_na", "v_nation "), ("\\d+ nat", "nation "),
    ("\\dt nat", "nation "), ("\\dv v_", "v_nation "), ("\\dp nat", "nation "),
    ("\\dn sal", "sales "), ("\\du mob", "mobula "), ("\\l mob", "mobula "),
    ("\\db pg_d", "pg_default "), ("\\df pg_size_pre", "pg_size_pretty "),
    ("\\da bool_a", "bool_and "), ("\\dT tsv", "tsvector "), ("\\dA bt", "btree "),
    ("\\dF engl", "english "), ("\\dFd simp", "simple "), ("\\dconfig work_m", "work_mem "),
    ("\\sv v_", "v_nation "), ("\\sf pg_size_pre", "pg_size_pretty "), ("\\copy nat", "nation "),
]

_SIZE = re.compile(r"\b\d+ (bytes|kB|MB|GB)")
# How a view's text is broken into lines (\\sv+ numbers them) is each server's own taste.
_VIEW_LINE = re.compile(r"\n(?:\d+ {7})? {3,}")
_PID = re.compile(r"\bPID \d+")


def normalised(text, port, without="(?!)"):
    """An answer's lines without what differs between any two servers: the port, process ids, sizes
    on disk, the place in the source where an error was raised, whether a view's text names the one
    table it reads before each column (PostgreSQL 15 does, 16 does not), blanks at line ends."""
    text = _VIEW_LINE.sub(" ", text)
    text = _PID.sub("PID", _SIZE.sub("SIZE", text.replace(str(port), "PORT")))
    lines = [line.rstrip().replace("nation.n_", "n_") for line in text.split("\n")]
    return [line for line in lines
            if not line.startswith("LOCATION:") and not re.match(without, line)]
