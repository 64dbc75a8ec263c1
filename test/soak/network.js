// A network between clients and a server, which can be cut in two ways, and led
// to another server.
//
// "hold" keeps what is said until the network is back, as TCP does.  "swallow"
// loses it, and with it the connections over which something was said, or begun:
// they stay half-open until one of the peers gives up.  Neither tells a peer that
// the other one has closed before the network is back.

import { once } from 'node:events';
import net from 'node:net';

export class Network {
  connections = 0;

  #mode = 'pass';

  #links = new Set();

  #server;

  #upstream;

  /** @param {string} upstream the path of a server's socket */
  constructor(upstream) {
    this.#upstream = upstream;
  }

  async start() {
    this.#server = net.createServer((near) => this.#onConnection(near)).listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  get port() {
    return this.#server.address().port;
  }

  /** How many connections of clients are open. */
  get open() {
    return [...this.#links].filter(({ near }) => near.open).length;
  }

  stop() {
    this.#reset();
    this.#server.close();
  }

  /** Lead to another server: connections to the old one end. */
  leadTo(upstream) {
    this.#upstream = upstream;
    this.#reset();
  }

  cut(mode) {
    this.#mode = mode;
  }

  restore() {
    this.#mode = 'pass';
    for (const link of this.#links) {
      if (!link.dead && !link.far) this.#reach(link);
      for (const [to, bytes] of link.held.splice(0)) link[to].socket.write(bytes);
      this.#settle(link);
    }
  }

  #reset() {
    for (const { near, far } of this.#links) {
      near.socket.destroy();
      far?.socket.destroy();
    }
    this.#links.clear();
  }

  #onConnection(socket) {
    this.connections++;
    const link = { near: null, far: null, dead: this.#mode === 'swallow', held: [] };
    this.#links.add(link);
    link.near = this.#attach(link, socket, 'far');
    if (this.#mode === 'pass') this.#reach(link);
  }

  #reach(link) {
    link.far = this.#attach(link, net.connect(this.#upstream), 'near');
  }

  #attach(link, socket, to) {
    const end = { socket, open: true };
    socket.on('error', () => {});
    socket.on('close', () => {
      end.open = false;
      if (this.#mode === 'pass') this.#settle(link);
    });
    socket.on('data', (bytes) => {
      if (this.#mode === 'swallow') link.dead = true;
      if (link.dead) return;
      if (this.#mode === 'hold') link.held.push([to, bytes]);
      else link[to]?.socket.write(bytes);
    });
    return end;
  }

  // What one peer closed ends for the other one, after what was said before.
  #settle(link) {
    const { near, far } = link;
    if (near.open && (far === null || far.open)) return;
    for (const end of [near, far]) if (end?.open) end.socket.destroySoon();
    this.#links.delete(link);
  }
}
