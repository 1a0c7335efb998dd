// Echo server on Node's ws; the contract is in README.md.
'use strict';
const { WebSocketServer } = require('ws');

// ws leaves short messages uncompressed unless the threshold is 0.
const DEFLATE = {
  plain: false,
  deflate: { threshold: 0 },
  limits: {
    threshold: 0,
    serverNoContextTakeover: true,
    clientNoContextTakeover: true,
    serverMaxWindowBits: 9,
    clientMaxWindowBits: 9,
  },
}[process.env.INTEROP_MODE ?? 'plain']; // set by `run`: see README.md
const MAX_MESSAGE = 64 * 1024 * 1024;

const parts = (req) => req.url.split('/').slice(1).map(decodeURIComponent);

function refuse({ req }, done) {
  const [kind, status] = parts(req);
  if (kind !== 'status') return done(true);
  done(false, Number(status), `refused with ${status}\n`, { 'X-Refused': 'yes' });
}

function sendPieces(ws, data, binary, size) {
  // As bytes, even for a text: so a character may span two fragments.
  for (let at = 0; at === 0 || at < data.length; at += size) {
    ws.send(data.subarray(at, at + size), { binary, fin: at + size >= data.length });
  }
}

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: 0,
  verifyClient: refuse,
  maxPayload: MAX_MESSAGE,
  perMessageDeflate: DEFLATE,
  // ws selects the first offered subprotocol by itself.
});

server.on('connection', (ws, req) => {
  const [kind, value, reason] = parts(req);
  const complain = (why) => console.log(`complaint: ${req.url}: ${why}`);
  ws.on('error', (error) => complain(error.message));
  ws.on('close', (code) => code === 1006 && complain('no closing handshake'));
  ws.on('message', (data, binary) =>
    sendPieces(ws, data, binary, kind === 'fragment' ? Number(value) : Infinity));
  if (kind === 'close') ws.close(Number(value), reason);
  if (kind === 'ping') {
    ws.on('pong', (payload) => String(payload) === value && ws.send(`ponged ${value}`));
    ws.ping(value);
  }
});

server.on('listening', () => console.log(`listening on ws://127.0.0.1:${server.address().port}/`));
