// The errors that the models behind the scripted server answer with. Called by all of them.

/** An error that the service answers with. The model throws it, and `errorAnswer` writes it as the AWS JSON protocols do. */
export class AwsAnswerError extends Error {
  readonly code: string;
  readonly status: number;
  /** Further members of the body, such as the `Item` of a failed condition. */
  readonly members: object;

  constructor(code: string, message: string, status = 400, members: object = {}) {
    super(message);
    this.code = code;
    this.status = status;
    this.members = members;
  }
}

export const notFound = (message: string): AwsAnswerError => new AwsAnswerError('ResourceNotFoundException', message);
export const invalidArgument = (message: string): AwsAnswerError =>
  new AwsAnswerError('InvalidArgumentException', message);

/** A member of a request that must be there. */
export function requiredText(value: unknown): string {
  if (typeof value !== 'string') throw new AwsAnswerError('ValidationException', 'A required member is missing.');
  return value;
}
