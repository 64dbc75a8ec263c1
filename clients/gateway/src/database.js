// One request is one transaction: become the caller, choose the instance, call
// feature_service.  Role and instance end with the transaction.

import pg from 'pg';
import { ServiceError, databaseError, roleDenied } from './status.js';

export function createDatabase({ database }, log) {
  const pool = new pg.Pool({
    connectionString: database.connectionString,
    max: database.poolSize,
    connectionTimeoutMillis: database.connectTimeoutMs,
    // A server that does not answer at all: a little later than its own limit.
    query_timeout: database.statementTimeoutMs + 2000,
    application_name: 'instance_features gateway',
  });
  const call = `SELECT status, body::text AS body FROM ${pg.escapeIdentifier(database.schema)}.feature_service($1, $2, $3::jsonb)`;

  // An idle connection that breaks is replaced; nobody waits for it.
  pool.on('error', (error) => log('warning', 'idle connection lost', { error: error.message }));

  async function assumeRole(client, role) {
    try {
      await client.query("SELECT pg_catalog.set_config('role', $1, true)", [role]);
    } catch (error) {
      // No such role, or none that the login is a member of.
      if (error.code === '22023' || error.code === '42501') throw roleDenied(role);
      throw error;
    }
  }

  async function inTransaction(client, { role, instance, method, path, body }) {
    await client.query(method === 'GET' ? 'BEGIN READ ONLY' : 'BEGIN READ WRITE');
    await client.query("SELECT pg_catalog.set_config('statement_timeout', $1, true), pg_catalog.set_config('instance_features.instance_id', $2, true)", [String(database.statementTimeoutMs), instance]);
    await assumeRole(client, role);
    const { rows } = await client.query(call, [method, path, body ?? null]);
    await client.query('COMMIT');
    return rows[0];
  }

  return {
    /** Have a request answered: {status, body}, the body as text.  Throws a ServiceError. */
    async callService(request) {
      let client;
      try {
        client = await pool.connect();
      } catch (error) {
        throw databaseError(error.code ? error : { code: '08001', message: error.message });
      }

      let broken = false;
      const onError = () => { broken = true; };
      client.on('error', onError);
      try {
        return await inTransaction(client, request);
      } catch (error) {
        // Unless the role is given up for certain, the connection is.
        await client.query('ROLLBACK').catch(() => { broken = true; });
        throw error instanceof ServiceError ? error : Object.assign(databaseError(error), { cause: error });
      } finally {
        client.removeListener('error', onError);
        client.release(broken);
      }
    },

    /** Whether the database answers. */
    async isAvailable() {
      try {
        await pool.query('SELECT');
        return true;
      } catch {
        return false;
      }
    },

    get connections() {
      return { total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount };
    },

    pool,
    close: () => pool.end(),
  };
}
