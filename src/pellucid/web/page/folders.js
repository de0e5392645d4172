// Pictures from a folder that was dropped, and outputs into a folder that the user has chosen.

// The files of a drop: those of a folder and of the folders below it, in the order of their names.
export async function dropped(transfer) {
  const roots = [...transfer.items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry());
  if (!roots.some((entry) => entry && entry.isDirectory)) return { files: [...transfer.files], folder: false };
  const files = [];
  const below = async (entry) => {
    if (entry.name.startsWith(".")) return;
    if (entry.isFile) {
      files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
      return;
    }
    const reader = entry.createReader();
    const found = [];
    // A reader gives a hundred entries at a time.
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) break;
      found.push(...some);
    }
    for (const each of found.sort((one, other) => one.name.localeCompare(other.name))) await below(each);
  };
  for (const entry of roots.filter(Boolean)) await below(entry);
  return { files, folder: true };
}

// Whether this browser lets the page write into a folder.
export const canSaveInto = () => typeof globalThis.showDirectoryPicker === "function";

// The user's choice of a folder; null where none was chosen.
export async function chosenFolder() {
  try {
    return await globalThis.showDirectoryPicker({ id: "pellucid", mode: "readwrite", startIn: "pictures" });
  } catch (error) {
    if (error.name === "AbortError") return null;
    throw error;
  }
}

async function isThere(folder, name) {
  try {
    await folder.getFileHandle(name);
    return true;
  } catch (error) {
    if (error.name === "TypeMismatchError") return true;
    if (error.name === "NotFoundError") return false;
    throw error;
  }
}

// Writes a file under its name, or with a number where that is taken: nothing is overwritten. Gives the name.
export async function saveInto(folder, name, blob) {
  const dot = name.lastIndexOf(".");
  const [stem, ending] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ""];
  let unique = name;
  for (let number = 2; await isThere(folder, unique); number++) unique = `${stem} (${number})${ending}`;
  // The browser writes beside it, and gives it its name when all is there.
  const writer = await (await folder.getFileHandle(unique, { create: true })).createWritable();
  try {
    await writer.write(blob);
    await writer.close();
  } catch (error) {
    await writer.abort().catch(() => {});
    await folder.removeEntry(unique).catch(() => {});
    throw error;
  }
  return unique;
}
