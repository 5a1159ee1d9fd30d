// node-postgres: values, parameters, what a result says of itself, errors.

const { assert, check, pg, refused, withClient } = require('./checks')

// [SQL, what a text result becomes]; int8 and numeric stay strings, as they do not fit a number.
const VALUES = [
  ['true', true], ['false', false], ['7::int2', 7], ['70000::int4', 70000],
  ['5000000000::int8', '5000000000'], ['1.5::float4', 1.5], ['0.1::float8', 0.1],
  ["'-Infinity'::float8", -Infinity], ['1.250::numeric(10,3)', '1.250'],
  ['12345678901234567890.1234567891::numeric(38,10)', '12345678901234567890.1234567891'],
  ["'h\u00e9llo \u{1f600}'::text", 'h\u00e9llo \u{1f600}'], ["'abc'::varchar(10)", 'abc'],
  ["'\\x00ff10'::bytea", Buffer.from([0, 255, 16])],
  ["'2024-02-29'::date", new Date(2024, 1, 29)],
  ["'2024-02-29 13:14:15.123'::timestamp", new Date(2024, 1, 29, 13, 14, 15, 123)],
  ["'2024-02-29 13:14:15.123+00'::timestamptz", new Date('2024-02-29T13:14:15.123Z')],
  ["'13:14:15.123456'::time", '13:14:15.123456'],
  ["'6ba7b810-9dad-11d1-80b4-00c04fd430c8'::uuid", '6ba7b810-9dad-11d1-80b4-00c04fd430c8'],
  ["'{\"a\": [1, null]}'::json", { a: [1, null] }], ["'{1,2,NULL}'::int4[]", [1, 2, null]],
  ["ARRAY['a','b\"c,d','']::text[]", ['a', 'b"c,d', '']], ["'{t,f}'::bool[]", [true, false]],
  ["'{0.5,1.5}'::float8[]", [0.5, 1.5]], ["'{}'::int4[]", []], ['NULL::int4', null],
]
const ERRORS = [
  ['SELECT * FROM does_not_exist', '42P01', '15'], ['SELECT nope FROM nation', '42703', '8'],
  ['SELECT does_not_exist(1)', '42883', '8'], ['SELEC 1', '42601', '1'],
  ["SELECT 'x'::int4", '22P02', '8'], ['SELECT 1 / 0', '22012', undefined],
  ['SHOW does_not_exist', '42704', undefined], ["SELECT '2020-13-45'::date", '22008', '8'],
]

check('pg_version', (uri) => withClient(uri, async (client) => {
  const { rows } = await client.query('SELECT version(), current_schema() AS schema')
  assert.match(rows[0].version, /^PostgreSQL \d+/)
  assert.equal(rows[0].schema, 'public')
}))

async function equalValues(client, values, queryMode) {
  for (const [sql, value] of values) {
    const { rows } = await client.query({ text: `SELECT ${sql} AS it`, queryMode })
    assert.deepEqual(rows, [{ it: value }], sql)
  }
}

check('pg_values_simple', (uri) => withClient(uri, (client) => equalValues(client, VALUES)))

check('pg_values_extended', (uri) => withClient(uri,
  (client) => equalValues(client, VALUES, 'extended')))

check('pg_interval', (uri) => withClient(uri, async (client) => {
  const { rows } = await client.query("SELECT '1 year 2 mons 3 days 04:05:06.7'::interval AS it")
  assert.deepEqual({ ...rows[0].it },
    { years: 1, months: 2, days: 3, hours: 4, minutes: 5, seconds: 6, milliseconds: 700 })
}))

check('pg_parameters', (uri) => withClient(uri, async (client) => {
  const moment = new Date('2024-02-29T13:14:15.123Z')
  const bytes = Buffer.from([0, 1, 255])
  const values = [true, -7, '5000000000', 0.1, "a'b\\c\u00e9", bytes, moment, null, '12.50']
  const { rows } = await client.query({
    text: 'SELECT $1::bool, $2::int4, $3::int8, $4::float8, $5::text, $6::bytea, '
      + '$7::timestamptz, $8::text, $9::numeric(10,2)',
    values, rowMode: 'array',
  })
  assert.deepEqual(rows, [values])
}))

check('pg_parameters_inferred', (uri) => withClient(uri, async (client) => {
  const { rows } = await client.query(
    'SELECT count(*) FROM orders WHERE o_orderdate > $1 AND o_totalprice > $2 '
    + 'AND o_orderstatus = $3 AND o_orderkey < $4', ['1990-01-01', '0.5', 'O', 100])
  const simple = await client.query(
    "SELECT count(*) FROM orders WHERE o_orderstatus = 'O' AND o_orderkey < 100")
  assert.deepEqual(rows, simple.rows)
}))

check('pg_parameters_json', (uri) => withClient(uri, async (client) => {
  const { rows } = await client.query('SELECT $1::json AS it', [{ a: [1, 'x'], b: null }])
  assert.deepEqual(rows, [{ it: { a: [1, 'x'], b: null } }])
}))

check('pg_any_array', (uri) => withClient(uri, async (client) => {
  for (const type of ['', '::int4[]']) {
    const { rows } = await client.query(
      `SELECT n_name FROM nation WHERE n_nationkey = ANY($1${type}) ORDER BY 1`, [[3, 1]])
    assert.deepEqual(rows, [{ n_name: 'ARGENTINA' }, { n_name: 'CANADA' }])
  }
  const { rows } = await client.query(
    'SELECT n_nationkey AS k FROM nation WHERE n_name <> ALL($1) AND n_nationkey < 3 ORDER BY 1',
    [['BRAZIL', "O'NEIL", 'a,"b']])
  assert.deepEqual(rows, [{ k: 0 }, { k: 1 }])
}))

check('pg_many_parameters', (uri) => withClient(uri, async (client) => {
  const keys = Array.from({ length: 1000 }, (_, index) => index)
  const marks = keys.map((key) => `$${key + 1}`).join(', ')
  const { rows } = await client.query(
    `SELECT count(*)::int4 AS n FROM nation WHERE n_nationkey IN (${marks})`, keys)
  assert.equal(rows[0].n, 25)
}))

check('pg_large_parameter', (uri) => withClient(uri, async (client) => {
  const text = '\u00e9x'.repeat(500_000)
  const { rows } = await client.query('SELECT $1::text AS it, length($1::text) AS n', [text])
  assert.equal(rows[0].it, text)
  assert.equal(rows[0].n, 1_000_000)
}))

check('pg_named_statement', (uri) => withClient(uri, async (client) => {
  for (let key = 0; key < 20; key++) {
    const { rows } = await client.query({
      name: 'nation by key', values: [key],
      text: 'SELECT n_nationkey AS k, n_name FROM nation WHERE n_nationkey = $1',
    })
    assert.equal(rows[0].k, key)
  }
  const { rows } = await client.query('SELECT name FROM pg_prepared_statements')
  assert.deepEqual(rows, [{ name: 'nation by key' }])
}))

check('pg_fields', (uri) => withClient(uri, async (client) => {
  const { fields, rowCount, command } = await client.query(
    'SELECT o_custkey, o_totalprice AS price, 1 + 1 AS sum FROM orders LIMIT 3')
  assert.deepEqual([rowCount, command], [3, 'SELECT'])
  const [key, price, sum] = fields
  const { rows } = await client.query("SELECT 'orders'::regclass::oid::int8 AS oid")
  assert.deepEqual([key.name, key.tableID, key.columnID, key.dataTypeID],
    ['o_custkey', Number(rows[0].oid), 2, pg.types.builtins.INT8])
  assert.deepEqual([price.name, price.columnID, price.dataTypeID, price.dataTypeModifier],
    ['price', 4, pg.types.builtins.NUMERIC, ((15 << 16) | 2) + 4])
  assert.deepEqual([sum.name, sum.tableID, sum.columnID, sum.dataTypeID],
    ['sum', 0, 0, pg.types.builtins.INT4])
}))

check('pg_several_results', (uri) => withClient(uri, async (client) => {
  const results = await client.query('SELECT 1 AS a; SELECT 2 AS b, 3 AS c; SHOW TimeZone')
  assert.deepEqual(results.slice(0, 2).map(({ rows }) => rows), [[{ a: 1 }], [{ b: 2, c: 3 }]])
  assert.deepEqual(results.map(({ command }) => command), ['SELECT', 'SELECT', 'SHOW'])
}))

check('pg_empty_query', (uri) => withClient(uri, async (client) => {
  assert.deepEqual((await client.query('')).rows, [])
  assert.deepEqual((await client.query({ text: '', queryMode: 'extended' })).rows, [])
  assert.deepEqual((await client.query('SELECT 1 AS a')).rows, [{ a: 1 }])
}))

check('pg_many_rows', (uri) => withClient(uri, async (client) => {
  const { rows, rowCount } = await client.query(
    'SELECT l_orderkey, l_comment FROM lineitem ORDER BY l_orderkey LIMIT 100000')
  assert.equal(rowCount, 100_000)
  assert.ok(rows.every((row, index) => index === 0
    || Number(rows[index - 1].l_orderkey) <= Number(row.l_orderkey)))
}))

check('pg_errors', (uri) => withClient(uri, async (client) => {
  for (const queryMode of ['simple', 'extended']) {
    for (const [text, sqlstate, position] of ERRORS) {
      const error = await refused(sqlstate, () => client.query({ text, queryMode }))
      assert.equal(error.severity, 'ERROR', text)
      assert.equal(error.position, position, text)
    }
  }
  assert.deepEqual((await client.query('SELECT 1 AS a')).rows, [{ a: 1 }])
}))

check('pg_wrong_password', async (uri) => {
  const wrong = new URL(uri)
  wrong.password = 'wrong'
  await refused('28P01', () => withClient(wrong.href, () => 'connected'))
})

check('pg_notice', (uri) => withClient(uri, async (client) => {
  const notices = []
  client.on('notice', (notice) => notices.push([notice.severity, notice.message]))
  await client.query('DROP TABLE IF EXISTS does_not_exist')
  assert.deepEqual(notices, [['NOTICE', 'table "does_not_exist" does not exist, skipping']])
}))
