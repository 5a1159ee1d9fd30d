// Runs the checks of pgjdbc. In: the server's URI, a query that computes for hours, and optionally
// names of checks. Out: for each check one line of JSON, {"check", "ok", "why"}.

import java.sql.*;
import java.util.*;
import java.util.concurrent.*;

public class Checks {
    interface Work {
        void run(Connection c) throws Exception;
    }

    record Check(String name, String options, Work work) {}

    static final int DEADLINE_S = 30;
    static final List<Check> CHECKS = new ArrayList<>();
    static String url, user, password, compute;

    /** A check that gets a connection of its own and fails by throwing. */
    static void check(String name, Work work) {
        CHECKS.add(new Check(name, "", work));
    }

    /** The same, with the driver's options as they stand in a URL: "a=b&c=d". */
    static void check(String name, String options, Work work) {
        CHECKS.add(new Check(name, options, work));
    }

    static Connection connect(String options) throws SQLException {
        return DriverManager.getConnection(url + "?" + options, user, password);
    }

    static void equal(Object got, Object want) {
        if (!Objects.equals(got, want)) {
            throw new AssertionError("got " + got + ", want " + want);
        }
    }

    /** Fails unless the work ends with this SQLSTATE. */
    static SQLException refused(String sqlstate, Callable<?> work) throws Exception {
        try {
            work.call();
        } catch (SQLException error) {
            if (!sqlstate.equals(error.getSQLState())) {
                throw error;
            }
            return error;
        }
        throw new AssertionError(sqlstate + " was expected, it worked");
    }

    /** The first column of the first row. */
    static String one(Connection c, String sql) throws SQLException {
        try (Statement s = c.createStatement(); ResultSet r = s.executeQuery(sql)) {
            equal(r.next(), true);
            return r.getString(1);
        }
    }

    /** Of each row the named columns, joined by blanks; closes the result. */
    static List<String> rows(ResultSet result, String... columns) throws SQLException {
        List<String> rows = new ArrayList<>();
        try (ResultSet r = result) {
            while (r.next()) {
                StringJoiner row = new StringJoiner(" ");
                for (String column : columns) {
                    row.add(String.valueOf(r.getString(column)));
                }
                rows.add(row.toString());
            }
        }
        return rows;
    }

    static String outcome(ExecutorService pool, Check check) {
        Future<String> running = pool.submit(() -> {
            try (Connection c = connect(check.options)) {
                check.work.run(c);
                return "";
            } catch (Throwable error) {
                String state = error instanceof SQLException e ? e.getSQLState() + " | " : "";
                return state + error;
            }
        });
        try {
            return running.get(DEADLINE_S, TimeUnit.SECONDS);
        } catch (Exception late) {
            running.cancel(true);
            return "no end after " + DEADLINE_S + " s";
        }
    }

    static String json(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < ' ' || c > '~') {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        return out.append('"').toString();
    }

    public static void main(String[] arguments) {
        java.net.URI uri = java.net.URI.create(arguments[0]);
        url = "jdbc:postgresql://" + uri.getHost() + ":" + uri.getPort() + uri.getPath();
        user = uri.getUserInfo().split(":")[0];
        password = uri.getUserInfo().split(":")[1];
        compute = arguments[1];
        List<String> names = List.of(arguments).subList(2, arguments.length);
        Metadata.declare();
        Results.declare();
        Sessions.declare();
        // Daemons: one that hangs does not keep the program.
        ExecutorService pool = Executors.newCachedThreadPool(work -> {
            Thread thread = new Thread(work);
            thread.setDaemon(true);
            return thread;
        });
        for (Check each : CHECKS) {
            if (names.isEmpty() || names.contains(each.name)) {
                String why = outcome(pool, each).replaceAll("\\s+", " ");
                System.out.println("{\"check\": " + json(each.name) + ", \"ok\": " + why.isEmpty()
                    + ", \"why\": " + json(why) + "}");
            }
        }
        System.exit(0);
    }
}
