// A provider that is asked again and again for some instances, and for the one that
// comes and goes.

import { open } from '../../clients/openfeature/test/support.js';
import { now } from './ledger.js';
import { sleep } from './cluster.js';

/** How old an answer that is not STALE may be, by the provider's README. */
const UNNOTICED_MS = 7000;

export class Observer {
  evaluations = 0;

  staleAnswers = 0;

  oldest = 0;

  oldestInCalm = 0;

  #client;

  #provider;

  #seen = new Map(); // of each tenant: the last answer that was not STALE

  /** @param {string} path to the "primary" or the "standby" */
  constructor(soak, path, tenants) {
    Object.assign(this, { soak, path, tenants });
  }

  async open(connection) {
    const { client, provider, error } = await open({ instanceId: null, connection });
    if (error) throw error;
    this.#client = client;
    this.#provider = provider;
    return this;
  }

  close() {
    return this.#provider.onClose();
  }

  get stale() {
    return this.#client.providerStatus === 'STALE';
  }

  /** Whether it is ready, and knows what was acknowledged. */
  async isTrue(acked) {
    if (this.#client.providerStatus !== 'READY') return false;
    for (const tenant of this.tenants) {
      const { reason, flagMetadata } = await this.#client.getNumberDetails('counter', -1, { instanceId: tenant.id });
      if (reason === 'STALE' || !((flagMetadata.sequence ?? 0) >= acked.get(tenant))) return false;
    }
    return true;
  }

  /** How old an answer may be that was given at a time. */
  #allowed(at) {
    const { soak } = this;
    const calm = !soak.weather.excuses(this.path, at - soak.truthMs, at, soak.truthMs);
    return { calm, bound: (calm ? soak.truthMs : UNNOTICED_MS + soak.truthMs) + soak.lag() };
  }

  #judge(where, reason, staleness, at) {
    const { violations } = this.soak;
    const { calm, bound } = this.#allowed(at);
    if (reason === 'STALE') {
      this.staleAnswers++;
      if (calm) violations.add('STALE without a reason', where);
      return;
    }
    // A standby does not know how far behind it is.
    if (this.path === 'standby' && !calm) return;
    this.oldest = Math.max(this.oldest, staleness);
    if (calm) this.oldestInCalm = Math.max(this.oldestInCalm, staleness);
    if (staleness > bound) violations.add('stale', `${where}: outdated for ${staleness.toFixed()} ms`);
  }

  async #evaluate(tenant) {
    const { violations } = this.soak;
    const context = { instanceId: tenant.id };
    const where = `provider on the ${this.path}: ${tenant.id}`;
    const name = await this.#client.getStringDetails('tenant_name', '', context);
    const counter = await this.#client.getNumberDetails('counter', -1, context);
    const at = now();
    this.evaluations += 2;
    for (const { reason, errorCode, errorMessage } of [name, counter]) {
      if (reason !== 'ERROR') continue;
      // Loading it for the first time may fail.
      if (errorCode === 'GENERAL' && !this.#allowed(at).calm) return;
      violations.add('wrong answer', `${where}: ${errorCode} ${errorMessage}`);
      return;
    }
    if (name.value !== tenant.id || name.flagMetadata.flagSetId !== tenant.id || counter.flagMetadata.flagSetId !== tenant.id) violations.add('wrong tenant', `${where}: the name is "${name.value}"`);
    const sequence = counter.flagMetadata.sequence ?? 0;
    if (counter.reason !== 'STALE' && this.path === 'primary') {
      // A commit that was given up while it waited for the standby can be seen, though
      // nobody was told that it was done; a promotion may lose it.
      const { promotions } = this.soak;
      const seen = this.#seen.get(tenant);
      if (seen?.promotions === promotions && sequence < seen.sequence) violations.add('stale', `${where}: back to sequence ${sequence}`);
      this.#seen.set(tenant, { sequence, promotions });
    }
    const known = tenant.valueAt(sequence);
    if (known !== undefined && known !== String(counter.value)) violations.add('wrong value', `${where}: sequence ${sequence} has ${counter.value}, ${known} was acknowledged`);
    this.#judge(where, counter.reason, tenant.staleness(sequence, at), at);
  }

  async #evaluateVictim() {
    const { victim, violations } = this.soak;
    const { value, reason, errorCode } = await this.#client.getStringDetails('tenant_name', '', { instanceId: victim.id });
    const at = now();
    this.evaluations++;
    const where = `provider on the ${this.path}: victim`;
    const { calm, bound } = this.#allowed(at);
    if (reason === 'ERROR') {
      if (errorCode === 'INVALID_CONTEXT' ? !victim.mayBeGone(at - bound, at) && calm : calm) violations.add('wrong answer', `${where}: ${errorCode}`);
      return;
    }
    // Between its creation and its name.
    if (value === '' && victim.mayBeGone(at - bound, at)) return;
    const staleness = victim.staleness(value, at);
    if (staleness === undefined) violations.add('wrong tenant', `${where}: the name is "${value}"`);
    else this.#judge(`${where}: "${value}"`, reason, staleness, at);
  }

  async run(random) {
    while (!this.soak.ending) {
      for (const tenant of this.tenants) await this.#evaluate(tenant);
      await this.#evaluateVictim();
      await sleep(random.between(300, 700));
    }
  }
}
