// The list of checks and what they share. In: check(name, async (uri) => ...), which fails by
// throwing. Out: `checks`, in the order of their declaration.

const assert = require('node:assert/strict')
const pg = require('pg')

const checks = new Map()
const shared = { compute: undefined }

function check(name, work) {
  assert.ok(!checks.has(name), `two checks are called ${name}`)
  checks.set(name, work)
}

function setCompute(query) {
  shared.compute = query
}

// A query that ends only when it is cancelled.
function compute() {
  return shared.compute
}

// work(client) with a connection of pg; it is closed whatever happens.
async function withClient(uri, work, options = {}) {
  const client = new pg.Client({ connectionString: uri, ...options })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

// Fails unless work() throws an error with this SQLSTATE; returns the error.
async function refused(sqlstate, work) {
  let got
  try {
    got = await work()
  } catch (error) {
    const code = (error.driverError ?? error).code
    assert.equal(code, sqlstate, `${code} ${error.message}`)
    return error
  }
  assert.fail(`${sqlstate} was expected, got ${JSON.stringify(got)}`)
}

// Calls cancel() until `running` has ended: the first calls may come before the query runs.
async function cancelUntilEnded(running, cancel) {
  let ended = false
  const end = running.then(() => {}, () => {}).then(() => { ended = true })
  while (!ended) {
    await cancel()
    let timer
    const pause = new Promise((resolve) => { timer = setTimeout(resolve, 200) })
    await Promise.race([end, pause])
    clearTimeout(timer)
  }
  return running
}

module.exports = { assert, cancelUntilEnded, check, checks, compute, pg, refused, setCompute,
  withClient }
