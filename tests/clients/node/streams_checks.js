// pg-cursor, pg-query-stream and pg-copy-streams: results in portions, and COPY.

const { Writable, Readable } = require('node:stream')
const { pipeline } = require('node:stream/promises')
const Cursor = require('pg-cursor')
const QueryStream = require('pg-query-stream')
const copy = require('pg-copy-streams')
const { assert, check, refused, withClient } = require('./checks')

const ORDERS = 'SELECT o_orderkey FROM orders ORDER BY o_orderkey LIMIT 10000'

check('cursor_to_the_end', (uri) => withClient(uri, async (client) => {
  const cursor = client.query(new Cursor(`${ORDERS} OFFSET $1`, [100]))
  const sizes = []
  let last = 0
  for (let rows = await cursor.read(3000); rows.length; rows = await cursor.read(3000)) {
    sizes.push(rows.length)
    assert.ok(Number(rows[0].o_orderkey) > last)
    last = Number(rows.at(-1).o_orderkey)
  }
  assert.deepEqual(sizes, [3000, 3000, 3000, 1000])
  assert.equal((await client.query('SELECT 1 AS a')).rows[0].a, 1)
}))

check('cursor_closed_early', (uri) => withClient(uri, async (client) => {
  for (let turn = 0; turn < 10; turn++) {
    const cursor = client.query(new Cursor('SELECT l_orderkey FROM lineitem'))
    assert.equal((await cursor.read(7)).length, 7)
    await cursor.close()
    assert.equal((await client.query('SELECT $1::int4 AS a', [turn])).rows[0].a, turn)
  }
}))

check('cursor_in_a_transaction', (uri) => withClient(uri, async (client) => {
  await client.query('BEGIN')
  const cursor = client.query(new Cursor(ORDERS, [], { rowMode: 'array' }))
  assert.equal((await cursor.read(10)).length, 10)
  await cursor.close()
  await client.query('COMMIT')
}))

check('cursor_error', (uri) => withClient(uri, async (client) => {
  await refused('42P01', () => client.query(new Cursor('SELECT * FROM does_not_exist')).read(1))
  const late = client.query(new Cursor(
    'SELECT 1 / (500 - x) FROM generate_series(1, 1000) AS s(x)'))
  await refused('22012', async () => {
    while ((await late.read(100)).length) { /* until row 500 */ }
  })
  assert.equal((await client.query('SELECT 1 AS a')).rows[0].a, 1)
}))

check('query_stream', (uri) => withClient(uri, async (client) => {
  let count = 0
  for await (const row of client.query(new QueryStream(ORDERS, [], { batchSize: 333 }))) {
    assert.ok(Number(row.o_orderkey) > 0)
    count++
  }
  assert.equal(count, 10000)
}))

check('query_stream_destroyed', (uri) => withClient(uri, async (client) => {
  let count = 0
  for await (const row of client.query(new QueryStream('SELECT * FROM lineitem'))) {
    assert.ok(row.l_comment !== undefined)
    if (++count === 250) break
  }
  assert.equal((await client.query('SELECT 1 AS a')).rows[0].a, 1)
}))

async function copied(client, sql) {
  const chunks = []
  const sink = new Writable({ write(chunk, _, done) { chunks.push(chunk); done() } })
  const stream = client.query(copy.to(sql))
  await pipeline(stream, sink)
  return { bytes: Buffer.concat(chunks), rowCount: stream.rowCount }
}

const TWO = 'SELECT n_nationkey, n_name, NULL::text AS nothing FROM nation '
  + 'WHERE n_nationkey < 2 ORDER BY 1'

check('copy_to_text', (uri) => withClient(uri, async (client) => {
  const { bytes, rowCount } = await copied(client, `COPY (${TWO}) TO STDOUT`)
  assert.equal(bytes.toString(), '0\tALGERIA\t\\N\n1\tARGENTINA\t\\N\n')
  assert.equal(rowCount, 2)
}))

check('copy_to_csv', (uri) => withClient(uri, async (client) => {
  const { bytes } = await copied(client, `COPY (${TWO}) TO STDOUT WITH (FORMAT csv, HEADER)`)
  assert.equal(bytes.toString(), 'n_nationkey,n_name,nothing\n0,ALGERIA,\n1,ARGENTINA,\n')
}))

check('copy_to_binary', (uri) => withClient(uri, async (client) => {
  const sql = 'COPY (SELECT 7::int4 AS a, NULL::text AS b) TO STDOUT WITH (FORMAT binary)'
  const { bytes } = await copied(client, sql)
  assert.equal(bytes.toString('latin1'), 'PGCOPY\n\xff\r\n\0' + '\0'.repeat(8)
    + '\0\x02' + '\0\0\0\x04\0\0\0\x07' + '\xff\xff\xff\xff' + '\xff\xff')
}))

check('copy_to_table', (uri) => withClient(uri, async (client) => {
  const { bytes, rowCount } = await copied(client, 'COPY orders (o_orderkey, o_comment) TO STDOUT')
  const { rows } = await client.query('SELECT count(*)::int4 AS n FROM orders')
  assert.equal(bytes.toString().split('\n').length - 1, rows[0].n)
  assert.equal(rowCount, rows[0].n)
}))

check('copy_error', (uri) => withClient(uri, async (client) => {
  await refused('42P01', () => copied(client, 'COPY does_not_exist TO STDOUT'))
  await refused('22012', () => copied(client, 'COPY (SELECT 1 / 0) TO STDOUT'))
  assert.equal((await client.query('SELECT 1 AS a')).rows[0].a, 1)
}))

check('copy_from', (uri) => withClient(uri, async (client) => {
  await client.query('CREATE TEMP TABLE pairs (a int4, b text)')
  const lines = Array.from({ length: 20000 }, (_, index) => `${index}\tline ${index}\n`)
  const target = client.query(copy.from('COPY pairs FROM STDIN'))
  await pipeline(Readable.from(lines), target)
  assert.equal(target.rowCount, 20000)
  const { rows } = await client.query('SELECT count(*)::int4 AS n, sum(a)::int4 AS s FROM pairs')
  assert.deepEqual(rows, [{ n: 20000, s: 199990000 }])
}))
