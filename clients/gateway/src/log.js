// Structured logs: a JSON object a line, on standard error.  What is logged is
// named by who logs it; headers and bodies, which have secrets, never are.

export function createLog(stream = process.stderr) {
  // Whoever read the log may be gone; that is no reason to go too.
  stream.on('error', () => {});
  return (level, message, fields = {}) =>
    stream.write(
      `${JSON.stringify({ time: new Date().toISOString(), level, message, ...fields })}\n`,
    );
}
