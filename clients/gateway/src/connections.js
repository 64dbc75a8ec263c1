// The connections of a listener.  The rule: what a peer that we do not know can
// keep has a bound in number and in time.

// An error keeps the objects of its stack trace until that is made into text.  In
// node:http2 these have, in the end, the error's session, with settings that the
// peer did not acknowledge, and nothing of it would ever be freed.
function releaseFrames(error) {
  return String(error?.stack);
}

/**
 * Bound the connections of a server, HTTP/1.1 or HTTP/2.  If there are too many,
 * an idle one makes room, else the new one goes.
 */
export function boundConnections(server, { connections }) {
  // The number of requests that are under way on each socket, oldest first.
  const sockets = new Map();
  let newest;

  server.prependListener('connection', (socket) => {
    newest = socket;
    if (sockets.size >= connections) {
      let victim = socket;
      for (const [other, busy] of sockets) {
        if (busy === 0) {
          victim = other;
          break;
        }
      }
      victim.destroy();
      sockets.delete(victim);
      if (victim === socket) return;
    }
    sockets.set(socket, 0);
    socket.on('error', releaseFrames);
    socket.once('close', () => sockets.delete(socket));
  });

  return {
    /** The socket of the connection that is being set up. */
    get newest() {
      return newest;
    },
    /** A request begins (1) or ends (-1) on a socket. */
    count(socket, change) {
      if (!sockets.has(socket)) return;
      const busy = sockets.get(socket) + change;
      // What was used last goes last.
      sockets.delete(socket);
      sockets.set(socket, busy);
    },
    /** Close them all, whatever they do. */
    destroy() {
      for (const socket of sockets.keys()) socket.destroy();
    },
    get size() {
      return sockets.size;
    },
  };
}

/**
 * Have the sessions of an HTTP/2 server end: when they are idle, when their peer
 * breaks the protocol, and with them their sockets, whatever state they are in.
 * Returns the set of those that are open.
 */
export function superviseSessions(server, connections, { requestTimeoutMs, idleTimeoutMs }) {
  const sessions = new Set();
  server.on('session', (session) => {
    const socket = connections.newest;
    let streams = 0;
    let timer;
    const end = () => {
      clearTimeout(timer);
      session.destroy();
      socket.destroy();
    };
    const finish = () => {
      // Say good-bye to who listens, but do not wait for them for long.
      session.close();
      timer = setTimeout(end, 1000);
    };
    const idleFor = (time) => {
      clearTimeout(timer);
      timer = setTimeout(finish, time);
    };
    sessions.add(session);
    // Whatever else it sends, a peer has to begin a request in time.
    idleFor(requestTimeoutMs);
    session.on('stream', (stream) => {
      if (streams++ === 0) clearTimeout(timer);
      connections.count(socket, 1);
      stream.on('error', releaseFrames);
      stream.once('close', () => {
        connections.count(socket, -1);
        if (--streams === 0 && !session.destroyed) idleFor(idleTimeoutMs);
      });
    });
    session.on('error', (error) => {
      releaseFrames(error);
      end();
    });
    session.on('close', () => {
      clearTimeout(timer);
      sessions.delete(session);
      socket.destroy();
    });
    socket.on('close', () => session.destroy());
  });
  server.on('sessionError', releaseFrames);
  return sessions;
}
