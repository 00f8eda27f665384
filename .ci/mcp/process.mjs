// Processes: capd as a server, and commands that end.
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

const patience = 600_000; // ms that a command may take on a machine that is busy: the limit is for one that hangs

// serve starts `capd serve` with args on a free port. It gives { address, documents, url, reload, stop }: where it listens;
// what the log says of each document; url(id, kind), where an adapter of a document is; and functions that come back when
// it has read its documents again, and when it has ended.
export async function serve(capd, args, env = {}) {
  const child = spawn(capd, ['serve', '--listen', '127.0.0.1:0', '--log-format', 'json', ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env },
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  const waiting = new Map(); // by what the log says when it has happened
  const log = createInterface({ input: child.stderr });
  log.on('line', (line) => {
    const record = JSON.parse(line);
    waiting.get(record.msg)?.(record);
  });
  const said = (message) =>
    new Promise((resolve, reject) => {
      child.once('error', reject);
      ended.then((code) => reject(new Error(`capd serve ended with status ${code} before it was ${message}`)));
      waiting.set(message, resolve);
    });
  const { documents, addresses } = await said('serving');
  const address = `http://${addresses[0].actual}`;
  const url = (id, kind = 'mcp') => documents.find((d) => d.id === id)?.adapters?.find((a) => a.kind === kind)?.url;
  const reload = async () => {
    const reloaded = said('reloaded');
    child.kill('SIGHUP');
    await reloaded;
  };
  const stop = async () => {
    child.kill('SIGTERM');
    const code = await ended;
    if (code !== 0) throw new Error(`capd serve ended with status ${code}`);
  };
  return { address, documents, url, reload, stop };
}

// run runs a command until it ends, and gives { code, out }: its status and all that it printed.
export function run(command, args, env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      timeout: patience,
      killSignal: 'SIGKILL',
    });
    let out = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (out += text));
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code: code ?? signal, out }));
  });
}

// listen answers HTTP requests on a free port, and gives { url, close }.
export async function listen(answer) {
  const server = createServer((request, response) => {
    Promise.resolve(answer(request.url)).then(
      () => response.end('{}'),
      (error) => response.writeHead(500).end(error.message),
    );
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

// each runs work for every item, two at a time.
export async function each(items, work) {
  const left = [...items];
  const worker = async () => {
    while (left.length > 0) await work(left.shift());
  };
  await Promise.all([worker(), worker()]);
}
