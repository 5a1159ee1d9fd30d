// TypeORM: a data source over node-postgres, entities without decorators, and its query runner,
// which reads the catalog before it changes a schema.

const { DataSource, EntitySchema, In, MoreThan, Table } = require('typeorm')
const { assert, check, refused } = require('./checks')

const Region = new EntitySchema({
  name: 'Region', tableName: 'region', columns: {
    key: { name: 'r_regionkey', type: 'int', primary: true },
    name: { name: 'r_name', type: 'text' },
  },
  relations: { nations: { type: 'one-to-many', target: 'Nation', inverseSide: 'region' } },
})
const Nation = new EntitySchema({
  name: 'Nation', tableName: 'nation', columns: {
    key: { name: 'n_nationkey', type: 'int', primary: true },
    name: { name: 'n_name', type: 'text' },
  },
  relations: {
    region: { type: 'many-to-one', target: 'Region', joinColumn: { name: 'n_regionkey' } },
  },
})

async function withSource(uri, work, options = {}) {
  const source = new DataSource({ type: 'postgres', url: uri, entities: [Region, Nation],
    synchronize: false, ...options })
  await source.initialize()
  try {
    return await work(source)
  } finally {
    await source.destroy()
  }
}

async function withRunner(uri, work) {
  return withSource(uri, async (source) => {
    const runner = source.createQueryRunner()
    try {
      return await work(runner)
    } finally {
      await runner.release()
    }
  })
}

check('typeorm_connect', (uri) => withSource(uri, async (source) => {
  assert.equal(source.driver.schema, 'public')
  assert.match(source.driver.version, /^\d+/)
}))

check('typeorm_find', (uri) => withSource(uri, async (source) => {
  const nations = source.getRepository(Nation)
  const found = await nations.find({ where: { key: In([1, 3]) }, order: { name: 'DESC' },
    relations: { region: true }, take: 5 })
  assert.deepEqual(found.map((nation) => [nation.name, nation.region.name]),
    [['CANADA', 'AMERICA'], ['ARGENTINA', 'AMERICA']])
  const [page, total] = await nations.findAndCount({ where: { key: MoreThan(4) }, skip: 5, take: 5,
    order: { key: 'ASC' } })
  assert.deepEqual([page[0].key, total], [10, 20])
  assert.equal(await nations.existsBy({ name: 'NOWHERE' }), false)
}))

check('typeorm_one_to_many', (uri) => withSource(uri, async (source) => {
  // With take and joins it first asks for the distinct keys.
  const regions = await source.getRepository(Region).find({ relations: { nations: true }, take: 2,
    order: { key: 'ASC' } })
  assert.deepEqual(regions.map((region) => [region.name, region.nations.length]),
    [['AFRICA', 5], ['AMERICA', 5]])
}))

check('typeorm_query_builder', (uri) => withSource(uri, async (source) => {
  const rows = await source.getRepository(Nation).createQueryBuilder('n')
    .innerJoin('n.region', 'r').select('r.name', 'region').addSelect('COUNT(*)', 'nations')
    .where('n.key < :most', { most: 100 }).andWhere('r.name IN (:...names)',
      { names: ['ASIA', 'EUROPE'] })
    .groupBy('r.name').having('COUNT(*) >= :least', { least: 5 }).orderBy('r.name').getRawMany()
  assert.deepEqual(rows, [{ region: 'ASIA', nations: '5' }, { region: 'EUROPE', nations: '5' }])
}))

check('typeorm_stream', (uri) => withRunner(uri, async (runner) => {
  let count = 0
  for await (const row of await runner.stream('SELECT o_orderkey FROM orders LIMIT 1000')) {
    assert.ok(row.o_orderkey)
    count++
  }
  assert.equal(count, 1000)
}))

check('typeorm_get_table', (uri) => withRunner(uri, async (runner) => {
  const table = await runner.getTable('orders')
  assert.ok(table, 'the table is not there')
  assert.equal(table.columns.length, 9)
  const told = (name) => {
    const column = table.findColumnByName(name)
    return [column.type, column.precision, column.scale, column.isNullable, column.isPrimary]
  }
  assert.deepEqual(told('o_orderkey'), ['bigint', undefined, undefined, true, false])
  assert.deepEqual(told('o_totalprice'), ['numeric', 15, 2, true, false])
  for (const found of [table.foreignKeys, table.uniques, table.checks, table.indices]) {
    assert.deepEqual(found, [])
  }
}))

check('typeorm_get_tables', (uri) => withRunner(uri, async (runner) => {
  const names = (await runner.getTables()).map((table) => table.name)
  for (const name of ['nation', 'region', 'lineitem']) {
    assert.ok(names.includes(name) || names.includes(`public.${name}`), `${name}: ${names}`)
  }
}))

check('typeorm_has', (uri) => withRunner(uri, async (runner) => {
  assert.equal(await runner.hasTable('nation'), true)
  assert.equal(await runner.hasTable('does_not_exist'), false)
  assert.equal(await runner.hasColumn('nation', 'n_name'), true)
  assert.equal(await runner.hasColumn('nation', 'nope'), false)
  assert.equal(await runner.hasSchema('public'), true)
  assert.equal(await runner.hasSchema('nope'), false)
  const database = await runner.getCurrentDatabase()
  assert.equal(await runner.hasDatabase(database), true)
  assert.equal(await runner.getCurrentSchema(), 'public')
}))

check('typeorm_transaction', (uri) => withSource(uri, async (source) => {
  const count = await source.transaction('SERIALIZABLE', async (outer) => {
    await outer.transaction((inner) => inner.query('SELECT 1 / 0'))
      .catch((error) => assert.equal(error.driverError.code, '22012'))
    return outer.getRepository(Nation).count()
  })
  assert.equal(count, 25)
  await refused('42P01', () => source.transaction((inner) => inner.query('SELECT * FROM nowhere')))
}))

check('typeorm_schema_log', (uri) => withSource(uri, async (source) => {
  // What synchronize would do: it reads tables, views, keys and indexes, and answers with DDL.
  const { upQueries } = await source.driver.createSchemaBuilder().log()
  assert.ok(upQueries.length > 0)
}))

check('typeorm_create_table', (uri) => withRunner(uri, async (runner) => {
  const name = `things_${process.pid}`
  await runner.createTable(new Table({ name, columns: [
    { name: 'id', type: 'int', isPrimary: true, isGenerated: true,
      generationStrategy: 'increment' },
    { name: 'label', type: 'varchar', isNullable: true }] }))
  try {
    await runner.query(`INSERT INTO "${name}" ("label") VALUES ($1)`, ['x'])
    const table = await runner.getTable(name)
    assert.deepEqual(table.primaryColumns.map((column) => column.name), ['id'])
  } finally {
    await runner.dropTable(name)
  }
}))
