// pgjdbc's CopyManager from outside: arguments are URL, user, password. Prints what COPY gave for a
// query in text and in binary, then what came of a COPY that fails and of one into a table.

import java.io.ByteArrayOutputStream;
import java.io.StringReader;
import java.io.StringWriter;
import java.sql.*;
import java.util.HexFormat;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;

public class Copies {
    public static void main(String[] arguments) throws Exception {
        try (Connection c =
                DriverManager.getConnection(arguments[0], arguments[1], arguments[2])) {
            CopyManager copies = c.unwrap(PGConnection.class).getCopyAPI();
            StringWriter text = new StringWriter();
            String query = "COPY (SELECT 7 AS a, 'x;y' AS b) TO STDOUT ";
            long rows = copies.copyOut(query + "WITH CSV HEADER DELIMITER ';'", text);
            System.out.println(rows + " " + text.toString().replace("\n", "|"));
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            rows = copies.copyOut(query + "(FORMAT binary)", bytes);
            System.out.println(rows + " " + HexFormat.of().formatHex(bytes.toByteArray()));
            try {
                copies.copyOut("COPY (SELECT 1 / (x - 9) FROM generate_series(1, 9) AS t(x)) "
                    + "TO STDOUT", new StringWriter());
            } catch (SQLException error) {
                System.out.println(error.getSQLState());
            }
            try {
                copies.copyIn("COPY does_not_exist FROM STDIN", new StringReader("1\n"));
            } catch (SQLException error) {
                System.out.println(error.getSQLState());
            }
            try (Statement s = c.createStatement(); ResultSet r = s.executeQuery("SELECT 42")) {
                r.next();
                System.out.println(r.getInt(1));
            }
        }
    }
}
