// Answers from a document, for as long as the database has told nothing better.
//
// The document is what export_features() gives: settings of the system, instances,
// organizations and users by JSON name or key, and definitions of features by key.

import { readFileSync } from 'node:fs';
import { StandardResolutionReasons } from '@openfeature/server-sdk';
import { toResolution } from './flags.js';

const BUILTIN = [
  'login_default_org',
  'oidc_trigger_introspection_projections',
  'oidc_legacy_introspection',
  'user_schema',
  'oidc_token_exchange',
];

const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

const toJsonName = (key) => key.replace(/_+([^_])/g, (_, letter) => letter.toUpperCase());

const toKey = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** A member of the document that has to be an object of objects if it is there. */
function member(document, name, depth) {
  const value = document[name] ?? {};
  const fits = (part, levels) =>
    isObject(part) &&
    (levels === 0 || Object.values(part).every((inner) => fits(inner, levels - 1)));
  if (!fits(value, depth))
    throw new TypeError(
      `"${name}" of the bootstrap document is not an object${depth > 0 ? ' of objects' : ''}`,
    );
  return new Map(Object.entries(value));
}

export class Bootstrap {
  #keys = new Map(); // by JSON name

  #defaults = new Map();

  #hidden = new Set(); // removed, or rolled out to a share that is not known here

  #system;

  #instances = new Map();

  #organizations; // by instance, then by id

  #users;

  /**
   * @param {object | string | URL} source the document, or a file with it
   * @param {string | null} instanceId answered for even if the document does not name it
   */
  constructor(source, instanceId) {
    const document =
      typeof source === 'string' || source instanceof URL
        ? JSON.parse(readFileSync(source, 'utf8'))
        : source;
    if (!isObject(document)) throw new TypeError('the bootstrap document is not an object');
    for (const key of BUILTIN) this.#define(key, toJsonName(key), false);
    for (const [key, definition] of member(document, 'features', 1)) {
      this.#define(key, definition.jsonName ?? toJsonName(key), definition.default ?? false);
      if (definition.stage === 'removed') this.#hidden.add(key);
    }
    this.#system = this.#toSettings(member(document, 'system', 0));
    const rollouts = member(document, 'rollouts', 1);
    const systemRollouts = this.#toSettings(new Map(Object.entries(rollouts.get('system') ?? {})));
    const instanceRollouts = new Map(Object.entries(rollouts.get('instances') ?? {}));
    const instances = member(document, 'instances', 1);
    this.#organizations = this.#toScopes(member(document, 'organizations', 2));
    this.#users = this.#toScopes(member(document, 'users', 2));
    for (const id of [...this.#organizations.keys(), ...this.#users.keys()]) {
      if (!instances.has(id)) instances.set(id, {});
    }
    if (instanceId !== null && !instances.has(instanceId)) instances.set(instanceId, {});
    for (const [id, object] of instances) {
      const settings = this.#toSettings(new Map(Object.entries(object)));
      const rolledOut = this.#toSettings(new Map(Object.entries(instanceRollouts.get(id) ?? {})));
      const unknown = new Set(
        [...systemRollouts.keys(), ...rolledOut.keys()].filter((key) => !settings.has(key)),
      );
      this.#instances.set(id, { settings, unknown });
    }
  }

  #define(key, jsonName, defaultValue) {
    this.#keys.set(jsonName, key);
    this.#keys.set(key, key);
    this.#defaults.set(key, defaultValue);
  }

  #toKey(name) {
    return this.#keys.get(name) ?? toKey(name);
  }

  #toSettings(settings) {
    return new Map([...settings].map(([name, value]) => [this.#toKey(name), value]));
  }

  /** The settings of scopes below instances, by instance, then by id. */
  #toScopes(objects) {
    return new Map(
      [...objects].map(([instanceId, scopes]) => [
        instanceId,
        new Map(
          Object.entries(scopes).map(([id, object]) => [
            id,
            this.#toSettings(new Map(Object.entries(object))),
          ]),
        ),
      ]),
    );
  }

  has(instanceId) {
    return this.#instances.has(instanceId);
  }

  /** The database knows better now. */
  forget(instanceId) {
    this.#instances.delete(instanceId);
  }

  /** The resolution, or undefined if the document does not have the feature. */
  resolve({ instanceId, organizationId, userId }, key) {
    const { settings, unknown } = this.#instances.get(instanceId) ?? {};
    if (settings === undefined || this.#hidden.has(key)) return undefined;
    const found = [
      ['user', this.#users.get(instanceId)?.get(userId)],
      ['organization', this.#organizations.get(instanceId)?.get(organizationId)],
      ['instance', settings],
      ['system', this.#system],
      ['default', this.#defaults],
    ].find(([, values]) => values?.has(key));
    if (found === undefined) return undefined;
    const [source, values] = found;
    if (unknown.has(key) && source !== 'user' && source !== 'organization') return undefined;
    return {
      ...toResolution(JSON.stringify(values.get(key)), source, null, instanceId, 'bootstrap'),
      reason: StandardResolutionReasons.STALE,
    };
  }
}
