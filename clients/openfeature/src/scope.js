// What an evaluation is about: an instance, or a context of it, which is an
// organization, a user or both.
//
// The rule: an id is compared as it is, so that what cannot be one never names
// another scope.

// Half of a surrogate pair has no UTF-8: it would name another scope.
const INVALID_ID = /[\0\p{Surrogate}]/u;

/** A scope; without an organization and a user, that of the instance alone. */
export function toScope(instanceId, organizationId = null, userId = null) {
  const isContext = organizationId !== null || userId !== null;
  return {
    // No id has a NUL.
    key: isContext ? `${instanceId}\0${organizationId ?? ''}\0${userId ?? ''}` : instanceId,
    instanceId,
    organizationId,
    userId,
    isContext,
  };
}

/** Why it cannot be an id, or undefined. */
export function idProblem(id) {
  if (typeof id !== 'string') return 'is not a string';
  if (id === '') return 'is empty';
  if (Buffer.byteLength(id) > 200) return 'is longer than 200 bytes';
  if (INVALID_ID.test(id)) return 'is not valid text';
  return undefined;
}
