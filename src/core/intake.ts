// Whether the shard workers of a process may read and admit records. The application pauses and resumes all of them, those of a source, or
// one shard: before the start, while the consumer runs, and during restarts. So the state outlives every shard worker. Each shard worker
// looks at its view of the state in each turn, and is informed of each change. The pause for a hand-over is another thing: it concerns one
// shard worker.

/** A part of what a consumer reads, for `pause` and `resume`: a source, or one shard of it. */
export interface IntakePart {
  /** The source's name. */
  readonly source: string;
  /** The id of the shard, which this process need not hold. Default: all shards of the source. */
  readonly shardId?: string | undefined;
}

/** A part that is paused. */
export interface PausedPart extends IntakePart {
  readonly pausedAt: number;
}

/** The state. Only the functions of this file change it. Times are monotonic milliseconds. */
export interface Intake {
  /** Since when no records are taken in; undefined if they are. */
  pausedAt: number | undefined;
  /** When the last pause of the process ended; -Infinity if there was none. */
  resumedAt: number;
  /** The parts that are paused, by name. A pause of the process, of a source and of a shard do not know one another. */
  readonly parts: Map<string, PausedPart>;
  /** When the last pause of a part ended. */
  readonly resumedParts: Map<string, number>;
  readonly watchers: Set<Watcher>;
}

interface Watcher extends Required<IntakePart> {
  readonly changed: () => void;
}

/** The intake of one shard. */
export interface ShardIntake {
  /** Since when nothing is read; undefined if the shard may be read. */
  readonly pausedAt: number | undefined;
  /** When the last pause that concerned the shard ended; -Infinity if there was none. */
  readonly resumedAt: number;
  /** Calls `changed` after each change. Returns a function that ends this. */
  watch(changed: () => void): () => void;
}

export function createIntake(): Intake {
  return { pausedAt: undefined, resumedAt: -Infinity, parts: new Map(), resumedParts: new Map(), watchers: new Set() };
}

const nameOf = ({ source, shardId }: IntakePart): string => (shardId === undefined ? source : `${source}\n${shardId}`);

/** Pauses the intake of a part, or of all. Returns false, and changes nothing, if it is paused. */
export function pauseIntake(intake: Intake, now: number, part?: IntakePart): boolean {
  if (part === undefined ? intake.pausedAt !== undefined : intake.parts.has(nameOf(part))) return false;
  if (part === undefined) intake.pausedAt = now;
  else intake.parts.set(nameOf(part), { ...part, pausedAt: now });
  tellWatchers(intake, part);
  return true;
}

/** Ends a pause of the same part, or of all. Returns how long it lasted; undefined, and changes nothing, if there was none. */
export function resumeIntake(intake: Intake, now: number, part?: IntakePart): number | undefined {
  const pausedAt = part === undefined ? intake.pausedAt : intake.parts.get(nameOf(part))?.pausedAt;
  if (pausedAt === undefined) return undefined;
  if (part === undefined) {
    intake.pausedAt = undefined;
    intake.resumedAt = now;
  } else {
    intake.parts.delete(nameOf(part));
    intake.resumedParts.set(nameOf(part), now);
  }
  tellWatchers(intake, part);
  return now - pausedAt;
}

/** Forgets the pauses of a source that was removed, and of its shards. */
export function forgetPauses({ parts, resumedParts }: Intake, source: string): void {
  const isOfSource = (name: string): boolean => name === source || name.startsWith(`${source}\n`);
  for (const names of [parts, resumedParts]) for (const name of names.keys()) if (isOfSource(name)) names.delete(name);
}

/** What a shard worker sees of the intake. */
export function intakeOfShard(intake: Intake, shard: Required<IntakePart>): ShardIntake {
  const names = [nameOf({ source: shard.source }), nameOf(shard)];
  return {
    get pausedAt() {
      if (intake.parts.size === 0) return intake.pausedAt;
      const since = [intake.pausedAt, ...names.map((name) => intake.parts.get(name)?.pausedAt)];
      const pauses = since.filter((each) => each !== undefined);
      return pauses.length === 0 ? undefined : Math.min(...pauses);
    },
    get resumedAt() {
      return Math.max(intake.resumedAt, ...names.map((name) => intake.resumedParts.get(name) ?? -Infinity));
    },
    watch: (changed) => {
      const watcher: Watcher = { ...shard, changed };
      intake.watchers.add(watcher);
      return () => intake.watchers.delete(watcher);
    },
  };
}

function tellWatchers({ watchers }: Intake, part: IntakePart | undefined): void {
  for (const { source, shardId, changed } of [...watchers]) {
    const concerns = part === undefined || (part.source === source && (part.shardId ?? shardId) === shardId);
    if (concerns) changed();
  }
}
