// work.js SIZE: objects, JSON, regular expressions, buffers, zlib and crypto on the thread pool,
// worker threads, a child process.
'use strict';
const { spawnSync } = require('child_process');
const crypto = require('crypto');
const fs = require('fs');
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const { promisify } = require('util');
const zlib = require('zlib');

const record = (i) => ({ id: i, name: `name ${(i * 7919) % 10007}`, list: Array(i % 9).fill(i) });
const digest = (data) => crypto.createHash('sha256').update(data).digest('hex').slice(0, 16);

function work(size) {
    const text = JSON.stringify(Array.from({ length: size }, (_, i) => record(i)));
    const back = JSON.stringify(JSON.parse(text));
    return [digest(back), (back.match(/name \d+/g) || []).length];
}

async function main() {
    const size = Number(process.argv[2]);
    const preload = process.env.PRELOAD || '';
    const maps = fs.readFileSync('/proc/self/maps', 'utf8').split('\n');
    console.log('loaded', !preload || maps.some((line) => line.endsWith(` ${preload}`)));
    console.log(work(size));

    const deflate = promisify(zlib.deflate);
    const inflate = promisify(zlib.inflate);
    const blocks = Array.from({ length: 32 }, (_, i) =>
        Buffer.from(Array.from({ length: size }, (__, j) => (i * j) & 255)));
    const packed = await Promise.all(blocks.map((block) => deflate(block)));
    const unpacked = await Promise.all(packed.map((block) => inflate(block)));
    console.log(digest(Buffer.concat(unpacked)), Buffer.concat(unpacked).length);
    console.log(digest(await promisify(crypto.scrypt)('password', 'salt', 32)));

    const map = new Map();
    for (let i = 0; i < size * 5; i++)
        map.set(`key ${(i * 31) % size}`, new Uint8Array(i % 3000));
    console.log(map.size, [...map.values()].reduce((sum, array) => sum + array.length, 0));

    console.log(await Promise.all([1, 2, 3, 4].map((n) => new Promise((resolve, reject) => {
        const worker = new Worker(__filename, { workerData: Math.floor(size / n) });
        worker.once('message', resolve);
        worker.once('error', reject);
    }))));
    console.log(spawnSync(process.execPath, ['-p', '"x".repeat(9)'], { encoding: 'utf8' }).stdout);
}

if (isMainThread)
    main();
else
    parentPort.postMessage(work(workerData));
