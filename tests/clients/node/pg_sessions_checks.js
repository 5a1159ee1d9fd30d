// node-postgres: transactions, settings, cancels, timeouts, the pool, pipelines, own tables.

const { assert, cancelUntilEnded, check, compute, pg, refused, withClient } = require('./checks')

async function one(client, sql, values) {
  const { rows } = await client.query(sql, values)
  return Object.values(rows[0])[0]
}

check('pg_transaction', (uri) => withClient(uri, async (client) => {
  await client.query('BEGIN')
  await client.query('SET LOCAL statement_timeout = 4321')
  await refused('22012', () => client.query('SELECT 1 / $1::int4', [0]))
  await refused('25P02', () => client.query('SELECT 1'))
  await client.query('ROLLBACK')
  assert.equal(await one(client, 'SHOW statement_timeout'), '0')
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY')
  assert.equal(await one(client, 'SHOW transaction_isolation'), 'repeatable read')
  assert.equal(await one(client, 'SHOW transaction_read_only'), 'on')
  const { command } = await client.query('COMMIT')
  assert.equal(command, 'COMMIT')
}))

check('pg_savepoint', (uri) => withClient(uri, async (client) => {
  await client.query('BEGIN')
  await client.query('SAVEPOINT a')
  await refused('42P01', () => client.query('SELECT * FROM does_not_exist'))
  await client.query('ROLLBACK TO SAVEPOINT a')
  assert.equal(await one(client, 'SELECT 1'), 1)
  await client.query('RELEASE SAVEPOINT a')
  await refused('3B001', () => client.query('ROLLBACK TO SAVEPOINT a'))
  await client.query('ROLLBACK')
}))

check('pg_startup_settings', (uri) => withClient(uri, async (client) => {
  assert.equal(await one(client, 'SHOW application_name'), 'the checks')
  assert.equal(await one(client, 'SHOW statement_timeout'), '54321ms')
  assert.equal(await one(client, "SELECT current_setting('lock_timeout')"), '4s')
  assert.equal(await one(client, 'SHOW idle_in_transaction_session_timeout'), '1min')
  assert.equal(await one(client, 'SHOW DateStyle'), 'ISO, DMY')
}, {
  application_name: 'the checks', statement_timeout: 54321, lock_timeout: 4000,
  idle_in_transaction_session_timeout: 60_000, options: '-c DateStyle=ISO,DMY',
}))

check('pg_statement_timeout', (uri) => withClient(uri, async (client) => {
  const error = await refused('57014', () => client.query(compute()))
  assert.match(error.message, /statement timeout/)
  assert.equal(await one(client, 'SELECT 1'), 1)
}, { statement_timeout: 500 }))

check('pg_cancel', (uri) => withClient(uri, async (client) => {
  const query = new pg.Query(compute())
  const ended = new Promise((resolve, reject) => {
    query.on('end', resolve)
    query.on('error', reject)
  })
  client.query(query)
  await refused('57014', () => cancelUntilEnded(ended, () => {
    const other = new pg.Client({ connectionString: uri })
    const closed = new Promise((resolve) => other.connection.once('end', resolve))
    other.connection.on('error', () => {})
    other.cancel(client, query)
    return closed
  }))
  assert.equal(await one(client, 'SELECT 1'), 1)
}))

check('pg_cancel_backend', (uri) => withClient(uri, (client) => withClient(uri, async (other) => {
  const pid = await one(client, 'SELECT pg_backend_pid()')
  assert.equal(pid, client.processID)
  const running = client.query(compute())
  await refused('57014', () => cancelUntilEnded(
    running, () => other.query('SELECT pg_cancel_backend($1)', [pid])))
  assert.equal(await one(client, 'SELECT 1'), 1)
})))

check('pg_activity', (uri) => withClient(uri, async (client) => {
  const { rows } = await client.query(
    'SELECT datname, usename, application_name, state, query FROM pg_stat_activity WHERE pid = $1',
    [client.processID])
  assert.equal(rows.length, 1)
  assert.equal(rows[0].usename, client.user)
  assert.equal(rows[0].datname, client.database)
  assert.equal(rows[0].application_name, 'who is there')
  assert.equal(rows[0].state, 'active')
  assert.match(rows[0].query, /FROM pg_stat_activity/)
}, { application_name: 'who is there' }))

check('pg_pool', async (uri) => {
  const pool = new pg.Pool({ connectionString: uri, max: 8 })
  try {
    const numbers = Array.from({ length: 200 }, (_, index) => index)
    const got = await Promise.all(
      numbers.map((number) => one(pool, 'SELECT $1::int4 * 2', [number])))
    assert.deepEqual(got, numbers.map((number) => number * 2))
    assert.equal(pool.totalCount, 8)
  } finally {
    await pool.end()
  }
})

// All queries are sent before the first answer is read; one that fails does not stop the others.
check('pg_pipeline', (uri) => withClient(uri, async (client) => {
  const running = Array.from({ length: 50 }, (_, index) =>
    one(client, 'SELECT 100 / ($1::int4 - 7)', [index]))
  const ended = await Promise.allSettled(running)
  ended.forEach(({ status, value, reason }, index) => {
    if (index === 7) {
      assert.equal(reason.code, '22012')
    } else {
      assert.deepEqual([status, value], ['fulfilled', Math.trunc(100 / (index - 7))])
    }
  })
}, { pipeline: true }))

check('pg_discard_all', (uri) => withClient(uri, async (client) => {
  await client.query("SET application_name = 'else'")
  await client.query('DISCARD ALL')
  assert.notEqual(await one(client, 'SHOW application_name'), 'else')
}))

check('pg_listen_notify', (uri) => withClient(uri, (client) => withClient(uri, async (other) => {
  const heard = new Promise((resolve) => client.once('notification', resolve))
  await client.query('LISTEN "a channel"')
  await other.query("SELECT pg_notify('a channel', $1)", ['h\u00e9llo'])
  const { channel, payload } = await heard
  assert.deepEqual([channel, payload], ['a channel', 'h\u00e9llo'])
})))

check('pg_temporary_table', (uri) => withClient(uri, async (client) => {
  await client.query('CREATE TEMP TABLE notes (id serial PRIMARY KEY, note text NOT NULL)')
  const { rows, rowCount } = await client.query(
    'INSERT INTO notes (note) VALUES ($1), ($2) RETURNING id', ['a', 'b'])
  assert.deepEqual([rowCount, rows], [2, [{ id: 1 }, { id: 2 }]])
  await refused('23502', () => client.query('INSERT INTO notes (note) VALUES (NULL)'))
  assert.equal((await client.query("UPDATE notes SET note = 'c' WHERE id = 2")).rowCount, 1)
  assert.equal((await client.query('DELETE FROM notes WHERE id = 1')).rowCount, 1)
  assert.deepEqual((await client.query('SELECT * FROM notes')).rows, [{ id: 2, note: 'c' }])
}))
