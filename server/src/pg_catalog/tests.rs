//! The catalogs as a session reads them: relations, rows and functions over one small view.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider};
use datafusion::prelude::{SessionConfig, SessionContext};

use super::layout::{INFORMATION_SCHEMA, PG_CATALOG, RELATIONS};
use super::*;
use crate::meta::{Oid, RoleChange, Snapshot};
use crate::session::limits::Limits;
use crate::session::settings::Shown;
use crate::session::variables;

fn relation(oid: u32, schema_oid: u32, name: &str, kind: RelationKind) -> RelationRow {
    let columns = vec![
        Field::new("id", DataType::Int32, false),
        Field::new("price", DataType::Decimal128(12, 2), true),
        Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        Field::new_list("tags", Field::new_list_field(DataType::Utf8, true), true),
    ];
    RelationRow {
        oid,
        schema_oid,
        name: name.to_owned(),
        kind,
        columns: Arc::new(Schema::new(columns)),
        definition: (kind == RelationKind::View).then(|| "SELECT * FROM items;".to_owned()),
        location: None,
        owner_oid: 16385,
    }
}

fn view() -> Arc<CatalogView> {
    let schema = |oid, name: &str| SchemaRow { oid, name: name.to_owned(), owner_oid: 10 };
    let mut now = Snapshot::default();
    for (oid, name, superuser) in [(10, "mobula", true), (16385, "alice", false)] {
        let with =
            RoleChange { superuser: Some(superuser), login: Some(true), ..RoleChange::default() };
        now.create_role(Oid(oid), name, &with).expect("a new role");
    }
    let now = Arc::new(now);
    let setting = Shown {
        variable: variables::find("timezone").ok(),
        name: "timezone".into(),
        value: "UTC".into(),
        reset: "GMT".into(),
        is_set: true,
    };
    let settings = Arc::new(vec![setting]);
    let link = Arc::new(Link::default());
    link.begin(Arc::clone(&settings), Limits::default(), vec![]);
    Arc::new(CatalogView {
        database: "mobula".into(),
        database_oid: 16384,
        user: "alice".into(),
        session_user: "alice".into(),
        user_oid: 16385,
        rights: Arc::new(Rights::of(&now, Oid(16385))),
        backend_pid: 42,
        schemas: vec![schema(2200, "public"), schema(16500, "Sales")],
        relations: vec![
            relation(16400, 2200, "items", RelationKind::Table),
            relation(16401, 16500, "items", RelationKind::Table),
            relation(16402, 2200, "v", RelationKind::View),
        ],
        roles: now.roles().cloned().collect(),
        settings,
        link,
        search_path: vec!["alice".into(), "public".into()],
        version: 1,
    })
}

fn context() -> SessionContext {
    let config = SessionConfig::new().with_default_catalog_and_schema("mobula", PG_CATALOG);
    let context = SessionContext::new_with_config(config.with_target_partitions(1));
    let catalog = Arc::new(MemoryCatalogProvider::new());
    catalog.register_schema(PG_CATALOG, pg_catalog_schema(view())).expect("a new schema");
    catalog
        .register_schema(INFORMATION_SCHEMA, super::information_schema(view()))
        .expect("a new schema");
    context.register_catalog("mobula", catalog);
    for function in catalog_functions(view()) {
        context.register_udf(function.as_ref().clone());
    }
    context
}

/// The rows of a query, values joined by `|`, rows by a space.
async fn answer(context: &SessionContext, sql: &str) -> String {
    let batches = context.sql(sql).await.expect(sql).collect().await.expect(sql);
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = vec![];
    for batch in &batches {
        let columns = batch.columns().iter();
        let columns: Vec<_> = columns
            .map(|c| ArrayFormatter::try_new(c.as_ref(), &options).expect("a type that prints"))
            .collect();
        for row in 0..batch.num_rows() {
            let values = columns.iter().map(|column| column.value(row).to_string());
            rows.push(values.collect::<Vec<_>>().join("|"));
        }
    }
    rows.join(" ")
}

#[tokio::test]
async fn every_relation_can_be_read() {
    for (name, provider) in [
        (PG_CATALOG, pg_catalog_schema(view())),
        (INFORMATION_SCHEMA, super::information_schema(view())),
    ] {
        let expected = RELATIONS.iter().filter(|relation| relation.schema == name).count();
        assert_eq!(provider.table_names().len(), expected);
        for relation in provider.table_names() {
            let table = provider.table(&relation).await.expect("readable");
            assert!(table.is_some_and(|t| !t.schema().fields().is_empty()), "{name}.{relation}");
        }
    }
}

#[tokio::test]
async fn the_planner_is_right_about_relations_without_rows() {
    let context = context();
    for relation in planner::catalog_rewrite::NEVER_ROWS {
        let count = answer(&context, &format!("SELECT count(*) FROM {relation}")).await;
        assert_eq!(count, "0", "{relation}");
    }
}

#[tokio::test]
async fn rows() {
    let context = context();
    for (sql, expected) in [
        ("SELECT oid, relkind, relnatts FROM pg_class WHERE relname = 'pg_class'", "1259|r|33"),
        (
            "SELECT oid, relnamespace, relkind, relam FROM pg_class WHERE oid > 16383 ORDER BY 1",
            "16400|2200|r|2 16401|16500|r|2 16402|2200|v|0",
        ),
        (
            "SELECT attname, attnum, atttypid, atttypmod, attnotnull FROM pg_attribute \
             WHERE attrelid = 16400 ORDER BY attnum",
            "id|1|23|-1|true price|2|1700|786438|false at|3|1184|-1|false tags|4|1009|-1|false",
        ),
        ("SELECT count(*) FROM pg_attribute WHERE attrelid = 1259", "33"),
        ("SELECT typname, typlen, typarray FROM pg_type WHERE oid = 23", "int4|4|1007"),
        (
            "SELECT oid, nspname FROM pg_namespace ORDER BY oid",
            "11|pg_catalog 2200|public 13207|information_schema 15000|mobula 15010|ray 16500|Sales",
        ),
        ("SELECT datname, encoding FROM pg_database", "mobula|6"),
        ("SELECT rolname, rolsuper FROM pg_roles ORDER BY 1", "alice|false mobula|true"),
        (
            "SELECT name, setting, source, boot_val, reset_val FROM pg_settings",
            "TimeZone|UTC|session|Etc/UTC|GMT",
        ),
        ("SELECT viewname, viewowner FROM pg_views", "v|alice"),
        ("SELECT count(*) FROM mobula_keywords", "460"),
        (
            "SELECT column_name, ordinal_position, data_type, numeric_precision, numeric_scale, \
             udt_name, is_nullable FROM information_schema.columns WHERE table_schema = 'Sales'",
            "id|1|integer|32|0|int4|NO price|2|numeric|12|2|numeric|YES \
             at|3|timestamp with time zone|NULL|NULL|timestamptz|YES \
             tags|4|ARRAY|NULL|NULL|_text|YES",
        ),
        (
            "SELECT table_name, table_type FROM information_schema.tables ORDER BY 1, 2",
            "actors|VIEW items|BASE TABLE items|BASE TABLE nodes|VIEW nodes|VIEW queries|VIEW \
             stages|VIEW tasks|VIEW tasks|VIEW v|VIEW",
        ),
    ] {
        assert_eq!(answer(&context, sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn functions() {
    let context = context();
    for (call, expected) in [
        ("current_schema()", "public"),
        ("current_schemas(true)", "[pg_catalog, public]"),
        ("\"current_user\"()", "alice"),
        ("pg_backend_pid()", "42"),
        ("current_setting('timezone')", "UTC"),
        ("current_setting('nope', true)", "NULL"),
        ("pg_get_userbyid(10)", "mobula"),
        ("pg_get_userbyid(77)", "unknown (OID=77)"),
        ("pg_table_is_visible(16400)", "true"),
        ("pg_table_is_visible(16401)", "false"),
        ("pg_table_is_visible(99999)", "NULL"),
        ("format_type(1700, 786438)", "numeric(12,2)"),
        ("format_type(1043, 24)", "character varying(20)"),
        ("format_type(1009, -1)", "text[]"),
        ("format_type(1560, -1)", "\"bit\""),
        ("format_type(0, NULL)", "-"),
        ("pg_get_viewdef(16402)", " SELECT * FROM items;"),
        ("pg_get_viewdef('v', true)", " SELECT * FROM items;"),
        ("pg_get_function_result(2176)", "integer"),
        ("pg_get_function_arguments(2176)", "anyarray, integer"),
        ("mobula_regclass('items')", "16400"),
        ("mobula_regclass('\"Sales\".items')", "16401"),
        ("mobula_names(mobula_regclass(16401))", "\"Sales\".items"),
        ("mobula_names(mobula_regclass(0))", "-"),
        ("mobula_names(mobula_regclass(99999))", "99999"),
        ("to_regclass('nope')", "NULL"),
        ("mobula_regtype('timestamp(3) with time zone')", "1184"),
        ("mobula_names(mobula_regtype(1007))", "integer[]"),
        ("mobula_regproc('array_in')", "750"),
        ("mobula_names(mobula_regproc(1299))", "now"),
        ("mobula_names(mobula_regprocedure(2176))", "array_length(anyarray,integer)"),
        ("mobula_names(mobula_regoperator(96))", "=(integer,integer)"),
        ("quote_ident('Sales')", "\"Sales\""),
        ("quote_ident('select')", "\"select\""),
        ("quote_ident('items')", "items"),
        ("pg_size_pretty(10239)", "10239 bytes"),
        ("pg_size_pretty(10240)", "10 kB"),
        ("pg_size_pretty(10485248)", "10 MB"),
        ("has_table_privilege('pg_class', 'select')", "true"),
        ("has_table_privilege('pg_class', 'insert')", "false"),
        ("has_schema_privilege('mobula', 'pg_catalog', 'create')", "true"),
        ("pg_encoding_to_char(6)", "UTF8"),
        ("pg_char_to_encoding('latin-1')", "8"),
        ("mobula_names(pg_typeof(arrow_cast(1, 'Int32')))", "integer"),
        ("array_to_string(make_array(1, NULL, 3), ',')", "1,3"),
        ("array_to_string(make_array(true, NULL), ',', '*')", "t,*"),
        ("array_upper(make_array(1, 2), 1)", "2"),
        ("array_upper(make_array(1, 2), 2)", "NULL"),
        ("mobula_only(make_array(7))", "7"),
        ("mobula_text(make_array('a', 'b c'))", "{a,\"b c\"}"),
        ("mobula_text(true)", "t"),
        ("mobula_text('x')", "x"),
        ("mobula_array(NULL::varchar[])", "[]"),
        ("mobula_subscripts(make_array('a', 'b'), 1)", "[1, 2]"),
        ("json_build_object('a', 1, 'b', NULL)", "{\"a\" : 1, \"b\" : null}"),
    ] {
        assert_eq!(answer(&context, &format!("SELECT {call}")).await, expected, "{call}");
    }
}

#[tokio::test]
async fn refusals() {
    let context = context();
    for (call, expected) in [
        ("mobula_regclass('nope')", "relation \"nope\" does not exist"),
        ("mobula_regproc('lower')", "more than one function named \"lower\""),
        ("current_setting('nope')", "unrecognized configuration parameter \"nope\""),
        ("mobula_only(make_array(1, 2))", "more than one row returned by a subquery"),
        ("mobula_oid('x')", "invalid input syntax for type oid: \"x\""),
        ("pg_get_userbyid()", "pg_get_userbyid"),
    ] {
        let failed = match context.sql(&format!("SELECT {call}")).await {
            Ok(planned) => planned.collect().await.expect_err(call),
            Err(error) => error,
        };
        assert!(failed.to_string().contains(expected), "{call}: {failed}");
    }
}

#[tokio::test]
async fn version_begins_as_drivers_read_it() {
    let version = answer(&context(), "SELECT version()").await;
    assert!(version.starts_with("PostgreSQL 16.3 (Mobula "), "{version}");
}
