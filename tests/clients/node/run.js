// Runs the checks of Node.js clients. In: the server's URI, a query that computes for hours, and
// optionally names of checks. Out: for each check one line of JSON, {"check", "ok", "why"}.
// It always ends with 0: whoever reads the lines judges them.

const { checks, setCompute } = require('./checks')
const DEADLINE_MS = 30_000

for (const file of ['pg', 'pg_sessions', 'streams', 'postgres', 'knex', 'typeorm']) {
  require(`./${file}_checks`)
}

async function outcome(work, uri) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end after ${DEADLINE_MS} ms`)), DEADLINE_MS)
  })
  try {
    await Promise.race([work(uri), late])
    return { ok: true, why: '' }
  } catch (error) {
    return { ok: false, why: describe(error) }
  } finally {
    clearTimeout(timer)
  }
}

function describe(error) {
  const cause = error.driverError ?? error
  const parts = [error.query, cause.code, cause.message ?? String(cause)]
  return parts.filter(Boolean).join(' | ').replace(/\s+/g, ' ').slice(0, 4000)
}

async function main([uri, compute, ...names]) {
  // A client that loses its server elsewhere than in a call must not take the others with it.
  process.on('uncaughtException', (error) => console.error(`outside a check: ${error.stack}`))
  process.on('unhandledRejection', (error) => console.error(`not awaited: ${error?.stack}`))
  setCompute(compute)
  for (const [name, work] of checks) {
    if (names.length === 0 || names.includes(name)) {
      console.log(JSON.stringify({ check: name, ...(await outcome(work, uri)) }))
    }
  }
  process.exit(0)
}

main(process.argv.slice(2))
