// `pause` and `resume` of a consumer: of the whole process, of a source, or of one shard. The pauses belong to this process and outlive
// every shard worker. They do not know one another: each ends with its own `resume`.
import type { PauseSnapshot } from '../api/status.js';
import { createIntake, forgetPauses, pauseIntake, resumeIntake, type Intake, type IntakePart } from '../core/intake.js';
import { visible } from '../core/visible.js';
import type { Emitter } from './emitter.js';
import { optional, refuse, required, resolveTable, text } from '../options/option-table.js';

interface PausingConsumer {
  readonly now: () => number;
  readonly emitter: Pick<Emitter, 'emit'>;
  readonly hasStopped: () => boolean;
  /** The names of the sources now. */
  readonly sources: () => readonly string[];
}

export interface Pausing {
  readonly intake: Intake;
  pause(part: IntakePart | undefined): void;
  resume(part: IntakePart | undefined): void;
  /** For how long the whole process has been paused. */
  pausedForMs(): number | null;
  parts(): readonly PauseSnapshot[];
  forget(source: string): void;
}

const partTable = {
  source: required(text('the name of a source', /./s), 'The name of the source.'),
  shardId: optional(text('the id of a shard', /./s), 'The shard.'),
};

export function createPausing({ now, emitter, hasStopped, sources }: PausingConsumer): Pausing {
  const intake = createIntake();
  const checked = (given: IntakePart | undefined): IntakePart | undefined => {
    if (given === undefined) return undefined;
    const part = resolveTable(partTable, given, '');
    const known = sources();
    if (!known.includes(part.source))
      refuse('source', `the name of a source: ${known.map((name) => `'${name}'`).join(', ')}`, part.source);
    return part;
  };
  const forMs = (pausedAt: number): number => Math.round(now() - pausedAt);

  return {
    intake,
    pause: (given) => {
      const part = checked(given);
      if (hasStopped() || !pauseIntake(intake, now(), part)) return;
      const message = visible(`the application has paused ${what(part)} until it resumes it`);
      emitter.emit({ name: 'paused', data: { message, ...named(part) } });
    },
    resume: (given) => {
      const part = checked(given);
      const lastedMs = hasStopped() ? undefined : resumeIntake(intake, now(), part);
      if (lastedMs !== undefined)
        emitter.emit({ name: 'resumed', data: { forMs: Math.round(lastedMs), ...named(part) } });
    },
    pausedForMs: () => (intake.pausedAt === undefined ? null : forMs(intake.pausedAt)),
    parts: () =>
      [...intake.parts.values()].map(
        ({ pausedAt, ...part }) => ({ ...named(part), forMs: forMs(pausedAt) }) as PauseSnapshot,
      ),
    forget: (source) => forgetPauses(intake, source),
  };
}

function named(part: IntakePart | undefined): { readonly source?: string; readonly shardId?: string } {
  if (part?.shardId !== undefined) return { source: part.source, shardId: part.shardId };
  return part === undefined ? {} : { source: part.source };
}

/** The part in words. */
function what(part: IntakePart | undefined): string {
  if (part === undefined) return 'the consumer: no shard is read';
  const { source, shardId } = part;
  return shardId === undefined
    ? `the source ${source}: no shard of it is read here`
    : `shard ${shardId} of ${source}: it is not read here`;
}
