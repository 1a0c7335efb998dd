// Scenarios on Node: node_client.js ws|builtin|http2 ws://127.0.0.1:PORT
// Both clients have the browser's interface; ws has more, used where needed.
// "http2" is ws, too, over streams of one connection of Node's HTTP/2 client.
'use strict';
const assert = require('node:assert/strict');
const { randomBytes } = require('node:crypto');
const diagnostics = require('node:diagnostics_channel');
const { on, once } = require('node:events');
const http2 = require('node:http2');

const builtin = process.argv[2] === 'builtin';
const overHttp2 = process.argv[2] === 'http2';
const base = process.argv[3].replace(/\/$/, '');
const WebSocket = builtin ? globalThis.WebSocket : require('ws');

const MODE = process.env.INTEROP_MODE ?? 'plain'; // set by `run`: see README.md
const SKIP = (process.env.INTEROP_SKIP ?? '').split(' ');
const LIMIT = 10; // seconds for one scenario
const MIB = 1024 * 1024;

const MIXED = 'aß漢😀'; // characters of 1, 2, 3 and 4 bytes: 10 bytes together
const TEXT_10K = 'ß' + MIXED.repeat(999) + '12345678'; // byte 1000 is inside a character
const TEXT_1MIB = MIXED.repeat(Math.floor(MIB / 10)) + 'a'.repeat(MIB % 10);

const pattern = (size) => Buffer.from(Uint8Array.from({ length: size }, (_, i) => i % 251));

function same(what, got, want) {
  if (Buffer.isBuffer(got) && Buffer.isBuffer(want) && got.equals(want)) return;
  if (!Buffer.isBuffer(got) && got === want) return;
  const show = (v) =>
    Buffer.isBuffer(v) ? `${v.length} bytes ${v.toString('hex', 0, 20)}` : JSON.stringify(v)?.slice(0, 60);
  throw new Error(`${what}: got ${show(got)}, want ${show(want)}`);
}

// Neither client exposes its socket, which counts the bytes on the wire.
let socket;
diagnostics.subscribe('net.client.socket', (message) => (socket = message.socket));

function connect(path, protocols, offer) {
  if (builtin) return new WebSocket(base + path, protocols); // offers compression always, without any wishes
  const perMessageDeflate = MODE !== 'plain' && { threshold: 0, ...offer };
  if (overHttp2) return connectHttp2(path, protocols, perMessageDeflate);
  return new WebSocket(base + path, protocols, { perMessageDeflate, maxPayload: 64 * MIB });
}

let session; // of HTTP/2, for all WebSockets
const resets = [];

/** ws has no client for HTTP/2. So the handshake is here, and ws has the stream as its socket. */
function connectHttp2(path, protocols, offer) {
  const { extension, PerMessageDeflate } = WebSocket;
  const deflate = offer && new PerMessageDeflate({ ...offer, maxPayload: 64 * MIB });
  const ws = new WebSocket(null, undefined, { autoPong: true, closeTimeout: LIMIT * 1000 });
  ws._isServer = false; // it takes a WebSocket without an address for that of a server
  const headers = {
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':path': path,
    ':scheme': 'http',
    ':authority': new URL(base).host,
    'sec-websocket-version': '13',
  };
  if (protocols.length) headers['sec-websocket-protocol'] = protocols.join(', ');
  if (deflate) headers['sec-websocket-extensions'] = extension.format({ 'permessage-deflate': deflate.offer() });
  const stream = session.request(headers, { endStream: false });
  const failed = (error) => ws.emit('error', error);
  stream.once('error', failed);
  stream.on('close', () => stream.rstCode && !stream.readableEnded && resets.push(`${path}: code ${stream.rstCode}`));
  stream.once('response', (response) => {
    if (response[':status'] !== 200) {
      ws.emit('unexpected-response', null, Object.assign(stream, { statusCode: response[':status'], headers: response }));
      return;
    }
    stream.off('error', failed);
    ws.emit('upgrade', { headers: response });
    ws._protocol = response['sec-websocket-protocol'] ?? '';
    const agreed = response['sec-websocket-extensions'];
    if (agreed) {
      deflate.accept(extension.parse(agreed)['permessage-deflate']);
      ws._extensions['permessage-deflate'] = deflate;
    }
    ws.setSocket(stream, Buffer.alloc(0), { maxPayload: 64 * MIB });
  });
  return ws;
}

/** Connects, and waits until the server allows extended CONNECT (RFC 8441 §3). */
async function openSession() {
  session = http2.connect(base.replace('ws:', 'http:'));
  const [settings] = await once(session, 'remoteSettings', { signal: AbortSignal.timeout(LIMIT * 1000) });
  same('enableConnectProtocol', settings.enableConnectProtocol, true);
}

/** All streams have ended, none by a reset; then the connection. */
async function closeSession() {
  session.close();
  await once(session, 'close', { signal: AbortSignal.timeout(LIMIT * 1000) });
  same('resets', resets.join(), '');
}

/** Opens a connection. Lists what arrives, so that nothing is missed. */
async function open(path, protocols = [], offer = {}) {
  const ws = connect(path, protocols, offer);
  // The answer of the server. ws has only the name in `extensions`.
  let agreed;
  if (!builtin) ws.on('upgrade', ({ headers }) => (agreed = headers['sec-websocket-extensions'] ?? ''));
  ws.binaryType = 'arraybuffer';
  const messages = on(ws, 'message', { close: ['close'] });
  const closed = new Promise((done) => ws.addEventListener('close', done));
  let error = 'no error event';
  const failed = new Promise((done) =>
    ws.addEventListener('error', (event) => {
      error = event.message;
      done(false); // Node 20 has no close event after a refusal
    }));
  const pings = [];
  if (!builtin) ws.on('ping', (payload) => pings.push(String(payload)));
  const opened = new Promise((done) => ws.addEventListener('open', () => done(true)));
  if (!(await Promise.race([opened, failed]))) throw new Error(`not opened: ${error}`);

  const receive = async () => {
    const { value, done } = await messages.next();
    if (done) throw new Error(`closed: ${(await closed).code}, ${error}`);
    if (!builtin) return value[1] ? Buffer.from(value[0]) : String(value[0]);
    const { data } = value[0];
    return typeof data === 'string' ? data : Buffer.from(data);
  };
  const leave = async (code, reason) => {
    ws.close(code, reason);
    return await closed;
  };
  agreed = (agreed ?? ws.extensions).split(';').map((part) => part.trim());
  return { ws, receive, closed, leave, pings, agreed };
}

function clean(end, code, reason) {
  same('wasClean', end.wasClean, true);
  same('close code', end.code, code);
  if (reason !== undefined) same('close reason', end.reason, reason);
}

const scenarios = {};

/** A scenario on an open connection, closed cleanly after it. */
function scenario(name, path, protocols, run) {
  scenarios[name] = () => onConnection(run, path, protocols);
}

async function onConnection(run, ...options) {
  const connection = await open(...options);
  await run(connection);
  clean(await connection.leave(1000, ''), 1000);
}

function echo(name, message, path = '/') {
  scenario(name, path, [], async ({ ws, receive }) => {
    ws.send(message);
    same('echo', await receive(), message);
  });
}

echo('text-ascii', 'hello');
echo('text-multibyte', 'Grüße, 漢字');
echo('text-emoji', '😀👩‍👩‍👧🇺🇳');
echo('text-empty', '');
echo('text-1MiB', TEXT_1MIB);
for (const size of [0, 1, 125, 126, 65535, 65536]) echo(`binary-${size}`, pattern(size));
echo('binary-1MiB', pattern(MIB));
// Neither client shows the fragments, only the whole message.
echo('receive-fragmented-text', TEXT_10K, '/fragment/1000');
echo('receive-fragmented-binary', pattern(10000), '/fragment/1000');

scenario('ping-from-server', '/ping/hello', [], async ({ ws, receive, pings }) => {
  // The second is certainly sent after the Pong.
  for (const sent of ['still here', 'and here']) {
    ws.send(sent);
    let message;
    // The server reports the Pong.
    do message = await receive(); while (message === 'ponged hello');
    same('echo', message, sent);
  }
  if (!builtin) same('pings', pings.join(), 'hello');
});
scenario('subprotocol-first', '/', ['chat.v2', 'chat.v1'], ({ ws }) => same('subprotocol', ws.protocol, 'chat.v2'));
scenario('subprotocol-none', '/', [], ({ ws }) => same('subprotocol', ws.protocol, ''));
scenario('extensions', '/', [], ({ agreed }) => {
  same('name', agreed[0], MODE === 'plain' ? '' : 'permessage-deflate');
  const limits = [
    'server_no_context_takeover',
    'client_no_context_takeover',
    'server_max_window_bits=9',
    'client_max_window_bits=9',
  ];
  for (const limit of limits) same(limit, agreed.includes(limit), MODE === 'limits');
});

/** Echoes a text. Returns its bytes on the wire. */
async function roundTrip({ ws, receive }, text) {
  const { bytesWritten, bytesRead } = socket;
  ws.send(text);
  same('echo', await receive(), text);
  return { sent: socket.bytesWritten - bytesWritten, received: socket.bytesRead - bytesRead };
}

// Node's own client sends everything uncompressed.
const ways = builtin ? ['received'] : ['sent', 'received'];

scenario('compressed', '/', [], async (connection) => {
  const count = await roundTrip(connection, TEXT_1MIB);
  for (const way of ways) same(`${way} ${count[way]} bytes: compressed`, count[way] < MIB / 10, MODE !== 'plain');
});

/** Whether the two ends refer to bytes that are 3000 bytes back. */
async function remembered(connection, server, client) {
  const text = randomBytes(1500).toString('hex'); // shrinks to little more than the half
  const first = await roundTrip(connection, text);
  const again = await roundTrip(connection, text);
  for (const way of ways) {
    const expected = way === 'sent' ? client : server;
    same(`${way} ${first[way]}, then ${again[way]} bytes: remembered`, again[way] < 300, expected);
  }
}

scenario('remembered', '/', [], (connection) => remembered(connection, MODE === 'deflate', MODE === 'deflate'));
scenario('pipeline-100', '/', [], async ({ ws, receive }) => {
  // Texts and binaries in turn.
  const messages = Array.from({ length: 100 }, (_, i) => (i % 2 ? `message ${i}` : Buffer.from(`message ${i}`)));
  for (const message of messages) ws.send(message);
  for (const message of messages) same('echo', await receive(), message);
});

scenarios['close-by-client'] = async () => {
  const { leave } = await open('/');
  clean(await leave(3001, 'leaving'), 3001);
};
scenarios['close-by-server'] = async () => {
  const { closed } = await open('/close/4000/goodbye');
  clean(await closed, 4000, 'goodbye');
};
scenarios['close-1000'] = async () => {
  const { leave } = await open('/');
  clean(await leave(1000, ''), 1000);
};

if (builtin) {
  scenarios['refuse-403'] = async () => {
    // The browser's interface only tells that it failed.
    await assert.rejects(open('/status/403'), /not opened/);
  };
} else {
  scenarios['refuse-403'] = async () => {
    const ws = connect('/status/403', [], {});
    const [, response] = await once(ws, 'unexpected-response');
    same('status', response.statusCode, 403);
    same('header', response.headers['x-refused'], 'yes');
    same('body', Buffer.concat(await response.toArray()).toString(), 'refused with 403\n');
  };
  const sendFragmented = (name, data, binary) =>
    scenario(name, '/', [], async ({ ws, receive }) => {
      // As bytes, so that a character may span two fragments.
      for (let at = 0; at < data.length; at += 997) {
        ws.send(data.subarray(at, at + 997), { binary, fin: at + 997 >= data.length });
      }
      same('echo', await receive(), binary ? data : data.toString());
    });
  sendFragmented('send-fragmented-text', Buffer.from(TEXT_10K), false);
  sendFragmented('send-fragmented-binary', pattern(10000), true);
  scenario('ping-from-client', '/', [], async ({ ws }) => {
    for (const payload of [Buffer.alloc(0), Buffer.from('are you there'), pattern(125)]) {
      const pong = once(ws, 'pong');
      ws.ping(payload);
      same('pong', (await pong)[0], payload);
    }
  });
  scenario('ping-between-fragments', '/', [], async ({ ws, receive }) => {
    const pong = once(ws, 'pong');
    ws.send('one ', { fin: false });
    ws.ping('between');
    ws.send('two', { fin: true });
    same('pong', String((await pong)[0]), 'between');
    same('echo', await receive(), 'one two');
  });
}

if (!builtin && MODE === 'deflate') {
  /** Asks for one parameter, which the server must answer. Then checks which ends remember. */
  const ask = (option, parameter, server, client) =>
    onConnection((connection) => {
      same(parameter, connection.agreed.includes(parameter), true);
      return remembered(connection, server, client);
    }, '/', [], option);
  // 2^11 bytes are too few to reach the message before.
  const serverWindow = (bits) =>
    ask({ serverMaxWindowBits: bits }, `server_max_window_bits=${bits}`, bits > 11, true);
  const clientWindow = (bits) =>
    ask({ clientMaxWindowBits: bits }, `client_max_window_bits=${bits}`, true, bits > 11);
  const fromNine = async (window) => {
    for (let bits = 9; bits < 15; bits++) await window(bits); // 15 is what there is anyway
  };
  Object.assign(scenarios, {
    'server-no-takeover': () => ask({ serverNoContextTakeover: true }, 'server_no_context_takeover', false, true),
    'client-no-takeover': () => ask({ clientNoContextTakeover: true }, 'client_no_context_takeover', true, false),
    'server-window': () => fromNine(serverWindow),
    'server-window-8': () => serverWindow(8),
    'client-window': () => fromNine(clientWindow),
    'client-window-8': () => clientWindow(8),
    threshold: () =>
      onConnection(async (connection) => {
        for (const size of [999, 1000, 0, 1001, 1]) {
          const { sent } = await roundTrip(connection, 'a'.repeat(size));
          same(`${sent} of ${size} bytes sent`, sent < 100, size < 100 || size >= 1000);
        }
        // ws has a threshold only if it doesn't remember.
      }, '/', [], { threshold: 1000, clientNoContextTakeover: true }),
  });
}

async function main() {
  let failed = 0;
  if (overHttp2) {
    await openSession();
    scenarios.http2 = closeSession; // the last one
  }
  for (const [name, run] of Object.entries(scenarios)) {
    if (SKIP.includes(name)) continue;
    try {
      let timer;
      const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`nothing for ${LIMIT} s`)), LIMIT * 1000);
      });
      await Promise.race([run(), late]);
      clearTimeout(timer);
      console.log(`ok ${name}`);
    } catch (error) {
      failed = 1;
      console.log(`FAILED ${name}: ${error.message}`);
    }
  }
  process.exit(failed);
}

main();
