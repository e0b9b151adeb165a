// The consumers of enhanced fan-out in the scripted Kinesis: states, limits, errors and pages as AWS gives them. The client is the SDK's.
import { expect } from 'chai';
import {
  DeleteStreamCommand,
  DeregisterStreamConsumerCommand,
  DescribeStreamConsumerCommand,
  DescribeStreamSummaryCommand,
  KinesisClient,
  ListStreamConsumersCommand,
  RegisterStreamConsumerCommand,
} from '@aws-sdk/client-kinesis';
import { scriptedServer, type ScriptedServer } from '../../../src/testing/scripted-server/scripted-server.js';

describe('the consumers of the scripted Kinesis', () => {
  let server: ScriptedServer;
  let client: KinesisClient;
  let StreamARN: string;
  beforeEach(async () => {
    const startedAt = 1_700_000_000_500;
    server = await scriptedServer({ kinesis: { now: () => startedAt, consumerMs: 2_000, consumerLimit: 7 } });
    client = new KinesisClient({ ...server.clientConfig, maxAttempts: 1 });
    StreamARN = server.kinesis.createStream('orders').arn;
  });
  afterEach(() => server.stop());

  const register = (ConsumerName: string) =>
    client.send(new RegisterStreamConsumerCommand({ StreamARN, ConsumerName }));
  const describeByName = (ConsumerName: string) =>
    client.send(new DescribeStreamConsumerCommand({ StreamARN, ConsumerName }));
  const nameOf = (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => 'no error',
      (error: Error) => error.name,
    );

  it('are CREATING, then ACTIVE, and described by name or by an ARN with the time of their creation', async () => {
    const { Consumer } = await register('app');
    expect(Consumer).to.include({ ConsumerName: 'app', ConsumerStatus: 'CREATING' });
    expect(Consumer!.ConsumerARN).to.equal(`${StreamARN}/consumer/app:1700000000`);
    expect(Consumer!.ConsumerCreationTimestamp!.getTime()).to.equal(1_700_000_000_500);

    server.kinesis.advance(1_999);
    expect((await describeByName('app')).ConsumerDescription!.ConsumerStatus).to.equal('CREATING');
    server.kinesis.advance(1);
    const byArn = await client.send(new DescribeStreamConsumerCommand({ ConsumerARN: Consumer!.ConsumerARN! }));
    expect(byArn.ConsumerDescription).to.include({ ConsumerName: 'app', ConsumerStatus: 'ACTIVE', StreamARN });
  });

  it('are refused when the name is taken, when there is no such stream, and above the limits', async () => {
    await register('a');
    expect(await nameOf(register('a'))).to.equal('ResourceInUseException');
    expect(await nameOf(register('no spaces'))).to.equal('ValidationException');
    const elsewhere = { StreamARN: StreamARN.replace('orders', 'nothing'), ConsumerName: 'a' };
    expect(await nameOf(client.send(new RegisterStreamConsumerCommand(elsewhere)))).to.equal(
      'ResourceNotFoundException',
    );

    for (const name of ['b', 'c', 'd', 'e']) await register(name);
    expect(await nameOf(register('f')), 'the sixth CREATING').to.equal('LimitExceededException');
    server.kinesis.advance(2_000);
    for (const name of ['f', 'g']) await register(name);
    server.kinesis.advance(2_000);
    expect(await nameOf(register('h')), 'the eighth').to.equal('LimitExceededException');

    server.kinesis.stream('orders').status = 'UPDATING';
    expect(await nameOf(register('h'))).to.equal('ResourceInUseException');
  });

  it('are counted, and listed in pages, with a token that expires', async () => {
    for (const name of ['c', 'a', 'b']) await register(name);
    const { StreamDescriptionSummary: summary } = await client.send(new DescribeStreamSummaryCommand({ StreamARN }));
    expect(summary!.ConsumerCount).to.equal(3);
    const page = await client.send(new ListStreamConsumersCommand({ StreamARN, MaxResults: 2 }));
    expect(page.Consumers!.map((one) => one.ConsumerName)).to.deep.equal(['a', 'b']);
    const rest = { StreamARN, NextToken: page.NextToken! };
    const last = await client.send(new ListStreamConsumersCommand(rest));
    expect(last.Consumers!.map((one) => one.ConsumerName)).to.deep.equal(['c']);
    expect(last.NextToken).to.equal(undefined);
    server.kinesis.advance(300_001);
    expect(await nameOf(client.send(new ListStreamConsumersCommand(rest)))).to.equal('ExpiredNextTokenException');
  });

  it('are DELETING, then gone, once they are deregistered', async () => {
    const { Consumer } = await register('app');
    await client.send(new DeregisterStreamConsumerCommand({ ConsumerARN: Consumer!.ConsumerARN! }));
    expect((await describeByName('app')).ConsumerDescription!.ConsumerStatus).to.equal('DELETING');
    expect(await nameOf(register('app'))).to.equal('ResourceInUseException');
    server.kinesis.advance(2_000);
    expect(await nameOf(describeByName('app'))).to.equal('ResourceNotFoundException');
    const again = new DeregisterStreamConsumerCommand({ StreamARN, ConsumerName: 'app' });
    expect(await nameOf(client.send(again))).to.equal('ResourceNotFoundException');
    const second = await register('app');
    expect(second.Consumer!.ConsumerARN).to.not.equal(Consumer!.ConsumerARN);
    const former = new DescribeStreamConsumerCommand({ ConsumerARN: Consumer!.ConsumerARN! });
    expect(await nameOf(client.send(former)), 'the ARN of the former one').to.equal('ResourceNotFoundException');
  });

  it('keep their stream from being deleted unless the call says so, and end with it', async () => {
    await register('app');
    const remove = (EnforceConsumerDeletion?: boolean) =>
      nameOf(client.send(new DeleteStreamCommand({ StreamName: 'orders', EnforceConsumerDeletion })));
    expect(await remove()).to.equal('ResourceInUseException');
    expect(await remove(true)).to.equal('no error');
    expect(await nameOf(describeByName('app'))).to.equal('ResourceNotFoundException');
    server.kinesis.createStream('orders');
    expect(await nameOf(describeByName('app')), 'in a new stream of that name').to.equal('ResourceNotFoundException');
  });
});
