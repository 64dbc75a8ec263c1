// The settings that were acknowledged, the troubles of servers and networks that
// excuse an answer, and the promises that were broken.

/** How many of a kind are told in full. */
const TOLD = 5;

export const now = () => performance.now();

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function randomOf(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const upTo = (limit) => Math.floor(next() * limit);
  return { next, upTo, between: (a, b) => a + next() * (b - a), chance: (share) => next() < share, pick: (list) => list[upTo(list.length)] };
}

/** Promises that were broken: each kind with its number and the first few of it. */
export class Violations {
  kinds = new Map();

  add(kind, detail) {
    if (!this.kinds.has(kind)) this.kinds.set(kind, { count: 0, first: [] });
    const found = this.kinds.get(kind);
    found.count++;
    if (found.first.length < TOLD) {
      found.first.push(detail);
      process.stdout.write(`VIOLATION at ${(now() / 1000).toFixed(1)} s: ${kind}: ${detail}\n`);
    }
  }

  get count() {
    return [...this.kinds.values()].reduce((sum, { count }) => sum + count, 0);
  }
}

/** What keeps a path, to the whole or to one tenant, from working, and since when. */
export class Weather {
  #troubles = [];

  /** Trouble begins; returns the function that ends it. */
  begin(path, tenant = null) {
    const trouble = { path, tenant, from: now(), until: Infinity };
    this.#troubles.push(trouble);
    return () => { trouble.until = now(); };
  }

  /** Whether there was trouble from a time to another one, or up to "settle" before. */
  excuses(path, from, to, settle, tenant = null) {
    return this.#troubles.some((trouble) => trouble.path === path && (trouble.tenant === null || trouble.tenant === tenant) && trouble.from <= to && trouble.until + settle >= from);
  }
}

/** An instance, and what was acknowledged of it. */
export class Tenant {
  acked = []; // {sequence, feature, value, role, at}, as they came

  refused = new Set(); // values that must be nowhere

  last = 0; // the highest acknowledged sequence

  #values = new Map(); // by sequence

  constructor(id, owner, host) {
    Object.assign(this, { id, owner, host });
  }

  /** Returns what is wrong with an acknowledgement. */
  acknowledge(entry) {
    this.acked.push(entry);
    this.last = Math.max(this.last, entry.sequence);
    if (entry.feature !== 'counter') return undefined;
    const known = this.#values.get(entry.sequence);
    this.#values.set(entry.sequence, entry.value);
    return known === undefined ? undefined : `${this.id}: sequence ${entry.sequence} was acknowledged for ${known} and ${entry.value}`;
  }

  /** The value that was acknowledged with a sequence, if any. */
  valueAt(sequence) {
    return this.#values.get(sequence);
  }

  /** For how long something newer than a sequence has been acknowledged, in milliseconds. */
  staleness(sequence, at) {
    let oldest = at;
    for (let i = this.acked.length - 1; i >= 0 && at - this.acked[i].at < 120000; i--) {
      if (this.acked[i].sequence > sequence) oldest = Math.min(oldest, this.acked[i].at);
    }
    return at - oldest;
  }

  /** What is wrong with a history, given what was acknowledged and refused. */
  compare(history) {
    const problems = [];
    history.forEach(({ sequence }, i) => {
      if (Number(sequence) !== i + 1) problems.push(`${this.id}: event ${i + 1} of the history has sequence ${sequence}`);
    });
    for (const { sequence, feature, value, role } of this.acked) {
      const event = history.findLast((candidate) => candidate.feature === feature && Number(candidate.sequence) <= sequence);
      if (!event || event.value !== value) problems.push(`lost: ${this.id}: ${feature} ${value} was acknowledged as ${sequence}, the history has ${event?.value}`);
      else if (feature === 'counter' && Number(event.sequence) !== sequence) problems.push(`${this.id}: ${value} was acknowledged as ${sequence}, the history has it as ${event.sequence}`);
      else if (feature === 'counter' && event.editor !== role) problems.push(`wrong role: ${this.id}: ${value} was set by ${role}, the history says ${event.editor}`);
    }
    for (const { feature, value, editor } of history) if (feature !== 'tenant_name' && editor !== this.owner && editor !== 'landlord') problems.push(`wrong role: ${this.id}: ${feature} ${value} was set by ${editor}`);
    for (const event of history) if (event.feature === 'counter' && this.refused.has(event.value)) problems.push(`${this.id}: ${event.value} was refused, and is in the history`);
    return problems;
  }
}

/** An instance that is dropped and created again: its name tells its generation. */
export class Victim {
  id = 'victim';

  host = 'victim.example.com';

  generation = 0; // of the last one that was there for certain

  #gone = []; // by generation: when it was gone for certain

  #absences = []; // from when to when there may have been none

  /** It may be dropped from now on; returns what tells that it was, and that the next one is there. */
  leave() {
    const absence = { from: now(), until: Infinity };
    this.#absences.push(absence);
    return {
      dropped: () => { this.#gone[this.generation] ??= now(); },
      back: () => {
        this.#gone[this.generation] ??= now();
        this.generation++;
        absence.until = now();
      },
    };
  }

  mayBeGone(from, to) {
    return this.#absences.some((absence) => absence.from <= to && absence.until >= from);
  }

  /** For how long the one with a name has been gone; undefined for no such name. */
  staleness(name, at) {
    const match = /^victim (\d+)$/.exec(name);
    if (!match) return undefined;
    const gone = this.#gone[Number(match[1])];
    return gone === undefined ? 0 : Math.max(0, at - gone);
  }
}
