// postgres (porsager's postgres.js): named statements for everything, array types read from
// pg_type at the first connection, several queries in flight on one connection.

const postgres = require('postgres')
const { assert, cancelUntilEnded, check, compute, refused } = require('./checks')

async function withSql(uri, work, options = {}) {
  const sql = postgres(uri, { max: 1, onnotice: () => {}, ...options })
  try {
    return await work(sql)
  } finally {
    await sql.end({ timeout: 5 })
  }
}

check('postgres_values', (uri) => withSql(uri, async (sql) => {
  const [row] = await sql`
    SELECT true AS bool, 7::int2 AS int2, 5000000000::int8 AS int8, 0.1::float8 AS float8,
      1.250::numeric(10,3) AS numeric, 'h\u00e9llo' AS text, '\\x00ff'::bytea AS bytea,
      '2024-02-29 13:14:15.123+00'::timestamptz AS moment, '{"a": [1]}'::json AS json,
      NULL::text AS nothing`
  assert.deepEqual({ ...row }, {
    bool: true, int2: 7, int8: '5000000000', float8: 0.1, numeric: '1.250', text: 'h\u00e9llo',
    bytea: Buffer.from([0, 255]), moment: new Date('2024-02-29T13:14:15.123Z'),
    json: { a: [1] }, nothing: null,
  })
}))

// It knows which types are arrays only from pg_type.
check('postgres_arrays', (uri) => withSql(uri, async (sql) => {
  const [row] = await sql`SELECT '{1,2}'::int4[] AS ints, '{a,"b,c"}'::text[] AS texts,
    '{2024-02-29}'::date[] AS days`
  assert.deepEqual({ ...row },
    { ints: [1, 2], texts: ['a', 'b,c'], days: [new Date('2024-02-29')] })
}))

check('postgres_nested_array', (uri) => withSql(uri, async (sql) => {
  const [row] = await sql`SELECT '{{1,2},{3,4}}'::int4[] AS nested`
  assert.deepEqual(row.nested, [[1, 2], [3, 4]])
}))

check('postgres_parameters', (uri) => withSql(uri, async (sql) => {
  const moment = new Date('2024-02-29T13:14:15.123Z')
  const [row] = await sql`SELECT ${true}::bool AS b, ${-7}::int4 AS i, ${'12.50'}::numeric AS n,
    ${"a'b"}::text AS t, ${Buffer.from([0, 1])}::bytea AS y, ${moment}::timestamptz AS m,
    ${sql.json({ a: 1 })}::json AS j, ${null}::text AS z`
  assert.deepEqual({ ...row }, { b: true, i: -7, n: '12.50', t: "a'b", y: Buffer.from([0, 1]),
    m: moment, j: { a: 1 }, z: null })
}))

check('postgres_in_list', (uri) => withSql(uri, async (sql) => {
  const rows = await sql`
    SELECT ${sql(['n_nationkey', 'n_name'])} FROM ${sql('nation')}
    WHERE n_nationkey IN ${sql([1, 3])} ORDER BY 1`
  assert.deepEqual(rows.map((row) => row.n_name), ['ARGENTINA', 'CANADA'])
}))

check('postgres_any_array', (uri) => withSql(uri, async (sql) => {
  const rows = await sql`SELECT n_name FROM nation WHERE n_nationkey = ANY(${[3, 1]}) ORDER BY 1`
  assert.deepEqual(rows.map((row) => row.n_name), ['ARGENTINA', 'CANADA'])
  const names = await sql`
    SELECT n_nationkey AS k FROM nation WHERE n_name = ANY(${sql.array(['BRAZIL', 'x,y'])})`
  assert.deepEqual(names.map((row) => row.k), [2])
}))

check('postgres_describe', (uri) => withSql(uri, async (sql) => {
  const { columns, types } = await sql`
    SELECT n_name, n_nationkey FROM nation WHERE n_nationkey > ${1} AND n_name < ${'x'}`.describe()
  assert.deepEqual(types, [23, 25])
  assert.deepEqual(columns.map(({ name, type, number }) => [name, type, number]),
    [['n_name', 25, 2], ['n_nationkey', 23, 1]])
}))

check('postgres_cursor', (uri) => withSql(uri, async (sql) => {
  const sizes = []
  await sql`SELECT o_orderkey FROM orders ORDER BY 1 LIMIT 2500`.cursor(1000, (rows) => {
    sizes.push(rows.length)
  })
  assert.deepEqual(sizes, [1000, 1000, 500])
  let seen = 0
  for await (const rows of sql`SELECT l_orderkey FROM lineitem`.cursor(100)) {
    seen += rows.length
    if (seen >= 300) break
  }
  assert.equal(seen, 300)
  assert.equal((await sql`SELECT 1 AS a`)[0].a, 1)
}))

check('postgres_for_each', (uri) => withSql(uri, async (sql) => {
  let sum = 0
  const result = await sql`SELECT n_nationkey FROM nation`.forEach((row) => {
    sum += row.n_nationkey
  })
  assert.deepEqual([sum, result.count], [300, 25])
}))

check('postgres_in_flight', (uri) => withSql(uri, async (sql) => {
  const numbers = Array.from({ length: 300 }, (_, index) => index)
  const got = await Promise.all(numbers.map((number) => sql`SELECT ${number}::int4 + 1 AS it`))
  assert.deepEqual(got.map(([row]) => row.it), numbers.map((number) => number + 1))
}, { max: 4 }))

check('postgres_simple', (uri) => withSql(uri, async (sql) => {
  const results = await sql`SELECT 1 AS a; SELECT 2 AS b`.simple()
  assert.deepEqual(results.map(([row]) => ({ ...row })), [{ a: 1 }, { b: 2 }])
  const rows = await sql.unsafe('SELECT n_name FROM nation WHERE n_nationkey = $1', [3])
  assert.equal(rows[0].n_name, 'CANADA')
}))

check('postgres_transaction', (uri) => withSql(uri, async (sql) => {
  const got = await sql.begin('READ ONLY', async (inside) => {
    await inside.savepoint('a', async (deeper) => {
      await deeper`SELECT 1 / 0`
    }).catch((error) => assert.equal(error.code, '22012'))
    return inside`SELECT 5 AS a`
  })
  assert.equal(got[0].a, 5)
  await refused('42P01', () => sql.begin((inside) => inside`SELECT * FROM does_not_exist`))
  assert.equal((await sql`SELECT 1 AS a`)[0].a, 1)
}))

check('postgres_errors', (uri) => withSql(uri, async (sql) => {
  const error = await refused('42703', () => sql`SELECT nope FROM nation`)
  assert.deepEqual([error.severity, error.position], ['ERROR', '8'])
  await refused('22P02', () => sql`SELECT 'x'::int4`)
  await refused('42601', () => sql`SELEC 1`)
  assert.equal((await sql`SELECT 1 AS a`)[0].a, 1)
}))

check('postgres_cancel', (uri) => withSql(uri, async (sql) => {
  await sql`SELECT 1`
  const query = sql.unsafe(compute())
  const { canceller } = query // What query.cancel() calls, once: that may be before it runs.
  const running = query.execute()
  while (!query.active) await new Promise(setImmediate)
  await refused('57014', () => cancelUntilEnded(running, () => canceller(query)))
  assert.equal((await sql`SELECT 1 AS a`)[0].a, 1)
}))

check('postgres_bigint', (uri) => withSql(uri, async (sql) => {
  const [row] = await sql`SELECT ${2n ** 62n}::int8 AS big, count(*) AS n FROM nation`
  assert.deepEqual({ ...row }, { big: 2n ** 62n, n: 25n })
}, { types: { bigint: postgres.BigInt } }))

check('postgres_copy_to', (uri) => withSql(uri, async (sql) => {
  const stream = await sql`COPY (SELECT n_name FROM nation WHERE n_nationkey < 2 ORDER BY 1)
    TO STDOUT`.readable()
  const chunks = []
  for await (const chunk of stream) chunks.push(chunk)
  assert.equal(Buffer.concat(chunks).toString(), 'ALGERIA\nARGENTINA\n')
}))

check('postgres_insert_helper', (uri) => withSql(uri, async (sql) => {
  await sql`CREATE TEMP TABLE people (id int4, name text)`
  const people = [{ id: 1, name: 'a' }, { id: 2, name: "b'" }]
  const { count } = await sql`INSERT INTO people ${sql(people)}`
  assert.equal(count, 2)
  assert.deepEqual((await sql`SELECT * FROM people ORDER BY id`).map((row) => ({ ...row })), people)
}))

check('postgres_reserve', (uri) => withSql(uri, async (sql) => {
  const reserved = await sql.reserve()
  try {
    await reserved`SET search_path = information_schema, public`
    const [row] = await reserved`SELECT current_schemas(false)::text[] AS path`
    assert.deepEqual(row.path, ['information_schema', 'public'])
  } finally {
    reserved.release()
  }
}))
