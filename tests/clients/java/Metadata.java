// pgjdbc's DatabaseMetaData: what it asks of the catalog, about tables and about pg_catalog itself.

import java.sql.*;
import java.util.*;

class Metadata extends Checks {
    static final String TABLE = "TABLE_SCHEM TABLE_NAME TABLE_TYPE";

    static void declare() {
        check("jdbc_product", Metadata::product);
        check("jdbc_limits", Metadata::limits);
        check("jdbc_keywords", c -> {
            String words = c.getMetaData().getSQLKeywords();
            equal(words.contains("ilike") && words.contains("returning"), true);
        });
        check("jdbc_catalogs", c -> {
            List<String> names = rows(c.getMetaData().getCatalogs(), "TABLE_CAT");
            equal(names.contains(one(c, "SELECT current_database()")), true);
            equal(c.getCatalog(), one(c, "SELECT current_database()"));
        });
        check("jdbc_schemas", c -> {
            List<String> all = rows(c.getMetaData().getSchemas(), "TABLE_SCHEM");
            equal(all.containsAll(List.of("information_schema", "pg_catalog", "public")), true);
            equal(rows(c.getMetaData().getSchemas(null, "pub%"), "TABLE_SCHEM"), List.of("public"));
        });
        check("jdbc_table_types", c -> {
            List<String> types = rows(c.getMetaData().getTableTypes(), "TABLE_TYPE");
            equal(types.containsAll(List.of("TABLE", "VIEW", "SYSTEM TABLE")), true);
        });
        check("jdbc_tables", Metadata::tables);
        check("jdbc_columns", Metadata::columns);
        check("jdbc_view", Metadata::view);
        check("jdbc_columns_of_all_tables", c -> {
            List<String> all = rows(c.getMetaData().getColumns(null, null, null, null),
                "TABLE_NAME", "COLUMN_NAME");
            equal(all.containsAll(List.of("nation n_name", "pg_class relname")), true);
        });
        check("jdbc_primary_keys", Metadata::primaryKeys);
        check("jdbc_imported_keys", c -> equal(
            rows(c.getMetaData().getImportedKeys(null, "public", "nation"), "FK_NAME"), List.of()));
        check("jdbc_exported_keys", c -> equal(
            rows(c.getMetaData().getExportedKeys(null, "public", "region"), "FK_NAME"), List.of()));
        check("jdbc_cross_reference", c -> equal(
            rows(c.getMetaData().getCrossReference(null, "public", "region", null, "public",
                "nation"), "FK_NAME"), List.of()));
        check("jdbc_index_info", Metadata::indexInfo);
        check("jdbc_best_row_identifier", Metadata::bestRowIdentifier);
        check("jdbc_version_columns", c -> equal(
            rows(c.getMetaData().getVersionColumns(null, "public", "nation"), "COLUMN_NAME"),
            List.of("ctid")));
        check("jdbc_type_info", Metadata::typeInfo);
        check("jdbc_procedures", c -> {
            DatabaseMetaData m = c.getMetaData();
            equal(rows(m.getProcedures(null, "public", "%"), "PROCEDURE_NAME"), List.of());
            equal(rows(m.getProcedureColumns(null, "public", "%", "%"), "COLUMN_NAME"), List.of());
        });
        check("jdbc_functions", c -> equal(new TreeSet<>(
            rows(c.getMetaData().getFunctions(null, "pg_catalog", "lowe_"), "FUNCTION_SCHEM",
                "FUNCTION_NAME", "FUNCTION_TYPE")), Set.of("pg_catalog lower 1")));
        check("jdbc_function_columns", c -> equal(
            rows(c.getMetaData().getFunctionColumns(null, "pg_catalog", "initcap", null),
                "COLUMN_NAME", "COLUMN_TYPE", "TYPE_NAME", "ORDINAL_POSITION"),
            List.of("returnValue 4 text 0", "$1 1 text 1")));
        check("jdbc_types_of_users", c -> {
            int[] kinds = {Types.DISTINCT};
            List<String> all = rows(c.getMetaData().getUDTs(null, "information_schema", "%", kinds),
                "TYPE_NAME", "DATA_TYPE");
            equal(all.contains("sql_identifier " + Types.DISTINCT), true);
            equal(rows(c.getMetaData().getUDTs(null, "public", "%", kinds), "TYPE_NAME"),
                List.of());
        });
        check("jdbc_table_privileges", c -> {
            List<String> all = rows(c.getMetaData().getTablePrivileges(null, "public", "nation"),
                "TABLE_NAME", "GRANTEE", "PRIVILEGE");
            equal(all.contains("nation " + user + " SELECT"), true);
        });
        check("jdbc_column_privileges", c -> {
            List<String> all = rows(
                c.getMetaData().getColumnPrivileges(null, "public", "nation", "n_n%"),
                "COLUMN_NAME", "GRANTEE", "PRIVILEGE");
            equal(all.contains("n_name " + user + " SELECT"), true);
        });
        check("jdbc_client_info_properties", c -> equal(
            rows(c.getMetaData().getClientInfoProperties(), "NAME"), List.of("ApplicationName")));
    }

    static void product(Connection c) throws SQLException {
        DatabaseMetaData m = c.getMetaData();
        equal(m.getDatabaseProductName(), "PostgreSQL");
        equal(m.getDatabaseProductVersion(), one(c, "SHOW server_version"));
        equal(m.getDatabaseMajorVersion() >= 14, true);
        equal(m.getUserName(), user);
        equal(m.isReadOnly(), false);
        equal(m.getDefaultTransactionIsolation(), Connection.TRANSACTION_READ_COMMITTED);
        equal(m.supportsTransactionIsolationLevel(Connection.TRANSACTION_SERIALIZABLE), true);
    }

    static void limits(Connection c) throws SQLException {
        DatabaseMetaData m = c.getMetaData();
        equal(m.getMaxColumnNameLength(), 63); // from pg_type
        equal(m.getMaxColumnsInIndex(), 32); // from pg_settings
        equal(m.getMaxConnections() > 0, true);
    }

    static void tables(Connection c) throws SQLException {
        DatabaseMetaData m = c.getMetaData();
        String[] columns = TABLE.split(" ");
        equal(rows(m.getTables(null, "public", "part%", null), columns),
            List.of("public part TABLE", "public partsupp TABLE"));
        equal(rows(m.getTables(null, null, "nation", new String[] {"VIEW"}), columns), List.of());
        List<String> system =
            rows(m.getTables(null, "pg_catalog", "%", new String[] {"SYSTEM TABLE", "SYSTEM VIEW"}),
                columns);
        equal(system.contains("pg_catalog pg_class SYSTEM TABLE"), true);
        equal(system.contains("pg_catalog pg_tables SYSTEM VIEW"), true);
        List<String> all = rows(m.getTables(null, null, null, null), "TABLE_NAME", "REMARKS");
        equal(all.contains("lineitem null"), true);
    }

    static void columns(Connection c) throws SQLException {
        ResultSet columns = c.getMetaData().getColumns(null, "public", "orders", "%");
        equal(rows(columns, "ORDINAL_POSITION", "COLUMN_NAME", "TYPE_NAME", "DATA_TYPE",
                "COLUMN_SIZE", "DECIMAL_DIGITS", "IS_NULLABLE", "COLUMN_DEF", "IS_AUTOINCREMENT")
            .subList(0, 5), List.of(
            "1 o_orderkey int8 " + Types.BIGINT + " 19 0 YES null NO",
            "2 o_custkey int8 " + Types.BIGINT + " 19 0 YES null NO",
            "3 o_orderstatus text " + Types.VARCHAR + " 2147483647 0 YES null NO",
            "4 o_totalprice numeric " + Types.NUMERIC + " 15 2 YES null NO",
            "5 o_orderdate date " + Types.DATE + " 13 0 YES null NO"));
    }

    // Quoted names, and the wildcards of a pattern in one.
    static void view(Connection c) throws SQLException {
        try (Statement s = c.createStatement()) {
            s.execute("CREATE VIEW \"Odd_100%\" AS SELECT n_name AS \"The Name\", "
                + "n_nationkey + 1 AS next FROM nation");
            try {
                DatabaseMetaData m = c.getMetaData();
                String[] views = {"VIEW"};
                equal(rows(m.getTables(null, "public", "Odd\\_100\\%", views), TABLE.split(" ")),
                    List.of("public Odd_100% VIEW"));
                equal(rows(m.getColumns(null, "public", "Odd\\_100\\%", null), "COLUMN_NAME",
                    "TYPE_NAME"), List.of("The Name text", "next int4"));
                equal(one(c, "SELECT \"The Name\" FROM \"Odd_100%\" WHERE next = 4"), "CANADA");
            } finally {
                s.execute("DROP VIEW \"Odd_100%\"");
            }
        }
    }

    static void primaryKeys(Connection c) throws SQLException {
        DatabaseMetaData m = c.getMetaData();
        equal(rows(m.getPrimaryKeys(null, "public", "nation"), "COLUMN_NAME"), List.of());
        equal(rows(m.getPrimaryKeys(null, "pg_catalog", "pg_class"), "COLUMN_NAME", "KEY_SEQ",
            "PK_NAME"), List.of("oid 1 pg_class_oid_index"));
    }

    static void indexInfo(Connection c) throws SQLException {
        DatabaseMetaData m = c.getMetaData();
        equal(rows(m.getIndexInfo(null, "public", "nation", false, true), "INDEX_NAME"), List.of());
        equal(rows(m.getIndexInfo(null, "pg_catalog", "pg_class", true, true), "INDEX_NAME",
                "ORDINAL_POSITION", "COLUMN_NAME", "NON_UNIQUE", "ASC_OR_DESC"),
            List.of("pg_class_oid_index 1 oid f A", "pg_class_relname_nsp_index 1 relname f A",
                "pg_class_relname_nsp_index 2 relnamespace f A"));
    }

    static void bestRowIdentifier(Connection c) throws SQLException {
        DatabaseMetaData m = c.getMetaData();
        int scope = DatabaseMetaData.bestRowSession;
        equal(rows(m.getBestRowIdentifier(null, "public", "nation", scope, true), "COLUMN_NAME"),
            List.of());
        equal(rows(m.getBestRowIdentifier(null, "pg_catalog", "pg_class", scope, true),
            "COLUMN_NAME", "TYPE_NAME"), List.of("oid oid"));
    }

    static void typeInfo(Connection c) throws SQLException {
        List<String> all = rows(c.getMetaData().getTypeInfo(), "TYPE_NAME", "DATA_TYPE");
        equal(all.contains("int4 " + Types.INTEGER), true);
        equal(all.contains("numeric " + Types.NUMERIC), true);
        equal(all.contains("_text " + Types.ARRAY), true);
        equal(all.contains("json " + Types.OTHER), true);
    }
}
