// OTP's supervisor as an executable model. Its rules are: order and strategies (V1); intensity over a sliding period (V2); permanent,
// transient and temporary children (V3); kinds of shutdown (V4); automatic shutdown (V5). They are written down as directly as possible.
// The model shares nothing with our supervisor. Nothing in it takes time, and its log is what an observer of the children sees.

export interface ModelSpec {
  readonly id: string;
  readonly restart: 'permanent' | 'transient' | 'temporary';
  readonly significant: boolean;
}

export interface ModelOptions {
  readonly strategy: 'one-for-one' | 'rest-for-one' | 'one-for-all';
  readonly intensity: number;
  readonly periodMs: number;
  readonly autoShutdown: 'never' | 'any-significant' | 'all-significant';
}

interface Child extends ModelSpec {
  alive: boolean;
  /** How the child died, as long as the supervisor has not handled the death. */
  exit: 'normal' | 'crash' | undefined;
}

export class OtpModel {
  readonly log: string[] = [];
  readonly failures = new Map<string, number>();
  children: Child[] = [];
  ended: 'running' | 'normal' | 'crash' = 'running';
  readonly #options: ModelOptions;
  #restarts: number[] = [];

  constructor(options: ModelOptions, specs: readonly ModelSpec[], failures: ReadonlyMap<string, number>) {
    this.#options = options;
    this.failures = new Map(failures);
    this.children = specs.map((spec) => ({ ...spec, alive: false, exit: undefined }));
    for (const child of this.children) {
      if (!this.#start(child)) {
        this.#terminateAll();
        this.ended = 'crash';
        return;
      }
    }
  }

  alive(): string[] {
    return this.children.filter((child) => child.alive).map((child) => child.id);
  }

  /** Lets these children die in this order, before the supervisor handles the first death. */
  die(deaths: readonly (readonly [string, 'normal' | 'crash'])[], now: number): void {
    for (const [id, how] of deaths) {
      const child = this.children.find((candidate) => candidate.id === id);
      if (this.ended !== 'running' || child?.alive !== true) continue;
      this.log.push(`stop ${id}`);
      child.alive = false;
      child.exit = how;
    }
    for (const [id] of deaths) {
      const child = this.children.find((candidate) => candidate.id === id);
      if (this.ended !== 'running' || child?.exit === undefined) continue;
      const how = child.exit;
      child.exit = undefined;
      this.#exited(child, how, now);
    }
  }

  startChild(spec: ModelSpec): void {
    if (this.ended !== 'running' || this.children.some((child) => child.id === spec.id)) return;
    const child = { ...spec, alive: false, exit: undefined };
    if (this.#start(child)) this.children.push(child);
  }

  terminateChild(id: string): void {
    if (this.ended !== 'running') return;
    for (const child of this.children.filter((candidate) => candidate.id === id)) this.#terminate(child);
    this.children = this.children.filter((child) => child.id !== id);
  }

  #exited(child: Child, how: 'normal' | 'crash', now: number): void {
    if (child.restart === 'permanent' || (child.restart === 'transient' && how === 'crash')) {
      this.#restart(child, now);
      return;
    }
    if (child.restart === 'temporary') this.children = this.children.filter((other) => other !== child);
    if (!child.significant || this.#options.autoShutdown === 'never') return;
    const others = this.children.some((other) => other.significant && (other.alive || other.exit !== undefined));
    if (this.#options.autoShutdown === 'all-significant' && others) return;
    this.#terminateAll();
    this.ended = 'normal';
  }

  #restart(child: Child, now: number): void {
    this.#restarts = [now, ...this.#restarts].filter((at) => now - at <= this.#options.periodMs);
    if (this.#restarts.length > this.#options.intensity) {
      this.#terminateAll();
      this.ended = 'crash';
      return;
    }
    const at = this.children.indexOf(child);
    const from = { 'one-for-one': at, 'rest-for-one': at, 'one-for-all': 0 }[this.#options.strategy];
    const to = this.#options.strategy === 'one-for-one' ? at + 1 : this.children.length;
    const affected = this.children.slice(from, to);
    for (const one of affected.toReversed()) {
      this.#terminate(one);
      if (one.restart === 'temporary') this.children = this.children.filter((other) => other !== one);
    }
    for (const one of affected.filter((candidate) => candidate.restart !== 'temporary')) {
      if (this.#start(one)) continue;
      this.#restart(one, now);
      return;
    }
  }

  #start(child: Child): boolean {
    const failures = this.failures.get(child.id) ?? 0;
    if (failures > 0) {
      this.failures.set(child.id, failures - 1);
      this.log.push(`fail ${child.id}`);
      return false;
    }
    this.log.push(`start ${child.id}`);
    child.alive = true;
    return true;
  }

  #terminate(child: Child): void {
    if (child.alive) this.log.push(`stop ${child.id}`);
    child.alive = false;
    child.exit = undefined;
  }

  #terminateAll(): void {
    for (const child of this.children.toReversed()) this.#terminate(child);
  }
}
