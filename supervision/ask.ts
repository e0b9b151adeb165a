// Questions and their answers. Each question has a number that is never reused, because nact's temporary ids are random 32-bit
// numbers and collide. A question is closed exactly once: by `reply`, the death of the asked actor, the deadline, or the stop of
// the asker. nact's query is not used.
import { KinactError } from '../src/api/errors.js';
import type { Ref, ReplyTo } from './actor.js';
import type { Timers } from '../src/api/ports.js';

/** One open question. The first event that closes it wins; later ones do not find it. */
export interface OpenQuestion {
  readonly replyTo: ReplyTo<unknown>;
  answer(answer: unknown, by: Ref<never> | undefined): void;
  fail(error: Error): void;
  /** The asker no longer wants an answer. */
  withdraw(): void;
}

/** The open questions that an actor has asked, or those that it was asked. */
export type Questions = Set<OpenQuestion>;

const openByNumber = new Map<number, OpenQuestion>();
let lastQuestion = 0;

/**
 * Opens a question. Until it is closed, the asked actor keeps it in `incomingQuestions`, and the asker in `outgoingQuestions`.
 * Either `answered` or `failed` is called, at most once.
 */
export function openQuestion(question: {
  readonly asker: Ref<never>;
  readonly to: Ref<never>;
  readonly incomingQuestions: Questions;
  readonly outgoingQuestions: Questions | undefined;
  readonly timers: Timers;
  readonly deadlineMs: number | undefined;
  readonly answered: (answer: unknown, by: Ref<never> | undefined) => void;
  readonly failed: (error: Error) => void;
}): OpenQuestion {
  const { asker, to, incomingQuestions, outgoingQuestions, timers, deadlineMs } = question;
  const number = ++lastQuestion;
  let cancelDeadline: (() => void) | undefined;

  const close = (): void => {
    openByNumber.delete(number);
    incomingQuestions.delete(entry);
    outgoingQuestions?.delete(entry);
    cancelDeadline?.();
  };

  const entry: OpenQuestion = {
    replyTo: { asker, question: number },
    answer(answer, by) {
      close();
      question.answered(answer, by);
    },
    fail(error) {
      close();
      question.failed(error);
    },
    withdraw: close,
  };

  openByNumber.set(number, entry);
  incomingQuestions.add(entry);
  outgoingQuestions?.add(entry);
  if (deadlineMs !== undefined && deadlineMs !== Infinity) {
    cancelDeadline = timers.after(deadlineMs, () => {
      if (openByNumber.has(number)) entry.fail(askTimeout(to, deadlineMs));
    });
  }

  return entry;
}

/** Answers a question. Returns false if the question is closed: answered before, failed, or withdrawn. */
export function answerQuestion(replyTo: ReplyTo<never>, answer: unknown, by: Ref<never> | undefined): boolean {
  const entry = openByNumber.get(replyTo.question);
  // The number alone is not enough, because another copy of this module also counts from 1.
  if (entry?.replyTo.asker !== replyTo.asker) return false;
  entry.answer(answer, by);
  return true;
}

/** How many questions are open in the whole process: zero once everything has stopped. */
export function openQuestions(): number {
  return openByNumber.size;
}

/** `because`: the error of the actor's own crash, or of the actor above that stopped it. */
export function actorStopped(ref: Ref<never>, because?: Error): KinactError {
  return new KinactError('ACTOR_STOPPED', `Actor ${ref.path} has stopped, or never existed.`, {
    data: { actor: ref.path },
    ...(because === undefined ? {} : { cause: because }),
  });
}

function askTimeout(ref: Ref<never>, deadlineMs: number): KinactError {
  return new KinactError('ASK_TIMEOUT', `Actor ${ref.path} did not answer within ${deadlineMs} ms.`, {
    retryable: true,
    data: { actor: ref.path },
  });
}
