// pgx 4: statements, batches, errors, transactions, cancels, the pool, COPY, notifications.

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgconn/stmtcache"
	"github.com/jackc/pgtype"
	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/pgxpool"
)

var pgxSessionChecks = []check{
	{"pgx_statement_description", pgxStatementDescription},
	{"pgx_prepared", pgxPrepared},
	{"pgx_describe_cache", pgxDescribeCache},
	{"pgx_field_descriptions", pgxFieldDescriptions},
	{"pgx_batch", pgxBatch},
	{"pgx_batch_error", pgxBatchError},
	{"pgx_many_rows", pgxManyRows},
	{"pgx_errors", pgxErrors},
	{"pgx_transaction", pgxTransaction},
	{"pgx_savepoint", pgxSavepoint},
	{"pgx_context_cancel", pgxContextCancel},
	{"pgx_cancel_request", pgxCancelRequest},
	{"pgx_session_attributes", pgxSessionAttributes},
	{"pgx_simple_statements", pgxSimpleStatements},
	{"pgx_pool", pgxPool},
	{"pgx_command_tags", pgxCommandTags},
	{"pgx_copy_to", pgxCopyTo},
	{"pgx_copy_from", pgxCopyFrom},
	{"pgx_notification", pgxNotification},
}

func pgxStatementDescription() {
	withPgx(func(connection *pgx.Conn) {
		found, err := connection.Prepare(always, "a statement",
			"SELECT o_totalprice, o_comment FROM orders "+
				"WHERE o_orderkey = $1 AND o_orderdate < $2 AND o_clerk LIKE $3 LIMIT $4")
		must(err)
		equal(found.ParamOIDs, []uint32{pgtype.Int8OID, pgtype.DateOID, pgtype.TextOID,
			pgtype.Int8OID})
		equal(found.Fields[0].DataTypeOID, uint32(pgtype.NumericOID))
		equal(found.Fields[1].DataTypeOID, uint32(pgtype.TextOID))
	})
}

func pgxPrepared() {
	withPgx(func(connection *pgx.Conn) {
		_, err := connection.Prepare(always, "by_key",
			"SELECT n_name FROM nation WHERE n_nationkey = $1")
		must(err)
		for key := 0; key < 20; key++ {
			var name string
			row(connection, "by_key", []interface{}{key}, &name)
		}
		must(connection.Deallocate(always, "by_key"))
		_, err = connection.Exec(always, "EXECUTE by_key(1)")
		equal(pgxState(err), "26000")
	})
}

func pgxDescribeCache() {
	withPgx(func(connection *pgx.Conn) {
		for key := 0; key < 10; key++ {
			var got int
			row(connection, "SELECT n_nationkey FROM nation WHERE n_nationkey = $1",
				[]interface{}{key}, &got)
			equal(got, key)
		}
	}, func(config *pgx.ConnConfig) {
		config.BuildStatementCache = func(connection *pgconn.PgConn) stmtcache.Cache {
			return stmtcache.New(connection, stmtcache.ModeDescribe, 64)
		}
	})
}

func pgxFieldDescriptions() {
	withPgx(func(connection *pgx.Conn) {
		var oid uint32
		row(connection, "SELECT 'orders'::regclass::oid", nil, &oid)
		rows, err := connection.Query(always, "SELECT o_custkey, o_totalprice, 1 + 1 FROM orders")
		must(err)
		defer rows.Close()
		fields := rows.FieldDescriptions()
		equal([]interface{}{fields[0].TableOID, fields[0].TableAttributeNumber},
			[]interface{}{oid, uint16(2)})
		equal(fields[1].TypeModifier, int32((15<<16|2)+4))
		equal([]interface{}{fields[2].TableOID, fields[2].TableAttributeNumber, fields[2].Format},
			[]interface{}{uint32(0), uint16(0), int16(1)})
	})
}

func pgxBatch() {
	withPgx(func(connection *pgx.Conn) {
		batch := &pgx.Batch{}
		for number := 0; number < 100; number++ {
			batch.Queue("SELECT $1::int4 * 2", number)
		}
		batch.Queue("SELECT n_name FROM nation WHERE n_nationkey = 3")
		results := connection.SendBatch(always, batch)
		for number := 0; number < 100; number++ {
			var got int
			must(results.QueryRow().Scan(&got))
			equal(got, number*2)
		}
		var name string
		must(results.QueryRow().Scan(&name))
		equal(name, "CANADA")
		must(results.Close())
	})
}

// One Sync for the whole batch: what follows the failure is not run.
func pgxBatchError() {
	withPgx(func(connection *pgx.Conn) {
		batch := &pgx.Batch{}
		for _, number := range []int{1, 0, 2} {
			batch.Queue("SELECT 10 / $1::int4", number)
		}
		results := connection.SendBatch(always, batch)
		var got int
		must(results.QueryRow().Scan(&got))
		equal(pgxState(results.QueryRow().Scan(&got)), "22012")
		equal(results.Close() != nil, true)
		row(connection, "SELECT 1", nil, &got)
	})
}

func pgxManyRows() {
	withPgx(func(connection *pgx.Conn) {
		rows, err := connection.Query(always,
			"SELECT l_orderkey, l_extendedprice, l_shipdate, l_comment FROM lineitem LIMIT 100000")
		must(err)
		count := 0
		for rows.Next() {
			var key int64
			var price pgtype.Numeric
			var day time.Time
			var comment string
			must(rows.Scan(&key, &price, &day, &comment))
			count++
		}
		must(rows.Err())
		equal(count, 100000)
	})
}

func pgxErrors() {
	withPgx(func(connection *pgx.Conn) {
		for _, each := range []struct {
			query, state string
			position     int32
		}{
			{"SELECT * FROM does_not_exist", "42P01", 15}, {"SELECT nope FROM nation", "42703", 8},
			{"SELEC 1", "42601", 1}, {"SELECT 'x'::int4", "22P02", 8}, {"SELECT 1 / 0", "22012", 0},
		} {
			for _, parameters := range [][]interface{}{nil, {pgx.QuerySimpleProtocol(true)}} {
				_, err := connection.Exec(always, each.query, parameters...)
				equal(pgxState(err), each.state, each.query)
				equal(err.(*pgconn.PgError).Position, each.position, each.query)
				equal(err.(*pgconn.PgError).Severity, "ERROR", each.query)
			}
		}
	})
}

func pgxTransaction() {
	withPgx(func(connection *pgx.Conn) {
		tx, err := connection.BeginTx(always, pgx.TxOptions{IsoLevel: pgx.Serializable,
			AccessMode: pgx.ReadOnly, DeferrableMode: pgx.Deferrable})
		must(err)
		var isolation string
		must(tx.QueryRow(always, "SHOW transaction_isolation").Scan(&isolation))
		equal(isolation, "serializable")
		_, err = tx.Exec(always, "SELECT 1 / $1::int4", 0)
		equal(pgxState(err), "22012")
		equal(connection.PgConn().TxStatus(), byte('E'))
		_, err = tx.Exec(always, "SELECT 1")
		equal(pgxState(err), "25P02")
		equal(tx.Commit(always), pgx.ErrTxCommitRollback)
	})
}

// A transaction begun in another one is a savepoint.
func pgxSavepoint() {
	withPgx(func(connection *pgx.Conn) {
		outer, err := connection.Begin(always)
		must(err)
		inner, err := outer.Begin(always)
		must(err)
		_, err = inner.Exec(always, "SELECT * FROM does_not_exist")
		equal(pgxState(err), "42P01")
		must(inner.Rollback(always))
		inner, err = outer.Begin(always)
		must(err)
		_, err = inner.Exec(always, "SELECT 1")
		must(err)
		must(inner.Commit(always))
		must(outer.Commit(always))
	})
}

// It gives the connection up, after asking the server to cancel.
func pgxContextCancel() {
	withPgx(func(connection *pgx.Conn) {
		soon, stop := context.WithTimeout(always, 500*time.Millisecond)
		defer stop()
		_, err := connection.Exec(soon, compute)
		equal(errors.Is(err, context.DeadlineExceeded) || pgconn.Timeout(err), true, err)
		equal(connection.IsClosed(), true)
	})
	withPgx(func(connection *pgx.Conn) { must(connection.Ping(always)) })
}

func pgxCancelRequest() {
	withPgx(func(connection *pgx.Conn) {
		ended := make(chan error, 1)
		go func() {
			_, err := connection.Exec(always, compute)
			ended <- err
		}()
		for {
			// The first requests may come before the query runs.
			must(connection.PgConn().CancelRequest(always))
			select {
			case err := <-ended:
				equal(pgxState(err), "57014")
				must(connection.Ping(always))
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
}

// What a client asks of each server in turn to find one that takes writes.
func pgxSessionAttributes() {
	for _, wanted := range []string{"read-write", "primary"} {
		config, err := pgx.ParseConfig(uri + "?target_session_attrs=" + wanted)
		must(err)
		connection, err := pgx.ConnectConfig(always, config)
		must(err, wanted)
		must(connection.Close(always))
	}
}

func pgxSimpleStatements() {
	withPgx(func(connection *pgx.Conn) {
		results, err := connection.PgConn().Exec(always,
			"BEGIN; SELECT 1; SET LOCAL application_name = 'x'; SELECT 2, 3; COMMIT").ReadAll()
		must(err)
		equal(len(results), 5)
		equal(string(results[3].CommandTag), "SELECT 1")
		equal(results[3].Rows, [][][]byte{{[]byte("2"), []byte("3")}})
	})
}

func pgxPool() {
	config, err := pgxpool.ParseConfig(uri + "?pool_max_conns=8")
	must(err)
	pool, err := pgxpool.ConnectConfig(always, config)
	must(err)
	defer pool.Close()
	var group sync.WaitGroup
	failed := make(chan error, 200)
	for number := 0; number < 200; number++ {
		group.Add(1)
		go func(number int) {
			defer group.Done()
			var got int
			err := pool.QueryRow(always, "SELECT $1::int4 * 2", number).Scan(&got)
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

func pgxCommandTags() {
	withPgx(func(connection *pgx.Conn) {
		name := pgx.Identifier{fmt.Sprintf("made by %d", connection.PgConn().PID())}.Sanitize()
		for _, each := range [][2]string{
			{"SELECT n_name FROM nation LIMIT 7", "SELECT 7"}, {"SHOW TimeZone", "SHOW"},
			{"SET TimeZone = 'UTC'", "SET"}, {"VALUES (1), (2)", "SELECT 2"},
			{"CREATE TABLE " + name + " AS SELECT * FROM region", "SELECT 5"},
			{"DROP TABLE " + name, "DROP TABLE"},
			{"CREATE VIEW " + name + " AS SELECT * FROM region", "CREATE VIEW"},
			{"DROP VIEW " + name, "DROP VIEW"}, {"BEGIN", "BEGIN"}, {"ROLLBACK", "ROLLBACK"},
		} {
			tag, err := connection.Exec(always, each[0])
			must(err, each[0])
			equal(tag.String(), each[1], each[0])
		}
	})
}

func pgxCopyTo() {
	withPgx(func(connection *pgx.Conn) {
		var out bytes.Buffer
		tag, err := connection.PgConn().CopyTo(always, &out,
			"COPY (SELECT n_nationkey, n_name FROM nation WHERE n_nationkey < 2 ORDER BY 1) "+
				"TO STDOUT")
		must(err)
		equal(tag.RowsAffected(), int64(2))
		equal(out.String(), "0\tALGERIA\n1\tARGENTINA\n")
	})
}

// CopyFrom asks the columns' types by a prepared SELECT and sends the binary format.
func pgxCopyFrom() {
	withPgx(func(connection *pgx.Conn) {
		_, err := connection.Exec(always, "CREATE TEMP TABLE pairs (a int4, b text)")
		must(err)
		rows := [][]interface{}{{int32(1), "x"}, {int32(2), nil}}
		count, err := connection.CopyFrom(always, pgx.Identifier{"pairs"}, []string{"a", "b"},
			pgx.CopyFromRows(rows))
		must(err)
		equal(count, int64(2))
	})
}

func pgxNotification() {
	withPgx(func(connection *pgx.Conn) {
		_, err := connection.Exec(always, "LISTEN news")
		must(err)
		_, err = connection.Exec(always, "SELECT pg_notify('news', 'extra')")
		must(err)
		heard, err := connection.WaitForNotification(always)
		must(err)
		equal([]string{heard.Channel, heard.Payload}, []string{"news", "extra"})
	})
}
