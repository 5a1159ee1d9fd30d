// pgjdbc from outside: arguments are URL, user, password, a query that computes, cases by name.
// Prints one line for each case: name, tab, "ok" or "failed", tab, what went wrong.

import java.math.BigDecimal;
import java.sql.*;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.util.*;

public class Drivers {
    interface Case {
        void run(Connection c) throws Exception;
    }

    static final String VALUES =
        "SELECT true, 7::int2, 70000::int4, 5000000000::int8, 1.5::float4, 0.1::float8, "
            + "1.25::numeric(10,2), 'h\u00e9llo'::text, '2024-02-29'::date, "
            + "'2024-02-29 13:14:15.123456'::timestamp, '\\x00ff'::bytea, ARRAY[1,2,3]::int4[]";
    static String compute;

    public static void main(String[] arguments) {
        compute = arguments[3];
        Map<String, Case> cases = cases();
        for (String name : List.of(arguments).subList(4, arguments.length)) {
            String outcome = "ok\t";
            String extra = name.equals("types_binary") ? "?prepareThreshold=-1" : "";
            try (Connection c =
                    DriverManager.getConnection(arguments[0] + extra, arguments[1], arguments[2])) {
                cases.get(name).run(c);
            } catch (Throwable error) {
                outcome = "failed\t" + error.toString().replaceAll("\\s+", " ");
            }
            System.out.println(name + "\t" + outcome);
        }
    }

    static Map<String, Case> cases() {
        Map<String, Case> cases = new HashMap<>();
        cases.put("types_text", c -> {
            try (Statement s = c.createStatement(); ResultSet r = s.executeQuery(VALUES)) {
                checkValues(r);
            }
        });
        cases.put("types_prepared", Drivers::tenTimes);
        cases.put("types_binary", Drivers::tenTimes);
        cases.put("parameters", Drivers::parameters);
        cases.put("nulls", Drivers::nulls);
        cases.put("fetch_size", Drivers::fetchSize);
        cases.put("batch_of_results", Drivers::batchOfResults);
        cases.put("errors", Drivers::errors);
        cases.put("aborted_transaction", Drivers::abortedTransaction);
        cases.put("cancel", Drivers::cancel);
        cases.put("query_timeout", Drivers::queryTimeout);
        cases.put("metadata_product", Drivers::metadataProduct);
        cases.put("metadata_tables", Drivers::metadataTables);
        cases.put("metadata_columns", Drivers::metadataColumns);
        cases.put("result_metadata", Drivers::resultMetadata);
        cases.put("settings", Drivers::settings);
        return cases;
    }

    static void equal(Object got, Object want) {
        if (!Objects.equals(got, want)) {
            throw new AssertionError("got " + got + ", want " + want);
        }
    }

    static void checkValues(ResultSet r) throws SQLException {
        equal(r.next(), true);
        equal(r.getBoolean(1), true);
        equal(r.getShort(2), (short) 7);
        equal(r.getInt(3), 70000);
        equal(r.getLong(4), 5000000000L);
        equal(r.getFloat(5), 1.5f);
        equal(r.getDouble(6), 0.1);
        equal(r.getBigDecimal(7), new BigDecimal("1.25"));
        equal(r.getString(8), "h\u00e9llo");
        equal(r.getObject(9, LocalDate.class), LocalDate.of(2024, 2, 29));
        equal(r.getObject(10, LocalDateTime.class),
            LocalDateTime.of(2024, 2, 29, 13, 14, 15, 123456000));
        equal(Arrays.toString(r.getBytes(11)), "[0, -1]");
        equal(Arrays.toString((Object[]) r.getArray(12).getArray()), "[1, 2, 3]");
        equal(r.next(), false);
    }

    // After five executions the driver turns to a named statement and binary results.
    static void tenTimes(Connection c) throws SQLException {
        try (PreparedStatement s = c.prepareStatement(VALUES)) {
            for (int i = 0; i < 10; i++) {
                try (ResultSet r = s.executeQuery()) {
                    checkValues(r);
                }
            }
        }
    }

    static void parameters(Connection c) throws SQLException {
        String sql = "SELECT ?::int4 + 1, ?::text, ?::numeric, ?::date, ?::timestamp, "
            + "?::float8, ?::bool";
        LocalDate day = LocalDate.of(2024, 2, 29);
        LocalDateTime moment = LocalDateTime.of(2024, 2, 29, 13, 14, 15, 123456000);
        try (PreparedStatement s = c.prepareStatement(sql)) {
            for (int i = 0; i < 10; i++) {
                s.setInt(1, i);
                s.setString(2, "a'b\\" + i);
                s.setBigDecimal(3, new BigDecimal("12.50"));
                s.setObject(4, day);
                s.setObject(5, moment);
                s.setDouble(6, 0.1);
                s.setBoolean(7, true);
                try (ResultSet r = s.executeQuery()) {
                    equal(r.next(), true);
                    equal(r.getInt(1), i + 1);
                    equal(r.getString(2), "a'b\\" + i);
                    equal(r.getBigDecimal(3).compareTo(new BigDecimal("12.50")), 0);
                    equal(r.getObject(4, LocalDate.class), day);
                    equal(r.getObject(5, LocalDateTime.class), moment);
                    equal(r.getDouble(6), 0.1);
                    equal(r.getBoolean(7), true);
                }
            }
        }
    }

    static void nulls(Connection c) throws SQLException {
        try (PreparedStatement s = c.prepareStatement("SELECT ?::int4, ?::text, ?::numeric")) {
            for (int i = 0; i < 10; i++) {
                s.setNull(1, Types.INTEGER);
                s.setNull(2, Types.VARCHAR);
                s.setNull(3, Types.NUMERIC);
                try (ResultSet r = s.executeQuery()) {
                    equal(r.next(), true);
                    for (int column = 1; column <= 3; column++) {
                        equal(r.getObject(column), null);
                    }
                }
            }
        }
    }

    // Inside a transaction fetchSize makes the driver use a named portal with a row limit.
    static void fetchSize(Connection c) throws SQLException {
        String ordered = "SELECT o_orderkey FROM orders ORDER BY 1 LIMIT 25500";
        c.setAutoCommit(false);
        try (Statement s = c.createStatement()) {
            s.setFetchSize(1000);
            try (ResultSet r = s.executeQuery(ordered)) {
                long last = -1;
                int rows = 0;
                for (; r.next(); rows++) {
                    equal(r.getLong(1) > last, true);
                    last = r.getLong(1);
                }
                equal(rows, 25500);
            }
            try (ResultSet r = s.executeQuery("SELECT l_orderkey FROM lineitem")) {
                equal(r.next(), true);
            }
        }
        c.commit();
    }

    static void batchOfResults(Connection c) throws SQLException {
        try (Statement s = c.createStatement()) {
            equal(s.execute("SELECT 1; SELECT 2"), true);
            equal(s.getMoreResults(), true);
            try (ResultSet r = s.getResultSet()) {
                equal(r.next(), true);
                equal(r.getInt(1), 2);
            }
        }
    }

    static void errors(Connection c) throws SQLException {
        String[][] pairs = {
            {"SELECT * FROM does_not_exist", "42P01"}, {"SELECT 1 / 0", "22012"},
            {"SELEC 1", "42601"}, {"SELECT 'x'::int4", "22P02"},
            {"SELECT nope FROM nation", "42703"},
        };
        for (String[] pair : pairs) {
            equal(stateOf(c, pair[0]), pair[1]);
        }
        equal(stateOf(c, "SELECT 1"), null);
    }

    static String stateOf(Connection c, String sql) {
        try (PreparedStatement s = c.prepareStatement(sql); ResultSet r = s.executeQuery()) {
            return null;
        } catch (SQLException error) {
            return error.getSQLState();
        }
    }

    static void abortedTransaction(Connection c) throws SQLException {
        c.setAutoCommit(false);
        equal(stateOf(c, "SELECT 1 / 0"), "22012");
        equal(stateOf(c, "SELECT 1"), "25P02");
        c.rollback();
        equal(stateOf(c, "SELECT 1"), null);
        c.commit();
    }

    static void cancel(Connection c) throws Exception {
        try (Statement s = c.createStatement()) {
            for (int i = 0; i < 3; i++) {
                Timer timer = new Timer(true);
                timer.schedule(new TimerTask() {
                    @Override public void run() {
                        try {
                            s.cancel();
                        } catch (SQLException error) {
                            System.err.println(error);
                        }
                    }
                }, 300, 500);
                try {
                    s.executeQuery(compute);
                    throw new AssertionError("the query ended by itself");
                } catch (SQLException error) {
                    equal(error.getSQLState(), "57014");
                } finally {
                    timer.cancel();
                }
            }
        }
        equal(stateOf(c, "SELECT 1"), null);
    }

    static void queryTimeout(Connection c) throws SQLException {
        try (Statement s = c.createStatement()) {
            s.setQueryTimeout(1);
            long started = System.nanoTime();
            try {
                s.executeQuery(compute);
                throw new AssertionError("the query ended by itself");
            } catch (SQLException error) {
                equal(error.getSQLState(), "57014");
            }
            equal(System.nanoTime() - started < 5_000_000_000L, true);
        }
        equal(stateOf(c, "SELECT 1"), null);
    }

    static void metadataProduct(Connection c) throws SQLException {
        DatabaseMetaData m = c.getMetaData();
        equal(m.getDatabaseProductName(), "PostgreSQL");
        equal(m.getDatabaseMajorVersion() >= 14, true);
        equal(c.isValid(5), true);
        equal(c.getSchema(), "public");
    }

    static void metadataTables(Connection c) throws SQLException {
        Set<String> names = new TreeSet<>();
        try (ResultSet r = c.getMetaData().getTables(null, "public", "%", new String[] {"TABLE"})) {
            while (r.next()) {
                equal(r.getString("TABLE_SCHEM"), "public");
                equal(r.getString("TABLE_TYPE"), "TABLE");
                names.add(r.getString("TABLE_NAME"));
            }
        }
        equal(names.containsAll(List.of("lineitem", "nation", "orders")), true);
    }

    static void metadataColumns(Connection c) throws SQLException {
        List<String> columns = new ArrayList<>();
        try (ResultSet r = c.getMetaData().getColumns(null, "public", "orders", "o_t%")) {
            while (r.next()) {
                columns.add(r.getString("COLUMN_NAME") + " " + r.getInt("DATA_TYPE") + " "
                    + r.getString("TYPE_NAME") + " " + r.getInt("COLUMN_SIZE") + " "
                    + r.getInt("DECIMAL_DIGITS"));
            }
        }
        equal(columns, List.of("o_totalprice " + Types.NUMERIC + " numeric 15 2"));
    }

    static void resultMetadata(Connection c) throws SQLException {
        String sql = "SELECT o_orderdate, o_totalprice AS price FROM orders WHERE o_custkey = ?";
        try (PreparedStatement s = c.prepareStatement(sql)) {
            ResultSetMetaData m = s.getMetaData();
            equal(m.getColumnCount(), 2);
            equal(m.getColumnType(1), Types.DATE);
            equal(m.getColumnLabel(2), "price");
            equal(m.getColumnType(2), Types.NUMERIC);
            equal(m.getPrecision(2) + "," + m.getScale(2), "15,2");
            equal(s.getParameterMetaData().getParameterCount(), 1);
        }
    }

    static void settings(Connection c) throws SQLException {
        try (Statement s = c.createStatement()) {
            s.execute("SET application_name = 'jdbc test'");
            equal(c.getClientInfo("ApplicationName"), "jdbc test");
            s.execute("SET TimeZone = 'UTC'");
            try (ResultSet r = s.executeQuery("SHOW TimeZone")) {
                equal(r.next(), true);
                equal(r.getString(1), "UTC");
            }
        }
    }
}
