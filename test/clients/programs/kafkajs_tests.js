// Tests written for kafkajs.
//
//     node kafkajs_tests.js --list
//     node kafkajs_tests.js TEST HOST:PORT
//
// NODE_PATH names the folder with kafkajs and the codec packages. Exit code 0 means passed; a
// failure prints its cause last.
'use strict';

const assert = require('node:assert/strict');
const {
  AssignerProtocol, CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, logLevel,
  PartitionAssigners,
} = require('kafkajs');

const patience = 30_000;
let serial = Date.now();
const unique = what => `kafkajs-${what}-${++serial}`;
const sleep = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));

async function until(complaint, condition) {
  const deadline = Date.now() + patience;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(complaint);
    await sleep(50);
  }
}

// A client with helpers that are closed when the test ends.
function open(broker) {
  const kafka = new Kafka({
    clientId: 'magpie-test', brokers: [broker], logLevel: logLevel.ERROR,
    retry: { initialRetryTime: 50, retries: 8 },
  });
  const opened = [];
  const keep = async client => {
    await client.connect();
    opened.push(client);
    return client;
  };
  return {
    kafka,
    admin: () => keep(kafka.admin()),
    producer: options => keep(kafka.producer(options)),
    consumer: options => keep(kafka.consumer(
      { sessionTimeout: 10_000, heartbeatInterval: 500, maxWaitTimeInMs: 300, ...options })),
    close: () => Promise.all(opened.map(client => client.disconnect())),
  };
}

async function makeTopic(client, what, numPartitions = 1, configs = {}) {
  const topic = unique(what);
  const admin = await client.admin();
  const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }));
  assert.equal(await admin.createTopics({
    waitForLeaders: false, topics: [{ topic, numPartitions, replicationFactor: 1, configEntries }],
  }), true);
  await until(`${topic} is not described`, async () => await partitionCount(admin, topic) > 0);
  return topic;
}

// Number of partitions that metadata show, 0 for a topic that is not known (yet).
async function partitionCount(admin, topic) {
  try {
    return (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length;
  } catch (error) {
    if (error.type === 'UNKNOWN_TOPIC_OR_PARTITION') return 0;
    throw error;
  }
}

const numbered = count => Array.from({ length: count }, (_, number) => ({
  key: `key-${number}`, value: `value ${number} ${'x'.repeat(number * 7 % 150)}`, partition: 0,
}));

// Reads `count` messages of `topics` with a group of its own, as { topic, partition, message }.
async function readAll(client, topics, count, options = {}) {
  const consumer = await client.consumer({ groupId: unique('reader'), ...options });
  await consumer.subscribe({ topics, fromBeginning: true });
  const got = [];
  await consumer.run({ eachMessage: async payload => { got.push(payload); } });
  await until(`read fewer than ${count} messages`, () => got.length >= count);
  await consumer.stop();
  assert.equal(got.length, count);
  return got;
}

async function codecRoundTrip(client, compression) {
  const topic = await makeTopic(client, 'codec');
  const producer = await client.producer();
  const messages = numbered(500);
  const [sent] = await producer.send({ topic, messages, compression, acks: -1 });
  assert.equal(sent.errorCode, 0);
  assert.equal(sent.baseOffset, '0');
  const got = await readAll(client, [topic], 500);
  assert.deepEqual(got.map(({ message }) => message.value.toString()),
    messages.map(message => message.value));
  assert.deepEqual(got.map(({ message }) => message.offset), messages.map((_, at) => String(at)));
}

function useSnappy() {
  CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy');
}

function useLz4() {
  const lz4 = require('lz4js');
  const xxh32 = require('lz4js/xxh32.js');
  // lz4js makes independent blocks without saying so; Java's reader insists on the flag.
  const sayIndependent = frame => {
    frame[4] |= 0x20;
    frame[6] = (xxh32.hash(0, frame, 4, 2) >>> 8) & 0xff;
    return frame;
  };
  CompressionCodecs[CompressionTypes.LZ4] = () => ({
    compress: async encoder => sayIndependent(Buffer.from(lz4.compress(encoder.buffer))),
    decompress: async buffer => Buffer.from(lz4.decompress(buffer)),
  });
}

async function useZstd() {
  const { ZstdCodec } = require('zstd-codec');
  const zstd = await new Promise(resolve => ZstdCodec.run(resolve));
  const codec = new zstd.Streaming();
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: async encoder => Buffer.from(codec.compress(encoder.buffer)),
    decompress: async buffer => Buffer.from(codec.decompress(buffer)),
  });
}

async function refusal(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('was not refused');
}

// The list of members that each of `consumers` (all of one group) own, kept up to date.
function watch(consumers) {
  const owned = consumers.map(() => []);
  consumers.forEach((consumer, at) => {
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      owned[at] = Object.values(payload.memberAssignment).flat();
    });
  });
  return owned;
}

const isSplit = (owned, partitions) =>
  owned.every(part => part.length > 0) &&
  [...owned.flat()].sort((a, b) => a - b).join() === [...Array(partitions).keys()].join();

const tests = {
  async codec_none(client) { await codecRoundTrip(client, CompressionTypes.None); },
  async codec_gzip(client) { await codecRoundTrip(client, CompressionTypes.GZIP); },

  async codec_snappy(client) {
    useSnappy();
    await codecRoundTrip(client, CompressionTypes.Snappy);
  },

  async codec_lz4(client) {
    useLz4();
    await codecRoundTrip(client, CompressionTypes.LZ4);
  },

  async codec_zstd(client) {
    await useZstd();
    await codecRoundTrip(client, CompressionTypes.ZSTD);
  },

  async acks(client) {
    const topic = await makeTopic(client, 'acks');
    const producer = await client.producer();
    for (const acks of [0, 1, -1]) await producer.send({ topic, acks, messages: numbered(10) });
    await readAll(client, [topic], 30);
  },

  async idempotent_producer(client) {
    const topic = await makeTopic(client, 'idempotent', 3);
    const producer = await client.producer({ idempotent: true, maxInFlightRequests: 1 });
    for (let round = 0; round < 20; ++round) {
      await producer.send({
        topic, messages: [0, 1, 2].map(partition => ({ partition, value: `${round}` })),
      });
    }
    const got = await readAll(client, [topic], 60);
    for (const partition of [0, 1, 2]) {
      assert.deepEqual(
        got.filter(item => item.partition === partition).map(item => item.message.value.toString()),
        Array.from({ length: 20 }, (_, round) => String(round)));
    }
  },

  async batch_over_several_topics(client) {
    const topics = [await makeTopic(client, 'one'), await makeTopic(client, 'two', 2)];
    const producer = await client.producer();
    const sent = await producer.sendBatch({
      acks: -1,
      topicMessages: topics.map(topic => ({ topic, messages: numbered(40) })),
    });
    assert.deepEqual(sent.map(item => item.errorCode), [0, 0]);
    const got = await readAll(client, topics, 80);
    for (const topic of topics) assert.equal(got.filter(item => item.topic === topic).length, 40);
  },

  async keys_headers_timestamps(client) {
    const topic = await makeTopic(client, 'record');
    const producer = await client.producer();
    await producer.send({
      topic,
      messages: [
        { key: 'k', value: 'v', headers: { a: '1', b: ['2', '3'] }, timestamp: '1600000000123' },
        { key: 'tombstone', value: null },
      ],
    });
    const [first, second] = (await readAll(client, [topic], 2)).map(item => item.message);
    assert.equal(first.key.toString(), 'k');
    assert.equal(first.timestamp, '1600000000123');
    assert.equal(first.headers.a.toString(), '1');
    assert.deepEqual(first.headers.b.map(String), ['2', '3']);
    assert.equal(second.value, null);
  },

  async auto_created_topic(client) {
    const topic = unique('auto');
    const producer = await client.producer({ allowAutoTopicCreation: true });
    await producer.send({ topic, messages: [{ value: 'x' }] });
    const admin = await client.admin();
    assert.equal(await partitionCount(admin, topic), 4);
  },

  async too_large_message_is_refused(client) {
    const topic = await makeTopic(client, 'too-large', 1, { 'max.message.bytes': '2000' });
    const producer = await client.producer();
    await producer.send({ topic, messages: [{ value: 'x'.repeat(1000) }] });
    const error = await refusal(
      producer.send({ topic, messages: [{ value: 'x'.repeat(5000) }] }));
    assert.equal((error.cause || error).type, 'MESSAGE_TOO_LARGE');
  },

  async consumer_reads_while_written(client) {
    const topic = await makeTopic(client, 'tail');
    const producer = await client.producer();
    const consumer = await client.consumer({ groupId: unique('group') });
    await consumer.subscribe({ topic, fromBeginning: true });
    const got = [];
    await consumer.run({ eachBatch: async ({ batch }) => { got.push(...batch.messages); } });
    for (let round = 0; round < 30; ++round) {
      await producer.send({ topic, messages: numbered(10) });
    }
    await until('the tail did not arrive', () => got.length >= 300);
    assert.deepEqual(got.map(message => Number(message.offset)), [...Array(300).keys()]);
  },

  async group_resumes_where_it_committed(client) {
    const topic = await makeTopic(client, 'resume');
    const producer = await client.producer();
    const groupId = unique('group');
    let expected = 0;
    for (let round = 0; round < 3; ++round) {
      await producer.send({ topic, messages: numbered(25) });
      const got = await readAll(client, [topic], 25, { groupId });
      assert.deepEqual(got.map(({ message }) => Number(message.offset)),
        Array.from({ length: 25 }, (_, at) => expected + at));
      expected += 25;
    }
  },

  async group_of_two_shares_partitions(client) {
    const topic = await makeTopic(client, 'share', 6);
    const groupId = unique('group');
    const consumers = [await client.consumer({ groupId }), await client.consumer({ groupId })];
    const owned = watch(consumers);
    const got = [];
    for (const consumer of consumers) {
      await consumer.subscribe({ topic, fromBeginning: true });
      await consumer.run({
        eachMessage: async ({ partition, message }) => {
          got.push(`${partition}/${message.offset}`);
        },
      });
    }
    await until('two members do not share six partitions', () => isSplit(owned, 6));
    const producer = await client.producer();
    for (let partition = 0; partition < 6; ++partition) {
      await producer.send({ topic, messages: numbered(20).map(item => ({ ...item, partition })) });
    }
    await until('not all messages came', () => got.length >= 120);
    assert.equal(new Set(got).size, got.length, 'messages came twice');
    await consumers[0].stop();
    await until('the one that stayed did not get all', () => isSplit([owned[1]], 6));
  },

  async pause_resume_seek(client) {
    const topic = await makeTopic(client, 'seek');
    await (await client.producer()).send({ topic, messages: numbered(50) });
    const consumer = await client.consumer({ groupId: unique('group') });
    await consumer.subscribe({ topic, fromBeginning: true });
    const got = [];
    await consumer.run({
      eachMessage: async ({ message }) => { got.push(Number(message.offset)); },
    });
    await until('the first reading did not end', () => got.length === 50);
    consumer.pause([{ topic }]);
    await (await client.producer()).send({ topic, messages: numbered(5) });
    consumer.seek({ topic, partition: 0, offset: '20' });
    await sleep(700);
    assert.equal(got.length, 50, 'a paused topic was read');
    consumer.resume([{ topic }]);
    await until('the second reading did not end', () => got.length === 85);
    assert.deepEqual(got.slice(50), Array.from({ length: 35 }, (_, at) => 20 + at));
  },

  async manual_commit_with_metadata(client) {
    const topic = await makeTopic(client, 'commit');
    await (await client.producer()).send({ topic, messages: numbered(10) });
    const groupId = unique('group');
    const consumer = await client.consumer({ groupId });
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => {
        if (message.offset !== '9') return;
        await consumer.commitOffsets([{ topic, partition, offset: '7', metadata: 'a note' }]);
      },
    });
    const admin = await client.admin();
    const found = async () =>
      (await admin.fetchOffsets({ groupId, topics: [topic] }))[0].partitions[0];
    await until('the commit did not arrive', async () => (await found()).offset === '7');
    assert.equal((await found()).metadata, 'a note');
  },

  async subscribe_by_pattern(client) {
    const prefix = unique('pattern');
    const admin = await client.admin();
    const names = ['a', 'b'].map(letter => `${prefix}-${letter}`);
    await admin.createTopics({
      waitForLeaders: false, topics: names.map(topic => ({ topic, numPartitions: 1 })) });
    for (const topic of names) {
      await until(`${topic} is not described`, async () => await partitionCount(admin, topic) > 0);
    }
    const producer = await client.producer();
    for (const topic of names) await producer.send({ topic, messages: [{ value: 'x' }] });
    const got = await readAll(client, [new RegExp(`^${prefix}-.*`)], 2);
    assert.deepEqual(got.map(item => item.topic).sort(), names);
  },

  async group_survives_a_member_without_goodbye(client) {
    const topic = await makeTopic(client, 'session', 2);
    const groupId = unique('group');
    const options = { groupId, sessionTimeout: 6_000, rebalanceTimeout: 6_000 };
    const consumers = [await client.consumer(options), await client.consumer(options)];
    const owned = watch(consumers);
    for (const consumer of consumers) {
      await consumer.subscribe({ topic, fromBeginning: true });
    }
    let stuck = false;
    await consumers[0].run({ eachMessage: async () => { stuck = true; await sleep(20_000); } });
    await consumers[1].run({ eachMessage: async () => {} });
    await until('two members do not share two partitions', () => isSplit(owned, 2));
    const producer = await client.producer();
    await producer.send({ topic, messages: [0, 1].map(partition => ({ partition, value: 'x' })) });
    await until('the first member got nothing', () => stuck);
    await until('a silent member kept its partition', () => isSplit([owned[1]], 2));
  },

  async admin_topics(client) {
    const admin = await client.admin();
    const topic = await makeTopic(client, 'admin', 2);
    assert.equal(await admin.createTopics({ topics: [{ topic }] }), false, 'created twice');
    assert((await admin.listTopics()).includes(topic));
    await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] });
    await until('the new partitions are not listed', async () =>
      await partitionCount(admin, topic) === 5);
    const error = await refusal(
      admin.createTopics({ validateOnly: true, topics: [{ topic: unique('bad') + '/x' }] }));
    assert.equal(error.errors[0].type, 'INVALID_TOPIC_EXCEPTION');
    assert.equal(await admin.createTopics({
      validateOnly: true, waitForLeaders: false,
      topics: [{ topic: `${topic}-not-made`, numPartitions: 1 }],
    }), true);
    await admin.deleteTopics({ topics: [topic] });
    await until('still listed', async () => !(await admin.listTopics()).includes(topic));
    assert(!(await admin.listTopics()).includes(`${topic}-not-made`));
  },

  async admin_offsets(client) {
    const topic = await makeTopic(client, 'offsets', 2);
    const producer = await client.producer();
    await producer.send({
      topic,
      messages: [0, 1, 2, 3].map(number => ({
        partition: 0, value: 'x', timestamp: String(1_600_000_000_000 + number * 1000) })),
    });
    const admin = await client.admin();
    const at = (list, partition) => list.find(item => item.partition === partition);
    const offsets = await admin.fetchTopicOffsets(topic);
    assert.deepEqual({ ...at(offsets, 0) }, { partition: 0, offset: '4', high: '4', low: '0' });
    assert.equal(at(offsets, 1).offset, '0');
    const byTime = await admin.fetchTopicOffsetsByTimestamp(topic, 1_600_000_001_500);
    assert.equal(at(byTime, 0).offset, '2');
    const groupId = unique('group');
    await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '3' }] });
    let [found] = await admin.fetchOffsets({ groupId, topics: [topic] });
    assert.equal(at(found.partitions, 0).offset, '3');
    assert.equal(at(found.partitions, 1).offset, '-1');
    await admin.resetOffsets({ groupId, topic, earliest: true });
    [found] = await admin.fetchOffsets({ groupId, topics: [topic], resolveOffsets: true });
    assert.equal(at(found.partitions, 0).offset, '0');
  },

  async admin_delete_records(client) {
    const topic = await makeTopic(client, 'delete-records');
    await (await client.producer()).send({ topic, messages: numbered(20) });
    const admin = await client.admin();
    await admin.fetchTopicOffsets(topic);  // so that the client has loaded the topic's metadata
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '12' }] });
    const [offsets] = await admin.fetchTopicOffsets(topic);
    assert.equal(offsets.low, '12');
    const got = await readAll(client, [topic], 8);
    assert.equal(got[0].message.offset, '12');
  },

  async admin_configs(client) {
    const topic = await makeTopic(client, 'configs', 1, { 'retention.ms': '123456' });
    const admin = await client.admin();
    const describe = async configNames => {
      const { resources } = await admin.describeConfigs({
        includeSynonyms: true,
        resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames }],
      });
      return Object.fromEntries(
        resources[0].configEntries.map(entry => [entry.configName, entry]));
    };
    const all = await describe();
    assert.equal(all['retention.ms'].configValue, '123456');
    assert.equal(all['retention.ms'].configSource, 1);
    assert.equal(all['cleanup.policy'].isDefault, true);
    assert(Object.keys(all).length >= 20, `${Object.keys(all).length} configs described`);
    assert.deepEqual(Object.keys(await describe(['segment.ms'])), ['segment.ms']);
    await admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic,
        configEntries: [{ name: 'retention.ms', value: '654321' }] }],
    });
    await until('retention.ms is the old one', async () =>
      (await describe(['retention.ms']))['retention.ms'].configValue === '654321');
    const { resources } = await admin.describeConfigs({
      resources: [{ type: ConfigResourceTypes.BROKER, name: '1' }] });
    assert(resources[0].configEntries.length > 0, 'the broker describes no configuration');
  },

  async admin_groups(client) {
    const topic = await makeTopic(client, 'groups');
    const groupId = unique('group');
    const consumer = await client.consumer({ groupId });
    const joined = new Promise(resolve => consumer.on(consumer.events.GROUP_JOIN, resolve));
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({ eachMessage: async () => {} });
    await joined;
    const admin = await client.admin();
    assert((await admin.listGroups()).groups.some(group => group.groupId === groupId));
    const [described] = (await admin.describeGroups([groupId])).groups;
    assert.equal(described.state, 'Stable');
    const member = described.members[0];
    assert.equal(member.clientId, 'magpie-test');
    assert.deepEqual(AssignerProtocol.MemberAssignment.decode(member.memberAssignment).assignment,
      { [topic]: [0] });
    const busy = await refusal(admin.deleteGroups([groupId]));
    assert.equal(busy.groups[0].error.type, 'NON_EMPTY_GROUP');
    await consumer.stop();
    await admin.deleteGroups([groupId]);
    assert(!(await admin.listGroups()).groups.some(group => group.groupId === groupId));
  },

  async admin_cluster(client, broker) {
    const described = await (await client.admin()).describeCluster();
    assert.deepEqual(described.brokers.map(({ host, port }) => `${host}:${port}`), [broker]);
    assert.equal(described.controller, described.brokers[0].nodeId);
    assert(described.clusterId);
  },

  async admin_partition_reassignments(client) {
    const topic = await makeTopic(client, 'reassignments');
    const { topics } = await (await client.admin()).listPartitionReassignments(
      { topics: [{ topic, partitions: [0] }] });
    assert.deepEqual(topics, []);
  },

  async custom_assigner_bytes_pass_through(client) {
    const topic = await makeTopic(client, 'assigner', 3);
    const data = Buffer.from([0, 255, 1, 254]);
    let seen = null;
    const assigner = ({ cluster }) => {
      const inner = PartitionAssigners.roundRobin({ cluster });
      return {
        ...inner,
        name: 'Opaque',
        protocol: ({ topics }) => ({
          name: 'Opaque',
          metadata: AssignerProtocol.MemberMetadata.encode({ version: 3, topics, userData: data }),
        }),
        assign: async input => {
          seen = AssignerProtocol.MemberMetadata.decode(input.members[0].memberMetadata);
          return inner.assign(input);
        },
      };
    };
    const consumer = await client.consumer({
      groupId: unique('group'), partitionAssigners: [assigner] });
    const owned = watch([consumer]);
    await consumer.subscribe({ topic });
    await consumer.run({ eachMessage: async () => {} });
    await until('the assignment did not arrive', () => isSplit(owned, 3));
    assert.deepEqual(seen.userData, data);
  },
};

async function main([test, broker]) {
  if (test === '--list') {
    console.log(Object.keys(tests).join('\n'));
    return;
  }
  const client = open(broker);
  await tests[test](client, broker);
  await client.close();
}

process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1';
main(process.argv.slice(2)).then(
  () => process.exit(0),
  error => {
    console.error(error);
    console.error(`${error.name}: ${error.message.split('\n').join(' ')}`);
    process.exit(1);
  });
