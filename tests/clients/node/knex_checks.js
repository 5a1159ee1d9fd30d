// knex: the query builder over node-postgres, and what its schema builder asks the catalog.

const knex = require('knex')
const { assert, check, compute, refused } = require('./checks')

async function withKnex(uri, work) {
  const db = knex({ client: 'pg', connection: uri, pool: { min: 0, max: 3 } })
  try {
    return await work(db)
  } finally {
    await db.destroy()
  }
}

check('knex_select', (uri) => withKnex(uri, async (db) => {
  const rows = await db('nation').select('n_name', 'n_regionkey').where('n_nationkey', '<', 5)
    .andWhereNot({ n_name: 'BRAZIL' }).orderBy('n_name', 'desc').limit(2).offset(1)
  assert.deepEqual(rows,
    [{ n_name: 'CANADA', n_regionkey: 1 }, { n_name: 'ARGENTINA', n_regionkey: 1 }])
  const keys = await db('nation').whereIn('n_nationkey', [3, 1]).orderBy(1).pluck('n_nationkey')
  assert.deepEqual(keys, [1, 3])
  const canada = await db('nation').whereILike('n_name', 'can%').first('n_nationkey as k')
  assert.deepEqual(canada, { k: 3 })
}))

check('knex_join_and_group', (uri) => withKnex(uri, async (db) => {
  const rows = await db('nation as n').join('region as r', 'r.r_regionkey', 'n.n_regionkey')
    .select('r.r_name').count({ nations: '*' }).min('n.n_name as first').groupBy('r.r_name')
    .havingRaw('count(*) > ?', [4]).orderBy([{ column: 'r.r_name', order: 'asc', nulls: 'last' }])
  assert.equal(rows.length, 5)
  assert.deepEqual(rows[1], { r_name: 'AMERICA', nations: '5', first: 'ARGENTINA' })
}))

check('knex_with_union_window', (uri) => withKnex(uri, async (db) => {
  const rows = await db.with('low', (query) => query.from('nation').where('n_nationkey', '<', 3))
    .select('n_name', db.raw('row_number() over (order by n_name) as place')).from('low')
    .union([db('region').select('r_name', db.raw('100::int8')).where('r_regionkey', 1)], true)
    .orderBy('place')
  assert.deepEqual(rows.map((row) => [row.n_name, row.place]),
    [['ALGERIA', '1'], ['ARGENTINA', '2'], ['BRAZIL', '3'], ['AMERICA', '100']])
}))

check('knex_distinct_on', (uri) => withKnex(uri, async (db) => {
  const rows = await db('nation').distinctOn('n_regionkey').select('n_regionkey', 'n_name')
    .orderBy(['n_regionkey', 'n_name'])
  assert.deepEqual(rows.slice(0, 2).map((row) => row.n_name), ['ALGERIA', 'ARGENTINA'])
}))

check('knex_exists_and_subquery', (uri) => withKnex(uri, async (db) => {
  const names = await db('region as r').whereExists(
    db('nation as n').whereRaw('n.n_regionkey = r.r_regionkey').where('n.n_name', 'CHINA'),
  ).pluck('r_name')
  assert.deepEqual(names, ['ASIA'])
  const inner = db('nation').select('n_regionkey').as('inner')
  const total = await db(inner).countDistinct('n_regionkey')
  assert.deepEqual(total, [{ count: '5' }])
}))

check('knex_raw', (uri) => withKnex(uri, async (db) => {
  const named = await db.raw(
    'SELECT :column:, :name::text AS given FROM nation WHERE :column: = :key',
    { column: 'n_nationkey', name: "it's", key: 3 })
  assert.deepEqual(named.rows, [{ n_nationkey: 3, given: "it's" }])
  const { rows } = await db.raw(
    'SELECT ?? FROM ?? WHERE ?? = ?', ['n_name', 'nation', 'n_name', 'PERU'])
  assert.deepEqual(rows, [{ n_name: 'PERU' }])
}))

check('knex_column_info', (uri) => withKnex(uri, async (db) => {
  const info = await db('nation').columnInfo()
  assert.deepEqual(Object.keys(info).sort(),
    ['n_comment', 'n_name', 'n_nationkey', 'n_regionkey'])
  assert.deepEqual(info.n_nationkey,
    { type: 'integer', maxLength: null, nullable: true, defaultValue: null })
  assert.equal((await db('orders').columnInfo('o_totalprice')).type, 'numeric')
}))

check('knex_has_table', (uri) => withKnex(uri, async (db) => {
  assert.equal(await db.schema.hasTable('nation'), true)
  assert.equal(await db.schema.hasTable('does_not_exist'), false)
  assert.equal(await db.schema.hasColumn('nation', 'n_name'), true)
  assert.equal(await db.schema.hasColumn('nation', 'nope'), false)
  assert.equal(await db.schema.withSchema('public').hasTable('orders'), true)
}))

check('knex_transaction', (uri) => withKnex(uri, async (db) => {
  const got = await db.transaction(async (outer) => {
    await outer.transaction(async (inner) => {
      await inner.select(db.raw('1 / 0'))
    }).catch((error) => assert.equal(error.code, '22012'))
    return outer('nation').count('* as n').first()
  }, { isolationLevel: 'repeatable read', readOnly: true })
  assert.deepEqual(got, { n: '25' })
  await refused('42P01', () => db.transaction((outer) => outer('does_not_exist').select()))
}))

check('knex_stream', (uri) => withKnex(uri, async (db) => {
  let count = 0
  for await (const row of db('orders').select('o_orderkey').limit(5000).stream()) {
    assert.ok(row.o_orderkey)
    count++
  }
  assert.equal(count, 5000)
}))

// It cancels through a second connection: SELECT pg_cancel_backend($1).
check('knex_timeout_cancels', (uri) => withKnex(uri, async (db) => {
  await assert.rejects(db.raw(compute()).timeout(500, { cancel: true }), /timeout/i)
  const { rows } = await db.raw('SELECT 1 AS a')
  assert.deepEqual(rows, [{ a: 1 }])
}))

check('knex_view', (uri) => withKnex(uri, async (db) => {
  const name = `low nations ${process.pid}`
  await db.schema.createView(name, (view) => {
    view.columns(['key', 'called'])
    view.as(db('nation').select('n_nationkey', 'n_name').where('n_nationkey', '<', 2))
  })
  try {
    assert.deepEqual(await db(name).orderBy('key').select('called'),
      [{ called: 'ALGERIA' }, { called: 'ARGENTINA' }])
    assert.deepEqual(Object.keys(await db(name).columnInfo()).sort(), ['called', 'key'])
  } finally {
    await db.schema.dropView(name)
  }
}))

check('knex_schema_and_insert', (uri) => withKnex(uri, async (db) => {
  const table = `notes_${process.pid}`
  await db.schema.createTable(table, (columns) => {
    columns.increments('id')
    columns.string('note').notNullable()
    columns.timestamps(true, true)
  })
  try {
    assert.deepEqual(await db(table).insert([{ note: 'a' }, { note: 'b' }]).returning('id'),
      [{ id: 1 }, { id: 2 }])
    assert.equal(await db(table).where({ id: 1 }).update({ note: 'c' }), 1)
    assert.deepEqual(await db(table).orderBy('id').pluck('note'), ['c', 'b'])
  } finally {
    await db.schema.dropTable(table)
  }
}))
