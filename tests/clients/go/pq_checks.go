// lib/pq under database/sql. It sends text parameters and lets the server infer their types,
// unless the URI says binary_parameters=yes.

package main

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/lib/pq"
)

var pqChecks = []check{
	{"pq_values", pqValues},
	{"pq_arrays", pqArrays},
	{"pq_parameters", func() { pqParameters("") }},
	{"pq_binary_parameters", func() { pqParameters("&binary_parameters=yes") }},
	{"pq_any_array", pqAnyArray},
	{"pq_prepared", pqPrepared},
	{"pq_column_types", pqColumnTypes},
	{"pq_several_results", pqSeveralResults},
	{"pq_many_rows", pqManyRows},
	{"pq_rows_closed_early", pqRowsClosedEarly},
	{"pq_errors", pqErrors},
	{"pq_transaction", pqTransaction},
	{"pq_savepoint", pqSavepoint},
	{"pq_context_cancel", pqContextCancel},
	{"pq_startup_settings", pqStartupSettings},
	{"pq_pool", pqPool},
	{"pq_notice", pqNotice},
	{"pq_copy_in", pqCopyIn},
	{"pq_listen", pqListen},
}

func openPq(options string) *sql.DB {
	db, err := sql.Open("postgres", uri+"?sslmode=disable"+options)
	must(err)
	return db
}

// scanned is the first row of a query, read into values.
func scanned(row *sql.Row, values ...interface{}) {
	must(row.Scan(values...))
}

func pqState(err error) string {
	var refused *pq.Error
	if errors.As(err, &refused) {
		return string(refused.Code)
	}
	return "no SQLSTATE"
}

func pqValues() {
	db := openPq("")
	defer db.Close()
	var yes bool
	var small, long int64
	var float float64
	var numeric, text, clock string
	var day, moment time.Time
	var bytes []byte
	var nothing sql.NullString
	scanned(db.QueryRow("SELECT true, 7::int2, 5000000000::int8, 0.1::float8, "+
		"1.250::numeric(10,3), 'h\u00e9llo'::text, '2024-02-29'::date, '13:14:15.5'::time::text, "+
		"'2024-02-29 13:14:15.123456+00'::timestamptz, '\\x00ff'::bytea, NULL::text"),
		&yes, &small, &long, &float, &numeric, &text, &day, &clock, &moment, &bytes, &nothing)
	equal([]interface{}{yes, small, long, float, numeric, text, clock},
		[]interface{}{true, int64(7), int64(5000000000), 0.1, "1.250", "h\u00e9llo", "13:14:15.5"})
	equal(day.Format("2006-01-02"), "2024-02-29")
	equal(moment.UTC(), time.Date(2024, 2, 29, 13, 14, 15, 123456000, time.UTC))
	equal(bytes, []byte{0, 255})
	equal(nothing.Valid, false)
}

func pqArrays() {
	db := openPq("")
	defer db.Close()
	var numbers []int64
	var texts []string
	var flags []bool
	scanned(db.QueryRow(`SELECT '{1,2}'::int4[], '{a,"b,c",""}'::text[], '{t,f}'::bool[]`),
		pq.Array(&numbers), pq.Array(&texts), pq.Array(&flags))
	equal(numbers, []int64{1, 2})
	equal(texts, []string{"a", "b,c", ""})
	equal(flags, []bool{true, false})
}

func pqParameters(options string) {
	db := openPq(options)
	defer db.Close()
	var yes bool
	var number int64
	var float float64
	var text, numeric string
	var bytes []byte
	var moment time.Time
	var nothing sql.NullInt64
	sent := time.Date(2024, 2, 29, 13, 14, 15, 123456000, time.UTC)
	scanned(db.QueryRow("SELECT $1::bool, $2::int8, $3::float8, $4::text, $5::numeric, $6::bytea, "+
		"$7::timestamptz, $8::int4",
		true, -7, 0.1, "a'b\\\u00e9", "12.50", []byte{0, 255}, sent, nil),
		&yes, &number, &float, &text, &numeric, &bytes, &moment, &nothing)
	equal([]interface{}{yes, number, float, text, numeric, bytes, moment.UTC(), nothing.Valid},
		[]interface{}{true, int64(-7), 0.1, "a'b\\\u00e9", "12.50", []byte{0, 255}, sent, false})
	var count int
	scanned(db.QueryRow("SELECT count(*) FROM orders WHERE o_orderdate > $1 AND o_totalprice > $2 "+
		"AND o_orderkey < $3", "1990-01-01", "0.5", 100), &count)
	equal(count > 0, true, "inferred types")
}

func pqAnyArray() {
	db := openPq("")
	defer db.Close()
	var count int
	scanned(db.QueryRow("SELECT count(*) FROM nation WHERE n_nationkey = ANY($1)",
		pq.Array([]int64{1, 3, 99})), &count)
	equal(count, 2)
	scanned(db.QueryRow("SELECT count(*) FROM nation WHERE n_name = ANY($1::text[])",
		pq.Array([]string{"CANADA", "O'NEIL", `a,"b`})), &count)
	equal(count, 1)
}

func pqPrepared() {
	db := openPq("")
	defer db.Close()
	db.SetMaxOpenConns(1)
	statement, err := db.Prepare("SELECT n_nationkey, n_name FROM nation WHERE n_nationkey = $1")
	must(err)
	for key := 0; key < 20; key++ {
		var got int
		var name string
		scanned(statement.QueryRow(key), &got, &name)
		equal(got, key)
	}
	var count int
	scanned(db.QueryRow("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''"), &count)
	equal(count, 1, "prepared")
	must(statement.Close())
	scanned(db.QueryRow("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''"), &count)
	equal(count, 0, "closed")
}

func pqColumnTypes() {
	db := openPq("")
	defer db.Close()
	rows, err := db.Query("SELECT o_orderkey, o_totalprice, o_comment, 'x'::varchar(7) FROM orders")
	must(err)
	defer rows.Close()
	types, err := rows.ColumnTypes()
	must(err)
	var names []string
	for _, kind := range types {
		names = append(names, kind.Name()+" "+kind.DatabaseTypeName())
	}
	equal(names, []string{"o_orderkey INT8", "o_totalprice NUMERIC", "o_comment TEXT",
		"varchar VARCHAR"})
	precision, scale, known := types[1].DecimalSize()
	equal([]interface{}{precision, scale, known}, []interface{}{int64(15), int64(2), true})
	length, known := types[3].Length()
	equal([]interface{}{length, known}, []interface{}{int64(7), true})
}

func pqSeveralResults() {
	db := openPq("")
	defer db.Close()
	rows, err := db.Query("SELECT 1; SELECT n_name FROM nation WHERE n_nationkey = 3")
	must(err)
	defer rows.Close()
	for rows.Next() { // It knows of the second result once the first is read.
	}
	equal(rows.NextResultSet(), true)
	equal(rows.Next(), true)
	var name string
	must(rows.Scan(&name))
	equal(name, "CANADA")
}

func pqManyRows() {
	db := openPq("")
	defer db.Close()
	rows, err := db.Query("SELECT l_orderkey, l_comment FROM lineitem LIMIT $1", 100000)
	must(err)
	defer rows.Close()
	count := 0
	for rows.Next() {
		var key int64
		var comment string
		must(rows.Scan(&key, &comment))
		count++
	}
	must(rows.Err())
	equal(count, 100000)
}

func pqRowsClosedEarly() {
	db := openPq("")
	defer db.Close()
	db.SetMaxOpenConns(1)
	for turn := 0; turn < 5; turn++ {
		rows, err := db.Query("SELECT o_orderkey FROM orders")
		must(err)
		equal(rows.Next(), true)
		must(rows.Close())
	}
}

func pqErrors() {
	db := openPq("")
	defer db.Close()
	for _, each := range [][3]string{
		{"SELECT * FROM does_not_exist", "42P01", "15"}, {"SELECT nope FROM nation", "42703", "8"},
		{"SELEC 1", "42601", "1"}, {"SELECT 'x'::int4", "22P02", "8"},
		{"SELECT 1 / 0", "22012", ""},
	} {
		_, err := db.Exec(each[0])
		equal(pqState(err), each[1], each[0])
		equal(err.(*pq.Error).Position, each[2], each[0])
		equal(err.(*pq.Error).Severity, "ERROR", each[0])
		statement, err := db.Prepare(each[0])
		if err == nil { // Then it fails when it is run.
			_, err = statement.Exec()
			must(statement.Close())
		}
		equal(pqState(err), each[1], "prepared", each[0])
	}
}

func pqTransaction() {
	db := openPq("")
	defer db.Close()
	options := &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	tx, err := db.BeginTx(context.Background(), options)
	must(err)
	var isolation, readOnly string
	scanned(tx.QueryRow("SHOW transaction_isolation"), &isolation)
	scanned(tx.QueryRow("SHOW transaction_read_only"), &readOnly)
	equal([]string{isolation, readOnly}, []string{"repeatable read", "on"})
	must(tx.Commit())
	tx, err = db.Begin()
	must(err)
	_, err = tx.Exec("SELECT 1 / $1::int4", 0)
	equal(pqState(err), "22012")
	_, err = tx.Exec("SELECT 1")
	equal(pqState(err), "25P02")
	// The server answers COMMIT of a failed transaction with ROLLBACK.
	equal(tx.Commit() != nil, true, "commit of a failed transaction")
}

func pqSavepoint() {
	db := openPq("")
	defer db.Close()
	tx, err := db.Begin()
	must(err)
	for _, text := range []string{"SAVEPOINT a", "SELECT 1 / 0", "ROLLBACK TO SAVEPOINT a",
		"SELECT 1", "RELEASE SAVEPOINT a"} {
		_, err = tx.Exec(text)
		equal(err == nil || text == "SELECT 1 / 0", true, text, err)
	}
	must(tx.Commit())
}

func pqContextCancel() {
	db := openPq("")
	defer db.Close()
	db.SetMaxOpenConns(1)
	for turn := 0; turn < 3; turn++ {
		soon, stop := context.WithTimeout(context.Background(), 500*time.Millisecond)
		_, err := db.ExecContext(soon, compute)
		stop()
		equal(err == context.DeadlineExceeded || pqState(err) == "57014", true, err)
		var one int
		scanned(db.QueryRow("SELECT 1"), &one)
	}
}

// What lib/pq does not know itself, it sends as a setting.
func pqStartupSettings() {
	db := openPq("&application_name=checks&statement_timeout=500&search_path=information_schema")
	defer db.Close()
	for name, want := range map[string]string{"application_name": "checks",
		"statement_timeout": "500ms", "search_path": "information_schema"} {
		var got string
		scanned(db.QueryRow("SHOW "+name), &got)
		equal(got, want, name)
	}
	_, err := db.Exec(compute)
	equal(pqState(err), "57014")
	var count int
	scanned(db.QueryRow("SELECT count(*) FROM tables WHERE table_name = 'nation'"), &count)
	equal(count, 1)
}

func pqPool() {
	db := openPq("")
	defer db.Close()
	db.SetMaxOpenConns(8)
	var group sync.WaitGroup
	failed := make(chan error, 200)
	for number := 0; number < 200; number++ {
		group.Add(1)
		go func(number int) {
			defer group.Done()
			var got int
			err := db.QueryRow("SELECT $1::int4 * 2", number).Scan(&got)
			if err == nil && got != number*2 {
				err = errors.New("another query's answer")
			}
			failed <- err
		}(number)
	}
	group.Wait()
	for number := 0; number < 200; number++ {
		must(<-failed)
	}
}

func pqNotice() {
	connector, err := pq.NewConnector(uri + "?sslmode=disable")
	must(err)
	var heard []string
	db := sql.OpenDB(pq.ConnectorWithNoticeHandler(connector, func(notice *pq.Error) {
		heard = append(heard, notice.Severity+" "+notice.Message)
	}))
	defer db.Close()
	_, err = db.Exec("DROP TABLE IF EXISTS does_not_exist")
	must(err)
	equal(heard, []string{`NOTICE table "does_not_exist" does not exist, skipping`})
}

func pqCopyIn() {
	db := openPq("")
	defer db.Close()
	tx, err := db.Begin()
	must(err)
	defer tx.Rollback()
	_, err = tx.Exec("CREATE TEMP TABLE pairs (a int4, b text)")
	must(err)
	statement, err := tx.Prepare(pq.CopyIn("pairs", "a", "b"))
	must(err)
	for number := 0; number < 1000; number++ {
		_, err = statement.Exec(number, strings.Repeat("x", number%10))
		must(err)
	}
	_, err = statement.Exec()
	must(err)
	must(statement.Close())
	var count int
	scanned(tx.QueryRow("SELECT count(*) FROM pairs"), &count)
	equal(count, 1000)
}

func pqListen() {
	listener := pq.NewListener(uri+"?sslmode=disable", time.Second, time.Minute, nil)
	defer listener.Close()
	must(listener.Listen("news"))
	db := openPq("")
	defer db.Close()
	_, err := db.Exec("SELECT pg_notify('news', $1)", "extra")
	must(err)
	heard := <-listener.Notify
	equal([]string{heard.Channel, heard.Extra}, []string{"news", "extra"})
}
