// pgx 4 by itself: it prepares every query, asks for binary results and sends binary parameters
// of the types that the server inferred. Here: values, parameters, and what its checks share.

package main

import (
	"context"
	"errors"
	"math/big"
	"time"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgtype"
	"github.com/jackc/pgx/v4"
)

var pgxValueChecks = []check{
	{"pgx_values", func() { pgxValues(false) }},
	{"pgx_values_simple_protocol", func() { pgxValues(true) }},
	{"pgx_generic_values", pgxGenericValues},
	{"pgx_numeric", pgxNumeric},
	{"pgx_arrays", pgxArrays},
	{"pgx_parameters", func() { pgxParameters(false) }},
	{"pgx_parameters_simple_protocol", func() { pgxParameters(true) }},
	{"pgx_parameters_inferred", pgxParametersInferred},
	{"pgx_any_array", pgxAnyArray},
	{"pgx_json", pgxJSON},
}

var always = context.Background()

// withPgx gives the work a connection; options changes how it is made.
func withPgx(work func(*pgx.Conn), options ...func(*pgx.ConnConfig)) {
	config, err := pgx.ParseConfig(uri)
	must(err)
	for _, option := range options {
		option(config)
	}
	connection, err := pgx.ConnectConfig(always, config)
	must(err)
	defer connection.Close(always)
	work(connection)
}

func simpleProtocol(simple bool) func(*pgx.ConnConfig) {
	return func(config *pgx.ConnConfig) { config.PreferSimpleProtocol = simple }
}

func pgxState(err error) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return "no SQLSTATE"
}

// row reads the only row of a query.
func row(connection *pgx.Conn, query string, parameters []interface{}, into ...interface{}) {
	must(connection.QueryRow(always, query, parameters...).Scan(into...), query)
}

func pgxValues(simple bool) {
	withPgx(func(connection *pgx.Conn) {
		var yes bool
		var small int16
		var long int64
		var float float64
		var text, id string
		var data []byte
		var day, stamp, moment time.Time
		var clock pgtype.Time
		var nothing *string
		row(connection, "SELECT true, 7::int2, 5000000000::int8, 0.1::float8, 'h\u00e9llo'::text, "+
			"'\\x00ff'::bytea, '2024-02-29'::date, '2024-02-29 13:14:15.123456'::timestamp, "+
			"'2024-02-29 13:14:15.123456+00'::timestamptz, '13:14:15.5'::time, "+
			"'6ba7b810-9dad-11d1-80b4-00c04fd430c8'::uuid::text, NULL::text", nil,
			&yes, &small, &long, &float, &text, &data, &day, &stamp, &moment, &clock, &id, &nothing)
		want := time.Date(2024, 2, 29, 13, 14, 15, 123456000, time.UTC)
		equal([]interface{}{yes, small, long, float, text, data, stamp, moment.UTC(), nothing},
			[]interface{}{true, int16(7), int64(5000000000), 0.1, "h\u00e9llo", []byte{0, 255},
				want, want, (*string)(nil)})
		equal(day.Format("2006-01-02"), "2024-02-29")
		equal(clock.Microseconds, int64(47655500000))
		var interval pgtype.Interval
		row(connection, "SELECT '14 mons 3 days 01:00:00'::interval", nil, &interval)
		equal(interval, pgtype.Interval{Months: 14, Days: 3, Microseconds: 3600000000,
			Status: pgtype.Present})
	}, simpleProtocol(simple))
}

// The driver picks the Go types by the types that the server tells.
func pgxGenericValues() {
	withPgx(func(connection *pgx.Conn) {
		rows, err := connection.Query(always,
			"SELECT n_nationkey, n_name, n_nationkey::int8, 1.5::float8, true FROM nation "+
				"WHERE n_nationkey = 3")
		must(err)
		defer rows.Close()
		equal(rows.Next(), true)
		values, err := rows.Values()
		must(err)
		equal(values, []interface{}{int32(3), "CANADA", int64(3), 1.5, true})
	})
}

func pgxNumeric() {
	withPgx(func(connection *pgx.Conn) {
		for _, text := range []string{"0", "-1.250", "12345678901234567890.1234567891",
			"0.00000012", "10000", "-99999999999999999999999999999999999999"} {
			var sent, back, told pgtype.Numeric
			must(sent.Set(text))
			row(connection, "SELECT $1::numeric, '"+text+"'::numeric", []interface{}{&sent},
				&back, &told)
			equal(fraction(back), fraction(sent), "sent and read", text)
			equal(fraction(told), fraction(sent), "read", text)
		}
	})
}

// fraction makes numbers that differ in trailing zeros equal.
func fraction(number pgtype.Numeric) string {
	value, ten := new(big.Rat).SetInt(number.Int), big.NewRat(10, 1)
	for exponent := number.Exp; exponent > 0; exponent-- {
		value.Mul(value, ten)
	}
	for exponent := number.Exp; exponent < 0; exponent++ {
		value.Quo(value, ten)
	}
	return value.String()
}

func pgxArrays() {
	withPgx(func(connection *pgx.Conn) {
		var numbers []int32
		var texts []string
		var floats []float64
		var holes []*int64
		row(connection, `SELECT '{1,2}'::int4[], '{a,"b,c",""}'::text[], '{0.5}'::float8[], `+
			`'{7,NULL}'::int8[]`, nil, &numbers, &texts, &floats, &holes)
		equal(numbers, []int32{1, 2})
		equal(texts, []string{"a", "b,c", ""})
		equal(floats, []float64{0.5})
		equal(*holes[0], int64(7))
		equal(holes[1] == nil, true)
		var back []string
		row(connection, "SELECT $1::text[]", []interface{}{[]string{"x,y", `q"r`}}, &back)
		equal(back, []string{"x,y", `q"r`})
	})
}

func pgxParameters(simple bool) {
	withPgx(func(connection *pgx.Conn) {
		var yes bool
		var number int32
		var float float64
		var text string
		var data []byte
		var day, moment time.Time
		var nothing *int32
		sent := time.Date(2024, 2, 29, 13, 14, 15, 123456000, time.UTC)
		row(connection, "SELECT $1::bool, $2::int4, $3::float8, $4::text, $5::bytea, $6::date, "+
			"$7::timestamptz, $8::int4",
			[]interface{}{true, int32(-7), 0.1, "a'b\\\u00e9", []byte{0, 255}, sent, sent, nil},
			&yes, &number, &float, &text, &data, &day, &moment, &nothing)
		equal([]interface{}{yes, number, float, text, data, moment.UTC(), nothing},
			[]interface{}{true, int32(-7), 0.1, "a'b\\\u00e9", []byte{0, 255}, sent, (*int32)(nil)})
		equal(day.Format("2006-01-02"), "2024-02-29")
	}, simpleProtocol(simple))
}

func pgxParametersInferred() {
	withPgx(func(connection *pgx.Conn) {
		var count, simple int
		row(connection, "SELECT count(*) FROM orders WHERE o_orderdate > $1 AND o_totalprice > $2 "+
			"AND o_orderstatus = $3 AND o_orderkey BETWEEN $4 AND $5 LIMIT $6",
			[]interface{}{time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC), 0.5, "O", 1, 100, 1}, &count)
		row(connection, "SELECT count(*) FROM orders WHERE o_orderstatus = 'O' "+
			"AND o_orderkey BETWEEN 1 AND 100", nil, &simple)
		equal(count, simple)
	})
}

func pgxAnyArray() {
	withPgx(func(connection *pgx.Conn) {
		var count int
		row(connection, "SELECT count(*) FROM nation WHERE n_nationkey = ANY($1)",
			[]interface{}{[]int32{1, 3, 99}}, &count)
		equal(count, 2)
		row(connection, "SELECT count(*) FROM nation WHERE n_name <> ALL($1)",
			[]interface{}{[]string{"CANADA", "O'NEIL"}}, &count)
		equal(count, 24)
		row(connection, "SELECT count(*) FROM unnest($1::text[]) AS given(name) "+
			"JOIN nation ON n_name = name", []interface{}{[]string{"CANADA", "PERU"}}, &count)
		equal(count, 2)
	})
}

func pgxJSON() {
	withPgx(func(connection *pgx.Conn) {
		type pair struct {
			A int      `json:"a"`
			B []string `json:"b"`
		}
		var back pair
		row(connection, "SELECT $1::json", []interface{}{pair{7, []string{"x"}}}, &back)
		equal(back, pair{7, []string{"x"}})
	})
}
