// pgjdbc's results: what they say of their columns, values of many types, portions, COPY.

import java.io.ByteArrayOutputStream;
import java.io.StringReader;
import java.math.BigDecimal;
import java.sql.*;
import java.time.LocalDate;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.util.*;
import org.postgresql.PGConnection;
import org.postgresql.PGResultSetMetaData;
import org.postgresql.copy.CopyManager;
import org.postgresql.copy.PGCopyInputStream;
import org.postgresql.jdbc.PreferQueryMode;
import org.postgresql.util.PGInterval;

class Results extends Checks {
    static final String COPIED =
        "COPY (SELECT n_nationkey, n_name FROM nation WHERE n_nationkey < 2 ORDER BY 1) TO STDOUT";

    static void declare() {
        check("jdbc_base_names", Results::baseNames);
        check("jdbc_column_types", Results::columnTypes);
        check("jdbc_parameter_types", Results::parameterTypes);
        check("jdbc_values", Results::values);
        check("jdbc_values_simple", "preferQueryMode=simple", Results::values);
        check("jdbc_values_extended_for_prepared", "preferQueryMode=extendedForPrepared",
            Results::values);
        check("jdbc_values_cache_everything", "preferQueryMode=extendedCacheEverything",
            Results::values);
        check("jdbc_values_binary", "prepareThreshold=-1", Results::values);
        check("jdbc_arrays", Results::arrays);
        check("jdbc_arrays_binary", "prepareThreshold=-1", Results::arrays);
        check("jdbc_any_array", Results::anyArray);
        check("jdbc_escapes", Results::escapes);
        check("jdbc_call", Results::call);
        check("jdbc_fetch_size", Results::fetchSize);
        check("jdbc_fetch_size_of_two", Results::fetchSizeOfTwo);
        check("jdbc_default_fetch_size", "defaultRowFetchSize=100", Results::fetchSizeOfTwo);
        check("jdbc_max_rows", Results::maxRows);
        check("jdbc_scrolling", Results::scrolling);
        check("jdbc_copy_out", Results::copyOut);
        check("jdbc_copy_out_stream", Results::copyOutStream);
        check("jdbc_copy_in", Results::copyIn);
        check("jdbc_batch", Results::batch);
        check("jdbc_batch_rewritten", "reWriteBatchedInserts=true", Results::batch);
    }

    static void baseNames(Connection c) throws SQLException {
        String sql = "SELECT n.n_name AS called, r.r_name, 1 AS computed FROM nation AS n "
            + "JOIN region AS r ON r_regionkey = n_regionkey";
        try (Statement s = c.createStatement(); ResultSet r = s.executeQuery(sql)) {
            PGResultSetMetaData m = r.getMetaData().unwrap(PGResultSetMetaData.class);
            equal(m.getBaseTableName(1) + "." + m.getBaseColumnName(1), "nation.n_name");
            equal(m.getBaseTableName(2) + "." + m.getBaseColumnName(2), "region.r_name");
            equal(m.getBaseSchemaName(2), "public");
            equal(m.getBaseTableName(3) + "." + m.getBaseColumnName(3), ".");
            ResultSetMetaData plain = r.getMetaData();
            equal(plain.getColumnLabel(1), "called");
            equal(plain.getTableName(1), "nation");
            equal(plain.isNullable(1), ResultSetMetaData.columnNullable);
            equal(plain.isAutoIncrement(1), false);
            equal(plain.isNullable(3), ResultSetMetaData.columnNullableUnknown);
        }
    }

    static void columnTypes(Connection c) throws SQLException {
        String sql = "SELECT o_totalprice, o_orderkey, o_comment, o_orderdate, 'x'::varchar(7), "
            + "1.5::float8, true, '\\x00'::bytea, now(), 1.25::numeric, '{1}'::int4[], "
            + "NULL::uuid, '1'::json FROM orders LIMIT 1";
        List<String> told = new ArrayList<>();
        try (PreparedStatement s = c.prepareStatement(sql)) {
            ResultSetMetaData m = s.getMetaData();
            for (int i = 1; i <= m.getColumnCount(); i++) {
                told.add(m.getColumnTypeName(i) + " " + m.getColumnType(i) + " "
                    + m.getPrecision(i) + " " + m.getScale(i) + " " + m.getColumnClassName(i));
            }
        }
        equal(told.subList(0, 5), List.of("numeric 2 15 2 java.math.BigDecimal",
            "int8 -5 19 0 java.lang.Long", "text 12 2147483647 0 java.lang.String",
            "date 91 13 0 java.sql.Date", "varchar 12 7 0 java.lang.String"));
        List<String> names = told.subList(5, 13).stream().map(t -> t.split(" ")[0]).toList();
        equal(names, List.of("float8", "bool", "bytea", "timestamptz", "numeric", "_int4", "uuid",
            "json"));
    }

    static void parameterTypes(Connection c) throws SQLException {
        String sql = "SELECT * FROM orders WHERE o_orderkey = ? AND o_totalprice > ? "
            + "AND o_orderdate < ? AND o_comment LIKE ? AND o_shippriority IN (?, ?)";
        try (PreparedStatement s = c.prepareStatement(sql)) {
            ParameterMetaData m = s.getParameterMetaData();
            List<String> names = new ArrayList<>();
            for (int i = 1; i <= m.getParameterCount(); i++) {
                names.add(m.getParameterTypeName(i));
            }
            equal(names, List.of("int8", "numeric", "date", "text", "int4", "int4"));
        }
    }

    static void values(Connection c) throws SQLException {
        OffsetDateTime moment = OffsetDateTime.parse("2024-02-29T13:14:15.123456Z");
        UUID uuid = UUID.fromString("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
        String sql = "SELECT ?::int8, ?::numeric, ?::text, ?::bytea, ?::timestamptz, ?::uuid, "
            + "?::date, ?::time, ?::bool, ?::float8, '1 day 02:00:00'::interval, "
            + "'{\"a\": 1}'::json";
        PreferQueryMode mode = c.unwrap(PGConnection.class).getPreferQueryMode();
        try (PreparedStatement s = c.prepareStatement(sql)) {
            for (int turn = 0; turn < 8; turn++) {
                s.setLong(1, 1L << 62);
                s.setBigDecimal(2, new BigDecimal("-12345678901234567890.1234567891"));
                s.setString(3, "a'b\\\u00e9" + turn);
                if (mode == PreferQueryMode.SIMPLE) { // pgjdbc cannot write bytes into a text
                    s.setString(4, "\\x00ff");
                } else {
                    s.setBytes(4, new byte[] {0, -1});
                }
                s.setObject(5, moment);
                s.setObject(6, uuid);
                s.setObject(7, LocalDate.of(2024, 2, 29));
                s.setObject(8, LocalTime.of(13, 14, 15));
                s.setBoolean(9, true);
                s.setDouble(10, 0.1);
                try (ResultSet r = s.executeQuery()) {
                    equal(r.next(), true);
                    equal(r.getLong(1), 1L << 62);
                    equal(r.getBigDecimal(2), new BigDecimal("-12345678901234567890.1234567891"));
                    equal(r.getString(3), "a'b\\\u00e9" + turn);
                    equal(Arrays.toString(r.getBytes(4)), "[0, -1]");
                    equal(r.getObject(5, OffsetDateTime.class).toInstant(), moment.toInstant());
                    equal(r.getObject(6), uuid);
                    equal(r.getObject(7, LocalDate.class), LocalDate.of(2024, 2, 29));
                    equal(r.getObject(8, LocalTime.class), LocalTime.of(13, 14, 15));
                    equal(r.getBoolean(9), true);
                    equal(r.getDouble(10), 0.1);
                    PGInterval interval = (PGInterval) r.getObject(11);
                    equal(interval.getDays() + " " + interval.getHours(), "1 2");
                    equal(r.getObject(12).toString(), "{\"a\": 1}");
                }
            }
        }
    }

    static void arrays(Connection c) throws SQLException {
        String sql = "SELECT ?::int4[], ?::text[], '{1.5,NULL}'::numeric[], "
            + "'{{1,2},{3,4}}'::int8[]";
        try (PreparedStatement s = c.prepareStatement(sql)) {
            for (int turn = 0; turn < 8; turn++) {
                s.setArray(1, c.createArrayOf("int4", new Object[] {1, null, 3}));
                s.setArray(2, c.createArrayOf("text", new Object[] {"x,y", "q\"r", null}));
                try (ResultSet r = s.executeQuery()) {
                    equal(r.next(), true);
                    Object[] got = new Object[4];
                    for (int i = 0; i < 4; i++) {
                        got[i] = r.getArray(i + 1).getArray();
                    }
                    equal(Arrays.deepToString(got), "[[1, null, 3], [x,y, q\"r, null], "
                        + "[1.5, null], [[1, 2], [3, 4]]]");
                }
            }
        }
    }

    static void anyArray(Connection c) throws SQLException {
        String sql = "SELECT n_name FROM nation WHERE n_nationkey = ANY(?) ORDER BY 1";
        try (PreparedStatement s = c.prepareStatement(sql)) {
            for (int turn = 0; turn < 8; turn++) {
                s.setArray(1, c.createArrayOf("int4", new Object[] {3, 1}));
                equal(rows(s.executeQuery(), "n_name"), List.of("ARGENTINA", "CANADA"));
            }
        }
    }

    // The driver turns JDBC's escapes into PostgreSQL's syntax.
    static void escapes(Connection c) throws SQLException {
        equal(one(c, "SELECT {fn concat('a', {fn ucase('b')})}"), "aB");
        equal(one(c, "SELECT {d '2024-02-29'}"), "2024-02-29");
        equal(one(c, "SELECT {ts '2024-02-29 01:02:03'}"), "2024-02-29 01:02:03");
        equal(one(c, "SELECT {fn dayofmonth({d '2024-02-29'})}"), "29");
        equal(one(c, "SELECT {fn timestampadd(SQL_TSI_DAY, 1, {d '2024-02-28'})}"),
            "2024-02-29 00:00:00");
        equal(one(c, "SELECT n_name FROM nation WHERE n_name LIKE 'C|A%' {escape '|'}"), "CANADA");
        equal(one(c, "SELECT count(*) FROM {oj nation LEFT OUTER JOIN region ON "
            + "n_regionkey = r_regionkey}"), "25");
    }

    static void call(Connection c) throws SQLException {
        try (CallableStatement s = c.prepareCall("{? = call upper(?)}")) {
            s.registerOutParameter(1, Types.VARCHAR);
            s.setString(2, "abc");
            s.execute();
            equal(s.getString(1), "ABC");
        }
    }

    static void fetchSize(Connection c) throws SQLException {
        c.setAutoCommit(false);
        try (Statement s = c.createStatement()) {
            s.setFetchSize(1000);
            try (ResultSet r = s.executeQuery("SELECT o_orderkey FROM orders ORDER BY 1")) {
                long last = -1;
                for (int rows = 0; rows < 5500; rows++) {
                    equal(r.next(), true);
                    equal(r.getLong(1) > last, true);
                    last = r.getLong(1);
                    if (rows == 2000) {
                        r.setFetchSize(77);
                    }
                }
            }
        }
        c.commit();
    }

    static void fetchSizeOfTwo(Connection c) throws SQLException {
        c.setAutoCommit(false);
        String sql = "SELECT o_orderkey FROM orders ORDER BY 1 LIMIT 950";
        try (PreparedStatement s = c.prepareStatement(sql); Statement t = c.createStatement()) {
            s.setFetchSize(100);
            t.setFetchSize(33);
            try (ResultSet a = s.executeQuery(); ResultSet b = t.executeQuery(sql)) {
                int rows = 0;
                for (; a.next() & b.next(); rows++) {
                    equal(a.getLong(1), b.getLong(1));
                }
                equal(rows, 950);
            }
        }
        c.commit();
    }

    static void maxRows(Connection c) throws SQLException {
        try (Statement s = c.createStatement()) {
            s.setMaxRows(7);
            equal(rows(s.executeQuery("SELECT n_name FROM nation"), "n_name").size(), 7);
            s.setMaxRows(0);
            equal(rows(s.executeQuery("SELECT n_name FROM nation"), "n_name").size(), 25);
        }
    }

    static void scrolling(Connection c) throws SQLException {
        int scroll = ResultSet.TYPE_SCROLL_INSENSITIVE;
        try (Statement s = c.createStatement(scroll, ResultSet.CONCUR_READ_ONLY);
                ResultSet r = s.executeQuery("SELECT n_nationkey FROM nation ORDER BY 1")) {
            equal(r.last(), true);
            equal(r.getRow(), 25);
            equal(r.absolute(4), true);
            equal(r.getInt(1), 3);
            equal(r.previous(), true);
            equal(r.getInt(1), 2);
        }
    }

    static void copyOut(Connection c) throws Exception {
        CopyManager copy = c.unwrap(PGConnection.class).getCopyAPI();
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        equal(copy.copyOut(COPIED, out), 2L);
        equal(out.toString(), "0\tALGERIA\n1\tARGENTINA\n");
        out.reset();
        copy.copyOut(COPIED + " WITH (FORMAT csv, HEADER true, DELIMITER ';', FORCE_QUOTE *)", out);
        equal(out.toString(), "n_nationkey;n_name\n\"0\";\"ALGERIA\"\n\"1\";\"ARGENTINA\"\n");
        refused("42P01", () -> copy.copyOut("COPY does_not_exist TO STDOUT", out));
        equal(one(c, "SELECT 1"), "1");
    }

    static void copyOutStream(Connection c) throws Exception {
        PGConnection p = c.unwrap(PGConnection.class);
        int lines = 0;
        try (PGCopyInputStream in = new PGCopyInputStream(p, "COPY orders TO STDOUT")) {
            for (byte[] chunk = in.readFromCopy(); chunk != null; chunk = in.readFromCopy()) {
                lines++;
            }
        }
        equal(String.valueOf(lines), one(c, "SELECT count(*) FROM orders"));
    }

    static void copyIn(Connection c) throws Exception {
        try (Statement s = c.createStatement()) {
            s.execute("CREATE TEMP TABLE pairs (a int4, b text)");
        }
        CopyManager copy = c.unwrap(PGConnection.class).getCopyAPI();
        equal(copy.copyIn("COPY pairs FROM STDIN", new StringReader("1\tx\n2\t\\N\n")), 2L);
        equal(one(c, "SELECT count(*) FROM pairs WHERE b IS NULL"), "1");
    }

    static void batch(Connection c) throws SQLException {
        try (Statement s = c.createStatement()) {
            s.execute("CREATE TEMP TABLE notes (id serial PRIMARY KEY, note text)");
        }
        String sql = "INSERT INTO notes (note) VALUES (?)";
        try (PreparedStatement s = c.prepareStatement(sql, Statement.RETURN_GENERATED_KEYS)) {
            for (int i = 0; i < 100; i++) {
                s.setString(1, "note " + i);
                s.addBatch();
            }
            equal(s.executeBatch().length, 100);
            equal(rows(s.getGeneratedKeys(), "id").size(), 100);
        }
        equal(one(c, "SELECT count(*) FROM notes"), "100");
    }
}
