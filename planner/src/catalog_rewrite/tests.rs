//! SQL in, SQL out: what each rewrite makes of its construct, and what is left alone.

use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::rewrite_catalog_sql;

fn rewritten(sql: &str) -> String {
    let mut statements = Parser::parse_sql(&PostgreSqlDialect {}, sql).expect("SQL");
    rewrite_catalog_sql(&mut statements[0]);
    statements[0].to_string()
}

#[track_caller]
fn check(sql: &str, expected: &str) {
    assert_eq!(rewritten(sql), expected, "\nfrom {sql}");
}

#[test]
fn other_statements_stay_as_they_are() {
    for sql in [
        "SELECT a, sum(b) FROM t WHERE c = '{x}' AND d = 't' GROUP BY a",
        "SELECT a FROM t WHERE b = (SELECT max(b) FROM u WHERE u.k = t.k)",
        "SELECT CAST(a AS TEXT), a::INT[] FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.k)",
        "SELECT a FROM t WHERE b LIKE 'x%' AND c[1] = 2",
        "INSERT INTO t VALUES (1, 'pg_class')",
    ] {
        check(sql, sql);
    }
}

#[test]
fn system_relations_and_their_columns() {
    check(
        "SELECT pg_class.oid, pg_catalog.pg_type.oid AS o FROM pg_class, pg_catalog.pg_type",
        "SELECT pg_class.oid, pg_type.oid AS o FROM pg_catalog.pg_class AS pg_class, \
         pg_catalog.pg_type AS pg_type",
    );
    check(
        "WITH pg_class AS (SELECT 1 AS a) SELECT a FROM pg_class, pg_am AS m",
        "WITH pg_class AS (SELECT 1 AS a) SELECT a FROM pg_class, pg_catalog.pg_am AS m",
    );
    check(
        "SELECT c.tableoid FROM pg_class AS c",
        "SELECT mobula_oid(mobula_regclass('\"pg_class\"')) AS \"tableoid\" \
         FROM pg_catalog.pg_class AS c",
    );
}

#[test]
fn operators_and_collations() {
    check(
        "SELECT 1 AS a FROM t WHERE n OPERATOR(pg_catalog.~) '^(x)$' COLLATE pg_catalog.default",
        "SELECT 1 AS a FROM t WHERE n ~ '^(x)$'",
    );
    check(
        "SELECT 1 AS a FROM pg_policy AS p WHERE p.polroles = '{0}' AND p.polpermissive = 't'",
        "SELECT 1 AS a FROM pg_catalog.pg_policy AS p WHERE mobula_text(p.polroles) = '{0}' AND \
         mobula_text(p.polpermissive) = 't'",
    );
    check(
        "SELECT p.proargtypes[0] AS a, (current_schemas(true))[1] AS b FROM pg_proc AS p",
        "SELECT p.proargtypes[(0) + 1] AS a, (current_schemas(true))[1] AS b \
         FROM pg_catalog.pg_proc AS p",
    );
    check(
        "SELECT a FROM t WHERE a = ANY('{1,NULL}') OR b <> ALL('{x,\"y z\"}')",
        "SELECT a FROM t WHERE a = ANY(ARRAY[1, NULL]) OR b <> ALL(ARRAY['x', 'y z'])",
    );
}

#[test]
fn casts() {
    check(
        "SELECT a FROM pg_description WHERE classoid = 'pg_class'::regclass AND t = $1::regtype",
        "SELECT a FROM pg_catalog.pg_description AS pg_description WHERE \
         classoid = mobula_regclass('pg_class') AND t = mobula_regtype(CAST($1 AS TEXT))",
    );
    check(
        "SELECT x::pg_catalog.regtype::pg_catalog.text AS a, x::regclass AS b FROM t",
        "SELECT mobula_regtype(x)::TEXT AS a, mobula_regclass(x) AS b FROM t",
    );
    check(
        "SELECT b FROM (SELECT x::regclass AS b FROM t) AS s",
        "SELECT b FROM (SELECT mobula_regclass(x) AS b FROM t) AS s",
    );
    check(
        "SELECT a FROM t WHERE b::pg_catalog.int2[] = c AND d = ANY('{int4}'::regtype[])",
        "SELECT a FROM t WHERE b::SMALLINT[] = c AND d = ANY(ARRAY[mobula_regtype('int4')])",
    );
    check("SELECT a FROM t WHERE b::\"char\" = c", "SELECT a FROM t WHERE b::TEXT = c");
}

#[test]
fn calls() {
    check(
        "SELECT pg_catalog.format_type(1, NULL), current_schema FROM t",
        "SELECT format_type(1, NULL) AS \"format_type\", current_schema() AS \"current_schema\" \
         FROM t",
    );
    check(
        "SELECT * FROM current_schema()",
        "SELECT * FROM (SELECT current_schema() AS current_schema) \
         AS current_schema (current_schema)",
    );
    check(
        "SELECT s FROM pg_catalog.generate_series(1, array_upper(a, 1)) s",
        "SELECT s FROM UNNEST(generate_series(1, array_upper(a, 1))) AS s (s)",
    );
    check(
        "SELECT (information_schema._pg_expandarray(i.k)).n AS n FROM i",
        "SELECT (unnest(mobula_expandarray(i.k))).'n' AS n FROM i",
    );
    check(
        "SELECT k, n FROM i, unnest(i.a) WITH ORDINALITY AS u (k, n)",
        "SELECT k, n FROM i, UNNEST(i.a, mobula_ordinals(i.a)) AS u (k, n)",
    );
    check(
        "SELECT * FROM unnest(ARRAY[1]) WITH ORDINALITY",
        "SELECT * FROM UNNEST(ARRAY[1], mobula_ordinals(ARRAY[1])) AS unnest (unnest, ordinality)",
    );
    check(
        "SELECT s FROM i, generate_series(1, i.n) AS s",
        "SELECT s FROM i, UNNEST(generate_series(1, i.n)) AS s (s)",
    );
    check(
        "SELECT word FROM pg_get_keywords()",
        "SELECT word FROM pg_catalog.mobula_keywords AS pg_get_keywords",
    );
}

#[test]
fn correlated_subqueries() {
    check(
        "SELECT (SELECT d.x FROM d WHERE d.k = a.k AND a.has) AS x FROM a",
        "SELECT CASE WHEN a.has THEN mobula_only((SELECT array_agg(d.x) FROM d WHERE d.k = a.k)) \
         END AS x FROM a",
    );
    check(
        "SELECT (SELECT c.n FROM c, t WHERE c.o = a.co AND t.o = a.t AND a.co <> t.co) AS x FROM a",
        "SELECT mobula_only((SELECT array_agg(c.n) FROM c, t WHERE c.o = a.co AND t.o = a.t AND \
         c.o <> t.co)) AS x FROM a",
    );
    check(
        "SELECT (SELECT d.x FROM d WHERE d.k = a.k ORDER BY d.y DESC LIMIT 1) AS x FROM a",
        "SELECT mobula_first((SELECT array_agg(d.x ORDER BY d.y DESC) FROM d WHERE d.k = a.k)) \
         AS x FROM a",
    );
    check(
        "SELECT EXISTS (SELECT 1 FROM d WHERE d.k = a.k) AS x FROM a",
        "SELECT (SELECT count(*) > 0 FROM d WHERE d.k = a.k) AS x FROM a",
    );
    check(
        "SELECT a.x FROM a JOIN b ON a.k = b.k AND b.y = (SELECT d.x FROM d WHERE d.k = a.k)",
        "SELECT a.x FROM a JOIN b ON a.k = b.k WHERE \
         (b.y = mobula_only((SELECT array_agg(d.x) FROM d WHERE d.k = a.k)))",
    );
}

#[test]
fn recursion_begins_everywhere() {
    check(
        "SELECT (WITH RECURSIVE b (o, d) AS (SELECT t2.typbasetype, 0 FROM pg_type AS t2 \
         WHERE t2.oid = t.oid UNION ALL SELECT t2.typbasetype, b.d + 1 FROM pg_type AS t2, b \
         WHERE b.o = t2.oid) SELECT o FROM b ORDER BY d DESC LIMIT 1) AS x FROM pg_type AS t",
        "SELECT mobula_first((WITH RECURSIVE b (o, d, mobula_key) AS (SELECT t2.typbasetype, \
         0 AS \"?column?\", t2.oid AS mobula_key FROM pg_catalog.pg_type AS t2 \
         UNION ALL SELECT t2.typbasetype, b.d + 1 AS \"?column?\", b.mobula_key AS mobula_key \
         FROM pg_catalog.pg_type AS t2, b WHERE b.o = t2.oid) SELECT array_agg(o ORDER BY d DESC) \
         FROM b WHERE b.mobula_key = t.oid)) AS x FROM pg_catalog.pg_type AS t",
    );
    let other = "SELECT (WITH RECURSIVE b (o) AS (SELECT u.p FROM u WHERE u.k = t.k UNION ALL \
                 SELECT u.p FROM u, b WHERE b.o = u.k) SELECT o FROM b LIMIT 1) AS x FROM t";
    check(other, other);
}

#[test]
fn whole_rows() {
    check(
        "SELECT row_to_json(t) FROM (SELECT 1 AS a, b FROM u) AS t",
        "SELECT mobula_row_to_json('a', t.a, 'b', t.b) AS \"row_to_json\" \
         FROM (SELECT 1 AS a, b FROM u) AS t",
    );
}

#[test]
fn arrays_of_subqueries() {
    check(
        "SELECT ARRAY(SELECT b.n FROM m JOIN b ON m.i = b.i WHERE m.k = r.k ORDER BY 1) AS x \
         FROM r",
        "SELECT mobula_array((SELECT array_agg(b.n ORDER BY b.n) FROM m JOIN b ON m.i = b.i \
         WHERE m.k = r.k)) AS x FROM r",
    );
    check(
        "SELECT ARRAY(SELECT 'toast.' || x FROM pg_catalog.unnest(t.o) x) AS x FROM t",
        "SELECT mobula_array(array_transform(t.o, x -> 'toast.' || x)) AS x FROM t",
    );
    check(
        "SELECT ARRAY(SELECT DISTINCT n FROM b) AS x FROM r",
        "SELECT mobula_array((SELECT array_agg(mobula_item) FROM (SELECT DISTINCT n FROM b) \
         AS mobula_rows (mobula_item))) AS x FROM r",
    );
}

#[test]
fn relations_without_rows_need_no_subqueries() {
    check(
        "SELECT p.pubname AS a, (SELECT string_agg(x.n, ',') FROM x WHERE x.k = r.k) AS b \
         FROM pg_publication AS p JOIN pg_publication_rel AS r ON p.oid = r.prpubid",
        "SELECT p.pubname AS a, NULL AS b FROM pg_catalog.pg_publication AS p \
         JOIN pg_catalog.pg_publication_rel AS r ON p.oid = r.prpubid",
    );
    check(
        "SELECT (SELECT s.seqstart FROM pg_sequence AS s WHERE s.seqrelid = a.k + 1) AS b FROM a",
        "SELECT NULL AS b FROM a",
    );
    check(
        "SELECT (SELECT x.n FROM x WHERE x.k = t.k) AS b FROM t LEFT JOIN pg_index AS i ON true",
        "SELECT mobula_only((SELECT array_agg(x.n) FROM x WHERE x.k = t.k)) AS b \
         FROM t LEFT JOIN pg_catalog.pg_index AS i ON true",
    );
}
