// pgjdbc's connections: transactions, savepoints, settings, timeouts, cancels, notices.

import java.sql.*;
import java.util.*;
import java.util.concurrent.*;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.util.PSQLException;

class Sessions extends Checks {
    static void declare() {
        check("jdbc_savepoints", Sessions::savepoints);
        check("jdbc_autosave", "autosave=always", Sessions::autosave);
        check("jdbc_isolation_levels", Sessions::isolationLevels);
        check("jdbc_read_only", Sessions::readOnly);
        check("jdbc_read_only_always", "readOnly=true&readOnlyMode=always", c ->
            equal(one(c, "SHOW default_transaction_read_only"), "on"));
        check("jdbc_query_timeout", Sessions::queryTimeout);
        check("jdbc_cancel", c -> cancelled(c, Statement::cancel));
        check("jdbc_cancel_query", c ->
            cancelled(c, s -> c.unwrap(PGConnection.class).cancelQuery()));
        check("jdbc_network_timeout", Sessions::networkTimeout);
        check("jdbc_errors", Sessions::errors);
        check("jdbc_warnings", Sessions::warnings);
        check("jdbc_schema", Sessions::schema);
        check("jdbc_current_schema", "currentSchema=information_schema", c -> {
            equal(c.getSchema(), "information_schema");
            equal(one(c, "SELECT count(*) FROM tables WHERE table_name = 'nation'"), "1");
        });
        check("jdbc_options", "options=-c%20statement_timeout=500%20-c%20lock_timeout=7s", c -> {
            equal(one(c, "SHOW lock_timeout"), "7s");
            refused("57014", () -> one(c, compute));
        });
        check("jdbc_client_info", "ApplicationName=checks", Sessions::clientInfo);
        check("jdbc_target_primary", "targetServerType=primary", c ->
            equal(one(c, "SELECT 1"), "1"));
        check("jdbc_assume_version", "assumeMinServerVersion=12", c ->
            equal(one(c, "SHOW application_name"), "PostgreSQL JDBC Driver"));
        check("jdbc_parameter_statuses", Sessions::parameterStatuses);
        check("jdbc_quoting", c -> {
            PGConnection p = c.unwrap(PGConnection.class);
            equal(p.escapeIdentifier("a\"b") + p.escapeLiteral("a'b"), "\"a\"\"b\"a''b");
            equal(String.valueOf(p.getBackendPID()), one(c, "SELECT pg_backend_pid()"));
        });
        check("jdbc_valid", c -> {
            equal(c.isValid(5), true);
            c.setAutoCommit(false);
            equal(c.isValid(5), true);
            c.rollback();
        });
        check("jdbc_notifications", Sessions::notifications);
    }

    interface Cancel {
        void of(Statement s) throws SQLException;
    }

    static void savepoints(Connection c) throws Exception {
        c.setAutoCommit(false);
        Savepoint first = c.setSavepoint();
        Savepoint second = c.setSavepoint("second one");
        equal(second.getSavepointName(), "second one");
        refused("22012", () -> one(c, "SELECT 1 / 0"));
        refused("25P02", () -> one(c, "SELECT 1"));
        c.rollback(second);
        equal(one(c, "SELECT 1"), "1");
        c.releaseSavepoint(second);
        c.rollback(first);
        equal(one(c, "SELECT 1"), "1");
        c.commit();
    }

    // The driver sets a savepoint before each statement and returns to it after an error.
    static void autosave(Connection c) throws Exception {
        c.setAutoCommit(false);
        equal(one(c, "SELECT 1"), "1");
        refused("42P01", () -> one(c, "SELECT * FROM does_not_exist"));
        equal(one(c, "SELECT 2"), "2");
        c.commit();
    }

    static void isolationLevels(Connection c) throws Exception {
        int[] levels = {Connection.TRANSACTION_SERIALIZABLE, Connection.TRANSACTION_REPEATABLE_READ,
            Connection.TRANSACTION_READ_UNCOMMITTED, Connection.TRANSACTION_READ_COMMITTED};
        for (int level : levels) {
            c.setTransactionIsolation(level);
            equal(c.getTransactionIsolation(), level);
        }
        c.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
        c.setAutoCommit(false);
        equal(one(c, "SHOW transaction_isolation"), "serializable");
        c.commit();
    }

    static void readOnly(Connection c) throws Exception {
        c.setReadOnly(true);
        c.setAutoCommit(false);
        equal(one(c, "SHOW transaction_read_only"), "on");
        refused("25006", () -> c.createStatement().execute("CREATE TABLE never AS SELECT 1 AS a"));
        c.rollback();
        c.setReadOnly(false);
        equal(one(c, "SHOW transaction_read_only"), "off");
        c.commit();
    }

    static void queryTimeout(Connection c) throws Exception {
        try (PreparedStatement s = c.prepareStatement(compute)) {
            s.setQueryTimeout(1);
            refused("57014", s::executeQuery);
            equal(s.getQueryTimeout(), 1);
        }
        equal(one(c, "SELECT 1"), "1");
    }

    // The first cancels may come before the query runs.
    static void cancelled(Connection c, Cancel cancel) throws Exception {
        ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor();
        try (Statement s = c.createStatement()) {
            timer.scheduleWithFixedDelay(() -> {
                try {
                    cancel.of(s);
                } catch (SQLException error) {
                    System.err.println(error);
                }
            }, 200, 200, TimeUnit.MILLISECONDS);
            refused("57014", () -> s.executeQuery(compute));
        } finally {
            timer.shutdown();
            timer.awaitTermination(10, TimeUnit.SECONDS);
        }
        equal(one(c, "SELECT 1"), "1");
    }

    // The driver leaves; the server has to notice.
    static void networkTimeout(Connection c) throws Exception {
        c.setNetworkTimeout(Runnable::run, 1000);
        refused("08006", () -> one(c, compute));
        equal(c.isClosed(), true);
    }

    static void errors(Connection c) throws Exception {
        SQLException error = refused("42703", () -> one(c, "SELECT nope FROM nation"));
        PSQLException told = (PSQLException) error;
        equal(told.getServerErrorMessage().getPosition(), 8);
        equal(told.getServerErrorMessage().getSeverity(), "ERROR");
        equal(told.getServerErrorMessage().getMessage(), "column \"nope\" does not exist");
        refused("42883", () -> one(c, "SELECT does_not_exist(1)"));
        refused("22008", () -> one(c, "SELECT '2020-13-45'::date"));
        refused("28P01", () -> DriverManager.getConnection(url, user, "wrong"));
    }

    static void warnings(Connection c) throws Exception {
        try (Statement s = c.createStatement()) {
            s.execute("DROP TABLE IF EXISTS does_not_exist");
            SQLWarning warning = s.getWarnings();
            equal(warning.getMessage(), "table \"does_not_exist\" does not exist, skipping");
            equal(warning.getSQLState(), "00000");
        }
    }

    static void schema(Connection c) throws Exception {
        c.setSchema("pg_catalog");
        equal(c.getSchema(), "pg_catalog");
        equal(one(c, "SHOW search_path"), "pg_catalog");
        c.setSchema("public");
        equal(one(c, "SELECT count(*) FROM nation"), "25");
    }

    static void clientInfo(Connection c) throws Exception {
        equal(c.getClientInfo("ApplicationName"), "checks");
        c.setClientInfo("ApplicationName", "it's other");
        equal(one(c, "SHOW application_name"), "it's other");
        equal(one(c, "SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()"),
            "it's other");
    }

    static void parameterStatuses(Connection c) throws Exception {
        Map<String, String> told = c.unwrap(PGConnection.class).getParameterStatuses();
        equal(told.get("client_encoding"), "UTF8");
        equal(told.get("integer_datetimes"), "on");
        equal(told.get("standard_conforming_strings"), "on");
        equal(told.get("server_version"), one(c, "SHOW server_version"));
    }

    static void notifications(Connection c) throws Exception {
        try (Statement s = c.createStatement()) {
            s.execute("LISTEN news");
            s.execute("NOTIFY news, 'extra'");
        }
        PGNotification[] heard = c.unwrap(PGConnection.class).getNotifications(10_000);
        equal(heard.length, 1);
        equal(heard[0].getName() + " " + heard[0].getParameter(), "news extra");
    }
}
