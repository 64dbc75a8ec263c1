// What OpenFeature is told of the features of a scope.

import { ErrorCode, StandardResolutionReasons } from '@openfeature/server-sdk';

/** Freeze a value with all that is in it, however deep: evaluations share it. */
function deepFreeze(value) {
  const rest = [value];
  while (rest.length > 0) {
    const part = rest.pop();
    if (part !== null && typeof part === 'object') {
      Object.freeze(part);
      for (const member of Object.values(part)) rest.push(member);
    }
  }
  return value;
}

const isBelow = (source) => source === 'organization' || source === 'user';

/** Whether a flag may differ between the contexts of an instance. */
const isOfContext = (flag) =>
  isBelow(flag?.source) || (flag?.source === 'instance' && flag.isRolledOut);

/** Below the instance and in a roll-out, it is the evaluation's context that decides. */
function toReason(source, isRolledOut) {
  if (source === 'default') return StandardResolutionReasons.DEFAULT;
  if (isRolledOut) return StandardResolutionReasons.SPLIT;
  return isBelow(source)
    ? StandardResolutionReasons.TARGETING_MATCH
    : StandardResolutionReasons.STATIC;
}

/** An object has no short name; who sets it will do. */
function toVariant(value, source) {
  if (typeof value === 'object') return source;
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  return String(value);
}

/** The resolution of a feature whose value is given as JSON. */
export function toResolution(json, source, sequence, flagSetId, version, isRolledOut = false) {
  let value;
  let problem;
  try {
    value = JSON.parse(json);
    if (typeof value === 'number' && !Number.isFinite(value))
      problem = 'a number beyond those of JavaScript';
  } catch (error) {
    problem = error.message;
  }
  const flagMetadata = Object.freeze({
    source,
    ...(sequence !== null && { sequence }),
    flagSetId,
    version,
  });
  if (problem !== undefined)
    return Object.freeze({
      reason: StandardResolutionReasons.ERROR,
      errorCode: ErrorCode.PARSE_ERROR,
      errorMessage: `the value cannot be read: ${problem}`,
      flagMetadata,
    });
  return Object.freeze({
    value: deepFreeze(value),
    reason: toReason(source, isRolledOut),
    variant: toVariant(value, source),
    flagMetadata,
  });
}

function isSame(one, other) {
  return (
    one === other ||
    (one?.json === other?.json &&
      one?.source === other?.source &&
      one?.sequence === other?.sequence &&
      one?.isRolledOut === other?.isRolledOut)
  );
}

/**
 * The flags of a scope, from rows [feature, value as JSON, source, sequence, whether
 * it is rolled out].
 * What is the same is taken over from other flags of the instance.
 */
export function toFlags(rows, { instanceId }, known = new Map()) {
  return new Map(
    rows.map(([feature, json, source, sequence, isRolledOut]) => {
      const flag = { json, source, sequence, isRolledOut };
      const old = known.get(feature);
      if (isSame(old, flag)) return [feature, old];
      const version = sequence === null ? source : `${source}:${sequence}`;
      flag.resolution = toResolution(json, source, sequence, instanceId, version, isRolledOut);
      return [feature, flag];
    }),
  );
}

/**
 * The keys of what differs between two loads of a scope.  Of a context, they are
 * those that differ below the instance or in a roll-out to some of its users: the
 * instance's own features tell of the others.
 */
export function changedKeys(before, after, { isContext }) {
  if (before === after) return [];
  return [...new Set([...before.keys(), ...after.keys()])].filter((key) => {
    const flags = [before.get(key), after.get(key)];
    return !isSame(...flags) && (!isContext || flags.some(isOfContext));
  });
}
