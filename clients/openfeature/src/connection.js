// One connection to the database, on which every wait has an end.
//
// The rule: a query that the network swallowed cannot be told from a slow one, so
// the connection is given up with the first query that misses its deadline.  The
// owner hears of the end of an open connection exactly once, and of none that it
// closed itself.

import net from 'node:net';
import pg from 'pg';

const CHANNEL = 'instance_features';
const GOODBYE_MS = 1000;

/**
 * A socket on which garbage ends the connection and not the process: pg's parser
 * throws on messages that nothing asked for, in a listener where nobody catches.
 */
class GuardedSocket extends net.Socket {
  emit(event, ...args) {
    if (event !== 'data') return super.emit(event, ...args);
    try {
      return super.emit(event, ...args);
    } catch (error) {
      this.destroy(new Error(`the server sent what cannot be understood: ${error.message}`));
      return true;
    }
  }
}

/** Whether the server answered with an error, rather than the connection failing. */
export function isServerError(error) {
  return (
    typeof error?.code === 'string' &&
    /^[0-9A-Z]{5}$/.test(error.code) &&
    error.severity !== undefined
  );
}

export class Connection {
  /** Whether notifications come; a standby has none. */
  listening = false;

  #options;

  #timeout;

  #onNotification;

  #onLost;

  #client = null;

  #socket = null;

  #open = false;

  #over = null; // the error that ended it

  #pending = new Set(); // how to reject what waits

  /**
   * @param {object} options of pg's Client
   * @param {number} timeout of a query, in milliseconds
   * @param {(payload: string) => void} onNotification
   * @param {(error: Error) => void} onLost
   */
  constructor(options, timeout, onNotification, onLost) {
    this.#options = options;
    this.#timeout = timeout;
    this.#onNotification = onNotification;
    this.#onLost = onLost;
  }

  /** Connect and listen.  Rejects, with nothing left behind, if that fails. */
  async open() {
    const { connectionTimeoutMillis, stream, ...options } = this.#options;
    try {
      const client = new pg.Client({
        ...options,
        stream: (config) => {
          this.#socket = typeof stream === 'function' ? stream(config) : new GuardedSocket();
          return this.#socket;
        },
      });
      this.#client = client;
      client.on('error', (error) => this.#end(error));
      client.on('end', () => this.#end(new Error('the connection to the database is lost')));
      client.on('notification', ({ channel, payload }) => {
        if (channel === CHANNEL) this.#onNotification(payload);
      });
      await this.#within(connectionTimeoutMillis, 'connecting', this.#establish());
      this.#open = true;
    } catch (error) {
      this.#end(error);
      throw error;
    }
  }

  async #establish() {
    await this.#client.connect();
    if (this.#options.statement_timeout === undefined) {
      // The server gives up a little earlier, which spares the connection.
      await this.query(`SET statement_timeout = ${Math.max(1, Math.floor(this.#timeout * 0.8))}`);
    }
    await this.listen();
  }

  /** Listen for notifications, or learn that this is a standby. */
  async listen() {
    try {
      await this.query(`LISTEN ${CHANNEL}`);
      this.listening = true;
    } catch (error) {
      if (error.code !== '25006') throw error; // not during recovery
      this.listening = false;
    }
  }

  async query(text, values = []) {
    const { rows } = await this.#within(
      this.#timeout,
      'a query',
      this.#client.query({ text, values }),
    );
    return rows;
  }

  /** End it, whatever it is doing; the promise resolves once the socket is closed. */
  async close() {
    const client = this.#client;
    const socket = this.#socket;
    const polite = this.#open && this.#over === null && this.#pending.size === 0;
    this.#open = false; // nobody is told
    if (polite) {
      let timer;
      await Promise.race([
        client.end().catch(() => {}),
        new Promise((resolve) => {
          timer = setTimeout(resolve, GOODBYE_MS);
        }),
      ]);
      clearTimeout(timer);
    }
    this.#end(new Error('the connection was closed'));
    if (socket !== null && !socket.closed)
      await new Promise((resolve) => {
        socket.once('close', resolve);
      });
  }

  #end(error) {
    if (this.#over !== null) return;
    this.#over = error;
    this.#socket?.destroy();
    for (const reject of this.#pending) reject(error);
    if (!this.#open) return;
    this.#open = false;
    this.#onLost(error);
  }

  /** A promise that rejects, and ends the connection, if the given one takes longer. */
  #within(ms, what, promise) {
    promise.catch(() => {}); // also if nobody waits for it any more
    if (this.#over !== null) return Promise.reject(this.#over);
    return new Promise((resolve, reject) => {
      let timer;
      const settle = (how, result) => {
        clearTimeout(timer);
        this.#pending.delete(fail);
        how(result);
      };
      const fail = (error) => settle(reject, error);
      this.#pending.add(fail);
      // A process that was busy reads first what has arrived meanwhile.
      const late = () =>
        setImmediate(() => {
          if (this.#pending.has(fail)) this.#end(new Error(`${what} took longer than ${ms} ms`));
        });
      timer = setTimeout(late, ms);
      promise.then((result) => settle(resolve, result), fail);
    });
  }
}
