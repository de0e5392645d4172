// A zip archive of files as they are: pictures are packed already. After PKWARE's APPNOTE 6.3; names are UTF-8.

const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value >>> 0;
});

export function crc32(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = TABLE[(sum ^ byte) & 0xff] ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
}

const LARGEST = 0xffffffff;

function record(signature, fields) {
  const size = 4 + fields.reduce((total, [bytes]) => total + bytes, 0);
  const view = new DataView(new ArrayBuffer(size));
  view.setUint32(0, signature, true);
  let place = 4;
  for (const [bytes, value] of fields) {
    if (bytes === 2) view.setUint16(place, value, true);
    else view.setUint32(place, value, true);
    place += bytes;
  }
  return new Uint8Array(view.buffer);
}

// `files`: [{ name, blob }]. Names that come twice are numbered.
export async function zip(files) {
  const now = new Date();
  const time = (now.getHours() << 11) | (now.getMinutes() << 5) | (now.getSeconds() >> 1);
  const date = ((now.getFullYear() - 1980) << 9) | ((now.getMonth() + 1) << 5) | now.getDate();
  const taken = new Set();
  const pieces = [];
  const central = [];
  let offset = 0;
  for (const { name, blob } of files) {
    let unique = name;
    // Two names that differ in capitals alone would be one file on most computers.
    for (let number = 2; taken.has(unique.toLowerCase()); number++) {
      const dot = name.lastIndexOf(".");
      unique = dot > 0 ? `${name.slice(0, dot)} (${number})${name.slice(dot)}` : `${name} (${number})`;
    }
    taken.add(unique.toLowerCase());
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const label = new TextEncoder().encode(unique);
    // Version 2.0, names in UTF-8 (bit 11), stored; then time, date, sum and both sizes.
    const shared = [[2, 20], [2, 0x0800], [2, 0], [2, time], [2, date], [4, crc32(bytes)], [4, bytes.length], [4, bytes.length], [2, label.length], [2, 0]];
    const head = record(0x04034b50, shared);
    pieces.push(head, label, blob);
    central.push(record(0x02014b50, [[2, 20], ...shared, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]]), label);
    offset += head.length + label.length + bytes.length;
    if (offset > LARGEST) throw new Error("the pictures have more than 4 GB, too much for one zip file; download them one by one");
  }
  const length = central.reduce((total, piece) => total + piece.length, 0);
  const end = record(0x06054b50, [[2, 0], [2, 0], [2, files.length], [2, files.length], [4, length], [4, offset], [2, 0]]);
  return new Blob([...pieces, ...central, end], { type: "application/zip" });
}
