// One request is one transaction: become the caller, choose the instance, call
// feature_service.  The role and all settings end with the transaction.  The rule: a
// connection goes back to the pool only if the role is given up for certain.

import net from 'node:net';
import pg from 'pg';
import {
  ServiceError,
  badActor,
  callerGone,
  databaseAway,
  databaseError,
  databaseSlow,
  internalError,
  isBadSetting,
  isSqlstate,
  roleDenied,
} from './status.js';

/** How much later than the server's own time-out we give up on the server. */
const GRACE_MS = 2000;
const PROBE_TIMEOUT_MS = 2000;
const PROBE_AGE_MS = 1000;
const CANCEL_TIMEOUT_MS = 2000;
const CANCEL_REQUEST_CODE = 80877102;

/**
 * Ask the server to cancel what a connection does.  Resolves when the server has
 * taken note, or will not.
 */
function cancelQuery(client) {
  return new Promise((resolve) => {
    const { host, port, processID, secretKey } = client;
    if (!processID) {
      resolve();
      return;
    }
    const socket = host.startsWith('/')
      ? net.connect(`${host}/.s.PGSQL.${port}`)
      : net.connect(port, host);
    socket.setTimeout(CANCEL_TIMEOUT_MS, () => socket.destroy());
    socket.on('error', () => {});
    socket.on('close', resolve);
    const message = Buffer.alloc(16);
    [16, CANCEL_REQUEST_CODE, processID, secretKey].forEach((value, i) =>
      message.writeInt32BE(value, 4 * i),
    );
    socket.on('connect', () => socket.write(message));
    // The server closes when the signal is sent.
    socket.resume();
  });
}

/** The headers of a request that feature_service looks at, or null if there is none. */
function conditionsOf(headers = {}) {
  const names = ['if-match', 'if-none-match'].filter((name) => Object.hasOwn(headers, name));
  return names.length > 0 ? Object.fromEntries(names.map((name) => [name, headers[name]])) : null;
}

export function createDatabase({ database }, log, admission) {
  const settings = {
    connectionString: database.connectionString,
    application_name: 'instance_features gateway',
    keepAlive: true,
  };
  const pool = new pg.Pool({
    ...settings,
    max: database.poolSize,
    connectionTimeoutMillis: database.connectTimeoutMs,
  });
  // Not the pool's, so that it tells of the database, not of how much there is to do.
  const probe = new pg.Pool({
    ...settings,
    max: 1,
    connectionTimeoutMillis: PROBE_TIMEOUT_MS,
    query_timeout: PROBE_TIMEOUT_MS,
  });
  const call = `SELECT status, body::text AS body, headers FROM ${pg.escapeIdentifier(database.schema)}.feature_service($1, $2, $3::jsonb, $4::jsonb)`;

  // An idle connection that breaks is replaced; nobody waits for it.
  for (const connections of [pool, probe])
    connections.on('error', (error) =>
      log('warning', 'idle connection lost', { error: error.message }),
    );

  async function connect() {
    try {
      return await pool.connect();
    } catch (error) {
      // Neither has a code of its own.
      const late = error.code === 'ETIMEDOUT' || /timeout/i.test(error.message);
      throw (late ? databaseSlow('08001') : databaseAway('08001')).because(error);
    }
  }

  // All of them, since a pooler between us and the database may hand us a session
  // that has somebody else's.
  async function setContext(client, { instance, actor = '', reason = '' }) {
    const settings = {
      statement_timeout: String(database.statementTimeoutMs),
      lock_timeout: String(database.lockTimeoutMs),
      'instance_features.instance_id': instance,
      'instance_features.organization_id': '',
      'instance_features.user_id': '',
      'instance_features.actor': actor,
      'instance_features.reason': reason,
    };
    try {
      await client.query(
        'SELECT pg_catalog.set_config(name, value, true) FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) AS s (name, value)',
        [Object.keys(settings), Object.values(settings)],
      );
    } catch (error) {
      // The others are checked at the start.
      if (isBadSetting(error)) throw badActor(error);
      throw error;
    }
  }

  async function assumeRole(client, role) {
    try {
      await client.query("SELECT pg_catalog.set_config('role', $1, true)", [role]);
    } catch (error) {
      // No such role, or none that the login is a member of.
      if (error.code === '22023' || error.code === '42501') throw roleDenied(role);
      throw error;
    }
  }

  async function inTransaction(client, request) {
    const { role, method, path, body = null, headers, isReading } = request;
    await client.query(isReading ? 'BEGIN READ ONLY' : 'BEGIN READ WRITE');
    await setContext(client, request);
    await assumeRole(client, role);
    const { rows } = await client.query(call, [method, path, body, conditionsOf(headers)]);
    await client.query('COMMIT');
    return rows[0];
  }

  /** What an answer with 500 or more says of its cause, in the body of either protocol. */
  function causeOf({ status, body }) {
    const { errorDetails, message, details } = JSON.parse(body);
    // It comes without a SQLSTATE, but only a lock has the status 503.
    if (errorDetails !== undefined)
      return { id: status === 503 ? '55P03' : 'XX000', text: errorDetails };
    const [{ id, message: detail }] = details;
    return { id, text: detail === message ? message : `${message} (${detail})` };
  }

  /** What feature_service answers with 500 or more is for the log, not for the caller. */
  function checkAnswer({ status, body, headers }) {
    if (status < 500) return { status, body, headers: headers ?? {} };
    let cause;
    try {
      const { id, text } = causeOf({ status, body });
      cause = Object.assign(new Error(text), { code: id });
    } catch {
      cause = Object.assign(new Error(`feature_service answered with status ${status}`), {
        code: 'XX000',
      });
    }
    const error = isSqlstate(cause.code) ? databaseError(cause) : internalError().because(cause);
    throw error.http >= 500 ? error : internalError(cause.code).because(cause);
  }

  // Do the work of a request on a connection; says whether that can be used again.
  async function use(client, request, signal) {
    let lost = false;
    let giveUp;
    const givenUp = new Promise((_, reject) => {
      giveUp = reject;
    });
    const onError = () => {
      lost = true;
    };
    const onAbort = () => giveUp(callerGone());
    const timer = setTimeout(
      () =>
        giveUp(databaseSlow().because(new Error('the server did not end the statement in time'))),
      database.statementTimeoutMs + GRACE_MS,
    );
    client.on('error', onError);
    signal?.addEventListener('abort', onAbort);
    if (signal?.aborted) onAbort();
    const work = inTransaction(client, request);
    work.catch(() => {});
    try {
      return { answer: await Promise.race([work, givenUp]), reusable: !lost };
    } catch (error) {
      if (error instanceof ServiceError && (error.http === 499 || error.http === 504))
        return { error, reusable: false, canceled: cancelQuery(client) };
      try {
        await Promise.race([client.query('ROLLBACK'), givenUp]);
      } catch (rollbackError) {
        // Whatever was said last, the connection is lost; try another one.
        const known = error instanceof ServiceError ? error : databaseError(error);
        return {
          error: known.http === 500 ? databaseAway().because(error) : known,
          reusable: false,
        };
      }
      return {
        error: error instanceof ServiceError ? error : databaseError(error),
        reusable: !lost,
      };
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      client.removeListener('error', onError);
    }
  }

  let probing;
  let probed = { at: -Infinity, available: false };

  return {
    /**
     * Have a request answered: {status, headers, body}, the body as text, or null if
     * there is none.  Throws a ServiceError.  If "signal" says that the caller left, the
     * query is canceled.
     */
    async callService(request, signal) {
      const endTurn = await admission.turn(request.instance, signal);
      let canceled;
      try {
        const client = await connect();
        const used = await use(client, request, signal);
        ({ canceled } = used);
        // What a lost connection says now is of no use to anybody.
        if (!used.reusable) client.on('error', () => {});
        client.release(!used.reusable);
        if (used.error) throw used.error;
        return checkAnswer(used.answer);
      } finally {
        // The turn lasts as long as the server is busy with it; the answer does not wait.
        Promise.resolve(canceled).then(endTurn);
      }
    },

    /** Whether the database answers, as known for a second at most. */
    async isAvailable() {
      if (performance.now() - probed.at < PROBE_AGE_MS) return probed.available;
      probing ??= probe
        .query('SELECT')
        .then(
          () => true,
          () => false,
        )
        .then((available) => {
          probed = { at: performance.now(), available };
          probing = undefined;
          return available;
        });
      return probing;
    },

    get connections() {
      return { total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount };
    },

    pool,
    close: () => Promise.all([pool.end(), probe.end()]),
  };
}
